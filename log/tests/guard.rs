//! What the log does about damage to the store's files: unharmed, cut where nothing was promised,
//! or refused with file and offset, and then nothing is changed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parx_log::{
    Command, GuardError, HandClock, Log, LogOptions, OpenError, Quality, Sample, SignalDefinition,
    SignalId, Timestamp, Value,
};
use tempfile::TempDir;

const DAY: i64 = 1_795_564_800_000_000;
/// Groups that a written folder has behind the one that defines the signal.
const GROUPS: usize = 20;
/// Rows of a group, so that each takes several pages of the disk.
const ROWS: usize = 3000;

fn try_open(folder: &Path) -> Result<Log, OpenError> {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    Log::open(options, Arc::new(HandClock::at(Timestamp::from_micros(DAY))))
}

/// A folder with `GROUPS` groups of `ROWS` rows each, closed. The watermark as it was before the
/// last group lies beside it.
async fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let log = try_open(folder.path()).unwrap();
    let watermark = folder.path().join("watermark");
    let definition = SignalDefinition { tag: "a".into(), ..SignalDefinition::default() };
    log.submit("t".into(), Command::DefineSignal(definition)).await.unwrap();
    for group in 0..GROUPS {
        let rows = (0..ROWS).map(|row| {
            let number = (group * ROWS + row) as f64;
            Sample {
                signal: SignalId(1),
                time: Timestamp::from_micros(DAY + number as i64),
                value: Some(Value::Float((number * 0.7).sin())),
                quality: Quality::GOOD,
            }
        });
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
fn marked(file: &Path) -> u64 {
    let bytes = fs::read(file).unwrap();
    let sequence = |page: &[u8]| u64::from_le_bytes(page[24..32].try_into().unwrap());
    bytes.chunks(4096).map(sequence).max().unwrap()
}

/// Makes it as if the process had been killed right behind the last group.
fn killed(folder: &Path) {
    fs::copy(folder.join("watermark.before"), folder.join("watermark")).unwrap();
}

async fn close(log: Log) {
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
}

fn rows(log: &Log) -> usize {
    log.snapshot().tails.iter().map(|tail| tail.rows() as usize).sum()
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("log/0.jnl")
}

/// Offsets in the journal at which a batch of a group begins: its magic ends the one before.
fn batches(bytes: &[u8]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, w)| *w == b"FJL\x03").map(|(at, _)| at + 4).collect()
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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

/// The folder is refused for damage to `file`, and nothing in it is changed.
fn refused(folder: &Path, file: &str) -> u64 {
    let before = files(folder);
    let error = try_open(folder).err().unwrap();
    let OpenError::Guard(GuardError::Damaged { file: named, offset, .. }) = &error else {
        panic!("L6: {error}")
    };
    assert!(named.ends_with(file), "L6: {error} should name {file}");
    assert!(files(folder) == before, "L6: nothing is changed where damage is refused");
    *offset
}

#[tokio::test]
async fn l6_a_torn_tail_is_cut_and_what_was_before_it_is_there() {
    let whole = written().await;
    let bytes = fs::read(journal(whole.path())).unwrap();
    let starts = batches(&bytes);
    // The batch behind the last group is the catalog's snapshot of the close.
    let last = starts[starts.len() - 3];
    let end = starts[starts.len() - 2];
    let page = last.next_multiple_of(4096);
    assert!(page + 8192 < end, "a group takes several pages");
    type Damage<'a> = (&'static str, &'a dyn Fn(&mut Vec<u8>));
    let watermark = fs::read(whole.path().join("watermark")).unwrap();
    let cut: [Damage<'_>; 5] = [
        ("cut inside", &|bytes| bytes.truncate(last + 500)),
        ("zeroed to the end", &|bytes| bytes[page..].fill(0)),
        ("a hole, and the end is there", &|bytes| bytes[page..page + 4096].fill(0)),
        ("the first page is missing", &|bytes| bytes[last..page].fill(0)),
        ("something else than was written", &|bytes| bytes[page] ^= 1),
    ];
    for (what, damage) in cut {
        let mut torn = bytes[..end].to_vec();
        damage(&mut torn);
        fs::write(whole.path().join("watermark"), &watermark).unwrap();
        fs::write(journal(whole.path()), &torn).unwrap();
        let offset = refused(whole.path(), "0.jnl");
        assert_eq!(offset, last as u64, "L6: {what}, and it was acknowledged");
        killed(whole.path());
        let log = try_open(whole.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(rows(&log), (GROUPS - 1) * ROWS, "L2: {what}");
        close(log).await;
    }
}

#[tokio::test]
async fn l6_damage_before_valid_data_is_refused_with_file_and_offset() {
    let folder = written().await;
    let bytes = fs::read(journal(folder.path())).unwrap();
    let starts = batches(&bytes);
    let (middle, next) = (starts[10], starts[11]);
    for place in [middle, middle + 1, middle + 20, middle + 5000, next - 1] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x40;
        fs::write(journal(folder.path()), &bytes).unwrap();
        assert_eq!(refused(folder.path(), "0.jnl"), middle as u64, "L6: byte {place}");
    }
    let mut hole = bytes.clone();
    hole[middle + 100..middle + 20_000].fill(0);
    fs::write(journal(folder.path()), &hole).unwrap();
    assert_eq!(refused(folder.path(), "0.jnl"), middle as u64, "L6");
    fs::write(journal(folder.path()), &bytes).unwrap();
    assert_eq!(rows(&try_open(folder.path()).unwrap()), GROUPS * ROWS, "whole again");
}

#[tokio::test]
async fn l6_a_list_or_a_name_of_the_store_that_is_not_right_is_refused() {
    let folder = written().await;
    let keyspaces = folder.path().join("log/keyspaces");
    let meta = keyspaces.join("0");
    let current = fs::read(meta.join("current")).unwrap();
    let number = u64::from_le_bytes(current[..8].try_into().unwrap());
    let list = meta.join(format!("v{number}"));
    let tables = fs::read_dir(meta.join("tables")).unwrap().map(|entry| entry.unwrap().path());
    // The newest is of the list; older ones may wait to be removed.
    let table = tables.max_by_key(|path| path.file_name().unwrap().len()).unwrap();
    for file in [meta.join("current"), list, table, folder.path().join("log/version")] {
        let bytes = fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for place in (0..bytes.len()).step_by(1 + bytes.len() / 60) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            fs::write(&file, &damaged).unwrap();
            let what = if name == "current" && (8..24).contains(&place) { "v" } else { "" };
            match what {
                // The sum in `current` tells that it and the list do not fit.
                "v" => assert!(try_open(folder.path()).is_err(), "L6: {name} byte {place}"),
                _ => drop(refused(folder.path(), &name)),
            }
        }
        fs::remove_file(&file).unwrap();
        assert!(try_open(folder.path()).is_err(), "L6: {name} is missing");
        fs::write(&file, &bytes).unwrap();
    }
    assert_eq!(rows(&try_open(folder.path()).unwrap()), GROUPS * ROWS, "whole again");
}

#[tokio::test]
async fn l6_a_log_that_lost_its_end_is_refused() {
    let folder = written().await;
    let bytes = fs::read(journal(folder.path())).unwrap();
    let starts = batches(&bytes);
    for end in [starts[starts.len() - 3], starts[10], 0] {
        fs::write(journal(folder.path()), &bytes[..end]).unwrap();
        let error = try_open(folder.path()).err().unwrap();
        let wanted = (GROUPS + 1) as u64;
        let found = match &error {
            OpenError::Short { last, watermark } => (last.0 < wanted, watermark.0),
            // The whole journal is empty, and with it the keyspaces have nothing.
            error => panic!("L6: {error}"),
        };
        assert_eq!(found, (true, wanted), "L6: cut at {end}");
    }
    fs::write(journal(folder.path()), &bytes).unwrap();
    fs::remove_file(journal(folder.path())).unwrap();
    assert!(try_open(folder.path()).is_err(), "L6: no journal");
    fs::write(journal(folder.path()), &bytes).unwrap();
    assert_eq!(rows(&try_open(folder.path()).unwrap()), GROUPS * ROWS, "whole again");
}

#[tokio::test]
async fn l6_without_watermark_or_version_a_folder_is_refused() {
    let folder = written().await;
    for name in ["watermark", "VERSION"] {
        let path = folder.path().join(name);
        let bytes = fs::read(&path).unwrap();
        for damaged in [None, Some(vec![]), Some(vec![0; bytes.len()])] {
            match damaged {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            let before = files(folder.path());
            let error = try_open(folder.path()).err().unwrap();
            assert!(error.to_string().contains(name) || name == "VERSION", "L6: {error}");
            assert!(files(folder.path()) == before, "L6: nothing is changed");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(rows(&try_open(folder.path()).unwrap()), GROUPS * ROWS, "whole again");
}

/// Somebody who knows every checksum changes the author of an entry.
#[tokio::test]
async fn l6_an_entry_that_was_changed_with_care_is_found_by_the_chain() {
    let folder = written().await;
    let mut bytes = fs::read(journal(folder.path())).unwrap();
    let starts = batches(&bytes);
    let (start, end) = (starts[10], starts[11]);
    let record = bytes[start..end].windows(4).position(|w| *w == [0x81, 0, 0, 0]).unwrap() + start;
    let (entry, key) = (record + 36, record - 8);
    assert_eq!(bytes[entry + 24], b't', "the author");
    bytes[entry + 24] = b'u';
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[key..record]);
    sum.update(&bytes[entry..entry + 4]);
    sum.update(&bytes[entry + 8..end - 13]);
    bytes[entry + 4..entry + 8].copy_from_slice(&sum.finalize().to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[start + 13..end - 13]);
    bytes[end - 12..end - 4].copy_from_slice(&sum.to_le_bytes());
    fs::write(journal(folder.path()), &bytes).unwrap();
    let error = try_open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("does not follow"), "L6: {error}");
}

#[tokio::test]
async fn a_store_that_was_never_finished_being_made_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let first = try_open(folder.path()).unwrap();
    close(first).await;
    let log = folder.path().join("log");
    fs::remove_dir_all(&log).unwrap();
    fs::create_dir_all(log.join("keyspaces")).unwrap();
    fs::write(log.join("lock"), "").unwrap();
    fs::write(log.join("0.jnl"), [0; 4096]).unwrap();
    for version in [None, Some(""), Some("FJ")] {
        if let Some(version) = version {
            fs::write(log.join("version"), version).unwrap();
        }
        let opened = try_open(folder.path()).unwrap();
        close(opened).await;
        fs::remove_dir_all(&log).unwrap();
        fs::create_dir_all(log.join("keyspaces")).unwrap();
        fs::write(log.join("lock"), "").unwrap();
    }
}
