//! Points in columns, named by series: what a door makes of what came.
//!
//! How they become samples is `grouped`'s.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parx_log::{RunKind, Value};

use crate::intake::NamedPoint;

/// What several points are called together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The signal's tag.
    pub tag: String,
    /// Keys and values it came with; a new signal keeps them.
    pub labels: BTreeMap<String, String>,
}

/// Points in the order in which they came: columns of one length, but for `series` and `texts`.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// What the points are called; every tag once.
    pub series: Arc<Vec<Series>>,
    /// The place of each point's series in `series`.
    pub keys: Vec<u32>,
    /// Microseconds since 1970.
    pub times: Vec<i64>,
    /// What each value is.
    pub kinds: Vec<RunKind>,
    /// Bits of a double, an integer or a boolean; an index into `texts`; 0 without a value.
    pub bits: Vec<u64>,
    /// Status codes; empty if all are good.
    pub qualities: Vec<u32>,
    /// Values of text points.
    pub texts: Vec<Arc<str>>,
}

impl Points {
    /// How many.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True without a point.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Makes room for so many points more.
    pub fn reserve(&mut self, points: usize) {
        self.keys.reserve(points);
        self.times.reserve(points);
        self.kinds.reserve(points);
        self.bits.reserve(points);
    }

    /// Appends one point of the series at `key`.
    pub fn push(&mut self, key: u32, time: i64, value: Option<Value>) {
        self.keys.push(key);
        self.times.push(time);
        self.kinds.push(RunKind::of(value.as_ref()));
        self.bits.push(match value {
            None => 0,
            Some(Value::Float(x)) => x.to_bits(),
            Some(Value::Int(x)) => x.cast_unsigned(),
            Some(Value::Bool(x)) => u64::from(x),
            Some(Value::Text(x)) => {
                self.texts.push(x);
                self.texts.len() as u64 - 1
            }
        });
    }

    /// Points with their tags, in columns.
    pub(crate) fn named(named: Vec<NamedPoint>) -> Points {
        let (mut points, mut series) = (Points::default(), Vec::new());
        let mut places: HashMap<String, u32> = HashMap::new();
        for NamedPoint { tag, labels, time, value, quality } in named {
            let key = match places.get(&tag) {
                Some(key) => *key,
                None => {
                    let key = series.len() as u32;
                    places.insert(tag.clone(), key);
                    series.push(Series { tag, labels });
                    key
                }
            };
            points.push(key, time.micros(), value);
            points.qualities.push(quality.0);
        }
        Points { series: Arc::new(series), ..points }
    }
}
