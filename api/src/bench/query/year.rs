//! How soon the first answer comes for a year of one signal among very many points.
//!
//! The points are real rows that came in through the Flight door: a year of days, every signal at
//! an even period. Only a few signals measure something; the others hold one value, so that the
//! rows are as many as wanted and their bytes few. Files, row groups, page indexes and directories
//! are then those of a plant of that size.

use std::time::Instant;

use serde::Serialize;

use crate::bench::client::flight::Flight;
use crate::bench::client::http::Http;
use crate::bench::folder::Folder;
use crate::bench::ingest::feed;
use crate::bench::ingest::load::{self, Messages, Tags};
use crate::bench::ingest::settle::{self, SEAL_AFTER_S, bytes_below};
use crate::bench::plant::chance::Chance;
use crate::bench::plant::{BEGIN, Class, Points, Process, tag};
use crate::bench::progress::Progress;
use crate::bench::server::{Server, password};

/// Most points.
pub const POINTS_MAX: u64 = 20_000_000_000;
/// Fewest points.
pub const POINTS_MIN: u64 = 100_000;
/// The goal is for so many.
pub const POINTS_OF_GOAL: u64 = 10_000_000_000;
/// A year, in microseconds.
const YEAR: i64 = 365 * 86_400 * 1_000_000;
/// Signals that measure something.
const ALIVE: u32 = 4;
/// Fewest signals.
const SIGNALS_MIN: u64 = 8;
/// Points that are made at a time.
const STEP: usize = 4_000_000;
/// Rows of one signal that arrive behind each other.
const RUN: usize = 600;
/// Rows of a batch, and connections.
const SHAPE: (usize, usize) = (48_000, 2);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Year {
    /// Points in all.
    pub points: u64,
    /// Signals that they belong to.
    pub signals: u32,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Start of the server until its doors were open, in seconds.
    pub ready_s: f64,
    /// In each way.
    pub ways: Vec<YearWay>,
}

/// One way to ask.
#[derive(Clone, Debug, Serialize)]
pub struct YearWay {
    /// Which.
    pub way: &'static str,
    /// The first question to a server that has just started, in milliseconds.
    pub first_ms: f64,
    /// The same about another signal, in milliseconds.
    pub second_ms: f64,
    /// Rows of the answer.
    pub rows: u64,
}

/// The shape of the year.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    signals: u32,
    /// From a sample of a signal to its next, in microseconds.
    period: i64,
}

/// A second or more between two samples; more signals where that is not enough points.
fn shape(points: u64) -> Shape {
    let seconds = YEAR.cast_unsigned() / 1_000_000;
    let signals = (points / seconds).max(SIGNALS_MIN);
    let period = u128::from(signals) * u128::from(YEAR.cast_unsigned()) / u128::from(points);
    Shape {
        signals: u32::try_from(signals).unwrap_or(u32::MAX),
        period: i64::try_from(period).unwrap_or(YEAR).max(1),
    }
}

/// Writes a year of `points` and asks for it.
pub async fn measure(points: u64) -> Result<Year, String> {
    if !(POINTS_MIN..=POINTS_MAX).contains(&points) {
        return Err(format!("--year is {points}; it must be {POINTS_MIN} to {POINTS_MAX}"));
    }
    let folder = Folder::temporary()?;
    let shape = shape(points);
    let points = write(&folder, shape, points).await?;
    let bytes = bytes_below(&folder.data().join("segments"));
    let mut ways = Vec::new();
    let mut ready_s = 0.0;
    for (way, ask) in [("buckets()", own as fn(u32) -> String), ("sql", plain)] {
        let server = Server::serve(&folder, "").await?;
        ready_s = server.took.as_secs_f64();
        let (_, token) = Http::log_in(server.http, &password(&folder)?).await?;
        let mut flight = Flight::connect(server.flight, &token).await?;
        let mut took = [0.0; 2];
        let mut rows = 0;
        for (took, signal) in took.iter_mut().zip(0..) {
            let begun = Instant::now();
            let answer = flight.sql(&ask(signal)).await?;
            *took = begun.elapsed().as_secs_f64() * 1e3;
            rows = answer.iter().map(|batch| batch.num_rows() as u64).sum();
        }
        let [first_ms, second_ms] = took;
        ways.push(YearWay { way, first_ms, second_ms, rows });
        server.stop().await?;
    }
    Ok(Year { points, signals: shape.signals, bytes, ready_s, ways })
}

fn times() -> (String, String) {
    let text = |micros| parx_log::Timestamp::from_micros(micros).to_string();
    (text(BEGIN), text(BEGIN + YEAR))
}

fn own(signal: u32) -> String {
    let ((from, to), tag) = (times(), tag(signal));
    format!("SELECT * FROM buckets('{tag}', '{from}', '{to}', 1000)")
}

fn plain(signal: u32) -> String {
    let ((from, to), tag, width) = (times(), tag(signal), YEAR / 1000);
    format!(
        "SELECT time_bucket('{width} microseconds', time, '{from}'::timestamptz), min(value), \
         max(value), avg(value) FROM samples WHERE signal = '{tag}' AND time >= '{from}' \
         AND time < '{to}' GROUP BY 1"
    )
}

/// Feeds the year and leaves its segments; how many points it has.
async fn write(folder: &Folder, shape: Shape, about: u64) -> Result<u64, String> {
    let config = format!("[compaction]\nseal_after_s = {SEAL_AFTER_S}\n");
    let server = Server::serve(folder, &config).await?;
    let (mut http, token) = Http::log_in(server.http, &password(folder)?).await?;
    let tags = Tags::new(shape.signals);
    let (mut year, mut written) = (Writer::new(shape), 0);
    let mut progress = Progress::new("writing a year", about);
    loop {
        let dealt = year.step(&tags).await?;
        if dealt.is_empty() {
            break;
        }
        written += feed::by_flight((server.flight, &token), dealt, None).await?.points;
        progress.reach(written);
    }
    settle::settle(&server, &mut http, Instant::now()).await?;
    server.stop().await?;
    Ok(written)
}

/// The year while it is made.
struct Writer {
    shape: Shape,
    alive: Vec<Process>,
    /// The next row of the next signal.
    row: i64,
    signal: u32,
}

impl Writer {
    fn new(shape: Shape) -> Writer {
        let process = |number| Process::new(Class::Analog, Chance::new(number));
        let alive = (0..u64::from(ALIVE)).map(process).collect();
        Writer { shape, alive, row: 0, signal: 0 }
    }

    /// The next batches, dealt out to connections; none at the year's end.
    async fn step(&mut self, tags: &Tags) -> Result<Vec<Vec<Messages>>, String> {
        let (rows, connections) = SHAPE;
        let mut dealt: Vec<Vec<Messages>> = (0..connections).map(|_| Vec::new()).collect();
        for _ in 0..STEP.div_ceil(rows * connections) {
            for batches in &mut dealt {
                let points = self.batch(rows);
                if !points.is_empty() {
                    let first = batches.is_empty();
                    batches.push(<Messages as load::Form>::encode(points, tags, first).await?);
                }
            }
        }
        dealt.retain(|batches| !batches.is_empty());
        Ok(dealt)
    }

    fn batch(&mut self, rows: usize) -> Points {
        let mut points = Points::default();
        let end = YEAR / self.shape.period;
        while points.len() < rows && self.row < end {
            let until = (self.row + RUN as i64).min(end);
            for row in self.row..until {
                let value = match self.alive.get_mut(self.signal as usize) {
                    Some(process) => process.step().0,
                    None => f64::from(self.signal),
                };
                points.signals.push(self.signal);
                points.times.push(BEGIN + row * self.shape.period);
                points.values.push(value);
                points.qualities.push(0);
            }
            self.signal += 1;
            if self.signal == self.shape.signals {
                (self.signal, self.row) = (0, until);
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_about_the_points_that_were_asked_for() {
        for points in [100_000, 1_000_000, 250_000_000, 10_000_000_000] {
            let shape = shape(points);
            let made = (YEAR / shape.period).cast_unsigned() * u64::from(shape.signals);
            let share = made as f64 / points as f64;
            assert!((0.95..1.05).contains(&share), "{points}: {made}");
        }
        assert_eq!(shape(10_000_000_000).signals, 317);
    }

    #[test]
    fn a_year_is_written_whole_signal_by_signal() {
        let shape = Shape { signals: 8, period: YEAR / 1_000 };
        let mut writer = Writer::new(shape);
        let mut counts = [0; 8];
        loop {
            let points = writer.batch(777);
            if points.is_empty() {
                break;
            }
            points.signals.iter().for_each(|signal| counts[*signal as usize] += 1);
        }
        assert_eq!(counts, [1_000; 8]);
    }
}
