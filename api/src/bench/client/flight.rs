//! A client of the Flight door: SQL in, Arrow batches out, and samples in by `DoPut`.
//!
//! A statement's ticket is the statement, as the server hands it out; so one call asks.

use std::net::SocketAddr;

use arrow_flight::error::FlightError;
use arrow_flight::sql::{ProstMessageExt as _, TicketStatementQuery};
use arrow_flight::{FlightClient, FlightData, PutResult, Ticket};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use parx_query::arrow::array::RecordBatch;
use prost::Message as _;
use tonic::transport::Channel;

use crate::sql::said;

/// Bytes that may be on the way to one receiver of one stream.
const WINDOW_BYTES: u32 = 16 << 20;

/// A connection.
pub struct Flight {
    client: FlightClient,
}

impl Flight {
    /// Connects with a token.
    pub async fn connect(address: SocketAddr, token: &str) -> Result<Flight, String> {
        let endpoint = Channel::from_shared(format!("http://{address}"));
        let endpoint = endpoint.map_err(|error| error.to_string())?;
        let endpoint = endpoint
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| format!("no server at {address}: {error}"))?;
        let mut client = FlightClient::new(channel);
        let header = format!("Bearer {token}");
        client.add_header("authorization", &header).map_err(|error| error.to_string())?;
        Ok(Flight { client })
    }

    /// The rows of a statement.
    pub async fn sql(&mut self, statement: &str) -> Result<Vec<RecordBatch>, String> {
        let ticket = TicketStatementQuery { statement_handle: statement.to_owned().into() };
        let ticket = Ticket::new(ticket.as_any().encode_to_vec());
        let rows = self.client.do_get(ticket).await.map_err(|error| said(&error))?;
        rows.try_collect().await.map_err(|error| said(&error))
    }

    /// Sends samples; answers as the server does.
    pub async fn put(
        &mut self,
        messages: impl Stream<Item = FlightData> + Send + 'static,
    ) -> Result<BoxStream<'static, Result<PutResult, PutError>>, PutError> {
        let answers = self.client.do_put(messages.map(Ok)).await;
        Ok(answers.map_err(PutError::from)?.map_err(PutError::from).boxed())
    }
}

/// Why samples were not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Send them again after a moment.
    #[error("DoPut: the server is behind: {0}")]
    Behind(String),
    /// The measurement cannot go on.
    #[error("DoPut: {0}")]
    Refused(String),
}

impl From<FlightError> for PutError {
    fn from(error: FlightError) -> PutError {
        match &error {
            FlightError::Tonic(status) if status.code() == tonic::Code::ResourceExhausted => {
                PutError::Behind(status.message().to_owned())
            }
            _ => PutError::Refused(said(&error)),
        }
    }
}
