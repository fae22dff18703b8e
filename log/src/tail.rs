//! The hot tail: what the log holds beyond the segments, in memory, per signal in columns.
//!
//! One tail covers one epoch of the log. The committer appends; readers copy the window they ask
//! for, and see nothing beyond the sequence of their snapshot (Q1). Rows are only ever added.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::series::Series;
use crate::{Rows, Samples, Sequence, SignalId, Timestamp};

/// Into how many separately locked parts the signals are spread.
const SHARDS: usize = 16;

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
    log_bytes: AtomicU64,
    row_bytes: AtomicU64,
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
            log_bytes: AtomicU64::new(0),
            row_bytes: AtomicU64::new(0),
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
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of memory that it takes: its rows, and its entries, which the store keeps too until
    /// the epoch is dropped.
    pub fn memory(&self) -> u64 {
        self.row_bytes.load(Ordering::Relaxed) + self.log_bytes()
    }

    /// How far `sequence` is behind the first; nothing if it is before it.
    fn place(&self, sequence: Sequence) -> Option<u32> {
        let place = sequence.0.checked_sub(self.first.0)?;
        Some(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(crate) fn append(&self, sequence: Sequence, at: Timestamp, samples: &Samples, bytes: u64) {
        let (mut start, mut row_bytes) = (0, 0);
        let place = self.place(sequence).unwrap_or_default();
        for run in &samples.runs {
            if let Some(shard) = self.shards.get(run.signal.0 as usize % SHARDS) {
                let mut shard = shard.write();
                let series = shard.entry(run.signal).or_default();
                row_bytes += series.append(place, run, start, samples) as u64;
            }
            start += run.count;
        }
        self.clock.write().push((sequence.0, at.micros()));
        self.rows.fetch_add(samples.len() as u64, Ordering::Relaxed);
        self.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.row_bytes.fetch_add(row_bytes, Ordering::Relaxed);
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
        let Some(shard) = self.shards.get(signal.0 as usize % SHARDS) else {
            return Rows::default();
        };
        let shard = shard.read();
        let read = |series: &Series| series.read(from, to, self.place(through), self.first.0);
        shard.get(&signal).map_or_else(Rows::default, read)
    }

    /// The first and the last time of one signal's rows within `from..=to` that came with sequence
    /// `through` or before.
    pub fn extent(
        &self,
        signal: SignalId,
        from: i64,
        to: i64,
        through: Sequence,
    ) -> Option<(i64, i64)> {
        let shard = self.shards.get(signal.0 as usize % SHARDS)?.read();
        shard.get(&signal)?.extent(from, to, self.place(through))
    }

    /// How many rows of one signal came with sequence `through` or before.
    pub fn count(&self, signal: SignalId, through: Sequence) -> u64 {
        let series = self.shards.get(signal.0 as usize % SHARDS);
        series.map_or(0, |shard| {
            shard.read().get(&signal).map_or(0, |series| series.visible(self.place(through)) as u64)
        })
    }

    /// When each sample event was recorded: (sequence, microseconds since 1970), ascending.
    pub fn clock(&self) -> Vec<(u64, i64)> {
        self.clock.read().clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Quality, Sample, Value};

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

    fn any_row() -> impl Strategy<Value = Sample> {
        let value = prop_oneof![
            Just(None),
            any::<u64>().prop_map(|bits| Some(Value::Float(f64::from_bits(bits)))),
            ".{0,3}".prop_map(|text| Some(Value::Text(text.into()))),
        ];
        (0_u32..3, 0_i64..50, value, 0_u32..2).prop_map(|(signal, time, value, quality)| Sample {
            signal: SignalId(signal),
            time: Timestamp::from_micros(time),
            value,
            quality: Quality(quality),
        })
    }

    proptest! {
        #[test]
        fn q1_any_window_holds_what_a_list_of_all_rows_would_give(
            groups in prop::collection::vec(prop::collection::vec(any_row(), 0..60), 0..8),
            signal in 0_u32..3, from in 0_i64..50, count in 0_i64..50, through in 0_u64..20,
        ) {
            let tail = Tail::new(Sequence(5), Timestamp::from_micros(0));
            let mut all = Vec::new();
            for (sequence, rows) in (5..).zip(groups) {
                let samples = Samples::from_rows(vec![], rows.clone());
                tail.append(Sequence(sequence), Timestamp::from_micros(0), &samples, 0);
                all.extend(rows.into_iter().map(|row| (sequence, row)));
            }
            let rows = tail.read(SignalId(signal), from, from + count, Sequence(through));
            let told = |value: Option<Value>| format!("{value:?}");
            let got: Vec<_> = (0..rows.len())
                .map(|i| (rows.times[i], rows.sequences[i], rows.qualities[i], told(rows.value(i))))
                .collect();
            let wanted = |(sequence, row): &(u64, Sample)| {
                let time = row.time.micros();
                let asked = (from..=from + count).contains(&time);
                row.signal.0 == signal && *sequence <= through && asked
            };
            all.retain(wanted);
            all.sort_by_key(|(sequence, row)| (row.time, *sequence));
            let all: Vec<_> = all
                .into_iter()
                .map(|(seq, row)| (row.time.micros(), seq, row.quality.0, told(row.value)))
                .collect();
            let ends = all.first().zip(all.last()).map(|(first, last)| (first.0, last.0));
            let extent = tail.extent(SignalId(signal), from, from + count, Sequence(through));
            prop_assert_eq!(extent, ends, "Q1");
            prop_assert_eq!(got, all, "Q1");
        }
    }
}
