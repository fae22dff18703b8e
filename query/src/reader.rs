//! Reads what one snapshot holds of some signals: segments and tails merged, signal after signal.
//!
//! Blocks on the disk; whoever calls it does so where that disturbs nobody.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use parx_compactor::{
    ClockBook, Folded, Piece, RowBlocks, SegmentStore, Stand, Tier, Versions, Wanted, segments_of,
};
use parx_log::{Rows, SegmentMeta, Signal, SignalId, Snapshot};

use crate::QueryError;
use crate::backwards::Backwards;
use crate::output::{self, Pieces, column};
use crate::prune::TimeRange;

/// Rows of a batch, about.
const BATCH_ROWS: usize = 8192;

/// What is to be read of a snapshot.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) store: SegmentStore,
    pub(crate) times: TimeRange,
    pub(crate) versions: Versions,
    pub(crate) wanted: Wanted,
    /// From the newest to the oldest.
    pub(crate) backwards: bool,
}

impl Reading {
    /// The segments that can hold rows of these times.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<SegmentMeta>> {
        segments_of(&self.snapshot, self.times)
    }

    /// How signals' valid rows are read by time, and folds of `tier` in their place where these
    /// stand.
    pub(crate) fn gather(&self, tier: Option<(Tier, Stand)>) -> Gather {
        let Reading { store, snapshot, times, wanted, .. } = self;
        let tier = tier.filter(|_| self.versions == Versions::Newest);
        let folded = tier.map(|tier| Folded::new(store, snapshot, *times, tier, *wanted));
        Gather { reading: self.clone(), folded }
    }

    /// The times asked for that there can be rows of.
    pub(crate) fn filled(&self) -> TimeRange {
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for meta in self.segments() {
            (first, last) = (first.min(meta.times.0), last.max(meta.times.1));
        }
        (first.max(self.times.0), last.min(self.times.1))
    }

    /// One signal's rows by time, then by sequence, whatever `backwards` says.
    pub(crate) fn blocks(&self, signal: SignalId) -> RowBlocks {
        let Reading { store, snapshot, times, wanted, versions, .. } = self;
        parx_compactor::blocks(store, snapshot, signal, *times, *wanted, *versions)
    }
}

/// Rows and folds of one signal, in the order of time.
pub(crate) type PieceBlocks = Box<dyn Iterator<Item = Result<Piece, QueryError>> + Send>;

/// How signals are read in rows and folds.
pub(crate) struct Gather {
    reading: Reading,
    folded: Option<Folded>,
}

impl Gather {
    /// The pieces of one signal.
    pub(crate) fn pieces(&self, signal: SignalId) -> PieceBlocks {
        match self.folded.as_ref().map(|folded| folded.pieces(signal)) {
            None => Box::new(self.reading.blocks(signal).map(|rows| Ok(Piece::Rows(rows?)))),
            Some(Ok(pieces)) => Box::new(pieces.map(|piece| Ok(piece?))),
            Some(Err(error)) => Box::new(std::iter::once(Err(error.into()))),
        }
    }
}

/// Reads signals in batches.
pub(crate) struct Reader {
    reading: Reading,
    schema: SchemaRef,
    projection: Arc<[usize]>,
    signals: VecDeque<Arc<Signal>>,
    current: Option<(Arc<Signal>, RowBlocks)>,
    clock: Option<ClockBook>,
    left: usize,
}

impl Reader {
    /// The columns `projection` of `signals`, `limit` rows at most.
    pub(crate) fn new(
        reading: Reading,
        signals: &[Arc<Signal>],
        (projection, schema): (Arc<[usize]>, SchemaRef),
        limit: Option<usize>,
    ) -> Reader {
        Reader {
            reading,
            schema,
            projection,
            signals: signals.iter().cloned().collect(),
            current: None,
            clock: None,
            left: limit.unwrap_or(usize::MAX),
        }
    }

    /// The next batch; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let mut pieces = Pieces::new();
        let mut count = 0;
        while count < BATCH_ROWS && self.left > 0 {
            let Some((signal, blocks)) = self.current.as_mut() else {
                let Some(signal) = self.signals.pop_front() else { break };
                let blocks = match self.reading.backwards {
                    true => Box::new(Backwards::new(self.reading.clone(), signal.id)),
                    false => self.reading.blocks(signal.id),
                };
                self.current = Some((signal, blocks));
                continue;
            };
            match blocks.next().transpose()? {
                None => self.current = None,
                Some(rows) => {
                    let rows = first(rows, self.left);
                    self.left -= rows.len();
                    count += rows.len();
                    pieces.push((signal.clone(), rows));
                }
            }
        }
        if count == 0 { Ok(None) } else { self.batch(&pieces).map(Some) }
    }

    fn batch(&mut self, pieces: &Pieces) -> Result<RecordBatch, QueryError> {
        if self.clock.is_none() && self.projection.contains(&column::RECORDED_AT) {
            let store = self.reading.store.clone();
            self.clock = Some(ClockBook::new(store, &self.reading.snapshot));
        }
        let recorded = |sequences: &[u64]| match &self.clock {
            Some(clock) => Ok::<_, QueryError>(clock.recorded_at(sequences)?),
            None => Ok(vec![None; sequences.len()]),
        };
        let catalog = &self.reading.snapshot.catalog;
        output::batch(pieces, &self.projection, self.schema.clone(), catalog, recorded)
    }
}

fn first(rows: Rows, count: usize) -> Rows {
    if rows.len() <= count {
        return rows;
    }
    let mut cut = Rows::default();
    parx_compactor::append_range(&mut cut, &rows, 0..count);
    cut
}
