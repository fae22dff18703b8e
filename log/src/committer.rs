//! Gathers requests into groups and puts each together: decided, merged and encoded.
//!
//! It is one thread, so that requests have one order. What it has put together goes to the
//! `writer`; while that makes one group durable, the next gathers, and if it is large it is encoded
//! already. So it decides on what the catalog will be, which is ahead of what readers see; if a
//! group cannot be written the log ends, and nothing that was decided on it either becomes true.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use crate::codec;
use crate::draft::Draft;
use crate::full;
use crate::pace::Pace;
use crate::request::{Request, refuse};
use crate::state::Shared;
use crate::store::Commit;
use crate::writer::{Busy, Work};
use crate::{
    AppendError, BatchId, Catalog, Change, Event, Run, Sequence, Submitted, Timestamp, decide,
};

/// Rows from which on a group takes no more: its columns still lie in the processor's cache while
/// they are packed, and its one fsync is spread over enough of them.
pub const GROUP_ROWS_MAX: usize = 1 << 17;
/// Groups that may wait, put together, for the one that is being written.
pub(crate) const GROUPS_AHEAD_MAX: usize = 1;
/// Rows from which on it pays to encode a group while another is written; a smaller one rather
/// takes what else comes until then.
const ENCODE_AHEAD_ROWS: usize = 1 << 14;

/// The thread's own state.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Receiver<Request>,
    pub(crate) works: SyncSender<Work>,
    /// Whether the writer is at work.
    pub(crate) busy: Arc<Busy>,
    /// The newest batch of each producer.
    pub(crate) producers: HashMap<String, (u64, u64)>,
    /// How often small groups are written.
    pub(crate) pace: Pace,
    /// What the groups that were handed over lead to.
    pub(crate) ahead: Ahead,
}

/// What the log will hold once all that was handed over is written.
pub(crate) struct Ahead {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) sequence: Sequence,
    pub(crate) at: Timestamp,
}

impl Committer {
    /// Works until the log is closed or every handle is gone.
    pub(crate) fn run(mut self) {
        while let Ok(first) = self.requests.recv() {
            let (group, end) = self.gather(first);
            if let Err(reason) = self.prepare(group) {
                self.shared.fail(reason);
            }
            let (work, over) = match end {
                Some(Request::Close { done }) => (Work::Close { done }, true),
                Some(Request::Seal { done }) => (Work::Seal { done }, false),
                Some(Request::Append { .. } | Request::Submit { .. }) | None => continue,
            };
            self.hand_over(work);
            if over {
                return;
            }
        }
    }

    /// Waits while the writer has enough. If it has ended the log has stopped; whoever waits for an
    /// answer learns that from the one who would give it.
    fn hand_over(&self, work: Work) {
        self.busy.begin();
        if self.works.send(work).is_err() {
            self.shared.stop("its writer ended".into());
        }
    }

    /// The requests of one group, and the one that ends it if it is of another kind. Takes what
    /// waits; if that is not worth a commit yet, what comes in the meantime too.
    fn gather(&mut self, first: Request) -> (Vec<Request>, Option<Request>) {
        let (mut group, mut rows, mut urgent, mut next) = (Vec::new(), 0, false, Some(first));
        let mut waited = false;
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
                None if rows < ENCODE_AHEAD_ROWS && !waited => {
                    self.busy.wait(|| self.shared.stopped().is_some());
                    waited = true;
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

    /// Decides and encodes one group, and hands it over.
    fn prepare(&mut self, requests: Vec<Request>) -> Result<(), String> {
        if requests.is_empty() {
            return Ok(());
        }
        if let Some(reason) = self.shared.stopped() {
            requests.into_iter().for_each(|request| refuse(request, &reason));
            return Ok(());
        }
        let requests = full::with_room(requests, self.shared.disk.space());
        let now = self.shared.clock.now().max(self.ahead.at);
        let mut draft = Draft::new(self.ahead.catalog.clone(), self.ahead.sequence, now);
        for request in requests {
            self.take(&mut draft, request);
        }
        draft.finish_samples();
        let (commit, bytes) = match encode(&draft) {
            Ok(encoded) => encoded,
            Err(error) => {
                draft.fail(&error.as_str().into());
                return Err(error);
            }
        };
        let (catalog, sequence, at) = (draft.catalog.clone(), draft.sequence, draft.at);
        self.ahead = Ahead { catalog, sequence, at };
        self.hand_over(Work::Group(Box::new(draft), commit, bytes));
        Ok(())
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
}

/// What goes to the store, and the bytes of the samples in it.
fn encode(draft: &Draft) -> Result<(Commit, u64), String> {
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
    Ok((commit, sample_bytes))
}
