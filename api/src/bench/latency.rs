//! `parx bench latency`: from a value changing in a device to the message at a subscriber.
//!
//! A whole server on a folder of its own reads a simulated Modbus device, whose registers all
//! change to the number of the change at known instants; a GraphQL client sees them come. On the
//! way lie the wait for the next scan, the read, admission, the log with its fsync, the WebSocket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parx_log::{
    Clock, Command, Log, LogOptions, ScanClassDefinition, SignalDefinition, SourceDefinition,
    SystemClock, Timestamp, ValueType,
};
use parx_protocols::device::image::{Area, Place, WordOrder};
use parx_protocols::device::modbus::Device;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use crate::auth::{generate_password, make_user};
use crate::bench::client::subscriber::{Batch, Subscriber};
use crate::bench::figures::Spread;
use crate::bench::folder::Folder;
use crate::bench::machine::Machine;
use crate::cli::LatencyArgs;
use crate::command::say;
use crate::config::Config;
use crate::run::{Running, StartOptions, start};

/// Most signals: two registers each, in one table.
pub const SIGNALS_MAX: u16 = 32_000;
/// Shortest period that is measured.
pub const PERIOD_MIN: Duration = Duration::from_millis(10);
/// Longest time that is measured.
pub const TIME_MAX: Duration = Duration::from_secs(3_600);
/// How often the subscriber wants a message at most, as the web app asks by default.
const EVERY: Duration = Duration::from_millis(50);
/// Longest wait for the first good values.
const BEGIN_MAX: Duration = Duration::from_secs(20);
/// How long the last change is waited for, beside two periods.
const END_WAIT: Duration = Duration::from_secs(1);
/// The account, source and scan class of the measurement.
const NAME: &str = "bench";

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Signals that are scanned and subscribed to.
    pub signals: u16,
    /// Scan period, in milliseconds.
    pub period_ms: u64,
    /// Changes that were made.
    pub changes: usize,
    /// Samples that came, of `signals` times `changes`.
    pub samples: usize,
    /// Samples that did not come.
    pub missing: usize,
    /// Samples that the server left out because the subscriber was too slow.
    pub skipped: u64,
    /// From the change in the device to the message, in milliseconds.
    pub latency_ms: Spread,
    /// The part of it beyond the wait for the next scan, in milliseconds.
    pub beyond_scan_ms: Spread,
    /// What was measured on.
    pub machine: Machine,
}

/// The present by the clock that the server uses.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// Measures and prints.
pub async fn run(args: LatencyArgs) -> Result<(), String> {
    check(&args)?;
    let report = measure(&args).await?;
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        print(&report);
    }
    Ok(())
}

fn check(args: &LatencyArgs) -> Result<(), String> {
    if !(1..=SIGNALS_MAX).contains(&args.signals) {
        return Err(format!("--signals is {}; it must be 1 to {SIGNALS_MAX}", args.signals));
    }
    if args.period < PERIOD_MIN {
        return Err(format!("--period must be {} ms or longer", PERIOD_MIN.as_millis()));
    }
    if args.time > TIME_MAX || args.time < args.period * 4 {
        let most = TIME_MAX.as_secs();
        return Err(format!("--time must be four periods or longer, and {most} s at most"));
    }
    Ok(())
}

async fn measure(args: &LatencyArgs) -> Result<Report, String> {
    let folder = Folder::temporary()?;
    let server = start(options(&folder)).await.map_err(|error| error.to_string())?;
    let device = Device::default();
    let measured = with_server(args, &server, &device).await;
    server.stop().await;
    measured
}

async fn with_server(
    args: &LatencyArgs,
    server: &Running,
    device: &Device,
) -> Result<Report, String> {
    show(device, args.signals, 0);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let serving = device.serve(listener);
    let work = async {
        let password = generate_password();
        define(&server.log, args, port, &password).await?;
        let tags: Vec<String> = (0..args.signals).map(tag).collect();
        let login = (NAME, password.as_str());
        let mut subscriber = Subscriber::connect(server.http, login, &tags, EVERY).await?;
        let begun = timeout(BEGIN_MAX, begin(&mut subscriber, args.signals)).await;
        begun.map_err(|_| "the server did not read the device in time".to_owned())??;
        observe(args, device, &mut subscriber).await
    };
    tokio::select! {
        report = work => report,
        ended = serving => Err(format!("the simulated device stopped: {ended:?}")),
    }
}

fn options(folder: &Folder) -> StartOptions {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    StartOptions {
        log: LogOptions::new(folder.root()),
        http: any,
        postgres: any,
        flight: any,
        config: Config::default(),
        clock: Arc::new(SystemClock),
        demo: None,
        on_first_login: |_| {},
    }
}

fn tag(number: u16) -> String {
    format!("bench/{number}")
}

/// Defines account, scan class, source and signals.
async fn define(log: &Log, args: &LatencyArgs, port: u16, password: &str) -> Result<(), String> {
    let user = make_user(NAME.to_owned(), password.to_owned()).await;
    let period_ms = u64::try_from(args.period.as_millis()).unwrap_or(u64::MAX);
    let class = ScanClassDefinition { name: NAME.to_owned(), period_ms, phase_ms: 0 };
    let source = SourceDefinition {
        name: NAME.to_owned(),
        driver: "modbus".to_owned(),
        settings: json!({"host": "127.0.0.1", "port": port}),
        enabled: true,
    };
    let signal = |number: u16| SignalDefinition {
        tag: tag(number),
        value_type: ValueType::Int,
        stepped: true,
        source: Some(NAME.to_owned()),
        address: Some(format!("input:{}:uint32", number * 2)),
        scan_class: Some(NAME.to_owned()),
        ..SignalDefinition::default()
    };
    let commands = [
        Command::DefineUser(user.map_err(|error| error.to_string())?),
        Command::DefineScanClass(class),
        Command::DefineSource(source),
        Command::EnsureSignals((0..args.signals).map(signal).collect()),
    ];
    for command in commands {
        log.submit(NAME.into(), command).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Sets every signal of the device to `number`, at once.
fn show(device: &Device, signals: u16, number: u32) {
    device.update(|image| {
        for signal in 0..signals {
            let place = Place { unit: 1, area: Area::Input, number: signal * 2 };
            image.set_u32(place, number, WordOrder::HighFirst);
        }
    });
}

/// Waits until every signal has come once.
async fn begin(subscriber: &mut Subscriber, signals: u16) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    while seen.len() < usize::from(signals) {
        let batch = subscriber.next().await?;
        let came = batch.tags.into_iter().zip(&batch.values);
        seen.extend(came.filter(|(_, value)| value.is_some()).map(|(tag, _)| tag));
    }
    Ok(())
}

type Changes = Mutex<Vec<(Instant, Timestamp)>>;

/// Changes the device and watches the changes come.
async fn observe(
    args: &LatencyArgs,
    device: &Device,
    subscriber: &mut Subscriber,
) -> Result<Report, String> {
    let changes = Changes::default();
    let mut found = Found::default();
    let made = async {
        let end = Instant::now() + args.time;
        while Instant::now() < end {
            // Each change lasts longer than a period, and meets the scans at any phase.
            sleep(args.period.mul_f64(1.25 + rand::random::<f64>())).await;
            let number = {
                let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.push((Instant::now(), now()));
                changes.len()
            };
            show(device, args.signals, u32::try_from(number).unwrap_or(u32::MAX));
        }
        sleep(args.period * 2 + END_WAIT).await;
    };
    let watched = async {
        loop {
            let batch = subscriber.next().await?;
            let changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
            found.add(&batch, &changes, args.period);
        }
    };
    let failed: Option<Result<(), String>> = tokio::select! {
        () = made => None,
        ended = watched => Some(ended),
    };
    if let Some(Err(error)) = failed {
        return Err(error);
    }
    let changes = changes.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    found.report(args, changes)
}

/// What the subscriber has seen.
#[derive(Default)]
struct Found {
    latencies: Vec<Duration>,
    beyond: Vec<Duration>,
    skipped: u64,
}

impl Found {
    fn add(&mut self, batch: &Batch, changes: &[(Instant, Timestamp)], period: Duration) {
        self.skipped += batch.skipped;
        let Some((came, came_at)) = batch.came.filter(|_| !batch.snapshot) else { return };
        for (value, time) in batch.values.iter().zip(batch.times()) {
            let number = value.map_or(0, |value| value as usize);
            let Some((changed, changed_at)) = number.checked_sub(1).and_then(|n| changes.get(n))
            else {
                continue;
            };
            self.latencies.push(came.duration_since(*changed));
            // A scan that began before the change may still see it; then nothing was waited for.
            let ready = scan_of(time, period).max(*changed_at);
            self.beyond.push(came_at.since(ready));
        }
    }

    fn report(self, args: &LatencyArgs, changes: usize) -> Result<Report, String> {
        let samples = self.latencies.len();
        let nothing = || "no change came to the subscriber".to_owned();
        Ok(Report {
            signals: args.signals,
            period_ms: u64::try_from(args.period.as_millis()).unwrap_or(u64::MAX),
            changes,
            samples,
            missing: (changes * usize::from(args.signals)).saturating_sub(samples),
            skipped: self.skipped,
            latency_ms: Spread::of(self.latencies).ok_or_else(nothing)?,
            beyond_scan_ms: Spread::of(self.beyond).ok_or_else(nothing)?,
            machine: Machine::here(),
        })
    }
}

/// When the scan was due that began at `time`: the last whole multiple of the period.
fn scan_of(time: Timestamp, period: Duration) -> Timestamp {
    let period = i64::try_from(period.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(time.micros().div_euclid(period) * period)
}

fn print(report: &Report) {
    let line = |name: &str, spread: &Spread| {
        let Spread { p50, p95, p99, max } = spread;
        say(&format!("{name:<28}{p50:>9.1}{p95:>9.1}{p99:>9.1}{max:>9.1}"));
    };
    let Report { signals, period_ms, changes, samples, missing, machine, .. } = report;
    say(&format!(
        "{signals} signals, scanned every {period_ms} ms; {changes} changes, \
         {samples} samples came, {missing} did not"
    ));
    say(&format!("{:<28}{:>9}{:>9}{:>9}{:>9}", "milliseconds", "p50", "p95", "p99", "max"));
    line("change to message", &report.latency_ms);
    line("  beyond the wait for a scan", &report.beyond_scan_ms);
    say(&machine.line());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_due_at_a_whole_multiple_of_its_period() {
        let table = [(0, 0), (99_999, 0), (100_000, 100_000), (123_456, 100_000)];
        for (time, due) in table {
            let got = scan_of(Timestamp::from_micros(time), Duration::from_millis(100));
            assert_eq!(got.micros(), due, "{time}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_the_limit() {
        let args = |signals, period_ms, time_ms| LatencyArgs {
            signals,
            period: Duration::from_millis(period_ms),
            time: Duration::from_millis(time_ms),
            json: false,
        };
        let table = [
            (args(50, 100, 20_000), None),
            (args(0, 100, 20_000), Some("--signals")),
            (args(u16::MAX, 100, 20_000), Some("--signals")),
            (args(50, 1, 20_000), Some("--period")),
            (args(50, 100, 300), Some("--time")),
        ];
        for (args, expected) in table {
            let got = check(&args).err();
            assert_eq!(got.is_some(), expected.is_some(), "{got:?}");
            assert!(expected.is_none_or(|word| got.is_some_and(|text| text.contains(word))));
        }
    }
}
