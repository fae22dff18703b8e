//! One signal's part of a hot tail: rows in the order of arrival, in few bytes.
//!
//! Times and values take eight bytes each; what seldom changes (quality, type, sequence) is kept
//! once for all the rows that share it. It sees no other signal and no lock.

use std::sync::Arc;

use crate::stretches::{Chunked, Stretches};
use crate::{Rows, Run, RunKind, Samples};

/// Bytes that a row takes for its time and value, and another for each thing that changed with it.
const ROW_BYTES: usize = 16;
const CHANGE_BYTES: usize = 8;

/// Rows of one signal.
#[derive(Debug, Default)]
pub(crate) struct Series {
    times: Chunked<i64>,
    bits: Chunked<u64>,
    /// Distance from the tail's first sequence.
    places: Stretches<u32>,
    qualities: Stretches<u32>,
    kinds: Stretches<RunKind>,
    texts: Vec<Arc<str>>,
    /// True once a sample came that is older than one before it.
    unsorted: bool,
    newest: Option<i64>,
}

impl Series {
    /// Appends the run that begins at the row `start` of `samples`; answers with its bytes.
    pub(crate) fn append(
        &mut self,
        place: u32,
        run: &Run,
        start: usize,
        samples: &Samples,
    ) -> usize {
        let before = self.changes();
        let range = start..start + run.count;
        let times = samples.times.get(range.clone()).unwrap_or_default();
        let mut newest = self.newest.unwrap_or(i64::MIN);
        for time in times {
            self.unsorted |= *time < newest;
            newest = newest.max(*time);
        }
        if !times.is_empty() {
            self.newest = Some(newest);
        }
        self.times.extend(times);
        self.places.push(place, run.count);
        self.kinds.push(run.kind, run.count);
        let qualities = samples.qualities.get(range.clone()).unwrap_or_default();
        for same in qualities.chunk_by(|a, b| a == b) {
            self.qualities.push(same.first().copied().unwrap_or_default(), same.len());
        }
        let bits = samples.bits.get(range).unwrap_or_default();
        let mut bytes = run.count * ROW_BYTES;
        if run.kind == RunKind::Text {
            let texts = bits.iter().map(|at| samples.texts.get(*at as usize).cloned());
            for text in texts.map(Option::unwrap_or_default) {
                bytes += size_of::<Arc<str>>() + text.len();
                self.bits.extend(&[self.texts.len() as u64]);
                self.texts.push(text);
            }
        } else {
            self.bits.extend(bits);
        }
        bytes + (self.changes() - before) * CHANGE_BYTES
    }

    fn changes(&self) -> usize {
        self.places.count() + self.qualities.count() + self.kinds.count()
    }

    /// How many rows came at `place` or before.
    pub(crate) fn visible(&self, place: Option<u32>) -> usize {
        place.map_or(0, |place| self.places.end_of(|of| of <= place))
    }

    /// Rows of `from..=to` that came at `place` or before, in the order of time; `first` is the
    /// sequence from which places are counted.
    pub(crate) fn read(&self, from: i64, to: i64, place: Option<u32>, first: u64) -> Rows {
        let visible = self.visible(place);
        if !self.unsorted {
            let start = self.first_where(visible, |time| time >= from);
            let end = self.first_where(visible, |time| time > to);
            return self.copy(start..end.max(start), first);
        }
        let within = |time: &i64| (from..=to).contains(time);
        let Some(start) = self.times.iter().take(visible).position(|time| within(&time)) else {
            return Rows::default();
        };
        let all = self.copy(start..visible, first);
        let mut rows = Rows::default();
        for (row, time) in all.times.iter().enumerate() {
            if within(time) {
                rows.push_from(&all, row);
            }
        }
        rows.sorted()
    }

    /// The first and the last time of the rows that `read` would give.
    pub(crate) fn extent(&self, from: i64, to: i64, place: Option<u32>) -> Option<(i64, i64)> {
        let visible = self.visible(place);
        if !self.unsorted {
            let start = self.first_where(visible, |time| time >= from);
            let end = self.first_where(visible, |time| time > to);
            let last = end.checked_sub(1).filter(|last| *last >= start)?;
            return self.times.get(start).zip(self.times.get(last));
        }
        let within = self.times.iter().take(visible).filter(|time| (from..=to).contains(time));
        within.fold(None, |known, time| {
            let (first, last) = known.unwrap_or((time, time));
            Some((first.min(time), last.max(time)))
        })
    }

    /// The first of `rows` rows, sorted by time, whose time is `wanted`; `rows` if there is none.
    fn first_where(&self, rows: usize, wanted: impl Fn(i64) -> bool) -> usize {
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.times.get(middle).is_some_and(&wanted) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        low
    }

    fn copy(&self, range: std::ops::Range<usize>, first: u64) -> Rows {
        let mut rows = Rows::default();
        self.times.copy(&range, &mut rows.times);
        self.bits.copy(&range, &mut rows.bits);
        self.places.copy(&range, &mut rows.sequences, |place| first + u64::from(place));
        self.qualities.copy(&range, &mut rows.qualities, |quality| quality);
        self.kinds.copy(&range, &mut rows.kinds, |kind| kind);
        if !self.texts.is_empty() {
            for (kind, bits) in rows.kinds.iter().zip(&mut rows.bits) {
                if let (RunKind::Text, Some(text)) = (kind, self.texts.get(*bits as usize)) {
                    *bits = rows.texts.len() as u64;
                    rows.texts.push(text.clone());
                }
            }
        }
        rows
    }
}
