//! By what samples are grouped: the signal, and at most one bucket of time.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::sort_properties::SortProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_plan::PhysicalExpr;
use parx_log::Rows;

use super::told::Place;
use crate::QueryError;
use crate::functions::bucket::{Buckets, TimeBucket};
use crate::grid::reach;
use crate::output::column;
use crate::samples::time_type;

/// One expression of `GROUP BY`.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// The tag.
    Signal,
    /// The id.
    SignalId,
    /// A bucket of time.
    Bucket(Bucket),
}

/// How times are put into buckets.
#[derive(Clone, Debug)]
pub(crate) enum Bucket {
    /// By `time_bucket`, whose borders are known without looking at each row.
    Own(Buckets),
    /// By any other expression of `time` that gives a time, of this type, and never goes back while
    /// time goes on.
    Other(Arc<dyn PhysicalExpr>, DataType),
}

impl Key {
    /// What an expression groups by, if it is one of these.
    pub(crate) fn of(expr: &Arc<dyn PhysicalExpr>, place: Place<'_>) -> Option<Key> {
        match place(expr) {
            Some(column::SIGNAL) => return Some(Key::Signal),
            Some(column::SIGNAL_ID) => return Some(Key::SignalId),
            Some(_) => return None,
            None => {}
        }
        let columns = collect_columns(expr);
        let of_time = |column: &Column| {
            let expr: Arc<dyn PhysicalExpr> = Arc::new(column.clone());
            place(&expr) == Some(column::TIME)
        };
        if columns.is_empty() || !columns.iter().all(of_time) || expr.is_volatile_node() {
            return None;
        }
        let to_time = |expr: Arc<dyn PhysicalExpr>| {
            Ok(match expr.downcast_ref::<Column>() {
                Some(_) => Transformed::yes(Arc::new(Column::new("time", 0)) as Arc<_>),
                None => Transformed::no(expr),
            })
        };
        let expr = expr.clone().transform_up(to_time).ok()?.data;
        let data_type = expr.data_type(&schema()).ok()?;
        if !matches!(data_type, DataType::Timestamp(..)) {
            return None;
        }
        let own = ScalarFunctionExpr::try_downcast_func::<TimeBucket>(expr.as_ref());
        if let Some(buckets) = own.and_then(|call| Buckets::of(call.args())) {
            return Some(Key::Bucket(Bucket::Own(buckets)));
        }
        goes_on(&expr).then(|| Key::Bucket(Bucket::Other(expr, data_type)))
    }
}

/// The only column that a bucket is made of.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("time", time_type(), false)]))
}

/// True if the expression never goes back while time goes on.
fn goes_on(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut properties = EquivalenceProperties::new(schema());
    let time: Arc<dyn PhysicalExpr> = Arc::new(Column::new("time", 0));
    properties.add_ordering([PhysicalSortExpr::new_default(time)]);
    let found = properties.get_expr_properties(expr.clone()).sort_properties;
    matches!(found, SortProperties::Ordered(options) if !options.descending)
}

/// What an expression gives for some times.
fn marks(expr: &Arc<dyn PhysicalExpr>, times: &[i64]) -> Result<Vec<i64>, QueryError> {
    let array = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(array)])?;
    let marks = cast(&expr.evaluate(&batch)?.into_array(times.len())?, &DataType::Int64)?;
    Ok(marks.as_primitive::<Int64Type>().values().to_vec())
}

impl Bucket {
    /// The rows of a block by their buckets, each named by its time, in the unit of its type.
    pub(crate) fn cut(&self, rows: &Rows) -> Result<Vec<(i64, Range<usize>)>, QueryError> {
        match self {
            Bucket::Own(buckets) => {
                let mut cuts = Vec::new();
                let mut row = 0;
                while let Some(time) = rows.times.get(row) {
                    let (start, end) = buckets.bounds(*time);
                    let next = reach(&rows.times, row, end).max(row + 1);
                    cuts.push((start, row..next));
                    row = next;
                }
                Ok(cuts)
            }
            Bucket::Other(expr, _) => {
                let marks = marks(expr, &rows.times)?;
                let mut cuts: Vec<(i64, Range<usize>)> = Vec::new();
                for (row, mark) in marks.into_iter().enumerate() {
                    match cuts.last_mut() {
                        Some((of, range)) if *of == mark => range.end = row + 1,
                        Some(_) | None => cuts.push((mark, row..row + 1)),
                    }
                }
                Ok(cuts)
            }
        }
    }

    /// What names the buckets of some times.
    pub(crate) fn marks(&self, times: &[i64]) -> Result<Vec<i64>, QueryError> {
        match self {
            Bucket::Own(buckets) => Ok(times.iter().map(|time| buckets.start(*time)).collect()),
            Bucket::Other(expr, _) => marks(expr, times),
        }
    }

    /// The column of what names the buckets.
    pub(crate) fn column(&self, marks: impl Iterator<Item = i64>) -> Result<ArrayRef, QueryError> {
        let marks: ArrayRef = Arc::new(Int64Array::from_iter_values(marks));
        match self {
            Bucket::Own(_) => Ok(cast(&marks, &time_type())?),
            Bucket::Other(_, data_type) => Ok(cast(&marks, data_type)?),
        }
    }
}
