//! Figures of the log without a network: `cargo bench -p parx-log`.
//!
//! Prints, asserts nothing: how long something takes depends on the machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at faults"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parx_log::{
    Command, Entry, Event, Log, LogOptions, Run, RunKind, Samples, Sequence, SignalDefinition,
    SignalId, SystemClock, Timestamp, codec,
};

const START: i64 = 20_000 * 86_400_000_000;
const SIGNALS: u32 = 300;
/// Rows that one measurement appends.
const ROWS: usize = 8_000_000;
/// Requests that wait for their answers at once.
const WAITING: usize = 64;

fn main() {
    for rows in [1_000, 10_000, 131_072] {
        encoding(rows);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (rows, waiting) in [(1_000, WAITING), (10_000, WAITING), (50_000, WAITING)] {
        runtime.block_on(appending(rows, waiting));
    }
    runtime.block_on(answering(1_000, 2_000));
    runtime.block_on(answering(1, 1_000));
}

/// A third of each: quantised values, values full of noise, and integers that seldom change.
fn samples(rows: usize, at: i64) -> Samples {
    let mut samples = Samples::default();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64 ^ at.unsigned_abs();
    let signals = SIGNALS.min(rows as u32);
    for signal in 0..signals {
        let count = rows / signals as usize;
        let kind = if signal % 3 == 2 { RunKind::Int } else { RunKind::Float };
        samples.runs.push(Run { signal: SignalId(signal + 1), kind, count });
        for row in 0..count {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (random >> 40) as f64 / f64::from(1 << 24);
            let jitter = (noise * 2400.0) as i64;
            samples.times.push(at + row as i64 * 1_000_000 + jitter);
            samples.qualities.push(0);
            samples.bits.push(match signal % 3 {
                0 => f64::from(((20.0 + noise).mul_add(64.0, 0.0)).round() as f32 / 64.0).to_bits(),
                1 => (100.0 + noise).to_bits(),
                _ => 7,
            });
        }
    }
    samples
}

fn encoding(rows: usize) {
    let samples = samples(rows, START);
    let rows = samples.len();
    let entry = Entry {
        sequence: Sequence(1),
        recorded_at: Timestamp::from_micros(START),
        author: "bench".into(),
        event: Event::Samples(Arc::new(samples)),
    };
    let bytes = codec::encode(&entry).unwrap();
    let each = |begun: Instant, rounds: usize| {
        begun.elapsed().as_secs_f64() * 1e9 / (rounds * rows) as f64
    };
    let rounds = 4_000_000 / rows;
    let begun = Instant::now();
    (0..rounds).for_each(|_| drop(black_box(codec::encode(&entry))));
    let encode = each(begun, rounds);
    let begun = Instant::now();
    (0..rounds).for_each(|_| drop(black_box(codec::decode(Sequence(1), &bytes))));
    let decode = each(begun, rounds);
    let size = bytes.len() as f64 / rows as f64;
    println!(
        "entries of {rows} rows: {size:.2} bytes a row, encode {encode:.1} ns, \
         decode {decode:.1} ns"
    );
}

async fn open(folder: &std::path::Path) -> Log {
    let log = Log::open(LogOptions::new(folder), Arc::new(SystemClock)).unwrap();
    let signals = (1..=SIGNALS).map(|number| SignalDefinition {
        tag: format!("plant/line/signal{number}"),
        ..SignalDefinition::default()
    });
    log.submit("bench".into(), Command::EnsureSignals(signals.collect())).await.unwrap();
    log
}

/// Many requests at once; the tail is let go from time to time, as compaction would.
async fn appending(rows: usize, waiting: usize) {
    let folder = tempfile::TempDir::new().unwrap();
    let log = open(folder.path()).await;
    let block = samples(rows, START);
    let rows = block.len();
    let (mut queued, mut answers) = (std::collections::VecDeque::new(), 0);
    let (begun, cpu, mut sealing) = (Instant::now(), cpu(), Duration::ZERO);
    for request in 0..ROWS / rows {
        queued.push_back(log.queue("bench".into(), None, block.clone()).await.unwrap());
        if queued.len() == waiting {
            queued.pop_front().unwrap().durable().await.unwrap();
            answers += 1;
        }
        if (request + 1) % (2_000_000 / rows) == 0 {
            queued.pop_back().unwrap().durable().await.unwrap();
            answers += 1;
            let begun = Instant::now();
            let through = log.seal().await.unwrap().unwrap();
            let command = Command::CommitSegments { add: vec![], through };
            log.submit("bench".into(), command).await.unwrap();
            sealing += begun.elapsed();
        }
    }
    for last in queued {
        last.durable().await.unwrap();
        answers += 1;
    }
    let count = (answers * rows) as f64;
    println!(
        "appends of {rows} rows: {:.1} M rows/s, {:.3} µs of a core a row, {} groups, \
         {:.0} ms to end an epoch",
        count / begun.elapsed().as_secs_f64() / 1e6,
        (self::cpu() - cpu).as_secs_f64() * 1e6 / count,
        log.snapshot().sequence,
        sealing.as_secs_f64() * 1e3 / (ROWS / 2_000_000) as f64,
    );
}

/// One writer that waits for each answer.
async fn answering(rows: usize, times: usize) {
    let folder = tempfile::TempDir::new().unwrap();
    let log = open(folder.path()).await;
    let block = samples(rows, START);
    let mut took = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        let queued = log.queue("bench".into(), None, block.clone()).await.unwrap();
        queued.durable().await.unwrap();
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let rate = (times * block.len()) as f64 / took.iter().sum::<f64>() * 1e3;
    println!(
        "one writer, {} rows at a time: {rate:.0} rows/s, acknowledged in {:.2} ms p50, \
         {:.2} ms p99",
        block.len(),
        took[times / 2],
        took[times * 99 / 100],
    );
}

/// Processor time of this process so far, where the system tells it.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
