//! Rows of one signal, as readers get them from tails and segments.
//!
//! A copy that is the reader's own; where rows lie in memory is `series`, on disk the compactor's.

use std::sync::Arc;

use crate::{Quality, RunKind, Sample, SignalId, Timestamp, Value};

/// Rows of one signal in columns, all of one length but `texts`, to which `bits` points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Microseconds since 1970.
    pub times: Vec<i64>,
    /// The sequence each row came with.
    pub sequences: Vec<u64>,
    /// Status codes.
    pub qualities: Vec<u32>,
    /// What each value is.
    pub kinds: Vec<RunKind>,
    /// Bits of a double, an integer or a boolean; an index into `texts`; 0 without a value.
    pub bits: Vec<u64>,
    /// Values of text rows.
    pub texts: Vec<Arc<str>>,
}

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without a row.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The value of one row.
    pub fn value(&self, row: usize) -> Option<Value> {
        let bits = self.bits.get(row).copied().unwrap_or_default();
        match self.kinds.get(row)? {
            RunKind::None => None,
            RunKind::Float => Some(Value::Float(f64::from_bits(bits))),
            RunKind::Int => Some(Value::Int(bits as i64)),
            RunKind::Bool => Some(Value::Bool(bits != 0)),
            RunKind::Text => self.texts.get(bits as usize).cloned().map(Value::Text),
        }
    }

    /// One row as a sample of `signal`.
    pub fn sample(&self, row: usize, signal: SignalId) -> Sample {
        Sample {
            signal,
            time: Timestamp::from_micros(self.times.get(row).copied().unwrap_or_default()),
            value: self.value(row),
            quality: Quality(self.qualities.get(row).copied().unwrap_or_default()),
        }
    }

    /// Appends the row `from` of `other`.
    pub fn push_from(&mut self, other: &Rows, from: usize) {
        let copy = |column: &[u64]| column.get(from).copied().unwrap_or_default();
        self.times.push(other.times.get(from).copied().unwrap_or_default());
        self.sequences.push(copy(&other.sequences));
        self.qualities.push(other.qualities.get(from).copied().unwrap_or_default());
        let kind = other.kinds.get(from).copied().unwrap_or(RunKind::None);
        self.kinds.push(kind);
        let bits = copy(&other.bits);
        match other.texts.get(bits as usize) {
            Some(text) if kind == RunKind::Text => {
                self.bits.push(self.texts.len() as u64);
                self.texts.push(text.clone());
            }
            Some(_) | None => self.bits.push(bits),
        }
    }

    /// These rows in the order of time, then of sequence, then of arrival.
    pub fn sorted(self) -> Rows {
        let keys: Vec<(i64, u64)> =
            self.times.iter().copied().zip(self.sequences.iter().copied()).collect();
        if keys.is_sorted() {
            return self;
        }
        let mut order: Vec<u32> = (0..).take(keys.len()).collect();
        // Stable, and quick where some writers' rows follow each other in stretches.
        order.sort_by_key(|row| keys.get(*row as usize));
        Rows {
            times: order.iter().map(|row| at(&keys, *row).0).collect(),
            sequences: order.iter().map(|row| at(&keys, *row).1).collect(),
            qualities: order.iter().map(|row| at(&self.qualities, *row)).collect(),
            kinds: order.iter().map(|row| at(&self.kinds, *row)).collect(),
            bits: order.iter().map(|row| at(&self.bits, *row)).collect(),
            texts: self.texts,
        }
    }
}

fn at<T: Copy + Default>(column: &[T], row: u32) -> T {
    column.get(row as usize).copied().unwrap_or_default()
}
