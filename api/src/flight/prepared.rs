//! Prepared statements: planned once, kept under a handle, with the parameters bound last.
//!
//! A handle is only good for the account that made it. They are few and do not live for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parx_query::ScalarValue;
use tonic::Status;

use super::service::Planned;
use crate::auth::Identity;

/// Prepared statements of all clients; `RESOURCE_EXHAUSTED` beyond.
pub const PREPARED_MAX: usize = 10_000;
/// How long one is kept that nobody uses.
pub const PREPARED_LIFE: Duration = Duration::from_secs(3600);

const HANDLE_BYTES: usize = 16;

/// A kept statement.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) planned: Planned,
    pub(super) parameters: Vec<ScalarValue>,
    owner: Identity,
    used: Instant,
}

/// The kept statements by their handles.
#[derive(Default)]
pub(super) struct Kepts(Mutex<HashMap<[u8; HANDLE_BYTES], Kept>>);

fn unknown() -> Status {
    Status::not_found("there is no such prepared statement; it may have been closed or forgotten")
}

impl Kepts {
    /// Keeps a statement and answers with its handle.
    pub(super) fn keep(&self, owner: Identity, planned: Planned) -> Result<Vec<u8>, Status> {
        let mut kepts = self.0.lock();
        if kepts.len() >= PREPARED_MAX {
            kepts.retain(|_, kept| kept.used.elapsed() < PREPARED_LIFE);
        }
        if kepts.len() >= PREPARED_MAX {
            return Err(Status::resource_exhausted(format!(
                "there are {PREPARED_MAX} prepared statements; close those no longer needed"
            )));
        }
        let handle: [u8; HANDLE_BYTES] = rand::random();
        let kept = Kept { planned, parameters: Vec::new(), owner, used: Instant::now() };
        kepts.insert(handle, kept);
        Ok(handle.to_vec())
    }

    /// The statement of a handle.
    pub(super) fn get(&self, owner: &Identity, handle: &[u8]) -> Result<Kept, Status> {
        self.with(owner, handle, |kept| kept.clone())
    }

    /// Replaces the parameters of a statement.
    pub(super) fn bind(
        &self,
        owner: &Identity,
        handle: &[u8],
        parameters: Vec<ScalarValue>,
    ) -> Result<(), Status> {
        self.with(owner, handle, |kept| kept.parameters = parameters)
    }

    /// Forgets a statement.
    pub(super) fn close(&self, owner: &Identity, handle: &[u8]) -> Result<(), Status> {
        self.with(owner, handle, |_| ())?;
        self.0.lock().retain(|key, _| key != handle);
        Ok(())
    }

    fn with<T>(
        &self,
        owner: &Identity,
        handle: &[u8],
        act: impl FnOnce(&mut Kept) -> T,
    ) -> Result<T, Status> {
        let key = <[u8; HANDLE_BYTES]>::try_from(handle).map_err(|_| unknown())?;
        let mut kepts = self.0.lock();
        let kept = kepts.get_mut(&key).filter(|kept| kept.owner == *owner).ok_or_else(unknown)?;
        kept.used = Instant::now();
        Ok(act(kept))
    }
}
