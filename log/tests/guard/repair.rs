//! `LogRepair`: what can be read is kept, what is lost is told, and the damaged log is set aside.

use std::fs;
use std::path::Path;

use parx_log::{Change, Event, Log, LogRepair, Sequence, verify_log};
use tempfile::TempDir;

use crate::written::{
    GROUPS, ROWS, batches, close, files, journal, killed, rows, sample, try_open, written,
};

/// Plans, which must change nothing, then repairs; answers with what was said to be lost.
fn repair(folder: &Path) -> Vec<String> {
    let report = verify_log(folder, &mut |_| ()).unwrap();
    let before = files(folder);
    let plan = LogRepair::plan(folder, &report, &[]).unwrap();
    assert!(files(folder) == before, "planning changes nothing");
    assert!(!plan.actions.is_empty(), "there is something to do");
    let losses = plan.losses.clone();
    plan.apply(folder, &folder.join("quarantine/now")).unwrap();
    let report = verify_log(folder, &mut |_| ()).unwrap();
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0], "the repaired log is good");
    assert_eq!(report.torn, None);
    losses
}

/// The sequences of which the log says that their entries are lost.
fn lost(log: &Log) -> Vec<u64> {
    let entries = log.changes_before(Sequence(u64::MAX), 10_000).unwrap();
    let lost = entries.iter().rev().filter_map(|entry| match &entry.event {
        Event::Change(change) if matches!(**change, Change::DataLost { .. }) => {
            Some(entry.sequence.0)
        }
        Event::Change(_) | Event::Samples(_) => None,
    });
    lost.collect()
}

/// The log takes writes, and has them after another start.
async fn goes_on(folder: &Path, stored: usize) {
    let log = try_open(folder).unwrap();
    assert_eq!(rows(&log), stored);
    let before = log.snapshot().sequence;
    let sequence = log.append("t".into(), None, vec![sample(1_000_000)]).await.unwrap();
    assert_eq!(sequence, before.next(), "L1");
    close(log).await;
    let log = try_open(folder).unwrap();
    assert_eq!(rows(&log), stored + 1, "L2");
    let entries = log.read(log.catalog().manifest.through, 10_000).unwrap();
    let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence.0).collect();
    assert_eq!(sequences, (1..=sequence.0).collect::<Vec<_>>(), "L1");
    close(log).await;
}

#[tokio::test]
async fn l6_groups_that_are_damaged_are_lost_visibly_and_the_others_are_kept() {
    let folder = written().await;
    let path = journal(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let starts = batches(&bytes);
    // The batch `n` holds the entry `n - 2`: the first defines nothing, the second the signal.
    bytes[starts[5] + 3000] ^= 1;
    bytes[starts[10] + 3000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let losses = repair(folder.path());
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert!(losses[0].contains("recorded between 2026-"), "{losses:?}");
    let log = try_open(folder.path()).unwrap();
    let lost = lost(&log);
    assert_eq!((lost.len(), lost[1] - lost[0]), (2, 5), "{lost:?}");
    assert!(losses[0].contains(&format!("entries {0} to {0}", lost[0])), "{losses:?}");
    close(log).await;
    goes_on(folder.path(), (GROUPS - 2) * ROWS).await;
    let aside = fs::read(folder.path().join("quarantine/now/log/0.jnl")).unwrap();
    assert!(aside == bytes, "the damaged journal is set aside as it was");
}

#[tokio::test]
async fn an_end_that_is_missing_is_told_entry_by_entry() {
    let folder = written().await;
    let path = journal(folder.path());
    let bytes = fs::read(&path).unwrap();
    let starts = batches(&bytes);
    fs::write(&path, &bytes[..starts[starts.len() - 4]]).unwrap();
    let losses = repair(folder.path());
    assert_eq!(losses.len(), 1, "{losses:?}");
    let log = try_open(folder.path()).unwrap();
    assert_eq!(lost(&log), [GROUPS as u64, GROUPS as u64 + 1], "up to the watermark");
    close(log).await;
    goes_on(folder.path(), (GROUPS - 2) * ROWS).await;
}

#[tokio::test]
async fn nothing_is_lost_where_only_the_stores_own_files_are_damaged() {
    let folder = written().await;
    for victim in ["log/keyspaces/0/current", "log/keyspaces/1/current", "log/version"] {
        let victim = folder.path().join(victim);
        let mut bytes = fs::read(&victim).unwrap();
        bytes[0] ^= 4;
        fs::write(&victim, bytes).unwrap();
        assert_eq!(repair(folder.path()), [""; 0], "{}", victim.display());
        fs::remove_dir_all(folder.path().join("quarantine")).unwrap();
    }
    goes_on(folder.path(), GROUPS * ROWS).await;
}

#[tokio::test]
async fn watermark_and_version_are_written_anew() {
    let folder = written().await;
    for victim in ["watermark", "VERSION"] {
        fs::remove_file(folder.path().join(victim)).unwrap();
        assert_eq!(repair(folder.path()), [""; 0], "{victim}");
    }
    assert!(!folder.path().join("quarantine").exists(), "nothing had to be set aside");
    goes_on(folder.path(), GROUPS * ROWS).await;
}

#[tokio::test]
async fn an_unfinished_write_is_cut_off() {
    let folder = written().await;
    let path = journal(folder.path());
    let bytes = fs::read(&path).unwrap();
    let starts = batches(&bytes);
    killed(folder.path());
    fs::write(&path, &bytes[..starts[starts.len() - 3] + 6000]).unwrap();
    assert_eq!(repair(folder.path()), [""; 0]);
    goes_on(folder.path(), (GROUPS - 1) * ROWS).await;
}

#[tokio::test]
async fn what_changes_said_is_said_again_from_the_catalogs_snapshot() {
    let golden = TempDir::new().unwrap();
    crate::written::golden("v1", golden.path());
    let folder = golden.path();
    let before = {
        let log = try_open(folder).unwrap();
        let catalog = log.catalog();
        close(log).await;
        catalog
    };
    let table = folder.join("log/keyspaces/1/tables/0");
    let mut bytes = fs::read(&table).unwrap();
    bytes[40] ^= 1;
    fs::write(&table, bytes).unwrap();
    // The journal has them too; all of it is damaged but two groups of samples and the snapshot.
    let mut bytes = fs::read(journal(folder)).unwrap();
    let starts = batches(&bytes);
    let keys = [&9_u64.to_be_bytes()[..], &10_u64.to_be_bytes()[..], b"catalog"];
    let keeps = |batch: &[u8]| keys.iter().any(|key| batch.windows(key.len()).any(|w| w == *key));
    for pair in starts.windows(2) {
        let batch = &mut bytes[pair[0]..pair[1]];
        if !keeps(batch) {
            batch[20] ^= 1;
        }
    }
    bytes[20] ^= 1;
    fs::write(journal(folder), bytes).unwrap();
    let losses = repair(folder);
    assert!(!losses.is_empty(), "changes are lost");
    let log = try_open(folder).unwrap();
    let after = log.catalog();
    let tags = |catalog: &parx_log::Catalog| {
        catalog.signals().map(|signal| signal.definition.tag.clone()).collect::<Vec<_>>()
    };
    assert_eq!(tags(&after), tags(&before), "definitions are there again");
    assert_eq!(after.users, before.users);
    assert_eq!(after.manifest, before.manifest, "C2");
    assert_eq!(rows(&log), 2);
    close(log).await;
}
