//! Measurements of this build on this machine.
//!
//! They run what is served to users, from outside, and print figures with the facts that they
//! depend on. No test asserts one of these figures.

pub mod figures;
pub mod latency;
mod subscriber;
