//! A data folder with known contents, and how to look at its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parx_log::{
    Command, HandClock, Log, LogOptions, OpenError, Quality, Sample, SignalDefinition, SignalId,
    Timestamp, Value,
};
use tempfile::TempDir;

pub(crate) const DAY: i64 = 1_795_564_800_000_000;
/// Groups that a written folder has behind the one that defines the signal.
pub(crate) const GROUPS: usize = 20;
/// Rows of a group, so that each takes several pages of the disk.
pub(crate) const ROWS: usize = 3000;

pub(crate) fn try_open(folder: &Path) -> Result<Log, OpenError> {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    Log::open(options, Arc::new(HandClock::at(Timestamp::from_micros(DAY))))
}

/// A folder with `GROUPS` groups of `ROWS` rows each, closed. The watermark as it was before the
/// last group lies beside it.
pub(crate) async fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let log = try_open(folder.path()).unwrap();
    let watermark = folder.path().join("watermark");
    let definition = SignalDefinition { tag: "a".into(), ..SignalDefinition::default() };
    log.submit("t".into(), Command::DefineSignal(definition)).await.unwrap();
    for group in 0..GROUPS {
        let rows = (0..ROWS).map(|row| sample(group * ROWS + row));
        if group == GROUPS - 1 {
            while marked(&watermark) < log.snapshot().sequence.0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            fs::copy(&watermark, folder.path().join("watermark.before")).unwrap();
        }
        log.append("t".into(), None, rows.collect()).await.unwrap();
    }
    close(log).await;
    // Without the zeros behind it, the journal is read faster.
    let bytes = fs::read(journal(folder.path())).unwrap();
    let end = batches(&bytes).last().copied().unwrap();
    assert!(bytes[end..].iter().all(|byte| *byte == 0));
    fs::write(journal(folder.path()), &bytes[..end]).unwrap();
    folder
}

/// The highest sequence that a watermark tells.
pub(crate) fn marked(file: &Path) -> u64 {
    let bytes = fs::read(file).unwrap();
    let sequence = |page: &[u8]| u64::from_le_bytes(page[24..32].try_into().unwrap());
    bytes.chunks(4096).map(sequence).max().unwrap()
}

/// Makes it as if the process had been killed right behind the last group.
pub(crate) fn killed(folder: &Path) {
    fs::copy(folder.join("watermark.before"), folder.join("watermark")).unwrap();
}

pub(crate) async fn close(log: Log) {
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
}

pub(crate) fn rows(log: &Log) -> usize {
    log.snapshot().tails.iter().map(|tail| tail.rows() as usize).sum()
}

pub(crate) fn journal(folder: &Path) -> PathBuf {
    folder.join("log/0.jnl")
}

/// Offsets in the journal at which a batch of a group begins: its magic ends the one before.
pub(crate) fn batches(bytes: &[u8]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, w)| *w == b"FJL\x03").map(|(at, _)| at + 4).collect()
}

pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// The sample of a number.
pub(crate) fn sample(number: usize) -> Sample {
    Sample {
        signal: SignalId(1),
        time: Timestamp::from_micros(DAY + number as i64),
        value: Some(Value::Float((number as f64 * 0.7).sin())),
        quality: Quality::GOOD,
    }
}

/// Copies a golden folder to `to`.
pub(crate) fn golden(version: &str, to: &Path) {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(version), to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).unwrap()),
        }
    }
}
