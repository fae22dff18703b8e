//! The table `signals`: what is measured, and the newest sample of each.
//!
//! Both as the query's snapshot has them. Only the columns that are asked for are made, and last
//! values are looked up only for them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use parx_log::{LastValue, Sample, Signal, SignalDefinition, SignalId, Value};

use crate::samples::time_type;
use crate::{Engine, QueryError, session};

/// What a row of the table is made of.
type Row = (Arc<Signal>, Option<LastValue>);

/// Makes one column of some rows.
type Column = fn(&[Row]) -> ArrayRef;

/// A column: its name, its type, whether it can be missing, whether it needs last values.
type Described = (&'static str, DataType, bool, bool, Column);

/// The columns in their order.
fn columns() -> Vec<Described> {
    use DataType::{Boolean, Float64, Int32, Int64, Utf8};
    vec![
        ("id", Int32, false, false, ids),
        ("tag", Utf8, false, false, |rows| texts(rows, |d| Some(d.tag.clone()))),
        ("description", Utf8, false, false, |rows| texts(rows, |d| Some(d.description.clone()))),
        ("unit", Utf8, true, false, |rows| texts(rows, |d| d.unit.clone())),
        ("value_type", Utf8, false, false, |rows| {
            texts(rows, |d| Some(d.value_type.word().into()))
        }),
        ("source", Utf8, true, false, |rows| texts(rows, |d| d.source.clone())),
        ("address", Utf8, true, false, |rows| texts(rows, |d| d.address.clone())),
        ("scan_class", Utf8, true, false, |rows| texts(rows, |d| d.scan_class.clone())),
        ("stepped", Boolean, false, false, |rows| flags(rows, |signal| signal.definition.stepped)),
        ("low", Float64, true, false, |rows| numbers(rows, |d| d.low)),
        ("high", Float64, true, false, |rows| numbers(rows, |d| d.high)),
        ("deadband", Float64, true, false, |rows| numbers(rows, |d| d.deadband)),
        ("labels", Utf8, false, false, |rows| texts(rows, labels)),
        ("retired", Boolean, false, false, |rows| flags(rows, |signal| signal.retired)),
        ("last_time", time_type(), true, true, last_times),
        ("last_value", Float64, true, true, last_numbers),
        ("last_value_int", Int64, true, true, |rows| last_ints(rows, |last| exact(&last.sample))),
        ("last_value_text", Utf8, true, true, |rows| last_texts(rows, words)),
        ("last_quality", Int64, true, true, |rows| {
            last_ints(rows, |last| Some(i64::from(last.sample.quality.0)))
        }),
        ("last_status", Utf8, true, true, |rows| {
            last_texts(rows, |sample| Some(sample.quality.severity().word().to_owned()))
        }),
        ("last_sequence", Int64, true, true, |rows| {
            last_ints(rows, |last| Some(last.sequence.0.cast_signed()))
        }),
    ]
}

fn ids(rows: &[Row]) -> ArrayRef {
    let ids = rows.iter().map(|(signal, _)| signal.id.0.cast_signed());
    Arc::new(Int32Array::from_iter_values(ids))
}

fn texts(rows: &[Row], text: fn(&SignalDefinition) -> Option<String>) -> ArrayRef {
    let texts = rows.iter().map(|(signal, _)| text(&signal.definition));
    Arc::new(texts.collect::<StringArray>())
}

fn numbers(rows: &[Row], number: fn(&SignalDefinition) -> Option<f64>) -> ArrayRef {
    let numbers = rows.iter().map(|(signal, _)| number(&signal.definition));
    Arc::new(numbers.collect::<Float64Array>())
}

fn flags(rows: &[Row], flag: fn(&Signal) -> bool) -> ArrayRef {
    let flags = rows.iter().map(|(signal, _)| Some(flag(signal)));
    Arc::new(flags.collect::<BooleanArray>())
}

fn labels(definition: &SignalDefinition) -> Option<String> {
    Some(serde_json::to_string(&definition.labels).unwrap_or_default())
}

fn last_times(rows: &[Row]) -> ArrayRef {
    let time = |(_, last): &Row| last.as_ref().map(|last| last.sample.time.micros());
    let times = rows.iter().map(time).collect::<TimestampMicrosecondArray>();
    Arc::new(times.with_timezone("UTC"))
}

fn last_numbers(rows: &[Row]) -> ArrayRef {
    let number = |(_, last): &Row| last.as_ref()?.sample.value.as_ref()?.number();
    Arc::new(rows.iter().map(number).collect::<Float64Array>())
}

fn last_ints(rows: &[Row], int: fn(&LastValue) -> Option<i64>) -> ArrayRef {
    let ints = rows.iter().map(|(_, last)| last.as_ref().and_then(int));
    Arc::new(ints.collect::<Int64Array>())
}

fn last_texts(rows: &[Row], text: fn(&Sample) -> Option<String>) -> ArrayRef {
    let texts = rows.iter().map(|(_, last)| last.as_ref().and_then(|last| text(&last.sample)));
    Arc::new(texts.collect::<StringArray>())
}

fn exact(sample: &Sample) -> Option<i64> {
    match sample.value.as_ref()? {
        Value::Int(x) => Some(*x),
        Value::Float(_) | Value::Bool(_) | Value::Text(_) => None,
    }
}

fn words(sample: &Sample) -> Option<String> {
    match sample.value.as_ref()? {
        Value::Text(x) => Some(x.to_string()),
        Value::Float(_) | Value::Bool(_) | Value::Int(_) => None,
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct SignalsTable(SchemaRef);

impl Default for SignalsTable {
    fn default() -> SignalsTable {
        let field = |(name, data_type, nullable, _, _)| Field::new(name, data_type, nullable);
        let fields: Vec<Field> = columns().into_iter().map(field).collect();
        SignalsTable(Arc::new(Schema::new(fields)))
    }
}

#[async_trait]
impl TableProvider for SignalsTable {
    fn schema(&self) -> SchemaRef {
        self.0.clone()
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
        let mut asked: Vec<Described> = Vec::new();
        let mut schema = self.0.clone();
        match projection {
            Some(places) => {
                let all = columns();
                asked.extend(places.iter().filter_map(|place| all.get(*place).cloned()));
                schema = Arc::new(schema.project(places)?);
            }
            None => asked = columns(),
        }
        let rows = rows(state, asked.iter().any(|column| column.3)).await?;
        let columns = asked.iter().map(|(.., column)| column(&rows)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?)
    }
}

/// The signals, with their newest samples if those are asked for.
async fn rows(state: &dyn Session, with_last: bool) -> Result<Vec<Row>, QueryError> {
    let engine: Engine = session::engine(state)?;
    let snapshot = session::snapshot(state, engine.log());
    let signals: Vec<Arc<Signal>> = snapshot.catalog.signals().cloned().collect();
    let last = match with_last {
        true => {
            let ids: Vec<SignalId> = signals.iter().map(|signal| signal.id).collect();
            engine.last_values(snapshot, &ids).await?
        }
        false => vec![None; signals.len()],
    };
    Ok(signals.into_iter().zip(last).collect())
}
