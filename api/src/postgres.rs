//! The Postgres door: what psql, Grafana, Power BI and every driver of PostgreSQL talk to.
//!
//! Accepts connections and sees each through login, conversation and end. pgwire brings the
//! messages and SCRAM; sessions, portals, settings and the writing of rows are ours. SQL is the
//! query engine's.

mod cancel;
pub(crate) mod columns;
mod command;
mod connection;
mod encode;
mod error;
mod frames;
mod hints;
mod limits;
mod parameters;
mod portal;
mod prepared;
mod session;
mod settings;
mod startup;
mod statements;
mod types;
mod wire;
mod zone;

use std::sync::Arc;

use parx_log::Log;
use parx_query::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use cancel::Cancels;
use connection::{Connection, Stops};
use error::{PgError, sqlstate};
pub use limits::*;
use session::Memory;
use settings::Timeouts;
pub use startup::DATABASE;
use wire::{Ending, Wire};

use crate::workers::Workers;

/// What all connections share.
struct Door {
    engine: Engine,
    workers: Workers,
    log: Log,
    limits: PostgresLimits,
    cancels: Arc<Cancels>,
    sessions: Arc<Semaphore>,
    /// Makes the salts of unknown users.
    secret: [u8; 32],
    stops: Stops,
}

/// Serves until `stop`, then lets running statements go on for a while before it cancels them.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    (log, workers): (Log, Workers),
    limits: PostgresLimits,
    stop: CancellationToken,
) {
    let openings = Arc::new(Semaphore::new(limits.openings + limits.connections));
    let stops = Stops { stop: stop.clone(), kill: CancellationToken::new() };
    let door = Arc::new(Door {
        engine,
        workers,
        log,
        limits,
        cancels: Arc::default(),
        sessions: Arc::new(Semaphore::new(limits.connections)),
        secret: rand::random(),
        stops: stops.clone(),
    });
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match (accepted, openings.clone().try_acquire_owned()) {
            (Ok((socket, _)), Ok(place)) => {
                let door = door.clone();
                tasks.spawn(async move {
                    door.meet(socket).await;
                    drop(place);
                });
            }
            (Ok((_, peer)), Err(_)) => {
                tracing::debug!(%peer, "connection closed: too many that have not logged in");
            }
            (Err(error), _) => {
                // Out of file handles, mostly: others must end before it goes on.
                tracing::debug!(%error, "connection not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.drain, tasks.wait()).await.is_err() {
        stops.kill.cancel();
        tasks.wait().await;
    }
}

impl Door {
    /// One connection from its first byte to its last.
    async fn meet(self: Arc<Door>, socket: TcpStream) {
        // Answers are whole when they are sent; waiting for more would only delay them.
        let _ = socket.set_nodelay(true);
        let mut wire = Wire::new(socket, self.limits.message_bytes);
        let stop = self.stops.stop.clone();
        let opened = tokio::select! {
            () = stop.cancelled() => Err(portal::shutdown().into()),
            opened = tokio::time::timeout(self.limits.login_timeout, self.open(&mut wire)) => {
                // Who takes too long is not told why, as in PostgreSQL.
                opened.unwrap_or(Err(Ending::Gone))
            }
        };
        let (admitted, place) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err(ending) => return end(wire, ending).await,
        };
        let user = admitted.identity.name.clone();
        tracing::debug!(%user, pid = admitted.ticket.pid, "session begins");
        let engine = self.engine.session(&user);
        engine.set_time_zone(admitted.settings.zone().name());
        let past = admitted.settings.show(settings::AS_OF).map(|(_, text)| text);
        match past.and_then(|text| connection::read_as_of(&engine, &text)) {
            Ok(past) => engine.set_as_of(past),
            Err(error) => return end(wire, Ending::Fatal(error)).await,
        }
        let mut connection = Connection {
            wire,
            identity: admitted.identity,
            engine,
            workers: self.workers.clone(),
            memory: Memory::new(admitted.settings, self.limits),
            ticket: admitted.ticket,
            stops: self.stops.clone(),
        };
        let ending = Box::pin(connection.talk()).await;
        tracing::debug!(%user, ?ending, "session ends");
        let Connection { wire, memory, .. } = connection;
        // Portals hold work; it stops before the farewell, which may take a moment.
        drop(memory);
        end(wire, ending).await;
        drop(place);
    }

    async fn open(
        &self,
        wire: &mut Wire,
    ) -> Result<Option<(startup::Admitted, tokio::sync::OwnedSemaphorePermit)>, Ending> {
        let Some(hello) = startup::hear(wire, &self.cancels).await? else { return Ok(None) };
        let place = self.sessions.clone().try_acquire_owned().map_err(|_| {
            PgError::new(sqlstate::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
                .detail(format!("At most {} sessions are served.", self.limits.connections))
        })?;
        let timeouts = Timeouts {
            default: self.limits.statement_timeout,
            longest: self.limits.statement_timeout_max,
        };
        let admitted =
            startup::admit(wire, hello, &self.log, &self.secret, &self.cancels, timeouts).await?;
        Ok(Some((admitted, place)))
    }
}

/// Ends a connection, with a last word where there is one. Every last word is fatal: nothing can
/// be asked after it.
async fn end(mut wire: Wire, ending: Ending) {
    match ending {
        Ending::Fatal(error) => wire.put(&error.fatal()),
        Ending::Socket(error) => tracing::debug!(%error, "connection lost"),
        Ending::Gone => {}
    }
    wire.close().await;
}

#[cfg(test)]
mod tests;
