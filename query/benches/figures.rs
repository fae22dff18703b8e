//! Figures of storage and queries on a day of a small plant: `cargo bench -p parx-query`.
//!
//! Prints, asserts nothing: how long something takes depends on the machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at faults"
)]

use std::sync::Arc;
use std::time::Instant;

use futures::TryStreamExt;
use parx_compactor::{Compactor, Limits as CompactorLimits, SegmentStore};
use parx_log::{
    Command, HandClock, Log, LogOptions, Quality, Sample, SegmentKind, SignalDefinition, SignalId,
    Timestamp, Value,
};
use parx_query::arrow::array::RecordBatch;
use parx_query::{Engine, Limits, Session};

const START: i64 = 20_000 * 86_400_000_000;
const SIGNALS: u32 = 100;
const SECONDS: i64 = 28_800;

#[tokio::main]
async fn main() {
    let folder = tempfile::TempDir::new().unwrap();
    let clock = Arc::new(HandClock::at(Timestamp::from_micros(START)));
    let log = Log::open(LogOptions::new(folder.path()), clock).unwrap();
    let signals = (1..=SIGNALS).map(|number| SignalDefinition {
        tag: format!("plant/line/signal{number}"),
        ..SignalDefinition::default()
    });
    log.submit("bench".into(), Command::EnsureSignals(signals.collect())).await.unwrap();
    let store = SegmentStore::new(folder.path());
    let mut compactor = Compactor::new(log.clone(), store.clone(), CompactorLimits::default());
    let begun = Instant::now();
    let mut packing = 0.0;
    for hour in 0..8 {
        for minute in 0..60 {
            log.append("bench".into(), None, rows(hour * 3600 + minute * 60, 60)).await.unwrap();
        }
        let begun = Instant::now();
        compactor.pass(true).await.unwrap();
        packing += begun.elapsed().as_secs_f64();
    }
    let count = f64::from(SIGNALS) * SECONDS as f64;
    println!("append and compact: {:.2} M rows/s", count / begun.elapsed().as_secs_f64() / 1e6);
    println!("compact, merge included: {:.2} M rows/s", count / packing / 1e6);
    let manifest = log.catalog().manifest.clone();
    let bytes: u64 = manifest.of_kind(SegmentKind::Samples).map(|meta| meta.bytes).sum();
    println!("{} segments, {:.2} bytes per row", manifest.segments.len(), bytes as f64 / count);
    let engine = Engine::new(log, store, Limits::default()).unwrap();
    let session = engine.session("bench");
    for sql in QUERIES {
        time(&session, sql).await;
    }
    let window =
        (Timestamp::from_micros(START), Timestamp::from_micros(START + SECONDS * 1_000_000));
    let mut best = f64::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        let trend = engine.trend(engine.snapshot(), SignalId(7), window, 1000).await.unwrap();
        best = best.min(begun.elapsed().as_secs_f64());
        assert!(!trend.is_empty());
    }
    println!("{:8.2} ms  trend of 8 h, 1000 pixels", best * 1e3);
}

const QUERIES: [&str; 8] = [
    "SELECT time, value FROM samples WHERE signal = 'plant/line/signal7' ORDER BY time",
    "SELECT time, value FROM samples WHERE signal = 'plant/line/signal7' \
     AND time >= '2024-10-04T04:00:00Z' AND time < '2024-10-04T04:10:00Z' ORDER BY time",
    "SELECT time_bucket('28.8s', time), min(value), max(value), avg(value) FROM samples \
     WHERE signal = 'plant/line/signal7' GROUP BY 1 ORDER BY 1",
    "SELECT time, value FROM samples WHERE signal = 'plant/line/signal7' \
     ORDER BY time DESC LIMIT 1",
    "SELECT count(*) FROM samples",
    "SELECT signal, time_bucket('1 hour', time), avg(value) FROM samples GROUP BY 1, 2",
    "SELECT * FROM samples WHERE signal = 'plant/line/signal7' ORDER BY time",
    "SELECT tag, last_value FROM signals",
];

async fn time(session: &Session, sql: &str) {
    let mut best = f64::MAX;
    let mut rows = 0;
    for _ in 0..10 {
        let begun = Instant::now();
        let statement = session.prepare_sql(sql).await.unwrap();
        let batches: Vec<RecordBatch> =
            statement.execute(vec![]).await.unwrap().try_collect().await.unwrap();
        best = best.min(begun.elapsed().as_secs_f64());
        rows = batches.iter().map(RecordBatch::num_rows).sum();
    }
    println!("{:8.2} ms  {rows} rows  {sql}", best * 1e3);
}

fn rows(second: i64, count: i64) -> Vec<Sample> {
    let row = |signal: u32, second: i64| {
        let noise = (second.wrapping_mul(i64::from(signal) * 7919 + 104_729) % 7) as f64;
        let wave = (second as f64 / 900.0 + f64::from(signal)).sin() * 50.0;
        Sample {
            signal: SignalId(signal),
            time: Timestamp::from_micros(START + second * 1_000_000),
            value: Some(Value::Float(((wave + noise * 0.05) * 100.0).round() / 100.0)),
            quality: Quality::GOOD,
        }
    };
    (1..=SIGNALS).flat_map(|signal| (second..second + count).map(move |s| row(signal, s))).collect()
}
