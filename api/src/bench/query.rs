//! `parx bench query`: how long questions to a plant's history take, beside DuckDB on the same
//! segments.
//!
//! Everything is warm, every run asks about another signal or window, and the answers have to be
//! the same: as many rows, and the same sum of all numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parx_query::arrow::array::{AsArray as _, RecordBatch};
use parx_query::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, UInt64Type};
use serde::Serialize;

use super::duckdb::DuckDb;
use super::fill;
use super::flight::Flight;
use super::folder::Folder;
use super::goals::{self, Judged};
use super::http::Http;
use super::ingest::PlantFacts;
use super::machine::{Disk, Machine};
use super::plant::chance::Chance;
use super::plant::{Plant, tag};
use super::process::{Threads, Watch};
use super::progress::Progress;
use super::query_table;
use super::questions::{Draw, Question, Way};
use super::server::{Server, password};
use crate::cli::QueryArgs;
use crate::command::say;

/// Most runs of a question.
pub const RUNS_MAX: usize = 100_000;
/// Fewest runs of a question, however long they take.
const RUNS_MIN: usize = 3;
/// Runs before those that count.
const WARM_UP: usize = 2;
/// How far two sums may differ: their terms are added in another order.
const NEAR: f64 = 1e-9;
/// The share of a signal's samples that lies below the limit of a run.
const SELDOM: f64 = 0.95;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The plant.
    pub plant: PlantFacts,
    /// Samples in the folder.
    pub points: u64,
    /// Question by question.
    pub questions: Vec<Asked>,
    /// Memory of the server at its peak, in MB.
    pub memory_mb: f64,
    /// Beside what is wanted.
    pub goals: Vec<Judged>,
    /// Version of the DuckDB beside it; none if there is none here.
    pub duckdb: Option<String>,
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
    /// Ways that this build does not know, with what it says.
    pub unknown: BTreeMap<&'static str, String>,
    /// DuckDB.
    pub duckdb: Option<Measured>,
    /// How often faster the quickest way that gives the same answer is than DuckDB: wall time.
    pub times_faster: Option<f64>,
    /// The same in processor time.
    pub times_less_cpu: Option<f64>,
}

/// One question in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which way.
    pub way: &'static str,
    /// How often it was asked.
    pub runs: usize,
    /// The quickest, in milliseconds.
    pub min_ms: f64,
    /// Half of them are no slower.
    pub median_ms: f64,
    /// Ninety-nine of a hundred are no slower.
    pub p99_ms: f64,
    /// Processor time of one who answers, in milliseconds.
    pub cpu_ms: f64,
    /// Rows of the last answer; none where an answer has no rows.
    pub rows: Option<u64>,
    /// True if every answer was that of DuckDB; none where they are not comparable.
    pub same: Option<bool>,
}

/// Rows and the sum of the numbers of an answer.
type Sum = (u64, f64);

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
    let server = Server::serve(&folder, "").await?;
    let mut asker = Asker::new(&server, &folder, &args).await?;
    let ours = [Some(server.pid()), Some(std::process::id()), asker.duckdb_pid()];
    let watch = Watch::begin(&ours.into_iter().flatten().collect::<Vec<_>>());
    let (plant, end) = (Plant::new(fed.plant()), fed.plant().end());
    let mut questions = Vec::new();
    let mut progress = Progress::new("asking", Question::ALL.len() as u64);
    for question in Question::ALL {
        progress.reach(questions.len() as u64);
        let mut chance = Chance::new(fed.seed);
        let draws = (0..args.runs).map(|_| question.draw(&plant, end, &mut chance));
        questions.push(asker.question(question, draws.collect()).await?);
    }
    drop(progress);
    let memory_mb = server.usage().memory_peak as f64 / 1e6;
    let report = Report {
        plant: args.plant.facts(fed.plant()),
        points: asker.count().await?,
        goals: judge(&questions, memory_mb),
        questions,
        memory_mb,
        duckdb: asker.duckdb.as_ref().map(|duckdb| duckdb.version.clone()),
        others_cores: watch.others(),
        machine: Machine::here(),
        disk,
    };
    server.stop().await?;
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        query_table::print(&report);
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

fn judge(questions: &[Asked], memory_mb: f64) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (asked, question) in questions.iter().zip(Question::ALL) {
        let Some(way) = asked.quickest() else { continue };
        let (figure, (goal, best)) = (way.median_ms, question.goal());
        let row = format!("{} {} [{}]", asked.name, asked.words, way.way);
        judged.push(Judged { row, figure, unit: "ms", goal, met: figure <= goal, best });
    }
    judged.push(goals::MEMORY.judge(memory_mb));
    judged
}

/// Who asks ParX and DuckDB.
struct Asker {
    pid: u32,
    flight: Flight,
    http: Http,
    duckdb: Option<DuckDb>,
    ids: BTreeMap<String, i32>,
    limits: BTreeMap<u32, f64>,
    time: Duration,
}

impl Asker {
    async fn new(server: &Server, folder: &Folder, args: &QueryArgs) -> Result<Asker, String> {
        let (http, token) = Http::log_in(server.http, &password(folder)?).await?;
        let mut flight = Flight::connect(server.flight, &token).await?;
        let mut ids = BTreeMap::new();
        for batch in flight.sql("SELECT tag, id FROM signals").await? {
            let tags = batch.column(0).as_string_opt::<i32>().ok_or("tags are no text")?;
            let numbers = batch.column(1).as_primitive_opt::<Int32Type>();
            let numbers = numbers.ok_or("ids are no numbers")?;
            let pairs = tags.iter().zip(numbers).filter_map(|(tag, id)| Some((tag?, id?)));
            ids.extend(pairs.map(|(tag, id)| (tag.to_owned(), id)));
        }
        let duckdb = DuckDb::start(args.duckdb.as_deref(), &folder.data())?;
        let (pid, time) = (server.pid(), args.time);
        Ok(Asker { pid, flight, http, duckdb, ids, limits: BTreeMap::new(), time })
    }

    fn duckdb_pid(&self) -> Option<u32> {
        self.duckdb.as_ref().map(DuckDb::pid)
    }

    async fn count(&mut self) -> Result<u64, String> {
        let (_, count) = sum(&self.flight.sql("SELECT count(*) FROM samples").await?);
        Ok(count as u64)
    }

    async fn question(&mut self, question: Question, draws: Vec<Draw>) -> Result<Asked, String> {
        let mut draws = draws;
        if question == Question::Runs {
            for draw in &mut draws {
                draw.limit = self.limit(draw).await?;
            }
        }
        let expected = self.ask_duckdb(question, &draws)?;
        let (sums, duckdb) = expected.unzip();
        let (mut ways, mut unknown) = (Vec::new(), BTreeMap::new());
        let texts: Vec<Vec<Way>> = draws.iter().map(|draw| question.parx(draw)).collect();
        for place in 0..texts.first().map_or(0, Vec::len) {
            let asked = texts.iter().filter_map(|ways| ways.get(place));
            let asked: Vec<&Way> = asked.collect();
            let Some(first) = asked.first() else { continue };
            match self.ask(first).await {
                Err(said) => {
                    unknown.insert(first.name, said.lines().next().unwrap_or("").to_owned());
                }
                Ok(_) => ways.push(self.measure(&asked, sums.as_deref()).await?),
            }
        }
        let mut asked = Asked {
            name: question.name(),
            words: question.words(),
            ways,
            unknown,
            duckdb,
            times_faster: None,
            times_less_cpu: None,
        };
        if let (Some(parx), Some(duckdb)) = (asked.quickest(), &asked.duckdb) {
            let (wall, cpu) = (duckdb.median_ms / parx.median_ms, duckdb.cpu_ms / parx.cpu_ms);
            asked.times_faster = wall.is_finite().then_some(wall);
            asked.times_less_cpu = cpu.is_finite().then_some(cpu);
        }
        Ok(asked)
    }

    /// The value that a signal seldom exceeds.
    async fn limit(&mut self, draw: &Draw) -> Result<f64, String> {
        let Some(signal) = draw.signals.first().copied() else { return Ok(0.0) };
        if let Some(limit) = self.limits.get(&signal) {
            return Ok(*limit);
        }
        let sql = format!("SELECT value FROM samples WHERE signal = '{}'", tag(signal));
        let mut values = Vec::new();
        for batch in self.flight.sql(&sql).await? {
            let column = batch.column(0).as_primitive_opt::<Float64Type>();
            values.extend(column.into_iter().flat_map(|column| column.iter().flatten()));
        }
        values.sort_by(f64::total_cmp);
        let place = (values.len() as f64 * SELDOM) as usize;
        let limit = values.get(place).copied().unwrap_or(0.0);
        self.limits.insert(signal, limit);
        Ok(limit)
    }

    /// DuckDB's answers and how long it took for them.
    fn ask_duckdb(
        &mut self,
        question: Question,
        draws: &[Draw],
    ) -> Result<Option<(Vec<Sum>, Measured)>, String> {
        let Some(duckdb) = &mut self.duckdb else { return Ok(None) };
        let sql = |draw: &Draw| {
            let ids = draw.signals.iter().filter_map(|signal| self.ids.get(&tag(*signal)));
            question.duckdb(draw, &ids.copied().collect::<Vec<_>>())
        };
        for draw in draws.iter().take(WARM_UP) {
            duckdb.ask(&sql(draw))?;
        }
        let (mut sums, mut walls, mut cpu) = (Vec::new(), Vec::new(), 0.0);
        let begun = Instant::now();
        for draw in draws {
            if begun.elapsed() > self.time && sums.len() >= RUNS_MIN {
                break;
            }
            let answer = duckdb.ask(&sql(draw))?;
            sums.push((answer.rows, answer.sum));
            walls.push(answer.wall_ms);
            cpu += answer.cpu_ms;
        }
        let measured = Measured::of("duckdb", &mut walls, cpu, sums.last().copied());
        Ok(Some((sums, measured)))
    }

    /// Asks ParX one way, draw by draw.
    async fn measure(&mut self, ways: &[&Way], sums: Option<&[Sum]>) -> Result<Measured, String> {
        for way in ways.iter().take(WARM_UP) {
            self.ask(way).await?;
        }
        let (mut walls, mut last, mut same) = (Vec::new(), None, true);
        let (before, begun) = (Threads::of(self.pid), Instant::now());
        for (run, way) in ways.iter().enumerate() {
            if begun.elapsed() > self.time && walls.len() >= RUNS_MIN {
                break;
            }
            let asked = Instant::now();
            let answer = self.ask(way).await?;
            walls.push(asked.elapsed().as_secs_f64() * 1e3);
            last = answer.map(|batches| sum(&batches));
            let expected = sums.and_then(|sums| sums.get(run));
            same &= last.zip(expected).is_none_or(|(found, expected)| near(found, *expected));
        }
        let cpu = Threads::of(self.pid).since(&before).as_secs_f64() * 1e3;
        let first = ways.first();
        let name = first.map_or("", |way| way.name);
        let comparable = first.is_some_and(|way| way.compared) && sums.is_some();
        let last = last.filter(|_| first.is_some_and(|way| way.compared));
        Ok(Measured {
            same: comparable.then_some(same),
            ..Measured::of(name, &mut walls, cpu, last)
        })
    }

    /// Asks once; none for what has no rows.
    async fn ask(&mut self, way: &Way) -> Result<Option<Vec<RecordBatch>>, String> {
        match way.graphql {
            true => self.http.graphql(&way.text).await.map(|_| None),
            false => self.flight.sql(&way.text).await.map(Some),
        }
    }
}

impl Measured {
    fn of(way: &'static str, walls: &mut [f64], cpu_ms: f64, last: Option<Sum>) -> Measured {
        walls.sort_by(f64::total_cmp);
        let runs = walls.len();
        let at = |share: f64| {
            let rank = (share * runs as f64).ceil() as usize;
            walls.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Measured {
            way,
            runs,
            min_ms: at(0.0),
            median_ms: at(0.5),
            p99_ms: at(0.99),
            cpu_ms: cpu_ms / (runs as f64).max(1.0),
            rows: last.map(|(rows, _)| rows),
            same: None,
        }
    }
}

/// Rows and the sum of all finite numbers.
fn sum(batches: &[RecordBatch]) -> Sum {
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let mut total = 0.0;
    for column in batches.iter().flat_map(RecordBatch::columns) {
        let finite = |number: &f64| number.is_finite();
        total += match column.data_type() {
            DataType::Float64 => {
                let column = column.as_primitive::<Float64Type>();
                column.iter().flatten().filter(finite).sum::<f64>()
            }
            DataType::Int64 => {
                let column = column.as_primitive::<Int64Type>();
                column.iter().flatten().map(|number| number as f64).sum()
            }
            DataType::UInt64 => {
                let column = column.as_primitive::<UInt64Type>();
                column.iter().flatten().map(|number| number as f64).sum()
            }
            _ => 0.0,
        };
    }
    (rows, total)
}

fn near((rows, sum): Sum, (rows_expected, expected): Sum) -> bool {
    let most = NEAR * sum.abs().max(expected.abs()).max(1.0);
    rows == rows_expected && (sum - expected).abs() <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_up_to_the_order_of_adding() {
        let table = [
            ((3, 1.0), (3, 1.0 + 1e-12), true),
            ((3, 1e9), (3, 1e9 + 0.1), true),
            ((3, 1.0), (3, 1.001), false),
            ((3, 1.0), (4, 1.0), false),
        ];
        for (found, expected, same) in table {
            assert_eq!(near(found, expected), same, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn the_middle_and_the_edges_of_runs_are_runs() {
        let mut walls = vec![5.0, 1.0, 3.0];
        let measured = Measured::of("sql", &mut walls, 6.0, Some((7, 1.0)));
        let figures = (measured.min_ms, measured.median_ms, measured.p99_ms, measured.cpu_ms);
        assert_eq!(figures, (1.0, 3.0, 5.0, 2.0));
        assert_eq!((measured.runs, measured.rows), (3, Some(7)));
    }
}
