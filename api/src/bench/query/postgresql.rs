//! PostgreSQL beside ParX: a server that runs already is fed the same points and asked the same
//! questions through the same client.
//!
//! Points go in by binary COPY into a table of its own with an index on signal and time, durable
//! as the server is configured. The table is dropped at the end.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::client::python::Peer;
use crate::bench::plant::{BEGIN, Plant, Points};
use crate::bench::progress::Progress;
use crate::bench::query::questions::{BAD, Draw, HOUR, Question};
use crate::bench::query::texts::{islands, time, weighted};

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH: i64 = 946_684_800_000_000;
/// Rows that are made at a time.
const ROWS: usize = 50_000;
/// The table; no other is touched.
const TABLE: &str = "parx_bench_samples";

/// A table that holds a plant.
pub struct Postgresql {
    conninfo: String,
    /// Who asks it.
    pub peer: Peer,
    /// Points that it holds.
    pub points: u64,
    /// How long it took to store them.
    pub took: Duration,
    /// Bytes of table and index.
    pub bytes: u64,
    /// The process that answers.
    pub pid: u32,
}

impl Postgresql {
    /// Feeds a plant to the server that `conninfo` names.
    pub fn feed(
        conninfo: &str,
        python: Option<&Path>,
        plant: &mut Plant,
    ) -> Result<Postgresql, String> {
        let peer = Peer::libpq(python, conninfo)?;
        let mut peer = peer.ok_or("no Python here has psycopg; name one with --python")?;
        run(psql(conninfo, &format!("DROP TABLE IF EXISTS {TABLE}")))?;
        run(psql(
            conninfo,
            &format!(
                "CREATE TABLE {TABLE} (signal_id int4 NOT NULL, time timestamptz NOT NULL, \
                 value float8, quality int8 NOT NULL); \
                 CREATE INDEX ON {TABLE} (signal_id, time)"
            ),
        ))?;
        let begun = Instant::now();
        let points = copy(conninfo, plant)?;
        let took = begun.elapsed();
        run(psql(conninfo, &format!("VACUUM ANALYZE {TABLE}")))?;
        let mut number = |sql: &str| peer.ask(sql).map(|answer| answer.sum as u64);
        let bytes = number(&format!("SELECT pg_total_relation_size('{TABLE}')"))?;
        let pid = number("SELECT pg_backend_pid()::int8")?;
        let pid = u32::try_from(pid).map_err(|error| error.to_string())?;
        Ok(Postgresql { conninfo: conninfo.to_owned(), peer, points, took, bytes, pid })
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        if let Err(error) = run(psql(&self.conninfo, &format!("DROP TABLE {TABLE}"))) {
            eprintln!("parx: {error}");
        }
    }
}

fn psql(conninfo: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c", sql]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run(mut command: Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("psql: {error}"))?;
    if status.success() { Ok(()) } else { Err("psql failed; see above".to_owned()) }
}

/// Stores what is left of a plant; how many points that were.
fn copy(conninfo: &str, plant: &mut Plant) -> Result<u64, String> {
    let sql = format!("COPY {TABLE} FROM STDIN (FORMAT binary)");
    let mut command = psql(conninfo, &sql);
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let input = child.stdin.take().ok_or("psql has no input")?;
    let written = write_all(BufWriter::with_capacity(1 << 20, input), plant);
    let status = child.wait().map_err(|error| error.to_string())?;
    match (status.success(), written) {
        (true, written) => written.map_err(|error| error.to_string()),
        (false, _) => Err("psql could not copy; see above".to_owned()),
    }
}

fn write_all(mut out: impl Write, plant: &mut Plant) -> std::io::Result<u64> {
    let mut progress = Progress::new("feeding PostgreSQL", plant.points_expected());
    out.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
    let mut count = 0;
    loop {
        let points = plant.next(ROWS);
        if points.is_empty() {
            break;
        }
        out.write_all(&rows(&points))?;
        count += points.len() as u64;
        progress.reach(count);
    }
    out.write_all(&(-1_i16).to_be_bytes())?;
    out.flush()?;
    Ok(count)
}

/// Points as rows of PostgreSQL's binary COPY.
fn rows(points: &Points) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * 46);
    let rows = points.signals.iter().zip(&points.times);
    let rows = rows.zip(points.values.iter().zip(&points.qualities));
    for ((signal, time), (value, quality)) in rows {
        bytes.extend(4_i16.to_be_bytes());
        bytes.extend(4_i32.to_be_bytes());
        bytes.extend(signal.to_be_bytes());
        bytes.extend(8_i32.to_be_bytes());
        bytes.extend((time - EPOCH).to_be_bytes());
        bytes.extend(8_i32.to_be_bytes());
        bytes.extend(value.to_be_bytes());
        bytes.extend(8_i32.to_be_bytes());
        bytes.extend(i64::from(*quality).to_be_bytes());
    }
    bytes
}

impl Question {
    /// What PostgreSQL is asked; a signal's id is its place in the plant.
    pub fn postgresql(self, draw: &Draw, signals: usize) -> String {
        let ids = draw.signals.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let (from, to) = (time(draw.from), time(draw.to));
        let window = format!("time >= '{from}' AND time < '{to}'");
        let hour = format!("date_bin('1 hour', time, timestamptz '{from}')");
        let text = match self {
            Question::Last => format!(
                "SELECT s, v.value FROM generate_series(0, {signals} - 1) AS s CROSS JOIN LATERAL \
                 (SELECT value FROM samples WHERE signal_id = s ORDER BY time DESC LIMIT 1) AS v"
            ),
            Question::Raw => format!(
                "SELECT time, value FROM samples WHERE signal_id = {ids} AND {window} ORDER BY time"
            ),
            Question::Buckets | Question::Panel => {
                let width = (draw.to - draw.from) / self.buckets();
                format!(
                    "SELECT signal_id, date_bin('{width} microseconds', time, \
                     timestamptz '{from}') AS bucket, min(value), max(value), avg(value) \
                     FROM samples WHERE signal_id IN ({ids}) AND {window} AND quality < {BAD} \
                     GROUP BY 1, 2"
                )
            }
            Question::Average => format!(
                "SELECT signal_id, {hour} AS hour, avg(value) FROM samples \
                 WHERE {window} AND quality < {BAD} GROUP BY 1, 2"
            ),
            Question::TimeAverage | Question::TimeAverageAnywhere => {
                let micros = "(extract(epoch FROM time) * 1000000)::int8";
                weighted("signal_id", micros, &hour, &window)
            }
            Question::Runs => islands("signal_id", &ids, draw, draw.limit),
            Question::Align => align(draw),
            Question::Count => "SELECT count(*) FROM samples".to_owned(),
        };
        text.replace("FROM samples", &format!("FROM {TABLE}"))
    }
}

/// A look-up by the index for each point of the grid and each signal.
fn align(draw: &Draw) -> String {
    let (from, last) = (time(draw.from), time(draw.to - 1_000_000));
    let before = (draw.from - HOUR).max(BEGIN - HOUR);
    let column = |signal: &u32| {
        format!(
            ", (SELECT CASE WHEN quality < {BAD} THEN value END FROM samples \
             WHERE signal_id = {signal} AND time <= t AND time > '{}' ORDER BY time DESC LIMIT 1)",
            time(before)
        )
    };
    let columns: String = draw.signals.iter().map(column).collect();
    format!(
        "SELECT t{columns} FROM generate_series(timestamptz '{from}', timestamptz '{last}', \
         INTERVAL '1 second') AS t"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_copy_reads() {
        let points = Points {
            signals: vec![7],
            times: vec![EPOCH + 1],
            values: vec![1.0],
            qualities: vec![BAD],
        };
        let expected = "0004 00000004 00000007 00000008 0000000000000001 \
                        00000008 3ff0000000000000 00000008 0000000080000000";
        let hex: String = rows(&points).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected.replace(' ', ""));
    }
}
