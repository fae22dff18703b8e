//! The aggregates that groups of samples can tell, recognised in a plan and written as columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::PhysicalExpr;
use parx_compactor::Between;

use super::group::Group;
use crate::functions::weighted::{self, Weighted};
use crate::output::column;
use crate::samples::time_type;

/// An aggregate of `value` or `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// `count(*)`
    Rows,
    /// `count(value)`
    Values,
    /// `min(value)`
    Low,
    /// `max(value)`
    High,
    /// `sum(value)`
    Sum,
    /// `avg(value)`
    Average,
    /// `first_value(value ORDER BY time)`; true passes over rows without a number.
    First(bool),
    /// `last_value(value ORDER BY time)`; true passes over rows without a number.
    Last(bool),
    /// `min(time)`
    Begin,
    /// `max(time)`
    End,
    /// `time_average(value, time)` and `integral(value, time)`
    Weighted(Weighted, Between),
}

/// Which column of `samples` an expression is, if it is one.
pub(crate) type Place<'a> = &'a dyn Fn(&Arc<dyn PhysicalExpr>) -> Option<usize>;

impl Told {
    /// The aggregate of a plan, if it is one of these.
    pub(crate) fn of(aggregate: &AggregateFunctionExpr, place: Place<'_>) -> Option<Told> {
        if aggregate.is_distinct() || aggregate.is_reversed() {
            return None;
        }
        let arguments = aggregate.expressions();
        let places: Vec<Option<usize>> = arguments.iter().map(place).collect();
        let name = aggregate.fun().name();
        let ordered = aggregate.order_bys();
        if let "first_value" | "last_value" = name {
            let ([Some(column::VALUE)], [order]) = (places.as_slice(), ordered) else {
                return None;
            };
            if place(&order.expr) != Some(column::TIME) {
                return None;
            }
            let first = (name == "first_value") != order.options.descending;
            let ignores = aggregate.ignore_nulls();
            return Some(if first { Told::First(ignores) } else { Told::Last(ignores) });
        }
        if !ordered.is_empty() {
            return None;
        }
        let told = match (name, places.as_slice()) {
            ("count", [Some(column::VALUE)]) => Told::Values,
            (
                "count",
                [
                    Some(
                        column::TIME
                        | column::SIGNAL
                        | column::SIGNAL_ID
                        | column::QUALITY
                        | column::STATUS
                        | column::SEQUENCE,
                    ),
                ],
            ) => Told::Rows,
            ("count", [None]) if is_constant(arguments.first()?) => Told::Rows,
            ("min", [Some(column::VALUE)]) => Told::Low,
            ("max", [Some(column::VALUE)]) => Told::High,
            ("sum", [Some(column::VALUE)]) => Told::Sum,
            ("avg", [Some(column::VALUE)]) => Told::Average,
            ("min", [Some(column::TIME)]) => Told::Begin,
            ("max", [Some(column::TIME)]) => Told::End,
            (_, [Some(column::VALUE), Some(column::TIME), rest @ ..]) if rest.len() < 2 => {
                let function = aggregate.fun().inner();
                let function = function.downcast_ref::<weighted::Function>()?;
                let word = match arguments.get(2) {
                    Some(word) => Some(word.downcast_ref::<Literal>()?.value()),
                    None => None,
                };
                Told::Weighted(function.weighted, weighted::between(word)?)
            }
            _ => return None,
        };
        let made = aggregate.field();
        (*made.data_type() == told.data_type()).then_some(told)
    }

    /// The type of its column.
    fn data_type(self) -> DataType {
        match self {
            Told::Rows | Told::Values => DataType::Int64,
            Told::Begin | Told::End => time_type(),
            Told::Low | Told::High | Told::Sum | Told::Average => DataType::Float64,
            Told::First(_) | Told::Last(_) | Told::Weighted(..) => DataType::Float64,
        }
    }

    /// True if it needs no value.
    pub(crate) fn is_of_times(self) -> bool {
        match self {
            Told::Rows | Told::Begin | Told::End => true,
            Told::Values | Told::Low | Told::High | Told::Sum | Told::Average => false,
            Told::First(_) | Told::Last(_) | Told::Weighted(..) => false,
        }
    }

    /// True if signals can be put together in any order.
    pub(crate) fn is_of_many(self) -> bool {
        match self {
            Told::Rows | Told::Values | Told::Low | Told::High | Told::Sum => true,
            Told::Average | Told::Begin | Told::End => true,
            Told::First(_) | Told::Last(_) | Told::Weighted(..) => false,
        }
    }

    /// True if the last row alone tells it.
    pub(crate) fn is_of_last(self) -> bool {
        matches!(self, Told::Last(false) | Told::End)
    }

    /// Its column, a row for each group.
    pub(crate) fn column<'a>(self, groups: impl Iterator<Item = &'a Group>) -> ArrayRef {
        match self {
            Told::Rows => counts(groups.map(|group| group.fold.rows)),
            Told::Values => counts(groups.map(|group| group.fold.values)),
            Told::Low => numbers(groups.map(|group| group.low)),
            Told::High => numbers(groups.map(|group| group.high)),
            Told::Sum => numbers(groups.map(Group::sum)),
            Told::Average => {
                numbers(groups.map(|group| group.sum().map(|sum| sum / group.fold.values as f64)))
            }
            Told::First(false) => numbers(groups.map(|group| group.first)),
            Told::First(true) => numbers(groups.map(|group| group.first_number)),
            Told::Last(false) => numbers(groups.map(|group| group.last)),
            Told::Last(true) => numbers(groups.map(|group| group.last_number)),
            Told::Begin => times(groups.map(|group| group.fold.begin.map(|row| row.time))),
            Told::End => times(groups.map(|group| group.fold.end.map(|row| row.time))),
            Told::Weighted(weighted, between) => {
                numbers(groups.map(|group| weighted.of(&group.fold, between)))
            }
        }
    }
}

fn is_constant(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let value = expr.downcast_ref::<Literal>().map(Literal::value);
    value.is_some_and(|value: &ScalarValue| !value.is_null())
}

fn counts(counts: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(counts.map(u64::cast_signed)))
}

fn numbers(numbers: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(numbers.collect::<Float64Array>())
}

fn times(times: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}
