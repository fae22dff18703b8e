//! What is asked of the committer, and why it says no.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{BatchId, Change, Command, Refusal, Samples, Sequence, SignalId};

/// What someone wants of the log.
pub(crate) enum Request {
    Append {
        author: Arc<str>,
        batch: Option<BatchId>,
        samples: Samples,
        done: oneshot::Sender<Result<Sequence, AppendError>>,
        /// Room in the queue, given back when the request is done.
        room: OwnedSemaphorePermit,
    },
    Submit {
        author: Arc<str>,
        command: Box<Command>,
        done: oneshot::Sender<Result<Submitted, SubmitError>>,
    },
    Seal {
        done: oneshot::Sender<Result<Option<Sequence>, SubmitError>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// What a command became.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The sequence of the last change, or of the log if there was nothing to change.
    pub sequence: Sequence,
    /// The changes; none if all was as wished already.
    pub changes: Vec<Arc<Change>>,
}

/// Why samples were not recorded. None of the batch was.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum AppendError {
    /// Define the signal first.
    #[error("there is no signal with id {0}; define it first")]
    UnknownSignal(SignalId),
    /// Wait for compaction, or look at why it does not get on.
    #[error(
        "the hot tail holds {rows} samples in {bytes} bytes, which is the most; compaction is \
         behind, try later"
    )]
    TailFull {
        /// Samples in it.
        rows: u64,
        /// Bytes of memory that they take.
        bytes: u64,
    },
    /// Make room on the disk; writes go on by themselves.
    #[error(
        "the disk is nearly full: {free} bytes are free, and {needed} have to be; make room, then \
         writes go on by themselves"
    )]
    DiskFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        needed: u64,
    },
    /// A fault of whoever made the columns: make them of one length.
    #[error("the columns of the samples are not of one length, or point at no text")]
    Uneven,
    /// Restart ParX; what was acknowledged is safe.
    #[error("the log stopped taking writes: {0}")]
    Stopped(Arc<str>),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum SubmitError {
    /// Correct the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Make room on the disk; then send the command again.
    #[error(
        "the disk is full: {free} bytes are free, and {needed} have to be; make room, then send it \
         again"
    )]
    DiskFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        needed: u64,
    },
    /// Restart ParX; what was acknowledged is safe.
    #[error("the log stopped taking writes: {0}")]
    Stopped(Arc<str>),
}

/// Answers a request of a log that takes none.
pub(crate) fn refuse(request: Request, reason: &Arc<str>) {
    match request {
        Request::Append { done, .. } => {
            let _ = done.send(Err(AppendError::Stopped(reason.clone())));
        }
        Request::Submit { done, .. } => {
            let _ = done.send(Err(SubmitError::Stopped(reason.clone())));
        }
        Request::Seal { done } => {
            let _ = done.send(Err(SubmitError::Stopped(reason.clone())));
        }
        Request::Close { done } => {
            let _ = done.send(());
        }
    }
}
