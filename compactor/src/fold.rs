//! What a stretch of one signal's samples comes to: counts, extremes, sums, and the time its values
//! held.
//!
//! Pure. A fold depends on the rows of its stretch alone, so that it can be stored and joined with
//! the next. The rules:
//!
//! * A row is *usable* if it has a number that is finite and its quality is not bad. Text, nothing,
//!   NaN and the infinities are not usable.
//! * A usable value holds until the next row, whatever that row is. From a row that is not usable
//!   to the next usable one nothing is known, and that time is not good time.
//! * *Stepped*, the value stays until the next row. *Sloped*, it goes in a straight line to the
//!   next row, and stays if that row is not usable.

mod dense;

use std::ops::Range;

use parx_log::{Quality, Rows};

use crate::Total;
use crate::rows::number;

/// Rows that are taken in one go.
const PART_ROWS: usize = 512;
/// Microseconds of a second.
const SECOND: f64 = 1e6;

/// How a signal is read between two of its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Between {
    /// The value stays until the next sample.
    Stepped,
    /// The value goes in a straight line to the next.
    Sloped,
}

/// A usable value and its time in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub time: i64,
    /// The value.
    pub number: f64,
}

/// What a row says about the time from it on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Its time, in microseconds since 1970.
    pub time: i64,
    /// Its value if it is usable.
    pub number: Option<f64>,
}

impl State {
    /// A row as a fold sees it.
    pub fn new(time: i64, number: Option<f64>, quality: Quality) -> State {
        State { time, number: number.filter(|number| number.is_finite() && !quality.is_bad()) }
    }

    /// One row of `rows`; nothing if there is no such row.
    pub fn of(rows: &Rows, row: usize) -> Option<State> {
        let quality = Quality(*rows.qualities.get(row)?);
        let number = number(*rows.kinds.get(row)?, *rows.bits.get(row)?);
        Some(State::new(*rows.times.get(row)?, number, quality))
    }
}

/// How a fold takes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taking {
    /// Whether their quality counts. If not, all are good.
    pub judged: bool,
    /// Whether it matters how long values hold. If not, integrals and good time tell nothing.
    pub weighted: bool,
}

/// Value times microseconds of the usable rows alone, from the first of them to the last: as
/// integrals, but rows that are not usable are passed over as if they were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Carried {
    /// The value stays until the next usable row.
    pub stepped: Total,
    /// The value goes in a straight line to the next usable row.
    pub sloped: Total,
}

/// What rows of one signal come to, each time once, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// Rows of any quality.
    pub rows: u64,
    /// Rows that have a number, of any quality, finite or not.
    pub values: u64,
    /// Usable rows.
    pub good: u64,
    /// Rows that are not bad, whatever they hold.
    pub fair: u64,
    /// Rows that are not bad and have a number that is not finite.
    pub odd: u64,
    /// The lowest usable value; positive infinity if none is usable. Never negative zero.
    pub min: f64,
    /// The highest usable value; negative infinity if none is usable. Never negative zero.
    pub max: f64,
    /// The sum of the usable values.
    pub sum: Total,
    /// The first usable row.
    pub first: Option<Point>,
    /// The last usable row.
    pub last: Option<Point>,
    /// Value times microseconds from the first row to the last, stepped.
    pub integral_stepped: Total,
    /// Value times microseconds from the first row to the last, sloped.
    pub integral_sloped: Total,
    /// Of the usable rows alone. Unknown in rollups that were written before it was kept, where
    /// some rows are not usable.
    pub carried: Option<Carried>,
    /// Microseconds between the first row and the last for which a value is known.
    pub good_time: i64,
    /// The first row of any quality.
    pub begin: Option<State>,
    /// The last row of any quality.
    pub end: Option<State>,
}

impl Default for Fold {
    fn default() -> Fold {
        Fold {
            rows: 0,
            values: 0,
            good: 0,
            fair: 0,
            odd: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: Total::default(),
            first: None,
            last: None,
            integral_stepped: Total::default(),
            integral_sloped: Total::default(),
            carried: Some(Carried::default()),
            good_time: 0,
            begin: None,
            end: None,
        }
    }
}

impl Fold {
    /// Takes the next row; its time is later than that of the one before.
    pub fn push(&mut self, time: i64, number: Option<f64>, quality: Quality) {
        self.values += u64::from(number.is_some());
        if !quality.is_bad() {
            self.fair += 1;
            self.odd += u64::from(number.is_some_and(|number| !number.is_finite()));
        }
        let row = State::new(time, number, quality);
        self.bridge(row);
        self.rows += 1;
        if let Some(number) = row.number {
            self.good += 1;
            self.min = lower(self.min, number);
            self.max = higher(self.max, number);
            self.sum.add(number);
            let point = Point { time, number };
            self.carry(point);
            self.first.get_or_insert(point);
            self.last = Some(point);
        }
        self.begin.get_or_insert(row);
        self.end = Some(row);
    }

    /// Takes the next rows, as `push` one after another.
    pub fn push_rows(&mut self, rows: &Rows, range: Range<usize>) {
        self.take(rows, range, Taking { judged: true, weighted: true });
    }

    /// Takes the next rows.
    pub fn take(&mut self, rows: &Rows, range: Range<usize>, taking: Taking) {
        // In parts, so that a single row that is not usable costs little.
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + PART_ROWS);
            *self = self.join(&part(rows, start..end, taking));
            start = end;
        }
    }

    /// The fold of these rows and of `later` ones after them. Counts, extremes, first, last and
    /// times are exactly those of all rows folded at once; sums are, but for rounding (see
    /// [`Total`]).
    #[must_use]
    pub fn join(&self, later: &Fold) -> Fold {
        let Some(begin) = later.begin else { return *self };
        let mut joined = *self;
        joined.bridge(begin);
        joined.rows += later.rows;
        joined.values += later.values;
        joined.good += later.good;
        joined.fair += later.fair;
        joined.odd += later.odd;
        joined.min = joined.min.min(later.min);
        joined.max = joined.max.max(later.max);
        joined.sum.join(later.sum);
        if let Some(first) = later.first {
            joined.carry(first);
        }
        joined.carried = joined.carried.zip(later.carried).map(|(mut carried, later)| {
            carried.stepped.join(later.stepped);
            carried.sloped.join(later.sloped);
            carried
        });
        joined.first = self.first.or(later.first);
        joined.last = later.last.or(self.last);
        joined.integral_stepped.join(later.integral_stepped);
        joined.integral_sloped.join(later.integral_sloped);
        joined.good_time = joined.good_time.saturating_add(later.good_time);
        joined.begin = self.begin.or(later.begin);
        joined.end = later.end;
        joined
    }

    /// The mean of the usable values, each weighing the same.
    pub fn average(&self) -> Option<f64> {
        (self.good > 0).then(|| self.sum.value() / self.good as f64)
    }

    /// Value times seconds from the first row to the last; nothing if no row is usable.
    pub fn integral(&self, between: Between) -> Option<f64> {
        (self.good > 0).then(|| self.total(between).value() / SECOND)
    }

    /// The mean of the usable values, each weighing as long as it holds; the last usable one where
    /// none holds for any time.
    pub fn time_average(&self, between: Between) -> Option<f64> {
        mean_over(self.total(between), self.good_time, self.last)
    }

    pub(crate) fn total(&self, between: Between) -> Total {
        match between {
            Between::Stepped => self.integral_stepped,
            Between::Sloped => self.integral_sloped,
        }
    }

    /// The fold of the rows that are not bad alone, so far as that is known: their count, extremes
    /// and sum, and if all of them are usable the rest too.
    #[must_use]
    pub fn fair(&self) -> Fold {
        let mut fair = Fold { rows: self.fair, values: self.good + self.odd, ..*self };
        if let (Some(first), Some(last), Some(carried)) = (self.first, self.last, self.carried)
            && self.fair == self.good
        {
            fair.begin = Some(State { time: first.time, number: Some(first.number) });
            fair.end = Some(State { time: last.time, number: Some(last.number) });
            fair.good_time = last.time.saturating_sub(first.time);
            (fair.integral_stepped, fair.integral_sloped) = (carried.stepped, carried.sloped);
        }
        fair
    }

    /// Adds the time from the last usable row to the next.
    fn carry(&mut self, next: Point) {
        let (Some(last), Some(carried)) = (self.last, self.carried.as_mut()) else { return };
        let lasts = next.time.saturating_sub(last.time).max(0) as f64;
        carried.stepped.add(last.number * lasts);
        carried.sloped.add(middle(last.number, next.number) * lasts);
    }

    /// Adds the time from the last row to `next`.
    fn bridge(&mut self, next: State) {
        let Some(State { time, number: Some(number) }) = self.end else { return };
        let lasts = next.time.saturating_sub(time).max(0);
        self.good_time = self.good_time.saturating_add(lasts);
        self.integral_stepped.add(number * lasts as f64);
        self.integral_sloped.add(middle(number, next.number.unwrap_or(number)) * lasts as f64);
    }
}

/// The mean of a value of which `total` is the integral over `good_time`.
fn mean_over(total: Total, good_time: i64, last: Option<Point>) -> Option<f64> {
    match good_time {
        0 => last.map(|last| last.number),
        time => Some(total.value() / time as f64),
    }
}

/// The fold of a few rows.
fn part(rows: &Rows, range: Range<usize>, taking: Taking) -> Fold {
    let times = rows.times.get(range.clone()).unwrap_or_default();
    let bits = rows.bits.get(range.clone()).unwrap_or_default();
    let kinds = rows.kinds.get(range.clone()).unwrap_or_default();
    let qualities = match taking.judged {
        true => rows.qualities.get(range).unwrap_or_default(),
        false => &[],
    };
    if let Some(fold) = dense::fold(times, bits, kinds, qualities, taking.weighted) {
        return fold;
    }
    let mut fold = Fold::default();
    let mut qualities = qualities.iter().map(|quality| Quality(*quality));
    for ((time, bits), kind) in times.iter().zip(bits).zip(kinds) {
        let quality = qualities.next().unwrap_or(Quality::GOOD);
        fold.push(*time, number(*kind, *bits), quality);
    }
    fold
}

/// Half way from `a` to `b`.
#[inline]
pub(crate) fn middle(a: f64, b: f64) -> f64 {
    a * 0.5 + b * 0.5
}

/// The lower, without the sign of a zero.
#[inline]
fn lower(known: f64, new: f64) -> f64 {
    if new < known { new + 0.0 } else { known }
}

/// The higher, without the sign of a zero.
#[inline]
fn higher(known: f64, new: f64) -> f64 {
    if new > known { new + 0.0 } else { known }
}

#[cfg(test)]
mod tests;
