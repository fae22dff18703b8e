//! Clients of other makers, each a Python program of a few lines that is asked over its input.
//!
//! They run for as long as the measurement, so that they are as warm as the server is. What they
//! need of modules is looked for; who is missing is not asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::ingest::settle::files_below;

/// Asks DuckDB about Parquet files.
const DUCKDB: &str = include_str!("python/duckdb.py");
/// Asks a Postgres door through libpq.
const LIBPQ: &str = include_str!("python/libpq.py");
/// Pythons that are tried unless one is named.
const PYTHONS: [&str; 2] = ["python3", "python"];

/// A program that waits for questions.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Version of what asks.
    pub version: String,
}

/// What came of one question.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Answer {
    /// Wall time, in milliseconds.
    pub wall_ms: f64,
    /// Processor time of the program that asks, in milliseconds.
    pub cpu_ms: f64,
    /// Rows of the answer.
    pub rows: u64,
    /// The sum of its finite numbers.
    pub sum: f64,
}

impl Peer {
    /// DuckDB over the segments of a data folder; none if no Python here has it.
    pub fn duckdb(python: Option<&Path>, data: &Path) -> Result<Option<Peer>, String> {
        let mut files = files_below(&data.join("segments"));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
        files.sort();
        Peer::start(python, "duckdb", DUCKDB, &json!({ "files": files }))
    }

    /// libpq at a server that speaks Postgres; none if no Python here has psycopg.
    pub fn libpq(python: Option<&Path>, conninfo: &str) -> Result<Option<Peer>, String> {
        Peer::start(python, "psycopg", LIBPQ, &json!({ "conninfo": conninfo }))
    }

    fn start(
        python: Option<&Path>,
        module: &str,
        program: &str,
        first: &Value,
    ) -> Result<Option<Peer>, String> {
        let candidates = match python {
            Some(python) => vec![python.to_owned()],
            None => PYTHONS.iter().map(PathBuf::from).collect(),
        };
        let Some(python) = candidates.iter().find(|python| has(python, module)) else {
            return Ok(None);
        };
        let mut command = Command::new(python);
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("python: {error}"))?;
        let input = child.stdin.take().ok_or("python has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("python has no output")?);
        let mut peer = Peer { child, input, output, version: String::new() };
        let ready = peer.exchange(first).map_err(|error| format!("{module}: {error}"))?;
        peer.version = ready["version"].as_str().unwrap_or_default().to_owned();
        Ok(Some(peer))
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks; blocks until the answer is there.
    pub fn ask(&mut self, sql: &str) -> Result<Answer, String> {
        let answer = self.exchange(&json!({ "sql": sql }))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.trim().to_owned()),
            None => serde_json::from_value(answer).map_err(|error| error.to_string()),
        }
    }

    fn exchange(&mut self, message: &Value) -> Result<Value, String> {
        writeln!(self.input, "{message}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.is_empty() {
            let status = self.child.wait().map_err(|error| error.to_string())?;
            return Err(format!("the program ended with {status}"));
        }
        serde_json::from_str(&line).map_err(|error| format!("{error}: {}", line.trim()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has(python: &Path, module: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", &format!("import {module}")]).stdin(Stdio::null());
    let tried = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}
