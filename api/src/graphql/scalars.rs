//! Scalars of the schema: times and 64-bit integers, as text that no client rounds.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use parx_log::{Sequence, Timestamp};

/// A 64-bit integer, written as a string of decimal digits so that no client rounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int64(pub i64);

#[Scalar(name = "Int64")]
impl ScalarType for Int64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        let problem =
            || InputValueError::custom(format!("{value} is not a whole number of 64 bits"));
        parsed.map(Int64).ok_or_else(problem)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Sequence> for Int64 {
    fn from(sequence: Sequence) -> Int64 {
        Int64(i64::try_from(sequence.0).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Int64 {
    fn from(number: u64) -> Int64 {
        Int64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A point in time as RFC 3339 in UTC with microseconds, such as 2026-11-25T06:00:00.000000Z.
/// Any offset is accepted on the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

#[Scalar(name = "Time")]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => text.parse().map(Time).map_err(InputValueError::custom),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
