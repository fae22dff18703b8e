//! What dashboards ask most, answered without planning: a window, a trend for a screen, and in the
//! files beside this one buckets, values side by side, runs and last values.
//!
//! Rows are as recorded, only the newest of each time. All reading blocks and is done on threads of
//! its own; the calls themselves may be awaited anywhere.

pub(crate) mod align;
pub(crate) mod buckets;
pub(crate) mod last;
pub(crate) mod runs;

use std::sync::Arc;

use parx_compactor::{Versions, Wanted, append_range};
use parx_log::{Rows, SignalId, Snapshot, Timestamp};

use crate::reader::Reading;
use crate::spread::blocking;
use crate::thin::Thinner;
use crate::{Engine, QueryError};

/// The rows of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// In the order of time.
    pub rows: Rows,
    /// True if there are more than the limit let through.
    pub more: bool,
}

impl Engine {
    /// One signal's rows from `from` to `to`, both included, `limit` at most.
    pub async fn window(
        &self,
        snapshot: Arc<Snapshot>,
        signal: SignalId,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Window, QueryError> {
        let reading = self.reading(snapshot, from, to);
        blocking(move || {
            let mut rows = Rows::default();
            for block in reading.blocks(signal) {
                let block = block?;
                let room = limit - rows.len();
                append_range(&mut rows, &block, 0..block.len().min(room));
                if block.len() > room {
                    return Ok(Window { rows, more: true });
                }
            }
            Ok(Window { rows, more: false })
        })
        .await
    }

    /// One signal from `from` to `to` as a screen of `width` pixels shows it, with the last sample
    /// before and the first after, where there are any: six rows for each pixel at most, more only
    /// for text that changes more often.
    pub async fn trend(
        &self,
        snapshot: Arc<Snapshot>,
        signal: SignalId,
        (from, to): (Timestamp, Timestamp),
        width: u32,
    ) -> Result<Rows, QueryError> {
        let reading = self.reading(snapshot, from, to);
        let store = self.store().clone();
        blocking(move || {
            let (from, to) = reading.times;
            let snapshot = &reading.snapshot;
            let mut rows = match from.checked_sub(1) {
                Some(end) => {
                    let versions = Versions::Newest;
                    parx_compactor::last_until(&store, snapshot, signal, end, versions)?
                }
                None => Rows::default(),
            };
            let mut thinner = Thinner::new(from, to, width);
            for block in reading.blocks(signal) {
                thinner.push(&block?);
            }
            let inside = thinner.finish();
            append_range(&mut rows, &inside, 0..inside.len());
            if let Some(start) = to.checked_add(1) {
                let after = parx_compactor::first_from(&store, snapshot, signal, start)?;
                append_range(&mut rows, &after, 0..after.len());
            }
            Ok(rows)
        })
        .await
    }

    fn reading(&self, snapshot: Arc<Snapshot>, from: Timestamp, to: Timestamp) -> Reading {
        Reading {
            snapshot,
            store: self.store().clone(),
            times: (from.micros(), to.micros()),
            versions: Versions::Newest,
            wanted: Wanted::ALL,
            backwards: false,
        }
    }

    /// As `reading`, without `to` itself.
    fn before(&self, snapshot: Arc<Snapshot>, from: Timestamp, to: Timestamp) -> Reading {
        let mut reading = self.reading(snapshot, from, to);
        match to.micros().checked_sub(1) {
            Some(last) => reading.times.1 = last,
            None => reading.times = (1, 0),
        }
        reading
    }
}
