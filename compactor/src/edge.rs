//! The sample just before a time and the one just after: what a trend needs beside its window, and
//! a signal's newest sample.
//!
//! Looks into a segment only if it can hold a better one than what is known already. Where samples
//! were deleted, or the snapshot is of the past, windows are read whole instead. Blocks on the
//! disk.

use std::sync::Arc;

use parx_log::{Rows, SegmentMeta, SignalId, Snapshot};

use crate::history::{self, Versions, segments_of};
use crate::rows::slice;
use crate::{SegmentError, SegmentStore, Wanted};

/// Widths of the windows in which a tail is searched, in microseconds: a minute, an hour, all.
const REACHES: [i64; 3] = [60_000_000, 3_600_000_000, i64::MAX];
/// Width of the first window that is read whole, in microseconds, and by how much the next is
/// wider.
const WIDTH_FIRST: i64 = 60_000_000;
const WIDER: i64 = 16;

/// One signal's last row at or before `end`, or none; of several at its time the newest. A deleted
/// one is passed over, unless all `versions` count.
pub fn last_until(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    end: i64,
    versions: Versions,
) -> Result<Rows, SegmentError> {
    let mut best = Rows::default();
    if !is_plain(snapshot, signal, versions) {
        return search_back(store, snapshot, signal, end, versions);
    }
    for tail in &snapshot.tails {
        for reach in REACHES {
            let start = end.saturating_sub(reach);
            let rows = tail.read(signal, start, end, snapshot.sequence);
            if !rows.is_empty() {
                best = better(best, slice(&rows, rows.len() - 1..rows.len()), 1);
                break;
            }
        }
    }
    let mut segments: Vec<&Arc<SegmentMeta>> = segments_of(snapshot, (i64::MIN, end)).collect();
    segments.sort_by_key(|meta| std::cmp::Reverse(meta.times.1.min(end)));
    for meta in segments {
        if best.times.first().is_some_and(|known| meta.times.1.min(end) < *known) {
            break;
        }
        best = better(best, store.open(meta)?.last_until(signal, end)?, 1);
    }
    Ok(best)
}

/// One signal's first valid row at or after `start`, or none; of several at its time the newest.
pub fn first_from(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    start: i64,
) -> Result<Rows, SegmentError> {
    let mut best = Rows::default();
    if !is_plain(snapshot, signal, Versions::Newest) {
        return search_on(store, snapshot, signal, start);
    }
    for tail in &snapshot.tails {
        for reach in REACHES {
            let rows = tail.read(signal, start, start.saturating_add(reach), snapshot.sequence);
            if let Some(first) = rows.times.first() {
                let last = rows.times.partition_point(|time| time <= first);
                best = better(best, slice(&rows, last - 1..last), -1);
                break;
            }
        }
    }
    let mut segments: Vec<&Arc<SegmentMeta>> = segments_of(snapshot, (start, i64::MAX)).collect();
    segments.sort_by_key(|meta| meta.times.0.max(start));
    for meta in segments {
        if best.times.first().is_some_and(|known| meta.times.0.max(start) > *known) {
            break;
        }
        best = better(best, store.open(meta)?.first_from(signal, start)?, -1);
    }
    Ok(best)
}

/// True if every row of the signal in segments and tails is part of the snapshot and valid.
fn is_plain(snapshot: &Snapshot, signal: SignalId, versions: Versions) -> bool {
    let through = snapshot.sequence.0;
    (versions == Versions::All || snapshot.catalog.deletions_of(signal).is_empty())
        && segments_of(snapshot, (i64::MIN, i64::MAX)).all(|meta| meta.sequences.1 <= through)
}

/// The last valid row at or before `end`, out of windows that grow towards the past.
fn search_back(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    end: i64,
    versions: Versions,
) -> Result<Rows, SegmentError> {
    let (mut end, mut width) = (Some(end), WIDTH_FIRST);
    while let Some(to) = end {
        let from = to.saturating_sub(width);
        let mut last = Rows::default();
        for block in history::blocks(store, snapshot, signal, (from, to), Wanted::ALL, versions) {
            let block = block?;
            if !block.is_empty() {
                last = slice(&block, block.len() - 1..block.len());
            }
        }
        if !last.is_empty() {
            return Ok(last);
        }
        end = from.checked_sub(1);
        width = width.saturating_mul(WIDER);
    }
    Ok(Rows::default())
}

/// The first valid row at or after `start`. Its blocks are read no further than to the first.
fn search_on(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    start: i64,
) -> Result<Rows, SegmentError> {
    let times = (start, i64::MAX);
    for block in history::blocks(store, snapshot, signal, times, Wanted::ALL, Versions::Newest) {
        let block = block?;
        if !block.is_empty() {
            return Ok(slice(&block, 0..1));
        }
    }
    Ok(Rows::default())
}

/// Of two single rows the one farther in `direction`, and of one time the newer.
fn better(a: Rows, b: Rows, direction: i128) -> Rows {
    let key = |rows: &Rows| {
        let time = i128::from(*rows.times.first()?) * direction;
        Some((time, *rows.sequences.first()?))
    };
    if key(&b) > key(&a) { b } else { a }
}
