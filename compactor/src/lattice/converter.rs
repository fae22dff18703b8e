//! Guesses the counts of an analog to digital converter behind scaled numbers:
//! `low + count * (span / counts)`, as doubles or rounded to 32-bit REALs.
//!
//! The step is found from the gaps between levels. Where range and counts turn out to be numbers
//! that somebody would choose, they are taken: then the numbers come out as they were computed.
//! Otherwise, of REALs, the line is taken that is furthest from the edges of what rounds to them.

use super::Lattice;

/// Numbers that the line is laid through.
const POOL: usize = 2048;
/// Levels that a line needs.
const LEVELS_MIN: usize = 3;
/// The smallest gap may be so many steps.
const GAP_STEPS_MAX: u32 = 4;
/// Most steps from the lowest to the highest level.
const STEPS_MAX: f64 = 4_194_304.0;
/// A line is searched for so often with more levels.
const ROUNDS: usize = 4;
/// Exchanges of one search.
const EXCHANGES_MAX: usize = 100;
/// Numbers so many times smaller than the largest count as next to zero.
const ZERO: f64 = 8192.0;
/// Counts that converters have from end to end.
const COUNTS: [f64; 22] = [
    255.0, 256.0, 1023.0, 1024.0, 4095.0, 4096.0, 8191.0, 8192.0, 16_383.0, 16_384.0, 32_767.0,
    32_768.0, 65_535.0, 65_536.0, 1000.0, 4000.0, 10_000.0, 16_000.0, 20_000.0, 27_648.0, 32_000.0,
    64_000.0,
];
/// The low end of a range is a whole number up to this, above or below zero.
const LOW_MAX: i32 = 1000;

/// A level: how many steps it is above the lowest, and how far the line may pass it by.
#[derive(Clone, Copy, Debug)]
struct Level {
    steps: f64,
    number: f64,
    half: f64,
}

/// The lattice of a converter that explains these numbers, if one does.
pub(super) fn find(numbers: &[f64]) -> Option<Lattice> {
    let stride = numbers.len().div_ceil(POOL).max(1);
    let mut pool: Vec<f64> = numbers.iter().step_by(stride).copied().collect();
    let reals = pool.iter().all(|number| f64::from(*number as f32) == *number);
    let half = if reals { half_of_real } else { half_of_double };
    let mut found = None;
    for _ in 0..ROUNDS {
        pool.retain(|number| number.is_finite());
        pool.sort_unstable_by(f64::total_cmp);
        pool.dedup();
        let Some(levels) = levels(&pool, half) else { break };
        let Some((low, step)) = line(&levels) else { break };
        let tidy = tidy(low, step, reals, &levels);
        let rough = reals.then_some(Lattice { base: low, step, divisor: None });
        let Some(lattice) = tidy.or(rough) else { break };
        found = Some(lattice);
        let missed = numbers.iter().filter(|number| lattice.steps(**number).is_none());
        let missed: Vec<f64> = missed.copied().take(POOL).collect();
        if missed.is_empty() || tidy.is_some() {
            break;
        }
        pool.extend(missed);
    }
    found
}

fn half_of_real(number: f64) -> f64 {
    power_below(number, 24)
}

/// Computed in several operations, each of which rounds.
fn half_of_double(number: f64) -> f64 {
    power_below(number, 51)
}

/// Two to the power of the exponent of `number`, less `bits`.
fn power_below(number: f64, bits: i32) -> f64 {
    let exponent = (number.to_bits() >> 52 & 0x7FF) as i32 - 1023;
    2_f64.powi((exponent - bits).max(-1000))
}

/// How many steps each of some ascending numbers is above the first; none if there is no step that
/// explains them all.
fn levels(numbers: &[f64], half: fn(f64) -> f64) -> Option<Vec<Level>> {
    if numbers.len() < LEVELS_MIN {
        return None;
    }
    let largest = numbers.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
    let (gaps, slack) = (numbers.windows(2), 2.0 * half(largest));
    let gap = gaps.filter_map(|two| Some(two.last()? - two.first()?)).min_by(f64::total_cmp)?;
    (1..=GAP_STEPS_MAX).find_map(|steps| {
        let steps = f64::from(steps);
        assign(numbers, half, largest, ((gap - slack) / steps, (gap + slack) / steps))
    })
}

/// The same for a step that is known to be between two bounds, which each level narrows.
fn assign(
    numbers: &[f64],
    half: fn(f64) -> f64,
    largest: f64,
    (mut least, mut most): (f64, f64),
) -> Option<Vec<Level>> {
    let (first, wide) = (*numbers.first()?, 2.0 * half(largest));
    let mut levels = Vec::with_capacity(numbers.len());
    for number in numbers {
        let (from, to) = (number - first - wide, number - first + wide);
        if least <= 0.0 || least > most || to / least > STEPS_MAX {
            return None;
        }
        let steps = (from / most).ceil().max(0.0);
        if steps + 1.0 <= to / least || steps > to / least {
            return None;
        }
        if steps > 0.0 {
            (least, most) = (least.max(from / steps), most.min(to / steps));
        }
        // Next to zero REALs lie closer than a line can tell.
        let half = half(*number).max(wide / ZERO);
        levels.push(Level { steps, number: *number, half });
    }
    Some(levels)
}

/// The line through levels, as the number at no steps and what a step adds, that keeps furthest
/// from the edges: three levels at a time are exchanged until none is further off than they are.
fn line(levels: &[Level]) -> Option<(f64, f64)> {
    let mut three = [*levels.first()?, *levels.get(levels.len() / 2)?, *levels.last()?];
    let mut found = None;
    for _ in 0..EXCHANGES_MAX {
        let [a, b, c] = three;
        let (along, beyond) = (b.steps - a.steps, c.steps - a.steps);
        let (up, above) = (b.number - a.number, c.number - a.number);
        let whole = along * (c.half - a.half) + beyond * (b.half + a.half);
        let step = (up * (c.half - a.half) + above * (b.half + a.half)) / whole;
        let level = (along * above - beyond * up) / whole;
        let low = a.number - step * a.steps - level * a.half;
        if !(low.is_finite() && step > 0.0) {
            break;
        }
        found = Some((low, step));
        let off = |one: &Level| (one.number - low - step * one.steps) / one.half;
        let worst = levels.iter().max_by(|x, y| off(x).abs().total_cmp(&off(y).abs()))?;
        if off(worst).abs() <= 0.999 || off(worst).abs() <= level.abs() * 1.000_001 {
            break;
        }
        let like_outer = (off(worst) > 0.0) == (level > 0.0);
        three = match (worst.steps, like_outer) {
            (at, true) if at < b.steps => [*worst, b, c],
            (at, false) if at < a.steps => [*worst, a, b],
            (at, false) if at < c.steps => [a, *worst, c],
            (_, true) => [a, b, *worst],
            (_, false) => [b, c, *worst],
        };
    }
    found
}

/// The lattice whose range somebody chose, if one explains every level.
fn tidy(low: f64, step: f64, reals: bool, levels: &[Level]) -> Option<Lattice> {
    let divisor = (!reals).then_some(1.0);
    let last = levels.last()?;
    let first = levels.first()?;
    // How far off the slope can be.
    let vague = (first.half + last.half) / last.steps / step;
    for counts in COUNTS {
        let span = step * counts;
        let chosen = (span * 100.0).round() / 100.0;
        if chosen <= 0.0 || (chosen / span - 1.0).abs() > 2.0 * vague {
            continue;
        }
        let step = chosen / counts;
        for base in (0..=LOW_MAX).flat_map(|low| [f64::from(low), -f64::from(low)]) {
            let steps = (low - base) / step;
            let off = (steps - steps.round()).abs();
            if off * step > 4.0 * first.half.max(last.half) || steps.abs() > 2.0 * counts {
                continue;
            }
            let lattice = Lattice { base, step, divisor };
            if levels.iter().all(|level| lattice.steps(level.number).is_some()) {
                return Some(lattice);
            }
        }
    }
    None
}
