//! The hot tail: what the log holds beyond the segments, in memory, per signal in columns.
//!
//! One tail covers one epoch of the log. The committer appends; readers copy the window they ask
//! for, and see nothing beyond the sequence of their snapshot (Q1). Rows are only ever added.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::{Quality, Run, RunKind, Sample, Samples, Sequence, SignalId, Timestamp, Value};

/// Into how many separately locked parts the signals are spread.
const SHARDS: usize = 16;

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

    /// A copy of the rows in `range`.
    fn slice(&self, range: std::ops::Range<usize>) -> Rows {
        fn copy<T: Copy>(column: &[T], range: std::ops::Range<usize>) -> Vec<T> {
            column.get(range).unwrap_or_default().to_vec()
        }
        let mut rows = Rows {
            times: copy(&self.times, range.clone()),
            sequences: copy(&self.sequences, range.clone()),
            qualities: copy(&self.qualities, range.clone()),
            kinds: copy(&self.kinds, range.clone()),
            bits: copy(&self.bits, range),
            texts: Vec::new(),
        };
        for (kind, bits) in rows.kinds.iter().zip(&mut rows.bits) {
            if let (RunKind::Text, Some(text)) = (kind, self.texts.get(*bits as usize)) {
                *bits = rows.texts.len() as u64;
                rows.texts.push(text.clone());
            }
        }
        rows
    }

    /// These rows in the order of time, then of sequence, then of arrival.
    pub fn sorted(self) -> Rows {
        let key =
            |row: &usize| (self.times.get(*row).copied(), self.sequences.get(*row).copied(), *row);
        let mut order: Vec<usize> = (0..self.len()).collect();
        if order.is_sorted_by_key(key) {
            return self;
        }
        order.sort_unstable_by_key(key);
        let mut sorted = Rows::default();
        order.iter().for_each(|row| sorted.push_from(&self, *row));
        sorted
    }
}

/// One signal's part of a tail: rows in the order of arrival.
#[derive(Debug, Default)]
struct Series {
    rows: Rows,
    /// False once a sample came that is older than one before it.
    unsorted: bool,
    newest: i64,
}

impl Series {
    fn append(&mut self, sequence: Sequence, run: &Run, start: usize, samples: &Samples) {
        let range = start..start + run.count;
        let times = samples.times.get(range.clone()).unwrap_or_default();
        for time in times {
            self.unsorted |= !self.rows.is_empty() && *time < self.newest;
            self.newest = if self.rows.is_empty() { *time } else { self.newest.max(*time) };
            self.rows.times.push(*time);
        }
        self.rows.sequences.resize(self.rows.times.len(), sequence.0);
        self.rows.kinds.resize(self.rows.times.len(), run.kind);
        self.rows.qualities.extend(samples.qualities.get(range.clone()).unwrap_or_default());
        let bits = samples.bits.get(range).unwrap_or_default();
        if run.kind == RunKind::Text {
            for text in bits.iter().filter_map(|index| samples.texts.get(*index as usize)) {
                self.rows.bits.push(self.rows.texts.len() as u64);
                self.rows.texts.push(text.clone());
            }
        } else {
            self.rows.bits.extend(bits);
        }
    }

    /// Rows of `from..=to` that came with `through` or before, in the order of time.
    fn read(&self, from: i64, to: i64, through: Sequence) -> Rows {
        let visible = self.rows.sequences.partition_point(|sequence| *sequence <= through.0);
        let times = self.rows.times.get(..visible).unwrap_or_default();
        if !self.unsorted {
            let first = times.partition_point(|time| *time < from);
            let last = times.partition_point(|time| *time <= to);
            return self.rows.slice(first..last.max(first));
        }
        let mut rows = Rows::default();
        for (row, time) in times.iter().enumerate() {
            if (from..=to).contains(time) {
                rows.push_from(&self.rows, row);
            }
        }
        rows.sorted()
    }
}

/// The samples of one epoch.
#[derive(Debug)]
pub struct Tail {
    /// The first sequence that can be in here.
    pub first: Sequence,
    last: OnceLock<Sequence>,
    started: Timestamp,
    shards: [RwLock<HashMap<SignalId, Series>>; SHARDS],
    /// When each sample event was recorded.
    clock: RwLock<Vec<(u64, i64)>>,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Tail {
    /// An empty tail that begins at `first`.
    pub(crate) fn new(first: Sequence, started: Timestamp) -> Tail {
        Tail {
            first,
            last: OnceLock::new(),
            started,
            shards: std::array::from_fn(|_| RwLock::default()),
            clock: RwLock::default(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The sequence it ends with, once sealed.
    pub fn last(&self) -> Option<Sequence> {
        self.last.get().copied()
    }

    pub(crate) fn seal(&self, last: Sequence) {
        self.last.get_or_init(|| last);
    }

    /// When its first entry could come, by the server's clock.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Rows in it, also those that a snapshot may not see yet.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes that its entries take in the log.
    pub fn log_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn append(&self, sequence: Sequence, at: Timestamp, samples: &Samples, bytes: u64) {
        let mut start = 0;
        for run in &samples.runs {
            if let Some(shard) = self.shards.get(run.signal.0 as usize % SHARDS) {
                shard.write().entry(run.signal).or_default().append(sequence, run, start, samples);
            }
            start += run.count;
        }
        self.clock.write().push((sequence.0, at.micros()));
        self.rows.fetch_add(samples.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The signals that have rows in here, in the order of their ids.
    pub fn signals(&self) -> Vec<SignalId> {
        let mut signals: Vec<SignalId> =
            self.shards.iter().flat_map(|s| s.read().keys().copied().collect::<Vec<_>>()).collect();
        signals.sort_unstable();
        signals
    }

    /// A copy of one signal's rows from `from` to `to`, both included, in microseconds, that came
    /// with sequence `through` or before; in the order of time, sequence and arrival.
    pub fn read(&self, signal: SignalId, from: i64, to: i64, through: Sequence) -> Rows {
        match self.shards.get(signal.0 as usize % SHARDS) {
            Some(shard) => shard
                .read()
                .get(&signal)
                .map_or_else(Rows::default, |series| series.read(from, to, through)),
            None => Rows::default(),
        }
    }

    /// How many rows of one signal came with sequence `through` or before.
    pub fn count(&self, signal: SignalId, through: Sequence) -> u64 {
        let series = self.shards.get(signal.0 as usize % SHARDS);
        series.map_or(0, |shard| {
            shard.read().get(&signal).map_or(0, |series| {
                series.rows.sequences.partition_point(|s| *s <= through.0) as u64
            })
        })
    }

    /// When each sample event was recorded: (sequence, microseconds since 1970), ascending.
    pub fn clock(&self) -> Vec<(u64, i64)> {
        self.clock.read().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rows: &[(u32, i64, f64)]) -> Samples {
        let row = |&(signal, time, value): &(u32, i64, f64)| Sample {
            signal: SignalId(signal),
            time: Timestamp::from_micros(time),
            value: Some(Value::Float(value)),
            quality: Quality::GOOD,
        };
        Samples::from_rows(vec![], rows.iter().map(row).collect())
    }

    #[test]
    fn q1_a_reader_sees_nothing_beyond_its_sequence() {
        let tail = Tail::new(Sequence(1), Timestamp::from_micros(0));
        tail.append(Sequence(1), Timestamp::from_micros(5), &samples(&[(1, 10, 1.0)]), 0);
        tail.append(Sequence(2), Timestamp::from_micros(6), &samples(&[(1, 20, 2.0)]), 0);
        let seen = |through| tail.read(SignalId(1), i64::MIN, i64::MAX, Sequence(through)).times;
        assert_eq!([seen(0), seen(1), seen(2)], [vec![], vec![10], vec![10, 20]], "Q1");
    }

    #[test]
    fn late_samples_are_read_in_the_order_of_time_then_of_sequence() {
        let tail = Tail::new(Sequence(1), Timestamp::from_micros(0));
        let at = Timestamp::from_micros(5);
        tail.append(Sequence(1), at, &samples(&[(1, 30, 1.0), (1, 10, 2.0), (2, 5, 9.0)]), 0);
        tail.append(Sequence(2), at, &samples(&[(1, 10, 3.0), (1, 20, 4.0)]), 0);
        let rows = tail.read(SignalId(1), 10, 20, Sequence(2));
        assert_eq!(rows.times, [10, 10, 20]);
        assert_eq!(rows.sequences, [1, 2, 2]);
        assert_eq!(rows.value(1), Some(Value::Float(3.0)));
        assert_eq!(tail.signals(), [SignalId(1), SignalId(2)]);
    }
}
