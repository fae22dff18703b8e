//! Sources from their definition to their samples in the log, with a device that is played.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use parx_ingest::{
    CollectorContext, Compiled, Counters, Driver, DriverDescription, Drivers, Fault, Job, Problem,
    Reading, Session, SourcePlan, SourceState, Sources, collect,
};
use parx_log::{
    Command, Event, Log, LogOptions, Quality, Sample, ScanClassDefinition, SignalDefinition,
    SourceDefinition, SystemClock, Timestamp, Value,
};
use serde_json::json;
use tempfile::TempDir;

/// What the played device does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Answers(f64),
    Refuses,
    Hangs,
    SaysNothing,
    Crashes,
}

/// The devices of all tests, by the number in their source's settings.
static DEVICES: LazyLock<Mutex<HashMap<u64, Mood>>> = LazyLock::new(Mutex::default);

fn set(device: u64, mood: Mood) {
    DEVICES.lock().unwrap().insert(device, mood);
}

struct Played {
    device: u64,
    points: Vec<Vec<usize>>,
}

impl Played {
    fn mood(&self) -> Mood {
        DEVICES.lock().unwrap()[&self.device]
    }
}

impl Driver for Played {
    const NAME: &'static str = "played";
    type Session = Played;

    fn compile(plan: &SourcePlan) -> Compiled<Played> {
        let Some(device) = plan.source.settings["device"].as_u64() else {
            let problems = vec![Problem::of_source("settings.device", "is missing")];
            return Compiled { driver: None, problems };
        };
        let mut problems = vec![];
        let mut points = vec![vec![]; plan.classes.len()];
        for (index, point) in plan.points.iter().enumerate() {
            match (point.class, &*point.address) {
                (Some(class), "here") => points[class].push(index),
                _ => problems.push(Problem::of_point(index, &point.tag, "address", "not here")),
            }
        }
        Compiled { driver: Some(Played { device, points }), problems }
    }

    async fn connect(&self) -> Result<Played, Fault> {
        match self.mood() {
            Mood::Refuses => Err(Fault::Link("the played device refuses".to_owned())),
            _ => Ok(Played { device: self.device, points: self.points.clone() }),
        }
    }
}

impl Session for Played {
    async fn poll(
        &mut self,
        class: usize,
        _now: Timestamp,
        into: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        match self.mood() {
            Mood::Answers(value) => {
                let good = |index: &usize| Reading::good(*index, Value::Float(value));
                into.extend(self.points[class].iter().map(good));
                Ok(())
            }
            Mood::Refuses => Err(Fault::Link("the played device is gone".to_owned())),
            Mood::Hangs => std::future::pending().await,
            Mood::SaysNothing => Ok(()),
            Mood::Crashes => panic!("the played driver crashes on purpose"),
        }
    }

    async fn receive(&mut self, _into: &mut Vec<Reading>) -> Result<(), Fault> {
        std::future::pending().await
    }
}

struct OneDriver;

impl Drivers for OneDriver {
    fn describe(&self) -> Vec<DriverDescription> {
        vec![]
    }

    fn check(&self, plan: &SourcePlan) -> Vec<Problem> {
        Played::compile(plan).problems
    }

    fn start(&self, context: CollectorContext) -> Job {
        collect::<Played>(context)
    }
}

struct Bench {
    log: Log,
    sources: Sources,
    _folder: TempDir,
}

async fn bench(device: u64, mood: Mood) -> Bench {
    bench_with(device, mood, |_| {}).await
}

async fn bench_with(device: u64, mood: Mood, change: impl FnOnce(&mut LogOptions)) -> Bench {
    set(device, mood);
    let folder = TempDir::new().unwrap();
    let mut options = LogOptions::new(folder.path());
    options.linger = Duration::ZERO;
    change(&mut options);
    let log = Log::open(options, Arc::new(SystemClock)).unwrap();
    let class = ScanClassDefinition { name: "fast".into(), period_ms: 20, phase_ms: 0 };
    submit(&log, Command::DefineScanClass(class)).await;
    submit(&log, Command::DefineSource(source(device))).await;
    submit(&log, Command::DefineSignal(signal("a", "here"))).await;
    let sources = Sources::start(log.clone(), Arc::new(OneDriver));
    Bench { log, sources, _folder: folder }
}

fn source(device: u64) -> SourceDefinition {
    let (name, driver) = ("s".to_owned(), "played".to_owned());
    SourceDefinition { name, driver, settings: json!({ "device": device }), enabled: true }
}

fn signal(tag: &str, address: &str) -> SignalDefinition {
    SignalDefinition {
        tag: tag.to_owned(),
        source: Some("s".to_owned()),
        address: Some(address.to_owned()),
        scan_class: Some("fast".to_owned()),
        ..SignalDefinition::default()
    }
}

async fn submit(log: &Log, command: Command) {
    log.submit("test".into(), command).await.unwrap();
}

impl Bench {
    fn last(&self, tag: &str) -> Option<Sample> {
        let id = self.log.catalog().signal_by_tag(tag)?.id;
        Some(self.log.last_values().get(id)?.sample)
    }

    /// Waits until the last sample of a signal is as wanted.
    async fn until(&self, tag: &str, value: Option<f64>, quality: Quality) {
        for _ in 0..1500 {
            if let Some(last) = self.last(tag)
                && last.quality == quality
                && last.value == value.map(Value::Float)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (last, status) = (self.last(tag), self.sources.statuses());
        panic!("{tag} never became {value:?} {quality}; it is {last:?}, the sources {status:?}");
    }

    /// Every sample of the log, with the producers of their batches.
    fn samples(&self) -> (Vec<Sample>, Vec<String>) {
        let entries = self.log.read(parx_log::Sequence::ZERO, 10_000).unwrap();
        let (mut rows, mut producers) = (vec![], vec![]);
        for entry in entries {
            if let Event::Samples(samples) = &entry.event {
                rows.extend(samples.rows());
                producers.extend(samples.batches.iter().map(|batch| batch.producer.clone()));
            }
        }
        (rows, producers)
    }

    fn counters(&self) -> Counters {
        self.sources.status("s").map(|status| status.counters).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_lost_device_is_bad_once_and_good_again_by_itself() {
    let bench = bench(1, Mood::Answers(1.0)).await;
    bench.until("a", Some(1.0), Quality::GOOD).await;
    set(1, Mood::Refuses);
    bench.until("a", None, Quality::BAD_COMMUNICATION_ERROR).await;
    let status = bench.sources.status("s").unwrap();
    assert!(status.error.unwrap().contains("played device"), "the error says what happened");
    while bench.counters().faults < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    set(1, Mood::Answers(2.0));
    bench.until("a", Some(2.0), Quality::GOOD).await;
    assert_eq!(bench.sources.status("s").unwrap().state, SourceState::Connected);
    bench.sources.stop().await;
    assert_eq!(bench.last("a").unwrap().quality, Quality::BAD_NOT_CONNECTED);
    let (samples, producers) = bench.samples();
    let lost = Quality::BAD_COMMUNICATION_ERROR;
    assert_eq!(samples.iter().filter(|s| s.quality == lost).count(), 1, "I2: once per gap");
    assert!(samples.is_sorted_by_key(|sample| sample.time), "time goes forward");
    assert!(producers.iter().all(|producer| producer == "source/s"), "I3: batches are numbered");
    let counters = bench.counters();
    let good = samples.iter().filter(|sample| sample.value.is_some()).count() as u64;
    assert_eq!(counters.recorded, good, "I1: {counters:?}");
    assert_eq!(counters.stored, samples.len() as u64, "I1: {counters:?}");
    assert_eq!(counters.held(), 0, "I1: a stopped source holds nothing back: {counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_device_that_hangs_or_says_nothing_is_bad_although_connected() {
    let bench = bench(2, Mood::Answers(1.0)).await;
    bench.until("a", Some(1.0), Quality::GOOD).await;
    set(2, Mood::SaysNothing);
    bench.until("a", None, Quality::BAD_NO_COMMUNICATION).await;
    set(2, Mood::Answers(2.0));
    bench.until("a", Some(2.0), Quality::GOOD).await;
    set(2, Mood::Hangs);
    bench.until("a", None, Quality::BAD_COMMUNICATION_ERROR).await;
    set(2, Mood::Answers(3.0));
    bench.until("a", Some(3.0), Quality::GOOD).await;
    bench.sources.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_follow_the_catalog() {
    let bench = bench(3, Mood::Answers(1.0)).await;
    bench.until("a", Some(1.0), Quality::GOOD).await;
    submit(&bench.log, Command::DefineSignal(signal("b", "here"))).await;
    bench.until("b", Some(1.0), Quality::GOOD).await;
    submit(&bench.log, Command::DefineSignal(signal("c", "elsewhere"))).await;
    bench.until("c", None, Quality::BAD_CONFIGURATION_ERROR).await;
    let problems = bench.sources.status("s").unwrap().problems;
    assert_eq!(problems[0].to_string(), "c: address: not here");
    let free = SignalDefinition { source: None, ..signal("b", "here") };
    submit(&bench.log, Command::ChangeSignal { tag: "b".into(), definition: free }).await;
    bench.until("b", None, Quality::BAD_OUT_OF_SERVICE).await;
    let off = SourceDefinition { enabled: false, ..source(3) };
    submit(&bench.log, Command::ChangeSource(off)).await;
    bench.until("a", None, Quality::BAD_OUT_OF_SERVICE).await;
    submit(&bench.log, Command::ChangeSource(source(3))).await;
    bench.until("a", Some(1.0), Quality::GOOD).await;
    let wrong = SourceDefinition { settings: json!({}), ..source(3) };
    submit(&bench.log, Command::ChangeSource(wrong)).await;
    bench.until("a", None, Quality::BAD_CONFIGURATION_ERROR).await;
    assert_eq!(bench.sources.status("s").unwrap().state, SourceState::Off);
    submit(&bench.log, Command::RetireSource { name: "s".into() }).await;
    while bench.sources.status("s").is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.sources.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_driver_costs_its_source_a_gap_and_no_more() {
    let bench = bench(4, Mood::Answers(1.0)).await;
    bench.until("a", Some(1.0), Quality::GOOD).await;
    set(4, Mood::Crashes);
    bench.until("a", None, Quality::BAD_COMMUNICATION_ERROR).await;
    set(4, Mood::Answers(2.0));
    bench.until("a", Some(2.0), Quality::GOOD).await;
    bench.sources.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_full_log_makes_a_source_wait_and_loses_nothing() {
    let bench = bench_with(5, Mood::Answers(1.0), |options| {
        options.tail_rows_max = 1;
        options.tail_wait = Duration::ZERO;
    });
    let bench = bench.await;
    let mut value = 1.0;
    while bench.counters().append_retries == 0 {
        value += 1.0;
        set(5, Mood::Answers(value));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let recorded = bench.counters().recorded;
    assert!(bench.counters().stored < recorded, "I1: something waits");
    while let Some(through) = bench.log.seal().await.unwrap() {
        submit(&bench.log, Command::CommitSegments { add: vec![], through }).await;
        bench.until("a", Some(value), Quality::GOOD).await;
        if bench.counters().stored >= recorded {
            break;
        }
    }
    let counters = bench.counters();
    assert_eq!((counters.lost, counters.stored >= recorded), (0, true), "I1: {counters:?}");
}
