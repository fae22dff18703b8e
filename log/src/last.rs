//! The last value of every signal: the newest sample by its time, kept in memory.
//!
//! Rebuilt at start from a snapshot and the entries behind it; the snapshot is written in the same
//! commit that lets go of the samples it was made from.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::bytes::{Reader, write_varint};
use crate::codec::{self, DecodeError};
use crate::{Entry, Event, Quality, Sample, Samples, Sequence, SignalId, Timestamp};

/// The newest sample of a signal and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct LastValue {
    /// The sample.
    pub sample: Sample,
    /// The sequence it came with.
    pub sequence: Sequence,
}

/// The newest sample of every signal that has one.
#[derive(Debug, Default)]
pub struct LastValues(RwLock<HashMap<SignalId, LastValue>>);

impl LastValues {
    /// The newest sample of one signal.
    pub fn get(&self, signal: SignalId) -> Option<LastValue> {
        self.0.read().get(&signal).cloned()
    }

    /// The newest sample of every signal, in the order of their ids.
    pub fn all(&self) -> Vec<LastValue> {
        let mut all: Vec<LastValue> = self.0.read().values().cloned().collect();
        all.sort_by_key(|last| last.sample.signal);
        all
    }

    pub(crate) fn append(&self, sequence: Sequence, samples: &Samples) {
        let mut map = self.0.write();
        let mut start = 0;
        for run in &samples.runs {
            let rows = start..start + run.count;
            start = rows.end;
            let times = samples.times.get(rows.clone()).unwrap_or_default();
            // Of several at one time the last is the newest.
            let newest = rows.zip(times).max_by_key(|(_, time)| **time);
            let Some((row, time)) = newest else { continue };
            let time = Timestamp::from_micros(*time);
            if map.get(&run.signal).is_some_and(|last| last.sample.time > time) {
                continue;
            }
            let quality = Quality(samples.qualities.get(row).copied().unwrap_or_default());
            let value = samples.value(row, run.kind);
            let sample = Sample { signal: run.signal, time, value, quality };
            map.insert(run.signal, LastValue { sample, sequence });
        }
    }

    /// Bytes for the snapshot that `restore` reads: sequences, then an entry with the samples.
    pub(crate) fn snapshot(&self, at: Sequence) -> Result<Vec<u8>, serde_json::Error> {
        let all = self.all();
        let mut bytes = Vec::new();
        write_varint(&mut bytes, all.len() as u64);
        for last in &all {
            write_varint(&mut bytes, last.sequence.0);
        }
        let rows = all.into_iter().map(|last| last.sample).collect();
        let event = Event::Samples(Arc::new(Samples::from_rows(vec![], rows)));
        let recorded_at = Timestamp::from_micros(0);
        bytes.extend(codec::encode(&Entry {
            sequence: at,
            recorded_at,
            author: "".into(),
            event,
        })?);
        Ok(bytes)
    }

    /// Reads what `snapshot` wrote at `at`.
    pub(crate) fn restore(&self, at: Sequence, bytes: &[u8]) -> Result<(), DecodeError> {
        let damaged = || DecodeError::Damaged { sequence: at, what: "its last values are cut off" };
        let mut reader = Reader::new(bytes);
        let count = reader.varint().ok_or_else(damaged)?;
        let mut sequences = Vec::new();
        for _ in 0..count {
            sequences.push(Sequence(reader.varint().ok_or_else(damaged)?));
        }
        let entry = codec::decode(at, reader.rest())?;
        let Event::Samples(samples) = entry.event else { return Err(damaged()) };
        let mut map = self.0.write();
        for (sample, sequence) in samples.rows().zip(sequences) {
            map.insert(sample.signal, LastValue { sample, sequence });
        }
        Ok(())
    }
}
