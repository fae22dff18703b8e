//! When a scan is due: on whole multiples of the class's period since 1970, plus its phase.
//!
//! Pure: time comes in. A scan that was missed is counted and skipped, never queued, so that a slow
//! device falls behind by samples and not by an ever longer queue.

use std::time::Duration;

use parx_log::Timestamp;

use crate::plan::ScanClass;

/// The next scan of each class.
#[derive(Debug)]
pub struct Schedule {
    classes: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    period: Duration,
    phase: Duration,
    /// None where no point uses the class.
    next: Option<Timestamp>,
}

/// A scan that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Place of the class in the plan.
    pub class: usize,
    /// Scans between the last one and this one that were not made.
    pub missed: u64,
}

impl Schedule {
    /// Every class is due at once, at `now`, and from then on at its own times.
    pub fn starting(
        classes: &[ScanClass],
        used: impl Fn(usize) -> bool,
        now: Timestamp,
    ) -> Schedule {
        let slot = |(index, class): (usize, &ScanClass)| Slot {
            period: class.period,
            phase: class.phase,
            next: used(index).then_some(now),
        };
        Schedule { classes: classes.iter().enumerate().map(slot).collect() }
    }

    /// The scans that are due at `now`, fastest class first. They count as begun.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        for (class, slot) in self.classes.iter_mut().enumerate() {
            let Some(next) = slot.next else { continue };
            if next <= now {
                let missed = missed_scans(next, now, slot.period);
                due.push((slot.period, Due { class, missed }));
                slot.next = Some(next_scan(now, slot.period, slot.phase));
            } else if next.since(now) > slot.period {
                // The clock was set back; what was planned by the old one would never come.
                slot.next = Some(next_scan(now, slot.period, slot.phase));
            }
        }
        due.sort_by_key(|(period, due)| (*period, due.class));
        due.into_iter().map(|(_, due)| due).collect()
    }

    /// How long to sleep at `now`; none if nothing is ever due.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let waits = self.classes.iter().filter_map(|slot| {
            let next = slot.next?;
            Some(next.since(now).min(slot.period))
        });
        waits.min()
    }
}

/// The first scan strictly after `now`.
pub fn next_scan(now: Timestamp, period: Duration, phase: Duration) -> Timestamp {
    let period = micros(period).max(1);
    let phase = micros(phase);
    let passed = now.micros().saturating_sub(phase).div_euclid(period);
    Timestamp::from_micros(passed.saturating_add(1).saturating_mul(period).saturating_add(phase))
}

/// How many scans lie after `next` and not after `now`.
fn missed_scans(next: Timestamp, now: Timestamp, period: Duration) -> u64 {
    let late = u64::try_from(now.since(next).as_micros()).unwrap_or(u64::MAX);
    late / u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn class(period: Duration, phase: Duration) -> ScanClass {
        ScanClass { name: "c".into(), period, phase }
    }

    #[test]
    fn scans_lie_on_multiples_of_the_period_plus_phase() {
        let half = Duration::from_millis(500);
        let table = [
            (0.0, SECOND, Duration::ZERO, 1.0),
            (0.9, SECOND, Duration::ZERO, 1.0),
            (1.0, SECOND, Duration::ZERO, 2.0),
            (1.0, SECOND, half, 1.5),
            (1.5, SECOND, half, 2.5),
            (-0.2, SECOND, Duration::ZERO, 0.0),
            (61.0, Duration::from_secs(60), SECOND, 121.0),
        ];
        for (now, period, phase, expected) in table {
            assert_eq!(next_scan(at(now), period, phase), at(expected), "{now} {period:?}");
        }
    }

    #[test]
    fn a_missed_scan_is_counted_and_skipped() {
        let classes = [class(SECOND, Duration::ZERO), class(SECOND * 10, Duration::ZERO)];
        let mut schedule = Schedule::starting(&classes, |_| true, at(0.5));
        let begin = [Due { class: 0, missed: 0 }, Due { class: 1, missed: 0 }];
        assert_eq!(schedule.due(at(0.5)), begin);
        assert_eq!(schedule.due(at(0.9)), []);
        assert_eq!(schedule.wait(at(0.9)), Some(Duration::from_millis(100)));
        assert_eq!(schedule.due(at(1.0)), [Due { class: 0, missed: 0 }]);
        assert_eq!(schedule.due(at(5.2)), [Due { class: 0, missed: 3 }]);
        assert_eq!(schedule.wait(at(5.2)), Some(Duration::from_millis(800)));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_scans() {
        let mut schedule =
            Schedule::starting(&[class(SECOND, Duration::ZERO)], |_| true, at(3600.0));
        assert_eq!(schedule.due(at(3600.0)).len(), 1);
        assert_eq!(schedule.due(at(0.5)), []);
        assert_eq!(schedule.due(at(1.0)).len(), 1);
    }

    #[test]
    fn a_class_without_points_is_never_due() {
        let mut schedule = Schedule::starting(&[class(SECOND, Duration::ZERO)], |_| false, at(0.0));
        assert_eq!(schedule.due(at(9.0)), []);
        assert_eq!(schedule.wait(at(9.0)), None);
    }
}
