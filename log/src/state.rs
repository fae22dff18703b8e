//! What the committer and the readers share: the snapshot of now, the groups, the options.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, broadcast};

use crate::last::LastValues;
use crate::request::AppendError;
use crate::space::{Disk, SpaceLimits};
use crate::store::Store;
use crate::tail::Tail;
use crate::watermark::{MARK_EVERY, Watermark};
use crate::{Catalog, Clock, Entry, Sequence, Timestamp};

/// One consistent view of everything: what a query holds from its first row to its last (Q1).
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What is defined, the live segments among it.
    pub catalog: Arc<Catalog>,
    /// The newest entry that is part of this view.
    pub sequence: Sequence,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// Samples that no segment holds: sealed tails, then the active one.
    pub tails: Vec<Arc<Tail>>,
}

/// Entries that became durable together.
#[derive(Debug)]
pub struct Group {
    /// The entries, ascending.
    pub entries: Vec<Entry>,
    /// The last one's sequence.
    pub last: Sequence,
}

/// The linger unless another is asked for.
pub const LINGER: Duration = Duration::from_millis(5);
/// The linger for flash that is to last: 20 groups of few rows a second.
pub const LINGER_EDGE: Duration = Duration::from_millis(50);
/// Samples of the hot tail, unless another limit is asked for.
pub const TAIL_ROWS_MAX: u64 = 64 << 20;
/// Bytes of the hot tail, unless another limit is asked for.
pub const TAIL_BYTES_MAX: u64 = 256 << 20;
/// How long a writer waits for compaction while the hot tail is full.
pub const TAIL_WAIT_MAX: Duration = Duration::from_secs(10);

/// How the log is to work.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The data folder.
    pub folder: PathBuf,
    /// Groups of few rows are written no more often than one a linger in the long run.
    pub linger: Duration,
    /// Most samples in memory that no segment holds yet.
    pub tail_rows_max: u64,
    /// Most bytes of memory that those samples take.
    pub tail_bytes_max: u64,
    /// How long a writer waits while there are more; then it gets an error.
    pub tail_wait: Duration,
    /// How much of the disk is kept free.
    pub space: SpaceLimits,
    /// Faults on purpose; all off but in tests of the tests.
    pub switches: TestSwitches,
}

impl LogOptions {
    /// The defaults for a data folder.
    pub fn new(folder: impl Into<PathBuf>) -> LogOptions {
        LogOptions {
            folder: folder.into(),
            linger: LINGER,
            tail_rows_max: TAIL_ROWS_MAX,
            tail_bytes_max: TAIL_BYTES_MAX,
            tail_wait: TAIL_WAIT_MAX,
            space: SpaceLimits::default(),
            switches: TestSwitches::default(),
        }
    }
}

/// Faults on purpose, so that a checker can be seen to find them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestSwitches {
    /// Acknowledge before anything is written, and never sync.
    pub ack_before_commit: bool,
    /// Store a batch again when it is sent again.
    pub store_batches_again: bool,
    /// Open a data folder without looking whether its files are sound and nothing is missing.
    pub trust_disk: bool,
}

/// What the committer and all handles share.
pub(crate) struct Shared {
    pub(crate) options: LogOptions,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) last_values: LastValues,
    pub(crate) groups: broadcast::Sender<Arc<Group>>,
    stopped: OnceLock<Arc<str>>,
    pub(crate) stopping: Notify,
    watermark: Watermark,
    /// Tells the watermark's thread that there is something new to mark.
    news: SyncSender<()>,
    /// Where the data folder is.
    pub(crate) disk: Disk,
    /// Told when a group is written, which may have let go of a tail.
    pub(crate) emptied: Notify,
}

impl Shared {
    pub(crate) fn new(
        options: LogOptions,
        store: Store,
        clock: Arc<dyn Clock>,
        snapshot: Snapshot,
        last_values: LastValues,
        (watermark, news): (Watermark, SyncSender<()>),
    ) -> Shared {
        Shared {
            disk: Disk::new(options.folder.clone(), options.space),
            options,
            store,
            clock,
            snapshot: ArcSwap::from_pointee(snapshot),
            last_values,
            groups: broadcast::Sender::new(GROUPS_BUFFERED_MAX),
            stopped: OnceLock::new(),
            stopping: Notify::new(),
            watermark,
            news,
            emptied: Notify::new(),
        }
    }

    /// Starts the thread that writes the watermark, at most [`MARK_EVERY`] behind the log, and
    /// looks after the store. It ends with the log.
    pub(crate) fn keep_watermark(self: &Arc<Shared>, news: Receiver<()>) -> io::Result<()> {
        let shared = Arc::downgrade(self);
        let keep = move || {
            loop {
                match news.recv_timeout(CHECK_EVERY) {
                    Ok(()) => std::thread::sleep(MARK_EVERY),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let Some(shared) = shared.upgrade() else { return };
                if shared.stopped().is_some() {
                    return;
                }
                let checked = shared.store.check().map_err(|error| error.to_string());
                let marked = shared.watermark.write(shared.store.head());
                if let Err(reason) = checked.and(marked.map_err(|error| error.to_string())) {
                    shared.fail(reason);
                    return;
                }
            }
        };
        std::thread::Builder::new().name("watermark".into()).spawn(keep).map(|_| ())
    }

    /// Says that something new is durable.
    pub(crate) fn written(&self) {
        // If the channel is full the thread is about to look anyway.
        let _ = self.news.try_send(());
    }

    /// Brings the watermark up to the log, as its end.
    pub(crate) fn finish_watermark(&self) {
        let written = self.watermark.write_both(self.store.head());
        if let (Err(error), None) = (written, self.stopped()) {
            self.fail(error.to_string());
        }
    }

    /// Stops the log for a reason that somebody has to look at.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(%reason, "the log stopped taking writes");
        self.stop(reason.into());
    }

    /// Why the hot tail takes no more; nothing while it does.
    pub(crate) fn tail_problem(&self) -> Option<AppendError> {
        let snapshot = self.snapshot.load();
        let sum = |of: fn(&Tail) -> u64| snapshot.tails.iter().map(|tail| of(tail)).sum::<u64>();
        let (rows, bytes) = (sum(Tail::rows), sum(Tail::memory));
        let full = rows > self.options.tail_rows_max || bytes > self.options.tail_bytes_max;
        (full && self.stopped().is_none()).then_some(AppendError::TailFull { rows, bytes })
    }

    pub(crate) fn stop(&self, reason: Arc<str>) {
        self.stopped.get_or_init(|| reason);
        self.stopping.notify_waiters();
        self.emptied.notify_waiters();
    }

    pub(crate) fn stopped(&self) -> Option<Arc<str>> {
        self.stopped.get().cloned()
    }
}

/// How often it is looked whether the store has failed, while nothing is written.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// Groups that a subscriber may be behind before it has to catch up from the log.
pub const GROUPS_BUFFERED_MAX: usize = 1024;
