//! The day that retention believes it is: never later than the clock says, and never later because
//! somebody set the clock forward.
//!
//! Pure. A clock that runs with the machine is believed. One that is found ahead, set wrong or
//! after ParX was off, is believed once it has gone on so for a day.

use std::time::Duration;

use parx_log::Timestamp;

/// How far the clock may be ahead of what has gone by, and still be believed at once.
const AHEAD_MAX: Duration = Duration::from_secs(3600);
/// How long a clock that is ahead has to go on before it is believed.
const SETTLED_AFTER: Duration = Duration::from_secs(86_400);

/// A point in time that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// It is at least so late.
    pub(crate) at: Timestamp,
    /// How long the clock has been ahead of it.
    ahead: Option<Duration>,
}

impl Trusted {
    /// Begins with a time that is known to have been: that of the newest entry of the log.
    pub(crate) fn since(known: Timestamp) -> Trusted {
        Trusted { at: known, ahead: None }
    }

    /// What is believed when the clock says `now` and so much has gone by since the last look.
    pub(crate) fn advance(self, now: Timestamp, gone_by: Duration) -> Trusted {
        let at = self.at.plus(gone_by);
        if now <= at.plus(AHEAD_MAX) {
            return Trusted::since(now);
        }
        let ahead = self.ahead.map_or(Duration::ZERO, |ahead| ahead.saturating_add(gone_by));
        match ahead >= SETTLED_AFTER {
            true => Trusted::since(now),
            false => Trusted { at, ahead: Some(ahead) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_clock_that_jumps_forward_is_believed_after_a_day() {
        let start = Timestamp::from_micros(0);
        let mut trusted = Trusted::since(start);
        let mut now = start;
        for _ in 0..48 {
            now = now.plus(HOUR);
            trusted = trusted.advance(now, HOUR);
            assert_eq!(trusted.at, now, "it goes with the machine");
        }
        let before = now;
        now = now.plus(HOUR * 24 * 365);
        trusted = trusted.advance(now, Duration::ZERO);
        for hour in 1..=23 {
            now = now.plus(HOUR);
            trusted = trusted.advance(now, HOUR);
            assert_eq!(trusted.at, before.plus(HOUR * hour), "not yet");
        }
        now = now.plus(HOUR);
        assert_eq!(trusted.advance(now, HOUR).at, now, "it went on so for a day");
        let back = before.plus(HOUR * 24);
        assert_eq!(trusted.advance(back, HOUR).at, back, "it was set right again");
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed() {
        let trusted = Trusted::since(Timestamp::from_micros(0).plus(HOUR * 24));
        let back = Timestamp::from_micros(0);
        assert_eq!(trusted.advance(back, HOUR), Trusted::since(back));
    }
}
