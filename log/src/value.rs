//! What a signal can be: a float, an exact 64-bit integer, a boolean or text.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One recorded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// IEEE 754 double, its bits kept as they came (NaN too).
    Float(f64),
    /// Exact signed 64-bit integer.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Text in UTF-8.
    Text(Arc<str>),
}

/// The type that a signal is declared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// [`Value::Float`]
    #[default]
    Float,
    /// [`Value::Int`]
    Int,
    /// [`Value::Bool`]
    Bool,
    /// [`Value::Text`]
    Text,
}

impl Value {
    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::Float(_) => ValueType::Float,
            Value::Int(_) => ValueType::Int,
            Value::Bool(_) => ValueType::Bool,
            Value::Text(_) => ValueType::Text,
        }
    }

    /// The number it is, as SQL's `value` shows it: booleans are 0 and 1, text is none.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Float(x) => Some(*x),
            Value::Int(x) => Some(*x as f64),
            Value::Bool(x) => Some(f64::from(u8::from(*x))),
            Value::Text(_) => None,
        }
    }

    /// This value as one of type `wanted`, if nothing is lost by it.
    pub fn into_type(self, wanted: ValueType) -> Option<Value> {
        match (self, wanted) {
            (Value::Int(x), ValueType::Float) if is_integer(x as f64) => {
                Some(Value::Float(x as f64))
            }
            (Value::Float(x), ValueType::Int) if is_integer(x) => Some(Value::Int(x as i64)),
            (Value::Bool(x), ValueType::Int) => Some(Value::Int(i64::from(x))),
            (Value::Bool(x), ValueType::Float) => Some(Value::Float(f64::from(u8::from(x)))),
            (Value::Int(x @ (0 | 1)), ValueType::Bool) => Some(Value::Bool(x == 1)),
            (Value::Float(x), ValueType::Bool) if x == 0.0 || x == 1.0 => {
                Some(Value::Bool(x == 1.0))
            }
            (value, wanted) if value.value_type() == wanted => Some(value),
            _ => None,
        }
    }
}

/// A whole number that a double holds exactly.
fn is_integer(x: f64) -> bool {
    x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Float(x) => write!(f, "{x}"),
            Value::Int(x) => write!(f, "{x}"),
            Value::Bool(x) => write!(f, "{x}"),
            Value::Text(x) => f.write_str(x),
        }
    }
}

impl ValueType {
    /// The word that configuration and documents use.
    pub fn word(self) -> &'static str {
        match self {
            ValueType::Float => "float",
            ValueType::Int => "int",
            ValueType::Bool => "bool",
            ValueType::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_changes_its_type_only_where_nothing_is_lost() {
        use Value::*;
        let table = [
            (Int(3), ValueType::Float, Some(Float(3.0))),
            (Int(i64::MAX), ValueType::Float, None),
            (Float(3.0), ValueType::Int, Some(Int(3))),
            (Float(3.5), ValueType::Int, None),
            (Float(f64::NAN), ValueType::Int, None),
            (Float(1e300), ValueType::Int, None),
            (Bool(true), ValueType::Int, Some(Int(1))),
            (Int(1), ValueType::Bool, Some(Bool(true))),
            (Int(2), ValueType::Bool, None),
            (Text("1".into()), ValueType::Int, None),
            (Text("on".into()), ValueType::Text, Some(Text("on".into()))),
        ];
        for (value, wanted, expected) in table {
            assert_eq!(value.clone().into_type(wanted), expected, "{value:?} as {wanted:?}");
        }
    }
}
