//! `parx bench soak`: whether memory and the answers of dashboards stay flat for hours.
//!
//! Against the demo's plant in a process of its own, or against a server that runs already. Every
//! few seconds it asks what dashboards ask; at the end it says how the figures lean.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::client::flight::Flight;
use crate::bench::client::http::Http;
use crate::bench::figures::{median, slope};
use crate::bench::folder::Folder;
use crate::bench::goals::number;
use crate::bench::machine::Machine;
use crate::bench::process::usage;
use crate::bench::server::{Server, password};
use crate::cli::SoakArgs;
use crate::command::{read_password, say};

/// Longest soak.
pub const TIME_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Shortest time between two looks.
pub const EVERY_MIN: Duration = Duration::from_millis(100);
/// The past that the demo begins with.
const HISTORY: Duration = Duration::from_secs(24 * 3_600);
/// Signals of a dashboard.
const SIGNALS: usize = 8;
/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(60);
/// What is asked at each look, by name.
const ASKED: [&str; 4] = ["last values", "trend 1 h", "buckets 15 min", "count"];

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How often it was looked.
    pub looks: usize,
    /// Memory of the server in MiB; none where its process is not known.
    pub memory_mib: Option<Lean>,
    /// Cores that the server used on average; none where its process is not known.
    pub cores: Option<f64>,
    /// How long each question took, in milliseconds.
    pub questions_ms: Vec<QuestionLean>,
    /// What was measured on.
    pub machine: Machine,
}

/// How a figure behaved over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lean {
    /// Growth in an hour, by the line through all looks.
    pub per_hour: f64,
    /// The same of the second half alone, when everything is warm.
    pub per_hour_second_half: f64,
    /// Median of the first quarter.
    pub first_quarter: f64,
    /// Median of the last quarter.
    pub last_quarter: f64,
}

/// How one question behaved.
#[derive(Clone, Debug, Serialize)]
pub struct QuestionLean {
    /// What was asked.
    pub name: &'static str,
    /// How long it took.
    #[serde(flatten)]
    pub lean: Lean,
}

/// One look.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Hours since the beginning.
    hours: f64,
    memory_mib: Option<f64>,
    took_ms: [f64; ASKED.len()],
}

/// Measures and prints.
pub async fn run(args: SoakArgs) -> Result<(), String> {
    if args.time > TIME_MAX || args.every < EVERY_MIN || args.time < args.every * 4 {
        let (most, least) = (TIME_MAX.as_secs() / 86_400, EVERY_MIN.as_millis());
        return Err(format!(
            "--time must be four looks or longer and {most} days at most, --every {least} ms or \
             longer"
        ));
    }
    match (args.http, args.flight) {
        (Some(http), Some(flight)) => {
            let file = args.password_file.as_deref();
            let password = given_password(file)?;
            let looks = Dashboards::open(http, flight, &password, args.pid).await?;
            soak(&args, looks).await
        }
        (None, None) => {
            let folder = Folder::temporary()?;
            let server = Server::demo(&folder, HISTORY).await?;
            let (http, flight, pid) = (server.http, server.flight, Some(server.pid()));
            let looks = Dashboards::open(http, flight, &password(&folder)?, pid).await?;
            soak(&args, looks).await?;
            server.stop().await
        }
        (Some(_), None) | (None, Some(_)) => Err("name both --http and --flight".to_owned()),
    }
}

fn given_password(file: Option<&Path>) -> Result<String, String> {
    match file {
        Some(file) => read_password(file),
        None => std::env::var("PARX_PASSWORD")
            .map_err(|_| "set PARX_PASSWORD or name a --password-file".to_owned()),
    }
}

async fn soak(args: &SoakArgs, mut dashboards: Dashboards) -> Result<(), String> {
    let begun = Instant::now();
    let (mut looks, mut told, mut line_from) = (Vec::new(), Instant::now(), 0);
    if !args.json {
        say(&head());
    }
    let cpu = |pid: Option<u32>| pid.and_then(usage).map(|usage| usage.cpu);
    let before = cpu(dashboards.pid);
    let mut failed = None;
    while begun.elapsed() < args.time {
        let next = Instant::now() + args.every;
        // What was seen so far is told even if the server goes away.
        let took_ms = match dashboards.look().await {
            Ok(took_ms) => took_ms,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        let hours = begun.elapsed().as_secs_f64() / 3_600.0;
        let memory = dashboards.pid.and_then(usage).map(|usage| usage.memory);
        let memory_mib = memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
        looks.push(Look { hours, memory_mib, took_ms });
        if told.elapsed() >= LINE_EVERY && !args.json {
            say(&line(looks.get(line_from..).unwrap_or_default()));
            (told, line_from) = (Instant::now(), looks.len());
        }
        tokio::time::sleep_until(next.into()).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used =
        cpu(dashboards.pid).zip(before).and_then(|(after, before)| after.checked_sub(before));
    let report = Report {
        seconds,
        looks: looks.len(),
        memory_mib: lean(&looks, |look| look.memory_mib),
        cores: used.map(|used| used.as_secs_f64() / seconds),
        questions_ms: questions(&looks),
        machine: Machine::here(),
    };
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        print(&report);
    }
    failed.map_or(Ok(()), Err)
}

/// Connections that ask what dashboards ask.
struct Dashboards {
    http: Http,
    flight: Flight,
    pid: Option<u32>,
    tags: Vec<String>,
}

impl Dashboards {
    async fn open(
        http: SocketAddr,
        flight: SocketAddr,
        password: &str,
        pid: Option<u32>,
    ) -> Result<Dashboards, String> {
        let (mut http, token) = Http::log_in(http, password).await?;
        let flight = Flight::connect(flight, &token).await?;
        let answer = http.graphql("{ signals(limit: 10000) { tag valueType } }").await?;
        let signals = answer["signals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let floats = signals.iter().filter(|signal| signal["valueType"] == "FLOAT");
        let tags = floats.filter_map(|signal| signal["tag"].as_str()).take(SIGNALS);
        let tags: Vec<String> = tags.map(str::to_owned).collect();
        if tags.is_empty() {
            return Err("the server has no signal of type float to look at".to_owned());
        }
        Ok(Dashboards { http, flight, pid, tags })
    }

    /// Asks everything once; how long each took, in milliseconds.
    async fn look(&mut self) -> Result<[f64; ASKED.len()], String> {
        let tags = self.tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(",");
        let state = self.http.graphql("{ server { now } }").await?;
        let now = state["server"]["now"].as_str().ok_or("the server tells no time")?.to_owned();
        let now: parx_log::Timestamp = now.parse().map_err(|_| format!("'{now}' is no time"))?;
        let before = |seconds: i64| {
            parx_log::Timestamp::from_micros(now.micros() - seconds * 1_000_000).to_string()
        };
        let trend = format!(
            "{{ trend(tags: [{tags}], from: \"{}\", to: \"{now}\", width: 1200) \
             {{ pens {{ times values }} }} }}",
            before(3_600)
        );
        let list = self.tags.iter().map(|tag| format!("'{tag}'")).collect::<Vec<_>>().join(",");
        let buckets = format!(
            "SELECT signal, time_bucket('4500 milliseconds', time), min(value), max(value), \
             avg(value) FROM samples WHERE signal IN ({list}) AND time >= '{}' GROUP BY 1, 2",
            before(900)
        );
        let mut took = [0.0; ASKED.len()];
        let begun = Instant::now();
        self.http.graphql("{ signals(limit: 10000) { tag last { time value } } }").await?;
        let mut ended = [begun; ASKED.len()];
        ended[0] = Instant::now();
        self.http.graphql(&trend).await?;
        ended[1] = Instant::now();
        self.flight.sql(&buckets).await?;
        ended[2] = Instant::now();
        self.flight.sql("SELECT count(*) FROM samples").await?;
        ended[3] = Instant::now();
        let mut last = begun;
        for (took, ended) in took.iter_mut().zip(ended) {
            *took = ended.duration_since(last).as_secs_f64() * 1e3;
            last = ended;
        }
        Ok(took)
    }
}

/// How a figure leans; none if it is not there.
fn lean(looks: &[Look], of: impl Fn(&Look) -> Option<f64>) -> Option<Lean> {
    let points: Vec<(f64, f64)> =
        looks.iter().filter_map(|look| Some((look.hours, of(look)?))).collect();
    let (half, quarter) = (points.len() / 2, points.len().div_ceil(4));
    let middle = |points: &[(f64, f64)]| median(points.iter().map(|point| point.1));
    let last = points.get(points.len().checked_sub(quarter)?..)?;
    Some(Lean {
        per_hour: slope(&points)?,
        per_hour_second_half: slope(points.get(half..)?)?,
        first_quarter: middle(points.get(..quarter)?)?,
        last_quarter: middle(last)?,
    })
}

fn questions(looks: &[Look]) -> Vec<QuestionLean> {
    let one = |(place, name): (usize, &'static str)| {
        let lean = lean(looks, |look| look.took_ms.get(place).copied())?;
        Some(QuestionLean { name, lean })
    };
    ASKED.into_iter().enumerate().filter_map(one).collect()
}

fn head() -> String {
    let names: String = ASKED.iter().map(|name| format!("{name:>16}")).collect();
    format!("{:>8}{:>12}{names}", "minute", "MiB")
}

/// What was seen since the line before: medians.
fn line(looks: &[Look]) -> String {
    let minutes = looks.last().map_or(0.0, |look| look.hours * 60.0);
    let memory = median(looks.iter().filter_map(|look| look.memory_mib));
    let memory = memory.map_or("-".to_owned(), |mib| format!("{mib:.1}"));
    let took = (0..ASKED.len()).map(|place| {
        let took = looks.iter().filter_map(|look| look.took_ms.get(place).copied());
        format!("{:>13.2} ms", median(took).unwrap_or(0.0))
    });
    format!("{minutes:>8.0}{memory:>12}{}", took.collect::<String>())
}

fn print(report: &Report) {
    say(&format!("\n{} looks in {} s", report.looks, number(report.seconds)));
    let heads = ["an hour", "2nd half", "first 1/4", "last 1/4"];
    let heads: String = heads.iter().map(|head| format!("{head:>12}")).collect();
    say(&format!("{:<24}{heads}", "grows in"));
    let line = |name: &str, lean: &Lean| {
        let Lean { per_hour, per_hour_second_half, first_quarter, last_quarter } = lean;
        say(&format!(
            "{name:<24}{per_hour:>12.3}{per_hour_second_half:>12.3}{first_quarter:>12.3}\
             {last_quarter:>12.3}"
        ));
    };
    report.memory_mib.iter().for_each(|lean| line("memory, MiB", lean));
    report.questions_ms.iter().for_each(|of| line(&format!("{}, ms", of.name), &of.lean));
    if let Some(cores) = report.cores {
        say(&format!("the server used {cores:.3} cores on average"));
    }
    say(&report.machine.line());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_grows_leans_and_one_that_holds_does_not() {
        let look = |number: u32| Look {
            hours: f64::from(number) / 10.0,
            memory_mib: Some(100.0 + f64::from(number)),
            took_ms: [2.0; ASKED.len()],
        };
        let looks: Vec<Look> = (0..40).map(look).collect();
        let memory = lean(&looks, |look| look.memory_mib).unwrap();
        assert!((memory.per_hour - 10.0).abs() < 1e-9, "{memory:?}");
        assert_eq!((memory.first_quarter, memory.last_quarter), (104.0, 134.0));
        for question in questions(&looks) {
            assert!(question.lean.per_hour.abs() < 1e-9, "{question:?}");
        }
        assert_eq!(lean(&looks, |_| None), None);
        assert_eq!(lean(&[], |look| look.memory_mib), None);
    }
}
