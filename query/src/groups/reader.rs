//! Reads signals one after another and folds their rows into groups.
//!
//! Blocks on the disk; whoever calls it does so where that disturbs nobody.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
};
use datafusion::arrow::datatypes::SchemaRef;
use parx_compactor::RowBlocks;
use parx_log::{Rows, Signal};

use super::filter::Filter;
use super::group::Group;
use super::keys::{Bucket, Key};
use super::told::Told;
use crate::QueryError;
use crate::reader::Reading;
use crate::spread::Asker;

/// Groups of a batch, about.
const BATCH_GROUPS: usize = 8192;

/// What is asked of the samples of some signals.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) reading: Reading,
    pub(crate) keys: Vec<Key>,
    pub(crate) told: Vec<Told>,
    pub(crate) filter: Filter,
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
        signal: &Arc<Signal>,
        asker: &Asker,
    ) -> Result<Option<Group>, QueryError> {
        let mut group = Group::default();
        for block in self.reading.blocks(signal.id) {
            asker.check()?;
            let rows = self.filter.pass(signal, block?)?;
            group.push(&rows, 0..rows.len(), self.is_weighted());
        }
        Ok((group.fold.rows > 0).then_some(group))
    }
}

/// Reads groups in batches.
pub(crate) struct GroupReader {
    asked: Arc<Asked>,
    asker: Asker,
    signals: VecDeque<Arc<Signal>>,
    current: Option<(Arc<Signal>, RowBlocks)>,
    open: Option<Named>,
    done: Vec<Named>,
}

impl GroupReader {
    pub(crate) fn new(asked: Arc<Asked>, signals: &[Arc<Signal>], asker: Asker) -> GroupReader {
        let signals = signals.iter().cloned().collect();
        GroupReader { asked, asker, signals, current: None, open: None, done: Vec::new() }
    }

    /// The next batch; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        while self.done.len() < BATCH_GROUPS {
            let Some((signal, blocks)) = self.current.as_mut() else {
                let Some(signal) = self.signals.pop_front() else { break };
                let blocks = self.asked.reading.blocks(signal.id);
                self.current = Some((signal, blocks));
                continue;
            };
            self.asker.check()?;
            match blocks.next().transpose()? {
                Some(rows) => {
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
            if self.open.as_ref().is_some_and(|(_, open, _)| *open != time) {
                self.done.extend(self.open.take());
            }
            let fresh = || (signal.clone(), time, Group::default());
            self.open.get_or_insert_with(fresh).2.push(rows, range, weighted);
        }
        Ok(())
    }
}
