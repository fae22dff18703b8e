//! Answers: SQL over segments and hot tail, and the calls that dashboards make without SQL.
//!
//! Every answer is of one snapshot, from its first row to its last (Q1). This crate knows no
//! network and no wire format, and is the only one that names `datafusion`: what a door needs of it
//! stands here under our own names or is exported again.

mod backwards;
mod condition;
mod dialect;
mod direct;
mod engine;
mod error;
mod functions;
mod grid;
mod groups;
mod index;
mod output;
mod parse;
mod past;
mod prune;
mod reader;
mod samples;
mod scan;
mod session;
mod spread;
mod statement;
mod system;
mod tables;
mod thin;
mod tiers;
mod versions;
mod yielding;

pub use datafusion::arrow;
pub use datafusion::scalar::ScalarValue;
pub use datafusion::sql::sqlparser;

pub use parx_compactor::{Between, Fold, Point, State, Total};

pub use condition::Condition;
pub use direct::Window;
pub use direct::align::{Aligned, CELLS_MAX, HELD_MAX, Steps};
pub use direct::buckets::{BUCKETS_MAX, Bucket};
pub use direct::runs::{RUNS_MAX, Run};
pub use engine::{DATABASE, Engine, Limits, SCHEMA};
pub use error::{ErrorKind, QueryError};
pub use parse::{DEPTH_MAX, Parsed, StatementKind, parse};
pub use past::{AsOf, CATALOGS_PAST_MAX};
pub use session::Session;
pub use spread::READERS_PER_CORE;
pub use statement::{RowStream, Statement};
