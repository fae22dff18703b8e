//! Everything that a data folder answers: definitions, changes, every version of every sample, when
//! it was recorded, what samples come to, last values, and whether a batch sent again is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parx_compactor::{
    ClockBook, Folded, Piece, SegmentStore, Stand, Tier, Versions, Wanted, blocks,
};
use parx_log::{BatchId, Change, Event, Log, Sample, Sequence, SignalId, Timestamp, Value};

use crate::base::{DAY, START, close, open, was_let_go};

/// What a folder answers, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    catalog: Vec<String>,
    segments: Vec<String>,
    changes: Vec<String>,
    /// Each with the time at which it was recorded, if that is known.
    rows: Vec<(String, Option<i64>)>,
    /// Of these, what the rule lets go.
    going: BTreeSet<String>,
    /// What the samples come to, bucket by bucket, as rollups have it.
    pub(crate) folds: Vec<String>,
    last: Vec<String>,
    batches: Vec<String>,
}

impl Answers {
    /// The first thing that is not as in `other`.
    pub(crate) fn differs(&self, other: &Answers) -> String {
        let rows = |answers: &Answers| answers.rows.iter().map(|row| format!("{row:?}")).collect();
        let pairs: [(&str, Vec<String>, Vec<String>); 7] = [
            ("catalog", self.catalog.clone(), other.catalog.clone()),
            ("segments", self.segments.clone(), other.segments.clone()),
            ("changes", self.changes.clone(), other.changes.clone()),
            ("rows", rows(self), rows(other)),
            ("folds", self.folds.clone(), other.folds.clone()),
            ("last values", self.last.clone(), other.last.clone()),
            ("batches", self.batches.clone(), other.batches.clone()),
        ];
        for (name, mine, theirs) in pairs {
            if mine != theirs {
                let first = mine.iter().zip(&theirs).find(|(a, b)| a != b);
                return format!("{name}: {} for {}, {first:?}", mine.len(), theirs.len());
            }
        }
        "nothing".into()
    }

    /// Whether rows and definitions are those of `whole`; a row that it does not have is an error.
    pub(crate) fn is_part_of(&self, whole: &Answers) -> Result<bool, String> {
        let all: BTreeMap<&String, Option<i64>> =
            whole.rows.iter().map(|(k, at)| (k, *at)).collect();
        for (row, at) in &self.rows {
            match all.get(row) {
                // The change that let it go may be what was lost.
                None if self.going.contains(row) => {}
                None => return Err(format!("a row that was never recorded: {row}")),
                Some(then) if at.is_some() && at != then => {
                    return Err(format!("{row} was not recorded at {at:?}"));
                }
                Some(_) => {}
            }
        }
        Ok(self.rows == whole.rows && self.catalog == whole.catalog)
    }
}

/// Asks everything; an error in words where it is refused.
pub(crate) fn ask(folder: &Path, trusting: bool) -> Result<Answers, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = open(folder, trusting).map_err(|error| error.to_string())?;
        let answers = all(&log, folder).await;
        close(log).await;
        answers
    })
}

async fn all(log: &Log, folder: &Path) -> Result<Answers, String> {
    let mut answers = Answers::default();
    let catalog = log.catalog();
    let (signals, sources) = (catalog.signals(), catalog.sources.values());
    answers.catalog.extend(signals.map(|signal| format!("{signal:?}")));
    answers.catalog.extend(sources.map(|source| format!("{source:?}")));
    answers.catalog.extend(catalog.scan_classes.values().map(|class| format!("{class:?}")));
    answers.catalog.extend(catalog.deletions().map(|deletion| format!("{deletion:?}")));
    answers.segments.extend(catalog.manifest.segments.keys().cloned());
    let changes = log.changes_before(Sequence(u64::MAX), 10_000).map_err(text)?;
    for entry in changes {
        let Event::Change(change) = &entry.event else { continue };
        // What a repair adds is not part of what was there.
        if !matches!(**change, Change::DataLost { .. }) {
            let (at, by) = (entry.recorded_at, &entry.author);
            answers.changes.push(format!("{} {at} {by} {change:?}", entry.sequence));
        }
    }
    rows(log, folder, &mut answers)?;
    folds(log, folder, &mut answers)?;
    for last in log.last_values().all() {
        answers.last.push(format!("{last:?}"));
    }
    answers.batches.push(sent_again(log).await?);
    Ok(answers)
}

#[expect(clippy::needless_pass_by_value, reason = "this is the shape that `map_err` takes")]
fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

fn rows(log: &Log, folder: &Path, answers: &mut Answers) -> Result<(), String> {
    let store = SegmentStore::new(folder);
    let snapshot = log.snapshot();
    let clock = ClockBook::new(store.clone(), &snapshot);
    for signal in 1..=4 {
        let id = SignalId(signal);
        let (times, wanted) = ((i64::MIN, i64::MAX), Wanted::ALL);
        for block in blocks(&store, &snapshot, id, times, wanted, Versions::All) {
            let rows = block.map_err(text)?;
            let recorded = clock.recorded_at(&rows.sequences).map_err(text)?;
            for (row, at) in recorded.into_iter().enumerate() {
                let (time, sequence) = (rows.times[row], rows.sequences[row]);
                let (quality, value) = (rows.qualities[row], rows.value(row));
                let line = format!("{signal} {time} {sequence} {quality} {value:?}");
                if was_let_go(&rows.sample(row, id)) {
                    answers.going.insert(line.clone());
                }
                answers.rows.push((line, at));
            }
        }
        let newest = blocks(&store, &snapshot, id, times, wanted, Versions::Newest);
        let count: usize = newest.map(|block| block.map_or(0, |rows| rows.len())).sum();
        answers.last.push(format!("{signal}: {count} valid"));
    }
    Ok(())
}

fn folds(log: &Log, folder: &Path, answers: &mut Answers) -> Result<(), String> {
    let (store, snapshot) = (SegmentStore::new(folder), log.snapshot());
    for (signal, tier) in (1..=4).flat_map(|signal| Tier::ALL.map(|tier| (signal, tier))) {
        let (id, times) = (SignalId(signal), (START, START + 3 * DAY));
        let stand: Stand = Arc::new(|folds| vec![true; folds.len()]);
        let folded = Folded::new(&store, &snapshot, times, (tier, stand), Wanted::ALL);
        let found = folded.pieces(id);
        for piece in found.map_err(text)? {
            if let Piece::Folds(folds) = piece.map_err(text)? {
                answers
                    .folds
                    .extend(folds.iter().map(|fold| format!("{signal} {tier:?} {fold:?}")));
            }
        }
    }
    Ok(())
}

/// Sends the newest batch again: it must be known.
async fn sent_again(log: &Log) -> Result<String, String> {
    let count = |log: &Log| log.snapshot().tails.iter().map(|tail| tail.rows()).sum::<u64>();
    let before = count(log);
    let batch = BatchId { producer: "writer".into(), epoch: 1, sequence: 48 };
    let sample = Sample {
        signal: SignalId(1),
        time: Timestamp::from_micros(START),
        value: Some(Value::Float(1.0)),
        quality: parx_log::Quality::GOOD,
    };
    log.append("source/plc".into(), Some(batch), vec![sample]).await.map_err(text)?;
    Ok(format!("{} rows more", count(log) - before))
}
