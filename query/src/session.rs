//! One client's session: its settings for the planner, its user, and the view that its queries see.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session as Planning;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::sql::sqlparser::ast;
use parking_lot::RwLock;
use parx_log::{Log, Snapshot};

use crate::engine::Engine;
use crate::functions::session_functions;
use crate::{ErrorKind, Parsed, QueryError, Statement};

/// The snapshot that a query sees and the engine that answers it, on their way through the planner.
struct View(Arc<Snapshot>, Engine);

/// The snapshot of the query that is being planned.
pub(crate) fn snapshot(planning: &dyn Planning, log: &Log) -> Arc<Snapshot> {
    match planning.config().get_extension::<View>() {
        Some(view) => view.0.clone(),
        None => log.snapshot(),
    }
}

/// The engine that answers the query that is being planned.
pub(crate) fn engine(planning: &dyn Planning) -> Result<Engine, QueryError> {
    let view = planning.config().get_extension::<View>();
    let view = view.ok_or_else(|| QueryError::new(ErrorKind::Internal, "a plan has no engine"))?;
    Ok(view.1.clone())
}

/// A client's session. Cheap to clone; clones are the same session.
#[derive(Clone)]
pub struct Session {
    engine: Engine,
    state: Arc<RwLock<SessionState>>,
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
        Session { engine, state: Arc::new(RwLock::new(state)) }
    }

    /// The engine it belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The zone in which text without an offset is read as a point in time; `UTC` at first.
    pub fn set_time_zone(&self, zone: &str) {
        self.state.write().config_mut().options_mut().execution.time_zone = Some(zone.to_owned());
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

    /// The planner's state for a query that sees `snapshot`; "now" is the present.
    pub(crate) fn state(&self, snapshot: Arc<Snapshot>) -> SessionState {
        let mut state = self.state.read().clone();
        state.config_mut().set_extension(Arc::new(View(snapshot, self.engine.clone())));
        state.mark_start_execution();
        state
    }
}
