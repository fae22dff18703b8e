//! From writing a sample to the first answer of SQL that holds it.
//!
//! One connection writes, another asks over and over; the asking is part of the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use parx_log::{Clock as _, SystemClock, Timestamp};
use parx_query::arrow::array::{ArrayRef, RecordBatch, StringArray};
use tokio::sync::mpsc;

use crate::bench::client::flight::{Flight, PutError};
use crate::bench::client::http::Http;
use crate::bench::figures::Spread;
use crate::bench::ingest::load;
use crate::bench::plant::Points;
use crate::bench::server::Server;

/// How often it is measured.
pub const ROUNDS: usize = 200;
/// Longest wait for one sample.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The signal that is written.
const TAG: &str = "bench/probe";

/// The way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `DoPut` of the Flight door.
    Flight,
    /// Line protocol at the HTTP door.
    Line,
}

enum Writer {
    Flight {
        send: mpsc::UnboundedSender<arrow_flight::FlightData>,
        answers: BoxStream<'static, Result<arrow_flight::PutResult, PutError>>,
    },
    Line(Http),
}

/// Measures one way in.
pub async fn measure(server: &Server, token: &str, way: Way) -> Result<Spread, String> {
    let mut writer = Writer::open(server, token, way).await?;
    let mut asking = Flight::connect(server.flight, token).await?;
    let mut found = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + 1 {
        // Not in step with anything that the server does at intervals.
        tokio::time::sleep(Duration::from_micros(rand::random::<u64>() % 8_000)).await;
        let time = SystemClock.now();
        let sql = format!("SELECT value FROM samples WHERE signal = '{TAG}' AND time >= '{time}'");
        let begun = Instant::now();
        let seen = async {
            loop {
                let rows = asking.sql(&sql).await?;
                if rows.iter().any(|batch| batch.num_rows() > 0) {
                    return Ok(begun.elapsed());
                }
                if begun.elapsed() > WAIT_MAX {
                    return Err("a written sample did not become visible".to_owned());
                }
            }
        };
        let (written, seen) = tokio::join!(writer.write(time), seen);
        written?;
        // The first makes the signal.
        if round > 0 {
            found.push(seen?);
        }
    }
    Spread::of(found).ok_or_else(|| "nothing was measured".to_owned())
}

impl Writer {
    async fn open(server: &Server, token: &str, way: Way) -> Result<Writer, String> {
        match way {
            Way::Line => Ok(Writer::Line(Http::connect(server.http, token.to_owned()).await?)),
            Way::Flight => {
                let (send, mut receiver) = mpsc::unbounded_channel();
                // A call is answered once it has begun to send.
                for message in message(SystemClock.now(), true).await? {
                    let _ = send.send(message);
                }
                let stream = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
                let mut client = Flight::connect(server.flight, token).await?;
                let mut answers = client.put(stream).await.map_err(|error| error.to_string())?;
                heard(answers.next().await)?;
                Ok(Writer::Flight { send, answers })
            }
        }
    }

    /// Writes one sample and waits for its acknowledgement.
    async fn write(&mut self, time: Timestamp) -> Result<(), String> {
        match self {
            Writer::Flight { send, answers } => {
                for message in message(time, false).await? {
                    let _ = send.send(message);
                }
                heard(answers.next().await)?;
            }
            Writer::Line(http) => {
                let line = format!("bench probe=1 {}", time.micros());
                let path = "/api/v1/write?precision=us";
                let answer = http.post(path, "text/plain", line.as_bytes()).await?;
                if answer.status != 204 {
                    return Err(format!("a write was answered with {}", answer.status));
                }
            }
        }
        Ok(())
    }
}

fn heard(answer: Option<Result<arrow_flight::PutResult, PutError>>) -> Result<(), String> {
    let answer = answer.ok_or("DoPut ended without an answer")?;
    answer.map(|_| ()).map_err(|error| error.to_string())
}

async fn message(time: Timestamp, first: bool) -> Result<Vec<arrow_flight::FlightData>, String> {
    let points = Points {
        signals: vec![0],
        times: vec![time.micros()],
        values: vec![1.0],
        qualities: vec![0],
    };
    let tags: ArrayRef = Arc::new(StringArray::from(vec![TAG]));
    let batch: RecordBatch = load::batch(points, &tags).map_err(|error| error.to_string())?;
    load::messages(batch, first).await
}
