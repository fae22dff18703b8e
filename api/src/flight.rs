//! The Flight door: results as Arrow batches, for ADBC, pandas, Polars and everything columnar.
//!
//! Serves Arrow Flight SQL: statements, prepared statements and what clients browse; and takes
//! samples in with `DoPut`. `guard` lets in, `service` answers, `put` takes. SQL is the query
//! engine's, and which signals samples are of is the intake's.

mod guard;
mod metadata;
mod points;
mod prepared;
mod put;
mod service;
mod status;

use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use parx_ingest::Intake;
use parx_query::Engine;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::auth::Accounts;
use crate::workers::Workers;
use guard::Guard;
pub use prepared::{PREPARED_LIFE, PREPARED_MAX};
pub use put::BATCHES_WAITING_MAX;
use service::Service;

/// Statements that run at once; `RESOURCE_EXHAUSTED` beyond.
pub const STATEMENTS_AT_ONCE_MAX: usize = 100;
/// How long a statement may take; `DEADLINE_EXCEEDED` beyond.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3600);
/// Bytes of a message from a client; `OUT_OF_RANGE` beyond.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes of a message to a client, below the 4 MiB that clients take unasked.
pub const BATCH_BYTES_MAX: usize = 2 << 20;
/// Calls at once on one connection; more wait.
pub const CALLS_MAX: u32 = 100;
/// Bytes that a client may send ahead of what has been read.
const WINDOW_BYTES: u32 = 8 << 20;
/// Bytes of a frame, of which a message has several.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// How long running statements may go on when the server stops.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `stop`, then lets running statements go on for a while before it cuts them off.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    (intake, accounts): (Intake, Accounts),
    workers: Workers,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let kill = CancellationToken::new();
    let service = Service::new(engine, intake, workers, kill.clone());
    let service = FlightServiceServer::new(Guard::new(service, accounts))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let drained = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
            kill.cancel();
        }
    };
    // Small answers must not wait for larger ones.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move {
            stop.cancelled().await;
        });
    let mut served = std::pin::pin!(served);
    tokio::select! {
        served = &mut served => Ok(served?),
        () = drained => Ok(served.await?),
    }
}
