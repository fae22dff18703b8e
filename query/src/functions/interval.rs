//! Lengths of time in words, as clients write them: `5 minutes`, `60.000s`, `1h30m`, `01:30:00`.
//!
//! Pure. Months and days are kept apart from the rest, for a month has no fixed length.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::ScalarValue;

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) months: i64,
    pub(crate) micros: i64,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The length that a constant interval says, or nothing if it is none.
pub(crate) fn of(interval: &ScalarValue) -> Option<Length> {
    match interval.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano)).ok()? {
        ScalarValue::IntervalMonthDayNano(Some(length)) => Some(Length {
            months: i64::from(length.months),
            micros: i64::from(length.days) * DAY + length.nanoseconds / 1000,
        }),
        _ => None,
    }
}

/// What one unit is.
fn unit(word: &str) -> Option<Length> {
    let micros = |micros| Some(Length { months: 0, micros });
    let months = |months| Some(Length { months, micros: 0 });
    match word {
        "us" | "µs" | "microsecond" | "microseconds" => micros(1),
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => micros(1000),
        "s" | "sec" | "secs" | "second" | "seconds" => micros(SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => micros(60 * SECOND),
        "h" | "hr" | "hrs" | "hour" | "hours" => micros(3600 * SECOND),
        "d" | "day" | "days" => micros(86_400 * SECOND),
        "w" | "week" | "weeks" => micros(7 * 86_400 * SECOND),
        "mon" | "mons" | "month" | "months" => months(1),
        "y" | "yr" | "yrs" | "year" | "years" => months(12),
        _ => None,
    }
}

/// The length that `text` says, or nothing if it says none.
pub(crate) fn parse(text: &str) -> Option<Length> {
    let mut total = Length::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | ':' | '-' | '+'));
        let (number, tail) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        if number.contains(':') {
            total.micros = total.micros.checked_add(clock(number)?)?;
            rest = tail.trim_start();
            continue;
        }
        let number: f64 = number.parse().ok()?;
        let tail = tail.trim_start();
        let end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (word, tail) = tail.split_at_checked(end)?;
        let unit = unit(&word.to_lowercase())?;
        let micros = (number * unit.micros as f64).round() as i64;
        let months = number * unit.months as f64;
        if months.fract() != 0.0 {
            return None;
        }
        total.micros = total.micros.checked_add(micros)?;
        total.months = total.months.checked_add(months as i64)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// `01:30:00.5` in microseconds.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |part| part.parse().ok())?;
    let whole = hours.checked_mul(3600)?.checked_add(minutes * 60)?.checked_mul(SECOND)?;
    parts.next().is_none().then_some(whole + (seconds * SECOND as f64).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_clients_write_them() {
        let micros = |micros| Some(Length { months: 0, micros });
        let table = [
            ("60.000s", micros(60 * SECOND)),
            ("5 minutes", micros(300 * SECOND)),
            ("1h30m", micros(5400 * SECOND)),
            ("01:30:00", micros(5400 * SECOND)),
            ("1 day 02:00", micros(93_600 * SECOND)),
            ("250 ms", micros(250_000)),
            ("1 mon", Some(Length { months: 1, micros: 0 })),
            ("2 years", Some(Length { months: 24, micros: 0 })),
            ("0.5 months", None),
            ("", None),
            ("5", None),
            ("five minutes", None),
            ("5 parsecs", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
