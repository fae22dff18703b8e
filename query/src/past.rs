//! `AS OF`: what the log held at an earlier sequence or time, as a snapshot of its own.
//!
//! The files and tails are those of now, for they hold every version; the catalog is folded anew up
//! to then, and rows behind it are left out by whoever reads. Blocks on the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use parx_compactor::{ClockBook, SegmentStore};
use parx_log::{Catalog, Log, Sequence, Snapshot, Timestamp};

use crate::spread::blocking;
use crate::{ErrorKind, QueryError, session};

/// Catalogs of the past that are kept folded.
pub const CATALOGS_PAST_MAX: usize = 16;

/// A place in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// Through this entry of the log.
    Sequence(Sequence),
    /// Through the last entry that was recorded at or before this time.
    Time(Timestamp),
}

/// What was defined as of a sequence.
type Folded = (Sequence, Arc<Catalog>);

/// Snapshots of the past of one log. Cheap to clone; clones share what is folded.
#[derive(Clone)]
pub(crate) struct Past {
    log: Log,
    store: SegmentStore,
    folded: Arc<Mutex<VecDeque<Folded>>>,
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Past")
    }
}

impl Past {
    pub(crate) fn new(log: Log, store: SegmentStore) -> Past {
        Past { log, store, folded: Arc::default() }
    }

    /// What `now` was as of then. A place behind `now` is refused.
    pub(crate) async fn of(
        &self,
        now: Arc<Snapshot>,
        as_of: AsOf,
    ) -> Result<Arc<Snapshot>, QueryError> {
        let past = self.clone();
        blocking(move || past.read(&now, as_of)).await
    }

    fn read(&self, now: &Snapshot, as_of: AsOf) -> Result<Arc<Snapshot>, QueryError> {
        let sequence = match as_of {
            AsOf::Sequence(sequence) if sequence > now.sequence => {
                let newest = now.sequence;
                let message = format!("the log has no entry {sequence} yet; {newest} is its last");
                return Err(QueryError::new(ErrorKind::Parameters, message));
            }
            AsOf::Sequence(sequence) => sequence,
            AsOf::Time(time) => self.newest_until(now, time)?,
        };
        let catalog = match sequence >= now.catalog.sequence {
            true => now.catalog.clone(),
            false => {
                let mut catalog = (*self.folded(sequence)?).clone();
                catalog.manifest = now.catalog.manifest.clone();
                Arc::new(catalog)
            }
        };
        let recorded_at = match as_of {
            AsOf::Time(time) => time.min(now.recorded_at),
            AsOf::Sequence(_) => now.recorded_at,
        };
        let tails = now.tails.clone();
        Ok(Arc::new(Snapshot { catalog, sequence, recorded_at, tails }))
    }

    /// The last entry that was recorded at or before `time`; 0 if none was.
    fn newest_until(&self, now: &Snapshot, time: Timestamp) -> Result<Sequence, QueryError> {
        if time >= now.recorded_at {
            return Ok(now.sequence);
        }
        let clock = ClockBook::new(self.store.clone(), now);
        let sampled = clock.newest_until(time.micros())?.unwrap_or_default();
        let changed = self.log.newest_change_until(time)?;
        Ok(Sequence(sampled).max(changed).min(now.sequence))
    }

    fn folded(&self, sequence: Sequence) -> Result<Arc<Catalog>, QueryError> {
        let known = |(at, _): &&Folded| *at == sequence;
        if let Some((_, catalog)) = self.folded.lock().iter().find(known) {
            return Ok(catalog.clone());
        }
        let catalog = Arc::new(self.log.catalog_at(sequence)?);
        let mut folded = self.folded.lock();
        folded.push_front((sequence, catalog.clone()));
        folded.truncate(CATALOGS_PAST_MAX);
        Ok(catalog)
    }
}

/// A table as it was at a sequence.
#[derive(Debug)]
pub(crate) struct PastTable {
    pub(crate) table: Arc<dyn TableProvider>,
    pub(crate) sequence: Sequence,
    pub(crate) past: Past,
}

#[async_trait]
impl TableProvider for PastTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let now = session::snapshot(state, &self.past.log);
        let then = self.past.of(now, AsOf::Sequence(self.sequence)).await?;
        let engine = session::engine(state)?;
        let state = state.as_any().downcast_ref::<SessionState>().cloned();
        let state = state.ok_or_else(|| {
            QueryError::new(ErrorKind::Internal, "a table of the past needs a session's state")
        })?;
        let state = session::seeing(state, then, engine);
        self.table.scan(&state, projection, filters, limit).await
    }
}
