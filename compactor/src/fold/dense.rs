//! Rows that are all usable doubles, folded several at a time: what most of a plant's history is.
//!
//! Pure. Gives what the rows give one after another, but for the rounding of sums.

use parx_log::{Quality, RunKind};

use super::{Fold, Point, State, higher, lower, middle};
use crate::Total;
use crate::total::Lanes;

/// Numbers that are taken side by side.
const LANES: usize = 4;
/// 2^52: differences of time below it become doubles by their bits alone.
const TIME_SPAN: i64 = 1 << 52;

/// The fold of rows that are all usable doubles, several at a time; nothing if they are not.
pub(super) fn fold(
    times: &[i64],
    bits: &[u64],
    kinds: &[RunKind],
    qualities: &[u32],
) -> Option<Fold> {
    let (begin, end) = (*times.first()?, *times.last()?);
    let bad = |quality: &u32| u32::from(Quality(*quality).is_bad());
    let plain = kinds.iter().fold(true, |all, kind| all & (*kind == RunKind::Float))
        && qualities.iter().fold(0, |any, quality| any | bad(quality)) == 0
        && bits.iter().fold(true, |all, bits| all & f64::from_bits(*bits).is_finite())
        && end.checked_sub(begin).is_some_and(|span| (0..TIME_SPAN).contains(&span));
    if !plain {
        return None;
    }
    let (min, max, sum) = extremes(bits);
    let (integral_stepped, integral_sloped) = integrals(times, bits);
    let point = |time: i64, bits: Option<&u64>| {
        let number = f64::from_bits(bits.copied().unwrap_or_default());
        Point { time, number }
    };
    let (first, last) = (point(begin, bits.first()), point(end, bits.last()));
    let state = |point: Point| State { time: point.time, number: Some(point.number) };
    let count = times.len() as u64;
    Some(Fold {
        rows: count,
        values: count,
        good: count,
        min,
        max,
        sum,
        first: Some(first),
        last: Some(last),
        integral_stepped,
        integral_sloped,
        good_time: end - begin,
        begin: Some(state(first)),
        end: Some(state(last)),
    })
}

/// The lowest, the highest and the sum of finite doubles.
fn extremes(bits: &[u64]) -> (f64, f64, Total) {
    let (mut lows, mut highs) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut sums = Lanes::<LANES>::new();
    let (chunks, rest) = bits.as_chunks::<LANES>();
    for chunk in chunks {
        let numbers = chunk.map(f64::from_bits);
        for ((low, high), number) in lows.iter_mut().zip(&mut highs).zip(numbers) {
            *low = if number < *low { number } else { *low };
            *high = if number > *high { number } else { *high };
        }
        sums.add(numbers);
    }
    let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, sums.total());
    lows.into_iter().for_each(|low| min = lower(min, low));
    highs.into_iter().for_each(|high| max = higher(max, high));
    for number in rest.iter().map(|bits| f64::from_bits(*bits)) {
        (min, max) = (lower(min, number), higher(max, number));
        sum.add(number);
    }
    (min, max, sum)
}

/// Value times microseconds of finite doubles from each row to the next, stepped and sloped.
fn integrals(times: &[i64], bits: &[u64]) -> (Total, Total) {
    let after = times.get(1..).unwrap_or_default();
    let next = bits.get(1..).unwrap_or_default();
    let (mut stepped, mut sloped) = (Lanes::<LANES>::new(), Lanes::<LANES>::new());
    let (after, after_rest) = after.as_chunks::<LANES>();
    let (next, next_rest) = next.as_chunks::<LANES>();
    let whole = after.len() * LANES;
    let chunks = times.as_chunks::<LANES>().0.iter().zip(bits.as_chunks::<LANES>().0);
    for ((times, bits), (after, next)) in chunks.zip(after.iter().zip(next)) {
        let (mut areas, mut slopes) = ([0.0; LANES], [0.0; LANES]);
        let ends = times.iter().zip(bits).zip(after.iter().zip(next));
        for ((area, slope), (begin, end)) in areas.iter_mut().zip(&mut slopes).zip(ends) {
            (*area, *slope) = areas_between(begin, end);
        }
        stepped.add(areas);
        sloped.add(slopes);
    }
    let (mut stepped, mut sloped) = (stepped.total(), sloped.total());
    let begins = times.get(whole..).unwrap_or_default().iter();
    let begins = begins.zip(bits.get(whole..).unwrap_or_default());
    for (begin, end) in begins.zip(after_rest.iter().zip(next_rest)) {
        let (area, slope) = areas_between(begin, end);
        stepped.add(area);
        sloped.add(slope);
    }
    (stepped, sloped)
}

/// Value times microseconds from one row to the next, stepped and sloped.
#[inline]
fn areas_between((time, bits): (&i64, &u64), (after, next): (&i64, &u64)) -> (f64, f64) {
    let (number, lasts) = (f64::from_bits(*bits), small_to_double(after - time));
    (number * lasts, middle(number, f64::from_bits(*next)) * lasts)
}

/// A number from 0 to 2^52 as a double; compilers know no vector instruction for it.
#[inline]
fn small_to_double(number: i64) -> f64 {
    let exponent = 2_f64.powi(52);
    f64::from_bits(exponent.to_bits() | number.cast_unsigned()) - exponent
}
