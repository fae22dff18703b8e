//! `parx repair`, the log's part: what can be done about a damaged log, and doing it.
//!
//! Whatever can be read is kept, in a new store; the damaged one is set aside, never deleted. Where
//! an entry is lost a change says so in its place, so that sequences stay dense (L1) and the loss
//! is part of the history. Segments are not its business.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::chain::Head;
use crate::fold::Fold;
use crate::folder::{Folder, write_version};
use crate::guard::{Found, Guard, GuardError, TornTail};
use crate::last::LastValues;
use crate::rebuild::{LOST_ENTRIES_MAX, Rebuild};
use crate::rescue::Rescue;
use crate::store::Store;
use crate::verify::LogReport;
use crate::watermark::{Watermark, WatermarkError};
use crate::{Catalog, OpenError, SegmentMeta, Timestamp};

/// Folders beside the store: the copy that is read, and the new store.
const SCRATCH: &str = "repair.tmp";
const FRESH: &str = "log.new";

/// Why a log could not be repaired. The damaged one is still there.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Stop the server, or look at the path and its rights.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The new store could not be made: look at the path and the free space.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The watermark could not be made: look at the path and its rights.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
    /// Look at the path, its rights and the free space.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Restore from a backup: next to nothing of the log is left.
    #[error("{lost} entries are lost, more than {LOST_ENTRIES_MAX}; restore from a backup")]
    TooMuch {
        /// How many.
        lost: u64,
    },
    /// A fault of ParX.
    #[error("a change could not be written down: {0}")]
    Encode(#[from] serde_json::Error),
}

impl From<fjall::Error> for RepairError {
    fn from(error: fjall::Error) -> RepairError {
        RepairError::Open(error.into())
    }
}

/// What would be done to a log, and what would be lost.
#[derive(Debug)]
pub struct LogRepair {
    /// What would be done, in words, in this order.
    pub actions: Vec<String>,
    /// What cannot be saved, in words.
    pub losses: Vec<String>,
    /// The published segments as they will be, if the log is made anew.
    pub catalog: Option<Catalog>,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    Nothing,
    Cut(TornTail),
    Mark,
    Rebuild(Box<Rebuild>),
}

impl LogRepair {
    /// Finds out what can be done about what `report` tells of the log in `folder`. `found` are
    /// segments that are there and that the manifest does not name.
    pub fn plan(
        folder: &Path,
        report: &LogReport,
        found: &[SegmentMeta],
    ) -> Result<LogRepair, RepairError> {
        let log = folder.join("log");
        let new = |plan, actions| LogRepair { actions, losses: vec![], catalog: None, plan };
        match (report.faults.len() as u64 - report.folder_faults, &report.torn) {
            (0, _) if report.folder_faults > 0 => {
                let action = "write VERSION and a new watermark: the log is whole".to_owned();
                Ok(new(Plan::Mark, vec![action]))
            }
            (0, None) => Ok(new(Plan::Nothing, vec![])),
            (0, Some(torn)) => {
                let (file, offset) = (torn.file.display(), torn.offset);
                let action = format!("cut {file} at byte {offset}, where an unfinished write is");
                Ok(new(Plan::Cut(torn.clone()), vec![action]))
            }
            (_, _) => {
                let guard = Guard::lock(&log)?;
                let durable = Folder::look(folder).ok().and_then(|folder| folder.durable());
                let damage = guard.examine(durable.map(|head| head.sequence))?.damage;
                let rescue = Rescue::read(&log, &folder.join(SCRATCH), &damage)?;
                let rebuild = Rebuild::plan(rescue, durable, found)?;
                Ok(LogRepair {
                    actions: rebuild.actions(),
                    losses: rebuild.losses(),
                    catalog: Some(rebuild.catalog()),
                    plan: Plan::Rebuild(Box::new(rebuild)),
                })
            }
        }
    }

    /// Does it. What is replaced goes to the folder `quarantine`.
    pub fn apply(self, folder: &Path, quarantine: &Path) -> Result<(), RepairError> {
        let log = folder.join("log");
        match self.plan {
            Plan::Nothing => Ok(()),
            Plan::Cut(torn) => {
                let guard = Guard::lock(&log)?;
                Ok(guard.mend(&Found { torn: Some(torn), ..Found::default() })?)
            }
            Plan::Mark => {
                let guard = Guard::lock(&log)?;
                let found = guard.examine(None)?;
                guard.mend(&found)?;
                drop(guard);
                let store = Store::open(&log, false)?;
                let last_values = LastValues::default();
                mark(folder, Fold::read(&store, None, &last_values, Timestamp::MIN, false)?.head)
            }
            Plan::Rebuild(rebuild) => {
                let fresh = folder.join(FRESH);
                let head = rebuild.write(&fresh)?;
                let _guard = Guard::lock(&log)?;
                let moved = || {
                    fs::create_dir_all(quarantine)?;
                    fs::rename(&log, quarantine.join("log"))?;
                    fs::rename(&fresh, &log)?;
                    File::open(folder)?.sync_all()
                };
                moved().map_err(|error| RepairError::Io { path: log.clone(), error })?;
                mark(folder, head)
            }
        }
    }
}

/// Makes the folder's own files anew.
fn mark(folder: &Path, head: Head) -> Result<(), RepairError> {
    Watermark::remove(folder)?;
    Watermark::open(folder)?.write_both(head)?;
    write_version(folder).map_err(|error| RepairError::Io { path: folder.to_owned(), error })
}
