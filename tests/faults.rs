//! A disk that fails and a disk that is full, in short: nothing acknowledged is lost, and the
//! suites can tell. `make chaos` runs them at length.

use std::process::Command;

use serde_json::Value;

use crate::peers::python;

/// Runs a suite; its report, and whether it is content. Nothing where it cannot run.
fn suite(script: &str, arguments: &[&str]) -> Option<(bool, Value)> {
    let mut command: Command = python(script);
    command.arg("--parx").arg(env!("CARGO_BIN_EXE_parx")).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) {
        println!("{script} cannot run here: {errors}");
        return None;
    }
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    println!("{report:#}");
    Some((output.status.success(), report))
}

fn count(report: &Value, kind: &str) -> u64 {
    report[kind].as_u64().unwrap_or_else(|| panic!("no {kind}: {report:#}"))
}

#[test]
fn l2_a_failing_write_or_fsync_ends_the_server_and_loses_nothing() {
    let (content, report) = suite("failing.py", &["--at", "1-60:13"]).unwrap();
    assert!(content, "L2: {report:#}");
    assert_eq!(count(&report, "failed"), count(&report, "cases"), "every call is reached");
    assert!(count(&report, "ended") > 5, "{report:#}");
}

#[test]
fn l2_a_server_that_acknowledges_too_soon_is_seen_when_the_disk_fails() {
    let arguments = ["--at", "11,33", "--switch", "ack-before-commit"];
    let (content, report) = suite("failing.py", &arguments).unwrap();
    let complaints = report["complaints"].to_string();
    assert!(!content && complaints.contains("acknowledged and lost"), "L2: {report:#}");
}

#[test]
fn a2_a_full_disk_is_read_only_and_comes_back_by_itself() {
    let Some((content, report)) = suite("full.py", &["--cycles", "3"]) else { return };
    assert!(content, "A2: {report:#}");
    assert!(count(&report, "cycles") == 3 && count(&report, "refused") > 0, "{report:#}");
}

#[test]
fn a2_a_server_that_keeps_no_space_free_is_seen_when_the_disk_is_full() {
    let Some((content, report)) = suite("full.py", &["--cycles", "2", "--unguarded"]) else {
        return;
    };
    assert!(!content, "A2: the suite must be able to fail: {report:#}");
}
