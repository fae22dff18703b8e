//! Makes groups durable and visible: a thread that takes them as the committer has put them
//! together, in their order.
//!
//! A group is written and synced as one batch; only then does anything of it become visible, and
//! only then is anything acknowledged (L2). Meanwhile the committer puts the next one together.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::draft::Draft;
use crate::last::{self, LAST_VALUES};
use crate::snapshot::CATALOG;
use crate::state::{Group, Shared, Snapshot};
use crate::store::Commit;
use crate::tail::Tail;
use crate::{Event, Sequence, SubmitError};

/// How long the switch `ack_before_commit` holds a write back, as a system without fsync may.
const HELD_BACK: Duration = Duration::from_millis(20);
/// How often who waits for the writer looks whether it is still there.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
/// Changes after which a new snapshot of the catalog is written.
const SNAPSHOT_EVERY_CHANGES: u64 = 1000;

/// What the committer hands over.
pub(crate) enum Work {
    /// A group, what of it goes to the store, and the bytes of its samples there.
    Group(Box<Draft>, Commit, u64),
    Seal {
        done: oneshot::Sender<Result<Option<Sequence>, SubmitError>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// How much work the writer has.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    works: Mutex<usize>,
    done: Condvar,
}

impl Busy {
    /// Counts work that is handed over.
    pub(crate) fn begin(&self) {
        *self.works.lock() += 1;
    }

    /// Waits until all work is done, or it is `over` with the one who does it.
    pub(crate) fn wait(&self, over: impl Fn() -> bool) {
        let mut works = self.works.lock();
        while *works > 0 && !over() {
            self.done.wait_for(&mut works, LOOK_UP_EVERY);
        }
    }

    fn end(&self) {
        let mut works = self.works.lock();
        *works = works.saturating_sub(1);
        self.done.notify_all();
    }
}

/// The thread's own state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) works: Receiver<Work>,
    pub(crate) busy: Arc<Busy>,
    pub(crate) changes_since_snapshot: u64,
}

impl Writer {
    /// Works until the log is closed or the committer has ended.
    pub(crate) fn run(mut self) {
        while let Ok(work) = self.works.recv() {
            match work {
                Work::Group(draft, commit, bytes) => {
                    if let Err(reason) = self.commit(*draft, commit, bytes) {
                        tracing::error!(%reason, "the log stopped taking writes");
                        self.shared.stop(reason.into());
                    }
                }
                Work::Seal { done } => {
                    let _ = done.send(self.seal());
                }
                Work::Close { done } => {
                    self.write_catalog_snapshot();
                    self.shared.finish_watermark();
                    self.shared.stop("it was closed".into());
                    let _ = done.send(());
                    return;
                }
            }
            self.busy.end();
        }
        self.shared.finish_watermark();
    }

    /// Writes, syncs, publishes and acknowledges one group.
    fn commit(&mut self, mut draft: Draft, commit: Commit, bytes: u64) -> Result<(), String> {
        if let Some(reason) = self.shared.stopped() {
            draft.fail(&reason);
            return Ok(());
        }
        if self.shared.options.switches.ack_before_commit {
            draft.acknowledge_appends();
            std::thread::sleep(HELD_BACK);
        }
        match self.write(&draft, commit) {
            Ok(()) => {
                self.publish(&mut draft, bytes);
                draft.acknowledge();
                Ok(())
            }
            Err(error) => {
                draft.fail(&error.as_str().into());
                Err(error)
            }
        }
    }

    fn write(&self, draft: &Draft, mut commit: Commit) -> Result<(), String> {
        if draft.entries.is_empty() {
            return Ok(());
        }
        if draft.publishes {
            let last = self.shared.last_values.snapshot(draft.sequence);
            let last = last.map_err(|error| error.to_string())?;
            let stamped = [draft.sequence.0.to_be_bytes().as_slice(), &last].concat();
            commit.snapshots.push((LAST_VALUES, stamped));
        }
        let durable = !self.shared.options.switches.ack_before_commit;
        self.shared.store.commit(commit, durable).map_err(|error| error.to_string())?;
        self.shared.written();
        Ok(())
    }

    /// Makes a durable draft visible: tail, last values, snapshot, subscribers, in that order.
    fn publish(&mut self, draft: &mut Draft, bytes: u64) {
        if draft.entries.is_empty() {
            return;
        }
        let before = self.shared.snapshot.load_full();
        for entry in &draft.entries {
            match &entry.event {
                Event::Samples(samples) => {
                    if let Some(tail) = before.tails.last() {
                        tail.append(entry.sequence, entry.recorded_at, samples, bytes);
                    }
                    self.shared.last_values.append(entry.sequence, samples);
                }
                Event::Change(_) => self.changes_since_snapshot += 1,
            }
        }
        let through = draft.catalog.manifest.through;
        let gone = |tail: &Tail| tail.last().is_some_and(|last| last <= through);
        let (dropped, tails) = before.tails.iter().cloned().partition(|tail| gone(tail));
        self.shared.snapshot.store(Arc::new(Snapshot {
            catalog: draft.catalog.clone(),
            sequence: draft.sequence,
            recorded_at: draft.at,
            tails,
        }));
        let entries = std::mem::take(&mut draft.entries);
        // Behind the snapshot, so that whoever sees a signal unsettled sees the deletion too.
        for entry in &entries {
            if let Event::Change(change) = &entry.event {
                last::touch(&self.shared.last_values, entry.sequence, change);
            }
        }
        // Nobody listening is not an error.
        let _ = self.shared.groups.send(Arc::new(Group { entries, last: draft.sequence }));
        self.let_go(dropped);
        self.shared.emptied.notify_waiters();
        if self.changes_since_snapshot >= SNAPSHOT_EVERY_CHANGES {
            self.write_catalog_snapshot();
        }
    }

    /// Drops the epochs that segments hold (L5). For want of room that is left to the next start;
    /// any other failure is the disk's, and ends the log.
    fn let_go(&self, tails: Vec<Arc<Tail>>) {
        for tail in tails {
            match self.shared.store.drop_epoch(tail.first) {
                Ok(()) => {}
                Err(error) if self.shared.disk.space().low().is_some() => {
                    let epoch = tail.first;
                    tracing::warn!(%error, %epoch, "an epoch could not be dropped yet");
                }
                Err(error) => self.shared.fail(error.to_string()),
            }
        }
    }

    /// Freezes the active tail and begins a new epoch.
    fn seal(&self) -> Result<Option<Sequence>, SubmitError> {
        let before = self.shared.snapshot.load_full();
        if let Some(reason) = self.shared.stopped() {
            return Err(SubmitError::Stopped(reason));
        }
        let Some(active) = before.tails.last().filter(|tail| tail.rows() > 0) else {
            return Ok(None);
        };
        let first = before.sequence.next();
        self.shared.store.create_epoch(first).map_err(|error| {
            let reason: Arc<str> = error.to_string().into();
            self.shared.stop(reason.clone());
            SubmitError::Stopped(reason)
        })?;
        active.seal(before.sequence);
        let mut tails = before.tails.clone();
        tails.push(Arc::new(Tail::new(first, self.shared.clock.now())));
        self.shared.snapshot.store(Arc::new(Snapshot {
            catalog: before.catalog.clone(),
            sequence: before.sequence,
            recorded_at: before.recorded_at,
            tails,
        }));
        Ok(Some(before.sequence))
    }

    fn write_catalog_snapshot(&mut self) {
        let catalog = self.shared.snapshot.load_full().catalog.clone();
        let written = crate::snapshot::encode(&catalog)
            .map_err(|error| error.to_string())
            .and_then(|bytes| {
                let snapshots = vec![(CATALOG, bytes)];
                let commit = Commit { snapshots, ..Commit::default() };
                self.shared.store.commit(commit, true).map_err(|error| error.to_string())
            });
        match written {
            Ok(()) => self.changes_since_snapshot = 0,
            Err(error) => tracing::warn!(%error, "the catalog's snapshot could not be written"),
        }
    }
}
