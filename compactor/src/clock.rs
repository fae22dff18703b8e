//! When rows were recorded: from sequences to times, out of clock segments and tails.
//!
//! Reads only the pages that hold the sequences asked for. Blocks on the disk.

use std::sync::Arc;

use parx_log::{SegmentKind, SegmentMeta, Snapshot};

use crate::{SegmentError, SegmentStore};

/// The clock as one snapshot sees it.
pub struct ClockBook {
    store: SegmentStore,
    files: Vec<Arc<SegmentMeta>>,
    hot: Vec<(u64, i64)>,
}

impl ClockBook {
    /// The clock of `snapshot`.
    pub fn new(store: SegmentStore, snapshot: &Snapshot) -> ClockBook {
        let manifest = &snapshot.catalog.manifest;
        let files = manifest.of_kind(SegmentKind::Clock).cloned().collect();
        let hot = snapshot.tails.iter().flat_map(|tail| tail.clock()).collect();
        ClockBook { store, files, hot }
    }

    /// The newest sample event that was recorded at or before `at`, in microseconds since 1970;
    /// nothing if none was.
    pub fn newest_until(&self, at: i64) -> Result<Option<u64>, SegmentError> {
        let hot = self.hot.partition_point(|(_, recorded)| *recorded <= at);
        let hot = hot.checked_sub(1).and_then(|place| self.hot.get(place));
        if let Some((sequence, _)) = hot {
            return Ok(Some(*sequence));
        }
        let mut files: Vec<_> = self.files.iter().filter(|meta| meta.times.0 <= at).collect();
        files.sort_by_key(|meta| meta.sequences);
        match files.last() {
            Some(meta) => self.store.open(meta)?.clock_until(at),
            None => Ok(None),
        }
    }

    /// When each of `sequences` was recorded, in microseconds since 1970; nothing for one that no
    /// clock knows.
    pub fn recorded_at(&self, sequences: &[u64]) -> Result<Vec<Option<i64>>, SegmentError> {
        let mut wanted = sequences.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut known = Vec::new();
        for meta in &self.files {
            let (low, high) = meta.sequences;
            let next = wanted.partition_point(|sequence| *sequence < low);
            if wanted.get(next).is_some_and(|sequence| *sequence <= high) {
                known.extend(self.store.open(meta)?.clock(&wanted)?);
            }
        }
        known.sort_unstable();
        let find = |pairs: &[(u64, i64)], sequence: u64| {
            let place = pairs.binary_search_by_key(&sequence, |pair| pair.0).ok()?;
            pairs.get(place).map(|pair| pair.1)
        };
        let either = |s: &u64| find(&known, *s).or_else(|| find(&self.hot, *s));
        Ok(sequences.iter().map(either).collect())
    }
}
