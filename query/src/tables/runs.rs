//! `runs(signal, from, to, 'condition')`: from when to when a condition holds, sample after sample.
//!
//! `start_time` and `end_time` are those of the first and the last of `samples` samples that follow
//! each other and for which the condition holds.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};
use parx_log::{Signal, Snapshot, Timestamp};

use super::arguments::Arguments;
use super::{Batches, Call, times};
use crate::samples::time_type;
use crate::{Condition, Engine, QueryError, Run};

#[derive(Debug)]
struct Runs {
    signal: Arc<Signal>,
    times: (Timestamp, Timestamp),
    condition: Condition,
}

pub(super) fn prepare(arguments: &Arguments<'_>) -> Result<Arc<dyn Call>, QueryError> {
    arguments.count(4, 4)?;
    Ok(Arc::new(Runs {
        signal: arguments.signal(0)?,
        times: (arguments.time(1, "from")?, arguments.time(2, "to")?),
        condition: arguments.condition(3)?,
    }))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("start_time", time_type(), false),
        Field::new("end_time", time_type(), false),
        Field::new("samples", DataType::Int64, false),
    ]))
}

impl Call for Runs {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn rows(&self, engine: &Engine, snapshot: Arc<Snapshot>) -> Result<Batches, QueryError> {
        let (engine, signal, condition) = (engine.clone(), self.signal.id, self.condition.clone());
        let times = self.times;
        let all = async move { batch(&engine.runs(snapshot, signal, times, condition).await?) };
        Ok(stream::once(all).boxed())
    }
}

fn batch(runs: &[Run]) -> Result<RecordBatch, QueryError> {
    let samples = runs.iter().map(|run| run.samples.cast_signed());
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            times(runs.iter().map(|run| run.start.micros())),
            times(runs.iter().map(|run| run.end.micros())),
            Arc::new(Int64Array::from_iter_values(samples)),
        ],
    )?)
}
