//! One signal's history in pieces: folds of whole buckets where rollups can answer, rows elsewhere.
//!
//! Whoever folds the pieces in their order gets what the rows alone would give, but for the
//! rounding of sums. Blocks on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parx_log::{Deletion, Rows, SegmentKind, SegmentMeta, SignalId, Snapshot};

use crate::history::{self, Versions, deletions_in};
use crate::tier::{Extent, Held, Stretch, stretches};
use crate::{Fold, SegmentError, SegmentStore, Tier, Wanted, rollup};

/// A part of one signal's history.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Rows in the order of time.
    Rows(Rows),
    /// Folds that each stand for all rows of the bucket that begins at the time beside it.
    Folds(Vec<(i64, Fold)>),
}

/// Which of some folds may stand for their rows; the rows of the others are read, if they are still
/// there.
pub type Stand = Arc<dyn Fn(&[(i64, Fold)]) -> Vec<bool> + Send + Sync>;

/// Pieces in the order of time.
pub type Pieces = Box<dyn Iterator<Item = Result<Piece, SegmentError>> + Send>;

/// Folds of one signal in one file.
struct Source {
    extent: Extent,
    meta: Arc<SegmentMeta>,
}

/// The history of `signal` from `from` to `to`, both included, in rows and in folds of `tier`.
/// Where rows were let go, folds of narrower buckets than were kept are missing.
pub fn pieces(
    store: &SegmentStore,
    snapshot: &Arc<Snapshot>,
    signal: SignalId,
    (from, to): (i64, i64),
    (tier, stand): (Tier, Stand),
    wanted: Wanted,
) -> Result<Pieces, SegmentError> {
    if from > to {
        return Ok(Box::new(std::iter::empty()));
    }
    let (sources, mut extents) = sources(store, snapshot, signal, (from, to), tier)?;
    let rows = |from, to| Extent { from, to, held: Held::Rows };
    for tail in &snapshot.tails {
        let tail = tail.read(signal, from, to, snapshot.sequence);
        if let (Some(first), Some(last)) = (tail.times.first(), tail.times.last()) {
            extents.push(rows(*first, *last));
        }
    }
    let deleted = deletions_in(snapshot, signal, (from, to));
    extents.extend(deleted.iter().map(|deletion| rows(deletion.from, deletion.to)));
    let (store, snapshot) = (store.clone(), snapshot.clone());
    let asked = Asked { store, snapshot, signal, tier, stand, wanted, sources, deleted };
    let stretches = stretches(&extents, (from, to), tier).into_iter();
    Ok(Box::new(stretches.flat_map(move |stretch| match stretch.folded {
        true => asked.folded(stretch),
        false => asked.rows((stretch.from, stretch.to)),
    })))
}

/// What is asked of one signal.
struct Asked {
    store: SegmentStore,
    snapshot: Arc<Snapshot>,
    signal: SignalId,
    tier: Tier,
    stand: Stand,
    wanted: Wanted,
    sources: Vec<Source>,
    deleted: Vec<Deletion>,
}

/// Neighbours that are answered alike.
enum Part {
    Folds(Vec<(i64, Fold)>),
    /// The rows of the buckets that begin from the first time to the second.
    Rows(i64, i64),
}

impl Asked {
    fn rows(&self, times: (i64, i64)) -> Pieces {
        let Asked { store, snapshot, signal, wanted, .. } = self;
        let newest = Versions::Newest;
        let blocks = history::blocks(store, snapshot, *signal, times, *wanted, newest);
        Box::new(blocks.map(|block| block.map(Piece::Rows)))
    }

    /// Folds of a stretch, and the rows of those that may not stand for them.
    fn folded(&self, stretch: Stretch) -> Pieces {
        let parts = match self.parts(stretch) {
            Ok(parts) => parts,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let pieces = parts.into_iter().map(|part| -> Pieces {
            match part {
                Part::Folds(folds) => Box::new(std::iter::once(Ok(Piece::Folds(folds)))),
                Part::Rows(first, last) => self.rows((first, self.end(last))),
            }
        });
        Box::new(Vec::from_iter(pieces).into_iter().flatten())
    }

    fn parts(&self, stretch: Stretch) -> Result<Vec<Part>, SegmentError> {
        let (mut folds, kept) = self.folds(stretch)?;
        let gone =
            |start: i64| self.deleted.iter().any(|d| d.from <= start && self.end(start) <= d.to);
        folds.retain(|start, _| !gone(*start));
        let folds = Vec::from_iter(folds);
        let stands = (self.stand)(&folds).into_iter().chain(std::iter::repeat(false));
        let mut parts: Vec<Part> = Vec::new();
        for ((start, fold), stands) in folds.into_iter().zip(stands) {
            match (parts.last_mut(), stands || kept.contains(&start)) {
                (Some(Part::Folds(folds)), true) => folds.push((start, fold)),
                (Some(Part::Rows(_, last)), false) => *last = start,
                (_, true) => parts.push(Part::Folds(vec![(start, fold)])),
                (_, false) => parts.push(Part::Rows(start, start)),
            }
        }
        Ok(parts)
    }

    /// The last microsecond of the bucket that begins at `start`.
    fn end(&self, start: i64) -> i64 {
        start.saturating_add(self.tier.micros() - 1)
    }

    /// The folds of a stretch, those of one bucket joined in the order of their rows; and the
    /// buckets of which there are no rows any more.
    fn folds(
        &self,
        stretch: Stretch,
    ) -> Result<(BTreeMap<i64, Fold>, BTreeSet<i64>), SegmentError> {
        let (mut folds, mut kept) = (BTreeMap::new(), BTreeSet::new());
        let times = (stretch.from, stretch.to);
        let inside =
            |source: &&Source| source.extent.from <= times.1 && source.extent.to >= times.0;
        for source in self.sources.iter().filter(inside) {
            let alone = source.extent.held == Held::Kept;
            for (start, fold) in self.store.folds(&source.meta, self.tier, self.signal, times)? {
                if alone {
                    kept.insert(start);
                } else if kept.contains(&start) {
                    continue;
                }
                let joined = |known: &mut Fold| *known = known.join(&fold);
                folds.entry(start).and_modify(joined).or_insert(fold);
            }
        }
        Ok((folds, kept))
    }
}

/// The files with folds of the signal, in the order of time, and the extents of these and of
/// segments without folds.
fn sources(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    (from, to): (i64, i64),
    tier: Tier,
) -> Result<(Vec<Source>, Vec<Extent>), SegmentError> {
    let manifest = &snapshot.catalog.manifest;
    let through = snapshot.sequence.0;
    let (mut sources, mut extents) = (Vec::new(), Vec::new());
    let inside = |meta: &&Arc<SegmentMeta>| {
        meta.times.0 <= to && meta.times.1 >= from && meta.sequences.0 <= through
    };
    for meta in manifest.of_kind(SegmentKind::Kept).filter(inside) {
        let file = store.open(meta)?;
        if let (Some(span), Some(_)) = (file.span(signal), file.fold_span(tier, signal)) {
            let extent = Extent { from: span.from, to: span.to, held: Held::Kept };
            extents.push(extent);
            sources.push(Source { extent, meta: meta.clone() });
        }
    }
    for meta in manifest.of_kind(SegmentKind::Samples).filter(inside) {
        let rollup = rollup::path_of(&meta.path).and_then(|path| manifest.segments.get(&path));
        let rollup = rollup.filter(|_| meta.sequences.1 <= through);
        let file = store.open(rollup.unwrap_or(meta))?;
        let Some(span) = file.span(signal) else { continue };
        let folded = rollup.filter(|_| file.fold_span(tier, signal).is_some());
        let held = if folded.is_some() { Held::Folded } else { Held::Rows };
        let extent = Extent { from: span.from, to: span.to, held };
        extents.push(extent);
        sources.extend(folded.map(|meta| Source { extent, meta: meta.clone() }));
    }
    // What was kept stands before what came late.
    sources.sort_by_key(|source| (source.extent.held != Held::Kept, source.extent.from));
    Ok((sources, extents))
}
