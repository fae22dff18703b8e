//! Segments as their users see them: written, read, merged, published, damaged.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parx_compactor::{ClockBook, Compactor, Limits, Merge, SegmentError, SegmentStore, Wanted};
use parx_log::{
    Command, HandClock, Log, LogOptions, Quality, Rows, Sample, SegmentKind, SignalDefinition,
    SignalId, SystemClock, Timestamp, Value,
};
use proptest::prelude::*;
use tempfile::TempDir;

const DAY: i64 = 86_400_000_000;
const START: i64 = 20_000 * DAY;

fn open(folder: &Path) -> Log {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    Log::open(options, Arc::new(HandClock::at(Timestamp::from_micros(START)))).unwrap()
}

async fn define(log: &Log, count: u32) {
    for number in 0..count {
        let tag = format!("plant/signal{number}");
        let signal = SignalDefinition { tag, ..SignalDefinition::default() };
        log.submit("test".into(), Command::DefineSignal(signal)).await.unwrap();
    }
}

/// A row down to its bits, so that rows with NaN can be compared.
type Exact = (u32, i64, u64, u32, String);

fn exact(signal: SignalId, rows: &Rows) -> Vec<Exact> {
    let value = |row| match rows.value(row) {
        Some(Value::Float(x)) => format!("float {:016x}", x.to_bits()),
        other => format!("{other:?}"),
    };
    let row = |row: usize| {
        (signal.0, rows.times[row], rows.sequences[row], rows.qualities[row], value(row))
    };
    (0..rows.len()).map(row).collect()
}

/// Everything that is visible: segments and tails, merged.
fn read(log: &Log, store: &SegmentStore, signal: u32, from: i64, to: i64) -> Vec<Exact> {
    let snapshot = log.snapshot();
    let mut sources = Vec::new();
    for meta in snapshot.catalog.manifest.of_kind(SegmentKind::Samples) {
        let file = store.open(meta).unwrap();
        sources.extend(file.source(SignalId(signal), from, to, Wanted::ALL));
    }
    for tail in &snapshot.tails {
        let rows = tail.read(SignalId(signal), from, to, snapshot.sequence);
        sources.extend(parx_compactor::Source::rows(rows));
    }
    let blocks = Merge::new(sources).map(Result::unwrap);
    blocks.flat_map(|rows| exact(SignalId(signal), &rows)).collect()
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        any::<u64>().prop_map(|bits| Some(Value::Float(f64::from_bits(bits)))),
        Just(Some(Value::Float(f64::from_bits(0x7FF8_0000_0000_BEEF)))),
        any::<i64>().prop_map(|x| Some(Value::Int(x))),
        any::<bool>().prop_map(|x| Some(Value::Bool(x))),
        any::<i16>().prop_map(|x| Some(Value::Float(f64::from(x) / 10.0))),
        any::<u8>().prop_map(|x| Some(Value::Float(f64::from(f32::from(x) * 0.1)))),
        "[a-zé]{0,5}".prop_map(|x| Some(Value::Text(x.into()))),
    ]
}

/// Few times, so that they repeat; three days, so that files are cut.
fn sample() -> impl Strategy<Value = Sample> {
    (1_u32..4, 0_i64..60, value(), any::<u32>()).prop_map(|(signal, time, value, quality)| Sample {
        signal: SignalId(signal),
        time: Timestamp::from_micros(START + time * (DAY / 20)),
        value,
        quality: Quality(quality),
    })
}

/// What happens between two batches.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Sample>),
    Compact,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(sample(), 1..40).prop_map(Step::Append),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn c1_c2_rows_and_bits_survive_writing_reading_and_merging(
        steps in prop::collection::vec(step(), 1..16),
        from in 0_i64..60,
        length in 0_i64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let segments = folder.path();
            let limits = Limits { merge_files: 2, ..Limits::default() };
            let mut log = open(folder.path());
            define(&log, 3).await;
            let mut expected: BTreeMap<u32, Vec<Exact>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Append(rows) => {
                        let sequence = log.append("t".into(), None, rows.clone()).await.unwrap();
                        for row in rows {
                            let signal = row.signal.0;
                            let one = Rows {
                                times: vec![row.time.micros()],
                                sequences: vec![sequence.0],
                                ..parx_log_rows(&row)
                            };
                            expected.entry(signal).or_default().extend(exact(row.signal, &one));
                        }
                    }
                    Step::Compact => {
                        let store = SegmentStore::new(segments);
                        let mut compactor = Compactor::new(log.clone(), store, limits);
                        compactor.pass(true).await.unwrap();
                    }
                    Step::Reopen => {
                        tokio::task::spawn_blocking(move || log.close()).await.unwrap();
                        log = open(folder.path());
                    }
                }
            }
            let store = SegmentStore::with_limit(segments, 2);
            for signal in 1..4 {
                let mut rows = expected.remove(&signal).unwrap_or_default();
                rows.sort_by_key(|row| (row.1, row.2)); // stable: arrival stays
                assert_eq!(read(&log, &store, signal, i64::MIN, i64::MAX), rows, "C1 and C2");
                let window = (START + from * (DAY / 20), START + (from + length) * (DAY / 20));
                rows.retain(|row| (window.0..=window.1).contains(&row.1));
                assert_eq!(read(&log, &store, signal, window.0, window.1), rows, "Q2");
            }
        });
    }
}

fn parx_log_rows(sample: &Sample) -> Rows {
    let samples = parx_log::Samples::from_rows(vec![], vec![sample.clone()]);
    Rows {
        qualities: samples.qualities,
        kinds: samples.runs.iter().map(|run| run.kind).collect(),
        bits: samples.bits,
        texts: samples.texts,
        ..Rows::default()
    }
}

fn rows(signal: u32, count: i64) -> Vec<Sample> {
    let row = |second: i64| Sample {
        signal: SignalId(signal),
        time: Timestamp::from_micros(START + second * 1_000_000),
        value: Some(Value::Float((second as f64 / 100.0).sin())),
        quality: Quality::GOOD,
    };
    (0..count).map(row).collect()
}

async fn compacted(folder: &Path) -> (Log, SegmentStore) {
    let log = open(folder);
    define(&log, 2).await;
    for signal in [1, 2] {
        log.append("t".into(), None, rows(signal, 20_000)).await.unwrap();
    }
    let store = SegmentStore::new(folder);
    Compactor::new(log.clone(), store.clone(), Limits::default()).pass(true).await.unwrap();
    (log, store)
}

#[tokio::test]
async fn a_window_of_a_large_segment_is_what_a_filter_of_all_rows_gives() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let all = read(&log, &store, 2, i64::MIN, i64::MAX);
    assert_eq!(all.len(), 20_000, "C1");
    for (from, to) in [(0, 0), (8191, 8192), (5000, 17_000), (19_999, 30_000), (-5, -1)] {
        let (from, to) = (START + from * 1_000_000, START + to * 1_000_000);
        let mut expected = all.clone();
        expected.retain(|row| (from..=to).contains(&row.1));
        assert_eq!(read(&log, &store, 2, from, to), expected, "Q2");
    }
}

#[tokio::test]
async fn c2_what_a_converter_counted_takes_fewer_bytes_and_no_other_bits() {
    let bytes = async |number: fn(i64) -> f64| {
        let folder = TempDir::new().unwrap();
        let log = open(folder.path());
        define(&log, 1).await;
        let mut samples = rows(1, 20_000);
        for (sample, n) in samples.iter_mut().zip(0..) {
            sample.value = Some(Value::Float(number(n * 7919 % 4096)));
        }
        log.append("t".into(), None, samples.clone()).await.unwrap();
        let store = SegmentStore::new(folder.path());
        Compactor::new(log.clone(), store.clone(), Limits::default()).pass(true).await.unwrap();
        let found = read(&log, &store, 1, i64::MIN, i64::MAX);
        let found = found.into_iter().map(|row| row.4);
        let written = samples.into_iter().map(|sample| match sample.value {
            Some(Value::Float(x)) => format!("float {:016x}", x.to_bits()),
            other => format!("{other:?}"),
        });
        assert!(found.eq(written), "C2");
        let manifest = log.catalog().manifest.clone();
        manifest.of_kind(SegmentKind::Samples).map(|meta| meta.bytes).sum::<u64>()
    };
    let noise = bytes(|n| (n as f64).sin()).await;
    let volts = |n| f64::from((n as f64 * (10.0 / 4095.0)) as f32);
    for number in [volts, |n| n as f64 / 100.0, |n| -20.0 + n as f64 * (120.0 / 4095.0)] {
        let counts = bytes(number).await;
        assert!(counts * 2 < noise, "{counts} of {noise} bytes");
    }
}

#[tokio::test]
async fn the_recorded_time_of_a_row_is_found_by_its_sequence() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let hot = log.append("t".into(), None, rows(1, 1)).await.unwrap();
    let cold = read(&log, &store, 1, i64::MIN, START)[0].2;
    let book = ClockBook::new(store, &log.snapshot());
    let times = book.recorded_at(&[hot.0, cold, 1_000_000, cold]).unwrap();
    assert_eq!(times, [Some(START), Some(START), None, Some(START)]);
}

#[tokio::test]
async fn l6_a_flipped_bit_anywhere_in_a_segment_is_refused_with_the_files_name() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let manifest = log.catalog().manifest.clone();
    let meta = manifest.of_kind(SegmentKind::Samples).next().unwrap();
    let path = store.root().join(&meta.path);
    let bytes = std::fs::read(&path).unwrap();
    for place in (0..bytes.len()).step_by(bytes.len() / 50) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        std::fs::write(&path, damaged).unwrap();
        let error = SegmentStore::new(store.root()).open(meta).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains(&meta.path), "L6: {error}");
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(SegmentStore::new(store.root()).open(meta).unwrap_err().is_damage(), "L6");
    std::fs::remove_file(&path).unwrap();
    assert!(SegmentStore::new(store.root()).open(meta).unwrap_err().is_damage(), "L6");
}

#[tokio::test]
async fn replaced_files_stay_while_a_snapshot_names_them_and_go_then() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, 1).await;
    let store = SegmentStore::new(folder.path());
    let limits = Limits { merge_files: 2, ..Limits::default() };
    let mut compactor = Compactor::new(log.clone(), store.clone(), limits);
    log.append("t".into(), None, rows(1, 10)).await.unwrap();
    compactor.pass(true).await.unwrap();
    let held = log.snapshot();
    log.append("t".into(), None, rows(1, 10)).await.unwrap();
    compactor.pass(true).await.unwrap();
    let manifest = log.catalog().manifest.clone();
    assert_eq!(manifest.of_kind(SegmentKind::Samples).count(), 1, "two became one");
    let old = held.catalog.manifest.of_kind(SegmentKind::Samples).next().unwrap();
    let path = store.root().join(&old.path);
    assert!(path.exists(), "Q1: a snapshot may still read it");
    assert!(store.open(old).is_ok(), "Q1");
    drop(held);
    compactor.pass(false).await.unwrap();
    assert!(!path.exists(), "nobody can ask for it any more");
}

#[tokio::test]
async fn what_a_crash_left_is_removed_at_the_start_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let day = store.root().join("segments/2024-10-04");
    let strays = [day.join("L0-77-99.parquet"), day.join("L0-77-99.tmp")];
    for stray in &strays {
        std::fs::write(stray, b"half").unwrap();
    }
    std::fs::write(day.join("notes.txt"), b"mine").unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let limits = Limits::default();
    let station = tokio::spawn(Compactor::run(log.clone(), store.clone(), limits, cancel.clone()));
    while strays.iter().any(|stray| stray.exists()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cancel.cancel();
    station.await.unwrap();
    assert!(day.join("notes.txt").exists());
    assert_eq!(read(&log, &store, 1, i64::MIN, i64::MAX).len(), 20_000, "C1");
}

#[tokio::test]
async fn l4_another_format_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let manifest = log.catalog().manifest.clone();
    let mut meta = (**manifest.of_kind(SegmentKind::Samples).next().unwrap()).clone();
    let path = store.root().join(&meta.path);
    let mut bytes = std::fs::read(&path).unwrap();
    let key = b"parx.segment";
    let place = bytes.windows(key.len()).position(|window| window == key).unwrap();
    let version = bytes[place..].iter().position(|byte| *byte == b'2').unwrap();
    bytes[place + version] = b'9';
    meta.blake3 = blake3::hash(&bytes).to_hex().to_string();
    std::fs::write(&path, bytes).unwrap();
    let error = SegmentStore::new(store.root()).open(&Arc::new(meta)).unwrap_err();
    assert!(matches!(error, SegmentError::Version { .. }), "L4: {error}");
}

#[tokio::test]
async fn l4_segments_that_older_versions_wrote_are_read_and_merged() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    for version in ["v1", "v2", "v3"] {
        let folder = TempDir::new().unwrap();
        copy(&golden.join(version), folder.path());
        let log = Log::open(LogOptions::new(folder.path()), Arc::new(SystemClock)).unwrap();
        let store = SegmentStore::new(folder.path());
        let limits = Limits { merge_files: 2, ..Limits::default() };
        let texts = |from: usize| (from..=5).map(|n| format!("{:?}", Some(text(n))));
        let check = || {
            let values = |signal| read(&log, &store, signal, i64::MIN, i64::MAX);
            let floats = (1..=5).map(|n| format!("float {:016x}", (f64::from(n) + 0.5).to_bits()));
            assert!(values(1).into_iter().map(|row| row.4).eq(floats), "L4: {version}");
            let whole = (1..=5).map(|n| format!("{:?}", Some(Value::Int(n))));
            let found = values(2).into_iter().map(|row| row.4);
            assert!(found.clone().eq(whole.take(found.len())), "L4: {version}");
            let found = values(3).into_iter().map(|row| row.4);
            assert!(found.clone().eq(texts(1).take(found.len())), "L4: {version}");
        };
        check();
        Compactor::new(log.clone(), store.clone(), limits).pass(true).await.unwrap();
        check();
        let manifest = log.catalog().manifest.clone();
        let levels = manifest.of_kind(SegmentKind::Samples).map(|meta| meta.level);
        assert!(levels.eq([1]), "L4: {version} was merged with what came later");
        let report = parx_compactor::verify_segments(store.root(), &manifest, &mut |_| {});
        assert!(report.faults.is_empty(), "L4: {:?}", report.faults);
    }
}

fn text(number: usize) -> Value {
    Value::Text(format!("x{number}").into())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).unwrap()),
        }
    }
}

#[tokio::test]
async fn c1_a_tail_over_more_days_than_files_are_open_is_cut_whole() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    define(&log, 2).await;
    let days = parx_compactor::DAYS_OPEN_MAX as i64 + 10;
    let late = |signal| {
        let day = move |day| Sample {
            time: Timestamp::from_micros(START - day * DAY),
            ..rows(signal, 1).remove(0)
        };
        (0..days).map(day).collect::<Vec<_>>()
    };
    log.append("t".into(), None, [late(1), late(2)].concat()).await.unwrap();
    let store = SegmentStore::new(folder.path().join("segments"));
    Compactor::new(log.clone(), store.clone(), Limits::default()).pass(true).await.unwrap();
    assert_eq!(log.catalog().manifest.samples(), 2 * days as u64, "C1");
    for signal in [1, 2] {
        let found = read(&log, &store, signal, i64::MIN, i64::MAX);
        assert_eq!(found.len() as i64, days, "C1");
        assert!(found.is_sorted_by_key(|row| row.1));
    }
}

#[tokio::test]
async fn what_a_segment_costs_adds_up_to_its_file() {
    let folder = TempDir::new().unwrap();
    let (log, store) = compacted(folder.path()).await;
    let manifest = log.catalog().manifest.clone();
    for meta in manifest.of_kind(SegmentKind::Samples) {
        let file = store.open(meta).unwrap();
        let costs = parx_compactor::costs(&file);
        let pages: f64 = costs.columns.values().flat_map(|signals| signals.values()).sum();
        assert!((pages + costs.rest - meta.bytes as f64).abs() < 1.0, "{costs:?}");
        assert!(costs.rest > 0.0 && costs.columns.len() >= 5, "{costs:?}");
        let signals = costs.columns["time"].keys();
        assert!(signals.eq(file.spans().iter().map(|span| &span.signal)), "each signal has a time");
    }
}
