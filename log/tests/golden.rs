//! Data folders that older versions wrote, as they lie in `tests/golden`: every later one reads
//! them.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parx_log::{Log, LogOptions, Quality, Sample, Sequence, SystemClock, Timestamp, Value};
use tempfile::TempDir;

/// A copy of a golden folder, to be opened and changed.
fn golden(version: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(version);
    copy(&source, folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).unwrap()),
        }
    }
}

fn open(folder: &Path) -> Log {
    Log::open(LogOptions::new(folder), Arc::new(SystemClock)).unwrap()
}

/// The samples of a signal that are still in the log, with the sequences they came with.
fn hot(log: &Log, tag: &str) -> Vec<(u64, Option<Value>)> {
    let view = log.snapshot();
    let id = view.catalog.signal_by_tag(tag).unwrap().id;
    let rows = view.tails.iter().flat_map(|tail| {
        let rows = tail.read(id, i64::MIN, i64::MAX, view.sequence);
        (0..rows.len()).map(move |row| (rows.sequences[row], rows.value(row))).collect::<Vec<_>>()
    });
    rows.collect()
}

#[tokio::test]
async fn l4_a_folder_of_version_1_is_read_and_becomes_one_of_version_2() {
    reads("v1").await;
}

#[tokio::test]
async fn l4_a_folder_of_version_2_is_read() {
    reads("v2").await;
}

#[tokio::test]
async fn l4_a_folder_with_segments_of_version_2_is_read() {
    reads("v3").await;
}

/// Reads a golden folder and goes on with it. Every one holds three writes in segments and two in
/// the log.
async fn reads(version: &str) {
    let folder = golden(version);
    let log = open(folder.path());
    let manifest = log.catalog().manifest.clone();
    assert_eq!((manifest.segments.len(), manifest.through), (2, Sequence(7)), "L4");
    let tags = log.catalog().signals().map(|s| s.definition.tag.clone()).collect::<Vec<_>>();
    assert_eq!(tags, ["a/v", "b/n", "b/t"], "L4");
    let float = |value| Some(Value::Float(value));
    let mut stored = vec![(9, float(4.5)), (10, float(5.5))];
    assert_eq!(hot(&log, "a/v"), stored, "L4");
    let last = log.last_values().get(log.catalog().signal_by_tag("b/t").unwrap().id).unwrap();
    assert_eq!(last.sample.value, Some(Value::Text("x3".into())), "L4");
    let changes = log.changes_before(Sequence(100), 100).unwrap();
    assert_eq!(changes.len(), 5, "L5: an account, three signals, the segments");

    let sample = Sample {
        signal: log.catalog().signal_by_tag("a/v").unwrap().id,
        time: Timestamp::from_micros(6_000_000),
        value: float(6.5),
        quality: Quality::GOOD,
    };
    let sequence = log.append("t".into(), None, vec![sample]).await.unwrap();
    stored.push((sequence.0, float(6.5)));
    drop(log);
    assert_eq!(fs::read_to_string(folder.path().join("VERSION")).unwrap(), "2\n");
    let log = open(folder.path());
    assert_eq!(hot(&log, "a/v"), stored, "L2: old and new entries follow one another");
}
