//! `GROUP BY` over samples without hashing: groups that follow each other in the order in which
//! rows are read anyway.
//!
//! `rule` recognises a plan that asks for nothing else than signals, one bucket of time and the
//! aggregates that `told` knows, and puts `scan` in its place. Every other plan stays as it is, and
//! the answer is the same either way, but for the rounding of sums (Q2).

mod enough;
mod filter;
mod group;
mod keys;
mod reader;
mod rule;
mod scan;
mod told;

pub(crate) use rule::GroupSamples;
