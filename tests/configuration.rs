//! `parx check`: every mistake by file, line and column, for people and for editors.

use std::process::{Command, Output};

use crate::harness::Place;

const GOOD: &str = r#"
[[scan_class]]
name = "fast"
period_ms = 500

[[source]]
name = "plc"
driver = "modbus"
settings = { host = "127.0.0.1", port = 5020 }

[[signal]]
tag = "plc/pressure"
source = "plc"
address = "holding:0:float32"
scan_class = "fast"
"#;

/// Runs `parx check`.
fn check(config: &str) -> (Output, String) {
    let place = Place::new(config);
    let file = place.path().join("parx.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    let output = command.arg("check").arg("--config").arg(&file).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text.replace(file.to_str().unwrap(), "FILE"))
}

#[test]
fn a_good_configuration_is_told_good_and_the_server_starts_with_it() {
    let (output, text) = check(GOOD);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("FILE: good; 1 sources, 1 signals"), "{text}");
}

#[test]
fn every_mistake_is_told_by_file_line_and_column() {
    let table = [
        ("name = \"fast\"\nperiod_ms = 500", "name = \"fast\"\nperiod_ms = 0", "FILE:4:13: "),
        (
            "driver = \"modbus\"",
            "driver = \"mudbus\"",
            "FILE:8:10: source 'plc': there is no driver",
        ),
        ("port = 5020", "prot = 5020", "FILE:9:34: "),
        ("holding:0:float32", "holding:0:flaot32", "FILE:14:11: "),
        ("source = \"plc\"", "source = \"plx\"", "FILE:13:10: "),
        ("scan_class = \"fast\"", "scan_class = \"fest\"", "FILE:15:14: "),
        ("[[signal]]", "[[signal]", "FILE:11:"),
        ("tag = ", "colour = \"red\"\ntag = ", "FILE:12:1: "),
    ];
    for (right, wrong, place) in table {
        let (output, text) = check(&GOOD.replace(right, wrong));
        assert_eq!(output.status.code(), Some(1), "{wrong}: {text}");
        assert!(text.lines().any(|line| line.starts_with(place)), "{wrong}: {place}: {text}");
    }
    let (output, text) =
        check(&GOOD.replace("5020", "0").replace("flaot32", "x").replace("500", "0"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text.lines().count() >= 2, "one mistake does not hide the next: {text}");
}

#[test]
fn a_server_refuses_to_start_with_a_wrong_configuration_and_says_where() {
    let place = Place::new("[servre]\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    command.arg("serve").arg("--data").arg(place.data());
    command.arg("--config").arg(place.path().join("parx.toml"));
    for door in ["--http", "--postgres", "--flight"] {
        command.args([door, "127.0.0.1:0"]);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("parx.toml:1:") && told.contains("servre"), "{told}");
    assert!(output.stdout.is_empty(), "no login and no ready line");
}
