//! `buckets(signals, from, to, n)`: each signal in `n` buckets of time that are alike.
//!
//! A bucket without samples has no row, as under `GROUP BY`. `count` is of all samples, of any
//! quality; the numbers are of those that are not bad, and nothing where there are none.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use parx_log::{Signal, Snapshot, Timestamp};

use super::arguments::Arguments;
use super::{Batches, Call, numbers, times};
use crate::samples::time_type;
use crate::{Bucket, Engine, Fold, Point, QueryError};

#[derive(Debug)]
struct Buckets {
    signals: Vec<Arc<Signal>>,
    times: (Timestamp, Timestamp),
    count: u32,
}

pub(super) fn prepare(arguments: &Arguments<'_>) -> Result<Arc<dyn Call>, QueryError> {
    arguments.count(4, 4)?;
    Ok(Arc::new(Buckets {
        signals: arguments.signals(0)?,
        times: (arguments.time(1, "from")?, arguments.time(2, "to")?),
        count: arguments.number(3, "number of buckets")?,
    }))
}

fn schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("signal", DataType::Utf8, false),
        Field::new("time", time_type(), false),
        Field::new("count", DataType::Int64, false),
        number("first"),
        number("min"),
        number("max"),
        number("last"),
        number("avg"),
    ]))
}

impl Call for Buckets {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn rows(&self, engine: &Engine, snapshot: Arc<Snapshot>) -> Result<Batches, QueryError> {
        let ids = self.signals.iter().map(|signal| signal.id).collect();
        let buckets = engine.bucket_stream(snapshot, ids, self.times, self.count)?;
        let signals = futures::stream::iter(self.signals.clone());
        let batches = signals.zip(buckets);
        Ok(batches.map(|(signal, buckets)| batch(&signal.definition.tag, &buckets?)).boxed())
    }
}

fn batch(tag: &str, buckets: &[Bucket]) -> Result<RecordBatch, QueryError> {
    let folds = || buckets.iter().map(|bucket| &bucket.fold);
    let point = |point: fn(&Fold) -> Option<Point>| {
        numbers(folds().map(move |fold| point(fold).map(|point| point.number)))
    };
    let usable = |number: fn(&Fold) -> f64| {
        numbers(folds().map(move |fold| (fold.good > 0).then(|| number(fold))))
    };
    let tags = std::iter::repeat_n(tag, buckets.len());
    let counts = folds().map(|fold| fold.rows.cast_signed());
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from_iter_values(tags)),
            times(buckets.iter().map(|bucket| bucket.start.micros())),
            Arc::new(Int64Array::from_iter_values(counts)),
            point(|fold| fold.first),
            usable(|fold| fold.min),
            usable(|fold| fold.max),
            point(|fold| fold.last),
            numbers(folds().map(Fold::average)),
        ],
    )?)
}
