//! The tables `sources`, `retention` and `events`, and in a file of its own `signals`: what is
//! defined, and what was changed when by whom.
//!
//! Definitions are those of the query's snapshot. Passwords and what checks them are in no column.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::stream;
use parx_log::{Days, Entry, Event, Keep, Log, Sequence, Snapshot};

mod signals;

pub(crate) use signals::SignalsTable;

use crate::samples::time_type;
use crate::spread::blocking;
use crate::{QueryError, session};

type Build = fn(&Snapshot) -> Vec<ArrayRef>;

/// A table of definitions, made from the snapshot when it is scanned.
pub(crate) struct SystemTable {
    log: Log,
    schema: SchemaRef,
    build: Build,
}

impl SystemTable {
    /// Where signals come from.
    pub(crate) fn sources(log: Log) -> SystemTable {
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, false),
            Field::new("driver", DataType::Utf8, false),
            Field::new("enabled", DataType::Boolean, false),
            Field::new("settings", DataType::Utf8, false),
        ]);
        SystemTable { log, schema: Arc::new(schema), build: sources }
    }

    /// How long samples are kept.
    pub(crate) fn retention(log: Log) -> SystemTable {
        let days = |name| Field::new(name, DataType::Int64, true);
        let schema = Schema::new(vec![
            Field::new("path", DataType::Utf8, false),
            days("raw_days"),
            days("minute_days"),
            days("hour_days"),
            days("day_days"),
        ]);
        SystemTable { log, schema: Arc::new(schema), build: retention }
    }
}

impl std::fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemTable")
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = session::snapshot(state, &self.log);
        let columns = (self.build)(&snapshot);
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let partitions = [vec![batch]];
        let schema = self.schema.clone();
        Ok(MemorySourceConfig::try_new_exec(&partitions, schema, projection.cloned())?)
    }
}

fn sources(snapshot: &Snapshot) -> Vec<ArrayRef> {
    let all = || snapshot.catalog.sources.values();
    vec![
        Arc::new(StringArray::from_iter_values(all().map(|source| &source.name))),
        Arc::new(StringArray::from_iter_values(all().map(|source| &source.driver))),
        Arc::new(all().map(|source| Some(source.enabled)).collect::<BooleanArray>()),
        Arc::new(StringArray::from_iter_values(all().map(|source| source.settings.to_string()))),
    ]
}

fn retention(snapshot: &Snapshot) -> Vec<ArrayRef> {
    let all = || snapshot.catalog.retention.iter();
    let days = |of: fn(&Keep) -> Days| -> ArrayRef {
        Arc::new(all().map(|(_, keep)| of(keep).map(i64::from)).collect::<Int64Array>())
    };
    vec![
        Arc::new(StringArray::from_iter_values(all().map(|(path, _)| path))),
        days(|keep| keep.raw),
        days(|keep| keep.minute),
        days(|keep| keep.hour),
        days(|keep| keep.day),
    ]
}

/// Entries of the log that are read at a time.
const EVENTS_CHUNK: usize = 1024;

/// The changes of the log, newest first.
pub(crate) struct EventsTable {
    log: Log,
    schema: SchemaRef,
}

impl EventsTable {
    pub(crate) fn new(log: Log) -> EventsTable {
        let schema = Schema::new(vec![
            Field::new("sequence", DataType::Int64, false),
            Field::new("recorded_at", time_type(), false),
            Field::new("author", DataType::Utf8, false),
            Field::new("kind", DataType::Utf8, false),
            Field::new("subject", DataType::Utf8, false),
            Field::new("detail", DataType::Utf8, false),
        ]);
        EventsTable { log, schema: Arc::new(schema) }
    }
}

impl std::fmt::Debug for EventsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventsTable")
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let before = session::snapshot(state, &self.log).sequence.next();
        let (log, schema) = (self.log.clone(), self.schema.clone());
        let events = Arc::new(Events { log, schema: schema.clone(), before });
        let table = StreamingTable::try_new(schema, vec![events])?;
        table.scan(state, projection, filters, limit).await
    }
}

struct Events {
    log: Log,
    schema: SchemaRef,
    before: Sequence,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Events before {}", self.before)
    }
}

impl PartitionStream for Events {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let start = (self.log.clone(), self.schema.clone(), self.before);
        let batches = stream::try_unfold(start, |(log, schema, before)| async move {
            let reading = log.clone();
            let read = move || Ok(reading.changes_before(before, EVENTS_CHUNK)?);
            let entries = blocking(read).await?;
            let Some(oldest) = entries.last().map(|entry| entry.sequence) else {
                return Ok(None);
            };
            let batch = events(&entries, schema.clone())?;
            Ok(Some((batch, (log, schema, oldest))))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

fn events(entries: &[Entry], schema: SchemaRef) -> Result<RecordBatch, QueryError> {
    let changes: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Change(change) => Some((entry, change)),
            Event::Samples(_) => None,
        })
        .collect();
    let text = |of: fn(&(&Entry, &Arc<parx_log::Change>)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(changes.iter().map(of)))
    };
    let sequences = changes.iter().map(|(entry, _)| entry.sequence.0.cast_signed());
    let times = changes.iter().map(|(entry, _)| entry.recorded_at.micros());
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(sequences)),
        Arc::new(times),
        text(|(entry, _)| entry.author.to_string()),
        text(|(_, change)| change.kind().to_owned()),
        text(|(_, change)| change.subject().to_owned()),
        text(|(_, change)| change.detail().to_string()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
