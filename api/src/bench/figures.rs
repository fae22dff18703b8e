//! What measurements come down to: percentiles and slopes.
//!
//! Pure.

use std::time::Duration;

use serde::Serialize;

/// How a set of durations is spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them are no longer.
    pub p50: f64,
    /// Nineteen of twenty are no longer.
    pub p95: f64,
    /// Ninety-nine of a hundred are no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// The spread of `durations`, each percentile being one of them (nearest rank); none of none.
    pub fn of(mut durations: Vec<Duration>) -> Option<Spread> {
        durations.sort_unstable();
        let last = durations.len().checked_sub(1)?;
        let at = |share: f64| {
            let rank = (share * durations.len() as f64).ceil() as usize;
            let duration = durations.get(rank.saturating_sub(1).min(last));
            duration.map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
        };
        Some(Spread { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: at(1.0) })
    }
}

/// The median of numbers, one of them (nearest rank); none of none.
pub fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().checked_sub(1)? / 2).copied()
}

/// The line through points, by least squares: how much `y` grows with each unit of `x`. None for
/// fewer than two different `x`.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let with = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>();
    let square = points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    (square > 0.0).then(|| with / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let millis = |range: std::ops::RangeInclusive<u64>| range.map(Duration::from_millis);
        let table = [
            (millis(1..=100).collect(), Some([50.0, 95.0, 99.0, 100.0])),
            (millis(1..=2).rev().collect(), Some([1.0, 2.0, 2.0, 2.0])),
            (millis(7..=7).collect(), Some([7.0; 4])),
            (vec![], None),
        ];
        for (durations, expected) in table {
            let got = Spread::of(durations).map(|s| [s.p50, s.p95, s.p99, s.max]);
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_slope_is_that_of_the_line_through_the_points() {
        type Case = (&'static [(f64, f64)], Option<f64>);
        let table: [Case; 4] = [
            (&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], Some(2.0)),
            (&[(0.0, 4.0), (5.0, 4.0)], Some(0.0)),
            (&[(1.0, 1.0), (1.0, 2.0)], None),
            (&[], None),
        ];
        for (points, expected) in table {
            assert_eq!(slope(points), expected, "{points:?}");
        }
    }
}
