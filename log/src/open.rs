//! Opening a data folder: guards, store, fold, watermark, in that order.
//!
//! Until everything is found to be right nothing is changed but a torn tail, which is cut off.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::codec::DecodeError;
use crate::fold::Fold;
use crate::folder::{FOLDER_VERSION, Folder};
use crate::guard::{Guard, GuardError, TornTail};
use crate::last::LastValues;
use crate::state::{LogOptions, Shared, Snapshot};
use crate::store::Store;
use crate::tail::Tail;
use crate::watermark::WatermarkError;
use crate::{Clock, Sequence};

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
    #[error("the data folder has version '{found}'; this ParX reads up to {FOLDER_VERSION}")]
    Version {
        /// What stands in its version file.
        found: String,
    },
    /// Put the file back from a backup, or let `parx repair` look at the folder.
    #[error(
        "the data folder {0} holds a log but has lost its file VERSION; put it back from a backup, \
         or let `parx repair` look at the folder"
    )]
    NoVersion(PathBuf),
    /// The watermark is not sound: see there.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
    /// Acknowledged entries are missing: restore from a backup, or let `parx repair` go on without.
    #[error(
        "the log ends at sequence {last}, but it has reached {watermark}: what was acknowledged in \
         between is missing; restore the data folder from a backup, or let `parx repair` go on \
         without it"
    )]
    Short {
        /// The last entry that is there.
        last: Sequence,
        /// The last entry that was durable.
        watermark: Sequence,
    },
    /// The storage is damaged: restore from a backup, or let `parx repair` look at it.
    #[error("entry {0} is missing or is not the one that was written, says the watermark")]
    Replaced(Sequence),
    /// The storage is damaged: restore from a backup, or let `parx repair` look at it.
    #[error("the log's store has lost its keyspace '{0}'")]
    Keyspace(&'static str),
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
        match error {
            fjall::Error::Locked => GuardError::InUse.into(),
            error => OpenError::Store(error.to_string()),
        }
    }
}

/// What the committer begins with.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    pub(crate) producers: HashMap<String, (u64, u64)>,
    pub(crate) changes_since_snapshot: u64,
    /// Tells that there is something new to mark.
    pub(crate) news: Receiver<()>,
}

pub(crate) fn open(options: LogOptions, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
    let folder = Folder::prepare(&options.folder)?;
    let trusting = options.switches.trust_disk;
    let durable = folder.durable().filter(|_| !trusting);
    let log = options.folder.join("log");
    let filled = durable.is_some_and(|head| head.sequence > Sequence::ZERO);
    let guarded = match trusting {
        true => Ok(()),
        false => guard(&log, durable.map(|head| head.sequence)),
    };
    let store = guarded.map_err(OpenError::from).and_then(|()| Store::open(&log, filled)).map_err(
        |error| match error {
            OpenError::Guard(GuardError::InUse) => OpenError::InUse(options.folder.clone()),
            error => error,
        },
    )?;
    let last_values = LastValues::default();
    let mut fold = Fold::read(&store, durable, &last_values, clock.now(), trusting)?;
    tracing::debug!(last = %fold.head.sequence, "the log is folded");
    let producers = store.batches()?.into_iter();
    let producers = producers.map(|b| (b.producer, (b.epoch, b.sequence))).collect();
    let watermark = folder.finish(&options.folder, fold.head)?;
    for epoch in fold.done {
        store.drop_epoch(epoch)?;
    }
    if fold.tails.last().is_none_or(|tail| tail.last().is_some()) {
        let first = fold.head.sequence.next();
        store.create_epoch(first)?;
        fold.tails.push(Arc::new(Tail::new(first, clock.now())));
    }
    store.set_head(fold.head);
    let snapshot = Snapshot {
        catalog: Arc::new(fold.catalog),
        sequence: fold.head.sequence,
        recorded_at: fold.recorded_at,
        tails: fold.tails,
    };
    let (sender, news) = sync_channel(1);
    let shared = Shared::new(options, store, clock, snapshot, last_values, (watermark, sender));
    Ok(Opened { shared, producers, changes_since_snapshot: fold.changes, news })
}

/// Looks at the store's files before the store does, and cuts a torn tail off.
fn guard(folder: &Path, durable: Option<Sequence>) -> Result<(), GuardError> {
    let guard = Guard::lock(folder)?;
    let found = guard.check(durable)?;
    tracing::debug!(bytes = found.bytes, "the store's files are sound");
    if let Some(TornTail { file, offset }) = &found.torn {
        let file = file.display();
        tracing::info!(%file, offset, "a write that was not finished is cut off");
    }
    guard.mend(&found)
}
