//! The samples of one commit group, in columns.
//!
//! Rows lie in runs of one signal and one type. Within a run they keep the order of their arrival.

use std::sync::Arc;

use crate::{BatchId, Quality, Sample, SignalId, Timestamp, Value};

/// What the values of a run are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// No value, only quality.
    #[default]
    None,
    /// Doubles.
    Float,
    /// 64-bit integers.
    Int,
    /// Booleans.
    Bool,
    /// Text.
    Text,
}

impl RunKind {
    /// The kind of run that holds `value`.
    pub fn of(value: Option<&Value>) -> RunKind {
        match value {
            None => RunKind::None,
            Some(Value::Float(_)) => RunKind::Float,
            Some(Value::Int(_)) => RunKind::Int,
            Some(Value::Bool(_)) => RunKind::Bool,
            Some(Value::Text(_)) => RunKind::Text,
        }
    }
}

/// Rows one after another that share signal and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The signal.
    pub signal: SignalId,
    /// What its values are.
    pub kind: RunKind,
    /// How many rows.
    pub count: usize,
}

/// Columns of samples: all of one length but `texts`, to which `bits` points in text runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// The numbered batches that are in here (I3).
    pub batches: Vec<BatchId>,
    /// Signal and type of the rows.
    pub runs: Vec<Run>,
    /// Microseconds since 1970.
    pub times: Vec<i64>,
    /// Status codes.
    pub qualities: Vec<u32>,
    /// Bits of a double, an integer or a boolean; an index into `texts`; 0 without a value.
    pub bits: Vec<u64>,
    /// Values of text rows.
    pub texts: Vec<Arc<str>>,
}

impl Samples {
    /// Columns from rows. Rows of one signal come together and keep their order.
    pub fn from_rows(batches: Vec<BatchId>, mut rows: Vec<Sample>) -> Samples {
        if !rows.is_sorted_by_key(|row| row.signal) {
            rows.sort_by_key(|row| row.signal);
        }
        let mut samples = Samples { batches, ..Samples::default() };
        samples.times.reserve(rows.len());
        samples.qualities.reserve(rows.len());
        samples.bits.reserve(rows.len());
        for row in rows {
            samples.push(row);
        }
        samples
    }

    fn push(&mut self, row: Sample) {
        let kind = RunKind::of(row.value.as_ref());
        match self.runs.last_mut() {
            Some(run) if run.signal == row.signal && run.kind == kind => run.count += 1,
            Some(_) | None => self.runs.push(Run { signal: row.signal, kind, count: 1 }),
        }
        self.times.push(row.time.micros());
        self.qualities.push(row.quality.0);
        let bits = match row.value {
            None => 0,
            Some(Value::Float(x)) => x.to_bits(),
            Some(Value::Int(x)) => x as u64,
            Some(Value::Bool(x)) => u64::from(x),
            Some(Value::Text(x)) => {
                self.texts.push(x);
                self.texts.len() as u64 - 1
            }
        };
        self.bits.push(bits);
    }

    /// True if the columns are of one length, which is that of the runs, and texts are where text
    /// runs point.
    pub(crate) fn fits(&self) -> bool {
        let rows = self.runs.iter().try_fold(0_usize, |rows, run| rows.checked_add(run.count));
        let even = [self.times.len(), self.qualities.len(), self.bits.len()];
        if rows.is_none_or(|rows| even != [rows; 3]) {
            return false;
        }
        let mut first = 0;
        self.runs.iter().all(|run| {
            let bits = self.bits.get(first..first + run.count).unwrap_or_default();
            first += run.count;
            run.kind != RunKind::Text || bits.iter().all(|at| *at < self.texts.len() as u64)
        })
    }

    /// Rows in all.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without a row.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The value in `row`, which lies in a run of `kind`.
    pub fn value(&self, row: usize, kind: RunKind) -> Option<Value> {
        let bits = self.bits.get(row).copied().unwrap_or_default();
        match kind {
            RunKind::None => None,
            RunKind::Float => Some(Value::Float(f64::from_bits(bits))),
            RunKind::Int => Some(Value::Int(bits as i64)),
            RunKind::Bool => Some(Value::Bool(bits != 0)),
            RunKind::Text => self.texts.get(bits as usize).cloned().map(Value::Text),
        }
    }

    /// Each row as a sample, in stored order.
    pub fn rows(&self) -> impl Iterator<Item = Sample> {
        let mut row = 0;
        self.runs.iter().flat_map(move |run| {
            let first = row;
            row += run.count;
            (first..row).map(move |row| Sample {
                signal: run.signal,
                time: Timestamp::from_micros(self.times.get(row).copied().unwrap_or_default()),
                value: self.value(row, run.kind),
                quality: Quality(self.qualities.get(row).copied().unwrap_or_default()),
            })
        })
    }
}
