//! `parx bench query`: how long questions to a plant's history take, beside DuckDB on the same
//! segments.
//!
//! Everything is warm, every run asks about another signal or window, and the answers have to be
//! the same: as many rows, and the same sum of all numbers.

mod answer;
mod asker;
mod beside;
mod postgresql;
pub mod questions;
mod table;
mod texts;
mod victoria;
pub mod year;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bench::folder::Folder;
use crate::bench::goals::{self, Judged};
use crate::bench::ingest::PlantFacts;
use crate::bench::ingest::fill;
use crate::bench::machine::{Disk, Machine};
use crate::bench::plant::Plant;
use crate::bench::plant::chance::Chance;
use crate::bench::process::Watch;
use crate::bench::progress::Progress;
use crate::bench::query::answer::Measured;
use crate::bench::query::asker::Asker;
use crate::bench::query::beside::{Beside, Taken};
use crate::bench::query::questions::Question;
use crate::bench::query::year::Year;
use crate::bench::server::Server;
use crate::cli::QueryArgs;
use crate::command::say;

/// Most runs of a question.
pub const RUNS_MAX: usize = 100_000;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The plant.
    pub plant: PlantFacts,
    /// Samples in the folder.
    pub points: u64,
    /// Question by question.
    pub questions: Vec<Asked>,
    /// Memory of the server at its peak while it answered in the quickest ways, in MB.
    pub memory_mb: f64,
    /// A year of one signal; none if it was not asked for.
    pub year: Option<Year>,
    /// Beside what is wanted.
    pub goals: Vec<Judged>,
    /// Version of the DuckDB beside it; none if there is none here.
    pub duckdb: Option<String>,
    /// How those that were named took the points.
    pub beside: Vec<Taken>,
    /// Cores that others used meanwhile.
    pub others_cores: Option<f64>,
    /// What was measured on.
    pub machine: Machine,
    /// Where the data is.
    pub disk: Disk,
}

/// One question.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Short name.
    pub name: &'static str,
    /// What is asked, in words.
    pub words: &'static str,
    /// ParX, in each way that it knows.
    pub ways: Vec<Measured>,
    /// Ways that this build refuses, with what it says.
    pub refused: BTreeMap<String, String>,
    /// DuckDB.
    pub duckdb: Option<Measured>,
    /// Others that were named.
    pub beside: Vec<Measured>,
    /// How often faster the quickest way that gives the same answer is than DuckDB: wall time.
    pub times_faster: Option<f64>,
    /// The same in processor time.
    pub times_less_cpu: Option<f64>,
}

/// Measures and prints.
pub async fn run(args: QueryArgs) -> Result<(), String> {
    if !(1..=RUNS_MAX).contains(&args.runs) {
        return Err(format!("--runs is {}; it must be 1 to {RUNS_MAX}", args.runs));
    }
    let folder = Folder::at(args.folder.as_deref())?;
    let fed = match folder.recall() {
        Some(fed) => fed,
        None => fill::fill(&folder, args.plant.options()?).await?,
    };
    let disk = Disk::below(folder.root())?;
    let beside = Beside::feed(&args, fed.plant()).await?;
    let taken = beside.taken.clone();
    let server = Server::serve(&folder, "").await?;
    let mut asker = Asker::new(&server, &folder, &args, beside).await?;
    let ours = asker.pids().chain([server.pid(), std::process::id()]);
    let watch = Watch::begin(&ours.collect::<Vec<_>>());
    let (plant, end) = (Plant::new(fed.plant()), fed.plant().end());
    let mut questions = Vec::new();
    let mut progress = Progress::new("asking", Question::ALL.len() as u64);
    for question in args.questions()? {
        progress.reach(questions.len() as u64);
        let mut chance = Chance::new(fed.seed);
        let draws = (0..args.runs).map(|_| question.draw(&plant, end, &mut chance));
        questions.push(asker.question(question, draws.collect()).await?);
    }
    drop(progress);
    let quickest = questions.iter().filter_map(Asked::quickest);
    let memory_mb = quickest.filter_map(|way| way.memory_mb).fold(0.0, f64::max);
    let (points, others_cores) = (asker.count().await?, watch.others());
    server.stop().await?;
    let year = match args.year {
        0 => None,
        points => Some(year::measure(points).await?),
    };
    let report = Report {
        plant: args.plant.facts(fed.plant()),
        points,
        goals: judge(&questions, memory_mb, year.as_ref()),
        questions,
        memory_mb,
        year,
        duckdb: asker.duckdb.as_ref().map(|duckdb| duckdb.version.clone()),
        beside: taken,
        others_cores,
        machine: Machine::here(),
        disk,
    };
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        table::print(&report);
    }
    let differs = report.questions.iter().find(|asked| asked.differs());
    match differs {
        None => Ok(()),
        Some(asked) => Err(format!("Q2: {} has another answer than DuckDB", asked.name)),
    }
}

impl Asked {
    /// True if an answer was not DuckDB's.
    fn differs(&self) -> bool {
        self.ways.iter().any(|way| way.same == Some(false))
    }

    /// The quickest way that gives the answer.
    pub fn quickest(&self) -> Option<&Measured> {
        let comparable = self.ways.iter().filter(|way| way.rows.is_some());
        comparable.min_by(|a, b| a.median_ms.total_cmp(&b.median_ms))
    }
}

fn judge(questions: &[Asked], memory_mb: f64, year: Option<&Year>) -> Vec<Judged> {
    let mut judged = Vec::new();
    for asked in questions {
        let question = Question::ALL.into_iter().find(|question| question.name() == asked.name);
        let Some((way, question)) = asked.quickest().zip(question) else { continue };
        let (figure, (goal, best)) = (way.median_ms, question.goal());
        let row = format!("{} {} [{}]", asked.name, asked.words, way.way);
        judged.push(Judged { row, figure, unit: "ms", goal, met: figure <= goal, best });
    }
    judged.push(goals::MEMORY.judge(memory_mb));
    let year = year.filter(|year| year.points >= year::POINTS_OF_GOAL / 10 * 9);
    let first = year.and_then(|year| year.ways.first());
    judged.extend(first.map(|way| goals::YEAR.judge(way.first_ms)));
    judged
}
