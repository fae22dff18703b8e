//! The one writer: a thread that gathers requests into groups and makes each group durable.
//!
//! A group is decided, encoded, written and synced as one batch; only then does anything become
//! visible, and only then is anything acknowledged (L2). While one group syncs, the next gathers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::codec;
use crate::full;
use crate::last::{self, LAST_VALUES};
use crate::pace::Pace;
use crate::request::{Request, refuse};
use crate::snapshot::CATALOG;
use crate::state::{Group, Shared, Snapshot};
use crate::store::Commit;
use crate::tail::Tail;
use crate::{
    AppendError, BatchId, Catalog, Change, Entry, Event, Run, Samples, Sequence, SubmitError,
    Submitted, Timestamp, decide,
};

/// Rows from which on a group takes no more: its columns still lie in the processor's cache while
/// they are packed, and its one fsync is spread over enough of them.
pub const GROUP_ROWS_MAX: usize = 1 << 17;
/// How long the switch `ack_before_commit` holds a write back, as a system without fsync may.
const HELD_BACK: Duration = Duration::from_millis(20);
/// Changes after which a new snapshot of the catalog is written.
const SNAPSHOT_EVERY_CHANGES: u64 = 1000;

/// The thread's own state.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Receiver<Request>,
    /// The newest batch of each producer.
    pub(crate) producers: HashMap<String, (u64, u64)>,
    pub(crate) changes_since_snapshot: u64,
    /// How often small groups are written.
    pub(crate) pace: Pace,
}

/// Answers that wait for the group to be durable.
#[derive(Default)]
struct Answers {
    appends: Vec<(oneshot::Sender<Result<Sequence, AppendError>>, OwnedSemaphorePermit)>,
    submits: Vec<(oneshot::Sender<Result<Submitted, SubmitError>>, Submitted)>,
}

/// A group that is being put together.
struct Draft {
    sequence: Sequence,
    at: Timestamp,
    catalog: Arc<Catalog>,
    entries: Vec<Entry>,
    parts: Vec<Samples>,
    batches: Vec<BatchId>,
    authors: Vec<Arc<str>>,
    answers: Answers,
    publishes: bool,
}

impl Committer {
    /// Works until the log is closed or every handle is gone.
    pub(crate) fn run(mut self) {
        while let Ok(first) = self.requests.recv() {
            let (group, end) = self.gather(first);
            if let Err(reason) = self.commit(group) {
                tracing::error!(%reason, "the log stopped taking writes");
                self.shared.stop(reason.into());
            }
            match end {
                Some(Request::Close { done }) => {
                    self.write_catalog_snapshot();
                    self.shared.finish_watermark();
                    self.shared.stop("it was closed".into());
                    let _ = done.send(());
                    return;
                }
                Some(Request::Seal { done }) => {
                    let _ = done.send(self.seal());
                }
                Some(Request::Append { .. } | Request::Submit { .. }) | None => {}
            }
        }
        self.shared.finish_watermark();
    }

    /// The requests of one group, and the one that ends it if it is of another kind. Takes what
    /// waits; if that is not worth a commit yet, what comes in the meantime too.
    fn gather(&mut self, first: Request) -> (Vec<Request>, Option<Request>) {
        let (mut group, mut rows, mut urgent, mut next) = (Vec::new(), 0, false, Some(first));
        loop {
            match next {
                Some(request @ (Request::Seal { .. } | Request::Close { .. })) => {
                    return (group, Some(request));
                }
                Some(request) => {
                    match &request {
                        Request::Append { samples, .. } => rows += samples.len(),
                        // Somebody waits for it, and it is seldom.
                        Request::Submit { .. } | Request::Seal { .. } | Request::Close { .. } => {
                            urgent = true;
                        }
                    }
                    group.push(request);
                }
                None => {
                    self.pace.spend(rows, Instant::now());
                    return (group, None);
                }
            }
            next = match rows >= GROUP_ROWS_MAX {
                true => None,
                false => self.requests.try_recv().ok().or_else(|| {
                    let wait = self.pace.wait(rows, urgent, Instant::now());
                    (!wait.is_zero()).then(|| self.requests.recv_timeout(wait).ok()).flatten()
                }),
            };
        }
    }

    /// Decides, writes, syncs, publishes and acknowledges one group.
    fn commit(&mut self, requests: Vec<Request>) -> Result<(), String> {
        if requests.is_empty() {
            return Ok(());
        }
        if let Some(reason) = self.shared.stopped() {
            requests.into_iter().for_each(|request| refuse(request, &reason));
            return Ok(());
        }
        let requests = full::with_room(requests, self.shared.disk.space());
        let before = self.shared.snapshot.load_full();
        let mut draft = Draft {
            sequence: before.sequence,
            at: self.shared.clock.now().max(before.recorded_at),
            catalog: before.catalog.clone(),
            entries: Vec::new(),
            parts: Vec::new(),
            batches: Vec::new(),
            authors: Vec::new(),
            answers: Answers::default(),
            publishes: false,
        };
        for request in requests {
            self.take(&mut draft, request);
        }
        draft.finish_samples();
        if self.shared.options.switches.ack_before_commit {
            draft.acknowledge_appends();
            std::thread::sleep(HELD_BACK);
        }
        let written = self.write(&mut draft);
        match written {
            Ok(bytes) => {
                self.publish(&before, &mut draft, bytes);
                draft.acknowledge();
                Ok(())
            }
            Err(error) => {
                let reason: Arc<str> = error.as_str().into();
                draft.fail(&reason);
                Err(error)
            }
        }
    }

    /// Puts one request into the draft, or answers it at once where there is nothing to write.
    fn take(&mut self, draft: &mut Draft, request: Request) {
        match request {
            Request::Append { author, batch, samples, done, room } => {
                let unknown = |run: &&Run| draft.catalog.signal(run.signal).is_none();
                if let Some(run) = samples.runs.iter().find(unknown) {
                    let _ = done.send(Err(AppendError::UnknownSignal(run.signal)));
                    return;
                }
                let fresh = batch.as_ref().is_none_or(|batch| self.is_new(batch));
                if fresh {
                    draft.batches.extend(batch);
                    draft.parts.push(samples);
                    if !draft.authors.contains(&author) {
                        draft.authors.push(author);
                    }
                }
                draft.answers.appends.push((done, room));
            }
            Request::Submit { author, command, done } => match decide(&draft.catalog, *command) {
                Err(refusal) => {
                    let _ = done.send(Err(refusal.into()));
                }
                Ok(changes) => {
                    let changes: Vec<Arc<Change>> = changes.into_iter().map(Arc::new).collect();
                    for change in &changes {
                        draft.push_change(&author, change.clone());
                    }
                    let submitted = Submitted { sequence: draft.sequence, changes };
                    draft.answers.submits.push((done, submitted));
                }
            },
            Request::Seal { .. } | Request::Close { .. } => {}
        }
    }

    /// True if the batch has not been stored before (I3); remembers it. What cannot be written
    /// after that ends the log, so nothing is remembered wrongly.
    fn is_new(&mut self, batch: &BatchId) -> bool {
        let place = (batch.epoch, batch.sequence);
        match self.producers.get_mut(&batch.producer) {
            Some(last) => {
                let fresh = place > *last;
                *last = place.max(*last);
                fresh || self.shared.options.switches.store_batches_again
            }
            None => {
                self.producers.insert(batch.producer.clone(), place);
                true
            }
        }
    }

    /// Writes the draft durably and answers with the bytes of its samples.
    fn write(&mut self, draft: &mut Draft) -> Result<u64, String> {
        if draft.entries.is_empty() {
            return Ok(0);
        }
        let mut commit = Commit::default();
        let mut sample_bytes = 0;
        for entry in &draft.entries {
            let bytes = codec::encode(entry).map_err(|error| error.to_string())?;
            match &entry.event {
                Event::Samples(_) => {
                    sample_bytes = bytes.len() as u64;
                    commit.samples = Some((entry.sequence, bytes));
                }
                Event::Change(_) => commit.changes.push((entry.sequence, bytes)),
            }
        }
        commit.batches.clone_from(&draft.batches);
        if draft.publishes {
            let last = self.shared.last_values.snapshot(draft.sequence);
            let last = last.map_err(|error| error.to_string())?;
            let stamped = [draft.sequence.0.to_be_bytes().as_slice(), &last].concat();
            commit.snapshots.push((LAST_VALUES, stamped));
        }
        let durable = !self.shared.options.switches.ack_before_commit;
        self.shared.store.commit(commit, durable).map_err(|error| error.to_string())?;
        self.shared.written();
        Ok(sample_bytes)
    }

    /// Makes a durable draft visible: tail, last values, snapshot, subscribers, in that order.
    fn publish(&mut self, before: &Snapshot, draft: &mut Draft, bytes: u64) {
        if draft.entries.is_empty() {
            return;
        }
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

impl Draft {
    fn push_change(&mut self, author: &Arc<str>, change: Arc<Change>) {
        self.sequence = self.sequence.next();
        self.publishes |= matches!(*change, Change::SegmentsCommitted { .. });
        Arc::make_mut(&mut self.catalog).apply(self.sequence, &change);
        self.entries.push(Entry {
            sequence: self.sequence,
            recorded_at: self.at,
            author: author.clone(),
            event: Event::Change(change),
        });
    }

    /// Merges all samples of the group into one event behind its changes.
    fn finish_samples(&mut self) {
        if self.batches.is_empty() && self.parts.iter().all(Samples::is_empty) {
            return;
        }
        self.sequence = self.sequence.next();
        let parts = std::mem::take(&mut self.parts);
        let samples = Samples::merged(self.batches.clone(), parts);
        self.entries.push(Entry {
            sequence: self.sequence,
            recorded_at: self.at,
            author: self.authors.join(", ").into(),
            event: Event::Samples(Arc::new(samples)),
        });
    }

    fn acknowledge(&mut self) {
        self.acknowledge_appends();
        for (done, submitted) in std::mem::take(&mut self.answers.submits) {
            let _ = done.send(Ok(submitted));
        }
    }

    fn acknowledge_appends(&mut self) {
        for (done, room) in std::mem::take(&mut self.answers.appends) {
            drop(room);
            let _ = done.send(Ok(self.sequence));
        }
    }

    fn fail(&mut self, reason: &Arc<str>) {
        let answers = std::mem::take(&mut self.answers);
        for (done, _room) in answers.appends {
            let _ = done.send(Err(AppendError::Stopped(reason.clone())));
        }
        for (done, _) in answers.submits {
            let _ = done.send(Err(SubmitError::Stopped(reason.clone())));
        }
    }
}
