//! The open segments: each is opened and checked once, and the longest unused is closed again.
//!
//! Opening blocks on the disk and happens outside the lock.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use parx_log::{SegmentMeta, SignalId};

use crate::{Fold, SegmentError, SegmentFile, Tier};

/// Segments that are kept open; beyond it the longest unused is closed.
pub const OPEN_FILES_MAX: usize = 512;

#[derive(Debug, Default)]
struct Open {
    files: HashMap<String, (Arc<SegmentFile>, u64)>,
    /// Hashes of the files that were found to be as published: one for each file of the manifest.
    checked: HashMap<String, String>,
    uses: u64,
}

/// Folds of hours and days that are kept in memory; beyond it the longest unused are let go.
pub const FOLDS_CACHED_MAX: usize = 256 << 10;

/// The folds of a tier of a file, each with its bucket's start.
type TierFolds = [(i64, Fold)];

/// Decoded folds of whole tiers.
#[derive(Debug, Default)]
struct Cached {
    /// By the file's hash and the tier, each with its last use.
    tiers: HashMap<(String, Tier), (Arc<TierFolds>, u64)>,
    folds: usize,
    uses: u64,
}

/// The segments of one data folder. Cheap to clone; clones share the open files.
#[derive(Clone, Debug)]
pub struct SegmentStore {
    root: Arc<Path>,
    limit: usize,
    open: Arc<Mutex<Open>>,
    cached: Arc<Mutex<Cached>>,
}

impl SegmentStore {
    /// The segments of the data folder `root`; neither need exist yet.
    pub fn new(root: impl Into<PathBuf>) -> SegmentStore {
        SegmentStore::with_limit(root, OPEN_FILES_MAX)
    }

    /// As `new`, with another limit than [`OPEN_FILES_MAX`].
    pub fn with_limit(root: impl Into<PathBuf>, limit: usize) -> SegmentStore {
        SegmentStore {
            root: root.into().into(),
            limit: limit.max(1),
            open: Arc::default(),
            cached: Arc::default(),
        }
    }

    /// The data folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The open file of a segment. Blocks while it opens and checks it.
    pub fn open(&self, meta: &Arc<SegmentMeta>) -> Result<Arc<SegmentFile>, SegmentError> {
        if let Some(file) = self.cached(meta) {
            return Ok(file);
        }
        let checked = self.open.lock().checked.get(&meta.path) == Some(&meta.blake3);
        let file = Arc::new(SegmentFile::open(&self.root, meta, checked)?);
        let mut open = self.open.lock();
        open.checked.insert(meta.path.clone(), meta.blake3.clone());
        open.uses += 1;
        let now = open.uses;
        open.files.insert(meta.path.clone(), (file.clone(), now));
        while open.files.len() > self.limit {
            let oldest = open.files.iter().min_by_key(|(_, (_, used))| *used);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else { break };
            open.files.remove(&path);
        }
        Ok(file)
    }

    fn cached(&self, meta: &Arc<SegmentMeta>) -> Option<Arc<SegmentFile>> {
        let mut open = self.open.lock();
        open.uses += 1;
        let now = open.uses;
        let (file, used) = open.files.get_mut(&meta.path)?;
        *used = now;
        (file.meta().blake3 == meta.blake3).then(|| file.clone())
    }

    /// One signal's folds of a tier whose buckets begin from `from` to `to`. Hours and days are
    /// read whole and kept, for whoever asks for one signal's asks for others' too.
    pub(crate) fn folds(
        &self,
        meta: &Arc<SegmentMeta>,
        tier: Tier,
        signal: SignalId,
        (from, to): (i64, i64),
    ) -> Result<Vec<(i64, Fold)>, SegmentError> {
        let file = self.open(meta)?;
        let spans = file.tiers().of(tier);
        let count = spans
            .first()
            .zip(spans.last())
            .map_or(0, |(first, last)| (last.first + last.rows).saturating_sub(first.first));
        if tier == Tier::Minute || count > FOLDS_CACHED_MAX as u64 / 4 {
            return file.folds(tier, signal, (from, to));
        }
        let Some(span) = file.fold_span(tier, signal) else { return Ok(Vec::new()) };
        let all = self.tier(&file, tier)?;
        let mine = all.get(span.first as usize..(span.first + span.rows) as usize);
        let mine = mine.unwrap_or_default();
        let first = mine.partition_point(|(start, _)| *start < from);
        let end = mine.partition_point(|(start, _)| *start <= to);
        Ok(mine.get(first..end).unwrap_or_default().to_vec())
    }

    fn tier(&self, file: &SegmentFile, tier: Tier) -> Result<Arc<TierFolds>, SegmentError> {
        let key = (file.meta().blake3.clone(), tier);
        {
            let mut cached = self.cached.lock();
            cached.uses += 1;
            let now = cached.uses;
            if let Some((folds, used)) = cached.tiers.get_mut(&key) {
                *used = now;
                return Ok(folds.clone());
            }
        }
        let folds: Arc<TierFolds> = file.folds_all(tier)?.into();
        let mut cached = self.cached.lock();
        let now = cached.uses;
        cached.folds += folds.len();
        if let Some((old, _)) = cached.tiers.insert(key, (folds.clone(), now)) {
            cached.folds -= old.len();
        }
        while cached.folds > FOLDS_CACHED_MAX {
            let oldest = cached.tiers.iter().min_by_key(|(_, (_, used))| *used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some((old, _)) = cached.tiers.remove(&key) {
                cached.folds -= old.len();
            }
        }
        Ok(folds)
    }

    /// Closes a segment that is no longer part of the manifest.
    pub(crate) fn forget(&self, path: &str) {
        let mut open = self.open.lock();
        open.files.remove(path);
        open.checked.remove(path);
    }
}
