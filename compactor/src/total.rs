//! A sum that hardly depends on the order in which it is added up.
//!
//! Pure. It is carried in two doubles, the sum and what rounding took from it, about 106 bits in
//! all: parts that are joined in any order come to the same double, but for the rarest cases of a
//! last bit.

/// A sum of doubles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    high: f64,
    low: f64,
}

impl Total {
    /// The sum so far. Not finite once it went beyond the largest double.
    pub fn value(self) -> f64 {
        if self.low.is_finite() { self.high + self.low } else { self.high }
    }

    /// Adds one number.
    #[inline]
    pub fn add(&mut self, number: f64) {
        let (sum, lost) = two_sum(self.high, number);
        self.high = sum;
        self.low += lost;
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Total) {
        self.add(other.high);
        self.low += other.low;
    }
}

impl From<f64> for Total {
    fn from(number: f64) -> Total {
        Total { high: number, low: 0.0 }
    }
}

/// The rounded sum, and what rounding took from it (Knuth).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Sums that are added up side by side, so that a processor takes several numbers at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes<const LANES: usize> {
    high: [f64; LANES],
    low: [f64; LANES],
}

impl<const LANES: usize> Lanes<LANES> {
    pub(crate) fn new() -> Lanes<LANES> {
        Lanes { high: [0.0; LANES], low: [0.0; LANES] }
    }

    /// Adds a number to each.
    #[inline]
    pub(crate) fn add(&mut self, numbers: [f64; LANES]) {
        for ((high, low), number) in self.high.iter_mut().zip(&mut self.low).zip(numbers) {
            let (sum, lost) = two_sum(*high, number);
            *high = sum;
            *low += lost;
        }
    }

    /// All of them together.
    pub(crate) fn total(self) -> Total {
        let mut total = Total::default();
        for (high, low) in self.high.into_iter().zip(self.low) {
            total.join(Total { high, low });
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: impl IntoIterator<Item = f64>) -> Total {
        let mut total = Total::default();
        numbers.into_iter().for_each(|number| total.add(number));
        total
    }

    #[test]
    fn what_rounding_takes_is_not_lost() {
        assert_eq!(sum([1e16, 1.0, -1e16]).value(), 1.0);
        assert_eq!(sum((0..10).map(|_| 0.1)).value(), 1.0);
        let mut joined = sum([1e16, 1.0]);
        joined.join(sum([1.0, -1e16]));
        assert_eq!(joined.value(), 2.0);
        let mut lanes = Lanes::<4>::new();
        lanes.add([1e16, 1.0, -1e16, 0.25]);
        lanes.add([0.25; 4]);
        assert_eq!(lanes.total().value(), 2.25);
    }

    #[test]
    fn a_sum_beyond_the_largest_double_is_infinite() {
        assert_eq!(sum([f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum([f64::MIN, f64::MIN, 1.0]).value(), f64::NEG_INFINITY);
    }
}
