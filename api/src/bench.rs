//! Measurements of this build on this machine.
//!
//! They run what is served to users, from outside, and print figures with the facts that they
//! depend on. No test asserts one of these figures.

mod client;
pub mod figures;
mod folder;
pub mod goals;
pub mod ingest;
pub mod latency;
pub mod machine;
mod options;
pub mod plant;
mod process;
mod progress;
pub mod query;
mod server;
pub mod soak;
