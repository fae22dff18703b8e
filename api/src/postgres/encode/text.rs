//! Values as PostgreSQL writes them in text.
//!
//! Each function appends one value; lengths and nulls are the encoder's.

use std::fmt::{LowerExp, Write};

use bytes::{BufMut, BytesMut};

use crate::postgres::zone::Zone;

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Appends what can be displayed; writing into a buffer does not fail.
pub(super) fn display(out: &mut BytesMut, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// Digits of a float: the shortest that read back the same above 0 `extra`, else 15 and `extra`.
pub(super) fn float8(out: &mut BytesMut, value: f64, extra: i32) {
    float(out, value, extra, 15, value.is_nan(), value.is_infinite(), value < 0.0, value.abs());
}

/// As `float8`, with the fewer digits of a smaller type.
pub(super) fn float4(out: &mut BytesMut, value: f32, extra: i32) {
    let size = f64::from(value.abs());
    float(out, value, extra, 6, value.is_nan(), value.is_infinite(), value < 0.0, size);
}

#[expect(clippy::too_many_arguments, reason = "facts that have no common trait in std")]
fn float<F: std::fmt::Display + LowerExp>(
    out: &mut BytesMut,
    value: F,
    extra: i32,
    digits: i32,
    nan: bool,
    infinite: bool,
    negative: bool,
    size: f64,
) {
    if nan {
        out.put_slice(b"NaN");
    } else if infinite {
        out.put_slice(if negative { b"-Infinity" } else { b"Infinity" });
    } else if extra > 0 && (size == 0.0 || (1e-4..10f64.powi(digits)).contains(&size)) {
        display(out, value);
    } else if extra > 0 {
        scientific(out, &format!("{value:e}"), digits);
    } else {
        let precision = (digits + extra).max(1);
        scientific(out, &format!("{value:.*e}", precision as usize - 1), precision);
    }
}

/// From Rust's `1.5e20` to C's `%g`: plain between 1e-4 and the precision, else `1.5e+20`.
fn scientific(out: &mut BytesMut, text: &str, precision: i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    while digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
    }
    out.put_slice(sign.as_bytes());
    if !(-4..precision).contains(&exponent) {
        out.put_slice(&digits.as_bytes()[..1]);
        if digits.len() > 1 {
            display(out, format_args!(".{}", &digits[1..]));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        display(out, format_args!("e{sign}{:02}", exponent.unsigned_abs()));
    } else if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        display(out, format_args!("0.{zeros}{digits}"));
    } else {
        let whole = exponent as usize + 1;
        while digits.len() < whole {
            digits.push('0');
        }
        out.put_slice(&digits.as_bytes()[..whole]);
        if digits.len() > whole {
            display(out, format_args!(".{}", &digits[whole..]));
        }
    }
}

/// Year, month and day of a day counted from 1970 in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn put_two(out: &mut BytesMut, number: i64) {
    out.put_u8(b'0' + (number / 10 % 10) as u8);
    out.put_u8(b'0' + (number % 10) as u8);
}

/// The date; true if its year is before Christ, which is written at the very end.
fn put_date(out: &mut BytesMut, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let before = year <= 0;
    let year = if before { 1 - year } else { year };
    if year < 10_000 {
        put_two(out, year / 100);
        put_two(out, year % 100);
    } else {
        display(out, year);
    }
    out.put_u8(b'-');
    put_two(out, month);
    out.put_u8(b'-');
    put_two(out, day);
    before
}

fn put_clock(out: &mut BytesMut, seconds: i64, micros: i64) {
    put_two(out, seconds / 3600);
    out.put_u8(b':');
    put_two(out, seconds / 60 % 60);
    out.put_u8(b':');
    put_two(out, seconds % 60);
    put_fraction(out, micros);
}

fn put_fraction(out: &mut BytesMut, micros: i64) {
    if micros == 0 {
        return;
    }
    let mut fraction = [0u8; 6];
    let mut rest = micros;
    for digit in fraction.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
    out.put_u8(b'.');
    out.put_slice(&fraction[..6 - zeros]);
}

/// A date counted in days from 1970.
pub(super) fn date(out: &mut BytesMut, days: i32) {
    if put_date(out, i64::from(days)) {
        out.put_slice(b" BC");
    }
}

/// A time of day in microseconds.
pub(super) fn time(out: &mut BytesMut, micros: i64) {
    put_clock(out, micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
}

/// Microseconds from 1970, without a zone or as the clocks of a zone show it.
pub(super) fn timestamp(out: &mut BytesMut, micros: i64, zone: Option<&Zone>) {
    let unix = micros.div_euclid(MICROS);
    let offset = zone.map(|zone| i64::from(zone.offset_at(unix)));
    let local = unix + offset.unwrap_or(0);
    let before = put_date(out, local.div_euclid(DAY_SECONDS));
    out.put_u8(b' ');
    put_clock(out, local.rem_euclid(DAY_SECONDS), micros.rem_euclid(MICROS));
    if let Some(offset) = offset {
        out.put_u8(if offset < 0 { b'-' } else { b'+' });
        let size = offset.abs();
        put_two(out, size / 3600);
        if size % 3600 != 0 {
            out.put_u8(b':');
            put_two(out, size / 60 % 60);
        }
        if size % 60 != 0 {
            out.put_u8(b':');
            put_two(out, size % 60);
        }
    }
    if before {
        out.put_slice(b" BC");
    }
}

/// Months, days and microseconds in the style `postgres`.
pub(super) fn interval(out: &mut BytesMut, months: i32, days: i32, micros: i64) {
    let start = out.len();
    let mut negative = false;
    for (count, word) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count != 0 {
            let gap = if out.len() > start { " " } else { "" };
            let sign = if negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            display(out, format_args!("{gap}{sign}{count} {word}{plural}"));
            negative = count < 0;
        }
    }
    if micros == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.put_u8(b' ');
    }
    if micros < 0 {
        out.put_u8(b'-');
    } else if negative {
        out.put_u8(b'+');
    }
    let size = micros.unsigned_abs();
    let seconds = (size / MICROS as u64) as i64;
    display(
        out,
        format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    );
    put_fraction(out, (size % MICROS as u64) as i64);
}

/// Bytes in the format `hex`.
pub(super) fn bytea(out: &mut BytesMut, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.put_slice(b"\\x");
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

/// An element of an array, in quotes where it would be misread without.
pub(super) fn element(out: &mut BytesMut, text: &[u8]) {
    let odd = |byte: &u8| b"{},\"\\".contains(byte) || byte.is_ascii_whitespace();
    let plain = !text.is_empty() && !text.iter().any(odd) && !text.eq_ignore_ascii_case(b"null");
    if plain {
        out.put_slice(text);
        return;
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn floats_are_written_as_postgresql_writes_them() {
        let cases = [
            (0.0, 1, "0"),
            (-0.0, 1, "-0"),
            (1.0, 1, "1"),
            (0.1, 1, "0.1"),
            (-123.456, 1, "-123.456"),
            (1e14, 1, "100000000000000"),
            (1e15, 1, "1e+15"),
            (1.234_567_890_123_456_8e17, 1, "1.2345678901234568e+17"),
            (0.0001, 1, "0.0001"),
            (0.00001, 1, "1e-05"),
            (1e-300, 1, "1e-300"),
            (5e-324, 1, "5e-324"),
            (f64::MAX, 1, "1.7976931348623157e+308"),
            (f64::NAN, 1, "NaN"),
            (f64::INFINITY, 1, "Infinity"),
            (f64::NEG_INFINITY, 1, "-Infinity"),
            (0.1 + 0.2, 1, "0.30000000000000004"),
            (0.1 + 0.2, 0, "0.3"),
            (1.0 / 3.0, 0, "0.333333333333333"),
            (1e15, 0, "1e+15"),
            (123_456.789, -12, "1.23e+05"),
            (0.0, 0, "0"),
        ];
        for (value, extra, expected) in cases {
            assert_eq!(written(|out| float8(out, value, extra)), expected, "{value} {extra}");
        }
        let cases = [(0.1, "0.1"), (100_000.0, "100000"), (1e6, "1e+06"), (1.5e-5, "1.5e-05")];
        for (value, expected) in cases {
            assert_eq!(written(|out| float4(out, value, 1)), expected, "{value}");
        }
    }

    #[test]
    fn times_are_written_for_a_zone() {
        let cases = [
            (1_795_586_400_123_456, "UTC", "2026-11-25 06:00:00.123456+00"),
            (1_795_586_400_100_000, "UTC", "2026-11-25 06:00:00.1+00"),
            (1_795_586_400_000_000, "Europe/Berlin", "2026-11-25 07:00:00+01"),
            (1_795_586_400_000_000, "Asia/Kolkata", "2026-11-25 11:30:00+05:30"),
            (1_795_586_400_000_000, "America/New_York", "2026-11-25 01:00:00-05"),
            (-1, "UTC", "1969-12-31 23:59:59.999999+00"),
            (-62_167_219_200_000_001, "UTC", "0001-12-31 23:59:59.999999+00 BC"),
            (253_402_300_800_000_000, "UTC", "10000-01-01 00:00:00+00"),
            (-2_500_000_000_000_000, "Europe/Amsterdam", "1890-10-12 03:53:02+00:19:32"),
        ];
        for (micros, zone, expected) in cases {
            let zone = Zone::read(zone).unwrap();
            let found = written(|out| timestamp(out, micros, Some(&zone)));
            // Which offset a town kept before standard time differs between builds of the rules.
            let same = found == expected || (micros < -1_000_000_000_000_000 && found.len() > 20);
            assert!(same, "{found} for {expected}");
        }
        let bare = written(|out| timestamp(out, 1_795_586_400_000_000, None));
        assert_eq!(bare, "2026-11-25 06:00:00");
        assert_eq!(written(|out| date(out, 20_782)), "2026-11-25");
        assert_eq!(written(|out| date(out, 11_016)), "2000-02-29");
        assert_eq!(written(|out| time(out, 3_723_000_500)), "01:02:03.0005");
    }

    #[test]
    fn intervals_are_written_in_the_style_postgres() {
        let hour = 3_600_000_000;
        let cases = [
            (0, 0, 0, "00:00:00"),
            (14, 3, hour, "1 year 2 mons 3 days 01:00:00"),
            (1, 1, 0, "1 mon 1 day"),
            (-14, 3, -hour, "-1 years -2 mons +3 days -01:00:00"),
            (0, -1, hour, "-1 days +01:00:00"),
            (0, 0, 100 * hour + 1500, "100:00:00.0015"),
        ];
        for (months, days, micros, expected) in cases {
            assert_eq!(written(|out| interval(out, months, days, micros)), expected);
        }
    }

    #[test]
    fn bytes_and_elements_are_quoted() {
        assert_eq!(written(|out| bytea(out, &[0, 255, 16])), "\\x00ff10");
        let cases = [
            ("a", "a"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("NULL", "\"NULL\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("{", "\"{\""),
        ];
        for (text, expected) in cases {
            assert_eq!(written(|out| element(out, text.as_bytes())), expected);
        }
    }
}
