//! Time cut into a number of buckets, and the search for their borders among sorted times.
//!
//! Pure. Times are microseconds since 1970, and a bucket holds its start and not its end.

/// The time from `from` to before `to`, cut into `count` buckets that are alike up to a
/// microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    from: i64,
    to: i64,
    count: u32,
}

impl Grid {
    /// `from` must be before `to`, and `count` at least one.
    pub(crate) fn new(from: i64, to: i64, count: u32) -> Grid {
        Grid { from, to: to.max(from.saturating_add(1)), count: count.max(1) }
    }

    /// Start and end of the bucket of a time that is inside.
    pub(crate) fn bounds(&self, time: i64) -> (i64, i64) {
        let since = i128::from(time) - i128::from(self.from);
        let bucket = since * i128::from(self.count) / self.length();
        (self.border(bucket), self.border(bucket + 1))
    }

    /// The starts of the buckets of some times that are inside, or near.
    pub(crate) fn starts(&self, times: &[i64]) -> Vec<i64> {
        times.iter().map(|time| self.bounds(*time).0).collect()
    }

    fn length(&self) -> i128 {
        i128::from(self.to) - i128::from(self.from)
    }

    /// The first microsecond of a bucket.
    fn border(&self, bucket: i128) -> i64 {
        let count = i128::from(self.count);
        let since = (bucket * self.length() + count - 1).div_euclid(count);
        (i128::from(self.from) + since) as i64
    }
}

/// The first place at or behind `start` whose time is not before `bound`: quick where it is near.
pub(crate) fn reach(times: &[i64], start: usize, bound: i64) -> usize {
    let rest = times.get(start..).unwrap_or_default();
    let mut width = 1;
    while rest.get(width - 1).is_some_and(|time| *time < bound) {
        width *= 2;
    }
    let low = width / 2;
    let near = rest.get(low..width.min(rest.len())).unwrap_or_default();
    start + low + near.partition_point(|time| *time < bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_time_lies_in_one_bucket_and_buckets_follow_each_other(
            from in any::<i64>(), length in 1_i64..1 << 40, count in 1_u32..5000, at in 0.0..1.0,
        ) {
            let to = from.saturating_add(length);
            prop_assume!(to > from);
            let grid = Grid::new(from, to, count);
            let time = from + ((to - from - 1) as f64 * at) as i64;
            let (start, end) = grid.bounds(time);
            prop_assert!(start <= time && time < end, "{start} {time} {end}");
            prop_assert!(start == from || grid.bounds(start - 1).1 == start);
            prop_assert!(end == to || grid.bounds(end).0 == end);
            if (to - from) % i64::from(count) == 0 {
                prop_assert_eq!(end - start, (to - from) / i64::from(count));
            }
        }

        #[test]
        fn q2_a_border_is_found_as_by_looking_at_each(
            mut times in prop::collection::vec(0_i64..100, 0..80),
            start in 0_usize..90,
            bound in -1_i64..101,
        ) {
            times.sort_unstable();
            let start = start.min(times.len());
            let plain = times[start..].iter().position(|time| *time >= bound);
            let expected = plain.map_or(times.len(), |place| start + place);
            prop_assert_eq!(reach(&times, start, bound), expected, "Q2");
        }
    }

    #[test]
    fn the_whole_of_time_can_be_cut() {
        let grid = Grid::new(i64::MIN, i64::MAX, 2);
        assert_eq!(grid.bounds(i64::MIN), (i64::MIN, 0));
        assert_eq!(grid.bounds(i64::MAX - 1), (0, i64::MAX));
    }
}
