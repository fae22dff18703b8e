//! How often small groups are written: seldom enough to spare the disk, at once where that is free.
//!
//! A commit costs the disk pages, however few rows it holds. So commits of few rows are paid for
//! with credit, which grows by one commit a linger: over a longer time there are no more of them
//! than if each waited for the whole linger, but who comes after a quiet time does not wait at all.
//! A group of many rows is worth its commit and is free.
//! It only counts; waiting is the committer's.

use std::time::{Duration, Instant};

/// Rows from which on a group is worth a commit of its own: their bytes fill a page.
pub const WORTH_ROWS: usize = 512;
/// Most commits that a quiet time saves up.
pub const SAVED_COMMITS_MAX: u32 = 2_000;

/// The credit for commits of few rows.
#[derive(Debug)]
pub(crate) struct Pace {
    /// What a commit costs.
    linger: Duration,
    credit: Duration,
    /// Up to when credit is counted.
    at: Instant,
}

impl Pace {
    /// Full of credit.
    pub(crate) fn new(linger: Duration, now: Instant) -> Pace {
        Pace { linger, credit: linger.saturating_mul(SAVED_COMMITS_MAX), at: now }
    }

    /// How long a group of `rows` has to wait for company; not at all if it is `urgent`.
    pub(crate) fn wait(&mut self, rows: usize, urgent: bool, now: Instant) -> Duration {
        self.grow(now);
        if urgent || rows >= WORTH_ROWS {
            return Duration::ZERO;
        }
        self.linger.saturating_sub(self.credit)
    }

    /// Counts the commit of a group of `rows`.
    pub(crate) fn spend(&mut self, rows: usize, now: Instant) {
        self.grow(now);
        if rows < WORTH_ROWS {
            self.credit = self.credit.saturating_sub(self.linger);
        }
    }

    fn grow(&mut self, now: Instant) {
        let most = self.linger.saturating_mul(SAVED_COMMITS_MAX);
        self.credit = self.credit.saturating_add(now.saturating_duration_since(self.at)).min(most);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    /// Commits of `rows` rows, each as early as it may be, until `end`.
    fn commits(pace: &mut Pace, rows: usize, start: Instant, end: Duration) -> u32 {
        let (mut count, mut now) = (0, start);
        while now < start + end {
            now += pace.wait(rows, false, now);
            pace.spend(rows, now);
            now += Duration::from_millis(1); // the commit itself
            count += 1;
        }
        count
    }

    #[test]
    fn small_commits_are_free_after_a_quiet_time_and_seldom_in_the_long_run() {
        let start = Instant::now();
        let mut pace = Pace::new(LINGER, start);
        assert_eq!(pace.wait(1, false, start), Duration::ZERO, "the first does not wait");
        let first = commits(&mut pace, 1, start, Duration::from_secs(1));
        assert!(first > 900, "nor do those after it: {first}");
        let minute = start + Duration::from_secs(1);
        let long = commits(&mut pace, 1, minute, Duration::from_secs(60));
        let fair = 60_000 / 5 + SAVED_COMMITS_MAX;
        assert!(long <= fair, "no more than one a linger and what was saved: {long}");
        let wait = pace.wait(1, false, minute + Duration::from_secs(60));
        assert!(wait <= LINGER, "nobody waits longer than the linger: {wait:?}");
    }

    #[test]
    fn who_brings_much_or_is_urgent_never_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(LINGER, start);
        (0..=SAVED_COMMITS_MAX).for_each(|_| pace.spend(1, start));
        assert_eq!(pace.wait(1, false, start), LINGER);
        assert_eq!(pace.wait(WORTH_ROWS, false, start), Duration::ZERO);
        assert_eq!(pace.wait(1, true, start), Duration::ZERO);
        pace.spend(WORTH_ROWS, start + LINGER);
        assert_eq!(pace.wait(1, false, start + LINGER), Duration::ZERO, "much is free");
        let mut pace = Pace::new(Duration::ZERO, start);
        (0..10).for_each(|_| pace.spend(1, start));
        assert_eq!(pace.wait(1, false, start), Duration::ZERO, "without linger nobody waits");
    }
}
