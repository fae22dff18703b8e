//! The two ports of this crate: a driver, which knows how to talk to one kind of peer, and a
//! session, which is one open connection.
//!
//! One rule keeps them small: `Err` means that the session is over. Anything smaller, such as one
//! address that the device does not know, is a reading of bad quality. No protocol is named here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{Quality, SignalId, Timestamp, Value, ValueType};

use crate::plan::SourcePlan;
use crate::problem::Compiled;

/// Code for a protocol, made of a source's settings and points.
pub trait Driver: Sized + Send + Sync + 'static {
    /// The name by which a source asks for it, such as `modbus`.
    const NAME: &'static str;
    /// Whether its points can be polled. Where they cannot, their scan classes are ignored.
    const POLLS: bool = true;
    /// Whether its sessions limit the time of each request themselves, by
    /// [`ScanClass::time_limit`](crate::ScanClass::time_limit). A scan of many requests may then
    /// take longer than its period, which is an overrun and no fault.
    const LIMITS_REQUESTS: bool = false;
    /// What a connection is.
    type Session: Session;

    /// Reads the settings and the addresses. Touches no network: it is how a configuration is
    /// checked, too.
    fn compile(plan: &SourcePlan) -> Compiled<Self>;

    /// Opens a connection.
    fn connect(&self) -> impl Future<Output = Result<Self::Session, Fault>> + Send;
}

/// One open connection. Dropping it closes it.
pub trait Session: Send {
    /// Reads the points of one scan class, given by its place in the plan, and appends a reading
    /// for each of them. `now` is when the scan begins.
    fn poll(
        &mut self,
        class: usize,
        now: Timestamp,
        into: &mut Vec<Reading>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Waits for what the peer sends by itself. Has to be cancel-safe: `into` is appended to only
    /// in the step that returns.
    fn receive(
        &mut self,
        into: &mut Vec<Reading>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// An address inside a source, and the signal that it feeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The signal.
    pub signal: SignalId,
    /// The signal's tag, for messages.
    pub tag: Arc<str>,
    /// Where it is, in the driver's words.
    pub address: Arc<str>,
    /// The type its samples shall have.
    pub value_type: ValueType,
    /// A value holds until the next.
    pub stepped: bool,
    /// The change too small to record.
    pub deadband: Option<f64>,
    /// Place of its scan class in the plan; none where the source sends by itself.
    pub class: Option<usize>,
}

/// What a session got for one point, before admission.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Place of the point in the plan.
    pub point: usize,
    /// What came, if something did.
    pub value: Option<Value>,
    /// How far it can be trusted.
    pub quality: Quality,
    /// When, by the peer's own clock if it has one.
    pub source_time: Option<Timestamp>,
}

impl Reading {
    /// A good value without a time of its own.
    pub fn good(point: usize, value: Value) -> Reading {
        Reading { point, value: Some(value), quality: Quality::GOOD, source_time: None }
    }

    /// A complaint instead of a value.
    pub fn bad(point: usize, quality: Quality) -> Reading {
        Reading { point, value: None, quality, source_time: None }
    }

    /// The same reading with the peer's time.
    pub fn at(self, source_time: Option<Timestamp>) -> Reading {
        Reading { source_time, ..self }
    }
}

/// Why a session is over or could not be opened. The text says fact and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The link was lost, refused or silent. Tried again soon.
    Link(String),
    /// The peer is there and does not let us in or does not speak as it should. Tried again later.
    Session(String),
    /// The configuration cannot work. Tried again when it changes.
    Config(String),
}

/// First wait after a lost link.
const LINK_RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest wait after a lost link.
pub const LINK_RETRY_MAX: Duration = Duration::from_secs(5);
/// First wait after a refused session.
const SESSION_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest wait after a refused session.
pub const SESSION_RETRY_MAX: Duration = Duration::from_secs(30);

impl Fault {
    /// How long to wait before trying again after `failures` earlier ones in a row: doubled each
    /// time up to a limit, and shortened by up to a fifth by `random`, a number from 0 to 1, so
    /// that a hundred sources do not knock at the same moment. None: not before the configuration
    /// changes.
    pub fn retry(&self, failures: u32, random: f64) -> Option<Duration> {
        let (first, max) = match self {
            Fault::Link(_) => (LINK_RETRY_FIRST, LINK_RETRY_MAX),
            Fault::Session(_) => (SESSION_RETRY_FIRST, SESSION_RETRY_MAX),
            Fault::Config(_) => return None,
        };
        let full = first.saturating_mul(1 << failures.min(16)).min(max);
        Some(full.mul_f64(1.0 - 0.2 * random.clamp(0.0, 1.0)))
    }

    /// The quality that the points have while it lasts.
    pub fn quality(&self) -> Quality {
        match self {
            Fault::Link(_) | Fault::Session(_) => Quality::BAD_COMMUNICATION_ERROR,
            Fault::Config(_) => Quality::BAD_CONFIGURATION_ERROR,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Link(text) | Fault::Session(text) | Fault::Config(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let link = |failures, random| Fault::Link(String::new()).retry(failures, random);
        let table = [
            (0, 0.0, 250),
            (1, 0.0, 500),
            (4, 0.0, 4_000),
            (5, 0.0, 5_000),
            (u32::MAX, 0.0, 5_000),
            (0, 1.0, 200),
            (9, 1.0, 4_000),
        ];
        for (failures, random, millis) in table {
            let expected = Some(Duration::from_millis(millis));
            assert_eq!(link(failures, random), expected, "{failures} failures, {random}");
        }
        assert_eq!(Fault::Config(String::new()).retry(0, 0.0), None);
        let session = Fault::Session(String::new()).retry(99, 0.0);
        assert_eq!(session, Some(SESSION_RETRY_MAX));
    }
}
