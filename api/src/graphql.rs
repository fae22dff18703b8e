//! The GraphQL door's schema: what can be asked, commanded and followed.
//!
//! `api/schema.graphql` is printed from here and is all that the web app knows of the server.

mod changes;
mod live;
mod mutation;
mod query;
mod retention;
mod scalars;
mod types;

use std::sync::Arc;

use parx_ingest::{Intake, Sources};
use parx_log::{Log, Timestamp};
use parx_query::Engine;

use crate::auth::Accounts;

pub use scalars::{Int64, Time};

/// Deepest nesting of a query.
pub const DEPTH_MAX: usize = 12;
/// Most fields of a query, lists counted once.
pub const COMPLEXITY_MAX: usize = 1000;

/// What the resolvers need.
#[derive(Clone)]
pub struct GraphqlContext {
    /// The log.
    pub log: Log,
    /// The query engine.
    pub engine: Engine,
    /// The collectors.
    pub sources: Sources,
    /// The way in for samples.
    pub intake: Intake,
    /// The accounts.
    pub accounts: Accounts,
    /// Where the SQL doors are.
    pub doors: Arc<Doors>,
}

/// Where the other doors are, and since when.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Host and port of the Postgres door.
    pub postgres: String,
    /// Host and port of the Flight door.
    pub flight: String,
    /// When this server started.
    pub started_at: Timestamp,
}

/// The schema with its context.
pub type Schema = async_graphql::Schema<query::Query, mutation::Mutation, live::Subscription>;

/// The schema over a context.
pub fn schema(context: GraphqlContext) -> Schema {
    builder().data(context).limit_depth(DEPTH_MAX).limit_complexity(COMPLEXITY_MAX).finish()
}

fn builder() -> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, live::Subscription> {
    Schema::build(query::Query, mutation::Mutation, live::Subscription)
}

/// The schema in GraphQL's own language.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().prefer_single_line_descriptions();
    builder().finish().sdl_with_options(options)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Run with `PARX_WRITE_SCHEMA=1` to write the file anew.
    #[test]
    fn the_schemas_file_is_what_the_server_speaks() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
        let sdl = super::sdl();
        if std::env::var_os("PARX_WRITE_SCHEMA").is_some() {
            std::fs::write(&file, &sdl).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(written == sdl, "api/schema.graphql is stale; run with PARX_WRITE_SCHEMA=1");
    }
}
