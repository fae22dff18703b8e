//! Rows that are all usable doubles, folded in one go: what most of a plant's history is.
//!
//! Pure. Gives what the rows give one after another.

use parx_log::{Quality, RunKind};

use super::{Carried, Fold, Point, State, higher, lower, middle};
use crate::Total;

/// The fold of rows that are all usable doubles; nothing if they are not. Without `weighted` the
/// integrals and the good time stay zero. Rows without a quality are good.
pub(super) fn fold(
    times: &[i64],
    bits: &[u64],
    kinds: &[RunKind],
    qualities: &[u32],
    weighted: bool,
) -> Option<Fold> {
    let (begin, end) = (*times.first()?, *times.last()?);
    let bad = |quality: &u32| u32::from(Quality(*quality).is_bad());
    let plain = kinds.iter().fold(true, |all, kind| all & (*kind == RunKind::Float))
        && qualities.iter().fold(0, |any, quality| any | bad(quality)) == 0;
    if !plain {
        return None;
    }
    let (min, max, sum) = extremes(bits);
    // A number that is not finite shows in the sum, and so does a sum that grew too large.
    if !sum.value().is_finite() {
        return None;
    }
    let state = |time: i64, bits: Option<&u64>| {
        let number = f64::from_bits(bits.copied().unwrap_or_default());
        (Point { time, number }, State { time, number: Some(number) })
    };
    let ((first, begins), (last, ends)) = (state(begin, bits.first()), state(end, bits.last()));
    let count = times.len() as u64;
    let mut fold = Fold {
        rows: count,
        values: count,
        good: count,
        fair: count,
        min,
        max,
        sum,
        first: Some(first),
        last: Some(last),
        begin: Some(begins),
        end: Some(ends),
        ..Fold::default()
    };
    if weighted {
        fold.good_time = end.saturating_sub(begin);
        let (stepped, sloped) = integrals(times, bits);
        (fold.integral_stepped, fold.integral_sloped) = (stepped, sloped);
        fold.carried = Some(Carried { stepped, sloped });
    }
    Some(fold)
}

/// The lowest, the highest and the sum of doubles.
fn extremes(bits: &[u64]) -> (f64, f64, Total) {
    let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, Total::default());
    for number in bits.iter().map(|bits| f64::from_bits(*bits)) {
        (min, max) = (lower(min, number), higher(max, number));
        sum.add(number);
    }
    (min, max, sum)
}

/// Value times microseconds of finite doubles from each row to the next, stepped and sloped.
fn integrals(times: &[i64], bits: &[u64]) -> (Total, Total) {
    let (mut stepped, mut sloped) = (Total::default(), Total::default());
    let mut rows = times.iter().zip(bits);
    let Some((mut time, mut number)) = rows.next().map(|(t, b)| (*t, f64::from_bits(*b))) else {
        return (stepped, sloped);
    };
    for (next_time, next) in rows {
        let next = f64::from_bits(*next);
        let lasts = next_time.saturating_sub(time).max(0) as f64;
        stepped.add(number * lasts);
        sloped.add(middle(number, next) * lasts);
        (time, number) = (*next_time, next);
    }
    (stepped, sloped)
}
