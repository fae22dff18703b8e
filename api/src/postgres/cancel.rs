//! Cancel requests: who may stop whose statement.
//!
//! A request comes on a connection of its own and names a session by a number and a secret that
//! only its client knows. It does nothing between statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The statement that a session runs, if it runs one.
type Running = Arc<Mutex<Option<CancellationToken>>>;

/// The sessions that can be cancelled.
#[derive(Default)]
pub(crate) struct Cancels {
    sessions: Mutex<HashMap<i32, (i32, Running)>>,
    last: AtomicI32,
}

impl Cancels {
    /// Makes a session known until the ticket is dropped.
    pub(crate) fn register(self: &Arc<Cancels>) -> Ticket {
        let secret: i32 = rand::random();
        let running = Running::default();
        let mut sessions = self.sessions.lock();
        let pid = loop {
            let pid = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
            if pid != 0 && !sessions.contains_key(&pid) {
                break pid;
            }
        };
        sessions.insert(pid, (secret, running.clone()));
        Ticket { cancels: self.clone(), pid, secret, running }
    }

    /// Stops the statement of a session, if the secret is right.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        let sessions = self.sessions.lock();
        let Some((expected, running)) = sessions.get(&pid) else { return };
        if expected.to_be_bytes() == *secret
            && let Some(token) = &*running.lock()
        {
            token.cancel();
        }
    }
}

/// A session's place among those that can be cancelled.
pub(crate) struct Ticket {
    cancels: Arc<Cancels>,
    pub(crate) pid: i32,
    pub(crate) secret: i32,
    running: Running,
}

impl Ticket {
    /// A statement begins: requests reach it until the guard is dropped.
    pub(crate) fn begin(&self) -> Begun {
        let token = CancellationToken::new();
        *self.running.lock() = Some(token.clone());
        Begun { token, running: self.running.clone() }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancels.sessions.lock().remove(&self.pid);
    }
}

/// A statement that can be cancelled.
pub(crate) struct Begun {
    pub(crate) token: CancellationToken,
    running: Running,
}

impl Drop for Begun {
    fn drop(&mut self) {
        *self.running.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_stops_only_what_runs() {
        let cancels = Arc::new(Cancels::default());
        let ticket = cancels.register();
        let other = cancels.register();
        assert_ne!(ticket.pid, other.pid);
        let secret = ticket.secret.to_be_bytes();
        cancels.cancel(ticket.pid, &secret);
        let begun = ticket.begin();
        assert!(!begun.token.is_cancelled(), "a request before the statement does nothing");
        cancels.cancel(ticket.pid, &ticket.secret.wrapping_add(1).to_be_bytes());
        cancels.cancel(ticket.pid, &secret[..3]);
        cancels.cancel(ticket.pid, b"");
        cancels.cancel(other.pid, &secret);
        assert!(!begun.token.is_cancelled(), "the secret must be right");
        cancels.cancel(ticket.pid, &secret);
        assert!(begun.token.is_cancelled());
        drop(begun);
        assert!(!ticket.begin().token.is_cancelled());
        let pid = ticket.pid;
        drop(ticket);
        cancels.cancel(pid, &secret);
        assert_eq!(cancels.sessions.lock().len(), 1, "a session that ended is forgotten");
    }
}
