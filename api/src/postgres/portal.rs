//! Portals: statements with their parameters, and how far their rows have been read.
//!
//! Simple queries and Execute pull from the same portal. What interrupts it comes in as a value;
//! the messages around the rows are `connection`'s.

use std::sync::Arc;

use parx_query::ScalarValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::encode::{Format, Rows, Style};
use super::error::{PgError, sqlstate};
use super::limits::OUTPUT_BYTES_MAX;
use super::prepared::Prepared;
use super::wire::{Ending, Wire};
use crate::workers::Batches;

/// A statement that is ready to run, or runs.
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) parameters: Vec<ScalarValue>,
    pub(crate) formats: Vec<Format>,
    pub(crate) state: State,
}

/// How far a portal is.
pub(crate) enum State {
    /// Nothing has been asked of it yet.
    Bound,
    /// Rows may follow.
    Open(Box<Reading>),
    /// Everything has been read.
    Done,
}

/// The rows of a portal that are still to be sent.
pub(crate) struct Reading {
    batches: Batches,
    current: Option<(Rows, std::ops::Range<usize>)>,
    style: Style,
}

/// What stops a statement before its end.
pub(crate) struct Interrupt<'a> {
    pub(crate) cancelled: &'a CancellationToken,
    pub(crate) deadline: Instant,
    /// The server stops.
    pub(crate) killed: &'a CancellationToken,
}

impl Interrupt<'_> {
    /// Resolves with the reason when the statement must stop.
    pub(crate) async fn fired(&self) -> PgError {
        let cancelled = |why: &str| {
            PgError::new(sqlstate::QUERY_CANCELED, format!("canceling statement due to {why}"))
        };
        tokio::select! {
            () = self.cancelled.cancelled() => cancelled("user request"),
            () = self.killed.cancelled() => shutdown(),
            () = tokio::time::sleep_until(self.deadline) => cancelled("statement timeout")
                .hint("SET statement_timeout allows more, up to the server's longest."),
        }
    }
}

/// What a session is told when the server stops.
pub(crate) fn shutdown() -> PgError {
    PgError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

/// How the reading of a portal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many rows were sent and there are no more.
    All(u64),
    /// The limit was reached; there may be more.
    Some,
}

/// A statement's error, or the connection's end.
pub(crate) enum Failure {
    Statement(PgError),
    Connection(Ending),
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Failure {
        Failure::Statement(error)
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Failure {
        Failure::Connection(ending)
    }
}

impl Reading {
    pub(crate) fn new(batches: Batches, style: Style) -> Reading {
        Reading { batches, current: None, style }
    }

    /// Writes rows, at most `limit` of them where it is not 0, as fast as the client takes them.
    pub(crate) async fn send(
        &mut self,
        wire: &mut Wire,
        formats: &[Format],
        limit: usize,
        interrupt: &Interrupt<'_>,
    ) -> Result<Read, Failure> {
        let mut sent = 0u64;
        let mut fired = std::pin::pin!(interrupt.fired());
        loop {
            if let Some((rows, range)) = &mut self.current {
                while wire.output.len() < OUTPUT_BYTES_MAX
                    && let Some(row) = range.next()
                {
                    rows.put(row, &mut wire.output);
                    sent += 1;
                    if limit > 0 && sent == limit as u64 {
                        return Ok(Read::Some);
                    }
                }
                if range.start >= range.end {
                    self.current = None;
                }
            }
            let full = wire.output.len() >= OUTPUT_BYTES_MAX;
            tokio::select! {
                biased;
                reason = &mut fired => return Err(reason.into()),
                batch = self.batches.next(), if self.current.is_none() && !full => {
                    let batch = batch.map_err(|gone| {
                        PgError::new(sqlstate::INTERNAL, gone.to_string())
                    })?;
                    let Some(batch) = batch else { return Ok(Read::All(sent)) };
                    let batch = batch.map_err(|error| PgError::from(&error))?;
                    let rows = Rows::new(&batch, formats, self.style.clone())?;
                    self.current = Some((rows, 0..batch.num_rows()));
                }
                moved = wire.progress(), if full || self.current.is_none() => moved?,
            }
        }
    }
}

/// Waits for something that makes no rows, while watching the client and the clock.
pub(crate) async fn wait<T>(
    wire: &mut Wire,
    interrupt: &Interrupt<'_>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    let mut fired = std::pin::pin!(interrupt.fired());
    loop {
        tokio::select! {
            biased;
            reason = &mut fired => return Err(reason.into()),
            done = &mut work => return Ok(done),
            moved = wire.progress() => moved?,
        }
    }
}
