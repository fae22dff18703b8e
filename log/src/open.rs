//! Opening a data folder: reads what is there, checks it, and folds it into memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::{self, DecodeError};
use crate::committer::{CATALOG, LAST_VALUES, LAST_VALUES_1, touch_last_values};
use crate::guard::{Guard, GuardError, TornTail};
use crate::last::LastValues;
use crate::state::{LogOptions, Shared, Snapshot};
use crate::store::Store;
use crate::tail::Tail;
use crate::{Catalog, Change, Clock, Event, Sequence, Timestamp, snapshot};

/// Version of the data folder that this ParX writes and reads.
pub const FOLDER_VERSION: u32 = 1;
/// Entries read at a time.
const CHUNK: usize = 1024;

/// Why a data folder could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Check the path and its rights.
    #[error("cannot use the data folder {folder}: {error}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Stop the other ParX, or give this one a folder of its own.
    #[error("the data folder {0} is in use by another ParX; stop that one or name another folder")]
    InUse(PathBuf),
    /// Use the ParX that wrote it, or a newer one.
    #[error("the data folder has version '{found}'; this ParX reads version {FOLDER_VERSION}")]
    Version {
        /// What stands in its version file.
        found: String,
    },
    /// The store's files are not sound: see there.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The storage is damaged: restore from a backup.
    #[error(transparent)]
    Entry(#[from] DecodeError),
    /// The storage is damaged: restore from a backup.
    #[error("the log has a gap: after sequence {after} comes {found}")]
    Gap {
        /// The last one before the gap.
        after: Sequence,
        /// The first one behind it.
        found: Sequence,
    },
    /// The store's own complaint.
    #[error("the log's store cannot be opened: {0}")]
    Store(String),
}

impl From<fjall::Error> for OpenError {
    fn from(error: fjall::Error) -> OpenError {
        OpenError::Store(error.to_string())
    }
}

/// What the committer begins with.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    pub(crate) producers: HashMap<String, (u64, u64)>,
    pub(crate) changes_since_snapshot: u64,
}

pub(crate) fn open(options: LogOptions, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
    check_folder(&options.folder)?;
    let folder = options.folder.join("log");
    guard(&folder).map_err(|error| match error {
        GuardError::InUse => OpenError::InUse(options.folder.clone()),
        error @ (GuardError::Io { .. } | GuardError::Damaged { .. }) => error.into(),
    })?;
    let store = Store::open(&folder).map_err(|error| match error {
        fjall::Error::Locked => OpenError::InUse(options.folder.clone()),
        error => error.into(),
    })?;
    let mut fold = Fold::begin(&store)?;
    let changes_since_snapshot = fold.changes(&store)?;
    let last_values = LastValues::default();
    let tails = fold.samples(&store, &last_values, clock.now())?;
    fold.touched.iter().for_each(|(at, change)| touch_last_values(&last_values, *at, change));
    fold.check_dense()?;
    let producers = store.batches()?.into_iter();
    let producers = producers.map(|b| (b.producer, (b.epoch, b.sequence))).collect();
    let snapshot = Snapshot {
        catalog: Arc::new(fold.catalog),
        sequence: fold.last,
        recorded_at: fold.recorded_at,
        tails,
    };
    let shared = Shared::new(options, store, clock, snapshot, last_values);
    Ok(Opened { shared, producers, changes_since_snapshot })
}

/// Looks at the store's files before the store does, and cuts a torn tail off.
fn guard(folder: &Path) -> Result<(), GuardError> {
    let guard = Guard::lock(folder)?;
    let found = guard.check(None)?;
    tracing::debug!(bytes = found.bytes, "the store's files are sound");
    if let Some(TornTail { file, offset }) = &found.torn {
        let file = file.display();
        tracing::info!(%file, offset, "a write that was not finished is cut off");
    }
    guard.mend(&found)
}

/// Makes the folder if it is not there, and checks its version (L4).
fn check_folder(folder: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Folder { folder: folder.to_owned(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = folder.join("VERSION");
    match std::fs::read_to_string(&file) {
        Ok(text) if text.trim() == FOLDER_VERSION.to_string() => Ok(()),
        Ok(text) => Err(OpenError::Version { found: text.trim().to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = folder.join("VERSION.new");
            std::fs::write(&fresh, format!("{FOLDER_VERSION}\n")).map_err(failed)?;
            std::fs::File::open(&fresh).and_then(|f| f.sync_all()).map_err(failed)?;
            std::fs::rename(&fresh, &file).map_err(failed)?;
            std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The fold of the log while it is read.
struct Fold {
    catalog: Catalog,
    last: Sequence,
    recorded_at: Timestamp,
    /// Sequences behind what segments hold, to be found dense (L1).
    seen: Vec<Sequence>,
    /// Changes behind what segments hold.
    touched: Vec<(Sequence, Arc<Change>)>,
}

impl Fold {
    fn begin(store: &Store) -> Result<Fold, OpenError> {
        let stored = store.snapshot(CATALOG)?;
        let catalog = stored.as_deref().and_then(snapshot::decode);
        if stored.is_some() && catalog.is_none() {
            tracing::warn!("the catalog's snapshot is not readable; folding the log from zero");
        }
        let catalog = catalog.map_or_else(Catalog::default, Arc::unwrap_or_clone);
        let last = catalog.sequence;
        Ok(Fold { catalog, last, recorded_at: Timestamp::MIN, seen: vec![], touched: vec![] })
    }

    /// Folds the changes behind the snapshot; answers how many. Reads from where the segments end,
    /// which is before the snapshot, so that density can be checked over all that follows.
    fn changes(&mut self, store: &Store) -> Result<u64, OpenError> {
        let (mut count, folded) = (0, self.catalog.sequence);
        let mut after = self.catalog.manifest.through;
        loop {
            let chunk = store.changes(after, CHUNK)?;
            let Some((newest, _)) = chunk.last() else { return Ok(count) };
            after = *newest;
            for (sequence, bytes) in chunk {
                let entry = codec::decode(sequence, &bytes)?;
                self.see(sequence, entry.recorded_at);
                let Event::Change(change) = &entry.event else { continue };
                self.touched.push((sequence, change.clone()));
                if sequence > folded {
                    self.catalog.apply(sequence, change);
                    count += 1;
                }
            }
        }
    }

    /// Builds one tail per epoch from the samples that no segment holds; drops the others.
    fn samples(
        &mut self,
        store: &Store,
        last_values: &LastValues,
        now: Timestamp,
    ) -> Result<Vec<Arc<Tail>>, OpenError> {
        let through = self.catalog.manifest.through;
        if let Some(bytes) = store.snapshot(LAST_VALUES)?
            && let Some((at, bytes)) = bytes.split_first_chunk::<8>()
        {
            last_values.restore(Sequence(u64::from_be_bytes(*at)), bytes)?;
        } else if let Some(bytes) = store.snapshot(LAST_VALUES_1)?
            && let Some((at, bytes)) = bytes.split_first_chunk::<8>()
        {
            let at = Sequence(u64::from_be_bytes(*at));
            last_values.restore(at, &LastValues::from_version_1(bytes))?;
        }
        let epochs = store.epochs();
        let mut tails: Vec<Arc<Tail>> = Vec::new();
        for (place, first) in epochs.iter().enumerate() {
            let end = epochs.get(place + 1).map(|next| Sequence(next.0 - 1));
            if end.is_some_and(|end| end <= through) {
                store.drop_epoch(*first)?;
                continue;
            }
            let tail = Tail::new(*first, now);
            self.epoch(store, &tail, through, last_values)?;
            if let Some(end) = end {
                tail.seal(end);
            }
            tails.push(Arc::new(tail));
        }
        if tails.last().is_none_or(|tail| tail.last().is_some()) {
            let first = self.last.next();
            store.create_epoch(first)?;
            tails.push(Arc::new(Tail::new(first, now)));
        }
        Ok(tails)
    }

    fn epoch(
        &mut self,
        store: &Store,
        tail: &Tail,
        through: Sequence,
        last_values: &LastValues,
    ) -> Result<(), OpenError> {
        let mut after = through;
        loop {
            let chunk = store.samples(tail.first, after, CHUNK)?;
            let Some((newest, _)) = chunk.last() else { return Ok(()) };
            after = *newest;
            for (sequence, bytes) in chunk {
                let entry = codec::decode(sequence, &bytes)?;
                self.see(sequence, entry.recorded_at);
                if let Event::Samples(samples) = &entry.event {
                    tail.append(sequence, entry.recorded_at, samples, bytes.len() as u64);
                    last_values.append(sequence, samples);
                }
            }
        }
    }

    fn see(&mut self, sequence: Sequence, at: Timestamp) {
        self.seen.push(sequence);
        self.last = self.last.max(sequence);
        self.recorded_at = self.recorded_at.max(at);
    }

    /// L1: what the log holds behind the segments is dense.
    fn check_dense(&mut self) -> Result<(), OpenError> {
        self.seen.retain(|sequence| *sequence > self.catalog.manifest.through);
        self.seen.sort_unstable();
        let mut after = self.catalog.manifest.through;
        for found in &self.seen {
            if *found != after.next() {
                return Err(OpenError::Gap { after, found: *found });
            }
            after = *found;
        }
        Ok(())
    }
}
