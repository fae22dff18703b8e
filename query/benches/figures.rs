//! Figures of queries on two days of a small plant: `cargo bench -p parx-query`.
//!
//! Prints, asserts nothing: how long something takes depends on the machine. With a folder in the
//! environment variable `FIGURES` the plant is made there once and kept; `ONLY` names the figures.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at faults"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use parx_compactor::{Compactor, Limits as CompactorLimits, SegmentStore};
use parx_log::{
    Command, HandClock, Log, LogOptions, Quality, Sample, SegmentKind, SignalDefinition, SignalId,
    Timestamp, Value,
};
use parx_query::arrow::array::RecordBatch;
use parx_query::{Engine, Limits, Session, Steps};

const START: i64 = 20_000 * 86_400_000_000;
const SIGNALS: u32 = 100;
const HOURS: i64 = 48;
/// Hours that are not compacted.
const HOURS_HOT: i64 = 1;
const ROUNDS: u32 = 50;

#[tokio::main]
async fn main() {
    let kept = std::env::var_os("FIGURES");
    let folder = tempfile::TempDir::new().unwrap();
    let folder = kept.as_ref().map_or(folder.path(), Path::new);
    let clock = Arc::new(HandClock::at(Timestamp::from_micros(START)));
    let log = Log::open(LogOptions::new(folder), clock).unwrap();
    let store = SegmentStore::new(folder);
    if log.catalog().signals().next().is_none() {
        make(&log, &store).await;
    }
    let manifest = log.catalog().manifest.clone();
    let metas = || manifest.of_kind(SegmentKind::Samples);
    let (bytes, rows): (u64, u64) =
        metas().fold((0, 0), |(bytes, rows), meta| (bytes + meta.bytes, rows + meta.rows));
    println!("{} segments, {:.2} bytes per row", metas().count(), bytes as f64 / rows as f64);
    let engine = Engine::new(log, store, Limits::default()).unwrap();
    let session = engine.session("bench");
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, sql) in queries().into_iter().filter(|(name, _)| name.contains(&only)) {
        ask(&session, name, &sql).await;
    }
    calls(&engine, &only).await;
}

async fn make(log: &Log, store: &SegmentStore) {
    let signals = (1..=SIGNALS).map(|number| SignalDefinition {
        tag: format!("plant/line/signal{number}"),
        ..SignalDefinition::default()
    });
    log.submit("bench".into(), Command::EnsureSignals(signals.collect())).await.unwrap();
    let mut compactor = Compactor::new(log.clone(), store.clone(), CompactorLimits::default());
    let begun = Instant::now();
    let mut packing = 0.0;
    for hour in 0..HOURS {
        for part in 0..6 {
            log.append("bench".into(), None, rows(hour * 3600 + part * 600, 600)).await.unwrap();
        }
        let begun = Instant::now();
        if hour < HOURS - HOURS_HOT {
            compactor.pass(true).await.unwrap();
        }
        packing += begun.elapsed().as_secs_f64();
    }
    let count = f64::from(SIGNALS) * HOURS as f64 * 3600.0;
    println!("append and compact: {:.2} M rows/s", count / begun.elapsed().as_secs_f64() / 1e6);
    println!("compact, merge included: {:.2} M rows/s", count / packing / 1e6);
}

/// A time so many hours after the start, as SQL writes it.
fn at(hour: f64) -> String {
    format!("'{}'", Timestamp::from_micros(START + (hour * 3_600e6) as i64))
}

fn tags(from: u32, count: u32) -> String {
    let tags: Vec<String> =
        (from..from + count).map(|number| format!("plant/line/signal{number}")).collect();
    tags.join(",")
}

fn queries() -> Vec<(&'static str, String)> {
    let tag = "plant/line/signal7";
    let eight = tags(20, 8);
    let quoted = format!("'{}'", eight.replace(',', "','"));
    let shift = format!("time >= {} AND time < {}", at(8.0), at(16.0));
    let recent = (at(47.75), at(48.0));
    let day = format!("time >= {} AND time < {}", at(0.0), at(24.0));
    vec![
        ("Q1", "SELECT tag, last_time, last_value FROM signals".into()),
        (
            "Q1 distinct on",
            "SELECT DISTINCT ON (signal) signal, time, value FROM samples \
             ORDER BY signal, time DESC"
                .into(),
        ),
        (
            "Q2",
            format!(
                "SELECT time, value FROM samples WHERE signal = '{tag}' AND {shift} \
                     ORDER BY time"
            ),
        ),
        (
            "Q2 all columns",
            format!("SELECT * FROM samples WHERE signal = '{tag}' AND {shift} ORDER BY time"),
        ),
        (
            "Q3 buckets()",
            format!("SELECT * FROM buckets('{eight}', {}, {}, 1000)", at(8.0), at(16.0)),
        ),
        (
            "Q3 group by",
            format!(
                "SELECT signal, time_bucket('28.8s', time), min(value), max(value), \
                     avg(value) FROM samples WHERE signal IN ({quoted}) AND {shift} \
                     GROUP BY 1, 2 ORDER BY 1, 2"
            ),
        ),
        (
            "Q4a",
            format!(
                "SELECT signal, time_bucket('1 hour', time), avg(value) FROM samples \
                     WHERE {day} GROUP BY 1, 2"
            ),
        ),
        (
            "Q5 runs()",
            format!("SELECT * FROM runs('{tag}', {}, {}, 'value > 45')", at(0.0), at(48.0)),
        ),
        (
            "Q6 align()",
            format!("SELECT * FROM align('{}', {}, {}, '1 s')", tags(30, 5), at(30.0), at(31.0)),
        ),
        ("Q7", "SELECT count(*) FROM samples".into()),
        ("Q7 one signal", format!("SELECT count(*) FROM samples WHERE signal = '{tag}'")),
        (
            "Q8 buckets()",
            format!("SELECT * FROM buckets('{eight}', {}, {}, 200)", recent.0, recent.1),
        ),
        (
            "last of one",
            format!(
                "SELECT time, value FROM samples WHERE signal = '{tag}' \
                     ORDER BY time DESC LIMIT 1"
            ),
        ),
        ("constant", "SELECT 1".into()),
    ]
}

async fn ask(session: &Session, name: &str, sql: &str) {
    let mut rows = 0;
    let mut planning = Vec::new();
    let mut times = Vec::new();
    let before = cpu();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let statement = session.prepare_sql(sql).await.unwrap();
        planning.push(begun.elapsed());
        let batches: Vec<RecordBatch> =
            statement.execute(vec![]).await.unwrap().try_collect().await.unwrap();
        times.push(begun.elapsed());
        rows = batches.iter().map(RecordBatch::num_rows).sum();
    }
    print(name, &mut times, cpu() - before, &format!("{rows} rows; parsing {}", least(&planning)));
}

/// The least and the middle of some times, and the processor's time of each.
fn print(name: &str, times: &mut [Duration], cpu: f64, what: &str) {
    times.sort_unstable();
    let middle = times[times.len() / 2].as_secs_f64() * 1e3;
    let cpu = cpu * 1e3 / f64::from(ROUNDS);
    println!("{:8} ms least {middle:8.2} middle {cpu:8.2} cpu  {name}: {what}", least(times));
}

fn least(times: &[Duration]) -> String {
    format!("{:.2}", times.iter().min().unwrap().as_secs_f64() * 1e3)
}

/// Seconds that the processor worked for this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

async fn calls(engine: &Engine, only: &str) {
    let time = |hour: f64| Timestamp::from_micros(START + (hour * 3_600e6) as i64);
    let shift = (time(8.0), time(16.0));
    let eight: Vec<SignalId> = (20..28).map(SignalId).collect();
    let all: Vec<SignalId> = (1..=SIGNALS).map(SignalId).collect();
    macro_rules! call {
        ($name:literal, $call:expr) => {{
            let mut times = Vec::new();
            let before = cpu();
            let asked = concat!($name, " direct").contains(only);
            for _ in 0..if asked { ROUNDS } else { 0 } {
                let begun = Instant::now();
                $call.await.unwrap();
                times.push(begun.elapsed());
            }
            if asked {
                print(concat!($name, " direct"), &mut times, cpu() - before, "no plan");
            }
        }};
    }
    let now = || engine.snapshot();
    call!("Q1", engine.last_values(now(), &all));
    call!("Q2", engine.window(now(), SignalId(7), shift, usize::MAX));
    call!("trend of 8 h, 1000 pixels", engine.trend(now(), SignalId(7), shift, 1000));
    call!("Q3", engine.buckets(now(), &eight, shift, 1000));
    call!("Q4", engine.buckets(now(), &all, (time(0.0), time(24.0)), 24));
    let above = engine.condition("value > 45").unwrap();
    call!("Q5", engine.runs(now(), SignalId(7), (time(0.0), time(48.0)), above.clone()));
    let steps = Steps { from: time(30.0), to: time(31.0), step: Duration::from_secs(1) };
    let five: Vec<(SignalId, bool)> = (30..35).map(|id| (SignalId(id), false)).collect();
    call!("Q6", engine.align(now(), &five, steps, Duration::from_secs(60)));
    call!("Q8", engine.buckets(now(), &eight, (time(47.75), time(48.0)), 200));
}

/// A wave with noise; every tenth signal counts, and once an hour a sample is bad.
fn rows(second: i64, count: i64) -> Vec<Sample> {
    let row = |signal: u32, second: i64| {
        let noise = (second.wrapping_mul(i64::from(signal) * 7919 + 104_729) % 7) as f64;
        let wave = (second as f64 / 900.0 + f64::from(signal)).sin() * 50.0;
        let value = match signal % 10 {
            0 => Value::Int(second * i64::from(signal)),
            _ => Value::Float(((wave + noise * 0.05) * 100.0).round() / 100.0),
        };
        let jitter = second.wrapping_mul(7_919) % 1200;
        Sample {
            signal: SignalId(signal),
            time: Timestamp::from_micros(START + second * 1_000_000 + jitter),
            value: Some(value),
            quality: if second % 3600 == 1800 { Quality::BAD } else { Quality::GOOD },
        }
    };
    (1..=SIGNALS).flat_map(|signal| (second..second + count).map(move |s| row(signal, s))).collect()
}
