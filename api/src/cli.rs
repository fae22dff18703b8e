//! What can be said on the command line. What it does is elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// ParX, an industrial historian: records every sample of a plant for decades and answers any
/// question about them in SQL.
#[derive(Debug, Parser)]
#[command(name = "parx", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Action,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the historian.
    Serve(ServeArgs),
    /// Run the historian on a small simulated plant, to look around.
    Demo(DemoArgs),
    /// Say what is wrong with a configuration, by line, and exit with 1 if anything is.
    Check {
        /// The file to check.
        #[arg(long, value_name = "FILE", default_value = "parx.toml")]
        config: PathBuf,
    },
    /// Read a whole data folder while ParX is off, tell everything that is wrong with file and
    /// place, and exit with 1 if anything is.
    Verify {
        /// The data folder.
        #[arg(value_name = "DIR")]
        data: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what can be done about a damaged data folder and what is lost by it, while ParX is off.
    /// Changes nothing without --yes, and deletes nothing: what is replaced goes to DIR/quarantine.
    Repair {
        /// The data folder.
        #[arg(value_name = "DIR")]
        data: PathBuf,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Ask a running server in SQL and print the answer.
    Sql(SqlArgs),
    /// Set an account's password while the server is off.
    Password {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The account.
        #[arg(long, default_value = "admin")]
        user: String,
        /// File that holds the new password; without it one is made and shown.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Measure this build on this machine.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        what: BenchAction,
    },
}

/// Options of a server.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// The data folder; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration to read; what it defines is added to what the data folder knows.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to serve the web app, GraphQL and writes [default: 127.0.0.1:8800]. Port 0 picks one.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where to serve SQL clients [default: 127.0.0.1:8832]. Port 0 picks one.
    #[arg(long, value_name = "ADDR")]
    pub postgres: Option<SocketAddr>,
    /// Where to serve Arrow Flight SQL [default: 127.0.0.1:8815]. Port 0 picks one.
    #[arg(long, value_name = "ADDR")]
    pub flight: Option<SocketAddr>,
    /// Faults on purpose, for tests of the tests: ack-before-commit, store-batches-again,
    /// trust-disk.
    #[arg(long, value_name = "NAME", hide = true)]
    pub test_switch: Vec<String>,
}

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Options of the server below it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Throw the demo's data away first.
    #[arg(long)]
    pub fresh: bool,
    /// Write a plausible past first, such as 30d, 12h or 90m.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub history: Option<Duration>,
}

/// Options of `parx sql`.
#[derive(Clone, Debug, Args)]
pub struct SqlArgs {
    /// The statement.
    pub statement: String,
    /// The server's Flight door.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8815", env = "PARX_FLIGHT")]
    pub server: String,
    /// The account.
    #[arg(long, default_value = "admin", env = "PARX_USER")]
    pub user: String,
    /// File that holds the password; without it PARX_PASSWORD is used.
    #[arg(long, value_name = "FILE", env = "PARX_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = SqlFormat::Table)]
    pub format: SqlFormat,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SqlFormat {
    /// Aligned columns with lines around them.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a row.
    Json,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchAction {
    /// From a value changing in a simulated device to the message at a GraphQL subscriber.
    Latency(LatencyArgs),
    /// How fast the doors take a generated plant, what that costs, and how small it gets.
    Ingest(IngestArgs),
    /// How long questions to its history take, beside DuckDB on the same segments.
    Query(QueryArgs),
    /// Whether memory and the answers of dashboards stay flat for hours.
    Soak(SoakArgs),
}

/// The generated plant.
#[derive(Clone, Debug, Args)]
pub struct PlantArgs {
    /// A size that figures are compared at.
    #[arg(long, value_enum, default_value_t = PlantSize::Large)]
    pub plant: PlantSize,
    /// Signals, instead of the size's.
    #[arg(long)]
    pub signals: Option<u32>,
    /// Hours, instead of the size's.
    #[arg(long)]
    pub hours: Option<f64>,
    /// What chance begins with; the same seed gives the same points.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// A size that figures are compared at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PlantSize {
    /// 300 signals for 48 hours: 31 million points.
    Large,
    /// 50 signals for 10 hours: a million points.
    Small,
}

/// Options of `parx bench ingest`.
#[derive(Clone, Debug, Args)]
pub struct IngestArgs {
    /// What is fed.
    #[command(flatten)]
    pub plant: PlantArgs,
    /// Where to feed it, one after the other, each a server of its own.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "flight")]
    pub door: Vec<Door>,
    /// Where to keep what the first door has written, for `parx bench query`.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Points of a batch [default: 50000, acknowledged 1000].
    #[arg(long)]
    pub batch: Option<usize>,
    /// Connections at once; acknowledged has one.
    #[arg(long, default_value_t = 2)]
    pub connections: usize,
    /// Batches on the way at once where each is waited for.
    #[arg(long, default_value_t = 1)]
    pub in_flight: usize,
    /// Feed no more points than this.
    #[arg(long)]
    pub points: Option<u64>,
    /// The server's linger, instead of its default.
    #[arg(long)]
    pub linger_ms: Option<u64>,
    /// Kill a server with so many bytes of log and start it again; 0 does not.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub restart: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `parx bench query`.
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// What is asked about, unless the folder holds a plant.
    #[command(flatten)]
    pub plant: PlantArgs,
    /// A folder that `parx bench ingest` has fed; without it one is made and thrown away.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// How often each question is asked in each way, at most.
    #[arg(long, default_value_t = 100)]
    pub runs: usize,
    /// How long each question is asked in each way, if that is less.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = span)]
    pub time: Duration,
    /// Write a year of so many points too, and ask for one signal of them; 0 does not. The goal is
    /// for 10000000000, which takes an hour and a few GB.
    #[arg(long, value_name = "POINTS", default_value_t = 0)]
    pub year: u64,
    /// Ask only these questions, such as Q3,Q8.
    #[arg(long, value_delimiter = ',')]
    pub question: Vec<String>,
    /// A PostgreSQL that runs, to feed the same points and to ask the same, such as
    /// "host=127.0.0.1 user=postgres"; psql has to be installed.
    #[arg(long, value_name = "CONNINFO")]
    pub postgresql: Option<String>,
    /// A VictoriaMetrics that runs, to feed and to ask too.
    #[arg(long, value_name = "ADDR")]
    pub victoria: Option<SocketAddr>,
    /// A Python with the modules duckdb and pyarrow, to compare with, and psycopg, to ask through
    /// the Postgres door [default: python3 or python, if they have them].
    #[arg(long, value_name = "PYTHON")]
    pub python: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `parx bench soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long to measure.
    #[arg(long, value_name = "SPAN", default_value = "60m", value_parser = span)]
    pub time: Duration,
    /// How often to look.
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = span)]
    pub every: Duration,
    /// HTTP door of a server that runs; without it the demo is started.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Flight door of the same server.
    #[arg(long, value_name = "ADDR")]
    pub flight: Option<SocketAddr>,
    /// Process of the same server, to see its memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// File that holds the password of admin; without it PARX_PASSWORD is used.
    #[arg(long, value_name = "FILE", env = "PARX_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A way in that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Door {
    /// Arrow Flight, as fast as it goes.
    Flight,
    /// InfluxDB line protocol over HTTP.
    Line,
    /// Arrow Flight, one client that waits for each batch.
    Acknowledged,
}

/// Options of `parx bench latency`.
#[derive(Clone, Debug, Args)]
pub struct LatencyArgs {
    /// Signals that are scanned and subscribed to.
    #[arg(long, default_value_t = 50)]
    pub signals: u16,
    /// Scan period.
    #[arg(long, value_name = "SPAN", default_value = "100ms", value_parser = span)]
    pub period: Duration,
    /// How long to measure.
    #[arg(long, value_name = "SPAN", default_value = "20s", value_parser = span)]
    pub time: Duration,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A span such as `250ms`, `90s`, `12h` or `30d`.
fn span(text: &str) -> Result<Duration, String> {
    let help =
        || format!("'{text}' is not a span; write a number with ms, s, m, h or d, as in 30d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(help)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| help())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(help()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_span_has_a_number_and_a_unit() {
        assert_eq!(span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["30", "d", "-1d", "1w", "99999999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
