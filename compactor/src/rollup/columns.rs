//! The columns of a rollup file, from folds and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use super::Stored;
use crate::schema::{numbers, time_type};
use crate::{Carried, Fold, Point, State, Tier, Total};

/// The schema of a rollup file.
pub(super) fn schema() -> SchemaRef {
    let count = |name| Field::new(name, DataType::Int64, false);
    let number = |name| Field::new(name, DataType::Float64, true);
    let time = |name| Field::new(name, time_type(), true);
    Arc::new(Schema::new(vec![
        Field::new("signal_id", DataType::Int32, false),
        Field::new("time", time_type(), false),
        Field::new("tier", DataType::Int32, false),
        count("rows"),
        count("values"),
        count("good"),
        count("fair"),
        count("odd"),
        number("min"),
        number("max"),
        number("sum"),
        number("first"),
        time("first_time"),
        number("last"),
        time("last_time"),
        number("integral_stepped"),
        number("integral_sloped"),
        count("good_time"),
        time("begin_time"),
        time("end_time"),
        number("carried_stepped"),
        number("carried_sloped"),
    ]))
}

/// Columns of folds of one tier.
pub(super) fn batch(tier: Tier, folds: &[Stored]) -> Result<RecordBatch, ArrowError> {
    let count = |of: fn(&Fold) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(folds.iter().map(|f| of(&f.2).cast_signed())))
    };
    let number = |of: fn(&Fold) -> f64| -> ArrayRef {
        let known = folds.iter().map(|(_, _, fold)| (fold.good > 0).then(|| of(fold)));
        Arc::new(known.collect::<Float64Array>())
    };
    let point = |of: fn(&Fold) -> Option<Point>| -> ArrayRef {
        let numbers = folds.iter().map(|(_, _, fold)| of(fold).map(|point| point.number));
        Arc::new(numbers.collect::<Float64Array>())
    };
    let time = |of: fn(&Fold) -> Option<i64>| -> ArrayRef {
        let times: TimestampMicrosecondArray = folds.iter().map(|(_, _, fold)| of(fold)).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let carried = |of: fn(Carried) -> Total| -> ArrayRef {
        let gaps = folds.iter().map(|(_, _, fold)| fold.carried.filter(|_| has_gaps(fold)));
        Arc::new(gaps.map(|carried| Some(of(carried?).value())).collect::<Float64Array>())
    };
    let starts = folds.iter().map(|(_, start, _)| *start);
    let good_times = folds.iter().map(|(_, _, fold)| fold.good_time);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(folds.iter().map(|f| f.0.0.cast_signed()))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(starts).with_timezone("UTC")),
        Arc::new(Int32Array::from_iter_values(folds.iter().map(|_| tier.seconds()))),
        count(|fold| fold.rows),
        count(|fold| fold.values),
        count(|fold| fold.good),
        count(|fold| fold.fair),
        count(|fold| fold.odd),
        number(|fold| fold.min),
        number(|fold| fold.max),
        number(|fold| fold.sum.value()),
        point(|fold| fold.first),
        time(|fold| fold.first.map(|point| point.time)),
        point(|fold| fold.last),
        time(|fold| fold.last.map(|point| point.time)),
        number(|fold| fold.integral_stepped.value()),
        number(|fold| fold.integral_sloped.value()),
        Arc::new(Int64Array::from_iter_values(good_times)),
        time(|fold| unusable(fold.begin)),
        time(|fold| unusable(fold.end)),
        carried(|carried| carried.stepped),
        carried(|carried| carried.sloped),
    ];
    RecordBatch::try_new(schema(), columns)
}

/// True if what is carried is not what the integrals are.
fn has_gaps(fold: &Fold) -> bool {
    fold.good > 0 && fold.good < fold.rows
}

/// The time of a row that is not usable; one that is stands in `first` or `last`.
fn unusable(state: Option<State>) -> Option<i64> {
    state.filter(|state| state.number.is_none()).map(|state| state.time)
}

/// The folds of a batch, each with its bucket's start.
pub(super) fn folds(batch: &RecordBatch) -> Result<Vec<(i64, Fold)>, &'static str> {
    let starts = numbers::<TimestampMicrosecondType>(batch, "time")?;
    let (rows, values) = (counts(batch, "rows")?, counts(batch, "values")?);
    let (good, good_times) = (counts(batch, "good")?, counts(batch, "good_time")?);
    let (fair, odd) = (counts(batch, "fair")?, counts(batch, "odd")?);
    let (min, max) = (Numbers::new(batch, "min")?, Numbers::new(batch, "max")?);
    let (sum, first) = (Numbers::new(batch, "sum")?, Numbers::new(batch, "first")?);
    let (last, stepped) = (Numbers::new(batch, "last")?, Numbers::new(batch, "integral_stepped")?);
    let sloped = Numbers::new(batch, "integral_sloped")?;
    let (first_times, last_times) =
        (Times::new(batch, "first_time")?, Times::new(batch, "last_time")?);
    // Files that were written before it was kept have neither.
    let carried = batch.column_by_name("carried_stepped").is_some();
    let carried = match carried {
        true => {
            let stepped = Numbers::new(batch, "carried_stepped")?;
            Some((stepped, Numbers::new(batch, "carried_sloped")?))
        }
        false => None,
    };
    let (begins, ends) = (Times::new(batch, "begin_time")?, Times::new(batch, "end_time")?);
    let at = |column: &[i64], row: usize| column.get(row).copied().unwrap_or_default();
    let fold = |(row, start): (usize, &i64)| {
        let point = |number: &Numbers<'_>, times: &Times<'_>| {
            Some(Point { number: number.at(row)?, time: times.at(row)? })
        };
        let (first, last) = (point(&first, &first_times), point(&last, &last_times));
        let state = |unusable: Option<i64>, point: Option<Point>| match unusable {
            Some(time) => Some(State { time, number: None }),
            None => point.map(|point| State { time: point.time, number: Some(point.number) }),
        };
        let total = |of: &Numbers<'_>| Total::from(of.at(row).unwrap_or_default());
        let mut fold = Fold {
            rows: at(rows, row).cast_unsigned(),
            values: at(values, row).cast_unsigned(),
            good: at(good, row).cast_unsigned(),
            fair: at(fair, row).cast_unsigned(),
            odd: at(odd, row).cast_unsigned(),
            min: min.at(row).unwrap_or(f64::INFINITY),
            max: max.at(row).unwrap_or(f64::NEG_INFINITY),
            sum: total(&sum),
            first,
            last,
            integral_stepped: total(&stepped),
            integral_sloped: total(&sloped),
            carried: None,
            good_time: at(good_times, row),
            begin: state(begins.at(row), first),
            end: state(ends.at(row), last),
        };
        fold.carried = match (has_gaps(&fold), &carried) {
            (false, _) => Some(Carried { stepped: total(&stepped), sloped: total(&sloped) }),
            (true, Some((stepped, sloped))) => {
                let known = stepped.at(row).zip(sloped.at(row));
                known.map(|(stepped, sloped)| Carried {
                    stepped: stepped.into(),
                    sloped: sloped.into(),
                })
            }
            (true, None) => None,
        };
        (*start, fold)
    };
    Ok(starts.iter().enumerate().map(fold).collect())
}

fn counts<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a [i64], &'static str> {
    numbers::<Int64Type>(batch, name)
}

struct Numbers<'a>(&'a Float64Array);

impl<'a> Numbers<'a> {
    fn new(batch: &'a RecordBatch, name: &str) -> Result<Numbers<'a>, &'static str> {
        let column = batch.column_by_name(name).ok_or("a column is missing")?;
        let column = column.as_primitive_opt::<Float64Type>();
        column.map(Numbers).ok_or("a column has another type")
    }

    fn at(&self, row: usize) -> Option<f64> {
        (row < self.0.len() && self.0.is_valid(row)).then(|| self.0.value(row))
    }
}

struct Times<'a>(&'a TimestampMicrosecondArray);

impl<'a> Times<'a> {
    fn new(batch: &'a RecordBatch, name: &str) -> Result<Times<'a>, &'static str> {
        let column = batch.column_by_name(name).ok_or("a column is missing")?;
        let column = column.as_primitive_opt::<TimestampMicrosecondType>();
        column.map(Times).ok_or("a column has another type")
    }

    fn at(&self, row: usize) -> Option<i64> {
        (row < self.0.len() && self.0.is_valid(row)).then(|| self.0.value(row))
    }
}
