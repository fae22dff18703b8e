//! Other engines beside ParX, fed the same points, where their addresses are given.

use std::time::Instant;

use serde::Serialize;

use crate::bench::plant::{Plant, PlantOptions};
use crate::bench::process::{Threads, usage};
use crate::bench::query::answer::{Measured, Sum, near};
use crate::bench::query::asker::WARM_UP;
use crate::bench::query::postgresql::Postgresql;
use crate::bench::query::questions::{Draw, Question};
use crate::bench::query::victoria::Victoria;
use crate::cli::QueryArgs;

/// How an engine took the points.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// Which engine.
    pub engine: &'static str,
    /// Points that it holds.
    pub points: u64,
    /// Points a second, one connection.
    pub points_per_second: f64,
    /// Bytes on its disk for each; none where it does not say.
    pub bytes_per_point: Option<f64>,
}

/// The engines that were named.
pub struct Beside {
    postgresql: Option<Postgresql>,
    victoria: Option<Victoria>,
    signals: usize,
    time: std::time::Duration,
    /// How they took the points.
    pub taken: Vec<Taken>,
}

impl Beside {
    /// Feeds the engines that are named.
    pub async fn feed(args: &QueryArgs, options: PlantOptions) -> Result<Beside, String> {
        let plant = || Plant::new(options);
        let mut taken = Vec::new();
        let rate = |points: u64, took: std::time::Duration| points as f64 / took.as_secs_f64();
        let postgresql = match &args.postgresql {
            None => None,
            Some(conninfo) => {
                let fed = Postgresql::feed(conninfo, args.python.as_deref(), &mut plant())?;
                taken.push(Taken {
                    engine: "PostgreSQL",
                    points: fed.points,
                    points_per_second: rate(fed.points, fed.took),
                    bytes_per_point: Some(fed.bytes as f64 / (fed.points as f64).max(1.0)),
                });
                Some(fed)
            }
        };
        let victoria = match args.victoria {
            None => None,
            Some(address) => {
                let fed = Victoria::feed(address, &mut plant()).await?;
                taken.push(Taken {
                    engine: "VictoriaMetrics",
                    points: fed.points,
                    points_per_second: rate(fed.points, fed.took),
                    bytes_per_point: None,
                });
                Some(fed)
            }
        };
        let signals = usize::try_from(options.signals).unwrap_or(usize::MAX);
        Ok(Beside { postgresql, victoria, signals, time: args.time, taken })
    }

    /// Asks them draw by draw; `sums` are the answers that are right, where they are known. Who
    /// fails is told on standard error and left out.
    pub async fn ask(
        &mut self,
        question: Question,
        draws: &[Draw],
        sums: Option<&[Sum]>,
    ) -> Vec<Measured> {
        let postgresql = self.ask_postgresql(question, draws, sums);
        let victoria = self.ask_victoria(question, draws).await;
        let tell = |asked: Result<Option<Measured>, String>| match asked {
            Ok(measured) => measured,
            Err(error) => {
                eprintln!("parx: {}: {error}", question.name());
                None
            }
        };
        [postgresql, victoria].into_iter().filter_map(tell).collect()
    }

    fn ask_postgresql(
        &mut self,
        question: Question,
        draws: &[Draw],
        sums: Option<&[Sum]>,
    ) -> Result<Option<Measured>, String> {
        let Some(postgresql) = &mut self.postgresql else { return Ok(None) };
        let sql = |draw: &Draw| question.postgresql(draw, self.signals);
        let begun = Instant::now();
        for draw in draws.iter().take(WARM_UP) {
            if begun.elapsed() < self.time {
                let sql = sql(draw);
                postgresql.peer.ask(&sql).map_err(|error| format!("PostgreSQL: {error}: {sql}"))?;
            }
        }
        let (mut walls, mut last, mut same) = (Vec::new(), None, true);
        let (before, begun) = (Threads::of(postgresql.pid), Instant::now());
        for (run, draw) in draws.iter().enumerate() {
            if begun.elapsed() > self.time && !walls.is_empty() {
                break;
            }
            let answer = postgresql.peer.ask(&sql(draw))?;
            walls.push(answer.wall_ms);
            last = Some((answer.rows, answer.sum));
            let expected = sums.and_then(|sums| sums.get(run));
            same &= last.zip(expected).is_none_or(|(found, expected)| near(found, *expected));
        }
        let cpu = Threads::of(postgresql.pid).since(&before).as_secs_f64() * 1e3;
        // The segments hold the probes of `bench ingest` too, which are no part of the plant.
        let whole = matches!(question, Question::Last | Question::Count);
        let comparable = sums.is_some() && !whole;
        let memory = usage(postgresql.pid).map(|usage| usage.memory as f64 / 1e6);
        Ok(Some(Measured {
            same: comparable.then_some(same),
            memory_mb: memory,
            ..Measured::of("PostgreSQL".to_owned(), &mut walls, Some(cpu), last)
        }))
    }

    async fn ask_victoria(
        &mut self,
        question: Question,
        draws: &[Draw],
    ) -> Result<Option<Measured>, String> {
        let Some(victoria) = &mut self.victoria else { return Ok(None) };
        victoria.connect().await?;
        let (mut walls, begun) = (Vec::new(), Instant::now());
        for (run, draw) in draws.iter().take(WARM_UP).chain(draws).enumerate() {
            if begun.elapsed() > self.time && !walls.is_empty() {
                break;
            }
            let Some(took) = victoria.ask(question, draw).await? else { return Ok(None) };
            if run >= WARM_UP {
                walls.push(took);
            }
        }
        Ok(Some(Measured::of("VictoriaMetrics".to_owned(), &mut walls, None, None)))
    }
}
