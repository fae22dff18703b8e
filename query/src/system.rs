//! The tables `signals`, `sources` and `events`: what is defined, and what was changed when by
//! whom.
//!
//! Definitions are those of the query's snapshot. Passwords and what checks them are in no column.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
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
use parx_log::{Entry, Event, LastValue, Log, Sequence, Signal, Snapshot, Value};

use crate::samples::time_type;
use crate::{ErrorKind, QueryError, session};

type Build = fn(&Snapshot, &Log) -> Vec<ArrayRef>;

/// A table of definitions, made from the snapshot when it is scanned.
pub(crate) struct SystemTable {
    log: Log,
    schema: SchemaRef,
    build: Build,
}

impl SystemTable {
    /// What is measured, and the newest sample of each.
    pub(crate) fn signals(log: Log) -> SystemTable {
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let number = |name: &str| Field::new(name, DataType::Float64, true);
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            text("tag", false),
            text("description", false),
            text("unit", true),
            text("value_type", false),
            text("source", true),
            text("address", true),
            text("scan_class", true),
            Field::new("stepped", DataType::Boolean, false),
            number("low"),
            number("high"),
            number("deadband"),
            text("labels", false),
            Field::new("retired", DataType::Boolean, false),
            Field::new("last_time", time_type(), true),
            number("last_value"),
            Field::new("last_value_int", DataType::Int64, true),
            text("last_value_text", true),
            Field::new("last_quality", DataType::Int64, true),
            text("last_status", true),
            Field::new("last_sequence", DataType::Int64, true),
        ]);
        SystemTable { log, schema: Arc::new(schema), build: signals }
    }

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
        let columns = (self.build)(&snapshot, &self.log);
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let partitions = [vec![batch]];
        let schema = self.schema.clone();
        Ok(MemorySourceConfig::try_new_exec(&partitions, schema, projection.cloned())?)
    }
}

fn signals(snapshot: &Snapshot, log: &Log) -> Vec<ArrayRef> {
    let rows: Vec<(&Arc<Signal>, Option<LastValue>)> = snapshot
        .catalog
        .signals()
        .map(|signal| (signal, log.last_values().get(signal.id)))
        .collect();
    fn text<'a, I, V>(rows: I) -> ArrayRef
    where
        I: Iterator<Item = Option<V>>,
        V: AsRef<str> + 'a,
    {
        Arc::new(rows.collect::<StringArray>())
    }
    let define = || rows.iter().map(|(signal, _)| &signal.definition);
    let last = || rows.iter().map(|(_, last)| last.as_ref());
    let value = || last().map(|last| last.and_then(|last| last.sample.value.as_ref()));
    let int = |value: Option<&Value>| match value {
        Some(Value::Int(x)) => Some(*x),
        Some(Value::Float(_) | Value::Bool(_) | Value::Text(_)) | None => None,
    };
    let words = |value: Option<&Value>| match value {
        Some(Value::Text(x)) => Some(x.to_string()),
        Some(Value::Float(_) | Value::Bool(_) | Value::Int(_)) | None => None,
    };
    let times: TimestampMicrosecondArray =
        last().map(|last| last.map(|last| last.sample.time.micros())).collect();
    let labels = define().map(|d| serde_json::to_string(&d.labels).ok());
    vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|(s, _)| s.id.0.cast_signed()))),
        text(define().map(|d| Some(&d.tag))),
        text(define().map(|d| Some(&d.description))),
        text(define().map(|d| d.unit.as_ref())),
        text(define().map(|d| Some(d.value_type.word()))),
        text(define().map(|d| d.source.as_ref())),
        text(define().map(|d| d.address.as_ref())),
        text(define().map(|d| d.scan_class.as_ref())),
        Arc::new(define().map(|d| Some(d.stepped)).collect::<BooleanArray>()),
        Arc::new(define().map(|d| d.low).collect::<Float64Array>()),
        Arc::new(define().map(|d| d.high).collect::<Float64Array>()),
        Arc::new(define().map(|d| d.deadband).collect::<Float64Array>()),
        text(labels.map(|json| Some(json.unwrap_or_default()))),
        Arc::new(rows.iter().map(|(signal, _)| Some(signal.retired)).collect::<BooleanArray>()),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(value().map(|v| v.and_then(Value::number)).collect::<Float64Array>()),
        Arc::new(value().map(int).collect::<Int64Array>()),
        text(value().map(words)),
        Arc::new(
            last()
                .map(|last| last.map(|last| i64::from(last.sample.quality.0)))
                .collect::<Int64Array>(),
        ),
        text(last().map(|last| last.map(|last| last.sample.quality.severity().word()))),
        Arc::new(
            last().map(|last| last.map(|l| l.sequence.0.cast_signed())).collect::<Int64Array>(),
        ),
    ]
}

fn sources(snapshot: &Snapshot, _: &Log) -> Vec<ArrayRef> {
    let all = || snapshot.catalog.sources.values();
    vec![
        Arc::new(StringArray::from_iter_values(all().map(|source| &source.name))),
        Arc::new(StringArray::from_iter_values(all().map(|source| &source.driver))),
        Arc::new(all().map(|source| Some(source.enabled)).collect::<BooleanArray>()),
        Arc::new(StringArray::from_iter_values(all().map(|source| source.settings.to_string()))),
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
            let read = move || reading.changes_before(before, EVENTS_CHUNK);
            let entries = tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))?
                .map_err(QueryError::from)?;
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
