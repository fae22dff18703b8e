//! Opening a damaged folder: unharmed, cut where nothing was promised, or refused with file and
//! offset, and then nothing is changed.

use std::fs;
use std::path::Path;

use parx_log::{GuardError, OpenError};
use tempfile::TempDir;

use crate::written::{
    GROUPS, ROWS, batches, close, files, journal, killed, rows, try_open, written,
};

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
