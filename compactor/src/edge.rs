//! The sample just before a time and the one just after: what a trend needs beside its window.
//!
//! Looks into a segment only if it can hold a better one than what is known already.

use std::sync::Arc;

use parx_log::{Rows, SegmentKind, SegmentMeta, SignalId, Snapshot};

use crate::rows::slice;
use crate::{SegmentError, SegmentStore};

/// Widths of the windows in which a tail is searched, in microseconds: a minute, an hour, all.
const REACHES: [i64; 3] = [60_000_000, 3_600_000_000, i64::MAX];

/// One signal's last row at or before `end`, or none; of several at its time the newest.
pub fn last_until(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    end: i64,
) -> Result<Rows, SegmentError> {
    let mut best = Rows::default();
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
    let mut segments = samples(snapshot);
    segments.retain(|meta| meta.times.0 <= end);
    segments.sort_by_key(|meta| std::cmp::Reverse(meta.times.1.min(end)));
    for meta in segments {
        if best.times.first().is_some_and(|known| meta.times.1.min(end) < *known) {
            break;
        }
        best = better(best, store.open(meta)?.last_until(signal, end)?, 1);
    }
    Ok(best)
}

/// One signal's first row at or after `start`, or none; of several at its time the newest.
pub fn first_from(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    start: i64,
) -> Result<Rows, SegmentError> {
    let mut best = Rows::default();
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
    let mut segments = samples(snapshot);
    segments.retain(|meta| meta.times.1 >= start);
    segments.sort_by_key(|meta| meta.times.0.max(start));
    for meta in segments {
        if best.times.first().is_some_and(|known| meta.times.0.max(start) > *known) {
            break;
        }
        best = better(best, store.open(meta)?.first_from(signal, start)?, -1);
    }
    Ok(best)
}

fn samples(snapshot: &Snapshot) -> Vec<&Arc<SegmentMeta>> {
    snapshot.catalog.manifest.of_kind(SegmentKind::Samples).collect()
}

/// Of two single rows the one farther in `direction`, and of one time the newer.
fn better(a: Rows, b: Rows, direction: i128) -> Rows {
    let key = |rows: &Rows| {
        let time = i128::from(*rows.times.first()?) * direction;
        Some((time, *rows.sequences.first()?))
    };
    if key(&b) > key(&a) { b } else { a }
}
