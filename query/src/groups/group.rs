//! What the rows of one group come to, as SQL's aggregates count: whatever the quality is.

use std::ops::Range;

use parx_compactor::{Fold, Taking};
use parx_log::{Quality, Rows, Value};

use super::enough::Asks;

/// The rows of one signal in one bucket so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    /// Counts, sums and times; numbers that are not finite only count.
    pub(crate) fold: Fold,
    /// The lowest and the highest number. One that is not a number gives way to the next.
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// The sum of the numbers that are not finite.
    odd: Option<f64>,
    /// The number of the first row and of the last, if they have one.
    pub(crate) first: Option<f64>,
    pub(crate) last: Option<f64>,
    /// The first number and the last.
    pub(crate) first_number: Option<f64>,
    pub(crate) last_number: Option<f64>,
}

impl Group {
    /// Takes the next rows of the signal; how long values hold counts only if it is `weighted`.
    pub(crate) fn push(&mut self, rows: &Rows, range: Range<usize>, weighted: bool) {
        if range.is_empty() {
            return;
        }
        if self.fold.rows == 0 {
            self.first = number(rows, range.start);
        }
        self.last = number(rows, range.end - 1);
        let mut part = Fold::default();
        part.take(rows, range.clone(), Taking { judged: false, weighted });
        self.fold = self.fold.join(&part);
        if part.values == part.good {
            self.ends(&part);
            return;
        }
        for number in range.filter_map(|row| number(rows, row)) {
            self.low = Some(lower(self.low, number));
            self.high = Some(higher(self.high, number));
            self.first_number.get_or_insert(number);
            self.last_number = Some(number);
            if !number.is_finite() {
                self.odd = Some(self.odd.unwrap_or(0.0) + number);
            }
        }
    }

    /// Takes the fold of the next rows of the signal, or of those of them that are not bad.
    pub(crate) fn join(&mut self, part: &Fold, asks: Asks) {
        let part = match asks {
            Asks::All | Asks::Some => *part,
            Asks::Fair => part.fair(),
        };
        let part = &part;
        if part.rows == 0 {
            return;
        }
        let Some((begin, end)) = part.begin.zip(part.end) else { return };
        if self.fold.rows == 0 {
            self.first = begin.number;
        }
        self.last = end.number;
        self.fold = self.fold.join(part);
        self.ends(part);
    }

    /// Takes extremes and ends of rows whose numbers are all usable.
    fn ends(&mut self, part: &Fold) {
        if let (Some(first), Some(last)) = (part.first, part.last) {
            self.low = Some(lower(self.low, part.min));
            self.high = Some(higher(self.high, part.max));
            self.first_number.get_or_insert(first.number);
            self.last_number = Some(last.number);
        }
    }

    /// A group of one row.
    pub(crate) fn of_one(time: i64, number: Option<f64>) -> Group {
        let mut group = Group { first: number, last: number, ..Group::default() };
        group.fold.push(time, number, Quality::GOOD);
        (group.low, group.high) = (number, number);
        (group.first_number, group.last_number) = (number, number);
        group.odd = number.filter(|number| !number.is_finite());
        group
    }

    /// The sum of the numbers; nothing if there are none.
    pub(crate) fn sum(&self) -> Option<f64> {
        let finite = self.fold.sum.value();
        (self.fold.values > 0).then(|| self.odd.map_or(finite, |odd| finite + odd))
    }

    /// The group of these rows and of another signal's; what depends on their order is lost.
    pub(crate) fn beside(mut self, other: &Group) -> Group {
        self.fold.rows += other.fold.rows;
        self.fold.values += other.fold.values;
        self.fold.sum.join(other.fold.sum);
        self.low = other.low.map(|low| lower(self.low, low)).or(self.low);
        self.high = other.high.map(|high| higher(self.high, high)).or(self.high);
        self.odd = match (self.odd, other.odd) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        let ends = [self.fold.begin, other.fold.begin];
        self.fold.begin = ends.into_iter().flatten().min_by_key(|row| row.time);
        let ends = [self.fold.end, other.fold.end];
        self.fold.end = ends.into_iter().flatten().max_by_key(|row| row.time);
        self
    }
}

fn number(rows: &Rows, row: usize) -> Option<f64> {
    rows.value(row).as_ref().and_then(Value::number)
}

/// As the planner's own minimum: whatever is beside NaN takes its place.
fn lower(known: Option<f64>, new: f64) -> f64 {
    known.filter(|known| new >= *known).unwrap_or(new)
}

fn higher(known: Option<f64>, new: f64) -> f64 {
    known.filter(|known| new <= *known).unwrap_or(new)
}
