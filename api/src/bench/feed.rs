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

use super::flight::Flight;
use super::http::Http;
use super::load::{Lines, Messages};
use super::progress::Progress;

/// Where the first request of a write goes.
const WRITE: &str = "/api/v1/write?precision=us";

/// What came of feeding a server.
#[derive(Clone, Debug, Default)]
pub struct Feeding {
    /// Points that were acknowledged.
    pub points: u64,
    /// From the first byte to the last acknowledgement.
    pub wall: Duration,
    /// From sending a batch to its acknowledgement, where batches were waited for.
    pub acks: Vec<Duration>,
}

/// Connections of the Flight door, each with at most `in_flight` batches that are not yet
/// acknowledged; none leaves it to the transport.
pub async fn by_flight(
    (address, token): (SocketAddr, &str),
    dealt: Vec<Vec<Messages>>,
    in_flight: Option<usize>,
) -> Result<Feeding, String> {
    let mut clients = Vec::new();
    for _ in &dealt {
        clients.push(Flight::connect(address, token).await?);
    }
    let all = dealt.iter().flatten().map(|batch| batch.points).sum();
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (client, batches) in clients.into_iter().zip(dealt) {
        tasks.spawn(put(client, batches, in_flight.unwrap_or(usize::MAX), Arc::clone(&done)));
    }
    finish(tasks, begun, (all, &done)).await
}

/// One Flight connection.
async fn put(
    mut client: Flight,
    batches: Vec<Messages>,
    in_flight: usize,
    done: Arc<AtomicU64>,
) -> Result<Vec<Duration>, String> {
    let counts: Vec<u64> = batches.iter().map(|batch| batch.points).collect();
    let (sender, mut receiver) = mpsc::unbounded_channel::<FlightData>();
    let mut batches = batches.into_iter();
    let mut sent: VecDeque<Instant> = VecDeque::new();
    let mut send = |sent: &mut VecDeque<Instant>| {
        if let Some(batch) = batches.next() {
            sent.push_back(Instant::now());
            // The stream only ends before us with an error, which the answers tell.
            batch.messages.into_iter().for_each(|message| drop(sender.send(message)));
            return true;
        }
        false
    };
    // The schema has to be on the way before the server answers the call at all.
    while sent.len() < in_flight && send(&mut sent) {}
    let stream = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let mut answers = client.put(stream).await?;
    let mut acks = Vec::with_capacity(counts.len());
    for points in counts {
        let answer = answers.next().await.ok_or("DoPut ended before every batch was answered")?;
        answer?;
        acks.push(sent.pop_front().map_or(Duration::ZERO, |sent| sent.elapsed()));
        done.fetch_add(points, Ordering::Relaxed);
        send(&mut sent);
    }
    Ok(acks)
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
) -> Result<Vec<Duration>, String> {
    let mut acks = Vec::with_capacity(batches.len());
    for batch in batches {
        let sent = Instant::now();
        let answer = client.post(WRITE, "text/plain", &batch.text).await?;
        if answer.status != 204 {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(format!("the write was answered with {}: {text}", answer.status));
        }
        acks.push(sent.elapsed());
        done.fetch_add(batch.points, Ordering::Relaxed);
    }
    Ok(acks)
}

async fn finish(
    mut tasks: JoinSet<Result<Vec<Duration>, String>>,
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
            Ok(Some(acks)) => feeding.acks.extend(acks.map_err(|error| error.to_string())??),
            Ok(None) => break,
        }
        feeding.wall = begun.elapsed();
    }
    feeding.points = done.load(Ordering::Relaxed);
    Ok(feeding)
}
