//! Signals in buckets of time: what the samples of each bucket come to.

use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use parx_compactor::{Fold, Piece, Stand, Taking, Tier};
use parx_log::{Rows, SignalId, Snapshot, Timestamp};

use crate::grid::{Grid, reach};
use crate::spread::{Asker, spread};
use crate::tiers::{stand, tier_within};
use crate::{Engine, ErrorKind, QueryError};

/// Into how many buckets a time can be cut.
pub const BUCKETS_MAX: u32 = 1 << 20;

/// What the samples of a bucket of time come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// The start of the bucket; its end is the start of the next.
    pub start: Timestamp,
    /// What is in it.
    pub fold: Fold,
}

impl Engine {
    /// Each signal from `from` to before `to` in `count` buckets that are alike, in the order of
    /// `signals`. A bucket without samples is left out.
    pub async fn buckets(
        &self,
        snapshot: Arc<Snapshot>,
        signals: &[SignalId],
        (from, to): (Timestamp, Timestamp),
        count: u32,
    ) -> Result<Vec<Vec<Bucket>>, QueryError> {
        let taking = Taking { judged: true, weighted: true };
        let signals = signals.to_vec();
        self.bucket_stream(snapshot, signals, (from, to), (count, taking))?.try_collect().await
    }

    /// As `buckets`, signal after signal.
    pub(crate) fn bucket_stream(
        &self,
        snapshot: Arc<Snapshot>,
        signals: Vec<SignalId>,
        (from, to): (Timestamp, Timestamp),
        (count, taking): (u32, Taking),
    ) -> Result<impl Stream<Item = Result<Vec<Bucket>, QueryError>> + Send + use<>, QueryError>
    {
        if !(1..=BUCKETS_MAX).contains(&count) {
            let message = format!("{count} buckets; there can be 1 to {BUCKETS_MAX}");
            return Err(QueryError::new(ErrorKind::OutOfRange, message));
        }
        let reading = self.before(snapshot, from, to);
        let grid = Grid::new(from.micros(), to.micros(), count);
        let tier = tier_within(&|times| Some(grid.starts(times)), reading.filled());
        let gather = reading.gather(tier.map(|tier| (tier, stands(grid, tier))));
        let fold = move |signal, asker: &Asker| {
            let mut folder = Folder::new(grid, taking);
            for piece in gather.pieces(signal) {
                asker.check()?;
                match piece? {
                    Piece::Rows(rows) => folder.push(&rows),
                    Piece::Folds(folds) => folder.join(&folds),
                }
            }
            Ok(folder.finish())
        };
        Ok(spread(signals, self.width(), fold))
    }
}

/// Folds that no border of the grid cuts stand for their rows.
fn stands(grid: Grid, tier: Tier) -> Stand {
    Arc::new(move |folds| stand(&|times| Some(grid.starts(times)), folds, tier, |_| true))
}

/// Folds rows that come in the order of time into buckets.
struct Folder {
    grid: Grid,
    taking: Taking,
    /// Start, end and content of the bucket that is being filled.
    current: Option<(i64, i64, Fold)>,
    done: Vec<Bucket>,
}

impl Folder {
    fn new(grid: Grid, taking: Taking) -> Folder {
        Folder { grid, taking, current: None, done: Vec::new() }
    }

    /// Takes the next rows.
    fn push(&mut self, rows: &Rows) {
        let mut row = 0;
        while let Some(time) = rows.times.get(row) {
            if self.current.is_none_or(|(_, end, _)| *time >= end) {
                self.flush();
                let (start, end) = self.grid.bounds(*time);
                self.current = Some((start, end, Fold::default()));
            }
            let Some((_, end, fold)) = self.current.as_mut() else { return };
            let next = reach(&rows.times, row, *end).max(row + 1);
            fold.take(rows, row..next, self.taking);
            row = next;
        }
    }

    /// Takes the folds of the next rows.
    fn join(&mut self, folds: &[(i64, Fold)]) {
        for (time, part) in folds {
            if self.current.is_none_or(|(_, end, _)| *time >= end) {
                self.flush();
                let (start, end) = self.grid.bounds(*time);
                self.current = Some((start, end, Fold::default()));
            }
            let Some((_, _, fold)) = self.current.as_mut() else { return };
            *fold = fold.join(part);
        }
    }

    fn flush(&mut self) {
        if let Some((start, _, fold)) = self.current.take() {
            self.done.push(Bucket { start: Timestamp::from_micros(start), fold });
        }
    }

    /// The buckets that have rows.
    fn finish(mut self) -> Vec<Bucket> {
        self.flush();
        self.done
    }
}
