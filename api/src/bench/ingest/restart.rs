//! How long a start takes after a kill with so many bytes of log, and how many bytes the log makes
//! the disk write.
//!
//! The server keeps everything in its log meanwhile: it is configured to compact nothing.

use std::sync::Arc;
use std::time::Instant;

use parx_log::{Log, LogOptions, SystemClock};
use parx_query::arrow::array::{AsArray as _, RecordBatch};
use parx_query::arrow::datatypes::Int64Type;
use serde::Serialize;

use crate::bench::client::flight::Flight;
use crate::bench::client::http::Http;
use crate::bench::folder::Folder;
use crate::bench::ingest::feed;
use crate::bench::ingest::load::{self, Lines, Messages};
use crate::bench::ingest::settle::bytes_below;
use crate::bench::ingest::visible::Way;
use crate::bench::plant::{Plant, PlantOptions, tag};
use crate::bench::progress::Progress;
use crate::bench::server::{Server, password};

/// Points that are made and fed at a time.
const STEP: u64 = 2_000_000;
/// A configuration that leaves everything in the log.
const CONFIG: &str = "[log]\ntail_rows_max = 1000000000\ntail_bytes_max = 1000000000000\n\n\
                      [compaction]\nseal_after_s = 86400\nseal_rows = 1000000000\n\
                      seal_bytes = 1000000000000\n";

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Restart {
    /// Points in the log when the server was killed; all of them were acknowledged.
    pub points: u64,
    /// Bytes of the log's entries.
    pub log_bytes: u64,
    /// Bytes that the disk had to write for them.
    pub written_bytes: u64,
    /// The second over the first; none where the system does not count bytes.
    pub amplification: Option<f64>,
    /// From the start of the process until its doors were open, in seconds.
    pub ready_s: f64,
    /// From the start of the process to the first answer, the last value of a signal, in seconds.
    pub answered_s: f64,
    /// Memory of the server after that, in MB.
    pub memory_mb: f64,
}

/// Fills a log up to `bytes`, kills the server and starts it again.
pub async fn measure(options: PlantOptions, bytes: u64, way: Way) -> Result<Restart, String> {
    let folder = Folder::temporary()?;
    let server = Server::serve(&folder, CONFIG).await?;
    let (_, token) = Http::log_in(server.http, &password(&folder)?).await?;
    let before = server.usage().written;
    let mut plant = Plant::new(PlantOptions { ticks: u64::MAX >> 16, ..options });
    let mut progress = Progress::new("filling a log", bytes);
    let mut points = 0;
    let mut written = 0;
    while written < bytes {
        points += fill(&server, &token, &mut plant, (bytes - written) / 8, way).await?;
        written = match server.usage().written - before {
            0 => bytes_below(&folder.data().join("log")),
            written => written,
        };
        progress.reach(written);
    }
    let counted = server.usage().written - before;
    server.kill().await?;

    let begun = Instant::now();
    let server = Server::serve(&folder, CONFIG).await?;
    let (_, token) = Http::log_in(server.http, &password(&folder)?).await?;
    let mut flight = Flight::connect(server.flight, &token).await?;
    let last = format!("SELECT last_value FROM signals WHERE tag = '{}'", tag(0));
    let seen: usize = flight.sql(&last).await?.iter().map(RecordBatch::num_rows).sum();
    let answered = begun.elapsed();
    if seen != 1 {
        return Err(format!("{seen} rows where the last value of one signal was asked for"));
    }
    let rows = flight.sql("SELECT count(*) FROM samples").await?;
    let count = rows.first().map_or(0, |batch| {
        batch.column(0).as_primitive_opt::<Int64Type>().map_or(0, |column| column.value(0))
    });
    if u64::try_from(count).ok() != Some(points) {
        return Err(format!("L2: {points} points were acknowledged, {count} are there"));
    }
    let (took, usage) = (server.took, server.usage());
    server.stop().await?;
    let log_bytes = log_bytes(&folder).await?;
    Ok(Restart {
        points,
        log_bytes,
        written_bytes: counted,
        amplification: (counted > 0).then(|| counted as f64 / log_bytes.max(1) as f64),
        ready_s: took.as_secs_f64(),
        answered_s: answered.as_secs_f64(),
        memory_mb: usage.memory_peak as f64 / 1e6,
    })
}

/// Feeds some of a plant that goes on for ever.
async fn fill(
    server: &Server,
    token: &str,
    plant: &mut Plant,
    points: u64,
    way: Way,
) -> Result<u64, String> {
    let (shape, points) = ((50_000, 2), points.clamp(1_000, STEP));
    let fed = match way {
        Way::Flight => {
            let dealt = load::make::<Messages>(plant, shape, points).await?;
            feed::by_flight((server.flight, token), dealt, None).await?
        }
        Way::Line => {
            let dealt = load::make::<Lines>(plant, shape, points).await?;
            feed::by_line((server.http, token), dealt).await?
        }
    };
    Ok(fed.points)
}

/// Bytes of the entries in the log of a server that is off.
async fn log_bytes(folder: &Folder) -> Result<u64, String> {
    let data = folder.data();
    let look = move || {
        let log = Log::open(LogOptions::new(data), Arc::new(SystemClock));
        let log = log.map_err(|error| error.to_string())?;
        let bytes = log.snapshot().tails.iter().map(|tail| tail.log_bytes()).sum();
        log.close();
        Ok(bytes)
    };
    tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?
}
