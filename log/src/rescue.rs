//! Everything that can still be read of a damaged store, from its tables and from its journals.
//!
//! An entry counts if its own checksum is right, wherever it was found. Holds all of it in memory,
//! which is as much as the log has. Changes nothing but the copy that it works on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::chain;
use crate::guard::{GuardError, journals};
use crate::last::{LAST_VALUES, LAST_VALUES_1};
use crate::salvage::{items, salvage};
use crate::scratch::Scratch;
use crate::snapshot::CATALOG;
use crate::store::{FIXED, Store, Stored};
use crate::tables::failed;
use crate::{Entry, Event, OpenError, Sequence};

/// Names of what is kept beside the entries.
const SNAPSHOTS: [&str; 3] = [CATALOG, LAST_VALUES, LAST_VALUES_1];

/// What was saved.
#[derive(Debug, Default)]
pub(crate) struct Rescue {
    /// Records of changes.
    pub(crate) changes: BTreeMap<Sequence, Vec<u8>>,
    /// Records of samples.
    pub(crate) samples: BTreeMap<Sequence, Vec<u8>>,
    /// First sequences of the epochs, as far as they are known.
    pub(crate) epochs: Vec<Sequence>,
    /// The newest batch of each producer.
    pub(crate) batches: BTreeMap<String, (u64, u64)>,
    /// Snapshots of catalog and last values.
    pub(crate) snapshots: BTreeMap<&'static str, Vec<u8>>,
}

impl Rescue {
    /// Reads the store in `log`, of which `damage` is known; works on copies in `scratch`.
    pub(crate) fn read(
        log: &Path,
        scratch: &Path,
        damage: &[GuardError],
    ) -> Result<Rescue, GuardError> {
        let mut rescue = Rescue::default();
        let copy = Scratch::copy(log, scratch.to_owned())?;
        let store = open_without(copy.folder(), log, damage).or_else(|_| graft(copy.folder()));
        if let Ok(store) = &store {
            rescue.tables(store);
        }
        drop(store);
        rescue.journals(log)?;
        Ok(rescue)
    }

    /// What the store itself can read: forward until it fails, then backward until it fails.
    fn tables(&mut self, store: &Store) {
        self.epochs = store.epochs();
        self.all(store.changes_after(Sequence::ZERO).map_while(Stored::ok));
        self.all(store.changes_after(Sequence::ZERO).rev().map_while(Stored::ok));
        for epoch in self.epochs.clone() {
            self.all(store.samples_after(epoch, Sequence::ZERO).map_while(Stored::ok));
        }
        for batch in store.batches().unwrap_or_default() {
            self.batch(batch.producer, (batch.epoch, batch.sequence));
        }
        for name in SNAPSHOTS {
            if let Ok(Some(bytes)) = store.snapshot(name) {
                self.snapshots.insert(name, bytes);
            }
        }
    }

    fn all(&mut self, records: impl Iterator<Item = (Sequence, fjall::UserValue)>) {
        for (sequence, record) in records {
            self.record(sequence, &record);
        }
    }

    /// What the journals hold, also behind damage and of keyspaces that are gone.
    fn journals(&mut self, log: &Path) -> Result<(), GuardError> {
        for path in journals(log, &mut vec![])? {
            let file = File::open(&path).map_err(failed(&path))?;
            for batch in salvage(&file).map_err(failed(&path))?.batches {
                let take = &mut |_: u64, key: &[u8], value: &[u8]| {
                    if let Ok(key) = <[u8; 8]>::try_from(key) {
                        self.record(Sequence(u64::from_be_bytes(key)), value);
                    }
                    if let Some(name) = SNAPSHOTS.iter().find(|name| name.as_bytes() == key) {
                        self.snapshots.entry(name).or_insert_with(|| value.to_vec());
                    }
                };
                items(&file, &batch, take).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// Keeps a record if it is whole.
    fn record(&mut self, sequence: Sequence, record: &[u8]) {
        let known = self.changes.contains_key(&sequence) || self.samples.contains_key(&sequence);
        let Ok(entry) = chain::decode(sequence, record) else { return };
        if known {
            return;
        }
        match &entry.event {
            Event::Change(_) => self.changes.insert(sequence, record.to_vec()),
            Event::Samples(samples) => {
                for batch in &samples.batches {
                    self.batch(batch.producer.clone(), (batch.epoch, batch.sequence));
                }
                self.samples.insert(sequence, record.to_vec())
            }
        };
    }

    fn batch(&mut self, producer: String, place: (u64, u64)) {
        let last = self.batches.entry(producer).or_default();
        *last = place.max(*last);
    }

    /// The entry of a record that was kept.
    pub(crate) fn entry(&self, sequence: Sequence) -> Option<Entry> {
        let record = self.changes.get(&sequence).or_else(|| self.samples.get(&sequence))?;
        chain::decode(sequence, record).ok()
    }
}

/// Opens a copy without the keyspaces whose lists are damaged.
fn open_without(copy: &Path, log: &Path, damage: &[GuardError]) -> Result<Store, OpenError> {
    for error in damage {
        let GuardError::Damaged { file, .. } = error else { continue };
        let below = file.strip_prefix(log).unwrap_or(file);
        let parts: Vec<_> = below.iter().collect();
        // A table that is damaged can be read in part, a list cannot.
        if let [keyspaces, id, _list] = parts.as_slice()
            && *keyspaces == "keyspaces"
        {
            match *id == "0" {
                true => return Err(OpenError::Store("its names are lost".into())),
                false => remove(&copy.join(keyspaces).join(id)),
            }
        }
    }
    Store::open(copy, false)
}

/// Puts the keyspaces of a copy below the names of a new store: those that every store has were
/// made in one order, and so have the same numbers everywhere.
fn graft(copy: &Path) -> Result<Store, OpenError> {
    let fresh = copy.join("fresh");
    drop(Store::open(&fresh, false)?);
    for id in 1..=FIXED.len() {
        let (old, new) = (keyspace(copy, id), keyspace(&fresh, id));
        if old.join("current").is_file() {
            remove(&new);
            // If it cannot be moved the new one is missing, and opening says so.
            let _ = fs::rename(&old, &new);
        }
    }
    Store::open(&fresh, true)
}

fn keyspace(store: &Path, id: usize) -> PathBuf {
    store.join("keyspaces").join(id.to_string())
}

/// Removes a folder of a copy; what cannot be removed is found when the copy is opened.
fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}
