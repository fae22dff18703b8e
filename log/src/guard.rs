//! What is looked at before the store opens its folder, so that it cannot lose anything silently.
//!
//! fjall cuts a journal at the first bad batch and removes what its lists do not name. So journals
//! and tables are checked first: a torn tail, which nobody was told is safe, is cut off; any other
//! damage is refused with file and offset, and nothing is changed (L6).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Sequence;
use crate::journal::{Journal, scan};
use crate::store::FIXED;
use crate::tables::{self, damaged, failed, list};

/// What fjall writes into its version file.
const STORE_VERSION: &[u8] = b"FJL\x03";
/// How often and how long a folder in use is tried again: the one before may be closing it.
const LOCK_TRIES: u32 = 30;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Why the store must not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Look at the path, its owner and its rights.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process has the folder.
    #[error("the log is in use by another ParX")]
    InUse,
    /// Restore the data folder from a backup, or let `parx repair` say what can be saved.
    #[error(
        "{} is damaged at byte {offset}: {what}. Nothing was changed; restore the data folder \
         from a backup, or let `parx repair` say what can be saved",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

/// A torn tail: the end of a write that was not finished and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The journal.
    pub file: PathBuf,
    /// Where the unfinished write begins.
    pub offset: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) torn: Option<TornTail>,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// The store was never finished being made, and holds nothing.
    pub(crate) unmade: bool,
    /// What is damaged.
    pub(crate) damage: Vec<GuardError>,
}

/// Whether a store was finished being made.
enum Made {
    Sound,
    Unfinished,
    Damaged(GuardError),
}

/// The folder of a store, locked against other processes.
pub(crate) struct Guard {
    folder: PathBuf,
    _lock: Option<File>,
}

impl Guard {
    /// Locks the store in `folder`, if there is one.
    pub(crate) fn lock(folder: &Path) -> Result<Guard, GuardError> {
        let path = folder.join("lock");
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path)(error)),
        };
        for _ in 0..LOCK_TRIES {
            match file.as_ref().map_or(Ok(()), File::try_lock) {
                Ok(()) => return Ok(Guard { folder: folder.to_owned(), _lock: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
                Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
            }
        }
        Err(GuardError::InUse)
    }

    /// Looks at everything and changes nothing. `durable` is the newest entry that is known to be
    /// on the disk. Refuses the first damage.
    pub(crate) fn check(&self, durable: Option<Sequence>) -> Result<Found, GuardError> {
        let mut found = self.examine(durable)?;
        match found.damage.is_empty() {
            true => Ok(found),
            false => Err(found.damage.swap_remove(0)),
        }
    }

    /// As `check`, but tells all damage.
    pub(crate) fn examine(&self, durable: Option<Sequence>) -> Result<Found, GuardError> {
        let mut found = Found::default();
        let journals = journals(&self.folder, &mut found.damage)?;
        let (mut read, mut before) = (Vec::new(), None);
        for path in &journals {
            let file = File::open(path).map_err(failed(path))?;
            let journal = scan(file, before).map_err(failed(path))?;
            before = journal.number;
            found.bytes += journal.valid;
            read.push(journal);
        }
        let filled = read.iter().any(|journal| journal.number.is_some());
        match self.is_made(filled)? {
            Made::Sound if journals.is_empty() => {
                found.damage.push(damaged(&self.folder, "its journals are missing"));
            }
            Made::Sound => {}
            Made::Unfinished => return Ok(Found { unmade: true, ..found }),
            Made::Damaged(error) => found.damage.push(error),
        }
        let place = |place: usize| journals.get(place).cloned().unwrap_or_default();
        match judge(&read, durable) {
            Verdict::Sound => {}
            Verdict::Torn { place: which, offset } => {
                found.torn = Some(TornTail { file: place(which), offset });
            }
            Verdict::Damaged { place: which, offset, what } => {
                found.damage.push(GuardError::Damaged { file: place(which), offset, what });
            }
        }
        // What is durable was written when the keyspaces that every store has were there.
        let needed = if durable > Some(Sequence::ZERO) { FIXED.len() as u64 } else { 0 };
        found.bytes += tables::check(&self.folder, filled, needed, &mut found.damage)?;
        Ok(found)
    }

    /// True if the store was finished being made: its version file is written behind everything
    /// else that an empty store has.
    fn is_made(&self, filled: bool) -> Result<Made, GuardError> {
        let version = self.folder.join("version");
        let found = match fs::read(&version) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&version)(error)),
        };
        if found == STORE_VERSION {
            return Ok(Made::Sound);
        }
        let empty = !filled && list(&self.folder.join("keyspaces"))?.is_empty();
        Ok(match empty && STORE_VERSION.starts_with(&found) {
            true => Made::Unfinished,
            false => Made::Damaged(damaged(&version, "it is not what the store writes")),
        })
    }

    /// Cuts the torn tail off, and removes a store that was never finished being made.
    pub(crate) fn mend(&self, found: &Found) -> Result<(), GuardError> {
        if let Some(TornTail { file, offset }) = &found.torn {
            let cut = || {
                let file = OpenOptions::new().write(true).open(file)?;
                file.set_len(*offset)?;
                file.sync_all()
            };
            cut().map_err(failed(file))?;
        }
        if found.unmade {
            let version = self.folder.join("version");
            for path in journals(&self.folder, &mut vec![])?.into_iter().chain([version]) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed(&path)(error));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// The journals of a store in the order in which they were written, without a gap.
pub(crate) fn journals(
    folder: &Path,
    damage: &mut Vec<GuardError>,
) -> Result<Vec<PathBuf>, GuardError> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for path in list(folder)? {
        if path.extension().is_some_and(|extension| extension == "jnl") {
            match path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) {
                Some(number) => found.push((number, path)),
                None => damage.push(damaged(&path, "its name is not a number")),
            }
        }
    }
    found.sort();
    for pair in found.windows(2) {
        if let [(number, _), (next, path)] = pair
            && number + 1 != *next
        {
            damage.push(damaged(path, "the journal before it is missing"));
        }
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// What the journals of a store are found to be.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Sound,
    Torn { place: usize, offset: u64 },
    Damaged { place: usize, offset: u64, what: &'static str },
}

/// A fault is a torn tail only at the very end of the last journal, for the ones before were synced
/// when they were closed; and only if what is missing was not known to be durable.
fn judge(journals: &[Journal], durable: Option<Sequence>) -> Verdict {
    let Some(place) = journals.iter().position(|journal| journal.fault.is_some()) else {
        return Verdict::Sound;
    };
    let Some((journal, fault)) = journals.get(place).and_then(|j| Some((j, j.fault.as_ref()?)))
    else {
        return Verdict::Sound;
    };
    let offset = journal.valid;
    let damaged = |what| Verdict::Damaged { place, offset, what };
    if fault.valid_after.is_some() || place + 1 < journals.len() {
        return damaged(fault.what);
    }
    let reached = journals.iter().filter_map(|journal| journal.reached).max();
    let lost = match (reached, fault.reached) {
        (_, Some(named)) if Some(named) <= durable => true,
        (Some(reached), _) => Some(reached) < durable,
        (None, _) => false,
    };
    match lost {
        true => damaged("an acknowledged write is not what was written"),
        false => Verdict::Torn { place, offset },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Fault;

    fn journal(reached: Option<u64>, fault: Option<(Option<u64>, Option<u64>)>) -> Journal {
        Journal {
            valid: 100,
            number: Some(9),
            reached: reached.map(Sequence),
            fault: fault.map(|(reached, valid_after)| Fault {
                what: "bad",
                reached: reached.map(Sequence),
                valid_after,
            }),
            ..Journal::default()
        }
    }

    #[test]
    fn only_an_unfinished_last_write_is_torn() {
        let torn = Verdict::Torn { place: 0, offset: 100 };
        let bad = |what| Verdict::Damaged { place: 0, offset: 100, what };
        let lost = "an acknowledged write is not what was written";
        // What the journal reached; the bad batch's entry and what follows it; what is durable.
        let table = [
            (Some(5), None, Some(5), Verdict::Sound),
            (Some(5), Some((Some(6), None)), Some(5), torn),
            (Some(5), Some((None, None)), Some(5), Verdict::Torn { place: 0, offset: 100 }),
            (Some(5), Some((None, None)), None, Verdict::Torn { place: 0, offset: 100 }),
            (None, Some((None, None)), Some(5), Verdict::Torn { place: 0, offset: 100 }),
            (Some(5), Some((Some(6), Some(300))), Some(5), bad("bad")),
            (Some(5), Some((Some(6), None)), Some(6), bad(lost)),
            (Some(5), Some((None, None)), Some(6), bad(lost)),
            (None, Some((Some(6), None)), Some(6), bad(lost)),
        ];
        for (number, (reached, fault, durable, verdict)) in table.into_iter().enumerate() {
            let journals = [journal(reached, fault)];
            assert_eq!(judge(&journals, durable.map(Sequence)), verdict, "L6: case {number}");
        }
    }

    #[test]
    fn a_fault_in_a_closed_journal_is_damage() {
        let journals = [journal(Some(5), Some((None, None))), Journal::default()];
        let damaged = Verdict::Damaged { place: 0, offset: 100, what: "bad" };
        assert_eq!(judge(&journals, None), damaged, "L6");
    }
}
