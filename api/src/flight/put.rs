//! `DoPut`: samples come in as record batches, and each batch is answered once it is durable.
//!
//! The next batch is read and queued while those before it wait for their fsync; answers come in
//! the order of the batches. A wrong batch ends the stream with an error that names it; the batches
//! before it are stored and answered. What the columns are is `points`'.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::PutResult;
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use futures::{Stream, StreamExt, TryStreamExt};
use parx_ingest::{Intake, IntakeError};
use parx_log::{AppendError, BatchId, Queued, Sequence, SubmitError};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::points::Reader;
use super::status;
use crate::auth::Identity;

/// The path of a descriptor that brings samples.
pub(super) const SAMPLES: &str = "samples";
/// Batches of a stream that may wait for their fsync; the client waits beyond.
pub const BATCHES_WAITING_MAX: usize = 64;

pub(super) type Results = Pin<Box<dyn Stream<Item = Result<PutResult, Status>> + Send + 'static>>;

/// Who numbers a batch, so that it is stored once however often it is sent (I3).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    producer: String,
    epoch: u64,
    sequence: u64,
}

/// Stores what comes, until the client ends or the server stops.
pub(super) fn put(
    intake: Intake,
    identity: &Identity,
    data: PeekableFlightDataStream,
    kill: CancellationToken,
) -> Results {
    let author: Arc<str> = identity.name.clone();
    let (results, waiting) = mpsc::channel(BATCHES_WAITING_MAX);
    let decoder = FlightDataDecoder::new(data.into_peekable().map_err(FlightError::from));
    let taker = Taker { intake, author, decoder, reader: Reader::default(), count: 0 };
    tokio::spawn(async move {
        let taken = taker.take_all(&results);
        let ended = tokio::select! {
            ended = taken => ended,
            () = kill.cancelled() => Err(Status::unavailable("the server stops")),
        };
        if let Err(status) = ended {
            // A client that has gone does not hear it.
            let _ = results.send(Err(status)).await;
        }
    });
    Box::pin(ReceiverStream::new(waiting).then(|queued| async {
        let sequence = queued?.durable().await.map_err(|error| refused(&error))?;
        Ok(PutResult { app_metadata: answer(sequence).into() })
    }))
}

fn answer(sequence: Sequence) -> Vec<u8> {
    serde_json::json!({ "sequence": sequence }).to_string().into_bytes()
}

/// One client's stream while it is taken in.
struct Taker {
    intake: Intake,
    author: Arc<str>,
    decoder: FlightDataDecoder,
    reader: Reader,
    /// Batches so far, for messages.
    count: usize,
}

impl Taker {
    async fn take_all(
        mut self,
        results: &mpsc::Sender<Result<Queued, Status>>,
    ) -> Result<(), Status> {
        while let Some(decoded) = self.decoder.next().await {
            let decoded = decoded.map_err(|error| match error {
                FlightError::Tonic(status) => *status,
                other => Status::invalid_argument(other.to_string()),
            })?;
            let DecodedPayload::RecordBatch(batch) = &decoded.payload else { continue };
            self.count += 1;
            let number = number(&decoded.inner.app_metadata).map_err(|e| self.wrong(e))?;
            let points = self.reader.points(batch).map_err(|error| self.wrong(error))?;
            let queued = self.intake.queue(self.author.clone(), number, points).await;
            let queued = queued.map_err(|error| self.declined(&error))?;
            if results.send(Ok(queued)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn wrong(&self, error: impl std::fmt::Display) -> Status {
        Status::invalid_argument(format!("batch {}: {error}", self.count))
    }

    fn declined(&self, error: &IntakeError) -> Status {
        match error {
            IntakeError::Append(error) => refused(error),
            IntakeError::Define(SubmitError::DiskFull { .. }) => {
                Status::resource_exhausted(error.to_string())
            }
            IntakeError::Vanished { .. } => {
                Status::aborted(format!("batch {}: {error}", self.count))
            }
            IntakeError::Empty
            | IntakeError::TooManyPoints { .. }
            | IntakeError::TooManySignals { .. }
            | IntakeError::Type { .. }
            | IntakeError::TextTooLong { .. }
            | IntakeError::Define(_) => self.wrong(error),
        }
    }
}

/// What the log says, as gRPC says it.
fn refused(error: &AppendError) -> Status {
    match error {
        AppendError::TailFull { .. } | AppendError::DiskFull { .. } => {
            Status::resource_exhausted(error.to_string())
        }
        AppendError::Stopped(_) => Status::unavailable(error.to_string()),
        AppendError::UnknownSignal(_) | AppendError::Uneven => status::internal(error),
    }
}

/// The batch's number, if the client gives one.
fn number(metadata: &[u8]) -> Result<Option<BatchId>, String> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let number: Number = serde_json::from_slice(metadata).map_err(|error| {
        format!(
            "its metadata is not its number: {error}; send none, or JSON such as \
             {{\"producer\": \"edge-1\", \"epoch\": 1, \"sequence\": 1}}"
        )
    })?;
    let Number { producer, epoch, sequence } = number;
    Ok(Some(crate::writes::client_batch(&producer, epoch, sequence)))
}
