//! What the committer refuses while the disk is nearly full.
//!
//! It asks before every group, so that what was queued while there was room is refused too: then
//! all of it, in its order, for the log refuses for a while once it begins to.

use crate::Command;
use crate::request::{AppendError, Request, SubmitError};
use crate::space::Space;

/// The requests that the disk has room for; the others are answered.
pub(crate) fn with_room(mut requests: Vec<Request>, space: Space) -> Vec<Request> {
    if space == Space::Enough {
        return requests;
    }
    let refused = |request: &mut Request| match request {
        Request::Append { .. } => space.low().is_some(),
        Request::Submit { command, .. } => space.critical().is_some() && !makes_room(command),
        Request::Seal { .. } | Request::Close { .. } => false,
    };
    for request in requests.extract_if(.., refused) {
        refuse(request, space);
    }
    requests
}

/// Commands that let go of log or files, and so are taken to the last.
fn makes_room(command: &Command) -> bool {
    matches!(
        command,
        Command::CommitSegments { .. }
            | Command::MergeSegments { .. }
            | Command::ExpireSamples { .. }
    )
}

fn refuse(request: Request, space: Space) {
    let (free, needed) = space.low().unwrap_or_default();
    match request {
        Request::Append { done, .. } => {
            let _ = done.send(Err(AppendError::DiskFull { free, needed }));
        }
        Request::Submit { done, .. } => {
            let _ = done.send(Err(SubmitError::DiskFull { free, needed }));
        }
        Request::Seal { .. } | Request::Close { .. } => {}
    }
}
