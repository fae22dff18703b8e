//! A log made anew out of what was saved of a damaged one.
//!
//! What is lost is said in its place. Knows what a new store has to hold, not where the old one is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::chain::{self, Head};
use crate::last::{LAST_VALUES, LastValues};
use crate::repair::RepairError;
use crate::rescue::Rescue;
use crate::snapshot::CATALOG;
use crate::store::{Commit, Store};
use crate::{
    BatchId, Catalog, Change, Entry, Event, OpenError, SegmentKind, SegmentMeta, Sequence,
    Timestamp, codec, snapshot,
};

/// Who appends what a repair has to say.
pub const REPAIR_AUTHOR: &str = "parx repair";
/// Most entries whose loss is written down one by one.
pub const LOST_ENTRIES_MAX: u64 = 4_000_000;
/// Most entries at the log's beginning that are taken for lost and not for moved to segments.
const TOLD_MAX: u64 = 1000;

/// How a log is made anew out of what was saved.
#[derive(Debug)]
pub(crate) struct Rebuild {
    rescue: Rescue,
    /// Before which entries a change is lost that had left no gap.
    changes: Vec<Sequence>,
    /// Entries that are lost, from and to.
    gaps: Vec<(Sequence, Sequence)>,
    /// Entries whose samples were in segments that no change names any more.
    segments: Option<(Sequence, Sequence)>,
    /// What segments hold.
    through: Sequence,
    /// The last entry, lost or not.
    last: Sequence,
    /// Changes that say again what only the catalog's snapshot knows.
    again: Vec<Change>,
}

impl Rebuild {
    /// Plans with what was saved, what the watermark says, and segments that were found and that
    /// no change names.
    pub(crate) fn plan(
        rescue: Rescue,
        durable: Option<Head>,
        found: &[SegmentMeta],
    ) -> Result<Rebuild, RepairError> {
        let folded = fold(&rescue, Sequence(u64::MAX), Catalog::default());
        let kept = rescue.snapshots.get(CATALOG).and_then(|bytes| snapshot::decode(bytes));
        let mut again = Vec::new();
        let mut through = folded.manifest.through;
        if let Some(kept) = kept {
            let wanted = fold(&rescue, kept.sequence, Arc::unwrap_or_clone(kept));
            again = missing(&folded, &wanted);
            through = through.max(wanted.manifest.through);
        }
        let present = rescue.changes.keys().chain(rescue.samples.keys()).copied();
        let mut present: Vec<Sequence> = present.collect();
        present.sort_unstable();
        let reached = durable.map(|head| head.sequence);
        let last = present.last().copied().max(reached).unwrap_or(through).max(through);
        if let Some((add, to)) = published(found, through, &present) {
            through = to;
            again.push(Change::SegmentsCommitted { add, through });
        }
        let last = last.max(through);
        let segments = without_segments(&rescue, through, last);
        if let Some((_, to)) = segments {
            through = to;
            again.push(Change::SegmentsCommitted { add: vec![], through });
        }
        present.retain(|sequence| *sequence > through);
        let gaps = gaps(&present, through, last);
        let lost = gaps.iter().map(|(from, to)| to.0 - from.0 + 1).sum();
        if lost > LOST_ENTRIES_MAX {
            return Err(RepairError::TooMuch { lost });
        }
        let mut changes = unlinked(&rescue, through);
        let newest = rescue.changes.keys().next_back().copied();
        let lost = durable.map(|head| head.change).filter(|change| Some(*change) > newest);
        changes.extend(lost.filter(|change| *change <= through).map(Sequence::next));
        Ok(Rebuild { rescue, changes, gaps, segments, through, last, again })
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        let (changes, samples) = (self.rescue.changes.len(), self.rescue.samples.len());
        let mut actions = vec![format!(
            "set the damaged log aside and make a new one of the {changes} changes and {samples} \
             groups of samples that can be read, up to sequence {}",
            self.last
        )];
        if !self.gaps.is_empty() || !self.changes.is_empty() {
            actions.push("write into the log what is lost, in its place".into());
        }
        if !self.again.is_empty() {
            actions.push(format!(
                "say {} definitions again, whose changes cannot be read any more",
                self.again.len()
            ));
        }
        actions
    }

    pub(crate) fn losses(&self) -> Vec<String> {
        let time = |sequence| Some(self.rescue.entry(sequence)?.recorded_at);
        let word = |time: Option<Timestamp>| time.map_or("?".into(), |time| time.to_string());
        let gaps = self.gaps.iter().map(|(from, to)| {
            let before = word(time(Sequence(from.0.saturating_sub(1))));
            let behind = word(time(to.next()));
            format!("entries {from} to {to}, recorded between {before} and {behind}")
        });
        let changes = self.changes.iter().map(|at| {
            let time = word(time(*at));
            format!("at least one change before entry {at}, which was recorded at {time}")
        });
        let segments = self.segments.iter().map(|(from, to)| {
            format!(
                "the samples of entries {from} to {to}: they had left the log, and the change that \
                 named their segments cannot be read"
            )
        });
        gaps.chain(changes).chain(segments).collect()
    }

    /// The catalog that the new log folds to.
    pub(crate) fn catalog(&self) -> Catalog {
        let mut catalog = fold(&self.rescue, Sequence(u64::MAX), Catalog::default());
        for change in &self.again {
            catalog.apply(self.last, change);
        }
        catalog
    }

    /// Writes the new log and tells where its chain ends.
    pub(crate) fn write(&self, folder: &Path) -> Result<Head, RepairError> {
        if folder.exists() {
            let failed = |error| RepairError::Io { path: folder.to_owned(), error };
            fs::remove_dir_all(folder).map_err(failed)?;
        }
        let store = Store::open(folder, false)?;
        let records = self.records()?;
        let mut firsts = self.rescue.epochs.clone();
        firsts.retain(|first| self.rescue.samples.range(*first..).next().is_some());
        if let Some((first, _)) = self.rescue.samples.range(self.through.next()..).next()
            && firsts.first().is_none_or(|epoch| epoch > first)
        {
            firsts.insert(0, *first);
        }
        for (place, first) in firsts.iter().enumerate() {
            let end = firsts.get(place + 1).copied().unwrap_or(Sequence(u64::MAX));
            let range =
                self.rescue.samples.range(*first..end).filter(|(at, _)| **at > self.through);
            store.create_epoch(*first)?;
            store.restore(Some(*first), range.map(|(at, record)| (*at, record.clone())))?;
        }
        store.restore(None, records.iter().map(|(at, record)| (*at, record.clone())))?;
        store.set_head(self.head(&records)?);
        store.commit(self.rest(&records)?, true)?;
        Ok(store.head())
    }

    /// The records of all changes, with those that stand for what is lost.
    fn records(&self) -> Result<BTreeMap<Sequence, Vec<u8>>, RepairError> {
        let mut records = self.rescue.changes.clone();
        let mut put = |at: Sequence, before: Sequence, reason: &str| {
            let recorded_at = self.recorded_before(before);
            let change = Change::DataLost {
                reason: reason.to_owned(),
                entries: Some((at, at)),
                segments: vec![],
            };
            let event = Event::Change(Arc::new(change));
            let author = REPAIR_AUTHOR.into();
            let entry = codec::encode(&Entry { sequence: at, recorded_at, author, event })?;
            records.insert(at, Head::default().mend(at, &entry));
            Ok::<(), serde_json::Error>(())
        };
        for (from, to) in &self.gaps {
            for at in from.0..=to.0 {
                put(Sequence(at), *from, "this entry could not be read any more")?;
            }
        }
        for at in &self.changes {
            let place = Sequence(at.0.saturating_sub(1));
            put(place, *at, "a change here or before could not be read any more")?;
        }
        Ok(records)
    }

    fn recorded_before(&self, sequence: Sequence) -> Timestamp {
        let change = self.rescue.changes.range(..sequence).next_back();
        let sample = self.rescue.samples.range(..sequence).next_back();
        let last = change.into_iter().chain(sample).map(|(at, _)| *at).max();
        let entry = last.and_then(|last| self.rescue.entry(last));
        entry.map_or(Timestamp::from_micros(0), |entry| entry.recorded_at)
    }

    /// Where the chain of these records ends.
    fn head(&self, changes: &BTreeMap<Sequence, Vec<u8>>) -> Result<Head, RepairError> {
        let mut head = Head { sequence: self.through, ..Head::default() };
        if let Some((at, record)) = changes.range(..=self.through).next_back() {
            (head.change, head.change_hash) = (*at, chain::hash(*at, record));
        }
        let behind = self.through.next()..;
        let samples = self.rescue.samples.range(behind.clone());
        let mut all: Vec<_> = changes.range(behind).chain(samples).collect();
        all.sort_unstable_by_key(|(at, _)| **at);
        for (at, record) in all {
            head.follow(*at, record).map_err(OpenError::from)?;
        }
        Ok(head)
    }

    /// What is appended and what lies beside the entries.
    fn rest(&self, records: &BTreeMap<Sequence, Vec<u8>>) -> Result<Commit, RepairError> {
        let mut commit = Commit::default();
        let recorded_at = self.recorded_before(Sequence(u64::MAX));
        let mut catalog = Catalog::default();
        for (at, record) in records {
            if let Ok(Event::Change(change)) = chain::decode(*at, record).map(|entry| entry.event) {
                catalog.apply(*at, &change);
            }
        }
        let mut sequence = self.last;
        for change in &self.again {
            sequence = sequence.next();
            catalog.apply(sequence, change);
            let event = Event::Change(Arc::new(change.clone()));
            let author = REPAIR_AUTHOR.into();
            let entry = Entry { sequence, recorded_at, author, event };
            commit.changes.push((sequence, codec::encode(&entry)?));
        }
        let batch = |(producer, place): (&String, &(u64, u64))| {
            let (epoch, sequence) = *place;
            BatchId { producer: producer.clone(), epoch, sequence }
        };
        commit.batches = self.rescue.batches.iter().map(batch).collect();
        commit.snapshots.push((CATALOG, snapshot::encode(&catalog)?));
        commit.snapshots.push((LAST_VALUES, self.last_values(&catalog)?));
        Ok(commit)
    }

    /// The last values as they were kept; if they cannot be read, all are looked up anew.
    fn last_values(&self, catalog: &Catalog) -> Result<Vec<u8>, serde_json::Error> {
        if let Some(bytes) = self.rescue.snapshots.get(LAST_VALUES)
            && let Some((at, rest)) = bytes.split_first_chunk::<8>()
            && LastValues::default().restore(Sequence(u64::from_be_bytes(*at)), rest).is_ok()
        {
            return Ok(bytes.clone());
        }
        let (last, at) = (LastValues::default(), self.through);
        catalog.signals().for_each(|signal| last.unsettle(signal.id, at));
        Ok([at.0.to_be_bytes().as_slice(), &last.snapshot(at)?].concat())
    }
}

/// The changes behind `after` folded into a catalog.
fn fold(rescue: &Rescue, after: Sequence, mut catalog: Catalog) -> Catalog {
    let from = if after == Sequence(u64::MAX) { Sequence::ZERO } else { after };
    for (at, record) in rescue.changes.range(from.next()..) {
        if let Ok(Event::Change(change)) = chain::decode(*at, record).map(|entry| entry.event) {
            catalog.apply(*at, &change);
        }
    }
    catalog
}

/// The changes that make of one catalog another. Deletions are left out: said again later, they
/// would hide more than they did.
fn missing(folded: &Catalog, wanted: &Catalog) -> Vec<Change> {
    let has = |change: &Change| {
        let mut with = folded.clone();
        with.apply(folded.sequence, change);
        with == *folded
    };
    let mut changes: Vec<Change> = Vec::new();
    let stale = folded.manifest.segments.iter();
    let stale = stale.filter(|(path, _)| !wanted.manifest.segments.contains_key(*path));
    let segments: Vec<_> = stale.map(|(_, segment)| (**segment).clone()).collect();
    if !segments.is_empty() {
        let reason = "their replacement was recorded in a change that is lost".to_owned();
        changes.push(Change::DataLost { reason, entries: None, segments });
    }
    let again = wanted.changes().into_iter().map(|(_, change)| change);
    let manifest = |change: &Change| matches!(change, Change::SegmentsCommitted { .. });
    let deletion = |change: &Change| matches!(change, Change::SamplesDeleted { .. });
    changes.extend(again.filter(|change| !deletion(change) && !has(change)));
    if folded.manifest == wanted.manifest {
        changes.retain(|change| !manifest(change));
    }
    changes
}

/// Segments that were found and hold what is missing behind `through`, and how far they reach: the
/// change that published them is lost. Nothing if anything would still be missing.
fn published(
    found: &[SegmentMeta],
    through: Sequence,
    present: &[Sequence],
) -> Option<(Vec<SegmentMeta>, Sequence)> {
    let mut behind: Vec<&SegmentMeta> =
        found.iter().filter(|meta| meta.sequences.0 > through.0).collect();
    behind.sort_by_key(|meta| std::cmp::Reverse(meta.level));
    let overlaps = |a: &SegmentMeta, b: &SegmentMeta| {
        let apart = a.sequences.1 < b.sequences.0 || b.sequences.1 < a.sequences.0;
        a.kind == b.kind && a.day == b.day && !apart
    };
    let mut add: Vec<SegmentMeta> = Vec::new();
    for meta in behind {
        // What was merged is there twice, as long as its inputs were not removed.
        if !add.iter().any(|taken| overlaps(taken, meta)) {
            add.push(meta.clone());
        }
    }
    let clocks = add.iter().filter(|meta| meta.kind == SegmentKind::Clock);
    let ranges: Vec<(u64, u64)> = clocks.map(|meta| meta.sequences).collect();
    let to = Sequence(ranges.iter().map(|range| range.1).max()?);
    let there = present.iter().copied().filter(|at| (through.next()..=to).contains(at));
    let missing = gaps(&there.collect::<Vec<_>>(), through, to);
    let held = |at: u64| ranges.iter().any(|range| (range.0..=range.1).contains(&at));
    let all = missing.iter().all(|(from, to)| (from.0..=to.0).all(held));
    (!missing.is_empty() && all).then_some((add, to))
}

/// The entries behind `through` whose samples have left the log, though no change that can be read
/// says for which segments; nothing if there are so few that each can be told.
fn without_segments(
    rescue: &Rescue,
    through: Sequence,
    last: Sequence,
) -> Option<(Sequence, Sequence)> {
    let behind = rescue.samples.range(through.next()..).next();
    let first = behind.map_or(last.next(), |(at, _)| *at);
    let changes = rescue.changes.range(through.next()..first).count() as u64;
    let missing = (first.0 - through.0).saturating_sub(changes + 1);
    (missing > TOLD_MAX).then(|| (through.next(), Sequence(first.0 - 1)))
}

/// What is missing between `through` and `last` of the ascending `present`.
fn gaps(present: &[Sequence], through: Sequence, last: Sequence) -> Vec<(Sequence, Sequence)> {
    let mut gaps = Vec::new();
    let mut next = through.next();
    for sequence in present.iter().copied().chain([last.next()]) {
        if sequence > next {
            gaps.push((next, Sequence(sequence.0 - 1)));
        }
        next = sequence.next();
    }
    gaps
}

/// Changes up to `through` that do not follow the change before them: one in between is lost, and
/// with samples around it that have left the log, no gap tells so.
fn unlinked(rescue: &Rescue, through: Sequence) -> Vec<Sequence> {
    let (mut head, mut found) = (Head::default(), Vec::new());
    for (at, record) in rescue.changes.range(..=through) {
        head.hash = Head::default().hash;
        if head.follow(*at, record).is_err() {
            found.push(*at);
            head.skip_to(*at, record);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(kind: SegmentKind, level: u32, sequences: (u64, u64)) -> SegmentMeta {
        SegmentMeta {
            path: format!("{kind:?}-L{level}-{}-{}", sequences.0, sequences.1),
            kind,
            day: (kind == SegmentKind::Samples).then_some(1),
            rows: 1,
            bytes: 1,
            sequences,
            times: (0, 0),
            blake3: String::new(),
            level,
        }
    }

    #[test]
    fn segments_that_were_found_stand_for_what_is_missing_if_they_hold_it_all() {
        use SegmentKind::{Clock, Samples};
        let found = [
            segment(Samples, 0, (11, 20)),
            segment(Clock, 0, (11, 20)),
            segment(Samples, 0, (22, 30)),
            segment(Clock, 0, (22, 30)),
            segment(Samples, 1, (11, 30)),
            segment(Samples, 1, (1, 30)),
        ];
        let there = |list: &[u64]| list.iter().copied().map(Sequence).collect::<Vec<_>>();
        let (add, to) = published(&found, Sequence(10), &there(&[21, 31])).unwrap();
        let paths: Vec<&str> = add.iter().map(|meta| meta.path.as_str()).collect();
        assert_eq!(paths, ["Samples-L1-11-30", "Clock-L0-11-20", "Clock-L0-22-30"], "C2");
        assert_eq!(to, Sequence(30), "C2");
        assert_eq!(published(&found, Sequence(10), &there(&[31])), None, "21 is lost");
        assert_eq!(published(&found, Sequence(30), &there(&[31])), None, "nothing is missing");
        let all: Vec<u64> = (11..=31).collect();
        assert_eq!(published(&found, Sequence(10), &there(&all)), None, "nothing is missing");
    }

    #[test]
    fn gaps_are_what_is_missing() {
        type Case<'a> = (&'a [u64], u64, u64, &'a [(u64, u64)]);
        let table: [Case<'_>; 6] = [
            (&[], 0, 0, &[]),
            (&[1, 2, 3], 0, 3, &[]),
            (&[1, 2, 3], 0, 5, &[(4, 5)]),
            (&[5, 6, 9], 3, 9, &[(4, 4), (7, 8)]),
            (&[], 3, 7, &[(4, 7)]),
            (&[8], 7, 8, &[]),
        ];
        for (present, through, last, wanted) in table {
            let present: Vec<Sequence> = present.iter().copied().map(Sequence).collect();
            let found = gaps(&present, Sequence(through), Sequence(last));
            let found: Vec<_> = found.into_iter().map(|(from, to)| (from.0, to.0)).collect();
            assert_eq!(found, wanted, "L1: {present:?}");
        }
    }
}
