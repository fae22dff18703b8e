//! `time_bucket(width, time [, origin])`: the beginning of the bucket that a time lies in.
//!
//! In microseconds and in UTC. Buckets of fixed width begin at 2000-01-03, a Monday, as
//! TimescaleDB's do, buckets of months at 2000-01-01.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::interval::{Length, of, parse};
use crate::samples::time_type;

/// 2000-01-03T00:00:00Z.
const ORIGIN: i64 = 946_857_600_000_000;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeBucket {
    signature: Signature,
}

impl Default for TimeBucket {
    fn default() -> TimeBucket {
        TimeBucket { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if !(2..=3).contains(&given.len()) {
            return plan_err!("time_bucket takes a width, a time and at most an origin");
        }
        let coerce = |(place, given): (usize, &DataType)| match (place, given) {
            (0, DataType::Interval(_)) => Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
            (0, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) => Ok(DataType::Utf8),
            (0, other) => {
                plan_err!("No function matches time_bucket with a width of type {other}")
            }
            (_, DataType::Timestamp(_, zone)) => {
                Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            (_, DataType::Date32 | DataType::Date64) => {
                Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
            }
            (_, DataType::Utf8 | DataType::Utf8View | DataType::Null) => Ok(time_type()),
            (_, other) => {
                plan_err!("No function matches time_bucket with a time of type {other}")
            }
        };
        given.iter().enumerate().map(coerce).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.get(1).cloned().unwrap_or_else(time_type))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let [width, time, others @ ..] = inputs else { return Ok(SortProperties::Unordered) };
        let constant = |of: &ExprProperties| of.sort_properties == SortProperties::Singleton;
        let fixed = constant(width) && others.iter().all(constant);
        Ok(if fixed { time.sort_properties } else { SortProperties::Unordered })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [width, time, others @ ..] = args.args.as_slice() else {
            return exec_err!("time_bucket takes a width and a time");
        };
        let width = length(width)?;
        let origin = match others {
            [] => None,
            [ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(origin, _)), ..] => *origin,
            _ => return exec_err!("the origin of time_bucket must be a constant"),
        };
        if width.micros < 0 || width.months < 0 || (width.micros > 0) == (width.months > 0) {
            return exec_err!(
                "the width of time_bucket must be positive, months or less, not both"
            );
        }
        let floor = move |time: i64| match width.months {
            0 => floor_micros(time, width.micros, origin.unwrap_or(ORIGIN)),
            months => floor_months(time, months).unwrap_or(time),
        };
        match time {
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(time, zone)) => {
                let bucket = ScalarValue::TimestampMicrosecond(time.map(floor), zone.clone());
                Ok(ColumnarValue::Scalar(bucket))
            }
            ColumnarValue::Array(times) => {
                let zone = match times.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let Some(times) = times.as_primitive_opt::<TimestampMicrosecondType>() else {
                    return exec_err!("time_bucket wants a time");
                };
                let buckets: TimestampMicrosecondArray = times.unary(floor);
                Ok(ColumnarValue::Array(Arc::new(buckets.with_timezone_opt(zone))))
            }
            ColumnarValue::Scalar(_) => exec_err!("time_bucket wants a time"),
        }
    }
}

fn length(width: &ColumnarValue) -> Result<Length> {
    match width {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => match parse(text) {
            Some(length) => Ok(length),
            None => exec_err!("Error parsing '{text}' as a length of time, such as '5 minutes'"),
        },
        ColumnarValue::Scalar(interval @ ScalarValue::IntervalMonthDayNano(Some(_))) => {
            match of(interval) {
                Some(length) => Ok(length),
                None => exec_err!("the width of time_bucket is too long"),
            }
        }
        _ => exec_err!("the width of time_bucket must be a constant that is not null"),
    }
}

fn floor_micros(time: i64, width: i64, origin: i64) -> i64 {
    let since = i128::from(time) - i128::from(origin);
    let width = i128::from(width);
    let floor = i128::from(origin) + since.div_euclid(width) * width;
    floor.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

fn floor_months(time: i64, width: i64) -> Option<i64> {
    let date = DateTime::from_timestamp_micros(time)?.date_naive();
    let months = (i64::from(date.year()) - 2000) * 12 + i64::from(date.month0());
    let floor = months.div_euclid(width) * width;
    let year = i32::try_from(2000 + floor.div_euclid(12)).ok()?;
    let month = u32::try_from(floor.rem_euclid(12)).ok()? + 1;
    let start = NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)?;
    Some(start.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn a_bucket_begins_at_or_before_its_times() {
        let at = |text: &str| text.parse::<parx_log::Timestamp>().unwrap().micros();
        let table = [
            ("2026-11-25T06:07:08Z", 60_000_000, "2026-11-25T06:07:00Z"),
            ("2026-11-25T06:07:00Z", 60_000_000, "2026-11-25T06:07:00Z"),
            ("2026-11-25T06:07:08Z", 7 * DAY, "2026-11-23T00:00:00Z"),
            ("1969-12-31T23:59:59Z", 60_000_000, "1969-12-31T23:59:00Z"),
        ];
        for (time, width, expected) in table {
            assert_eq!(floor_micros(at(time), width, ORIGIN), at(expected), "{time}");
        }
        assert_eq!(floor_months(at("2026-11-25T06:07:08Z"), 1), Some(at("2026-11-01T00:00:00Z")));
        assert_eq!(floor_months(at("1999-12-31T00:00:00Z"), 3), Some(at("1999-10-01T00:00:00Z")));
    }
}
