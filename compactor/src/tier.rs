//! Tiers of rollups, and which part of a time they can answer for.
//!
//! Pure. A bucket of a tier stands for its rows where every segment that has rows in it has them
//! apart from the others, and nothing was deleted: then the folds of the segments join to what all
//! the rows fold to. Where the rows were let go, the folds that were kept of them stand alone.

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
    /// By folds of whole buckets; else by rows.
    pub(crate) folded: bool,
}

/// Cuts the time `from` to `to` into stretches of whole buckets that folds answer, and the rest.
pub(crate) fn stretches(extents: &[Extent], (from, to): (i64, i64), tier: Tier) -> Vec<Stretch> {
    let width = i128::from(tier.micros());
    let (from, to) = (i128::from(from), i128::from(to));
    // Whole buckets that lie inside, as numbers since 1970.
    let (first, end) = ((from + width - 1).div_euclid(width), (to + 1).div_euclid(width));
    let buckets = |(a, b): (i128, i128)| (a.div_euclid(width), b.div_euclid(width) + 1);
    let inside = |(a, b): (i128, i128)| (a.max(first), b.min(end));
    let kept = extents.iter().filter(|extent| extent.held == Held::Kept);
    let kept = kept.map(|extent| buckets((i128::from(extent.from), i128::from(extent.to))));
    let mut plain: Vec<(i128, i128)> = dirty(extents).into_iter().map(buckets).collect();
    for kept in kept {
        plain = plain.into_iter().flat_map(|cut| without(cut, kept)).collect();
    }
    plain = plain.into_iter().map(inside).filter(|(a, b)| a < b).collect();
    plain.sort_unstable();
    let mut all = Stretches { all: Vec::new(), to };
    let mut at = first;
    if first >= end {
        all.push(from, to + 1, false);
        return all.all;
    }
    all.push(from, first * width, false);
    for (a, b) in plain {
        if a > at {
            all.push(at * width, a * width, true);
        }
        if b > at {
            all.push(a.max(at) * width, b * width, false);
            at = b;
        }
    }
    all.push(at * width, end * width, true);
    all.push(end * width, to + 1, false);
    all.all
}

/// What is left of `(a, b)` beside `kept`, ends not included.
fn without((a, b): (i128, i128), kept: (i128, i128)) -> impl Iterator<Item = (i128, i128)> {
    let parts = [(a, b.min(kept.0)), (a.max(kept.1), b)];
    parts.into_iter().filter(|(a, b)| a < b)
}

struct Stretches {
    all: Vec<Stretch>,
    to: i128,
}

impl Stretches {
    /// Adds what lies from `a` to before `b`, joined with a like one before it.
    fn push(&mut self, a: i128, b: i128, folded: bool) {
        let b = b.min(self.to + 1);
        if a >= b {
            return;
        }
        let (from, to) = (a as i64, (b - 1) as i64);
        match self.all.last_mut() {
            Some(last) if last.folded == folded => last.to = to,
            Some(_) | None => self.all.push(Stretch { from, to, folded }),
        }
    }
}

/// Times in which rows of several sources lie among each other, or rows without folds.
fn dirty(extents: &[Extent]) -> Vec<(i128, i128)> {
    let mut sorted: Vec<&Extent> =
        extents.iter().filter(|extent| extent.held != Held::Kept).collect();
    sorted.sort_unstable_by_key(|extent| (extent.from, extent.to));
    let mut dirty: Vec<(i128, i128)> = Vec::new();
    let mut reach: Option<i64> = None;
    for extent in sorted {
        let shared = reach.filter(|reach| *reach >= extent.from);
        match (extent.held == Held::Folded, shared) {
            (false, _) => dirty.push((i128::from(extent.from), i128::from(extent.to))),
            (true, Some(reach)) => {
                dirty.push((i128::from(extent.from), i128::from(reach.min(extent.to))));
            }
            (true, None) => {}
        }
        reach = reach.max(Some(extent.to));
    }
    dirty
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
    fn buckets_that_sources_share_or_a_deletion_touches_are_read_as_rows() {
        let extent = |from: i64, to: i64, folded| Extent {
            from: from * MINUTE,
            to: to * MINUTE + 5,
            held: if folded { Held::Folded } else { Held::Rows },
        };
        let told = |extents: &[Extent], from: i64, to: i64| -> Vec<(i64, i64, bool)> {
            let all = stretches(extents, (from, to), Tier::Minute);
            all.iter().map(|s| (s.from / MINUTE, (s.to + 1) / MINUTE, s.folded)).collect()
        };
        let whole = (0, 10 * MINUTE - 1);
        let one = extent(0, 9, true);
        assert_eq!(told(&[one], whole.0, whole.1), [(0, 10, true)]);
        assert_eq!(
            told(&[one, extent(3, 4, false)], whole.0, whole.1),
            [(0, 3, true), (3, 5, false), (5, 10, true)]
        );
        assert_eq!(
            told(&[one, extent(9, 12, true)], whole.0, whole.1),
            [(0, 9, true), (9, 10, false)]
        );
        let held = Held::Folded;
        let apart = Extent { from: 9 * MINUTE + 6, to: 12 * MINUTE, held };
        assert_eq!(told(&[one, apart], whole.0, whole.1), [(0, 10, true)], "one after the other");
        assert_eq!(told(&[one], 30_000_000, whole.1 - 5).len(), 3, "cut buckets are rows");
        let kept = Extent { held: Held::Kept, ..extent(2, 4, true) };
        let late = extent(1, 6, false);
        assert_eq!(
            told(&[kept, late], whole.0, whole.1),
            [(0, 1, true), (1, 2, false), (2, 5, true), (5, 7, false), (7, 10, true)],
            "what was kept stands alone"
        );
    }

    proptest! {
        #[test]
        fn q2_stretches_cover_the_time_once_and_folded_ones_are_whole_and_clean(
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
            }
            for stretch in all.iter().filter(|stretch| stretch.folded) {
                prop_assert_eq!(stretch.from % MINUTE, 0);
                prop_assert_eq!((stretch.to + 1) % MINUTE, 0);
                let inside: Vec<&Extent> = extents
                    .iter()
                    .filter(|e| e.from <= stretch.to && e.to >= stretch.from)
                    .collect();
                prop_assert!(inside.iter().all(|extent| extent.held == Held::Folded), "Q2");
                for (place, a) in inside.iter().enumerate() {
                    for b in inside.iter().skip(place + 1) {
                        let (low, high) = (a.from.max(b.from), a.to.min(b.to));
                        let shared = low <= high && low <= stretch.to && high >= stretch.from;
                        prop_assert!(!shared, "Q2: {a:?} {b:?} {stretch:?}");
                    }
                }
            }
        }
    }
}
