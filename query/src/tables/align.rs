//! `align(signals, from, to, step [, held])`: signals side by side, a column each, a row for each
//! point from `from` in steps to before `to`.
//!
//! A cell is the value of the signal's last sample at or before the point, and nothing if that
//! sample is older than `held` or bad. Signals of text give text, all others numbers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use parx_log::{SignalId, Snapshot, ValueType};

use super::arguments::Arguments;
use super::{Batches, Call, times};
use crate::samples::time_type;
use crate::{Aligned, Engine, ErrorKind, HELD_MAX, QueryError, Steps};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

#[derive(Debug)]
struct Align {
    /// Whether each is of text.
    signals: Vec<(SignalId, bool)>,
    steps: Steps,
    held: Duration,
    schema: SchemaRef,
}

pub(super) fn prepare(arguments: &Arguments<'_>) -> Result<Arc<dyn Call>, QueryError> {
    arguments.count(4, 5)?;
    let signals = arguments.signals(0)?;
    let mut fields = vec![Field::new("time", time_type(), false)];
    let mut names = BTreeSet::from(["time"]);
    for signal in &signals {
        let tag = signal.definition.tag.as_str();
        if !names.insert(tag) {
            let message = format!("align: there would be two columns \"{tag}\"");
            return Err(QueryError::new(ErrorKind::AmbiguousColumn, message));
        }
        let text = signal.definition.value_type == ValueType::Text;
        fields.push(Field::new(tag, if text { DataType::Utf8 } else { DataType::Float64 }, true));
    }
    let text = |signal: &parx_log::Signal| signal.definition.value_type == ValueType::Text;
    Ok(Arc::new(Align {
        signals: signals.iter().map(|signal| (signal.id, text(signal))).collect(),
        steps: Steps {
            from: arguments.time(1, "from")?,
            to: arguments.time(2, "to")?,
            step: arguments.length(3, "step")?,
        },
        held: if arguments.has(4) { arguments.length(4, "longest age")? } else { HELD_MAX },
        schema: Arc::new(Schema::new(fields)),
    }))
}

impl Call for Align {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn rows(&self, engine: &Engine, snapshot: Arc<Snapshot>) -> Result<Batches, QueryError> {
        let (engine, signals, schema) = (engine.clone(), self.signals.clone(), self.schema());
        let (steps, held) = (self.steps, self.held);
        let all = async move {
            let columns = engine.align(snapshot, &signals, steps, held).await?;
            let batch = batch(columns, steps, schema)?;
            let count = batch.num_rows();
            let cuts = (0..count).step_by(BATCH_ROWS);
            let part = move |start: usize| batch.slice(start, BATCH_ROWS.min(count - start));
            Ok::<_, QueryError>(stream::iter(cuts.map(part).map(Ok)))
        };
        Ok(stream::once(all).try_flatten().boxed())
    }
}

fn batch(
    columns: Vec<Aligned>,
    steps: Steps,
    schema: SchemaRef,
) -> Result<RecordBatch, QueryError> {
    let mut arrays: Vec<ArrayRef> = vec![times((0..steps.count()).map(|n| steps.point(n)))];
    for column in columns {
        arrays.push(match column {
            Aligned::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
            Aligned::Texts(texts) => Arc::new(texts.into_iter().collect::<StringArray>()),
        });
    }
    Ok(RecordBatch::try_new(schema, arrays)?)
}
