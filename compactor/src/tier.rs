//! Tiers of rollups, and which part of a time they can answer for.
//!
//! Pure. A segment's fold of a bucket stands for its rows there, if no other source has rows among
//! them, none of them was deleted and all are asked for: then folds, and the rows of other sources
//! before and behind, join to what all the rows fold to. Where the rows were let go, the folds that
//! were kept of them stand alone.

/// Widths in which a signal's history is kept folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl Tier {
    /// All, the narrowest first.
    pub const ALL: [Tier; 3] = [Tier::Minute, Tier::Hour, Tier::Day];

    /// Seconds of a bucket.
    pub fn seconds(self) -> i32 {
        match self {
            Tier::Minute => 60,
            Tier::Hour => 3600,
            Tier::Day => 86_400,
        }
    }

    /// Microseconds of a bucket. Buckets begin at whole multiples of it since 1970.
    pub fn micros(self) -> i64 {
        i64::from(self.seconds()) * 1_000_000
    }

    /// The start of the bucket of a time.
    pub fn start(self, time: i64) -> i64 {
        time.div_euclid(self.micros()).saturating_mul(self.micros())
    }

    /// The last microsecond of the bucket of a time.
    pub fn end(self, time: i64) -> i64 {
        self.start(time).saturating_add(self.micros() - 1)
    }

    /// The widest tier whose buckets these borders never cut.
    pub fn within(borders: impl IntoIterator<Item = i64>) -> Option<Tier> {
        let mut tier = Some(Tier::Day);
        for border in borders {
            while let Some(wide) = tier.filter(|tier| border.rem_euclid(tier.micros()) != 0) {
                tier = wide.narrower();
            }
            tier?;
        }
        tier
    }

    fn narrower(self) -> Option<Tier> {
        match self {
            Tier::Minute => None,
            Tier::Hour => Some(Tier::Minute),
            Tier::Day => Some(Tier::Hour),
        }
    }
}

/// What there is of the rows of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The rows alone.
    Rows,
    /// The rows, and folds of them.
    Folded,
    /// Folds alone.
    Kept,
}

/// Times that rows of one source span, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) held: Held,
}

/// A part of a time, both ends included, and how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// By folds; else by rows. What a source has in a bucket is in one stretch as a whole.
    pub(crate) folded: bool,
}

/// Cuts the time `from` to `to` into stretches that folds answer, and the rest.
pub(crate) fn stretches(extents: &[Extent], (from, to): (i64, i64), tier: Tier) -> Vec<Stretch> {
    let mut by_rows = mixed(extents);
    // What is not asked for is left out of a fold no more than what lies among other rows.
    by_rows.extend(from.checked_sub(1).map(|end| (i64::MIN, end)));
    by_rows.extend(to.checked_add(1).map(|start| (start, i64::MAX)));
    let mut by_rows = united(by_rows);
    let folded = extents.iter().filter(|extent| extent.held == Held::Folded);
    let grown: Vec<_> = folded.flat_map(|extent| cut_buckets(extent, &by_rows, tier)).collect();
    by_rows.extend(grown);
    for kept in extents.iter().filter(|extent| extent.held == Held::Kept) {
        if let Some(kept) = kept_within(kept, (from, to), tier) {
            by_rows = by_rows.into_iter().flat_map(|cut| without(cut, kept)).collect();
        }
    }
    let mut all = Vec::new();
    let mut next = Some(from);
    for (a, b) in united(by_rows) {
        let (a, b) = (a.max(from), b.min(to));
        let Some(start) = next.filter(|_| a <= b) else { continue };
        if start < a {
            all.push(Stretch { from: start, to: a - 1, folded: true });
        }
        all.push(Stretch { from: a, to: b, folded: false });
        next = b.checked_add(1).filter(|next| *next <= to);
    }
    all.extend(next.map(|from| Stretch { from, to, folded: true }));
    all
}

/// Of the times of a source, the buckets that `by_rows` cuts, which is sorted and apart.
fn cut_buckets(extent: &Extent, by_rows: &[(i64, i64)], tier: Tier) -> Vec<(i64, i64)> {
    let first = by_rows.partition_point(|(_, end)| *end < extent.from);
    let cuts = by_rows.iter().skip(first).take_while(|(start, _)| *start <= extent.to);
    let bucket = |(start, end): &(i64, i64)| {
        let (start, end) = ((*start).max(extent.from), (*end).min(extent.to));
        (tier.start(start).max(extent.from), tier.end(end).min(extent.to))
    };
    cuts.map(bucket).collect()
}

/// The buckets of what was kept that lie in the time `from` to `to` as a whole.
fn kept_within(kept: &Extent, (from, to): (i64, i64), tier: Tier) -> Option<(i64, i64)> {
    let (mut start, mut end) = (tier.start(kept.from), tier.end(kept.to));
    if start < from {
        start = if tier.start(from) == from { from } else { tier.end(from).checked_add(1)? };
    }
    if end > to {
        end = if tier.end(to) == to { to } else { tier.start(to).checked_sub(1)? };
    }
    (start <= end).then_some((start, end))
}

/// What is left of a time beside `kept`.
fn without((a, b): (i64, i64), kept: (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    let before = kept.0.checked_sub(1).map(|end| (a, b.min(end)));
    let behind = kept.1.checked_add(1).map(|start| (a.max(start), b));
    [before, behind].into_iter().flatten().filter(|(a, b)| a <= b)
}

/// Times sorted, those that share any made one.
fn united(mut times: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    times.sort_unstable();
    let mut united: Vec<(i64, i64)> = Vec::new();
    for (start, end) in times {
        match united.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            Some(_) | None => united.push((start, end)),
        }
    }
    united
}

/// Times in which rows of several sources lie among each other, or rows without folds.
fn mixed(extents: &[Extent]) -> Vec<(i64, i64)> {
    let mut sorted: Vec<&Extent> =
        extents.iter().filter(|extent| extent.held != Held::Kept).collect();
    sorted.sort_unstable_by_key(|extent| (extent.from, extent.to));
    let mut mixed: Vec<(i64, i64)> = Vec::new();
    let mut reach: Option<i64> = None;
    for extent in sorted {
        let shared = reach.filter(|reach| *reach >= extent.from);
        match (extent.held == Held::Folded, shared) {
            (false, _) => mixed.push((extent.from, extent.to)),
            (true, Some(reach)) => mixed.push((extent.from, reach.min(extent.to))),
            (true, None) => {}
        }
        reach = reach.max(Some(extent.to));
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn the_widest_tier_that_no_border_cuts_is_taken() {
        let (hour, day) = (60 * MINUTE, 1440 * MINUTE);
        let table: [(&[i64], Option<Tier>); 6] = [
            (&[0, day, 2 * day], Some(Tier::Day)),
            (&[0, hour, -day], Some(Tier::Hour)),
            (&[5 * MINUTE, hour], Some(Tier::Minute)),
            (&[0, 30 * MINUTE], Some(Tier::Minute)),
            (&[0, 1], None),
            (&[-1], None),
        ];
        for (borders, expected) in table {
            assert_eq!(Tier::within(borders.iter().copied()), expected, "{borders:?}");
        }
    }

    #[test]
    fn buckets_in_which_rows_lie_among_each_other_are_read_as_rows() {
        let extent = |from: i64, to: i64, folded| Extent {
            from: from * MINUTE,
            to: to * MINUTE + 5,
            held: if folded { Held::Folded } else { Held::Rows },
        };
        let told = |extents: &[Extent], from: i64, to: i64| -> Vec<(i64, i64, bool)> {
            let all = stretches(extents, (from, to), Tier::Minute);
            all.iter().map(|s| (s.from, s.to, s.folded)).collect()
        };
        let at = |minute: i64| minute * MINUTE;
        let whole = (0, at(10) - 1);
        let one = extent(0, 9, true);
        assert_eq!(told(&[one], whole.0, whole.1), [(0, at(10) - 1, true)]);
        assert_eq!(
            told(&[one, extent(3, 4, false)], whole.0, whole.1),
            [(0, at(3) - 1, true), (at(3), at(5) - 1, false), (at(5), at(10) - 1, true)]
        );
        assert_eq!(
            told(&[one, extent(9, 12, true)], whole.0, whole.1),
            [(0, at(9) - 1, true), (at(9), at(10) - 1, false)]
        );
        let held = Held::Folded;
        let behind = Extent { from: at(9) + 6, to: at(10) - 1, held };
        assert_eq!(told(&[one, behind], whole.0, whole.1), [(0, at(10) - 1, true)]);
        let tail = Extent { held: Held::Rows, ..behind };
        assert_eq!(
            told(&[one, tail], whole.0, whole.1),
            [(0, at(9) + 5, true), (at(9) + 6, at(10) - 1, false)],
            "rows behind a fold leave it alone"
        );
        assert_eq!(
            told(&[one], 30_000_000, at(9) + 2),
            [(30_000_000, at(1) - 1, false), (at(1), at(9) - 1, true), (at(9), at(9) + 2, false)],
            "buckets that are asked for in part"
        );
        assert_eq!(
            told(&[one], -30_000_000, at(9) + 5),
            [(-30_000_000, at(9) + 5, true)],
            "all rows of the buckets are asked for"
        );
        let kept = Extent { held: Held::Kept, ..extent(2, 4, true) };
        let late = extent(1, 6, false);
        assert_eq!(
            told(&[kept, late], whole.0, whole.1),
            [
                (0, at(1) - 1, true),
                (at(1), at(2) - 1, false),
                (at(2), at(5) - 1, true),
                (at(5), at(6) + 5, false),
                (at(6) + 6, at(10) - 1, true)
            ],
            "what was kept stands alone"
        );
        assert_eq!(
            told(&[kept, late], at(2) + 1, at(5) - 2),
            [(at(2) + 1, at(3) - 1, false), (at(3), at(4) - 1, true), (at(4), at(5) - 2, false)],
            "as a whole only"
        );
        let ends = Extent { from: i64::MIN, to: i64::MAX, held };
        assert_eq!(told(&[ends], i64::MIN, i64::MAX), [(i64::MIN, i64::MAX, true)]);
    }

    proptest! {
        #[test]
        fn q2_stretches_cover_the_time_once_and_folds_are_whole_and_alone(
            extents in prop::collection::vec((0_i64..2000, 0_i64..400, any::<bool>()), 0..6),
            from in 0_i64..1500, length in 0_i64..1500,
        ) {
            let unit = MINUTE / 10;
            let extents: Vec<Extent> = extents
                .iter()
                .map(|(from, n, folded)| Extent {
                    from: from * unit,
                    to: (from + n) * unit,
                    held: if *folded { Held::Folded } else { Held::Rows },
                })
                .collect();
            let (from, to) = (from * unit, (from + length) * unit);
            let all = stretches(&extents, (from, to), Tier::Minute);
            prop_assert_eq!(all.first().map(|s| s.from), Some(from));
            prop_assert_eq!(all.last().map(|s| s.to), Some(to));
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].to + 1, pair[1].from);
                prop_assert!(pair[0].folded != pair[1].folded);
            }
            for (place, extent) in extents.iter().enumerate() {
                for stretch in all.iter().filter(|stretch| stretch.folded) {
                    let (a, b) = (extent.from.max(stretch.from), extent.to.min(stretch.to));
                    if a > b {
                        continue;
                    }
                    prop_assert_eq!(extent.held, Held::Folded, "Q2: rows are no folds");
                    for bucket in (Tier::Minute.start(a)..=b).step_by(MINUTE as usize) {
                        let start = bucket.max(extent.from);
                        let end = Tier::Minute.end(bucket).min(extent.to);
                        let whole = stretch.from <= start && end <= stretch.to;
                        prop_assert!(whole, "Q2: {extent:?} {bucket} is cut in {all:?}");
                        let others = extents.iter().enumerate().filter(|(at, _)| *at != place);
                        for (_, other) in others {
                            let alone = other.to < start || other.from > end;
                            prop_assert!(alone, "Q2: {extent:?} {other:?} {bucket}");
                        }
                    }
                }
            }
        }
    }
}
