//! One client's session: its settings for the planner, its user, and the view that its queries see.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session as Planning;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast;
use parking_lot::RwLock;
use parx_log::{Log, Snapshot};

use crate::engine::Engine;
use crate::functions::session_functions;
use crate::{AsOf, ErrorKind, Parsed, QueryError, Statement, versions};

/// The snapshot that a query sees and the engine that answers it, on their way through the planner.
struct View(Arc<Snapshot>, Engine);

/// The snapshot of the query that is being planned.
pub(crate) fn snapshot(planning: &dyn Planning, log: &Log) -> Arc<Snapshot> {
    match planning.config().get_extension::<View>() {
        Some(view) => view.0.clone(),
        None => log.snapshot(),
    }
}

/// `state` for a query that sees `snapshot`.
pub(crate) fn seeing(
    mut state: SessionState,
    snapshot: Arc<Snapshot>,
    engine: Engine,
) -> SessionState {
    state.config_mut().set_extension(Arc::new(View(snapshot, engine)));
    state
}

/// The engine that answers the query that is being planned.
pub(crate) fn engine(planning: &dyn Planning) -> Result<Engine, QueryError> {
    engine_of(planning.config())
}

/// The engine that answers the query that has this configuration.
pub(crate) fn engine_of(config: &SessionConfig) -> Result<Engine, QueryError> {
    let view = config.get_extension::<View>();
    let view = view.ok_or_else(|| QueryError::new(ErrorKind::Internal, "a plan has no engine"))?;
    Ok(view.1.clone())
}

/// A client's session. Cheap to clone; clones are the same session.
#[derive(Clone)]
pub struct Session {
    engine: Engine,
    state: Arc<RwLock<SessionState>>,
    /// The place in the past that its queries see; none is the present.
    as_of: Arc<RwLock<Option<AsOf>>>,
}

impl Session {
    pub(crate) fn new(engine: Engine, user: &str) -> Session {
        let mut state = SessionStateBuilder::new_from_existing(engine.template().clone())
            .with_session_id(String::new())
            .build();
        for function in session_functions(user) {
            // Replaces what is there under the name.
            let _ = datafusion::execution::FunctionRegistry::register_udf(
                &mut state,
                Arc::new(function),
            );
        }
        Session { engine, state: Arc::new(RwLock::new(state)), as_of: Arc::default() }
    }

    /// The engine it belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The zone in which text without an offset is read as a point in time; `UTC` at first.
    pub fn set_time_zone(&self, zone: &str) {
        self.state.write().config_mut().options_mut().execution.time_zone = Some(zone.to_owned());
    }

    /// Reads a place in the past: a sequence in digits, or a point in time, in the session's zone
    /// where it has no offset.
    pub fn read_as_of(&self, text: &str) -> Result<AsOf, QueryError> {
        versions::parse(text, &self.state.read())
    }

    /// What queries see from now on: a place in the past, or the present.
    pub fn set_as_of(&self, as_of: Option<AsOf>) {
        *self.as_of.write() = as_of;
    }

    /// What a query sees that begins when `now` is the present.
    pub(crate) async fn seen(&self, now: Arc<Snapshot>) -> Result<Arc<Snapshot>, QueryError> {
        let as_of = *self.as_of.read();
        match as_of {
            Some(as_of) => self.engine.as_of(now, as_of).await,
            None => Ok(now),
        }
    }

    /// Plans one statement. `declared` are the types of `$1`, `$2` …, as far as the client says
    /// them; the planner infers the others, and what it cannot infer is text.
    pub async fn prepare(
        &self,
        statement: &Parsed,
        declared: &[Option<DataType>],
    ) -> Result<Statement, QueryError> {
        Statement::plan(self.clone(), statement, declared).await
    }

    /// Plans the only statement of `sql`.
    pub async fn prepare_sql(&self, sql: &str) -> Result<Statement, QueryError> {
        let parsed = crate::parse(sql)?;
        match parsed.as_slice() {
            [one] => self.prepare(one, &[]).await.map_err(|error| error.locate(sql)),
            _ => Err(QueryError::new(
                ErrorKind::Syntax,
                format!("{} statements where one is expected", parsed.len()),
            )),
        }
    }

    /// Plans the query inside another statement, such as that of `COPY (…) TO STDOUT`.
    pub async fn prepare_query(&self, query: &ast::Query) -> Result<Statement, QueryError> {
        let statement = Parsed::from(ast::Statement::Query(Box::new(query.clone())));
        self.prepare(&statement, &[]).await
    }

    /// `statement` with the tables of the past under names that say which past it is.
    pub(crate) async fn past_named(
        &self,
        mut statement: ast::Statement,
        state: &SessionState,
    ) -> Result<ast::Statement, QueryError> {
        let versions = versions::versions(&mut statement);
        if versions.is_empty() {
            return Ok(statement);
        }
        let now = snapshot(state, self.engine.log());
        let mut sequences = Vec::new();
        for version in versions {
            let as_of = versions::as_of(&version, state)?;
            sequences.push(self.engine.as_of(now.clone(), as_of).await?.sequence);
        }
        versions::name_past(&mut statement, &sequences)?;
        Ok(statement)
    }

    /// The planner's state for a query that sees `snapshot`; "now" is the present.
    pub(crate) fn state(&self, snapshot: Arc<Snapshot>) -> SessionState {
        let mut state = seeing(self.state.read().clone(), snapshot, self.engine.clone());
        state.mark_start_execution();
        state
    }
}
