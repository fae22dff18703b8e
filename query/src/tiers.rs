//! Which tier of rollups buckets of time are answered from.
//!
//! Pure. Buckets are known by their marks: two times with one mark are in one bucket, and marks
//! never go back. A fold of the tier stands for its rows where its first and its last microsecond
//! have one mark.

use parx_compactor::{Fold, Tier};

use crate::prune::TimeRange;

/// Folds that are looked at before a tier is taken.
const PROBES: i64 = 64;
/// Out of so many hours or days one may be cut by a border; its rows are read instead. Of minutes
/// none may: the rows of one lie in a page that holds most of the hour around it.
const CUT_MIN: usize = 4;

/// The marks of some times; nothing where there are none.
pub(crate) type Marks<'a> = &'a dyn Fn(&[i64]) -> Option<Vec<i64>>;

/// The widest tier of which borders of buckets within these times cut few folds.
pub(crate) fn tier_within(marks: Marks<'_>, (from, to): TimeRange) -> Option<Tier> {
    Tier::ALL.into_iter().rev().find(|tier| {
        let (width, first) = (tier.micros(), tier.start(from));
        let count = to.saturating_sub(first).div_euclid(width).max(0);
        let step = (count / PROBES).max(1);
        let starts = (0..=count.min(PROBES))
            .map(|probe| first.saturating_add(probe.saturating_mul(step).saturating_mul(width)));
        let starts: Vec<i64> = starts.collect();
        let Some(whole) = whole(marks, &starts, *tier) else { return false };
        let cut = whole.iter().filter(|whole| !**whole).count();
        match tier {
            Tier::Minute => cut == 0,
            Tier::Hour | Tier::Day => cut * CUT_MIN <= starts.len(),
        }
    })
}

/// For each fold of a tier that begins at one of `starts`, whether no border cuts it.
fn whole(marks: Marks<'_>, starts: &[i64], tier: Tier) -> Option<Vec<bool>> {
    let ends: Vec<i64> = starts.iter().map(|at| at.saturating_add(tier.micros() - 1)).collect();
    let (begin, end) = (marks(starts)?, marks(&ends)?);
    Some(begin.iter().zip(&end).map(|(begin, end)| begin == end).collect())
}

/// For each fold, whether it stands for its rows: no border cuts it, and `fits` says so too.
pub(crate) fn stand(
    marks: Marks<'_>,
    folds: &[(i64, Fold)],
    tier: Tier,
    fits: impl Fn(&Fold) -> bool,
) -> Vec<bool> {
    let starts: Vec<i64> = folds.iter().map(|(start, _)| *start).collect();
    let whole = whole(marks, &starts, tier).unwrap_or_default();
    let mut whole = whole.into_iter();
    folds.iter().map(|(_, fold)| whole.next().unwrap_or(false) && fits(fold)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const DAY: i64 = 1440 * MINUTE;

    fn tier(width: i64, origin: i64, times: TimeRange) -> Option<Tier> {
        let marks = |times: &[i64]| {
            Some(times.iter().map(|time| (time - origin).div_euclid(width)).collect())
        };
        tier_within(&marks, times)
    }

    #[test]
    fn the_widest_tier_that_borders_seldom_cut_is_taken() {
        let year = (0, 365 * DAY - 1);
        assert_eq!(tier(DAY, 0, year), Some(Tier::Day));
        assert_eq!(tier(DAY, 90 * MINUTE, year), Some(Tier::Hour), "once a day an hour is cut");
        assert_eq!(tier(60 * MINUTE, 0, year), Some(Tier::Hour));
        assert_eq!(tier(60 * MINUTE, 30 * MINUTE, year), Some(Tier::Minute));
        assert_eq!(tier(5 * MINUTE, 0, year), Some(Tier::Minute));
        assert_eq!(tier(MINUTE / 2, 0, year), None);
        assert_eq!(tier(60 * MINUTE, 7, year), None, "all hours and some minutes are cut");
        assert_eq!(tier(3 * DAY, 7, year), Some(Tier::Hour), "days would be cut too often");
        assert_eq!(tier(9 * DAY, 7, year), Some(Tier::Day));
        let nothing = |_: &[i64]| None;
        assert_eq!(tier_within(&nothing, year), None);
    }

    #[test]
    fn a_fold_that_a_border_cuts_does_not_stand() {
        let marks = |times: &[i64]| Some(times.iter().map(|time| time / (90 * MINUTE)).collect());
        let hours = [0, 60, 120, 180].map(|minutes| (minutes * MINUTE, Fold::default()));
        assert_eq!(stand(&marks, &hours, Tier::Hour, |_| true), [true, false, true, true]);
        assert_eq!(stand(&marks, &hours, Tier::Hour, |_| false), [false; 4]);
    }
}
