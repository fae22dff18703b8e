//! Samples: time, value and quality of a signal, as recorded.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Quality, Timestamp, Value};

/// Names a signal for ever: minted once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalId(pub u32);

impl fmt::Display for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A place in the log: dense, growing by one, beginning with 1 (L1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first entry.
    pub const ZERO: Sequence = Sequence(0);

    /// The place behind this one.
    pub fn next(self) -> Sequence {
        Sequence(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a signal was at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The signal.
    pub signal: SignalId,
    /// When, by the source's clock.
    pub time: Timestamp,
    /// What; none where the source gave a complaint instead of a value.
    pub value: Option<Value>,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// Numbers a batch of one producer, so that a batch sent twice is stored once (I3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchId {
    /// Who sends: a collector or a client, by a name that stays.
    pub producer: String,
    /// Which life of it; a larger one begins a new numbering.
    pub epoch: u64,
    /// The batch's number in that life, growing.
    pub sequence: u64,
}
