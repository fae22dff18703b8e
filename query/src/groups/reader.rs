//! Reads signals one after another and folds their rows into groups.
//!
//! Blocks on the disk; whoever calls it does so where that disturbs nobody.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
};
use datafusion::arrow::datatypes::SchemaRef;
use parx_compactor::{Fold, Piece, Stand, Tier};
use parx_log::{Rows, Signal};

use super::enough::Asks;
use super::filter::Filter;
use super::group::Group;
use super::keys::{Bucket, Key};
use super::told::Told;
use crate::QueryError;
use crate::reader::{Gather, PieceBlocks, Reading};
use crate::spread::Asker;
use crate::tiers::{stand, tier_within};

/// Groups of a batch, about.
const BATCH_GROUPS: usize = 8192;

/// What is asked of the samples of some signals.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) reading: Reading,
    pub(crate) keys: Vec<Key>,
    pub(crate) told: Vec<Told>,
    pub(crate) filter: Filter,
    /// Which rows pass the filter.
    pub(crate) asks: Asks,
    pub(crate) schema: SchemaRef,
}

/// A group of a signal and the time that names its bucket.
pub(crate) type Named = (Arc<Signal>, i64, Group);

impl Asked {
    /// The bucket among the keys, if there is one.
    fn bucket(&self) -> Option<&Bucket> {
        self.keys.iter().find_map(|key| match key {
            Key::Bucket(bucket) => Some(bucket),
            Key::Signal | Key::SignalId => None,
        })
    }

    /// The tier whose folds can stand for rows, and which of them do: no border cuts them, and they
    /// tell what is asked.
    pub(crate) fn tier(&self) -> Option<(Tier, Stand)> {
        let (asks, told) = (self.asks, self.told.clone());
        if asks == Asks::Some {
            return None;
        }
        let bucket = self.bucket().cloned();
        let marks = move |times: &[i64]| match &bucket {
            Some(bucket) => bucket.marks(times).ok(),
            None => Some(vec![0; times.len()]),
        };
        let tier = tier_within(&marks, self.reading.filled())?;
        Some((
            tier,
            Arc::new(move |folds| stand(&marks, folds, tier, |fold| asks.are_told(&told, fold))),
        ))
    }

    /// How its signals are read.
    pub(crate) fn gather(&self) -> Gather {
        self.reading.gather(self.tier())
    }

    /// True if it matters how long values hold.
    fn is_weighted(&self) -> bool {
        self.told.iter().any(|told| matches!(told, Told::Weighted(..)))
    }

    /// True if each group is told by the last row of its signal.
    pub(crate) fn is_of_last(&self) -> bool {
        self.bucket().is_none()
            && self.filter.predicates.is_empty()
            && self.told.iter().all(|told| told.is_of_last())
    }

    /// One row for each group.
    pub(crate) fn batch(&self, groups: &[Named]) -> Result<RecordBatch, QueryError> {
        let signals = || groups.iter().map(|(signal, _, _)| signal);
        let key = |key: &Key| -> Result<ArrayRef, QueryError> {
            Ok(match key {
                Key::Signal => {
                    let tags = signals().map(|signal| &signal.definition.tag);
                    Arc::new(StringArray::from_iter_values(tags))
                }
                Key::SignalId => {
                    let ids = signals().map(|signal| signal.id.0.cast_signed());
                    Arc::new(Int32Array::from_iter_values(ids))
                }
                Key::Bucket(bucket) => bucket.column(groups.iter().map(|(_, time, _)| *time))?,
            })
        };
        let told = |told: &Told| told.column(groups.iter().map(|(_, _, group)| group));
        let mut columns = self.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        columns.extend(self.told.iter().map(told));
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    /// All rows of a signal as one group; nothing if it has none.
    pub(crate) fn whole(
        &self,
        gather: &Gather,
        signal: &Arc<Signal>,
        asker: &Asker,
    ) -> Result<Option<Group>, QueryError> {
        let mut group = Group::default();
        for piece in gather.pieces(signal.id) {
            asker.check()?;
            match piece? {
                Piece::Rows(rows) => {
                    let rows = self.filter.pass(signal, rows)?;
                    group.push(&rows, 0..rows.len(), self.is_weighted());
                }
                Piece::Folds(folds) => {
                    folds.iter().for_each(|(_, fold)| group.join(fold, self.asks));
                }
            }
        }
        Ok((group.fold.rows > 0).then_some(group))
    }
}

/// Reads groups in batches.
pub(crate) struct GroupReader {
    asked: Arc<Asked>,
    asker: Asker,
    signals: VecDeque<Arc<Signal>>,
    gather: Gather,
    current: Option<(Arc<Signal>, PieceBlocks)>,
    open: Option<Named>,
    done: Vec<Named>,
}

impl GroupReader {
    pub(crate) fn new(asked: Arc<Asked>, signals: &[Arc<Signal>], asker: Asker) -> GroupReader {
        let signals = signals.iter().cloned().collect();
        let gather = asked.gather();
        GroupReader { asked, asker, signals, gather, current: None, open: None, done: Vec::new() }
    }

    /// The next batch; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        while self.done.len() < BATCH_GROUPS {
            let Some((signal, pieces)) = self.current.as_mut() else {
                let Some(signal) = self.signals.pop_front() else { break };
                let pieces = self.gather.pieces(signal.id);
                self.current = Some((signal, pieces));
                continue;
            };
            self.asker.check()?;
            match pieces.next().transpose()? {
                Some(Piece::Folds(folds)) => {
                    let signal = signal.clone();
                    self.join(&signal, &folds)?;
                }
                Some(Piece::Rows(rows)) => {
                    let signal = signal.clone();
                    let rows = self.asked.filter.pass(&signal, rows)?;
                    self.push(&signal, &rows)?;
                }
                None => {
                    self.current = None;
                    self.done.extend(self.open.take());
                }
            }
        }
        let groups = std::mem::take(&mut self.done);
        if groups.is_empty() { Ok(None) } else { self.asked.batch(&groups).map(Some) }
    }

    fn push(&mut self, signal: &Arc<Signal>, rows: &Rows) -> Result<(), QueryError> {
        let cuts = match self.asked.bucket() {
            Some(bucket) => bucket.cut(rows)?,
            None if rows.is_empty() => Vec::new(),
            None => vec![(0, 0..rows.len())],
        };
        let weighted = self.asked.is_weighted();
        for (time, range) in cuts {
            self.group(signal, time).push(rows, range, weighted);
        }
        Ok(())
    }

    fn join(&mut self, signal: &Arc<Signal>, folds: &[(i64, Fold)]) -> Result<(), QueryError> {
        let starts: Vec<i64> = folds.iter().map(|(start, _)| *start).collect();
        let marks = match self.asked.bucket() {
            Some(bucket) => bucket.marks(&starts)?,
            None => vec![0; starts.len()],
        };
        let asks = self.asked.asks;
        for (time, (_, fold)) in marks.into_iter().zip(folds) {
            // Rows that are all left out make no group.
            if asks.rows(fold) > 0 {
                self.group(signal, time).join(fold, asks);
            }
        }
        Ok(())
    }

    /// The group of a bucket, which ends the one before.
    fn group(&mut self, signal: &Arc<Signal>, time: i64) -> &mut Group {
        if self.open.as_ref().is_some_and(|(_, open, _)| *open != time) {
            self.done.extend(self.open.take());
        }
        let fresh = || (signal.clone(), time, Group::default());
        &mut self.open.get_or_insert_with(fresh).2
    }
}
