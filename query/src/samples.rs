//! The tables `samples` and `samples_history`: what can be asked of them, and what is pruned first.
//!
//! Plans only; `scan` and `reader` do the reading.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use parx_compactor::{SegmentStore, Versions, Wanted};
use parx_log::Log;

use crate::index::SignalIndex;
use crate::output::column;
use crate::prune::{ALL_TIMES, both, is_of_signals, time_range};
use crate::reader::Reading;
use crate::scan::SignalScan;
use crate::session;

/// The type of points in time.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of `samples`; `samples_history` has one more, `deleted_by`: the sequence of the
/// deletion that hides the row, null where it is valid.
pub(crate) fn samples_schema(versions: Versions) -> SchemaRef {
    let mut fields = vec![
        Field::new("signal", DataType::Utf8, false),
        Field::new("time", time_type(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("value_int", DataType::Int64, true),
        Field::new("value_text", DataType::Utf8, true),
        Field::new("quality", DataType::Int64, false),
        Field::new("status", DataType::Utf8, false),
        Field::new("signal_id", DataType::Int32, false),
        Field::new("sequence", DataType::Int64, false),
        Field::new("recorded_at", time_type(), true),
    ];
    if versions == Versions::All {
        fields.push(Field::new("deleted_by", DataType::Int64, true));
    }
    Arc::new(Schema::new(fields))
}

/// A table of samples.
#[derive(Debug)]
pub(crate) struct SamplesTable {
    log: Log,
    store: SegmentStore,
    index: Arc<SignalIndex>,
    schema: SchemaRef,
    versions: Versions,
}

impl SamplesTable {
    /// `samples` with the newest versions, `samples_history` with all.
    pub(crate) fn new(
        log: Log,
        store: SegmentStore,
        index: Arc<SignalIndex>,
        versions: Versions,
    ) -> SamplesTable {
        SamplesTable { log, store, index, schema: samples_schema(versions), versions }
    }
}

#[async_trait]
impl TableProvider for SamplesTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match is_of_signals(filter) || time_range(filter).is_some() {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = session::snapshot(state, &self.log);
        let (of_signals, others): (Vec<Expr>, Vec<Expr>) =
            filters.iter().cloned().partition(is_of_signals);
        let signals = self.index.select(&snapshot.catalog, of_signals, state)?;
        let times = others.iter().filter_map(time_range).fold(ALL_TIMES, both);
        let projection: Arc<[usize]> = match projection {
            Some(places) => places.as_slice().into(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let asked = |places: &[usize]| projection.iter().any(|place| places.contains(place));
        let wanted = Wanted {
            values: asked(&[column::VALUE, column::VALUE_INT, column::VALUE_TEXT]),
            quality: asked(&[column::QUALITY, column::STATUS]),
        };
        let store = self.store.clone();
        let versions = self.versions;
        let reading = Reading { snapshot, store, times, versions, wanted, backwards: false };
        let schema = Arc::new(self.schema.project(&projection)?);
        let partitions = state.config().target_partitions();
        let scan = SignalScan::try_new(reading, &signals, (projection, schema), limit, partitions)?;
        Ok(Arc::new(scan))
    }
}
