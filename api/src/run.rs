//! The composition root: opens the log, starts the stations and stops them in the data's order.
//!
//! The only file of `api` that names protocols and compactor. Tests start the same function
//! in-process on port 0 with a clock of their own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use parx_compactor::{Compactor, Limits, SegmentStore};
use parx_ingest::{Intake, Sources};
use parx_log::{Clock, Command, Log, LogOptions, OpenError, SubmitError};
use parx_query::{Engine, QueryError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::auth::{ADMIN, Accounts, PasswordError, generate_password, make_user};
use crate::command::read_password;
use crate::config::Config;
use crate::demo::{self, DemoOptions};
use crate::graphql::{Doors, GraphqlContext, schema};
use crate::http::HttpState;
use crate::workers::Workers;
use crate::{flight, http, postgres};

/// How long doors may take to finish what they do when the server stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What a server is started with.
pub struct StartOptions {
    /// The data folder and how the log works.
    pub log: LogOptions,
    /// Where to listen; port 0 picks a free one.
    pub http: SocketAddr,
    /// Where to listen for SQL clients.
    pub postgres: SocketAddr,
    /// Where to listen for Flight clients.
    pub flight: SocketAddr,
    /// What the configuration's file says.
    pub config: Config,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// The simulated plant, if there is to be one.
    pub demo: Option<DemoOptions>,
    /// Told how to log in as soon as the first account is there, lest a slow start lose it.
    pub on_first_login: fn(&FirstLogin),
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Free the address, or choose another.
    #[error("cannot listen on {address} for {door}: {error}; is another ParX running?")]
    Bind {
        /// Which door.
        door: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// See the log's own words.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The query engine could not be set up.
    #[error("the query engine cannot start: {0}")]
    Engine(#[from] QueryError),
    /// The system gives no threads: end other programs.
    #[error("the query threads could not be started: {0}")]
    Workers(std::io::Error),
    /// Correct the configuration.
    #[error("the configuration was refused: {0}")]
    Config(#[from] SubmitError),
    /// The first account could not be made.
    #[error("the first account could not be made: {0}")]
    Password(#[from] PasswordError),
    /// The file with the first password cannot be read.
    #[error("{0}")]
    PasswordFile(String),
    /// The simulated plant could not be set up.
    #[error("the demo could not be set up: {0}")]
    Demo(String),
    /// A thread could not do its work.
    #[error("a start-up task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// How to log in for the first time.
#[derive(Clone, Debug)]
pub struct FirstLogin {
    /// The account.
    pub user: String,
    /// Its password, where it was generated.
    pub password: Option<String>,
    /// Logs a browser in, once.
    pub url: String,
}

/// A server that runs.
pub struct Running {
    /// Where it listens.
    pub http: SocketAddr,
    /// Where it listens for SQL clients.
    pub postgres: SocketAddr,
    /// Where it listens for Flight clients.
    pub flight: SocketAddr,
    /// Present if this was the data folder's very first start.
    pub first_login: Option<FirstLogin>,
    /// Its log.
    pub log: Log,
    sources: Sources,
    state: HttpState,
    stop: CancellationToken,
    stop_compactor: CancellationToken,
    doors: Vec<JoinHandle<()>>,
    compactor: JoinHandle<()>,
}

/// Starts a server. Every door is open when it returns.
pub async fn start(options: StartOptions) -> Result<Running, StartError> {
    let http_listener = bind("HTTP", options.http).await?;
    let postgres_listener = bind("Postgres", options.postgres).await?;
    let flight_listener = bind("Flight", options.flight).await?;
    let address = |listener: &TcpListener, wanted| listener.local_addr().unwrap_or(wanted);
    let http = address(&http_listener, options.http);
    let postgres = address(&postgres_listener, options.postgres);
    let flight = address(&flight_listener, options.flight);

    let folder = options.log.folder.clone();
    let (log_options, clock) = (options.log, options.clock);
    let log = tokio::task::spawn_blocking(move || Log::open(log_options, clock)).await??;
    let (stop, stop_compactor) = (CancellationToken::new(), CancellationToken::new());
    let accounts = Accounts::new(log.clone());
    let first_login = first_login(&log, &accounts, http).await?;
    if let Some(login) = &first_login {
        (options.on_first_login)(login);
    }
    apply(&log, &options.config).await?;

    let store = SegmentStore::new(folder);
    let engine = Engine::new(log.clone(), store.clone(), parx_query::Limits::default())?;
    let limits = seal_limits(&options.config);
    let compactor = Compactor::run(log.clone(), store, limits, stop_compactor.clone());
    let compactor = tokio::spawn(compactor);

    if let Some(demo) = options.demo {
        demo::start(&log, demo, stop.clone()).await.map_err(StartError::Demo)?;
    }
    let sources = Sources::start(log.clone(), Arc::new(parx_protocols::AllDrivers));
    let intake = Intake::new(log.clone());
    let context = GraphqlContext {
        log: log.clone(),
        engine: engine.clone(),
        sources: sources.clone(),
        intake: intake.clone(),
        accounts: accounts.clone(),
        doors: Arc::new(Doors {
            postgres: postgres.to_string(),
            flight: flight.to_string(),
            started_at: log.now(),
        }),
    };
    let state = HttpState::new(
        log.clone(),
        accounts.clone(),
        schema(context),
        intake.clone(),
        stop.clone(),
    );
    let workers = Workers::start().map_err(StartError::Workers)?;
    let doors = vec![
        door("HTTP", http::serve(http_listener, state.clone())),
        door(
            "Postgres",
            postgres::serve(
                postgres_listener,
                engine.clone(),
                (log.clone(), workers.clone()),
                postgres::PostgresLimits::default(),
                stop.clone(),
            )
            .map(Ok::<(), Infallible>),
        ),
        door(
            "Flight",
            flight::serve(flight_listener, engine, (intake, accounts), workers, stop.clone()),
        ),
    ];
    state.ready.store(true, Ordering::Release);
    Ok(Running {
        http,
        postgres,
        flight,
        first_login,
        log,
        sources,
        state,
        stop,
        stop_compactor,
        doors,
        compactor,
    })
}

impl Running {
    /// Stops in the data's order: devices, doors, compactor, log. What was acknowledged is kept.
    pub async fn stop(self) {
        self.state.ready.store(false, Ordering::Release);
        self.sources.stop().await;
        self.stop.cancel();
        for door in self.doors {
            if timeout(DRAIN_MAX, door).await.is_err() {
                tracing::warn!("a door did not finish its work in {} s", DRAIN_MAX.as_secs());
            }
        }
        self.stop_compactor.cancel();
        if timeout(DRAIN_MAX, self.compactor).await.is_err() {
            tracing::warn!("compaction did not end in {} s; it goes on at the next start", 10);
        }
        let log = self.log;
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }
}

fn door<E: std::fmt::Display>(
    name: &'static str,
    serve: impl Future<Output = Result<(), E>> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(%error, door = name, "a door closed by itself");
        }
    })
}

async fn bind(door: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| StartError::Bind { door, address, error })
}

fn seal_limits(config: &Config) -> Limits {
    Limits {
        seal_rows: config.seal_rows(),
        seal_bytes: config.compaction.seal_bytes,
        seal_age: Duration::from_secs(config.compaction.seal_after_s),
        ..Limits::default()
    }
}

/// Makes the first account, if there is none.
async fn first_login(
    log: &Log,
    accounts: &Accounts,
    http: SocketAddr,
) -> Result<Option<FirstLogin>, StartError> {
    if !log.catalog().users.is_empty() {
        return Ok(None);
    }
    let (password, shown) = match std::env::var_os("PARX_ADMIN_PASSWORD_FILE") {
        Some(file) => (read_password(file.as_ref()).map_err(StartError::PasswordFile)?, false),
        None => (generate_password(), true),
    };
    let user = make_user(ADMIN.to_owned(), password.clone()).await?;
    log.submit("parx".into(), Command::DefineUser(user)).await?;
    let url = format!("http://{http}/login?once={}", accounts.issue_once());
    let password = shown.then_some(password);
    Ok(Some(FirstLogin { user: ADMIN.to_owned(), password, url }))
}

/// Makes the catalog agree with what the configuration's file says; the rest of it stays.
async fn apply(log: &Log, config: &Config) -> Result<(), StartError> {
    let author: Arc<str> = "parx.toml".into();
    for command in config.commands() {
        let catalog = log.catalog();
        let command = match command {
            Command::DefineSource(source) if catalog.sources.contains_key(&source.name) => {
                Command::ChangeSource(source)
            }
            Command::DefineSignal(definition) => match catalog.signal_by_tag(&definition.tag) {
                Some(_) => Command::ChangeSignal { tag: definition.tag.clone(), definition },
                None => Command::DefineSignal(definition),
            },
            command => command,
        };
        log.submit(author.clone(), command).await?;
    }
    Ok(())
}
