//! The doors of ParX and the binary that opens them.
//!
//! HTTP with GraphQL and writes, the Postgres wire, Arrow Flight SQL, the command line. It serves
//! what the query engine answers; it knows neither the log's storage nor the segments' format.

pub mod auth;
pub mod bench;
pub mod check;
pub mod cli;
pub mod command;
pub mod config;
pub mod demo;
pub mod flight;
pub mod graphql;
pub mod http;
pub mod postgres;
pub mod repair;
pub mod run;
pub mod scram;
pub mod sql;
pub mod verify;
pub mod workers;
mod writes;
