//! The values of parameters, from text and from binary.
//!
//! Reads what a Bind brings into what the query engine takes, by the type the parameter has. Which
//! type that is, the statement says.

use std::str::FromStr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use parx_query::ScalarValue;
use parx_query::arrow::datatypes::{DataType, Field};
use pgwire::api::Type;

use super::encode::Format;
use super::error::{PgError, sqlstate};
use super::zone::Zone;

/// Elements in a parameter that is an array.
pub(crate) const ARRAY_ITEMS_MAX: usize = 1_000_000;

const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 10_957;

/// Reads one parameter; no value is null.
pub(crate) fn read(
    of: &Type,
    format: Format,
    value: Option<&Bytes>,
    zone: &Zone,
) -> Result<ScalarValue, PgError> {
    match (value, format) {
        (None, _) => Ok(null(of)),
        (Some(bytes), Format::Text) => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                PgError::new("22021", "invalid byte sequence for encoding \"UTF8\"")
            })?;
            from_text(of, text, zone)
        }
        (Some(bytes), Format::Binary) => from_binary(of, bytes.clone()),
    }
}

fn item_of(of: &Type) -> Option<Type> {
    let item = match *of {
        Type::BOOL_ARRAY => Type::BOOL,
        Type::INT2_ARRAY => Type::INT2,
        Type::INT4_ARRAY => Type::INT4,
        Type::INT8_ARRAY => Type::INT8,
        Type::OID_ARRAY => Type::OID,
        Type::FLOAT4_ARRAY => Type::FLOAT4,
        Type::FLOAT8_ARRAY => Type::FLOAT8,
        Type::TIMESTAMPTZ_ARRAY => Type::TIMESTAMPTZ,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY => Type::TEXT,
        _ => return None,
    };
    Some(item)
}

/// The null of a type.
fn null(of: &Type) -> ScalarValue {
    if let Some(item) = item_of(of) {
        return ScalarValue::new_null_list(null(&item).data_type(), true, 1);
    }
    match *of {
        Type::BOOL => ScalarValue::Boolean(None),
        Type::INT2 => ScalarValue::Int16(None),
        Type::INT4 => ScalarValue::Int32(None),
        Type::INT8 | Type::OID => ScalarValue::Int64(None),
        Type::FLOAT4 => ScalarValue::Float32(None),
        Type::FLOAT8 => ScalarValue::Float64(None),
        Type::NUMERIC => ScalarValue::Decimal128(None, 38, 10),
        Type::BYTEA => ScalarValue::Binary(None),
        Type::DATE => ScalarValue::Date32(None),
        Type::TIME => ScalarValue::Time64Microsecond(None),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(None, None),
        Type::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(None, Some("UTC".into())),
        Type::INTERVAL => ScalarValue::IntervalMonthDayNano(None),
        _ => ScalarValue::Utf8(None),
    }
}

fn invalid(of: &Type, text: &str) -> PgError {
    let name = match *of {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::TIMESTAMP => "timestamp without time zone",
        ref other => other.name(),
    };
    let dated = matches!(*of, Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ);
    let code = if dated { "22007" } else { sqlstate::INVALID_TEXT };
    PgError::new(code, format!("invalid input syntax for type {name}: \"{text}\""))
}

fn from_text(of: &Type, text: &str, zone: &Zone) -> Result<ScalarValue, PgError> {
    if let Some(item) = item_of(of) {
        let items = split_array(text).ok_or_else(|| invalid(of, text))?;
        let values = items.into_iter().map(|value| match value {
            Some(value) => from_text(&item, &value, zone),
            None => Ok(null(&item)),
        });
        return list(&item, &values.collect::<Result<Vec<_>, _>>()?);
    }
    let bare = text.trim();
    let wrong = || invalid(of, text);
    let value = match *of {
        Type::BOOL => ScalarValue::Boolean(Some(boolean(bare).ok_or_else(wrong)?)),
        Type::INT2 => ScalarValue::Int16(Some(number(bare, wrong)?)),
        Type::INT4 => ScalarValue::Int32(Some(number(bare, wrong)?)),
        Type::INT8 | Type::OID => ScalarValue::Int64(Some(number(bare, wrong)?)),
        Type::FLOAT4 => ScalarValue::Float32(Some(number(bare, wrong)?)),
        Type::FLOAT8 => ScalarValue::Float64(Some(number(bare, wrong)?)),
        Type::NUMERIC => decimal(bare).ok_or_else(wrong)?,
        Type::BYTEA => ScalarValue::Binary(Some(bytea(text).ok_or_else(wrong)?)),
        Type::DATE => ScalarValue::Date32(Some(date(bare).ok_or_else(wrong)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(time(bare).ok_or_else(wrong)?)),
        Type::TIMESTAMP => {
            let (local, _) = timestamp(bare).ok_or_else(wrong)?;
            ScalarValue::TimestampMicrosecond(Some(local), None)
        }
        Type::TIMESTAMPTZ => {
            let (local, offset) = timestamp(bare).ok_or_else(wrong)?;
            let seconds = local.div_euclid(1_000_000);
            let offset = offset.unwrap_or_else(|| zone.offset_of_local(seconds));
            let micros = local - i64::from(offset) * 1_000_000;
            ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
        }
        // What the engine reads by itself, such as intervals, and what really is text.
        _ => ScalarValue::Utf8(Some(text.to_owned())),
    };
    Ok(value)
}

fn number<T: FromStr>(text: &str, wrong: impl Fn() -> PgError) -> Result<T, PgError> {
    text.parse().map_err(|_| {
        let whole = text.trim_start_matches(['-', '+']);
        if !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) {
            PgError::new("22003", format!("value \"{text}\" is out of range"))
        } else {
            wrong()
        }
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn decimal(text: &str) -> Option<ScalarValue> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = i8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38)?;
    Some(ScalarValue::Decimal128(Some(sign * value), 38, scale))
}

fn bytea(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else { return Some(text.as_bytes().to_vec()) };
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let bytes = hex.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(|two| Some(digit(two[0])? << 4 | digit(two[1])?)).collect()
}

fn date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days()).ok()
}

fn time(text: &str) -> Option<i64> {
    let time = ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())?;
    Some(
        i64::from(time.num_seconds_from_midnight()) * 1_000_000
            + i64::from(time.nanosecond() / 1000),
    )
}

/// Microseconds on the wall's clock, and seconds east of UTC where they are said.
fn timestamp(text: &str) -> Option<(i64, Option<i32>)> {
    let (text, offset) = split_offset(text)?;
    let text = text.trim().replace('T', " ");
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some((local.and_utc().timestamp_micros(), offset))
}

/// `…+02`, `…-05:30`, `…Z`, `… UTC` apart from what stands before.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    for suffix in ["Z", "z", " UTC", " utc", " GMT"] {
        if let Some(rest) = text.strip_suffix(suffix) {
            return Some((rest, Some(0)));
        }
    }
    // A sign before the clock belongs to the date.
    let Some(clock) = text.find(':') else { return Some((text, None)) };
    let Some(sign) = text[clock..].find(['+', '-']).map(|at| at + clock) else {
        return Some((text, None));
    };
    let digits: String = text[sign + 1..].chars().filter(|c| *c != ':').collect();
    let part = |from: usize| match digits.get(from..from + 2) {
        Some(two) => two.parse::<i32>().ok(),
        None => (digits.len() <= from).then_some(0),
    };
    let east = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    let signed = if text[sign..].starts_with('-') { -east } else { east };
    Some((&text[..sign], Some(signed)))
}

/// The elements of `{a,"b c",NULL}`; of one dimension only.
fn split_array(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let (mut item, mut quoted, mut inside) = (String::new(), false, false);
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            Some('\\') => item.push(chars.next()?),
            Some('"') => (quoted, inside) = (true, !inside),
            Some('{' | '}') if !inside => return None,
            Some(c) if inside || (c != ',' && !(quoted && c.is_whitespace())) => item.push(c),
            end => {
                if inside || items.len() >= ARRAY_ITEMS_MAX {
                    return None;
                }
                let value = if quoted { item.as_str() } else { item.trim() };
                let null = !quoted && value.eq_ignore_ascii_case("null");
                items.push((!null).then(|| value.to_owned()));
                (item, quoted) = (String::new(), false);
                if end.is_none() {
                    return Some(items);
                }
            }
        }
    }
}

fn list(item: &Type, values: &[ScalarValue]) -> Result<ScalarValue, PgError> {
    let of: DataType = null(item).data_type();
    let field = Arc::new(Field::new_list_field(of.clone(), true));
    let values = ScalarValue::new_list_nullable(values, field.data_type());
    Ok(ScalarValue::List(values))
}

fn from_binary(of: &Type, mut bytes: Bytes) -> Result<ScalarValue, PgError> {
    let wrong = || {
        PgError::new(
            sqlstate::INVALID_BINARY,
            format!("incorrect binary data format for type {}", of.name()),
        )
    };
    let value = if let Some(item) = item_of(of) {
        return binary_array(&item, bytes, &wrong);
    } else {
        match *of {
            Type::BOOL => bytes.try_get_u8().map(|v| ScalarValue::Boolean(Some(v != 0))),
            Type::INT2 => bytes.try_get_i16().map(|v| ScalarValue::Int16(Some(v))),
            Type::INT4 => bytes.try_get_i32().map(|v| ScalarValue::Int32(Some(v))),
            Type::INT8 => bytes.try_get_i64().map(|v| ScalarValue::Int64(Some(v))),
            Type::OID => bytes.try_get_u32().map(|v| ScalarValue::Int64(Some(i64::from(v)))),
            Type::FLOAT4 => bytes.try_get_f32().map(|v| ScalarValue::Float32(Some(v))),
            Type::FLOAT8 => bytes.try_get_f64().map(|v| ScalarValue::Float64(Some(v))),
            Type::DATE => {
                bytes.try_get_i32().map(|v| ScalarValue::Date32(Some(v.saturating_add(EPOCH_DAYS))))
            }
            Type::TIME => bytes.try_get_i64().map(|v| ScalarValue::Time64Microsecond(Some(v))),
            Type::TIMESTAMP => bytes.try_get_i64().map(|v| {
                ScalarValue::TimestampMicrosecond(Some(v.saturating_add(EPOCH_MICROS)), None)
            }),
            Type::TIMESTAMPTZ => bytes.try_get_i64().map(|v| {
                let micros = v.saturating_add(EPOCH_MICROS);
                ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
            }),
            Type::NUMERIC => return numeric(bytes).ok_or_else(wrong),
            Type::BYTEA => return Ok(ScalarValue::Binary(Some(bytes.into()))),
            Type::INTERVAL => {
                return interval(bytes).ok_or_else(wrong);
            }
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN => {
                let text = String::from_utf8(bytes.into()).map_err(|_| wrong())?;
                return Ok(ScalarValue::Utf8(Some(text)));
            }
            ref other => {
                return Err(PgError::unsupported(format!(
                    "binary parameters of type {} are not supported",
                    other.name()
                ))
                .hint("Send it as text."));
            }
        }
    };
    let value = value.map_err(|_| wrong())?;
    if bytes.has_remaining() { Err(wrong()) } else { Ok(value) }
}

fn interval(mut bytes: Bytes) -> Option<ScalarValue> {
    let micros = bytes.try_get_i64().ok()?;
    let (days, months) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
    Some(ScalarValue::new_interval_mdn(months, days, micros.checked_mul(1000)?))
}

fn numeric(mut bytes: Bytes) -> Option<ScalarValue> {
    let groups = bytes.try_get_u16().ok()?;
    let weight = i32::from(bytes.try_get_i16().ok()?);
    let sign = match bytes.try_get_u16().ok()? {
        0 => 1,
        0x4000 => -1,
        _ => return None,
    };
    let scale = i8::try_from(bytes.try_get_u16().ok()?).ok().filter(|scale| *scale <= 38)?;
    let mut value: i128 = 0;
    for _ in 0..groups {
        value = value.checked_mul(10_000)?.checked_add(i128::from(bytes.try_get_u16().ok()?))?;
    }
    // The last group counts 10000 to the power of `weight - groups + 1`.
    let exponent = 4 * (weight - i32::from(groups) + 1) + i32::from(scale);
    let power = 10i128.checked_pow(exponent.unsigned_abs())?;
    let value = if exponent >= 0 { value.checked_mul(power)? } else { value / power };
    Some(ScalarValue::Decimal128(Some(sign * value), 38, scale))
}

fn binary_array(
    item: &Type,
    mut bytes: Bytes,
    wrong: &impl Fn() -> PgError,
) -> Result<ScalarValue, PgError> {
    let word = |bytes: &mut Bytes| bytes.try_get_i32().map_err(|_| wrong());
    let dimensions = word(&mut bytes)?;
    let (_nulls, _element) = (word(&mut bytes)?, word(&mut bytes)?);
    if dimensions == 0 {
        return list(item, &[]);
    }
    let (length, _lower) = (word(&mut bytes)?, word(&mut bytes)?);
    let length = usize::try_from(length).map_err(|_| wrong())?;
    if dimensions != 1 || length > ARRAY_ITEMS_MAX {
        return Err(PgError::unsupported("arrays have one dimension here")
            .detail(format!("They have at most {ARRAY_ITEMS_MAX} elements.")));
    }
    let mut values = Vec::new();
    for _ in 0..length {
        let value = match usize::try_from(word(&mut bytes)?) {
            Err(_) => null(item),
            Ok(size) if size <= bytes.len() => from_binary(item, bytes.split_to(size))?,
            Ok(_) => return Err(wrong()),
        };
        values.push(value);
    }
    list(item, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &Type, value: &str) -> Result<ScalarValue, &'static str> {
        let berlin = Zone::read("Europe/Berlin").unwrap();
        let bytes = Bytes::copy_from_slice(value.as_bytes());
        read(of, Format::Text, Some(&bytes), &berlin).map_err(|error| error.code)
    }

    fn zoned(micros: i64) -> ScalarValue {
        ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
    }

    #[test]
    fn text_is_read_by_type() {
        let six = 1_795_586_400_000_000;
        let cases = [
            (Type::BOOL, "t", ScalarValue::Boolean(Some(true))),
            (Type::INT4, " 42 ", ScalarValue::Int32(Some(42))),
            (Type::FLOAT8, "NaN", ScalarValue::Float64(Some(f64::NAN))),
            (Type::FLOAT8, "-Infinity", ScalarValue::Float64(Some(f64::NEG_INFINITY))),
            (Type::NUMERIC, "-12.50", ScalarValue::Decimal128(Some(-1250), 38, 2)),
            (Type::TEXT, " a ", ScalarValue::Utf8(Some(" a ".into()))),
            (Type::UNKNOWN, "a", ScalarValue::Utf8(Some("a".into()))),
            (Type::BYTEA, "\\x01Ff", ScalarValue::Binary(Some(vec![1, 255]))),
            (Type::DATE, "2026-11-25", ScalarValue::Date32(Some(20_782))),
            (Type::TIMESTAMPTZ, "2026-11-25 06:00:00+00", zoned(six)),
            (Type::TIMESTAMPTZ, "2026-11-25T06:00:00.5Z", zoned(six + 500_000)),
            (Type::TIMESTAMPTZ, "2026-11-25 11:30:00+05:30", zoned(six)),
            (Type::TIMESTAMPTZ, "2026-11-25 01:00:00-0500", zoned(six)),
            (Type::TIMESTAMPTZ, "2026-11-25 07:00", zoned(six)),
            (Type::TIMESTAMPTZ, "2026-11-25", zoned(six - 7 * 3_600_000_000)),
            (
                Type::TIMESTAMP,
                "2026-11-25 06:00:00",
                ScalarValue::TimestampMicrosecond(Some(six), None),
            ),
        ];
        for (of, value, expected) in cases {
            assert_eq!(text(&of, value), Ok(expected), "{of} {value}");
        }
    }

    #[test]
    fn what_is_not_of_its_type_is_refused() {
        let cases = [
            (Type::INT4, "4x", "22P02"),
            (Type::INT2, "70000", "22003"),
            (Type::BOOL, "perhaps", "22P02"),
            (Type::NUMERIC, "1.2.3", "22P02"),
            (Type::TIMESTAMPTZ, "yesterday noon", "22007"),
            (Type::DATE, "2026-13-01", "22007"),
            (Type::BYTEA, "\\xabc", "22P02"),
            (Type::TEXT_ARRAY, "a,b", "22P02"),
            (Type::TEXT_ARRAY, "{a,\"b}", "22P02"),
            (Type::INT8_ARRAY, "{1,x}", "22P02"),
        ];
        for (of, value, code) in cases {
            assert_eq!(text(&of, value), Err(code), "{of} {value}");
        }
    }

    #[test]
    fn binary_is_what_the_encoder_writes() {
        let berlin = Zone::default();
        let cases: [(Type, Vec<u8>, ScalarValue); 6] = [
            (Type::INT8, 7i64.to_be_bytes().into(), ScalarValue::Int64(Some(7))),
            (Type::FLOAT8, 0.5f64.to_be_bytes().into(), ScalarValue::Float64(Some(0.5))),
            (Type::TIMESTAMPTZ, 0i64.to_be_bytes().into(), zoned(EPOCH_MICROS)),
            (Type::DATE, 1i32.to_be_bytes().into(), ScalarValue::Date32(Some(EPOCH_DAYS + 1))),
            (
                Type::NUMERIC,
                vec![0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 19, 136],
                ScalarValue::Decimal128(Some(-1250), 38, 2),
            ),
            (Type::TEXT, b"abc".to_vec(), ScalarValue::Utf8(Some("abc".into()))),
        ];
        for (of, bytes, expected) in cases {
            let bytes = Bytes::from(bytes);
            assert_eq!(read(&of, Format::Binary, Some(&bytes), &berlin), Ok(expected), "{of}");
            let short = bytes.slice(..bytes.len() - 1);
            if of != Type::TEXT {
                assert!(read(&of, Format::Binary, Some(&short), &berlin).is_err(), "{of}");
            }
        }
    }

    #[test]
    fn arrays_come_in_both_formats() {
        let both = [text(&Type::INT8_ARRAY, "{1,NULL}").unwrap(), {
            let words: [&[u8]; 8] = [
                &[0, 0, 0, 1],
                &[0, 0, 0, 1],
                &[0, 0, 0, 20],
                &[0, 0, 0, 2],
                &[0, 0, 0, 1],
                &[0, 0, 0, 8],
                &[0, 0, 0, 0, 0, 0, 0, 1],
                &[255, 255, 255, 255],
            ];
            from_binary(&Type::INT8_ARRAY, Bytes::from(words.concat())).unwrap()
        }];
        assert_eq!(both[0], both[1]);
        let quoted = split_array("{a,\"b \\\"c\",NULL,\"NULL\", d }").unwrap();
        let expected = [Some("a"), Some("b \"c"), None, Some("NULL"), Some("d")];
        assert_eq!(quoted, expected.map(|item| item.map(str::to_owned)));
        assert_eq!(text(&Type::TEXT_ARRAY, "{}").unwrap(), list(&Type::TEXT, &[]).unwrap());
    }
}
