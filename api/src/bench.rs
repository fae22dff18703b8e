//! Measurements of this build on this machine.
//!
//! They run what is served to users, from outside, and print figures with the facts that they
//! depend on. No test asserts one of these figures.

mod duckdb;
mod feed;
pub mod figures;
mod fill;
mod flight;
mod folder;
pub mod goals;
mod http;
pub mod ingest;
pub mod latency;
mod load;
pub mod machine;
mod options;
pub mod plant;
mod process;
mod progress;
pub mod query;
mod query_table;
pub mod questions;
mod restart;
mod server;
mod settle;
mod subscriber;
mod visible;
