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

/// How the history of any signal is read within some times, both included: in folds of a tier where
/// rollups can answer, in rows elsewhere.
#[derive(Clone)]
pub struct Folded {
    shared: Arc<Shared>,
}

struct Shared {
    store: SegmentStore,
    snapshot: Arc<Snapshot>,
    times: (i64, i64),
    tier: Tier,
    stand: Stand,
    wanted: Wanted,
    files: Vec<Files>,
}

/// A segment or a kept file, and the rollups beside it that may stand for it.
struct Files {
    meta: Arc<SegmentMeta>,
    rollup: Option<Arc<SegmentMeta>>,
}

/// Folds of one signal in one file.
struct Source {
    extent: Extent,
    meta: Arc<SegmentMeta>,
}

impl Folded {
    /// Where rows were let go, folds of narrower buckets than were kept are missing. Folds that do
    /// not `stand` are read as rows.
    pub fn new(
        store: &SegmentStore,
        snapshot: &Arc<Snapshot>,
        (from, to): (i64, i64),
        (tier, stand): (Tier, Stand),
        wanted: Wanted,
    ) -> Folded {
        let manifest = &snapshot.catalog.manifest;
        let through = snapshot.sequence.0;
        let inside = |meta: &&Arc<SegmentMeta>| {
            meta.times.0 <= to && meta.times.1 >= from && meta.sequences.0 <= through
        };
        let kept = manifest.of_kind(SegmentKind::Kept).filter(inside);
        let kept = kept.map(|meta| Files { meta: meta.clone(), rollup: None });
        let samples = manifest.of_kind(SegmentKind::Samples).filter(inside).map(|meta| {
            let rollup = rollup::path_of(&meta.path).and_then(|path| manifest.segments.get(&path));
            let rollup = rollup.filter(|_| meta.sequences.1 <= through).cloned();
            Files { meta: meta.clone(), rollup }
        });
        let files = kept.chain(samples).collect();
        let (store, snapshot) = (store.clone(), snapshot.clone());
        let times = (from, to);
        Folded { shared: Arc::new(Shared { store, snapshot, times, tier, stand, wanted, files }) }
    }

    /// The history of one signal.
    pub fn pieces(&self, signal: SignalId) -> Result<Pieces, SegmentError> {
        let shared = self.shared.clone();
        let (from, to) = shared.times;
        if from > to {
            return Ok(Box::new(std::iter::empty()));
        }
        let (sources, mut extents) = shared.sources(signal)?;
        let rows = |(from, to)| Extent { from, to, held: Held::Rows };
        let tails = shared.snapshot.tails.iter();
        let sequence = shared.snapshot.sequence;
        extents.extend(tails.filter_map(|tail| tail.extent(signal, from, to, sequence)).map(rows));
        let deleted = deletions_in(&shared.snapshot, signal, (from, to));
        extents.extend(deleted.iter().map(|deletion| rows((deletion.from, deletion.to))));
        let stretches = stretches(&extents, (from, to), shared.tier).into_iter();
        let asked = Asked { shared, signal, sources, deleted };
        Ok(Box::new(stretches.flat_map(move |stretch| match stretch.folded {
            true => asked.folded(stretch),
            false => asked.rows((stretch.from, stretch.to)),
        })))
    }
}

impl Shared {
    /// The files with folds of the signal, in the order of time, and the extents of these and of
    /// segments without folds.
    fn sources(&self, signal: SignalId) -> Result<(Vec<Source>, Vec<Extent>), SegmentError> {
        let (mut sources, mut extents) = (Vec::new(), Vec::new());
        for Files { meta, rollup } in &self.files {
            let alone = meta.kind == SegmentKind::Kept;
            let file = self.store.open(rollup.as_ref().unwrap_or(meta))?;
            let Some(span) = file.span(signal) else { continue };
            let has_folds = file.fold_span(self.tier, signal).is_some();
            let held = match (alone, has_folds) {
                (true, false) => continue,
                (true, true) => Held::Kept,
                (false, true) => Held::Folded,
                (false, false) => Held::Rows,
            };
            let extent = Extent { from: span.from, to: span.to, held };
            extents.push(extent);
            if has_folds {
                let meta = rollup.as_ref().unwrap_or(meta).clone();
                sources.push(Source { extent, meta });
            }
        }
        // What was kept stands before what came late.
        sources.sort_by_key(|source| (source.extent.held != Held::Kept, source.extent.from));
        Ok((sources, extents))
    }
}

/// What is asked of one signal.
struct Asked {
    shared: Arc<Shared>,
    signal: SignalId,
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
        let Shared { store, snapshot, wanted, .. } = &*self.shared;
        let newest = Versions::Newest;
        let blocks = history::blocks(store, snapshot, self.signal, times, *wanted, newest);
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
                Part::Rows(first, last) => {
                    self.rows((first.max(stretch.from), self.end(last).min(stretch.to)))
                }
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
        let stands = (self.shared.stand)(&folds).into_iter().chain(std::iter::repeat(false));
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
        self.shared.tier.end(start)
    }

    /// The folds of a stretch, those of one bucket joined in the order of their rows; and the
    /// buckets of which there are no rows any more.
    fn folds(
        &self,
        stretch: Stretch,
    ) -> Result<(BTreeMap<i64, Fold>, BTreeSet<i64>), SegmentError> {
        let (mut folds, mut kept) = (BTreeMap::new(), BTreeSet::new());
        let Shared { store, tier, .. } = &*self.shared;
        for Source { extent, meta } in &self.sources {
            let (from, to) = (stretch.from.max(extent.from), stretch.to.min(extent.to));
            if from > to {
                continue;
            }
            let alone = extent.held == Held::Kept;
            for (start, fold) in store.folds(meta, *tier, self.signal, (tier.start(from), to))? {
                let (first, last) = match alone {
                    true => (start, self.end(start)),
                    false => (start.max(extent.from), self.end(start).min(extent.to)),
                };
                // What another stretch answers, or nobody asks for.
                if first < stretch.from || last > stretch.to {
                    continue;
                }
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
