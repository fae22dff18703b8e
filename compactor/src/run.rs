//! The compactor's station: seals the log, writes segments, publishes and merges them, tidies up.
//!
//! Decides nothing itself (see `plan`). Whatever fails is tried again; the log keeps its samples
//! until a published segment holds them (L5).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parx_log::{
    Command, Dropped, Keep, LastValue, Log, SegmentKind, SegmentMeta, Sequence, SubmitError, Tail,
    Timestamp,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::file::TEMPORARY;
use crate::retention::{self, Expiry};
use crate::rollup;
use crate::trust::Trusted;
use crate::{Limits, Merging, SegmentError, SegmentStore, Versions, last_until, plan, write};

const AUTHOR: &str = "compactor";
const POLL_MAX: Duration = Duration::from_secs(1);
const POLL_MIN: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// How often it is looked for what is kept no longer, beside when rules change.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// Why a pass of the compactor ended early. Nothing is lost by it; the next pass begins anew.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// A file could not be written or read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The log did not take the result.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A thread of the compactor ended before its work did.
    #[error("the compactor's thread failed: {0}")]
    Thread(String),
}

/// A merge that is under way.
type Running = (Merging, JoinHandle<Result<Vec<SegmentMeta>, SegmentError>>);

/// Takes samples from the log into segments, and segments into fewer.
pub struct Compactor {
    log: Log,
    store: SegmentStore,
    limits: Limits,
    /// Files that no manifest names any more, until no snapshot does either.
    doomed: Vec<(String, Weak<SegmentMeta>)>,
    trusted: Trusted,
    /// The log's uptime when `trusted` was looked at.
    looked: Duration,
    /// When and by which rules the last look for what is kept no longer was done.
    expired: Option<(Duration, BTreeMap<String, Keep>)>,
}

impl Compactor {
    /// A compactor of `log`, whose files are those of `store`.
    pub fn new(log: Log, store: SegmentStore, limits: Limits) -> Compactor {
        let known = log.snapshot().recorded_at;
        let fresh = known == Timestamp::MIN;
        let trusted = Trusted::since(if fresh { log.now() } else { known });
        let looked = log.uptime();
        Compactor { log, store, limits, doomed: Vec::new(), trusted, looked, expired: None }
    }

    /// Works until `cancel`: first tidies up what a crash may have left, then seals, writes and
    /// merges as the limits say.
    pub async fn run(log: Log, store: SegmentStore, limits: Limits, cancel: CancellationToken) {
        let mut compactor = Compactor::new(log, store, limits);
        let poll = (limits.seal_age / 4).clamp(POLL_MIN, POLL_MAX);
        let mut wait = Duration::ZERO;
        let mut tidy = false;
        while cancel.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            let mut outcome = Ok(());
            if !tidy {
                outcome = compactor.tidy().await;
                tidy = outcome.is_ok();
            }
            if tidy {
                outcome = compactor.pass(false).await;
            }
            wait = match outcome {
                Ok(()) => poll,
                Err(CompactError::Submit(SubmitError::Stopped(reason))) => {
                    info!(%reason, "the compactor ends with the log");
                    return;
                }
                Err(error) => {
                    let wait = (wait * 2).clamp(POLL_MAX, BACK_OFF_MAX);
                    error!(%error, ?wait, "compaction failed and will be tried again");
                    wait
                }
            };
        }
        compactor.leave_tidy().await;
    }

    /// Removes every replaced file, so that whoever reads the folder while ParX is off finds each
    /// row once. The readers are gone: the doors close before the compactor ends.
    async fn leave_tidy(&mut self) {
        let root = self.store.root().to_owned();
        let doomed = std::mem::take(&mut self.doomed);
        let removed =
            blocking(move || doomed.iter().try_for_each(|(path, _)| remove(&root.join(path))));
        if let Err(error) = removed.await {
            error!(%error, "a replaced file stays until the next start");
        }
    }

    /// Seals if it is due, or in any case with `force`; writes what is sealed; merges what is due,
    /// and goes on sealing and writing meanwhile. While the disk is nearly full nothing is merged,
    /// which needs room before it makes any, and while it is full nothing is written.
    pub async fn pass(&mut self, force: bool) -> Result<(), CompactError> {
        if self.log.space().critical().is_some() {
            return self.sweep().await;
        }
        if force {
            self.log.seal().await?;
        }
        self.settle().await?;
        let mut running = None;
        let worked = self.work(&mut running).await;
        if let (Err(_), Some((_, merge))) = (&worked, running) {
            // So that the next pass does not begin the same file beside it.
            let _ = merge.await;
        }
        worked?;
        self.expire().await?;
        self.sweep().await
    }

    /// Seals, writes and merges until nothing is due.
    async fn work(&mut self, running: &mut Option<Running>) -> Result<(), CompactError> {
        loop {
            self.seal_if_due().await?;
            self.write_sealed().await?;
            if running.is_none() && self.log.space().low().is_none() {
                *running = self.due_merge().map(|merging| self.begin(merging));
            }
            let Some((_, merge)) = running else { return Ok(()) };
            if let Ok(done) = tokio::time::timeout(POLL_MIN, merge).await
                && let Some((merging, _)) = running.take()
            {
                let add = done.map_err(|error| CompactError::Thread(error.to_string()))??;
                self.publish(merging, add).await?;
            }
        }
    }

    async fn seal_if_due(&self) -> Result<(), CompactError> {
        let snapshot = self.log.snapshot();
        if let Some(tail) = snapshot.tails.last().filter(|tail| tail.last().is_none()) {
            let age = self.log.now().since(tail.started());
            if plan::should_seal(tail.rows(), tail.log_bytes(), age, &self.limits) {
                self.log.seal().await?;
            }
        }
        Ok(())
    }

    async fn write_sealed(&mut self) -> Result<(), CompactError> {
        let snapshot = self.log.snapshot();
        let sealed = snapshot.tails.iter().filter_map(|tail| Some((tail.clone(), tail.last()?)));
        let sealed: Vec<(Arc<Tail>, Sequence)> = sealed.collect();
        drop(snapshot);
        for (tail, last) in sealed {
            self.write(tail, last).await?;
        }
        Ok(())
    }

    /// Lets go of what is not kept any more, day after day. Looks again after a while, and when the
    /// rules change.
    async fn expire(&mut self) -> Result<(), CompactError> {
        let (now, uptime) = (self.log.now(), self.log.uptime());
        self.trusted = self.trusted.advance(now, uptime.saturating_sub(self.looked));
        self.looked = uptime;
        let catalog = self.log.catalog();
        let rules = catalog.retention.clone();
        let fresh = |(at, known): &(Duration, BTreeMap<String, Keep>)| {
            *known == rules && uptime.saturating_sub(*at) < EXPIRE_EVERY
        };
        if rules.is_empty() || self.expired.as_ref().is_some_and(fresh) {
            return Ok(());
        }
        let today = self.trusted.at.day();
        if today < now.day() {
            let believed = self.trusted.at;
            info!(%believed, "the clock is ahead; what it alone makes old is not let go yet");
        }
        for day in retention::days(&catalog, today) {
            let (store, snapshot) = (self.store.clone(), self.log.snapshot());
            let found = blocking(move || retention::expire(&store, &snapshot, day, today)).await?;
            let Some(Expiry { add, gone, dropped }) = found else { continue };
            for Dropped { tier, signals, rows, .. } in &dropped {
                info!(day, %tier, signals = signals.len(), rows, "what is not kept is let go");
            }
            let remove = gone.iter().map(|meta| meta.path.clone()).collect();
            let command = Command::ExpireSamples { add, remove, dropped };
            self.log.submit(AUTHOR.into(), command).await?;
            self.doom(&gone);
        }
        self.expired = Some((uptime, rules));
        Ok(())
    }

    /// Looks up the newest samples of signals of which one was deleted.
    async fn settle(&self) -> Result<(), CompactError> {
        let unsettled = self.log.last_values().unsettled();
        for signal in unsettled {
            let (log, store) = (self.log.clone(), self.store.clone());
            blocking(move || {
                let snapshot = log.snapshot();
                let rows = last_until(&store, &snapshot, signal, i64::MAX, Versions::Newest)?;
                let found = rows.sequences.first().map(|sequence| LastValue {
                    sample: rows.sample(0, signal),
                    sequence: Sequence(*sequence),
                });
                log.last_values().settle(signal, snapshot.sequence, found);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    fn due_merge(&self) -> Option<Merging> {
        plan::plan_merge(&self.log.catalog().manifest, self.log.now(), &self.limits)
    }

    async fn write(&mut self, tail: Arc<Tail>, through: Sequence) -> Result<(), CompactError> {
        let root = self.store.root().to_owned();
        let rows = tail.rows();
        let add = blocking(move || write::write_tail(&root, &tail)).await?;
        let bytes: u64 = add.iter().map(|meta| meta.bytes).sum();
        info!(rows, bytes, files = add.len(), %through, "segments are written");
        self.log.submit(AUTHOR.into(), Command::CommitSegments { add, through }).await?;
        Ok(())
    }

    /// Begins a merge on a thread of its own.
    fn begin(&self, merging: Merging) -> Running {
        let (store, plan) = (self.store.clone(), merging.clone());
        (merging, tokio::task::spawn_blocking(move || merge(&store, &plan)))
    }

    async fn publish(
        &mut self,
        merging: Merging,
        add: Vec<SegmentMeta>,
    ) -> Result<(), CompactError> {
        debug!(files = merging.segments.len(), level = merging.level, "segments are merged");
        let catalog = self.log.catalog();
        let rollups = merging.segments.iter().filter_map(|meta| {
            catalog.manifest.segments.get(&rollup::path_of(&meta.path)?).cloned()
        });
        let gone: Vec<Arc<SegmentMeta>> = merging.segments.iter().cloned().chain(rollups).collect();
        self.replace(add, gone).await
    }

    /// Publishes files in place of others.
    async fn replace(
        &mut self,
        add: Vec<SegmentMeta>,
        gone: Vec<Arc<SegmentMeta>>,
    ) -> Result<(), CompactError> {
        let remove: Vec<String> = gone.iter().map(|meta| meta.path.clone()).collect();
        self.log.submit(AUTHOR.into(), Command::MergeSegments { add, remove }).await?;
        self.doom(&gone);
        Ok(())
    }

    /// Files that are to be removed once no snapshot names them.
    fn doom(&mut self, gone: &[Arc<SegmentMeta>]) {
        let doomed = gone.iter().map(|meta| (meta.path.clone(), Arc::downgrade(meta)));
        self.doomed.extend(doomed);
    }

    /// Removes the files that were replaced, once no snapshot names them: a snapshot holds its
    /// manifest, and the manifest the description of each file.
    async fn sweep(&mut self) -> Result<(), CompactError> {
        let (free, held) =
            std::mem::take(&mut self.doomed).into_iter().partition(|(path, meta)| {
                self.store.forget(path);
                meta.strong_count() == 0
            });
        self.doomed = held;
        let root = self.store.root().to_owned();
        let free: Vec<(String, Weak<SegmentMeta>)> = free;
        blocking(move || {
            for (path, _) in free {
                remove(&root.join(path))?;
            }
            Ok(())
        })
        .await
    }

    /// Removes files that a crash left: unfinished ones, and those that the manifest does not name.
    async fn tidy(&mut self) -> Result<(), CompactError> {
        let catalog = self.log.catalog();
        let root = self.store.root().to_owned();
        blocking(move || {
            for path in strays(&root, &|path| catalog.manifest.segments.contains_key(path))? {
                info!(path = %path.display(), "a file that was never published is removed");
                remove(&path)?;
            }
            Ok(())
        })
        .await?;
        let manifest = self.log.catalog().manifest.clone();
        let alone = |meta: &&Arc<SegmentMeta>| {
            let segment = rollup::segment_of(&meta.path);
            segment.is_none_or(|path| !manifest.segments.contains_key(&path))
        };
        let alone: Vec<_> = manifest.of_kind(SegmentKind::Rollups).filter(alone).cloned().collect();
        if alone.is_empty() { Ok(()) } else { self.replace(Vec::new(), alone).await }
    }
}

fn merge(store: &SegmentStore, merging: &Merging) -> Result<Vec<SegmentMeta>, SegmentError> {
    let files = merging.segments.iter().map(|meta| store.open(meta));
    let files: Vec<_> = files.collect::<Result<_, _>>()?;
    match merging.kind {
        SegmentKind::Samples => write::merge_segments(store.root(), &files, merging.level),
        SegmentKind::Clock => {
            let mut pairs = Vec::new();
            for file in &files {
                pairs.extend(file.clock_all()?);
            }
            Ok(vec![write::write_clock(store.root(), merging.level, &pairs)?])
        }
        SegmentKind::Rollups | SegmentKind::Kept => Ok(Vec::new()),
    }
}

/// Files below `root` that look like the compactor's and that `named` does not know.
pub(crate) fn strays(
    root: &Path,
    named: &dyn Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, SegmentError> {
    let mut folders = list(&root.join("segments"))?;
    folders.extend(list(&root.join("rollups"))?);
    folders.push(root.join("clock"));
    let mut strays = Vec::new();
    for folder in folders {
        for path in if folder.is_dir() { list(&folder)? } else { Vec::new() } {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let below = path.strip_prefix(root).ok().and_then(|path| path.to_str());
            let ours = (name.starts_with('L') || name.starts_with('K'))
                && (name.ends_with(".parquet") || name.ends_with(&format!(".{TEMPORARY}")));
            if ours && !named(below.unwrap_or_default()) {
                strays.push(path);
            }
        }
    }
    Ok(strays)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SegmentError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(SegmentError::io(folder))?,
    };
    let path = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
    entries.map(path).collect::<io::Result<_>>().map_err(SegmentError::io(folder))
}

fn remove(path: &Path) -> Result<(), SegmentError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SegmentError::io(path)(error)),
        _ => Ok(()),
    }
}

/// Runs work that blocks where it disturbs nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SegmentError> + Send + 'static,
) -> Result<T, CompactError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| CompactError::Thread(error.to_string()))??)
}
