//! The only file that names fjall: keyspaces, atomic batches, fsync.
//!
//! Sample entries lie in one keyspace per epoch, which is dropped whole once segments hold it;
//! changes lie in one that stays for ever. It knows keys and bytes, not what they mean.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, UserValue};
use parking_lot::{Mutex, RwLock};

use crate::OpenError;
use crate::chain::Head;
use crate::{BatchId, Sequence};

/// Keyspaces that every store has, in the order in which they were made: their numbers are 1 to 4.
pub(crate) const FIXED: [&str; 4] = ["changes", "batches", "snapshots", "tick"];

/// Above any epoch's size, so that an epoch is never flushed into tables: it is written once.
const MEMTABLE_BYTES: u64 = 1 << 30;
/// Most bytes of journals before fjall flushes by itself: several epochs.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// How often it is looked whether fjall is done with its own writing.
const SETTLE_EVERY: Duration = Duration::from_millis(1);
/// How long fjall's own writing may take before the store is taken for stuck.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// What one commit writes, all or nothing.
#[derive(Default)]
pub(crate) struct Commit {
    pub(crate) samples: Option<(Sequence, Vec<u8>)>,
    pub(crate) changes: Vec<(Sequence, Vec<u8>)>,
    pub(crate) batches: Vec<BatchId>,
    pub(crate) snapshots: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) struct Store {
    database: Database,
    changes: Keyspace,
    batches: Keyspace,
    snapshots: Keyspace,
    tick: Keyspace,
    epochs: RwLock<BTreeMap<Sequence, Keyspace>>,
    /// Where the chain ends.
    head: Mutex<Head>,
}

/// An entry with its links, as it lies in the store.
pub(crate) type Stored = Result<(Sequence, UserValue), fjall::Error>;

/// Options of every keyspace: none is flushed but where [`Store::drop_epoch`] says so.
fn plain() -> KeyspaceCreateOptions {
    let none = CompressionPolicy::all(CompressionType::None);
    let options = KeyspaceCreateOptions::default().data_block_compression_policy(none);
    options.max_memtable_size(MEMTABLE_BYTES)
}

fn epoch_name(first: Sequence) -> String {
    format!("ev-{:020}", first.0)
}

impl Store {
    /// Opens the store. With `filled` it must have every keyspace that stores have.
    pub(crate) fn open(folder: &Path, filled: bool) -> Result<Store, OpenError> {
        let database = Database::builder(folder)
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        let mut epochs = BTreeMap::new();
        let names = database.list_keyspace_names();
        if let Some(missing) = FIXED.iter().find(|name| !names.iter().any(|n| &**n == **name))
            && filled
        {
            return Err(OpenError::Keyspace(missing));
        }
        for name in names {
            if let Some(first) = name.strip_prefix("ev-").and_then(|n| n.parse().ok()) {
                epochs.insert(Sequence(first), database.keyspace(&name, plain)?);
            }
        }
        let store = Store {
            changes: database.keyspace("changes", plain)?,
            batches: database.keyspace("batches", plain)?,
            snapshots: database.keyspace("snapshots", plain)?,
            tick: database.keyspace("tick", plain)?,
            epochs: RwLock::new(epochs),
            head: Mutex::default(),
            database,
        };
        store.settle()?;
        Ok(store)
    }

    /// The first sequences of the epochs, ascending.
    pub(crate) fn epochs(&self) -> Vec<Sequence> {
        self.epochs.read().keys().copied().collect()
    }

    pub(crate) fn create_epoch(&self, first: Sequence) -> Result<(), fjall::Error> {
        let keyspace = self.database.keyspace(&epoch_name(first), plain)?;
        self.epochs.write().insert(first, keyspace);
        Ok(())
    }

    /// True while fjall has memtables to write away.
    fn flushing(&self) -> bool {
        let fixed = [&self.changes, &self.batches, &self.snapshots, &self.tick];
        let flushing = |keyspace: &Keyspace| keyspace.sealed_memtable_count() > 0;
        fixed.into_iter().any(flushing) || self.epochs.read().values().any(flushing)
    }

    /// Waits until fjall has written its memtables away. Its worker writes out what the journal's
    /// buffer holds, without looking whether a commit has just failed on it: the rest of a batch
    /// that is half on the disk would come behind that half. So no commit may run meanwhile.
    fn settle(&self) -> Result<(), fjall::Error> {
        let began = Instant::now();
        while self.flushing() {
            self.check()?;
            if began.elapsed() > SETTLE_MAX {
                let what = "the store has not written its tables away for 120 seconds";
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, what).into());
            }
            std::thread::sleep(SETTLE_EVERY);
        }
        Ok(())
    }

    /// Drops an epoch whole, and lets go of the journals that only it has kept. Nothing of it is
    /// under way any more when it returns.
    pub(crate) fn drop_epoch(&self, first: Sequence) -> Result<(), fjall::Error> {
        let keyspace = self.epochs.write().remove(&first);
        if let Some(keyspace) = keyspace {
            self.database.delete_keyspace(keyspace)?;
        }
        // Synced, so that never more than one write is unfinished at the end of a journal.
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.tick, b"tick", first.0.to_be_bytes());
        batch.commit()?;
        for keyspace in [&self.changes, &self.batches, &self.snapshots, &self.tick] {
            keyspace.rotate_memtable()?;
        }
        self.settle()
    }

    /// Writes all of `commit` or nothing; with `durable` it returns only after fsync.
    pub(crate) fn commit(&self, commit: Commit, durable: bool) -> Result<(), fjall::Error> {
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        let mut last = self.head.lock();
        let mut head = *last;
        // In the order of their sequences: the samples of a group come behind its changes.
        for (sequence, bytes) in commit.changes {
            let record = head.append(sequence, true, &bytes);
            batch.insert(&self.changes, sequence.0.to_be_bytes(), record);
        }
        if let Some((sequence, bytes)) = commit.samples
            && let Some((_, epoch)) = self.epochs.read().last_key_value()
        {
            let record = head.append(sequence, false, &bytes);
            batch.insert(epoch, sequence.0.to_be_bytes(), record);
        }
        for BatchId { producer, epoch, sequence } in commit.batches {
            let value = [epoch.to_be_bytes(), sequence.to_be_bytes()].concat();
            batch.insert(&self.batches, producer.into_bytes(), value);
        }
        for (name, bytes) in commit.snapshots {
            batch.insert(&self.snapshots, name, bytes);
        }
        batch.commit()?;
        *last = head;
        Ok(())
    }

    /// Puts records as they are into an epoch, or among the changes without one; durable only with
    /// the next commit that is.
    pub(crate) fn restore(
        &self,
        epoch: Option<Sequence>,
        records: impl IntoIterator<Item = (Sequence, Vec<u8>)>,
    ) -> Result<(), fjall::Error> {
        let epochs = self.epochs.read();
        let epoch = epoch.and_then(|first| epochs.get(&first));
        let keyspace = epoch.unwrap_or(&self.changes);
        for (sequence, record) in records {
            keyspace.insert(sequence.0.to_be_bytes(), record)?;
        }
        Ok(())
    }

    /// Fails if the store has failed in the background, after which it takes no more. Never beside
    /// a commit: what a commit could not write must not be written again behind its back.
    pub(crate) fn check(&self) -> Result<(), fjall::Error> {
        let _committed = self.head.lock();
        self.database.persist(PersistMode::Buffer)
    }

    /// Where the chain of what was committed ends.
    pub(crate) fn head(&self) -> Head {
        *self.head.lock()
    }

    /// Says where the chain of what the store holds ends.
    pub(crate) fn set_head(&self, head: Head) {
        *self.head.lock() = head;
    }

    /// The newest batch of each producer.
    pub(crate) fn batches(&self) -> Result<Vec<BatchId>, fjall::Error> {
        let mut batches = Vec::new();
        for item in self.batches.iter() {
            let (key, value) = item.into_inner()?;
            let (epoch, sequence) = value.split_at_checked(8).unwrap_or_default();
            let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).unwrap_or(0);
            batches.push(BatchId {
                producer: String::from_utf8_lossy(&key).into_owned(),
                epoch: number(epoch),
                sequence: number(sequence),
            });
        }
        Ok(batches)
    }

    pub(crate) fn snapshot(&self, name: &str) -> Result<Option<Vec<u8>>, fjall::Error> {
        Ok(self.snapshots.get(name)?.map(|bytes| bytes.to_vec()))
    }

    /// Entries of the changes behind `after`, ascending, `limit` at most.
    pub(crate) fn changes(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Vec<u8>)>, fjall::Error> {
        collect(&self.changes, after, limit)
    }

    /// The change at a sequence.
    pub(crate) fn change(&self, at: Sequence) -> Result<Option<UserValue>, fjall::Error> {
        self.changes.get(at.0.to_be_bytes())
    }

    /// Every change behind `after`, ascending.
    pub(crate) fn changes_after(
        &self,
        after: Sequence,
    ) -> impl DoubleEndedIterator<Item = Stored> + use<> {
        self.changes.range(after.next().0.to_be_bytes()..).map(stored)
    }

    /// Every entry of one epoch's samples behind `after`, ascending.
    pub(crate) fn samples_after(
        &self,
        epoch: Sequence,
        after: Sequence,
    ) -> impl Iterator<Item = Stored> + use<> {
        let keyspace = self.epochs.read().get(&epoch).cloned();
        let range = after.next().0.to_be_bytes()..;
        keyspace.into_iter().flat_map(move |keyspace| keyspace.range(range.clone()).map(stored))
    }

    /// Entries of the changes before `before`, descending, `limit` at most.
    pub(crate) fn changes_before(
        &self,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Vec<u8>)>, fjall::Error> {
        let range = ..before.0.to_be_bytes();
        self.changes.range(range).rev().take(limit).map(entry_of).collect()
    }

    /// Entries of one epoch's samples behind `after`, ascending, `limit` at most.
    pub(crate) fn samples(
        &self,
        epoch: Sequence,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Vec<u8>)>, fjall::Error> {
        let keyspace = self.epochs.read().get(&epoch).cloned();
        keyspace.map_or(Ok(vec![]), |keyspace| collect(&keyspace, after, limit))
    }
}

fn collect(
    keyspace: &Keyspace,
    after: Sequence,
    limit: usize,
) -> Result<Vec<(Sequence, Vec<u8>)>, fjall::Error> {
    keyspace.range(after.next().0.to_be_bytes()..).take(limit).map(entry_of).collect()
}

fn stored(item: fjall::Guard) -> Stored {
    let (key, value) = item.into_inner()?;
    let sequence = key.as_ref().try_into().map(u64::from_be_bytes).unwrap_or(0);
    Ok((Sequence(sequence), value))
}

fn entry_of(item: fjall::Guard) -> Result<(Sequence, Vec<u8>), fjall::Error> {
    stored(item).map(|(sequence, value)| (sequence, value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_behind_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), false).unwrap();
        for first in (1..50).map(Sequence) {
            store.create_epoch(first).unwrap();
            let snapshots = vec![("last", vec![7; 100_000])];
            store.commit(Commit { snapshots, ..Commit::default() }, true).unwrap();
            store.drop_epoch(first).unwrap();
            assert!(!store.flushing(), "after epoch {first}");
            assert_eq!(store.database.outstanding_flushes(), 0, "after epoch {first}");
        }
    }
}
