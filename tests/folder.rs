//! `parx verify` and `parx repair` on real data folders: what they tell, their exit codes, and what
//! a server finds afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, USER};

/// A place with samples in segments and in the log, whose server is off.
fn written() -> Place {
    let place = Place::new("[compaction]\nseal_after_s = 1\n");
    let server = place.start();
    server.write("a,b=c v=1i,s=\"x\" 1000\na,b=c v=2i 2000");
    server.wait_compacted();
    server.write("a,b=c v=3i 3000");
    server.stop();
    place
}

/// Runs `parx verify`; its exit code and its report.
fn verify(place: &Place) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    let output = command.arg("verify").arg(place.data()).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code(), report)
}

/// Runs `parx repair`; its exit code and what it says.
fn repair(place: &Place, yes: bool) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    command.arg("repair").arg(place.data());
    if yes {
        command.arg("--yes");
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text + &errors)
}

/// The files below a folder that end with `ending`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => found.extend(files(&entry, ending)),
            false if entry.to_string_lossy().ends_with(ending) => found.push(entry),
            false => {}
        }
    }
    found
}

#[test]
fn a_good_folder_is_told_good_in_one_line_and_in_json() {
    let place = written();
    let (code, report) = verify(&place);
    assert_eq!((code, &report["good"]), (Some(0), &Value::Bool(true)), "{report}");
    assert_eq!(report["segments"]["samples"].as_u64(), Some(3), "{report}");
    assert!(report["log"]["samples"].as_u64() <= Some(1), "{report}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    let output = command.arg("verify").arg(place.data()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(": good; "), "{text}");
    let server = place.start();
    assert_eq!(server.sql_value("SELECT count(*) FROM samples_history"), "4");
    server.stop();
}

#[test]
fn l6_damage_anywhere_is_told_with_its_file_and_ends_with_1() {
    let place = written();
    let mut victims = files(&place.data(), ".parquet");
    victims.extend(files(&place.data().join("log"), ".jnl"));
    assert!(victims.len() >= 3, "segments, clock and journal: {victims:?}");
    for victim in victims {
        let whole = std::fs::read(&victim).unwrap();
        let mut damaged = whole.clone();
        damaged[200] ^= 8;
        std::fs::write(&victim, &damaged).unwrap();
        let (code, report) = verify(&place);
        assert_eq!(code, Some(1), "L6: {report}");
        let faults = report["faults"].as_array().unwrap();
        let named = |fault: &Value| fault["file"].as_str() == victim.to_str();
        assert!(faults.iter().any(named), "L6: {} in {report}", victim.display());
        std::fs::remove_file(&victim).unwrap();
        let (code, report) = verify(&place);
        assert_eq!(code, Some(1), "L6: without {}: {report}", victim.display());
        std::fs::write(&victim, &whole).unwrap();
    }
    let (code, report) = verify(&place);
    assert_eq!(code, Some(0), "whole again: {report}");
    let server = place.start();
    let users = server.sql_value("SELECT count(*) FROM signals");
    assert_eq!(users, "2", "the catalog is there, and {USER} can log in");
    server.stop();
}

#[test]
fn a_folder_that_a_server_uses_is_not_looked_at() {
    let place = written();
    let server = place.start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
    let output = command.arg("verify").arg(place.data()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("is in use; stop ParX first"), "{errors}");
    server.stop();
}

#[test]
fn repair_says_that_there_is_nothing_to_do() {
    let place = written();
    let (code, text) = repair(&place, false);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing to repair"), "{text}");
}

#[test]
fn l6_a_damaged_segment_is_set_aside_and_its_loss_is_in_the_history() {
    let place = written();
    let victim = files(&place.data().join("segments"), ".parquet").pop().unwrap();
    let mut damaged = std::fs::read(&victim).unwrap();
    damaged[100] ^= 1;
    std::fs::write(&victim, &damaged).unwrap();
    let (code, text) = repair(&place, false);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("would: move segments/1970-01-01/"), "{text}");
    assert!(text.contains("lost: 3 samples from 1970-01-01T00:00:00.000001Z"), "{text}");
    assert!(text.ends_with("nothing was changed; parx repair --yes does it\n"), "{text}");
    assert!(std::fs::read(&victim).unwrap() == damaged, "nothing was changed");
    let (code, text) = repair(&place, true);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(": good; "), "{text}");
    assert!(!victim.exists());
    let aside = files(&place.data().join("quarantine"), ".parquet");
    assert!(std::fs::read(&aside[0]).unwrap() == damaged, "it is kept as it was");
    assert_eq!(repair(&place, false).0, Some(0), "once is enough");
    let server = place.start();
    assert_eq!(server.sql_value("SELECT count(*) FROM samples_history"), "1");
    let lost = server.sql("SELECT kind, author FROM events WHERE kind = 'DataLost'");
    assert_eq!(lost, [["DataLost", "parx repair"]], "L6: the loss is in the history");
    server.write("a,b=c v=4i 4000");
    assert_eq!(server.sql_value("SELECT count(*) FROM samples_history"), "2");
    server.stop();
}

#[test]
fn l6_a_damaged_journal_is_repaired_and_the_server_goes_on() {
    let place = written();
    let journal = files(&place.data().join("log"), ".jnl").pop().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let (code, text) = repair(&place, true);
    assert_eq!(code, Some(0), "{text}");
    let aside = files(&place.data().join("quarantine"), ".jnl").pop().unwrap();
    assert!(std::fs::read(&aside).unwrap() == bytes, "it is kept as it was");
    let server = place.start();
    assert_eq!(server.sql_value("SELECT count(*) FROM samples_history"), "4");
    server.stop();
}
