//! The checker in short: kills under load lose and double nothing, and the checker can tell.

use std::process::Command;

use serde_json::Value;

use crate::peers::python;

/// Runs the checker; its report, and whether it is content.
fn check(rounds: u32, seed: u32, switch: Option<&str>) -> (bool, Value) {
    let folder = tempfile::Builder::new().prefix("parx-checker-").tempdir().unwrap();
    let mut command: Command = python("checker.py");
    command.arg("--parx").arg(env!("CARGO_BIN_EXE_parx"));
    command.args(["--rounds", &rounds.to_string(), "--seed", &seed.to_string()]);
    command.args(["--verify-every", "5"]).arg("--folder").arg(folder.path());
    if let Some(switch) = switch {
        command.args(["--switch", switch]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    (output.status.success(), report)
}

fn count(report: &Value, kind: &str) -> u64 {
    report[kind].as_u64().unwrap_or_else(|| panic!("no {kind}: {report:#}"))
}

#[test]
fn l2_i3_c1_kills_under_load_lose_and_double_nothing() {
    let (content, report) = check(10, 1, None);
    println!("{report:#}");
    assert!(content, "{report:#}");
    assert!(count(&report, "acknowledged") > 100, "there was load: {report:#}");
    assert!(count(&report, "sent_again") > 0, "batches were sent again: {report:#}");
    assert!(count(&report, "corrections") > 0 && count(&report, "deletions") > 0, "{report:#}");
    for door in ["line protocol", "Flight", "GraphQL"] {
        assert!(count(&report["through"], door) > 0, "every door was used: {report:#}");
    }
    assert!(count(&report, "in_segments") > 0, "the log was compacted: {report:#}");
}

#[test]
fn l2_the_checker_sees_a_server_that_acknowledges_too_soon() {
    let (content, report) = check(4, 2, Some("ack-before-commit"));
    assert!(!content && count(&report, "lost") > 0, "L2: {report:#}");
}

#[test]
fn i3_the_checker_sees_a_server_that_stores_batches_again() {
    let (content, report) = check(3, 3, Some("store-batches-again"));
    assert!(!content && count(&report, "duplicated") > 0, "I3: {report:#}");
}
