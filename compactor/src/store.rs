//! The open segments: each is opened and checked once, and the longest unused is closed again.
//!
//! Opening blocks on the disk and happens outside the lock.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use parx_log::SegmentMeta;

use crate::{SegmentError, SegmentFile};

/// Segments that are kept open; beyond it the longest unused is closed.
pub const OPEN_FILES_MAX: usize = 512;

#[derive(Debug, Default)]
struct Open {
    files: HashMap<String, (Arc<SegmentFile>, u64)>,
    /// Hashes of the files that were found to be as published: one for each file of the manifest.
    checked: HashMap<String, String>,
    uses: u64,
}

/// The segments of one data folder. Cheap to clone; clones share the open files.
#[derive(Clone, Debug)]
pub struct SegmentStore {
    root: Arc<Path>,
    limit: usize,
    open: Arc<Mutex<Open>>,
}

impl SegmentStore {
    /// The segments of the data folder `root`; neither need exist yet.
    pub fn new(root: impl Into<PathBuf>) -> SegmentStore {
        SegmentStore::with_limit(root, OPEN_FILES_MAX)
    }

    /// As `new`, with another limit than [`OPEN_FILES_MAX`].
    pub fn with_limit(root: impl Into<PathBuf>, limit: usize) -> SegmentStore {
        SegmentStore { root: root.into().into(), limit: limit.max(1), open: Arc::default() }
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

    /// Closes a segment that is no longer part of the manifest.
    pub(crate) fn forget(&self, path: &str) {
        let mut open = self.open.lock();
        open.files.remove(path);
        open.checked.remove(path);
    }
}
