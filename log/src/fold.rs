//! The fold of the log while it is opened: catalog, last values and tails out of what is stored.
//!
//! Every entry behind what the segments hold is read once, in order, and checked: its checksum,
//! that it is dense (L1), that it follows the one before (L6). Reads only.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::chain::{self, Head};
use crate::last::{self, LAST_VALUES, LAST_VALUES_1, LastValues};
use crate::snapshot::CATALOG;
use crate::store::{Store, Stored};
use crate::tail::Tail;
use crate::{Catalog, Entry, Event, OpenError, SegmentKind, Sequence, Timestamp, codec, snapshot};

/// Entries that may wait between the two threads.
const FOUND_MAX: usize = 8;

/// An entry that is good, and with samples the tail they go to and the bytes they take in the log.
struct Found {
    entry: Entry,
    tail: Option<(Arc<Tail>, u64)>,
}

/// Puts an entry where it is kept.
fn put(found: Found, last_values: &LastValues) {
    let Found { entry, tail } = found;
    match (&entry.event, tail) {
        (Event::Samples(samples), Some((tail, bytes))) => {
            tail.append(entry.sequence, entry.recorded_at, samples, bytes);
            last_values.append(entry.sequence, samples);
        }
        (Event::Change(change), _) => last::touch(last_values, entry.sequence, change),
        (Event::Samples(_), None) => {}
    }
}

/// Reads the last values as they were when samples left the log.
fn restore(store: &Store, last_values: &LastValues) -> Result<(), OpenError> {
    let stamped = |bytes: &[u8]| {
        let (at, bytes) = bytes.split_first_chunk::<8>()?;
        Some((Sequence(u64::from_be_bytes(*at)), bytes.to_vec()))
    };
    if let Some((at, bytes)) = store.snapshot(LAST_VALUES)?.as_deref().and_then(stamped) {
        last_values.restore(at, &bytes)?;
    } else if let Some((at, bytes)) = store.snapshot(LAST_VALUES_1)?.as_deref().and_then(stamped) {
        last_values.restore(at, &LastValues::from_version_1(&bytes))?;
    }
    Ok(())
}

/// What the log folds to.
pub(crate) struct Fold {
    pub(crate) catalog: Catalog,
    pub(crate) recorded_at: Timestamp,
    /// Where the chain ends, and with it the log.
    pub(crate) head: Head,
    /// Changes that the catalog's snapshot does not have.
    pub(crate) changes: u64,
    /// One for each epoch that segments do not hold.
    pub(crate) tails: Vec<Arc<Tail>>,
    /// Epochs that segments hold.
    pub(crate) done: Vec<Sequence>,
    /// What the watermark says.
    durable: Option<Head>,
    /// Entries are not held against one another.
    trusting: bool,
}

impl Fold {
    /// Folds all that `store` holds; `durable` is what it must at least reach.
    pub(crate) fn read(
        store: &Store,
        durable: Option<Head>,
        last_values: &LastValues,
        now: Timestamp,
        trusting: bool,
    ) -> Result<Fold, OpenError> {
        let stored = store.snapshot(CATALOG)?;
        let catalog = stored.as_deref().and_then(snapshot::decode);
        if stored.is_some() && catalog.is_none() {
            tracing::warn!("the catalog's snapshot is not readable; folding the log from zero");
        }
        let mut fold = Fold {
            catalog: catalog.map_or_else(Catalog::default, Arc::unwrap_or_clone),
            recorded_at: Timestamp::MIN,
            head: Head::default(),
            changes: 0,
            tails: Vec::new(),
            done: Vec::new(),
            durable,
            trusting,
        };
        let clocks = fold.catalog.manifest.of_kind(SegmentKind::Clock);
        let recorded = clocks.map(|meta| Timestamp::from_micros(meta.times.1)).max();
        fold.recorded_at = recorded.unwrap_or(Timestamp::MIN);
        fold.changes(store)?;
        fold.entries(store, last_values, now)?;
        fold.reaches(store)?;
        Ok(fold)
    }

    /// Folds the changes behind the snapshot.
    fn changes(&mut self, store: &Store) -> Result<(), OpenError> {
        for stored in store.changes_after(self.catalog.sequence) {
            let (sequence, record) = stored?;
            let entry = chain::decode(sequence, &record)?;
            self.recorded_at = self.recorded_at.max(entry.recorded_at);
            if let Event::Change(change) = &entry.event {
                self.catalog.apply(sequence, change);
                self.changes += 1;
            }
        }
        Ok(())
    }

    /// Reads every entry behind what segments hold, in order; builds one tail per epoch. One thread
    /// reads, checks and unpacks, another puts into the tails what the first has found good.
    fn entries(
        &mut self,
        store: &Store,
        last_values: &LastValues,
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let through = self.catalog.manifest.through;
        restore(store, last_values)?;
        self.head.sequence = through;
        if let Some((sequence, record)) = store.changes_before(through.next(), 1)?.pop() {
            self.head.change = sequence;
            self.head.change_hash = chain::hash(sequence, &record);
        }
        std::thread::scope(|scope| {
            let (sender, found) = sync_channel(FOUND_MAX);
            let put = scope.spawn(move || found.iter().for_each(|one| put(one, last_values)));
            let read = self.read_entries(store, now, &sender);
            drop(sender);
            match put.join() {
                Ok(()) => read,
                Err(_) => Err(OpenError::Store("what was read could not be kept".into())),
            }
        })
    }

    fn read_entries(
        &mut self,
        store: &Store,
        now: Timestamp,
        out: &SyncSender<Found>,
    ) -> Result<(), OpenError> {
        let through = self.catalog.manifest.through;
        let mut changes = store.changes_after(through).peekable();
        let epochs = store.epochs();
        for (place, first) in epochs.iter().enumerate() {
            let end = epochs.get(place + 1).map(|next| Sequence(next.0 - 1));
            if end.is_some_and(|end| end <= through) {
                self.done.push(*first);
                continue;
            }
            let tail = Arc::new(Tail::new(*first, now));
            for stored in store.samples_after(*first, through) {
                let (sequence, record) = stored?;
                self.changes_before(&mut changes, sequence, out)?;
                let bytes = self.follow(sequence, &record)?;
                let entry = codec::decode(sequence, bytes)?;
                self.recorded_at = self.recorded_at.max(entry.recorded_at);
                let (tail, bytes) = (tail.clone(), bytes.len() as u64);
                // The other thread ends only when this one is done.
                let _ = out.send(Found { entry, tail: Some((tail, bytes)) });
            }
            if let Some(end) = end {
                tail.seal(end);
            }
            self.tails.push(tail);
        }
        self.changes_before(&mut changes, Sequence(u64::MAX), out)
    }

    /// Passes the changes that come before a sequence.
    fn changes_before(
        &mut self,
        changes: &mut Peekable<impl Iterator<Item = Stored>>,
        before: Sequence,
        out: &SyncSender<Found>,
    ) -> Result<(), OpenError> {
        let earlier = |stored: &Stored| stored.as_ref().map_or(true, |(at, _)| *at < before);
        while let Some(stored) = changes.next_if(earlier) {
            let (sequence, record) = stored?;
            self.follow(sequence, &record)?;
            let entry = chain::decode(sequence, &record)?;
            let _ = out.send(Found { entry, tail: None });
        }
        Ok(())
    }

    /// Checks that a record is the next of the log, and gives what `codec` reads of it.
    fn follow<'a>(&mut self, sequence: Sequence, record: &'a [u8]) -> Result<&'a [u8], OpenError> {
        if self.trusting {
            self.head.skip_to(sequence, record);
            return Ok(chain::split(sequence, record)?.entry);
        }
        let after = self.head.sequence;
        if sequence != after.next() {
            return Err(OpenError::Gap { after, found: sequence });
        }
        let entry = self.head.follow(sequence, record)?.entry;
        match self.durable {
            Some(durable) if durable.sequence == sequence && durable.hash != self.head.hash => {
                Err(OpenError::Replaced(sequence))
            }
            Some(_) | None => Ok(entry),
        }
    }

    /// Checks that nothing is missing of what the watermark says was there.
    fn reaches(&self, store: &Store) -> Result<(), OpenError> {
        let Some(durable) = self.durable else { return Ok(()) };
        let (last, watermark) = (self.head.sequence, durable.sequence);
        if last < watermark {
            return Err(OpenError::Short { last, watermark });
        }
        if durable.change != Sequence::ZERO {
            let record = store.change(durable.change)?;
            let found = record.map(|record| chain::hash(durable.change, &record));
            if found != Some(durable.change_hash) {
                return Err(OpenError::Replaced(durable.change));
            }
        }
        Ok(())
    }
}
