//! One signal's rows from the newest to the oldest, a window at a time.
//!
//! A window is read forwards, merged and turned round; its width adapts to how dense the rows are,
//! so that the newest few cost little and a year back costs no memory. Blocks on the disk.

use parx_compactor::{SegmentError, append_range, last_until, reversed};
use parx_log::{Rows, SignalId};

use crate::reader::Reading;

/// Width of the first window, in microseconds: a minute.
const WIDTH_FIRST: i64 = 60_000_000;
/// A window with fewer rows makes the next one wider.
const ROWS_FEW: usize = 4096;
/// A window with more rows is read again, narrower.
const ROWS_MANY: usize = 128 << 10;
/// How much wider, and how much narrower.
const STEP: i64 = 16;

pub(crate) struct Backwards {
    reading: Reading,
    signal: SignalId,
    /// The latest time that is still to be read; none at the end.
    end: Option<i64>,
    width: i64,
}

impl Backwards {
    pub(crate) fn new(reading: Reading, signal: SignalId) -> Backwards {
        let (from, to) = reading.times;
        let end = (from <= to).then_some(to);
        Backwards { reading, signal, end, width: WIDTH_FIRST }
    }

    fn block(&mut self) -> Result<Option<Rows>, SegmentError> {
        while let Some(end) = self.end {
            let Reading { store, snapshot, versions, .. } = &self.reading;
            let last = last_until(store, snapshot, self.signal, end, *versions)?;
            let from = self.reading.times.0;
            let Some(newest) = last.times.first().copied().filter(|time| *time >= from) else {
                self.end = None;
                break;
            };
            let start = newest.saturating_sub(self.width - 1).max(from);
            let Some(rows) = self.window(start, newest)? else {
                self.width = (self.width / STEP).max(1);
                continue;
            };
            if rows.len() < ROWS_FEW {
                self.width = self.width.saturating_mul(STEP);
            }
            self.end = start.checked_sub(1).filter(|end| *end >= from);
            return Ok(Some(reversed(&rows)));
        }
        Ok(None)
    }

    /// The rows from `start` to `end`; nothing if they are too many and can be had in parts.
    fn window(&self, start: i64, end: i64) -> Result<Option<Rows>, SegmentError> {
        let reading = Reading { times: (start, end), ..self.reading.clone() };
        let mut rows = Rows::default();
        for block in reading.blocks(self.signal) {
            let block = block?;
            append_range(&mut rows, &block, 0..block.len());
            if rows.len() > ROWS_MANY && start < end && self.width > 1 {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }
}

impl Iterator for Backwards {
    type Item = Result<Rows, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.block();
        if block.is_err() {
            self.end = None;
        }
        block.transpose()
    }
}
