//! Letting go of what is older than it is kept: whole days of UTC, tier by tier.
//!
//! Of samples that go, the folds that are still kept go to the day's *kept* file; what is left of
//! the day's segments is written anew. Samples that come late for a day whose folds are kept
//! already go with their day and change no fold. Decides and writes; publishing is for the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parx_log::{Catalog, Days, Dropped, SegmentKind, SegmentMeta, SignalId, Snapshot};

use crate::history::{Versions, blocks};
use crate::rollup::{self, FoldWriter, Folding, Folds};
use crate::write::{day_word, without};
use crate::{Fold, SegmentError, SegmentFile, SegmentStore, Span, Tier, Wanted};

/// Folds that a signal can have in a day, about.
const MINUTES_OF_DAY: u64 = 1440;

/// The first day of which something of a signal is still kept, tier by tier; what is kept for ever
/// has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Horizon {
    raw: Option<i64>,
    tiers: [Option<i64>; 3],
}

impl Horizon {
    fn of(catalog: &Catalog, signal: SignalId, today: i64) -> Horizon {
        let keep = catalog.signal(signal).map(|signal| catalog.keep(&signal.definition.tag));
        let keep = keep.unwrap_or_default();
        let first = |days: Days| days.map(|days| today - i64::from(days));
        let tiers = [first(keep.minute), first(keep.hour), first(keep.day)];
        Horizon { raw: first(keep.raw), tiers }
    }

    fn raw_goes(&self, day: i64) -> bool {
        self.raw.is_some_and(|first| day < first)
    }

    fn tier_goes(&self, tier: Tier, day: i64) -> bool {
        self.tiers.get(tier as usize).is_some_and(|first| first.is_some_and(|first| day < first))
    }
}

/// What becomes of a day.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    pub(crate) add: Vec<SegmentMeta>,
    pub(crate) gone: Vec<Arc<SegmentMeta>>,
    pub(crate) dropped: Vec<Dropped>,
}

/// The days before `today` of which something may have to go, the oldest first, as far as rules
/// alone can tell.
pub(crate) fn days(catalog: &Catalog, today: i64) -> Vec<i64> {
    let shortest = catalog.retention.values().flat_map(|keep| keep.tiers());
    let Some(shortest) = shortest.filter_map(|(_, days)| days).min() else { return Vec::new() };
    let old = |meta: &Arc<SegmentMeta>| meta.day.filter(|day| *day < today - i64::from(shortest));
    let days: BTreeSet<i64> = catalog.manifest.segments.values().filter_map(old).collect();
    days.into_iter().collect()
}

/// Lets go of what of a day is not kept any more; nothing if all is. Tails count for nothing: what
/// comes late goes when it is in a segment.
pub(crate) fn expire(
    store: &SegmentStore,
    snapshot: &Snapshot,
    day: i64,
    today: i64,
) -> Result<Option<Expiry>, SegmentError> {
    let catalog = &snapshot.catalog;
    let of_day = |kind| {
        let all = catalog.manifest.of_kind(kind);
        all.filter(move |meta| meta.day == Some(day)).cloned().collect::<Vec<_>>()
    };
    // Directories alone, of many old files: what is written anew is read through the store, which
    // checks it.
    let peek = |meta: &Arc<SegmentMeta>| SegmentFile::open(store.root(), meta, true);
    let (samples, kept) = (of_day(SegmentKind::Samples), of_day(SegmentKind::Kept));
    let mut horizons: BTreeMap<SignalId, Horizon> = BTreeMap::new();
    let mut raw: BTreeSet<SignalId> = BTreeSet::new();
    let mut touched = Vec::new();
    for meta in &samples {
        let file = peek(meta)?;
        let signals = file.spans().iter().map(|span| span.signal);
        let goes = |signal: &SignalId| {
            let fresh = || Horizon::of(catalog, *signal, today);
            horizons.entry(*signal).or_insert_with(fresh).raw_goes(day)
        };
        let going: BTreeSet<SignalId> = signals.filter(goes).collect();
        if !going.is_empty() {
            raw.extend(&going);
            touched.push(meta.clone());
        }
    }
    let mut known = Known::default();
    for meta in &kept {
        known.read(&*store.open(meta)?)?;
    }
    let before = known.counts();
    known.prune(|signal, tier| Horizon::of(catalog, signal, today).tier_goes(tier, day));
    let tiers_go = known.counts() != before;
    if raw.is_empty() && !tiers_go {
        return Ok(None);
    }
    let mut expiry = Expiry::default();
    expiry.dropped.extend(dropped_tiers(day, &before, &known.counts()));
    let rows = fold(store, snapshot, &raw, day, &mut known)?;
    known.prune(|signal, tier| Horizon::of(catalog, signal, today).tier_goes(tier, day));
    if !raw.is_empty() {
        let signals = raw.iter().copied().collect();
        expiry.dropped.push(Dropped { day, tier: "raw".into(), signals, rows });
    }
    if !known.0.is_empty() {
        let metas = || touched.iter().chain(&kept).map(|meta| meta.sequences);
        let sequences = (
            metas().map(|(low, _)| low).min().unwrap_or_default(),
            metas().map(|(_, high)| high).max().unwrap_or_default(),
        );
        let level = kept.iter().map(|meta| meta.level + 1).max().unwrap_or_default();
        expiry.add.push(known.write(store.root(), day, sequences, level)?);
    }
    for meta in &touched {
        expiry.add.extend(without(store.root(), &store.open(meta)?, &raw)?);
        let rollup = rollup::path_of(&meta.path);
        expiry.gone.extend(rollup.and_then(|path| catalog.manifest.segments.get(&path)).cloned());
    }
    expiry.gone.extend(touched.into_iter().chain(kept));
    Ok(Some(expiry))
}

/// Folds the samples that go, without those that were deleted; answers how many rows they have in
/// the segments.
fn fold(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signals: &BTreeSet<SignalId>,
    day: i64,
    known: &mut Known,
) -> Result<u64, SegmentError> {
    let snapshot = Snapshot { tails: Vec::new(), ..snapshot.clone() };
    let start = day.saturating_mul(Tier::Day.micros());
    let times = (start, start.saturating_add(Tier::Day.micros() - 1));
    let mut rows = 0;
    for signal in signals {
        let mut folding = Folding::default();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for block in blocks(store, &snapshot, *signal, times, Wanted::ALL, Versions::Newest) {
            let block = block?;
            folding.push(&block, 0..block.len());
            first = first.min(block.times.first().copied().unwrap_or(first));
            last = last.max(block.times.last().copied().unwrap_or(last));
        }
        for block in blocks(store, &snapshot, *signal, times, Wanted::TIMES, Versions::All) {
            rows += block?.len() as u64;
        }
        let folds = folding.finish();
        if first <= last && !known.0.contains_key(signal) {
            known.0.insert(*signal, ((first, last), folds));
        }
    }
    Ok(rows)
}

/// The folds of signals whose samples are gone, with the times that these spanned.
#[derive(Debug, Default)]
struct Known(BTreeMap<SignalId, ((i64, i64), Folds)>);

impl Known {
    fn read(&mut self, file: &SegmentFile) -> Result<(), SegmentError> {
        for span in file.spans() {
            let mut folds = Folds::default();
            for tier in Tier::ALL {
                *folds.of(tier) = file.folds(tier, span.signal, (i64::MIN, i64::MAX))?;
            }
            self.0.insert(span.signal, ((span.from, span.to), folds));
        }
        Ok(())
    }

    /// Takes out the tiers that go, and signals of which nothing is left.
    fn prune(&mut self, goes: impl Fn(SignalId, Tier) -> bool) {
        for (signal, (_, folds)) in &mut self.0 {
            for tier in Tier::ALL.into_iter().filter(|tier| goes(*signal, *tier)) {
                folds.of(tier).clear();
            }
        }
        let left = |folds: &mut Folds| Tier::ALL.iter().any(|tier| !folds.of(*tier).is_empty());
        self.0.retain(|_, (_, folds)| left(folds));
    }

    /// How many folds there are, by tier and signal.
    fn counts(&mut self) -> BTreeMap<(Tier, SignalId), u64> {
        let mut counts = BTreeMap::new();
        for (signal, (_, folds)) in &mut self.0 {
            for tier in Tier::ALL {
                let folds: &Vec<(i64, Fold)> = folds.of(tier);
                if !folds.is_empty() {
                    counts.insert((tier, *signal), folds.len() as u64);
                }
            }
        }
        counts
    }

    fn write(
        self,
        root: &Path,
        day: i64,
        sequences: (u64, u64),
        level: u32,
    ) -> Result<SegmentMeta, SegmentError> {
        let (low, high) = sequences;
        let path = format!("rollups/{}/K{level}-{low}-{high}.parquet", day_word(day));
        let rows = self.0.len() as u64 * MINUTES_OF_DAY;
        let mut writer = FoldWriter::create(root, path, rows)?;
        let span = |(signal, (times, _)): (&SignalId, &((i64, i64), Folds))| {
            let (from, to) = *times;
            Span { signal: *signal, first: 0, rows: 0, from, to }
        };
        let extents: Vec<Span> = self.0.iter().map(span).collect();
        let times = (
            extents.iter().map(|extent| extent.from).min().unwrap_or_default(),
            extents.iter().map(|extent| extent.to).max().unwrap_or_default(),
        );
        for (signal, (_, folds)) in self.0 {
            writer.push(signal, folds)?;
        }
        let of = SegmentMeta {
            path: String::new(),
            kind: SegmentKind::Kept,
            day: Some(day),
            rows: 0,
            bytes: 0,
            sequences,
            times,
            blake3: String::new(),
            level,
        };
        writer.finish(&of, &extents)
    }
}

/// What is less after than before, tier by tier.
fn dropped_tiers(
    day: i64,
    before: &BTreeMap<(Tier, SignalId), u64>,
    after: &BTreeMap<(Tier, SignalId), u64>,
) -> Vec<Dropped> {
    let mut dropped: BTreeMap<Tier, (Vec<SignalId>, u64)> = BTreeMap::new();
    for ((tier, signal), rows) in before.iter().filter(|(key, _)| !after.contains_key(key)) {
        let entry = dropped.entry(*tier).or_default();
        entry.0.push(*signal);
        entry.1 += rows;
    }
    let one = |(tier, (signals, rows)): (Tier, (Vec<SignalId>, u64))| {
        let tier = match tier {
            Tier::Minute => "minute",
            Tier::Hour => "hour",
            Tier::Day => "day",
        };
        Dropped { day, tier: tier.to_owned(), signals, rows }
    };
    dropped.into_iter().map(one).collect()
}
