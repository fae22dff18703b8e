//! A group that is being put together: its entries, the catalog they lead to, and who waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    AppendError, BatchId, Catalog, Change, Entry, Event, Samples, Sequence, SubmitError, Submitted,
    Timestamp,
};

/// Answers that wait for the group to be durable.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) appends: Vec<(oneshot::Sender<Result<Sequence, AppendError>>, OwnedSemaphorePermit)>,
    pub(crate) submits: Vec<(oneshot::Sender<Result<Submitted, SubmitError>>, Submitted)>,
}

/// A group that is being put together.
pub(crate) struct Draft {
    pub(crate) sequence: Sequence,
    pub(crate) at: Timestamp,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) parts: Vec<Samples>,
    pub(crate) batches: Vec<BatchId>,
    pub(crate) authors: Vec<Arc<str>>,
    pub(crate) answers: Answers,
    pub(crate) publishes: bool,
}

impl Draft {
    /// An empty group behind what the catalog was at `sequence`.
    pub(crate) fn new(catalog: Arc<Catalog>, sequence: Sequence, at: Timestamp) -> Draft {
        Draft {
            sequence,
            at,
            catalog,
            entries: Vec::new(),
            parts: Vec::new(),
            batches: Vec::new(),
            authors: Vec::new(),
            answers: Answers::default(),
            publishes: false,
        }
    }

    pub(crate) fn push_change(&mut self, author: &Arc<str>, change: Arc<Change>) {
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
    pub(crate) fn finish_samples(&mut self) {
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

    pub(crate) fn acknowledge(&mut self) {
        self.acknowledge_appends();
        for (done, submitted) in std::mem::take(&mut self.answers.submits) {
            let _ = done.send(Ok(submitted));
        }
    }

    pub(crate) fn acknowledge_appends(&mut self) {
        for (done, room) in std::mem::take(&mut self.answers.appends) {
            drop(room);
            let _ = done.send(Ok(self.sequence));
        }
    }

    pub(crate) fn fail(&mut self, reason: &Arc<str>) {
        let answers = std::mem::take(&mut self.answers);
        for (done, _room) in answers.appends {
            let _ = done.send(Err(AppendError::Stopped(reason.clone())));
        }
        for (done, _) in answers.submits {
            let _ = done.send(Err(SubmitError::Stopped(reason.clone())));
        }
    }
}
