//! DuckDB beside ParX: a Python program of a few lines that asks DuckDB over the same segments.
//!
//! It runs for as long as the measurement, so that DuckDB is as warm as the server is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::json;

/// The program.
const PROGRAM: &str = include_str!("duckdb.py");
/// Pythons that are tried unless one is named.
const PYTHONS: [&str; 2] = ["python3", "python"];

/// A DuckDB that waits for questions.
pub struct DuckDb {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its version.
    pub version: String,
}

/// What came of one question.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Answer {
    /// Wall time, in milliseconds.
    pub wall_ms: f64,
    /// Processor time, in milliseconds.
    pub cpu_ms: f64,
    /// Rows of the answer.
    pub rows: u64,
    /// The sum of its finite numbers.
    pub sum: f64,
}

impl DuckDb {
    /// Starts it over the segments of a data folder. None if no Python here has DuckDB, and an
    /// error if the one that was named has not.
    pub fn start(named: Option<&Path>, data: &Path) -> Result<Option<DuckDb>, String> {
        let python = match named {
            Some(python) if has_duckdb(python) => python.to_owned(),
            Some(python) => {
                return Err(format!("{} has no module duckdb", python.display()));
            }
            None => match PYTHONS.iter().map(PathBuf::from).find(|python| has_duckdb(python)) {
                Some(python) => python,
                None => return Ok(None),
            },
        };
        let mut files = Vec::new();
        parquet_files(&data.join("segments"), &mut files);
        files.sort();
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("python: {error}"))?;
        let input = child.stdin.take().ok_or("python has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("python has no output")?);
        let mut duckdb = DuckDb { child, input, output, version: String::new() };
        #[derive(Deserialize)]
        struct Ready {
            version: String,
        }
        let ready: Ready = duckdb.exchange(&json!({ "files": files }))?;
        duckdb.version = ready.version;
        Ok(Some(duckdb))
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks; blocks until the answer is there.
    pub fn ask(&mut self, sql: &str) -> Result<Answer, String> {
        self.exchange(&json!({ "sql": sql })).map_err(|error| format!("DuckDB: {error}: {sql}"))
    }

    fn exchange<T: for<'de> Deserialize<'de>>(
        &mut self,
        message: &serde_json::Value,
    ) -> Result<T, String> {
        writeln!(self.input, "{message}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        // An error of DuckDB is a line that is no answer; it is told as it came.
        serde_json::from_str(&line).map_err(|_| line.trim().to_owned())
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_duckdb(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import duckdb"]).stdin(Stdio::null());
    let tried = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn parquet_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            parquet_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
}
