//! The log's door: append, submit, look, follow.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast, oneshot};

use crate::chain;
use crate::codec::DecodeError;
use crate::committer::{Ahead, Committer, GROUPS_AHEAD_MAX};
use crate::last::LastValues;
use crate::open::{OpenError, open};
use crate::pace::Pace;
use crate::request::{AppendError, Request, SubmitError, Submitted};
use crate::space::Space;
use crate::state::{Group, LogOptions, Shared, Snapshot};
use crate::writer::{Busy, Writer};
use crate::{BatchId, Catalog, Clock, Command, Entry, Event, Sample, Samples, Sequence, Timestamp};

/// Rows that may wait for the committer; a writer beyond that waits too.
pub const QUEUE_ROWS_MAX: usize = 2 << 20;

/// The event log. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    room: Arc<Semaphore>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for Log {
    /// Shows the folder alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("folder", &self.options().folder).finish_non_exhaustive()
    }
}

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage is damaged: restore from a backup.
    #[error(transparent)]
    Entry(#[from] DecodeError),
    /// The store's own complaint.
    #[error("the log's store cannot be read: {0}")]
    Store(String),
    /// Read the samples from the segments, then follow from `through`.
    #[error("samples through sequence {through} have left the log for the segments")]
    Compacted {
        /// What the segments hold.
        through: Sequence,
    },
}

impl From<fjall::Error> for ReadError {
    fn from(error: fjall::Error) -> ReadError {
        ReadError::Store(error.to_string())
    }
}

/// Says that the log has stopped, also if a thread panics: without its committer the writer does
/// what is left, and ends.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.stop("its writer ended".into());
    }
}

impl Log {
    /// Opens the data folder, making it if it is not there. Blocks while it reads.
    pub fn open(options: LogOptions, clock: Arc<dyn Clock>) -> Result<Log, OpenError> {
        let opened = open(options, clock)?;
        let shared = Arc::new(opened.shared);
        let kept = shared.keep_watermark(opened.news);
        kept.map_err(|error| OpenError::Store(error.to_string()))?;
        let (requests, receiver) = std::sync::mpsc::channel();
        let (works, prepared) = std::sync::mpsc::sync_channel(GROUPS_AHEAD_MAX);
        let busy = Arc::new(Busy::default());
        let now = shared.snapshot.load_full();
        let (catalog, sequence, at) = (now.catalog.clone(), now.sequence, now.recorded_at);
        let committer = Committer {
            shared: shared.clone(),
            requests: receiver,
            works,
            busy: busy.clone(),
            producers: opened.producers,
            pace: Pace::new(shared.options.linger, Instant::now()),
            ahead: Ahead { catalog, sequence, at },
        };
        let changes_since_snapshot = opened.changes_since_snapshot;
        let writer =
            Writer { shared: shared.clone(), works: prepared, busy, changes_since_snapshot };
        let ends = Ends(shared.clone());
        let write = move || {
            let _ends = ends;
            writer.run();
        };
        let gather = move || committer.run();
        let spawn = |name: &str| std::thread::Builder::new().name(name.into());
        let failed = |error: std::io::Error| OpenError::Store(error.to_string());
        let thread = spawn("writer").spawn(write).map_err(failed)?;
        spawn("committer").spawn(gather).map_err(failed)?;
        Ok(Log {
            shared,
            requests,
            room: Arc::new(Semaphore::new(QUEUE_ROWS_MAX)),
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Records samples. Answers with their sequence once they are durable (L2); waits while the
    /// queue is full. A `batch` that is stored already is answered and not stored again (I3).
    pub async fn append(
        &self,
        author: Arc<str>,
        batch: Option<BatchId>,
        rows: Vec<Sample>,
    ) -> Result<Sequence, AppendError> {
        self.queue(author, batch, Samples::from_rows(vec![], rows)).await?.durable().await
    }

    /// Puts columns of samples in the queue, and answers as soon as they are in it; what comes of
    /// them says `Queued::durable`. What is queued one after another is recorded in that order.
    /// The samples' own list of batches is not looked at; `batch` is as for `append`.
    ///
    /// Waits while the queue is full, and for `LogOptions::tail_wait` while the hot tail is.
    pub async fn queue(
        &self,
        author: Arc<str>,
        batch: Option<BatchId>,
        samples: Samples,
    ) -> Result<Queued, AppendError> {
        if !samples.fits() {
            return Err(AppendError::Uneven);
        }
        if let Some((free, needed)) = self.space().low() {
            return Err(AppendError::DiskFull { free, needed });
        }
        self.tail_room().await?;
        let weight = samples.len().clamp(1, QUEUE_ROWS_MAX) as u32;
        let stopped = || AppendError::Stopped(self.why_stopped());
        let room = self.room.clone().acquire_many_owned(weight).await.map_err(|_| stopped())?;
        let (done, answer) = oneshot::channel();
        let request = Request::Append { author, batch, samples, done, room };
        self.requests.send(request).map_err(|_| stopped())?;
        Ok(Queued { log: self.clone(), answer })
    }

    /// Waits for compaction while the hot tail is full.
    async fn tail_room(&self) -> Result<(), AppendError> {
        let deadline = tokio::time::Instant::now() + self.options().tail_wait;
        loop {
            let emptied = self.shared.emptied.notified();
            let Some(full) = self.shared.tail_problem() else { return Ok(()) };
            if tokio::time::timeout_at(deadline, emptied).await.is_err() {
                return Err(full);
            }
        }
    }

    /// Decides a command and records what it becomes, durably.
    pub async fn submit(
        &self,
        author: Arc<str>,
        command: Command,
    ) -> Result<Submitted, SubmitError> {
        let (done, answer) = oneshot::channel();
        let request = Request::Submit { author, command: Box::new(command), done };
        let stopped = || SubmitError::Stopped(self.why_stopped());
        self.requests.send(request).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Freezes the active tail and begins a new epoch. Answers with the last sequence of what is
    /// frozen, or with nothing if there are no samples to freeze.
    pub async fn seal(&self) -> Result<Option<Sequence>, SubmitError> {
        let (done, answer) = oneshot::channel();
        let stopped = || SubmitError::Stopped(self.why_stopped());
        self.requests.send(Request::Seal { done }).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Writes what is queued, then takes no more. Blocks until the committer has ended.
    pub fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.requests.send(Request::Close { done }).is_ok() {
            let _ = answer.blocking_recv();
        }
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }

    /// Resolves when the log has stopped taking writes, with the reason.
    pub async fn stopped(&self) -> Arc<str> {
        let waiting = self.shared.stopping.notified();
        match self.shared.stopped() {
            Some(reason) => reason,
            None => {
                waiting.await;
                self.why_stopped()
            }
        }
    }

    /// What the disk's free space allows now. While it is low, writes are refused and reads go on.
    pub fn space(&self) -> Space {
        self.shared.disk.space()
    }

    /// Why the log takes no more writes; nothing while it does.
    pub fn stop_reason(&self) -> Option<Arc<str>> {
        self.shared.stopped()
    }

    fn why_stopped(&self) -> Arc<str> {
        self.shared.stopped().unwrap_or_else(|| "its writer ended".into())
    }

    /// One consistent view of everything that is durable now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// What is defined now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.snapshot.load().catalog.clone()
    }

    /// The newest sample of every signal.
    pub fn last_values(&self) -> &LastValues {
        &self.shared.last_values
    }

    /// The log's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// How long the log's clock has been running.
    pub fn uptime(&self) -> Duration {
        self.shared.clock.uptime()
    }

    /// How this log was opened.
    pub fn options(&self) -> &LogOptions {
        &self.shared.options
    }

    /// Every group that becomes durable from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.shared.groups.subscribe())
    }

    /// What was defined as of a sequence: the changes up to it, folded from zero. The manifest is
    /// the one of then, whose files may be gone. Blocks on the disk.
    pub fn catalog_at(&self, sequence: Sequence) -> Result<Catalog, ReadError> {
        let mut catalog = Catalog::default();
        loop {
            let chunk = self.shared.store.changes(catalog.sequence, CHANGES_CHUNK)?;
            if chunk.is_empty() {
                return Ok(catalog);
            }
            chain::changes_follow(chunk.iter())?;
            for (at, bytes) in chunk {
                if at > sequence {
                    return Ok(catalog);
                }
                if let Event::Change(change) = chain::decode(at, &bytes)?.event {
                    catalog.apply(at, &change);
                }
            }
        }
    }

    /// The last change that was recorded at or before `time`; 0 if none was. Blocks on the disk.
    pub fn newest_change_until(&self, time: Timestamp) -> Result<Sequence, ReadError> {
        let mut before = Sequence(u64::MAX);
        loop {
            let entries = self.changes_before(before, CHANGES_CHUNK)?;
            if let Some(entry) = entries.iter().find(|entry| entry.recorded_at <= time) {
                return Ok(entry.sequence);
            }
            match entries.last() {
                Some(oldest) => before = oldest.sequence,
                None => return Ok(Sequence(0)),
            }
        }
    }

    /// Changes before a sequence, newest first, `limit` at most. Blocks on the disk.
    pub fn changes_before(&self, before: Sequence, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let entries = self.shared.store.changes_before(before, limit)?;
        chain::changes_follow(entries.iter().rev())?;
        entries.into_iter().map(|(seq, bytes)| Ok(chain::decode(seq, &bytes)?)).collect()
    }

    /// Entries behind `after`, ascending, about `limit`: changes of any age, and the samples that
    /// are still in the log. Blocks on the disk.
    pub fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let through = self.catalog().manifest.through;
        if after < through {
            return Err(ReadError::Compacted { through });
        }
        let mut found = self.shared.store.changes(after, limit)?;
        for epoch in self.shared.store.epochs() {
            found.extend(self.shared.store.samples(epoch, after, limit)?);
        }
        found.sort_by_key(|(sequence, _)| *sequence);
        // Without a gap: an entry behind one that is being written must wait for it.
        let dense = found.iter().zip(1..).take_while(|((seq, _), i)| seq.0 == after.0 + i).count();
        found.truncate(dense.min(limit));
        found.into_iter().map(|(seq, bytes)| Ok(chain::decode(seq, &bytes)?)).collect()
    }
}

/// Changes that are read at a time while a catalog of the past is folded.
const CHANGES_CHUNK: usize = 1024;

/// Samples that are in the queue.
#[derive(Debug)]
pub struct Queued {
    log: Log,
    answer: oneshot::Receiver<Result<Sequence, AppendError>>,
}

impl Queued {
    /// Their sequence, once they are durable (L2).
    pub async fn durable(self) -> Result<Sequence, AppendError> {
        let stopped = |_| Err(AppendError::Stopped(self.log.why_stopped()));
        self.answer.await.unwrap_or_else(stopped)
    }
}

/// A listener to the groups of a log.
pub struct Subscription(broadcast::Receiver<Arc<Group>>);

/// Why a subscription has nothing more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionEnd {
    /// Read the missed entries from the log by their sequences; the subscription goes on.
    #[error("{0} groups were missed")]
    Lagged(u64),
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

impl Subscription {
    /// The next group. Cancel-safe.
    pub async fn next(&mut self) -> Result<Arc<Group>, SubscriptionEnd> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => SubscriptionEnd::Lagged(missed),
            broadcast::error::RecvError::Closed => SubscriptionEnd::Closed,
        })
    }
}

/// Follows the log from a place on: catches up from the disk, then listens.
pub struct Follower {
    log: Log,
    subscription: Subscription,
    last: Sequence,
    backlog: std::collections::VecDeque<Entry>,
    caught_up: bool,
}

/// Entries that a follower reads at a time while it catches up.
const FOLLOW_CHUNK: usize = 256;

impl Log {
    /// Every entry behind `after`, once, in order, for ever.
    pub fn tail(&self, after: Sequence) -> Follower {
        Follower {
            subscription: self.subscribe(),
            log: self.clone(),
            last: after,
            backlog: std::collections::VecDeque::new(),
            caught_up: false,
        }
    }
}

impl Follower {
    /// The next entry; nothing once the log is closed.
    pub async fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.backlog.pop_front() {
                self.last = entry.sequence;
                return Ok(Some(entry));
            }
            if !self.caught_up {
                self.catch_up().await?;
                continue;
            }
            match self.subscription.next().await {
                Ok(group) => {
                    let fresh = group.entries.iter().filter(|entry| entry.sequence > self.last);
                    self.backlog.extend(fresh.cloned());
                }
                Err(SubscriptionEnd::Lagged(_)) => self.caught_up = false,
                Err(SubscriptionEnd::Closed) => return Ok(None),
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), ReadError> {
        let (log, after) = (self.log.clone(), self.last);
        let read = tokio::task::spawn_blocking(move || log.read(after, FOLLOW_CHUNK)).await;
        let entries = read.map_err(|error| ReadError::Store(error.to_string()))??;
        self.caught_up = entries.is_empty();
        self.backlog.extend(entries);
        Ok(())
    }
}
