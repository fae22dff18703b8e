//! Puts one question in every way at every door, and to DuckDB, with the same draws.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parx_query::arrow::array::AsArray as _;
use parx_query::arrow::datatypes::{Float64Type, Int32Type};

use crate::auth::ADMIN;
use crate::bench::client::flight::Flight;
use crate::bench::client::http::Http;
use crate::bench::client::python::Peer;
use crate::bench::folder::Folder;
use crate::bench::plant::tag;
use crate::bench::process::{Threads, forget_peak, usage};
use crate::bench::query::Asked;
use crate::bench::query::answer::{Measured, Sum, near, sum};
use crate::bench::query::beside::Beside;
use crate::bench::query::questions::{Draw, Question, Way};
use crate::bench::server::{Server, password};
use crate::cli::QueryArgs;

/// Fewest runs of a question, however long they take.
const RUNS_MIN: usize = 3;
/// Runs before those that count.
pub const WARM_UP: usize = 2;
/// The share of a signal's samples that lies below the limit of a run.
const SELDOM: f64 = 0.95;

/// Who asks ParX, DuckDB and those beside them.
pub struct Asker {
    pid: u32,
    flight: Flight,
    http: Http,
    libpq: Option<Peer>,
    /// None if no Python here has it.
    pub duckdb: Option<Peer>,
    beside: Beside,
    ids: BTreeMap<String, i32>,
    limits: BTreeMap<u32, f64>,
    time: Duration,
}

impl Asker {
    /// Connects to a server, and to the peers that a Python here has.
    pub async fn new(
        server: &Server,
        folder: &Folder,
        args: &QueryArgs,
        beside: Beside,
    ) -> Result<Asker, String> {
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
        let python = args.python.as_deref();
        let duckdb = Peer::duckdb(python, &folder.data())?;
        let libpq = Peer::libpq(python, &conninfo(server, &password(folder)?))?;
        let (pid, time) = (server.pid(), args.time);
        let limits = BTreeMap::new();
        Ok(Asker { pid, flight, http, libpq, duckdb, beside, ids, limits, time })
    }

    /// The processes that ask.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        [&self.libpq, &self.duckdb].into_iter().flatten().map(Peer::pid)
    }

    /// How many samples there are.
    pub async fn count(&mut self) -> Result<u64, String> {
        let (_, count) = sum(&self.flight.sql("SELECT count(*) FROM samples").await?);
        Ok(count as u64)
    }

    /// Asks draw by draw, in every way, for as long as it may take.
    pub async fn question(
        &mut self,
        question: Question,
        draws: Vec<Draw>,
    ) -> Result<Asked, String> {
        let mut draws = draws;
        if question == Question::Runs {
            for draw in &mut draws {
                draw.limit = self.limit(draw).await?;
            }
        }
        let expected = self.ask_duckdb(question, &draws)?;
        let (sums, duckdb) = expected.unzip();
        let (mut ways, mut refused) = (Vec::new(), BTreeMap::new());
        let texts: Vec<Vec<Way>> = draws.iter().map(|draw| question.parx(draw)).collect();
        for place in 0..texts.first().map_or(0, Vec::len) {
            let asked = texts.iter().filter_map(|ways| ways.get(place));
            let asked: Vec<&Way> = asked.collect();
            let Some(first) = asked.first() else { continue };
            for door in self.doors(first) {
                match self.ask(first, door).await {
                    Err(said) => {
                        let said = said.lines().next().unwrap_or("").replace("\\\"", "\"");
                        refused.insert(name(first, door), said);
                    }
                    Ok(_) => ways.push(self.measure(&asked, door, sums.as_deref()).await?),
                }
            }
        }
        let beside = self.beside.ask(question, &draws, sums.as_deref()).await;
        let mut asked = Asked {
            name: question.name(),
            words: question.words(),
            ways,
            refused,
            duckdb,
            beside,
            times_faster: None,
            times_less_cpu: None,
        };
        if let (Some(parx), Some(duckdb)) = (asked.quickest(), &asked.duckdb) {
            let wall = duckdb.median_ms / parx.median_ms;
            let cpu = duckdb.cpu_ms.zip(parx.cpu_ms).map(|(theirs, ours)| theirs / ours);
            asked.times_faster = wall.is_finite().then_some(wall);
            asked.times_less_cpu = cpu.filter(|cpu| cpu.is_finite());
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
            let sql = sql(draw);
            duckdb.ask(&sql).map_err(|error| format!("DuckDB: {error}: {sql}"))?;
        }
        let (mut sums, mut walls, mut cpu) = (Vec::new(), Vec::new(), 0.0);
        let begun = Instant::now();
        for draw in draws {
            if begun.elapsed() > self.time && sums.len() >= RUNS_MIN {
                break;
            }
            let answer = duckdb.ask(&sql(draw)).map_err(|error| format!("DuckDB: {error}"))?;
            sums.push((answer.rows, answer.sum));
            walls.push(answer.wall_ms);
            cpu += answer.cpu_ms;
        }
        let measured =
            Measured::of("DuckDB".to_owned(), &mut walls, Some(cpu), sums.last().copied());
        Ok(Some((sums, measured)))
    }

    /// Where a question in this way can be asked.
    fn doors(&self, way: &Way) -> Vec<Door> {
        match (way.graphql, &self.libpq) {
            (true, _) => vec![Door::Http],
            (false, Some(_)) => vec![Door::Flight, Door::Postgres],
            (false, None) => vec![Door::Flight],
        }
    }

    /// Asks ParX one way at one door, draw by draw.
    async fn measure(
        &mut self,
        ways: &[&Way],
        door: Door,
        sums: Option<&[Sum]>,
    ) -> Result<Measured, String> {
        for way in ways.iter().take(WARM_UP) {
            self.ask(way, door).await?;
        }
        let (mut walls, mut last, mut same) = (Vec::new(), None, true);
        forget_peak(self.pid);
        let (before, begun) = (Threads::of(self.pid), Instant::now());
        for (run, way) in ways.iter().enumerate() {
            if begun.elapsed() > self.time && walls.len() >= RUNS_MIN {
                break;
            }
            let (wall_ms, answer) = self.ask(way, door).await?;
            walls.push(wall_ms);
            last = answer;
            let expected = sums.and_then(|sums| sums.get(run));
            same &= last.zip(expected).is_none_or(|(found, expected)| near(found, *expected));
        }
        let cpu = Threads::of(self.pid).since(&before).as_secs_f64() * 1e3;
        let first = ways.first();
        let name = first.map_or(String::new(), |way| name(way, door));
        let comparable = first.is_some_and(|way| way.compared) && sums.is_some();
        let last = last.filter(|_| first.is_some_and(|way| way.compared));
        let memory_mb = usage(self.pid).map(|usage| usage.memory_peak as f64 / 1e6);
        Ok(Measured {
            memory_mb,
            same: comparable.then_some(same),
            ..Measured::of(name, &mut walls, Some(cpu), last)
        })
    }

    /// Asks once: how many milliseconds it took, and the answer's sum if it has rows.
    async fn ask(&mut self, way: &Way, door: Door) -> Result<(f64, Option<Sum>), String> {
        let begun = Instant::now();
        let took = || begun.elapsed().as_secs_f64() * 1e3;
        match (door, &mut self.libpq) {
            (Door::Http, _) => {
                self.http.graphql(&way.text).await?;
                Ok((took(), None))
            }
            (Door::Postgres, Some(libpq)) => {
                let answer = libpq.ask(&way.text)?;
                Ok((answer.wall_ms, Some((answer.rows, answer.sum))))
            }
            (Door::Flight, _) | (Door::Postgres, None) => {
                let batches = self.flight.sql(&way.text).await?;
                Ok((took(), Some(sum(&batches))))
            }
        }
    }
}

/// How libpq finds the Postgres door of a server.
fn conninfo(server: &Server, password: &str) -> String {
    let (host, port) = (server.postgres.ip(), server.postgres.port());
    let database = parx_query::DATABASE;
    format!("host={host} port={port} user={ADMIN} password={password} dbname={database}")
}

/// Where a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Http,
    Flight,
    Postgres,
}

/// A way and its door, for reports.
fn name(way: &Way, door: Door) -> String {
    match door {
        Door::Http => way.name.to_owned(),
        Door::Flight => format!("{}, Flight", way.name),
        Door::Postgres => format!("{}, Postgres", way.name),
    }
}
