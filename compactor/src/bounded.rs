//! A bucket of time with its borders: what the samples before and after it say about its inside.
//!
//! Pure. The time from the last row before the bucket to its first row counts from the bucket's
//! start on, and the time from its last row to the first row after it counts up to the bucket's
//! end, by the rules of `fold`. After the very last sample of a signal nothing is known: that time
//! is not good time.

use crate::fold::{Between, Fold, SECOND, State, mean_over};

/// What a bucket comes to over its whole length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// The mean of the value over the good time; of a usable value that holds for no time, that
    /// value.
    pub time_average: Option<f64>,
    /// Value times seconds over the good time; nothing if no value is known.
    pub integral: Option<f64>,
    /// Microseconds for which a value is known.
    pub good_time: i64,
}

/// What the bucket from `from` to before `to` comes to. `fold` is of its rows, `before` is the
/// signal's last row before `from` and `after` its first at or after `to`, of any quality.
pub fn bounded(
    fold: &Fold,
    (from, to): (i64, i64),
    before: Option<State>,
    after: Option<State>,
    between: Between,
) -> Bounded {
    let mut total = fold.total(between);
    let mut good_time = fold.good_time;
    let edges = match (fold.begin, fold.end) {
        (Some(begin), Some(end)) => [(before, Some(begin)), (Some(end), after)],
        _ => [(before, after), (None, None)],
    };
    for (a, b) in edges {
        if let (Some(a), Some(b)) = (a, b) {
            let (area, time) = part(a, b, (from, to), between);
            total.add(area);
            good_time = good_time.saturating_add(time);
        }
    }
    let known = fold.good > 0 || good_time > 0;
    Bounded {
        time_average: mean_over(total, good_time, fold.last),
        integral: known.then(|| total.value() / SECOND),
        good_time,
    }
}

/// Value times microseconds, and the microseconds, that lie between two rows that follow each other
/// and inside the bucket.
fn part(a: State, b: State, (from, to): (i64, i64), between: Between) -> (f64, i64) {
    let (start, end) = (a.time.max(from), b.time.min(to));
    let lasts = end.saturating_sub(start);
    let Some(number) = a.number.filter(|_| lasts > 0) else { return (0.0, 0) };
    let mean = match (between, b.number) {
        (Between::Sloped, Some(next)) => {
            let length = b.time.saturating_sub(a.time) as f64;
            let middle = start.saturating_sub(a.time) as f64 + lasts as f64 * 0.5;
            let share = middle / length;
            number * (1.0 - share) + next * share
        }
        (Between::Stepped, _) | (Between::Sloped, None) => number,
    };
    (mean * lasts as f64, lasts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parx_log::Quality;

    const BAD: Option<f64> = None;

    fn state(row: (i64, Option<f64>)) -> State {
        State { time: row.0, number: row.1 }
    }

    /// Rows of one signal, the bucket from 100 to 200 s, and what it comes to over how many seconds.
    fn check(rows: &[(i64, Option<f64>)], stepped: (Option<f64>, i64), sloped: Option<f64>) {
        let mut fold = Fold::default();
        let second = |rows: &(i64, Option<f64>)| (rows.0 * 1_000_000, rows.1);
        let rows: Vec<_> = rows.iter().map(second).collect();
        let (from, to) = (100_000_000, 200_000_000);
        for (time, number) in rows.iter().filter(|row| (from..to).contains(&row.0)) {
            fold.push(*time, *number, Quality::GOOD);
        }
        let before = rows.iter().rfind(|row| row.0 < from).copied().map(state);
        let after = rows.iter().find(|row| row.0 >= to).copied().map(state);
        let get = |between| bounded(&fold, (from, to), before, after, between);
        let (a, b) = (get(Between::Stepped), get(Between::Sloped));
        assert_eq!((a.integral, a.good_time / 1_000_000), stepped, "stepped {rows:?}");
        assert_eq!((b.integral, b.good_time), (sloped, a.good_time), "sloped {rows:?}");
        for bounded in [a, b].iter().filter(|bounded| bounded.good_time > 0) {
            let mean = bounded.integral.unwrap() * 1e6 / bounded.good_time as f64;
            assert_eq!(bounded.time_average, Some(mean), "{rows:?}");
        }
    }

    #[test]
    fn a_bucket_knows_what_holds_over_its_borders() {
        // Across both borders.
        check(
            &[(50, Some(2.0)), (150, Some(4.0)), (250, Some(6.0))],
            (Some(300.0), 100),
            Some(400.0),
        );
        // Nothing inside: held or sloped right through.
        check(&[(50, Some(2.0)), (250, Some(4.0))], (Some(200.0), 100), Some(300.0));
        // A row on the start belongs to it, one on the end to the next.
        check(
            &[(0, Some(9.0)), (100, Some(1.0)), (200, Some(3.0))],
            (Some(100.0), 100),
            Some(200.0),
        );
        // Bad before: nothing is known until the first usable row.
        check(&[(50, BAD), (150, Some(4.0)), (200, Some(4.0))], (Some(200.0), 50), Some(200.0));
        // A bad row ends a stretch; towards it the value stays.
        check(
            &[(50, Some(1.0)), (150, BAD), (180, Some(2.0)), (190, Some(4.0)), (300, BAD)],
            (Some(110.0), 70),
            Some(120.0),
        );
        // After the last sample nothing is known, before the first neither.
        check(&[(120, Some(2.0)), (140, Some(4.0))], (Some(40.0), 20), Some(60.0));
        check(&[(50, Some(2.0))], (None, 0), None);
        check(&[(250, Some(2.0))], (None, 0), None);
        check(&[], (None, 0), None);
        // One last row inside holds for no time and is still known.
        check(&[(50, BAD), (150, Some(4.0))], (Some(0.0), 0), Some(0.0));
    }

    #[test]
    fn a_value_that_holds_for_no_time_is_its_own_average() {
        let mut fold = Fold::default();
        fold.push(150, Some(4.0), Quality::GOOD);
        let alone = bounded(&fold, (100, 200), None, None, Between::Stepped);
        assert_eq!((alone.time_average, alone.good_time), (Some(4.0), 0));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let fold = Fold::default();
        let (before, after) = (state((i64::MIN, Some(1.0))), state((i64::MAX, Some(1.0))));
        let whole = (i64::MIN, i64::MAX);
        let got = bounded(&fold, whole, Some(before), Some(after), Between::Sloped);
        assert!((got.time_average.unwrap() - 1.0).abs() < 1e-9);
    }
}
