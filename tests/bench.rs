//! `parx bench` on plants so small that it takes a moment: that each measurement comes to its end
//! and reports what it promises. No figure is asserted.

use std::process::Command;

use serde_json::Value;

use crate::harness::run;

/// What a measurement prints as JSON.
fn measure(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    command.arg("bench").args(arguments).arg("--json");
    let printed = run(command);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// A number somewhere in a report, as a JSON pointer.
fn number(report: &Value, pointer: &str) -> f64 {
    let found = report.pointer(pointer).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {pointer}: {report:#}"))
}

#[test]
fn ingest_reports_speed_cost_and_size() {
    let plant = ["--signals", "20", "--hours", "0.2", "--door", "line", "--restart", "300000"];
    let report = measure(&[&["ingest"], plant.as_slice()].concat());
    assert_eq!(number(&report, "/plant/signals"), 20.0);
    for pointer in [
        "/runs/0/points_per_second",
        "/runs/0/cpu_us_per_point_compacted",
        "/runs/0/memory_mb",
        "/runs/0/visible_ms/p50",
        "/runs/0/ack_ms/p99",
        "/runs/0/size/columns/time",
        "/runs/0/size/classes/noisy/bytes_per_point",
        "/restart/log_bytes",
        "/restart/answered_s",
        "/machine/cores",
        "/disk/sync_ms/p50",
    ] {
        assert!(number(&report, pointer) > 0.0, "{pointer}: {report:#}");
    }
    let (fed, kept) = (number(&report, "/runs/0/points"), number(&report, "/runs/0/size/points"));
    assert!(kept > fed, "the segments hold what was fed and the probes: {report:#}");
    assert!(!report["goals"].as_array().unwrap().is_empty(), "{report:#}");
}
