//! Points in time and where they come from.
//!
//! All time in ParX is UTC, counted in microseconds since 1970. Zones belong to screens and to SQL.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point that can be told.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest point that can be told.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// From seconds since 1970, as a client's floating-point number.
    pub fn from_seconds(seconds: f64) -> Timestamp {
        Timestamp((seconds * 1e6).round() as i64)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, exact to the microsecond for the next two centuries.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// This point moved by `duration` into the future.
    pub fn plus(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(micros))
    }

    /// This point moved by `duration` into the past.
    pub fn minus(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day it lies in, counted from 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with microseconds, or the bare number where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

/// What was written is not an RFC 3339 time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not a time; write RFC 3339 with an offset, such as 2026-11-25T06:00:00Z")]
pub struct NotATime(String);

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Timestamp, NotATime> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Timestamp(time.timestamp_micros()))
            .map_err(|_| NotATime(text.to_owned()))
    }
}

/// Where "now" comes from: the system, or a test's hand.
pub trait Clock: Send + Sync + 'static {
    /// The present point in time.
    fn now(&self) -> Timestamp;

    /// How long this clock has been running, whatever the time was set to meanwhile.
    fn uptime(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// When the process first asked how long it has been running.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_micros())
    }

    fn uptime(&self) -> Duration {
        STARTED.elapsed()
    }
}

/// A clock that moves only by hand.
#[derive(Debug)]
pub struct HandClock {
    now: AtomicI64,
    uptime: AtomicU64,
}

impl HandClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> HandClock {
        HandClock { now: AtomicI64::new(start.micros()), uptime: AtomicU64::new(0) }
    }

    /// Lets time go by.
    pub fn advance(&self, by: Duration) {
        self.jump(by);
        self.uptime.fetch_add(u64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }

    /// Sets the hand forward, though no time goes by.
    pub fn jump(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.uptime.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_and_read_back_to_the_microsecond() {
        for micros in [0, 1, -1, 1_764_051_600_123_456, -62_135_596_800_000_000] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string().parse(), Ok(time), "{micros}");
        }
        assert_eq!("2026-11-25T01:00:00+01:00".parse(), Ok(Timestamp(1_795_564_800_000_000)));
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn a_day_begins_at_midnight_utc_also_before_1970() {
        let day = 86_400_000_000;
        for (micros, expected) in [(0, 0), (day - 1, 0), (day, 1), (-1, -1), (-day, -1)] {
            assert_eq!(Timestamp(micros).day(), expected, "{micros}");
        }
    }
}
