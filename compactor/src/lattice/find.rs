//! Guesses from numbers alone which lattice they are on: binary and decimal fractions, and the
//! counts of a converter.
//!
//! Nothing here has to be right: whoever uses a lattice looks at the bits of every number.

use super::{Lattice, converter};

/// Of so many numbers one may be off the lattice.
pub(super) const MISSES_ONE_IN: usize = 8;
/// Numbers that follow one another in a sample; about what is packed with one width.
const RUN: usize = 64;
/// Runs of a sample.
const RUNS: usize = 4;
/// More bits than this are no gain over a plain double that is compressed.
const BITS_MAX: f64 = 28.0;
/// So many bits are so few that no better lattice is searched for.
const BITS_FEW: f64 = 2.0;
/// Decimals that are tried.
const DECIMALS_MAX: i32 = 6;

/// The lattice that takes the fewest bits for these numbers, if one does.
pub(super) fn find(numbers: &[f64]) -> Option<Lattice> {
    let sample = sample(numbers);
    let mut best = None;
    let mut consider = |lattice: Lattice| {
        if let Some(bits) = cost(lattice, &sample)
            && best.is_none_or(|(_, least)| bits < least)
        {
            best = Some((lattice, bits));
        }
        best.map_or(f64::INFINITY, |(_, least)| least)
    };
    let mut least = binary(numbers).map_or(f64::INFINITY, &mut consider);
    let binary = least;
    for decimals in 1..=DECIMALS_MAX {
        let scale = 10_f64.powi(decimals);
        let step = 1.0 / scale;
        for divisor in [Some(scale), Some(1.0), None] {
            let step = if divisor == Some(scale) { 1.0 } else { step };
            least = consider(Lattice { base: 0.0, step, divisor });
        }
    }
    if least == binary
        && least > BITS_FEW
        && let Some(lattice) = converter::find(numbers)
    {
        consider(lattice);
    }
    best.filter(|(_, bits)| *bits <= BITS_MAX).map(|(lattice, _)| lattice)
}

/// Runs of numbers from all over.
fn sample(numbers: &[f64]) -> Vec<&[f64]> {
    if numbers.len() <= RUN * RUNS {
        return numbers.chunks(RUN).collect();
    }
    let between = (numbers.len() - RUN) / (RUNS - 1);
    (0..RUNS).filter_map(|run| numbers.get(run * between..run * between + RUN)).collect()
}

/// About how many bits a number takes as steps, none if too many are off the lattice.
fn cost(lattice: Lattice, sample: &[&[f64]]) -> Option<f64> {
    let all: usize = sample.iter().map(|run| run.len()).sum();
    let (mut misses, mut bits) = (0, 0);
    for run in sample {
        let mut last = None;
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for number in *run {
            let Some(steps) = lattice.steps(*number).map(i64::from) else {
                misses += 1;
                if misses > all / MISSES_ONE_IN {
                    return None;
                }
                continue;
            };
            let delta = steps - last.unwrap_or(steps);
            (low, high) = (low.min(delta), high.max(delta));
            last = Some(steps);
        }
        let wide = 64 - high.saturating_sub(low).max(0).leading_zeros() as usize;
        bits += wide * run.len();
    }
    Some((bits + 64 * misses) as f64 / all.max(1) as f64)
}

/// Multiples of the largest power of two that divides them all: whole numbers, and REALs whose
/// exponents are near one another.
fn binary(numbers: &[f64]) -> Option<Lattice> {
    let exponents = numbers.iter().filter(|number| number.is_normal()).map(|number| {
        let bits = number.to_bits();
        let zeros = (bits | 1 << 52).trailing_zeros().cast_signed();
        (bits >> 52 & 0x7FF) as i32 - 1075 + zeros
    });
    let exponent = exponents.min().unwrap_or(0).min(0);
    if exponent < -1000 {
        return None;
    }
    let largest = numbers.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
    let step = 2_f64.powi(exponent);
    // Whole numbers too large for the steps, such as long counters, are counted from the first.
    let far = exponent == 0 && largest > super::STEPS_MAX;
    let base = if far { numbers.first().copied()? } else { 0.0 };
    Some(Lattice { base, step, divisor: Some(1.0) })
}
