//! What the log does about damage to its files: how it opens, what verify tells, what repair saves.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod damage;
mod repair;
mod verify;
mod written;
