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

/// The plant that is fed: 21,000 points.
const PLANT: [&str; 4] = ["--signals", "20", "--hours", "0.5"];

#[test]
fn ingest_and_query_report_speed_cost_size_and_answers_that_duckdb_gives_too() {
    let folder = tempfile::Builder::new().prefix("parx-bench-").tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let doors = ["--door", "flight,line,acknowledged", "--restart", "300000", "--folder", folder];
    let report = measure(&[&["ingest"], PLANT.as_slice(), doors.as_slice()].concat());
    for run in 0..3 {
        for figure in [
            "points_per_second",
            "cpu_us_per_point_compacted",
            "memory_mb",
            "visible_ms/p50",
            "size/columns/time",
            "size/classes/noisy/bytes_per_point",
        ] {
            let pointer = format!("/runs/{run}/{figure}");
            assert!(number(&report, &pointer) > 0.0, "{pointer}: {report:#}");
        }
        let [fed, kept] =
            ["points", "size/points"].map(|of| number(&report, &format!("/runs/{run}/{of}")));
        assert!(kept > fed, "the segments hold what was fed and the probes: {report:#}");
    }
    for pointer in ["/runs/2/ack_ms/p99", "/restart/log_bytes", "/restart/answered_s"] {
        assert!(number(&report, pointer) > 0.0, "{pointer}: {report:#}");
    }
    for pointer in ["/machine/cores", "/disk/sync_ms/p50", "/plant/hours"] {
        assert!(number(&report, pointer) > 0.0, "{pointer}: {report:#}");
    }
    assert!(report["goals"].as_array().unwrap().len() >= 8, "{report:#}");

    let python = std::env::var("PARX_PYTHON").unwrap_or("python3".to_owned());
    let asked =
        ["query", "--folder", folder, "--runs", "3", "--python", &python, "--year", "100000"];
    // It fails by itself if an answer is not DuckDB's (Q2).
    let report = measure(&asked);
    assert_eq!(number(&report, "/year/ways/0/rows"), 1000.0, "{report:#}");
    let questions = report["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 10, "{report:#}");
    for question in questions {
        let ways = question["ways"].as_array().unwrap();
        for door in ["Flight", "Postgres"] {
            let at = |way: &&Value| way["way"].as_str().is_some_and(|name| name.ends_with(door));
            let same = ways.iter().find(at).map(|way| &way["same"]);
            assert_eq!(same, Some(&Value::Bool(true)), "Q2, Q3: {question:#}");
        }
        assert!(number(question, "/times_faster") > 0.0, "{question:#}");
        assert!(number(question, "/duckdb/median_ms") > 0.0, "{question:#}");
    }
}

#[test]
fn soak_tells_how_memory_and_answers_lean() {
    let report = measure(&["soak", "--time", "3s", "--every", "200ms"]);
    for pointer in ["/looks", "/memory_mib/first_quarter", "/questions_ms/0/last_quarter"] {
        assert!(number(&report, pointer) > 0.0, "{pointer}: {report:#}");
    }
    assert_eq!(report["questions_ms"].as_array().unwrap().len(), 4, "{report:#}");
}
