//! One signal's rows, in the order of time and sequence, to folds of minutes, hours and days.
//!
//! Pure. Of several rows of one time the last counts. Minutes or hours that hold only a few rows
//! each are left out: there the rows themselves are as quick to read, and folds would cost more
//! room than they. Days are always there, so that a long history of a slow signal is quick to sum
//! up.

use std::ops::Range;

use parx_log::Rows;

use crate::rows::{newest_only, slice};
use crate::{Fold, Tier, append_range};

/// Rows that a bucket holds on average from which on its tier is worth its room.
const BUCKET_ROWS_MIN: u64 = 16;

/// A signal's folds, each with its bucket's start, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folds {
    pub(crate) minutes: Vec<(i64, Fold)>,
    pub(crate) hours: Vec<(i64, Fold)>,
    pub(crate) days: Vec<(i64, Fold)>,
}

impl Folds {
    /// The folds of a tier.
    pub(crate) fn of(&mut self, tier: Tier) -> &mut Vec<(i64, Fold)> {
        match tier {
            Tier::Minute => &mut self.minutes,
            Tier::Hour => &mut self.hours,
            Tier::Day => &mut self.days,
        }
    }

    /// Without the minutes or hours if they hold few rows.
    pub(crate) fn worthy(mut self) -> Folds {
        for tier in Tier::ALL {
            let folds = self.of(tier);
            let rows: u64 = folds.iter().map(|(_, fold)| fold.rows).sum();
            if tier != Tier::Day && rows < folds.len() as u64 * BUCKET_ROWS_MIN {
                folds.clear();
            }
        }
        self
    }
}

/// Folds what is pushed.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    folds: Folds,
    /// Rows of the newest time so far, which the next rows may correct.
    held: Rows,
    minute: Option<(i64, Fold)>,
}

impl Folding {
    /// Takes the next rows.
    pub(crate) fn push(&mut self, rows: &Rows, range: Range<usize>) {
        let mut all = std::mem::take(&mut self.held);
        append_range(&mut all, rows, range);
        let newest = all.times.last().copied();
        let whole = all.times.partition_point(|time| Some(*time) < newest);
        self.held = slice(&all, whole..all.len());
        self.fold(&newest_only(slice(&all, 0..whole)));
    }

    fn fold(&mut self, rows: &Rows) {
        let mut row = 0;
        while let Some(time) = rows.times.get(row) {
            let start = Tier::Minute.start(*time);
            if self.minute.is_none_or(|(known, _)| known != start) {
                self.end_minute();
                self.minute = Some((start, Fold::default()));
            }
            let end = start.saturating_add(Tier::Minute.micros());
            let rest = rows.times.get(row..).unwrap_or_default();
            let next = row + rest.partition_point(|time| *time < end).max(1);
            if let Some((_, fold)) = self.minute.as_mut() {
                fold.push_rows(rows, row..next);
            }
            row = next;
        }
    }

    fn end_minute(&mut self) {
        let Some((start, fold)) = self.minute.take() else { return };
        for tier in Tier::ALL {
            let bucket = tier.start(start);
            let folds = self.folds.of(tier);
            match folds.last_mut() {
                Some((at, known)) if *at == bucket => *known = known.join(&fold),
                Some(_) | None => folds.push((bucket, fold)),
            }
        }
    }

    /// The folds of all that was pushed; begins anew.
    pub(crate) fn finish(&mut self) -> Folds {
        let held = std::mem::take(&mut self.held);
        self.fold(&newest_only(held));
        self.end_minute();
        std::mem::take(&mut self.folds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parx_log::{Quality, RunKind};
    use proptest::prelude::*;

    fn rows(keys: &[(i64, u64)]) -> Rows {
        let mut rows = Rows::default();
        for (place, (time, sequence)) in keys.iter().enumerate() {
            rows.times.push(*time);
            rows.sequences.push(*sequence);
            rows.qualities.push(Quality::GOOD.0);
            rows.kinds.push(RunKind::Float);
            rows.bits.push((place as f64).to_bits());
        }
        rows
    }

    proptest! {
        #[test]
        fn q2_each_bucket_folds_the_newest_row_of_each_of_its_times(
            times in prop::collection::vec(0_i64..200_000_000, 1..80), cut in 0_usize..80,
        ) {
            let mut keys: Vec<(i64, u64)> = times
                .iter()
                .enumerate()
                .map(|(place, time)| (time / 7_000_000 * 7_000_000, place as u64))
                .collect();
            keys.sort_unstable();
            let all = rows(&keys);
            let cut = cut.min(all.len());
            let mut folding = Folding::default();
            folding.push(&all, 0..cut);
            folding.push(&all, cut..all.len());
            let mut folds = folding.finish();
            let newest = newest_only(all);
            for tier in Tier::ALL {
                let known = folds.of(tier).clone();
                let counted: u64 = known.iter().map(|(_, fold)| fold.rows).sum();
                prop_assert_eq!(counted, newest.len() as u64, "Q2");
                for (start, fold) in known {
                    let inside = |time: &i64| tier.start(*time) == start;
                    let first = newest.times.iter().position(inside).unwrap();
                    let count = newest.times.iter().filter(|time| inside(time)).count();
                    let mut expected = Fold::default();
                    expected.push_rows(&newest, first..first + count);
                    prop_assert_eq!(fold.rows, expected.rows, "Q2");
                    prop_assert_eq!((fold.min, fold.max), (expected.min, expected.max), "Q2");
                    prop_assert_eq!(fold.sum.value(), expected.sum.value(), "Q2");
                    prop_assert_eq!((fold.first, fold.last), (expected.first, expected.last));
                    prop_assert_eq!(fold.good_time, expected.good_time, "Q2");
                }
            }
        }
    }

    #[test]
    fn tiers_of_few_rows_are_left_out() {
        let second = |n: i64| (n * 1_000_000, 1);
        let mut folding = Folding::default();
        let slow = rows(&Vec::from_iter((0..200).map(|n| second(n * 30))));
        folding.push(&slow, 0..slow.len());
        let mut folds = folding.finish();
        assert_eq!((folds.minutes.len(), folds.hours.len(), folds.days.len()), (100, 2, 1));
        folds = folds.worthy();
        assert_eq!((folds.minutes.len(), folds.hours.len(), folds.days.len()), (0, 2, 1));
        let fast = rows(&Vec::from_iter((0..200).map(second)));
        folding.push(&fast, 0..fast.len());
        assert_eq!(folding.finish().worthy().minutes.len(), 4);
    }
}
