//! A copy of the store to look into: looking at a damaged store must not change it.
//!
//! fjall changes what it opens. So its tables, which it only ever removes, are linked into a folder
//! beside it, and of the journals everything valid is copied, also what lies behind damage.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::guard::GuardError;
use crate::salvage::{Placed, salvage};
use crate::tables::{failed, list};

/// Where the number of a batch is behind its start.
const NUMBER_AT: u64 = 5;

/// A copy that is removed when it is dropped.
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is found by its name and does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Scratch {
    /// Copies the store in `log` to the folder `into`, which is made anew.
    pub(crate) fn copy(log: &Path, into: PathBuf) -> Result<Scratch, GuardError> {
        if into.exists() {
            fs::remove_dir_all(&into).map_err(failed(&into))?;
        }
        fs::create_dir_all(&into).map_err(failed(&into))?;
        let scratch = Scratch { folder: into };
        for path in list(log)? {
            let Some(name) = path.file_name() else { continue };
            let to = scratch.folder.join(name);
            if path.is_dir() {
                link_all(&path, &to)?;
            } else if name == "lock" {
                File::create(&to).map_err(failed(&to))?;
            } else if path.extension().is_some_and(|extension| extension == "jnl") {
                copy_journal(&path, &to).map_err(failed(&path))?;
            } else {
                fs::copy(&path, &to).map_err(failed(&path))?;
            }
        }
        Ok(scratch)
    }

    /// The copy.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Links every file below a folder, or copies it where there are no links.
fn link_all(from: &Path, to: &Path) -> Result<(), GuardError> {
    fs::create_dir_all(to).map_err(failed(to))?;
    for path in list(from)? {
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if path.is_dir() {
            link_all(&path, &target)?;
        } else if fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// Copies the valid batches of a journal, with numbers that ascend.
fn copy_journal(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let batches = salvage(&source)?.batches;
    let mut target = File::create(to)?;
    let numbers = ascending(&batches);
    let mut next = 0;
    while let Some(first) = batches.get(next) {
        // As many at a time as lie side by side.
        let rest = batches.get(next..).unwrap_or_default();
        let pairs = rest.iter().zip(rest.iter().skip(1));
        let more = pairs.take_while(|(batch, next)| batch.end == next.start).count();
        let end = rest.get(more).map_or(first.end, |batch| batch.end);
        source.seek(SeekFrom::Start(first.start))?;
        io::copy(&mut (&source).take(end - first.start), &mut target)?;
        next += more + 1;
    }
    let mut place = 0;
    for (batch, number) in batches.iter().zip(numbers) {
        if batch.number != number {
            target.seek(SeekFrom::Start(place + NUMBER_AT))?;
            target.write_all(&number.to_le_bytes())?;
        }
        place += batch.end - batch.start;
    }
    target.sync_all()
}

/// The numbers of batches, those corrected that do not ascend: they are not part of any checksum.
fn ascending(batches: &[Placed]) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::with_capacity(batches.len());
    for (place, batch) in batches.iter().enumerate() {
        let before = numbers.last().copied();
        let next = batches.get(place + 1).map(|next| next.number);
        let low = before.is_some_and(|before| batch.number <= before);
        // Too large only if the next two fit to the one before.
        let then = batches.get(place + 2).map(|then| then.number);
        let fits = |next: u64| {
            next <= batch.number
                && before.is_none_or(|before| next > before + 1)
                && then.is_none_or(|then| then > next && then <= batch.number)
        };
        let high = next.is_some_and(fits);
        numbers.push(match (low, high, before) {
            (false, false, _) => batch.number,
            (_, _, Some(before)) => before + 1,
            (_, _, None) => next.unwrap_or(batch.number).saturating_sub(1),
        });
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_ascend_are_corrected() {
        let table: [(&[u64], &[u64]); 6] = [
            (&[], &[]),
            (&[3, 4, 9], &[3, 4, 9]),
            (&[3, 1 << 40, 5, 6], &[3, 4, 5, 6]),
            (&[3, 0, 5], &[3, 4, 5]),
            (&[1 << 40, 4, 5], &[3, 4, 5]),
            (&[3, 4, 1], &[3, 4, 5]),
        ];
        for (numbers, wanted) in table {
            let batch = |number: &u64| Placed { start: 0, end: 0, number: *number };
            let batches: Vec<Placed> = numbers.iter().map(batch).collect();
            assert_eq!(ascending(&batches), wanted, "{numbers:?}");
        }
    }
}
