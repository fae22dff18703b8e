//! The log as its users see it: opened, written, reopened, followed.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{
    AppendError, BatchId, Change, Command, Event, HandClock, Log, LogOptions, OpenError, Quality,
    Refusal, Sample, SegmentKind, SegmentMeta, Sequence, SignalDefinition, SignalId, SubmitError,
    TestSwitches, Timestamp, Value,
};
use tempfile::TempDir;

const DAY: i64 = 1_795_564_800_000_000;

fn open_with(folder: &Path, change: impl FnOnce(&mut LogOptions)) -> Log {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    change(&mut options);
    Log::open(options, Arc::new(HandClock::at(Timestamp::from_micros(DAY)))).unwrap()
}

fn open(folder: &Path) -> Log {
    open_with(folder, |_| {})
}

fn signal(tag: &str) -> SignalDefinition {
    SignalDefinition { tag: tag.into(), ..SignalDefinition::default() }
}

fn row(signal: u32, second: i64, value: f64) -> Sample {
    Sample {
        signal: SignalId(signal),
        time: Timestamp::from_micros(DAY + second * 1_000_000),
        value: Some(Value::Float(value)),
        quality: Quality::GOOD,
    }
}

async fn define(log: &Log, tag: &str) -> SignalId {
    log.submit("test".into(), Command::DefineSignal(signal(tag))).await.unwrap();
    log.catalog().signal_by_tag(tag).unwrap().id
}

fn values(log: &Log, signal: u32) -> Vec<f64> {
    let view = log.snapshot();
    let rows = view.tails.iter().flat_map(|tail| {
        let rows = tail.read(SignalId(signal), i64::MIN, i64::MAX, view.sequence);
        (0..rows.len()).map(move |row| rows.value(row)).collect::<Vec<_>>()
    });
    rows.flatten().filter_map(|value| value.number()).collect()
}

fn batch(sequence: u64) -> Option<BatchId> {
    Some(BatchId { producer: "writer".into(), epoch: 1, sequence })
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    let first = log.append("w".into(), None, vec![row(1, 1, 1.0)]).await.unwrap();
    let second = log.append("w".into(), None, vec![row(1, 2, 2.0)]).await.unwrap();
    assert!(second > first, "L1");
    let before = log.catalog();
    drop(log);
    let log = open(folder.path());
    assert_eq!(values(&log, 1), [1.0, 2.0], "L2");
    assert_eq!(log.catalog(), before, "L3: the fold gives the catalog that was in memory");
    assert_eq!(log.snapshot().sequence, second, "L1");
    let last = log.last_values().get(SignalId(1)).unwrap();
    assert_eq!((last.sample, last.sequence), (row(1, 2, 2.0), second));
}

#[tokio::test]
async fn i3_a_batch_sent_again_is_stored_once_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    for (number, value) in [(1, 1.0), (1, 1.0), (2, 2.0)] {
        log.append("w".into(), batch(number), vec![row(1, number as i64, value)]).await.unwrap();
    }
    drop(log);
    let log = open(folder.path());
    log.append("w".into(), batch(2), vec![row(1, 2, 2.0)]).await.unwrap();
    log.append("w".into(), batch(3), vec![row(1, 3, 3.0)]).await.unwrap();
    assert_eq!(values(&log, 1), [1.0, 2.0, 3.0], "I3");
}

#[tokio::test]
async fn with_the_switch_a_batch_sent_again_is_stored_again() {
    let folder = TempDir::new().unwrap();
    let log = open_with(folder.path(), |options| {
        options.switches = TestSwitches { store_batches_again: true, ..TestSwitches::default() };
    });
    define(&log, "a").await;
    for _ in 0..2 {
        log.append("w".into(), batch(1), vec![row(1, 1, 1.0)]).await.unwrap();
    }
    assert_eq!(values(&log, 1), [1.0, 1.0], "the switch must do what it says");
}

#[tokio::test]
async fn a_sample_of_an_unknown_signal_is_refused_and_nothing_is_stored() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    let rows = vec![row(1, 1, 1.0), row(9, 1, 1.0)];
    let refused = log.append("w".into(), None, rows).await;
    assert_eq!(refused, Err(AppendError::UnknownSignal(SignalId(9))));
    assert_eq!(values(&log, 1), [] as [f64; 0]);
}

#[tokio::test]
async fn commands_are_decided_by_what_is_defined() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    let again = log.submit("t".into(), Command::DefineSignal(signal("a"))).await.unwrap_err();
    assert_eq!(again, SubmitError::Refused(Refusal::Exists { what: "signal", name: "a".into() }));
    let mut orphan = signal("b");
    orphan.source = Some("nowhere".into());
    let refused = log.submit("t".into(), Command::DefineSignal(orphan)).await.unwrap_err();
    assert!(refused.to_string().contains("names 'nowhere'"), "{refused}");

    let change = Command::ChangeSignal { tag: "a".into(), definition: signal("renamed") };
    log.submit("t".into(), change).await.unwrap();
    let catalog = log.catalog();
    assert!(catalog.signal_by_tag("a").is_none());
    assert_eq!(catalog.signal_by_tag("renamed").unwrap().id, SignalId(1), "the id stays");
    log.submit("t".into(), Command::RetireSignal { tag: "renamed".into() }).await.unwrap();
    assert_eq!(define(&log, "renamed").await, SignalId(2), "an id is never reused");
}

fn segment(path: &str, through: u64) -> SegmentMeta {
    SegmentMeta {
        path: path.into(),
        kind: SegmentKind::Samples,
        day: None,
        rows: 1,
        bytes: 1,
        sequences: (1, through),
        times: (DAY, DAY),
        blake3: String::new(),
        level: 0,
    }
}

#[tokio::test]
async fn c2_segments_and_tail_meet_at_the_manifests_sequence() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    log.append("w".into(), batch(1), vec![row(1, 1, 1.0)]).await.unwrap();
    let through = log.seal().await.unwrap().unwrap();
    assert_eq!(log.seal().await.unwrap(), None, "nothing to freeze");
    log.append("w".into(), batch(2), vec![row(1, 2, 2.0)]).await.unwrap();
    let held = log.snapshot();
    assert_eq!(values(&log, 1), [1.0, 2.0]);
    let add = vec![segment("one.parquet", through.0)];
    log.submit("compactor".into(), Command::CommitSegments { add, through }).await.unwrap();
    assert_eq!(values(&log, 1), [2.0], "C2: what segments hold has left the tail");
    assert_eq!(held.tails.len(), 2, "Q1: a held view keeps its tails");
    assert_eq!(log.catalog().manifest.through, through, "C2");
    drop(log);

    let log = open(folder.path());
    assert_eq!(values(&log, 1), [2.0], "C2 after a restart");
    assert_eq!(log.catalog().manifest.segments.len(), 1);
    assert_eq!(log.last_values().get(SignalId(1)).unwrap().sample, row(1, 2, 2.0));
    log.append("w".into(), batch(1), vec![row(1, 1, 1.0)]).await.unwrap();
    assert_eq!(values(&log, 1), [2.0], "I3 also for batches that have left the log");
}

#[tokio::test]
async fn the_last_value_survives_though_its_sample_has_left_the_log() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    let sequence = log.append("w".into(), None, vec![row(1, 1, 7.0)]).await.unwrap();
    let through = log.seal().await.unwrap().unwrap();
    let add = vec![segment("one.parquet", through.0)];
    log.submit("compactor".into(), Command::CommitSegments { add, through }).await.unwrap();
    drop(log);
    let last = open(folder.path()).last_values().get(SignalId(1)).unwrap();
    assert_eq!((last.sample, last.sequence), (row(1, 1, 7.0), sequence));
}

#[tokio::test]
async fn a_follower_sees_every_entry_once_from_the_past_into_the_present() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, "a").await;
    log.append("w".into(), None, vec![row(1, 1, 1.0)]).await.unwrap();
    let mut follower = log.tail(Sequence::ZERO);
    let mut seen = Vec::new();
    for round in 0..2000 {
        if round < 1998 {
            log.append("w".into(), None, vec![row(1, round + 2, 0.0)]).await.unwrap();
        }
        let entry = follower.next().await.unwrap().unwrap();
        if let (0, Event::Change(change)) = (round, &entry.event) {
            assert!(matches!(**change, Change::SignalDefined(_)));
        }
        seen.push(entry.sequence.0);
    }
    assert_eq!(seen, (1..=2000).collect::<Vec<_>>(), "L1");
}

#[tokio::test]
async fn writers_at_once_share_groups_and_each_gets_its_answer() {
    let folder = TempDir::new().unwrap();
    let log = open_with(folder.path(), |options| options.linger = Duration::from_millis(5));
    define(&log, "a").await;
    let writers = (0..50).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let sample = row(1, writer * 100 + round, 1.0);
                log.append("w".into(), None, vec![sample]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(values(&log, 1).len(), 1000, "L2: nothing acknowledged is missing");
    assert!(log.snapshot().sequence.0 < 1000, "groups were shared");
}

#[tokio::test]
async fn l4_a_folder_of_a_newer_version_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("VERSION"), "3\n").unwrap();
    let clock = Arc::new(HandClock::at(Timestamp::from_micros(DAY)));
    let refused = Log::open(LogOptions::new(folder.path()), clock).err().unwrap();
    assert!(matches!(refused, OpenError::Version { .. }), "L4: {refused}");
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = TempDir::new().unwrap();
    let _log = open(folder.path());
    let clock = Arc::new(HandClock::at(Timestamp::from_micros(DAY)));
    let refused = Log::open(LogOptions::new(folder.path()), clock).err().unwrap();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
}

#[tokio::test]
async fn l3_the_catalogs_snapshot_and_the_fold_from_zero_agree() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    for number in 0..1500 {
        define(&log, &format!("s/{number}")).await;
    }
    log.append("w".into(), None, vec![row(3, 1, 1.0)]).await.unwrap();
    let before = log.catalog();
    let closing = log.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    drop(log);
    let log = open(folder.path());
    assert_eq!(log.catalog(), before, "L3");
    let entries = log.read(Sequence::ZERO, 10_000).unwrap();
    let mut fold = parx_log::Catalog::default();
    for entry in &entries {
        if let Event::Change(change) = &entry.event {
            fold.apply(entry.sequence, change);
        }
    }
    assert_eq!(fold, *before, "L3: from zero");
}

#[tokio::test]
async fn a_deletion_is_kept_with_its_sequence_and_unsettles_the_last_value() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    let id = define(&log, "a").await;
    log.append("w".into(), None, vec![row(1, 1, 1.0), row(1, 2, 2.0)]).await.unwrap();
    let (from, to) = (row(1, 2, 0.0).time, row(1, 9, 0.0).time);
    let delete = |from, to| Command::DeleteSamples {
        tag: "a".into(),
        from,
        to,
        reason: "the sensor was wet".into(),
    };
    assert!(log.submit("test".into(), delete(to, from)).await.is_err(), "from is behind to");
    let deleted = log.submit("test".into(), delete(from, to)).await.unwrap().sequence;
    assert_eq!((log.last_values().get(id), log.last_values().unsettled()), (None, vec![id]));
    let later = log.append("w".into(), None, vec![row(1, 2, 3.0)]).await.unwrap();
    assert_eq!(log.last_values().get(id).unwrap().sequence, later, "what came since is valid");
    drop(log);

    let log = open(folder.path());
    let catalog = log.catalog();
    let [known] = catalog.deletions_of(id) else { panic!("not one deletion") };
    assert_eq!((known.sequence, known.from, known.to), (deleted, from.micros(), to.micros()), "L3");
    assert!(known.hides(from.micros(), deleted.0 - 1) && !known.hides(from.micros(), later.0));
    assert_eq!(log.catalog_at(Sequence(deleted.0 - 1)).unwrap().deletions_of(id), []);
    assert_eq!(log.catalog_at(deleted).unwrap().deletions_of(id), [*known]);
    let restore = |deletion| Command::RestoreSamples { deletion };
    assert!(log.submit("test".into(), restore(later)).await.is_err());
    log.submit("test".into(), restore(deleted)).await.unwrap();
    assert_eq!(log.catalog().deletions_of(id), []);
    assert_eq!(log.last_values().unsettled(), [id]);
}
