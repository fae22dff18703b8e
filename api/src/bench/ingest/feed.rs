//! Sends batches to a server's doors and times the acknowledgements.
//!
//! What is sent was made before (`load`); what is counted here is what the server has acknowledged,
//! which means durable.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_flight::FlightData;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bench::client::flight::{Flight, PutError};
use crate::bench::client::http::Http;
use crate::bench::ingest::load::{Lines, Messages};
use crate::bench::progress::Progress;

/// Where writes go.
const WRITE: &str = "/api/v1/write?precision=us";
/// How long a client waits before it sends again what a server that is behind did not take.
const PAUSE: Duration = Duration::from_millis(10);

/// What came of feeding a server.
#[derive(Clone, Debug, Default)]
pub struct Feeding {
    /// Points that were acknowledged.
    pub points: u64,
    /// From the first byte to the last acknowledgement.
    pub wall: Duration,
    /// From sending a batch to its acknowledgement, where batches were waited for.
    pub acks: Vec<Duration>,
    /// How often the server took nothing because it was behind; it was sent again.
    pub behind: usize,
}

/// What one connection has seen.
#[derive(Default)]
struct Seen {
    acks: Vec<Duration>,
    behind: usize,
}

/// Connections of the Flight door, each with at most `in_flight` batches that are not yet
/// acknowledged; none leaves it to the transport. Batches are numbered, so that what is sent again
/// is stored once.
pub async fn by_flight(
    (address, token): (SocketAddr, &str),
    dealt: Vec<Vec<Messages>>,
    in_flight: Option<usize>,
) -> Result<Feeding, String> {
    let mut putters = Vec::new();
    let all = dealt.iter().flatten().map(|batch| batch.points).sum();
    for batches in dealt {
        let client = Flight::connect(address, token).await?;
        let producer = format!("bench-{:016x}", rand::random::<u64>());
        putters.push(Putter {
            client,
            producer,
            batches,
            in_flight: in_flight.unwrap_or(usize::MAX),
        });
    }
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for putter in putters {
        tasks.spawn(putter.put_all(Arc::clone(&done)));
    }
    finish(tasks, begun, (all, &done)).await
}

/// One Flight connection.
struct Putter {
    client: Flight,
    producer: String,
    batches: Vec<Messages>,
    in_flight: usize,
}

impl Putter {
    async fn put_all(mut self, done: Arc<AtomicU64>) -> Result<Seen, String> {
        let mut seen = Seen::default();
        while seen.acks.len() < self.batches.len() {
            match self.put_rest(&mut seen, &done).await {
                Ok(()) => {}
                Err(PutError::Behind(_)) => {
                    seen.behind += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error @ PutError::Refused(_)) => return Err(error.to_string()),
            }
        }
        Ok(seen)
    }

    /// One call of `DoPut` with everything that is not acknowledged yet.
    async fn put_rest(&mut self, seen: &mut Seen, done: &AtomicU64) -> Result<(), PutError> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<FlightData>();
        let mut sent: VecDeque<Instant> = VecDeque::new();
        let mut next = seen.acks.len();
        if next > 0 {
            let schema = self.batches.first().and_then(|batch| batch.messages.first());
            schema.into_iter().for_each(|schema| drop(sender.send(schema.clone())));
        }
        // A call is answered once it has begun to send.
        while sent.len() < self.in_flight && self.send(&mut next, &sender, &mut sent) {}
        let stream = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let mut answers = self.client.put(stream).await?;
        while seen.acks.len() < self.batches.len() {
            let ended = || PutError::Refused("it ended too soon".to_owned());
            answers.next().await.ok_or_else(ended)??;
            let points = self.batches.get(seen.acks.len()).map_or(0, |batch| batch.points);
            seen.acks.push(sent.pop_front().map_or(Duration::ZERO, |sent| sent.elapsed()));
            done.fetch_add(points, Ordering::Relaxed);
            self.send(&mut next, &sender, &mut sent);
        }
        Ok(())
    }

    /// Sends the next batch; false if there is none.
    fn send(
        &self,
        next: &mut usize,
        sender: &mpsc::UnboundedSender<FlightData>,
        sent: &mut VecDeque<Instant>,
    ) -> bool {
        let Some(batch) = self.batches.get(*next) else { return false };
        *next += 1;
        sent.push_back(Instant::now());
        let mut messages = batch.messages.clone();
        if let Some(columns) = messages.last_mut() {
            columns.app_metadata = number(&self.producer, *next).into();
        }
        // The stream only ends before us with an error, which the answers tell.
        messages.into_iter().for_each(|message| drop(sender.send(message)));
        true
    }
}

/// What numbers a batch.
fn number(producer: &str, sequence: usize) -> Vec<u8> {
    let number = serde_json::json!({"producer": producer, "epoch": 1, "sequence": sequence});
    number.to_string().into_bytes()
}

/// Connections of the HTTP door, one request after the other on each.
pub async fn by_line(
    (address, token): (SocketAddr, &str),
    dealt: Vec<Vec<Lines>>,
) -> Result<Feeding, String> {
    let mut clients = Vec::new();
    for _ in &dealt {
        clients.push(Http::connect(address, token.to_owned()).await?);
    }
    let all = dealt.iter().flatten().map(|batch| batch.points).sum();
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (client, batches) in clients.into_iter().zip(dealt) {
        tasks.spawn(write(client, batches, Arc::clone(&done)));
    }
    finish(tasks, begun, (all, &done)).await
}

async fn write(
    mut client: Http,
    batches: Vec<Lines>,
    done: Arc<AtomicU64>,
) -> Result<Seen, String> {
    let mut seen = Seen::default();
    for batch in batches {
        let sent = Instant::now();
        loop {
            let answer = client.post(WRITE, "text/plain", &batch.text).await?;
            match answer.status {
                204 => break,
                503 => {
                    seen.behind += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                status => {
                    let text = String::from_utf8_lossy(&answer.body);
                    return Err(format!("the write was answered with {status}: {text}"));
                }
            }
        }
        seen.acks.push(sent.elapsed());
        done.fetch_add(batch.points, Ordering::Relaxed);
    }
    Ok(seen)
}

async fn finish(
    mut tasks: JoinSet<Result<Seen, String>>,
    begun: Instant,
    (all, done): (u64, &AtomicU64),
) -> Result<Feeding, String> {
    let mut feeding = Feeding::default();
    let mut progress = Progress::new("feeding", all);
    loop {
        let next = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
        progress.reach(done.load(Ordering::Relaxed));
        match next {
            Err(_) => {}
            Ok(Some(seen)) => {
                let seen = seen.map_err(|error| error.to_string())??;
                feeding.acks.extend(seen.acks);
                feeding.behind += seen.behind;
            }
            Ok(None) => break,
        }
        feeding.wall = begun.elapsed();
    }
    feeding.points = done.load(Ordering::Relaxed);
    Ok(feeding)
}
