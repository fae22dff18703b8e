//! What each command does, and what it says when it cannot.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use parx_log::{Command, Log, LogOptions, SystemClock, TestSwitches};
use tracing_subscriber::EnvFilter;

use crate::auth::{generate_password, make_user};
use crate::cli::{Action, BenchAction, Cli, DemoArgs, ServeArgs};
use crate::config::{self, Config};
use crate::run::{FirstLogin, Running, StartOptions, start};
use crate::{bench, check, demo, repair, sql, verify};

/// Runs one command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Action::Serve(args) => serve(args).await,
        Action::Demo(args) => run_demo(args).await,
        Action::Check { config } => return check::run(&config),
        Action::Verify { data, json } => return verify::run(&data, json),
        Action::Repair { data, yes } => return repair::run(data, yes).await,
        Action::Sql(args) => sql::run(args).await,
        Action::Password { data, user, password_file } => {
            password(data, user, password_file.as_deref()).await
        }
        Action::Bench { what: BenchAction::Latency(args) } => bench::latency::run(args).await,
        Action::Bench { what: BenchAction::Ingest(args) } => bench::ingest::run(args).await,
        Action::Bench { what: BenchAction::Query(args) } => bench::query::run(args).await,
        Action::Bench { what: BenchAction::Soak(args) } => bench::soak::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("parx: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Writes one line to standard output at once; a reader that is gone is no reason to stop.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Diagnostics go to standard error; `RUST_LOG` says how much.
fn trace() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,lsm_tree=warn,fjall=warn,datafusion=warn"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    let _ = subscriber.with_writer(std::io::stderr).try_init();
}

async fn serve(args: ServeArgs) -> Result<(), String> {
    trace();
    let options = options(args, None)?;
    let running = start(options).await.map_err(|error| error.to_string())?;
    let end = end_signal();
    announce(&running);
    wait(running, end).await
}

async fn run_demo(args: DemoArgs) -> Result<(), String> {
    trace();
    let folder = demo::default_folder()?;
    let mut options = options(args.serve, Some(folder))?;
    if args.fresh && options.log.folder.exists() {
        remove_demo(&options.log.folder)?;
    }
    options.demo = Some(demo::DemoOptions { history: args.history });
    let running = start(options).await.map_err(|error| error.to_string())?;
    let end = end_signal();
    announce(&running);
    guide(&running);
    wait(running, end).await
}

/// Removes only a folder that is a data folder.
fn remove_demo(folder: &Path) -> Result<(), String> {
    if !folder.join("VERSION").is_file() {
        return Err(format!(
            "{} holds no ParX data, so --fresh does not remove it; remove it by hand",
            folder.display()
        ));
    }
    std::fs::remove_dir_all(folder)
        .map_err(|error| format!("cannot remove {}: {error}", folder.display()))
}

fn show_login(login: &FirstLogin) {
    let password = login.password.as_deref().unwrap_or("(from PARX_ADMIN_PASSWORD_FILE)");
    say(&format!("login user={} password={password} url={}", login.user, login.url));
}

fn announce(running: &Running) {
    say(&format!(
        "ready http={} postgres={} flight={}",
        running.http, running.postgres, running.flight
    ));
}

/// Tells a newcomer, on standard error, where to go from here.
fn guide(running: &Running) {
    let login = running.first_login.as_ref();
    let page = login.map_or(format!("http://{}", running.http), |login| login.url.clone());
    let password = login.and_then(|login| login.password.as_deref()).unwrap_or("PASSWORD");
    eprintln!("\nOpen   {page}");
    eprintln!("Ask    psql \"postgresql://admin:{password}@{}/parx\"", running.postgres);
    eprintln!("Stop   Ctrl-C\n");
}

/// Runs until a signal comes or the log stops, then drains.
async fn wait(running: Running, end: impl Future<Output = ()>) -> Result<(), String> {
    let failed = tokio::select! {
        () = end => None,
        reason = running.log.stopped() => Some(reason),
    };
    let Some(reason) = failed else {
        running.stop().await;
        return Ok(());
    };
    // Nothing can be stored any more, so there is nothing to drain; what was acknowledged is safe.
    eprintln!("parx: the log stopped taking writes: {reason}");
    tokio::time::sleep(LAST_ANSWERS).await;
    std::process::exit(1)
}

/// Time in which those who wait for an answer hear that the log has failed.
const LAST_ANSWERS: std::time::Duration = std::time::Duration::from_millis(200);

/// Listens to the signals that end ParX; from here on none of them ends it unheard.
fn end_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match heard {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be heard; stop ParX with SIGKILL");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Command line over configuration over default.
fn options(args: ServeArgs, data_default: Option<PathBuf>) -> Result<StartOptions, String> {
    let config = match &args.config {
        Some(file) => read_config(file)?,
        None => Config::default(),
    };
    let data = args.data.or_else(|| config.server.data.clone()).or(data_default);
    let data = data.ok_or("name a data folder with --data DIR or in the configuration")?;
    let mut log = LogOptions::new(data);
    log.linger = config.log.linger();
    log.tail_rows_max = config.log.tail_rows_max.unwrap_or(log.tail_rows_max);
    log.tail_bytes_max = config.log.tail_bytes_max();
    log.space = config.log.space();
    log.switches = switches(&args.test_switch)?;
    let local = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    Ok(StartOptions {
        log,
        http: args.http.or(config.server.http).unwrap_or(local(8800)),
        postgres: args.postgres.or(config.server.postgres).unwrap_or(local(8832)),
        flight: args.flight.or(config.server.flight).unwrap_or(local(8815)),
        config,
        clock: Arc::new(SystemClock),
        demo: None,
        on_first_login: show_login,
    })
}

fn read_config(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let reading = config::read(&text);
    match reading.problems.first() {
        None => Ok(reading.config),
        Some(problem) => Err(format!(
            "{}:{}:{}: {}\nparx check --config {} tells all that is wrong",
            file.display(),
            problem.line,
            problem.column,
            problem.message,
            file.display()
        )),
    }
}

fn switches(names: &[String]) -> Result<TestSwitches, String> {
    let mut switches = TestSwitches::default();
    for name in names {
        match name.as_str() {
            "ack-before-commit" => switches.ack_before_commit = true,
            "store-batches-again" => switches.store_batches_again = true,
            "trust-disk" => switches.trust_disk = true,
            other => return Err(format!("there is no test switch '{other}'")),
        }
    }
    if switches != TestSwitches::default() {
        tracing::warn!("a test switch is on: this server LOSES OR DOUBLES data on purpose");
    }
    Ok(switches)
}

/// Sets a password in a data folder that no server uses.
async fn password(data: PathBuf, user: String, file: Option<&Path>) -> Result<(), String> {
    if !data.join("VERSION").is_file() {
        return Err(format!("{} holds no ParX data", data.display()));
    }
    let (password, shown) = match file {
        Some(file) => (read_password(file)?, false),
        None => (generate_password(), true),
    };
    let open = move || Log::open(LogOptions::new(data), Arc::new(SystemClock));
    let log = tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string())?;
    let log = log.map_err(|error| error.to_string())?;
    let account = make_user(user.clone(), password.clone()).await;
    let account = account.map_err(|error| error.to_string())?;
    let command = match log.catalog().users.contains_key(&user) {
        true => Command::ChangeUserPassword(account),
        false => return Err(format!("there is no account '{user}'")),
    };
    log.submit("parx password".into(), command).await.map_err(|error| error.to_string())?;
    let closed = tokio::task::spawn_blocking(move || log.close()).await;
    closed.map_err(|error| error.to_string())?;
    if shown {
        say(&format!("login user={user} password={password}"));
    }
    Ok(())
}

/// The first line of a file.
pub fn read_password(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the password from {}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
