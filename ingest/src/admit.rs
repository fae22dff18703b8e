//! Admission: which readings are recorded, and as what. Pure: readings and times come in.
//!
//! A reading whose value and quality equal what was recorded last says nothing new; it is recorded
//! again only after [`HOLD_MAX`]. A change of a number that is no greater than the signal's
//! deadband is treated the same. A change of quality always passes. For signals that are drawn as a
//! line, the last reading that was held back is recorded together with the one that passes, so that
//! the line bends where the value did. Every reading is recorded or counted under one name (I1).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{Quality, Sample, SignalId, Timestamp, Value};

use crate::driver::{Point, Reading};

/// After this time a value is recorded again although it did not change: ten minutes.
pub const HOLD_MAX: Duration = Duration::from_secs(600);
/// Scans without a reading after which a point counts as silent.
pub const SILENT_SCANS: u32 = 2;

/// What becomes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is recorded.
    Record,
    /// It equals what was recorded last.
    Unchanged,
    /// It differs from what was recorded last by no more than the deadband.
    WithinDeadband,
}

/// How many readings came and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Readings that came.
    pub readings: u64,
    /// Recorded.
    pub recorded: u64,
    /// Equal to what was recorded last.
    pub unchanged: u64,
    /// Changed by no more than the deadband.
    pub within_deadband: u64,
    /// Of a point that the plan does not have.
    pub refused: u64,
}

impl Tally {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Record => self.recorded += 1,
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::WithinDeadband => self.within_deadband += 1,
        }
    }
}

/// The sample that a reading is: its value in the signal's type, its time by the peer's clock or
/// else `at`. A value of another type is left out, and a good quality then becomes bad.
pub fn sample_of(point: &Point, reading: Reading, at: Timestamp) -> Sample {
    let came = reading.value.is_some();
    let value = reading.value.and_then(|value| value.into_type(point.value_type));
    let quality = match &value {
        None if came && !reading.quality.is_bad() => Quality::BAD_TYPE_MISMATCH,
        Some(Value::Float(x)) if !x.is_finite() && reading.quality == Quality::GOOD => {
            Quality::UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
        }
        Some(_) | None => reading.quality,
    };
    let time = reading.source_time.unwrap_or(at);
    Sample { signal: point.signal, time, value, quality }
}

/// Whether `sample` is recorded, if `last` was recorded before it.
pub fn passes(last: &Sample, sample: &Sample, deadband: Option<f64>) -> Verdict {
    if sample.quality != last.quality || sample.time < last.time {
        return Verdict::Record;
    }
    let verdict = match (&last.value, &sample.value) {
        (None, None) => Verdict::Unchanged,
        (Some(old), Some(new)) if same(old, new) => Verdict::Unchanged,
        (Some(old), Some(new)) if change(old, new).is_some_and(|c| Some(c) <= deadband) => {
            Verdict::WithinDeadband
        }
        (Some(_), Some(_)) | (None, Some(_)) | (Some(_), None) => return Verdict::Record,
    };
    if sample.time.since(last.time) >= HOLD_MAX { Verdict::Record } else { verdict }
}

/// Equality to the bit; NaN equals itself.
fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        _ => old == new,
    }
}

/// The size of a change between two numbers.
fn change(old: &Value, new: &Value) -> Option<f64> {
    match (old, new) {
        (Value::Float(a), Value::Float(b)) => Some((b - a).abs()),
        (Value::Int(a), Value::Int(b)) => Some(b.abs_diff(*a) as f64),
        _ => None,
    }
}

/// What is known of each signal of a source, kept from one collector to the next.
#[derive(Debug, Default)]
pub struct Memory(HashMap<SignalId, Known>);

#[derive(Debug, Default)]
struct Known {
    last: Option<Sample>,
    held: Option<(Sample, Verdict)>,
    missed: u32,
}

/// The admission of one source's readings.
#[derive(Debug)]
pub struct Admission {
    points: Arc<[Point]>,
    known: Vec<Known>,
}

impl Admission {
    /// Admission that goes on where `memory` ends.
    pub fn new(points: Arc<[Point]>, mut memory: Memory) -> Admission {
        let known = points.iter().map(|p| memory.0.remove(&p.signal).unwrap_or_default());
        Admission { known: known.collect(), points }
    }

    /// What the next admission needs to know.
    pub fn into_memory(self) -> Memory {
        let ids = self.points.iter().map(|point| point.signal);
        Memory(ids.zip(self.known).collect())
    }

    /// Admits readings; `at` is the time of those that bring none. Samples go to `out`.
    pub fn admit(
        &mut self,
        readings: impl IntoIterator<Item = Reading>,
        at: Timestamp,
        out: &mut Vec<Sample>,
    ) -> Tally {
        let mut tally = Tally::default();
        for reading in readings {
            tally.readings += 1;
            let index = reading.point;
            let (Some(point), Some(known)) = (self.points.get(index), self.known.get_mut(index))
            else {
                tally.refused += 1;
                continue;
            };
            known.missed = 0;
            known.admit(point, sample_of(point, reading, at), &mut tally, out);
        }
        tally
    }

    /// Records that nothing is known of any point from `at` on, once for each gap and reason.
    pub fn lose(&mut self, at: Timestamp, quality: Quality, out: &mut Vec<Sample>) -> Tally {
        let mut tally = Tally::default();
        for (point, known) in self.points.iter().zip(&mut self.known) {
            known.lose(point, at, quality, &mut tally, out);
        }
        tally
    }

    /// The same for one point.
    pub fn lose_point(
        &mut self,
        index: usize,
        at: Timestamp,
        quality: Quality,
        out: &mut Vec<Sample>,
    ) -> Tally {
        let mut tally = Tally::default();
        if let (Some(point), Some(known)) = (self.points.get(index), self.known.get_mut(index)) {
            known.lose(point, at, quality, &mut tally, out);
        }
        tally
    }

    /// Notes that a scan of `class` has ended: its points that got no reading for
    /// [`SILENT_SCANS`] scans in a row are lost, for a session that delivers nothing is none.
    pub fn end_scan(
        &mut self,
        class: usize,
        seen: &[bool],
        at: Timestamp,
        out: &mut Vec<Sample>,
    ) -> Tally {
        let mut tally = Tally::default();
        for (index, (point, known)) in self.points.iter().zip(&mut self.known).enumerate() {
            if point.class != Some(class) || seen.get(index).copied().unwrap_or(false) {
                continue;
            }
            known.missed += 1;
            if known.missed >= SILENT_SCANS {
                known.lose(point, at, Quality::BAD_NO_COMMUNICATION, &mut tally, out);
            }
        }
        tally
    }
}

impl Known {
    fn admit(&mut self, point: &Point, sample: Sample, tally: &mut Tally, out: &mut Vec<Sample>) {
        let verdict = match &self.last {
            None => Verdict::Record,
            Some(last) => passes(last, &sample, point.deadband),
        };
        let newest = self.last.as_ref().is_none_or(|last| sample.time >= last.time);
        match verdict {
            Verdict::Record => {
                if newest {
                    self.release(point, &sample, tally, out);
                    self.last = Some(sample.clone());
                }
                tally.count(Verdict::Record);
                out.push(sample);
            }
            Verdict::Unchanged | Verdict::WithinDeadband => {
                let older = self.held.replace((sample, verdict));
                if let Some((_, verdict)) = older {
                    tally.count(verdict);
                }
            }
        }
    }

    fn lose(
        &mut self,
        point: &Point,
        at: Timestamp,
        quality: Quality,
        tally: &mut Tally,
        out: &mut Vec<Sample>,
    ) {
        let lost = |last: &Sample| last.value.is_none() && last.quality == quality;
        if self.last.as_ref().is_some_and(lost) {
            return;
        }
        // By the peer's clock the loss comes after what it said last, however that clock is set.
        let newest = self.held.as_ref().map(|(held, _)| held).or(self.last.as_ref());
        let after = newest.map_or(Timestamp::MIN, |s| s.time.plus(Duration::from_micros(1)));
        let time = at.max(after);
        let sample = Sample { signal: point.signal, time, value: None, quality };
        self.release(point, &sample, tally, out);
        self.last = Some(sample.clone());
        out.push(sample);
    }

    /// Records what was held back before `next`, if a line is drawn through it.
    fn release(&mut self, point: &Point, next: &Sample, tally: &mut Tally, out: &mut Vec<Sample>) {
        let Some((held, verdict)) = self.held.take() else { return };
        let number = matches!(held.value, Some(Value::Float(_) | Value::Int(_)));
        let later = self.last.as_ref().is_some_and(|last| held.time > last.time);
        if number && later && !point.stepped && held.time < next.time {
            tally.count(Verdict::Record);
            out.push(held);
        } else {
            tally.count(verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use parx_log::ValueType;

    use super::*;

    fn point(value_type: ValueType, stepped: bool, deadband: Option<f64>) -> Point {
        Point {
            signal: SignalId(7),
            tag: "t".into(),
            address: "a".into(),
            value_type,
            stepped,
            deadband,
            class: Some(0),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn sample(seconds: i64, value: Option<Value>, quality: Quality) -> Sample {
        Sample { signal: SignalId(7), time: at(seconds), value, quality }
    }

    #[test]
    fn i2_a_value_of_another_type_is_left_out_and_bad_stays_bad() {
        use Value::*;
        let (good, bad) = (Quality::GOOD, Quality::BAD_SENSOR_FAILURE);
        let exceeded = Quality::UNCERTAIN_ENGINEERING_UNITS_EXCEEDED;
        let table = [
            (ValueType::Float, Some(Int(3)), good, Some(Float(3.0)), good),
            (ValueType::Int, Some(Float(2.5)), good, None, Quality::BAD_TYPE_MISMATCH),
            (ValueType::Float, Some(Text("x".into())), bad, None, bad),
            (ValueType::Float, Some(Float(1.0)), bad, Some(Float(1.0)), bad),
            (
                ValueType::Float,
                Some(Float(f64::INFINITY)),
                good,
                Some(Float(f64::INFINITY)),
                exceeded,
            ),
            (ValueType::Bool, None, bad, None, bad),
        ];
        for (wanted, value, quality, expected, expected_quality) in table {
            let text = format!("I2: {value:?} with {quality} as {wanted:?}");
            let reading = Reading { point: 0, value, quality, source_time: None };
            let got = sample_of(&point(wanted, false, None), reading, at(1));
            assert_eq!((got.value, got.quality), (expected, expected_quality), "{text}");
        }
    }

    #[test]
    fn a_reading_passes_when_it_says_something_new() {
        use Value::*;
        let good = Quality::GOOD;
        let hold = HOLD_MAX.as_secs() as i64;
        let table = [
            (1, Some(Float(1.0)), good, None, Verdict::Unchanged),
            (1, Some(Float(1.1)), good, None, Verdict::Record),
            (1, Some(Float(1.5)), good, Some(0.5), Verdict::WithinDeadband),
            (1, Some(Float(1.6)), good, Some(0.5), Verdict::Record),
            (1, Some(Float(f64::NAN)), good, Some(0.5), Verdict::Record),
            (1, Some(Float(1.0)), Quality::UNCERTAIN, Some(9.0), Verdict::Record),
            (1, None, good, None, Verdict::Record),
            (hold, Some(Float(1.0)), good, None, Verdict::Record),
            (hold - 1, Some(Float(1.0)), good, None, Verdict::Unchanged),
            (-1, Some(Float(1.0)), good, None, Verdict::Record),
        ];
        let last = sample(0, Some(Float(1.0)), good);
        for (seconds, value, quality, deadband, expected) in table {
            let text = format!("{value:?} after {seconds} s, deadband {deadband:?}");
            let new = sample(seconds, value, quality);
            assert_eq!(passes(&last, &new, deadband), expected, "{text}");
        }
    }

    #[test]
    fn i1_every_reading_is_recorded_or_counted_and_a_line_bends_where_the_value_did() {
        for (stepped, times) in [(false, vec![0, 2, 3]), (true, vec![0, 3])] {
            let points: Arc<[Point]> = [point(ValueType::Float, stepped, None)].into();
            let mut admission = Admission::new(points, Memory::default());
            let (mut out, mut sum) = (vec![], Tally::default());
            for (seconds, value) in [(0, 1.0), (1, 1.0), (2, 1.0), (3, 5.0)] {
                let reading = Reading::good(0, Value::Float(value));
                let tally = admission.admit([reading], at(seconds), &mut out);
                sum.readings += tally.readings;
                sum.recorded += tally.recorded;
                sum.unchanged += tally.unchanged;
            }
            let got: Vec<_> = out.iter().map(|sample| sample.time).collect();
            let expected: Vec<_> = times.iter().map(|s| at(*s)).collect();
            assert_eq!(got, expected, "stepped {stepped}");
            assert_eq!(sum.readings, sum.recorded + sum.unchanged, "I1: stepped {stepped}");
            let stranger = admission.admit([Reading::bad(9, Quality::BAD)], at(4), &mut out);
            assert_eq!((stranger.readings, stranger.refused), (1, 1), "I1");
        }
    }

    #[test]
    fn a_gap_is_recorded_once_also_over_a_restart_of_the_collector() {
        let points: Arc<[Point]> = [point(ValueType::Float, false, None)].into();
        let mut admission = Admission::new(Arc::clone(&points), Memory::default());
        let mut out = vec![];
        admission.admit([Reading::good(0, Value::Float(1.0))], at(9), &mut out);
        admission.lose(at(5), Quality::BAD_COMMUNICATION_ERROR, &mut out);
        admission.lose(at(6), Quality::BAD_COMMUNICATION_ERROR, &mut out);
        let mut admission = Admission::new(points, admission.into_memory());
        admission.lose(at(20), Quality::BAD_COMMUNICATION_ERROR, &mut out);
        assert_eq!(out.len(), 2);
        assert!(out[1].time > out[0].time, "the loss comes after the last value");
        admission.lose(at(21), Quality::BAD_NOT_CONNECTED, &mut out);
        assert_eq!(out.len(), 3, "another reason is another fact");
    }

    #[test]
    fn a_point_is_silent_after_two_scans_without_a_reading() {
        let points: Arc<[Point]> = [point(ValueType::Float, false, None)].into();
        let mut admission = Admission::new(points, Memory::default());
        let mut out = vec![];
        admission.admit([Reading::good(0, Value::Float(1.0))], at(0), &mut out);
        admission.end_scan(0, &[true], at(0), &mut out);
        admission.end_scan(0, &[false], at(1), &mut out);
        assert_eq!(out.len(), 1);
        admission.end_scan(0, &[false], at(2), &mut out);
        admission.end_scan(0, &[false], at(3), &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(out[1].quality, Quality::BAD_NO_COMMUNICATION);
    }
}
