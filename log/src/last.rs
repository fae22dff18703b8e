//! The last value of every signal: the newest sample by its time, kept in memory.
//!
//! Rebuilt at start from a snapshot and the entries behind it; the snapshot is written in the same
//! commit that lets go of the samples it was made from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::bytes::{Reader, write_varint};
use crate::codec::{self, DecodeError};
use crate::{
    Change, Deletion, Entry, Event, Quality, Sample, Samples, Sequence, SignalId, Timestamp,
};

/// Name of the last values' snapshot.
pub(crate) const LAST_VALUES: &str = "last-values.2";
/// Its name in its first version.
pub(crate) const LAST_VALUES_1: &str = "last-values";
/// Version of the snapshot that is written.
const SNAPSHOT_VERSION: u8 = 2;

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
pub struct LastValues {
    map: RwLock<HashMap<SignalId, LastValue>>,
    /// Signals of which a deletion may have changed the newest sample, and the last such change;
    /// `settle` is told the right one.
    unsettled: Mutex<BTreeMap<SignalId, Sequence>>,
}

impl LastValues {
    /// The newest sample of one signal.
    pub fn get(&self, signal: SignalId) -> Option<LastValue> {
        self.map.read().get(&signal).cloned()
    }

    /// The newest sample of every signal, in the order of their ids.
    pub fn all(&self) -> Vec<LastValue> {
        let mut all: Vec<LastValue> = self.map.read().values().cloned().collect();
        all.sort_by_key(|last| last.sample.signal);
        all
    }

    pub(crate) fn append(&self, sequence: Sequence, samples: &Samples) {
        let mut map = self.map.write();
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

    /// Takes out what `deletion` hides: the newest sample of its signal is then not known here.
    pub(crate) fn delete(&self, signal: SignalId, deletion: &Deletion) {
        let mut map = self.map.write();
        let mut unsettled = self.unsettled.lock();
        let hidden = |last: &LastValue| deletion.hides(last.sample.time.micros(), last.sequence.0);
        let gone = map.get(&signal).is_some_and(hidden);
        if gone {
            map.remove(&signal);
        }
        // What is being looked up for an earlier deletion may be hidden by this one.
        if gone || unsettled.contains_key(&signal) {
            unsettled.insert(signal, deletion.sequence);
        }
    }

    /// Says that from `at` on a signal's newest sample may be another than the one known here.
    pub(crate) fn unsettle(&self, signal: SignalId, at: Sequence) {
        self.unsettled.lock().insert(signal, at);
    }

    /// Signals whose newest sample has to be looked up in the segments.
    pub fn unsettled(&self) -> Vec<SignalId> {
        self.unsettled.lock().keys().copied().collect()
    }

    /// Tells the newest sample of a signal as of `through`. What came since and is newer stays; if
    /// something was deleted or taken back since, the signal stays unsettled.
    pub fn settle(&self, signal: SignalId, through: Sequence, found: Option<LastValue>) {
        let mut map = self.map.write();
        let mut unsettled = self.unsettled.lock();
        if unsettled.get(&signal).is_some_and(|at| *at > through) {
            return;
        }
        unsettled.remove(&signal);
        let Some(found) = found else { return };
        let place = |last: &LastValue| (last.sample.time, last.sequence);
        if map.get(&signal).is_none_or(|known| place(known) < place(&found)) {
            map.insert(signal, found);
        }
    }

    /// Bytes for the snapshot that `restore` reads: the unsettled signals, sequences, then an entry
    /// with the samples.
    pub(crate) fn snapshot(&self, at: Sequence) -> Result<Vec<u8>, serde_json::Error> {
        let all = self.all();
        let mut bytes = vec![SNAPSHOT_VERSION];
        let unsettled = self.unsettled();
        write_varint(&mut bytes, unsettled.len() as u64);
        unsettled.iter().for_each(|signal| write_varint(&mut bytes, u64::from(signal.0)));
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

    /// What `snapshot` wrote in its first version, as it is written now.
    pub(crate) fn from_version_1(bytes: &[u8]) -> Vec<u8> {
        [&[SNAPSHOT_VERSION, 0], bytes].concat()
    }

    /// Reads what `snapshot` wrote at `at`.
    pub(crate) fn restore(&self, at: Sequence, bytes: &[u8]) -> Result<(), DecodeError> {
        let damaged = || DecodeError::Damaged { sequence: at, what: "its last values are cut off" };
        let mut reader = Reader::new(bytes);
        let version = reader.u8().ok_or_else(damaged)?;
        if version != SNAPSHOT_VERSION {
            return Err(DecodeError::Version { sequence: at, version });
        }
        for _ in 0..reader.varint().ok_or_else(damaged)? {
            let signal = reader.varint().and_then(|id| u32::try_from(id).ok());
            self.unsettle(SignalId(signal.ok_or_else(damaged)?), at);
        }
        let count = reader.varint().ok_or_else(damaged)?;
        let mut sequences = Vec::new();
        for _ in 0..count {
            sequences.push(Sequence(reader.varint().ok_or_else(damaged)?));
        }
        let entry = codec::decode(at, reader.rest())?;
        let Event::Samples(samples) = entry.event else { return Err(damaged()) };
        let mut map = self.map.write();
        for (sample, sequence) in samples.rows().zip(sequences) {
            map.insert(sample.signal, LastValue { sample, sequence });
        }
        Ok(())
    }
}

/// Deletions and what takes them back may change which sample of a signal is the newest.
pub(crate) fn touch(last: &LastValues, sequence: Sequence, change: &Change) {
    match change {
        Change::SamplesDeleted { signal, from, to, .. } => {
            let deletion = Deletion { sequence, from: from.micros(), to: to.micros() };
            last.delete(*signal, &deletion);
        }
        Change::SamplesRestored { signal, .. } => last.unsettle(*signal, sequence),
        Change::SignalDefined(_)
        | Change::SignalChanged(_)
        | Change::SignalRetired(_)
        | Change::SourceDefined(_)
        | Change::SourceChanged(_)
        | Change::SourceRetired { .. }
        | Change::ScanClassDefined(_)
        | Change::UserDefined(_)
        | Change::UserPasswordChanged(_)
        | Change::RetentionDefined(_)
        | Change::RetentionRetired { .. }
        | Change::SamplesExpired { .. }
        | Change::SegmentsCommitted { .. }
        | Change::SegmentsMerged { .. }
        | Change::DataLost { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Quality, Value};

    fn sample(time: i64) -> Sample {
        let time = Timestamp::from_micros(time);
        let value = Some(Value::Float(time.micros() as f64));
        Sample { signal: SignalId(1), time, value, quality: Quality::GOOD }
    }

    #[test]
    fn what_was_found_before_another_deletion_settles_nothing() {
        let last = LastValues::default();
        let signal = SignalId(1);
        last.append(Sequence(1), &Samples::from_rows(vec![], vec![sample(1), sample(2)]));
        let delete = |time, sequence| {
            last.delete(signal, &Deletion { sequence: Sequence(sequence), from: time, to: time });
        };
        let found = |time| Some(LastValue { sample: sample(time), sequence: Sequence(1) });
        delete(2, 2);
        // Looked up as of 2, told after 3.
        delete(1, 3);
        last.settle(signal, Sequence(2), found(1));
        assert_eq!((last.get(signal), last.unsettled()), (None, vec![signal]));
        last.settle(signal, Sequence(3), None);
        assert_eq!((last.get(signal), last.unsettled()), (None, vec![]));
        last.unsettle(signal, Sequence(4));
        last.settle(signal, Sequence(4), found(1));
        assert_eq!((last.get(signal), last.unsettled()), (found(1), vec![]));
    }
}
