//! The HTTP door: the web app, GraphQL, writes, sessions and health.
//!
//! Routes and who may pass; what a route does is in the files below.

mod assets;
mod errors;
mod health;
pub mod line;
mod session;
mod socket;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use parx_ingest::Intake;
use parx_log::Log;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Accounts;
use crate::graphql::Schema;

/// Largest body of a request but a write, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Writes that are taken apart at once; others wait.
pub const WRITES_AT_ONCE_MAX: usize = 16;
/// Sockets with subscriptions at once.
pub const SOCKETS_MAX: usize = 1000;

/// What the routes need.
#[derive(Clone)]
pub struct HttpState {
    /// The log.
    pub log: Log,
    /// Who may come in.
    pub accounts: Accounts,
    /// The GraphQL schema with everything it asks.
    pub schema: Schema,
    /// The way in for samples.
    pub intake: Intake,
    /// Ends long answers when the server stops.
    pub stop: CancellationToken,
    /// True once every door is open.
    pub ready: Arc<std::sync::atomic::AtomicBool>,
    /// Names in line protocol that have been met before.
    known: Arc<line::Pool>,
    writes: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl HttpState {
    /// State for a server's routes.
    pub fn new(
        log: Log,
        accounts: Accounts,
        schema: Schema,
        intake: Intake,
        stop: CancellationToken,
    ) -> HttpState {
        HttpState {
            log,
            accounts,
            schema,
            intake,
            stop,
            ready: Arc::default(),
            known: Arc::default(),
            writes: Arc::new(Semaphore::new(WRITES_AT_ONCE_MAX)),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
        }
    }
}

/// Serves until `stop`, then lets running requests end.
pub async fn serve(listener: TcpListener, state: HttpState) -> std::io::Result<()> {
    let stop = state.stop.clone();
    let router = router(state);
    // Small answers must not wait for larger ones.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(state: HttpState) -> Router {
    let writes = Router::new()
        .route("/api/v1/write", post(write::write))
        .route("/api/v2/write", post(write::write))
        .layer(DefaultBodyLimit::max(write::WRITE_BYTES_MAX));
    Router::new()
        .route("/graphql", get(socket::upgrade).post(session::graphql))
        .route("/api/v1/session", post(session::log_in).delete(session::log_out))
        .route("/api/v1/token", post(session::token))
        .route("/login", get(session::login_page))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::influx))
        .route("/ping", get(health::ping))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .merge(writes)
        .fallback(assets::serve)
        .layer(axum::middleware::map_response(assets::harden))
        .with_state(state)
}
