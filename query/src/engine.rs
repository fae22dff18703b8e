//! The engine: what all sessions share. Tables, functions, memory, open segments.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::setup_pg_catalog;
use parx_compactor::{SegmentStore, Versions};
use parx_log::{Log, Snapshot};

use crate::functions::{shared_functions, weighted};
use crate::groups::GroupSamples;
use crate::index::SignalIndex;
use crate::past::Past;
use crate::samples::SamplesTable;
use crate::session::Session;
use crate::system::{EventsTable, SignalsTable, SystemTable};
use crate::tables::table_functions;
use crate::versions::Tables;
use crate::yielding::GiveWay;
use crate::{AsOf, ErrorKind, QueryError};

/// The database's name in SQL.
pub const DATABASE: &str = "parx";
/// The schema's name in SQL.
pub const SCHEMA: &str = "public";
/// The schema of PostgreSQL's own tables.
const POSTGRES_SCHEMA: &str = "pg_catalog";

/// What queries may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for sorting, grouping and joining, of all queries together.
    pub memory_bytes: usize,
    /// Into how many parallel parts a query is cut.
    pub partitions: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Limits { memory_bytes: 1 << 30, partitions: cores }
    }
}

struct Inner {
    log: Log,
    store: SegmentStore,
    past: Past,
    template: SessionState,
    /// How many threads one query reads with.
    width: usize,
}

impl Drop for Inner {
    /// The tables of PostgreSQL list all catalogs and stand in one of them; apart from it they let
    /// go of each other, and with them of the log.
    fn drop(&mut self) {
        if let Some(catalog) = self.template.catalog_list().catalog(DATABASE) {
            // A catalog in memory refuses only schemas with tables, and not when told to cascade.
            let _ = catalog.deregister_schema(POSTGRES_SCHEMA, true);
        }
    }
}

/// Answers queries. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

impl Engine {
    /// An engine over a log and its segments.
    pub fn new(log: Log, store: SegmentStore, limits: Limits) -> Result<Engine, QueryError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
            .build_arc()?;
        let context = SessionContext::new_with_config_rt(config(limits), runtime);
        let catalog = context
            .catalog(DATABASE)
            .ok_or_else(|| QueryError::new(ErrorKind::Internal, "the engine has no catalog"))?;
        let past = Past::new(log.clone(), store.clone());
        register_tables(catalog.as_ref(), &log, &store, &past)?;
        setup_pg_catalog(&context, DATABASE, EmptyContextProvider)
            .map_err(|error| QueryError::from(*error))?;
        for function in shared_functions() {
            context.register_udf(function);
        }
        for function in weighted::functions() {
            context.register_udaf(function);
        }
        for (name, function) in table_functions() {
            context.register_udtf(name, function);
        }
        let state = context.state();
        let mut rules = state.physical_optimizers().to_vec();
        rules.insert(0, Arc::new(GroupSamples));
        rules.push(Arc::new(GiveWay));
        let template = SessionStateBuilder::new_from_existing(state)
            .with_physical_optimizer_rules(rules)
            .build();
        let width = limits.partitions;
        Ok(Engine(Arc::new(Inner { log, store, past, template, width })))
    }

    /// A session of `user`.
    pub fn session(&self, user: &str) -> Session {
        Session::new(self.clone(), user)
    }

    /// One consistent view of now, for queries that are to see the same (Q1).
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.log.snapshot()
    }

    /// What `now` was at an earlier place of the log. One behind `now` is refused.
    pub async fn as_of(
        &self,
        now: Arc<Snapshot>,
        as_of: AsOf,
    ) -> Result<Arc<Snapshot>, QueryError> {
        self.0.past.of(now, as_of).await
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The segments.
    pub fn store(&self) -> &SegmentStore {
        &self.0.store
    }

    pub(crate) fn width(&self) -> usize {
        self.0.width
    }

    pub(crate) fn template(&self) -> &SessionState {
        &self.0.template
    }
}

fn config(limits: Limits) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(DATABASE, SCHEMA)
        .with_information_schema(true)
        .with_target_partitions(limits.partitions.max(1));
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.optimizer.prefer_existing_sort = true;
    config
}

fn register_tables(
    catalog: &dyn CatalogProvider,
    log: &Log,
    store: &SegmentStore,
    past: &Past,
) -> Result<(), QueryError> {
    let schema = Arc::new(MemorySchemaProvider::new());
    let index = Arc::new(SignalIndex::default());
    let samples = |versions| -> Arc<dyn TableProvider> {
        Arc::new(SamplesTable::new(log.clone(), store.clone(), index.clone(), versions))
    };
    let tables: [(&str, Arc<dyn TableProvider>); 6] = [
        ("samples", samples(Versions::Newest)),
        ("samples_history", samples(Versions::All)),
        ("signals", Arc::new(SignalsTable::default())),
        ("sources", Arc::new(SystemTable::sources(log.clone()))),
        ("retention", Arc::new(SystemTable::retention(log.clone()))),
        ("events", Arc::new(EventsTable::new(log.clone()))),
    ];
    for (name, table) in tables {
        schema.register_table(name.to_owned(), table)?;
    }
    let tables = Tables { present: schema, past: past.clone() };
    catalog.register_schema(SCHEMA, Arc::new(tables))?;
    Ok(())
}
