//! `parx bench ingest`: how fast the doors take the plant, what that costs, and how small it gets.
//!
//! Each door feeds a server of its own, in a process of its own, so that only the server's
//! processor time counts. The plant is generated and encoded before the clock starts.

pub mod feed;
pub mod fill;
pub mod load;
pub mod restart;
pub mod settle;
mod table;
mod visible;

use std::time::Instant;

use serde::Serialize;

use crate::bench::client::http::Http;
use crate::bench::figures::Spread;
use crate::bench::folder::{Fed, Folder};
use crate::bench::goals::{self, Judged};
use crate::bench::ingest::feed::Feeding;
use crate::bench::ingest::load::{Lines, Messages};
use crate::bench::ingest::restart::Restart;
use crate::bench::ingest::settle::{SEAL_AFTER_S, Size};
use crate::bench::ingest::visible::Way;
use crate::bench::machine::{Disk, Machine};
use crate::bench::plant::{Plant, PlantOptions};
use crate::bench::process::Watch;
use crate::bench::server::{Server, password};
use crate::cli::{Door, IngestArgs};
use crate::command::say;

/// Most points in one batch: what a write may hold.
pub const BATCH_POINTS_MAX: usize = 100_000;
/// Most connections.
pub const CONNECTIONS_MAX: usize = 64;
/// Points of one acknowledged batch, unless something else is said.
const ACKNOWLEDGED_POINTS: usize = 1_000;
/// Most points that are fed in acknowledged batches.
const ACKNOWLEDGED_MAX: u64 = 5_000_000;
/// A log of this size is what the goal of a restart is for.
const RESTART_BYTES: u64 = 1 << 30;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The plant.
    pub plant: PlantFacts,
    /// Door by door.
    pub runs: Vec<Run>,
    /// After a kill; none if it was not asked for.
    pub restart: Option<Restart>,
    /// Beside what is wanted.
    pub goals: Vec<Judged>,
    /// What was measured on.
    pub machine: Machine,
    /// Where the servers kept their data.
    pub disk: Disk,
}

/// What was fed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PlantFacts {
    /// How many signals.
    pub signals: u32,
    /// How many hours.
    pub hours: f64,
    /// What chance began with.
    pub seed: u64,
}

/// One door.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Which.
    pub door: &'static str,
    /// Connections at once.
    pub connections: usize,
    /// Points of a batch.
    pub batch: usize,
    /// Points that were stored.
    pub points: u64,
    /// From the first byte to the last acknowledgement, in seconds.
    pub seconds: f64,
    /// The first over the second.
    pub points_per_second: f64,
    /// Processor time of the server until the last acknowledgement, in microseconds a point.
    pub cpu_us_per_point: f64,
    /// The same until compaction had nothing left to do.
    pub cpu_us_per_point_compacted: f64,
    /// From the last acknowledgement until compaction had nothing left to do, in seconds.
    pub compaction_s: f64,
    /// How often the server took nothing for a while because compaction was behind.
    pub behind: usize,
    /// From sending a batch to its acknowledgement, in milliseconds.
    pub ack_ms: Option<Spread>,
    /// Most memory of the server, in MB.
    pub memory_mb: f64,
    /// From a write to the row in an answer, in milliseconds.
    pub visible_ms: Spread,
    /// Bytes that the disk had to write for all of it, for each point.
    pub written_bytes_per_point: f64,
    /// What the segments cost.
    pub size: Size,
    /// Cores that others used meanwhile.
    pub others_cores: Option<f64>,
}

/// Measures and prints.
pub async fn run(args: IngestArgs) -> Result<(), String> {
    let options = args.plant.options()?;
    check(&args)?;
    let folder = Folder::at(args.folder.as_deref())?;
    if folder.is_used() {
        let folder = folder.root().display();
        return Err(format!("{folder} was fed before; name a new --folder or remove it"));
    }
    let disk = Disk::below(folder.root())?;
    let mut runs = Vec::new();
    for (number, door) in args.door.iter().enumerate() {
        // The folder that was named keeps what the first door has written.
        let own = if number == 0 { None } else { Some(Folder::temporary()?) };
        runs.push(feed(&args, options, *door, own.as_ref().unwrap_or(&folder)).await?);
    }
    let way = way(args.door.first().copied());
    let restart = match args.restart {
        0 => None,
        bytes => Some(restart::measure(options, bytes, way).await?),
    };
    let goals = judge(&runs, restart.as_ref());
    let plant = args.plant.facts(options);
    let report = Report { plant, runs, restart, goals, machine: Machine::here(), disk };
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        table::print(&report);
    }
    Ok(())
}

fn check(args: &IngestArgs) -> Result<(), String> {
    if args.batch.is_some_and(|batch| !(1..=BATCH_POINTS_MAX).contains(&batch)) {
        return Err(format!("--batch must be 1 to {BATCH_POINTS_MAX}"));
    }
    if !(1..=CONNECTIONS_MAX).contains(&args.connections) {
        return Err(format!("--connections must be 1 to {CONNECTIONS_MAX}"));
    }
    Ok(())
}

fn way(door: Option<Door>) -> Way {
    match door {
        Some(Door::Line) => Way::Line,
        Some(Door::Flight | Door::Acknowledged) | None => Way::Flight,
    }
}

/// Feeds a server of its own through one door.
async fn feed(
    args: &IngestArgs,
    options: PlantOptions,
    door: Door,
    folder: &Folder,
) -> Result<Run, String> {
    let (batch, connections) = shape(args, door);
    let most = args.points.unwrap_or(u64::MAX);
    let mut plant = Plant::new(options);
    let load = match door {
        Door::Line => Load::Lines(load::make(&mut plant, (batch, connections), most).await?),
        Door::Flight => Load::Flight(load::make(&mut plant, (batch, connections), most).await?),
        Door::Acknowledged => {
            let most = most.min(ACKNOWLEDGED_MAX);
            Load::Flight(load::make(&mut plant, (batch, connections), most).await?)
        }
    };
    let server = Server::serve(folder, &config(args)).await?;
    let (mut http, token) = Http::log_in(server.http, &password(folder)?).await?;
    let (before, watch) = (server.usage(), Watch::begin(&[server.pid(), std::process::id()]));
    let in_flight = (door == Door::Acknowledged).then_some(args.in_flight);
    let fed = match load {
        Load::Lines(dealt) => feed::by_line((server.http, &token), dealt).await?,
        Load::Flight(dealt) => feed::by_flight((server.flight, &token), dealt, in_flight).await?,
    };
    let (after, ended) = (server.usage(), Instant::now());
    let compaction = settle::settle(&server, &mut http, ended).await?;
    let (done, others_cores) = (server.usage(), watch.others());
    let visible_ms = visible::measure(&server, &token, way(Some(door))).await?;
    // The segments that stay hold the samples of this measurement too.
    settle::settle(&server, &mut http, Instant::now()).await?;
    server.stop().await?;
    let (signals, ticks, seed) = (options.signals, options.ticks, options.seed);
    let stored = Fed { signals, ticks, seed, points: fed.points };
    folder.remember(&stored)?;
    let size = settle::size(folder, stored).await?;
    let Feeding { points, wall, acks, behind } = fed;
    let per_point = |micros: f64| micros / (points as f64).max(1.0);
    Ok(Run {
        door: door.word(),
        connections,
        batch,
        points,
        seconds: wall.as_secs_f64(),
        points_per_second: points as f64 / wall.as_secs_f64(),
        cpu_us_per_point: per_point((after.cpu - before.cpu).as_secs_f64() * 1e6),
        cpu_us_per_point_compacted: per_point((done.cpu - before.cpu).as_secs_f64() * 1e6),
        compaction_s: compaction.as_secs_f64(),
        behind,
        ack_ms: if door == Door::Flight { None } else { Spread::of(acks) },
        memory_mb: done.memory_peak as f64 / 1e6,
        visible_ms,
        written_bytes_per_point: per_point((done.written - before.written) as f64),
        size,
        others_cores,
    })
}

enum Load {
    Lines(Vec<Vec<Lines>>),
    Flight(Vec<Vec<Messages>>),
}

/// Points of a batch and connections of a door.
fn shape(args: &IngestArgs, door: Door) -> (usize, usize) {
    match door {
        Door::Flight | Door::Line => (args.batch.unwrap_or(50_000), args.connections),
        Door::Acknowledged => (args.batch.unwrap_or(ACKNOWLEDGED_POINTS), 1),
    }
}

/// The server's own settings but for one: what is left in the log at the end of the feeding is
/// compacted soon, so that the segments hold everything.
fn config(args: &IngestArgs) -> String {
    let mut text = format!("[compaction]\nseal_after_s = {SEAL_AFTER_S}\n");
    if let Some(linger) = args.linger_ms {
        text.push_str(&format!("\n[log]\nlinger_ms = {linger}\n"));
    }
    text
}

/// The figures that have goals.
fn judge(runs: &[Run], restart: Option<&Restart>) -> Vec<Judged> {
    let mut judged = Vec::new();
    for run in runs {
        match run.door {
            "flight" => {
                judged.push(goals::FLIGHT.judge(run.points_per_second));
                judged.push(goals::FLIGHT_CPU.judge(run.cpu_us_per_point_compacted));
            }
            "line" => judged.push(goals::LINE.judge(run.points_per_second)),
            _ => {
                judged.push(goals::ACKNOWLEDGED.judge(run.points_per_second));
                let p99 = run.ack_ms.map(|spread| spread.p99);
                judged.extend(p99.map(|p99| goals::ACKNOWLEDGED_P99.judge(p99)));
            }
        }
    }
    if let Some(run) = runs.first() {
        judged.push(goals::VISIBLE.judge(run.visible_ms.p50));
        judged.push(goals::BYTES.judge(run.size.bytes_per_point));
        judged.push(goals::MEMORY.judge(run.memory_mb));
    }
    if let Some(restart) = restart {
        judged.extend(restart.amplification.map(|times| goals::AMPLIFICATION.judge(times)));
        if restart.log_bytes >= RESTART_BYTES / 10 * 9 {
            judged.push(goals::RESTART.judge(restart.answered_s));
        }
    }
    judged
}
