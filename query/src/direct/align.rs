//! Signals side by side on a grid of time: the value that held at each of its points.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use parx_compactor::{State, Wanted, last_until};
use parx_log::{Rows, SignalId, Snapshot, Timestamp, Value};

use crate::grid::reach;
use crate::reader::Reading;
use crate::spread::{Asker, spread};
use crate::{Engine, ErrorKind, QueryError};

/// How old a sample may be and still hold, where nothing else is said: an hour.
pub const HELD_MAX: Duration = Duration::from_secs(3600);
/// How many values can be asked for at once, points of time by signals.
pub const CELLS_MAX: u64 = 1 << 23;

/// A grid of time, from `from` in steps to before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first point.
    pub from: Timestamp,
    /// No point is at or after it.
    pub to: Timestamp,
    /// From each point to the next; at least a microsecond.
    pub step: Duration,
}

impl Steps {
    /// How many points.
    pub fn count(&self) -> u64 {
        let length = i128::from(self.to.micros()) - i128::from(self.from.micros());
        let length = u128::try_from(length).unwrap_or(0);
        u64::try_from(length.div_ceil(self.step.as_micros().max(1))).unwrap_or(u64::MAX)
    }

    /// A point, in microseconds since 1970.
    pub(crate) fn point(&self, number: u64) -> i64 {
        let since = u128::from(number) * self.step.as_micros().max(1);
        let point = i128::from(self.from.micros()) + i128::try_from(since).unwrap_or(i128::MAX);
        i64::try_from(point).unwrap_or(i64::MAX)
    }
}

/// One signal's values at the points of a grid.
#[derive(Clone, Debug, PartialEq)]
pub enum Aligned {
    /// The number that held.
    Numbers(Vec<Option<f64>>),
    /// The text that held.
    Texts(Vec<Option<Arc<str>>>),
}

impl Engine {
    /// The value of each signal that held at each point of `steps`, in the order of `signals`:
    /// numbers, or texts where the signal is said to be `true` for text. That is the last sample's
    /// at or before the point, and nothing if that sample is older than `held` or not usable.
    pub async fn align(
        &self,
        snapshot: Arc<Snapshot>,
        signals: &[(SignalId, bool)],
        steps: Steps,
        held: Duration,
    ) -> Result<Vec<Aligned>, QueryError> {
        let cells = steps.count().saturating_mul(signals.len() as u64);
        if cells > CELLS_MAX {
            let message = format!("{cells} values are asked for; {CELLS_MAX} are the most");
            return Err(QueryError::new(ErrorKind::OutOfRange, message)
                .hint("take a longer step, a shorter time or fewer signals"));
        }
        let reading =
            Reading { wanted: Wanted::ALL, ..self.before(snapshot, steps.from, steps.to) };
        let work = move |(signal, text), asker: &Asker| match text {
            false => Ok(Aligned::Numbers(column(&reading, signal, (steps, held), number, asker)?)),
            true => Ok(Aligned::Texts(column(&reading, signal, (steps, held), word, asker)?)),
        };
        spread(signals.to_vec(), self.width(), work).try_collect().await
    }
}

/// One signal's values at the points, of which `value` takes one out of a row.
fn column<T: Clone>(
    reading: &Reading,
    signal: SignalId,
    (steps, held): (Steps, Duration),
    value: fn(&Rows, usize) -> Option<T>,
    asker: &Asker,
) -> Result<Vec<Option<T>>, QueryError> {
    let mut column = Column::new(steps, held, value);
    if column.left() > 0
        && let Some(before) = steps.from.micros().checked_sub(1)
    {
        column.push(&last_until(
            &reading.store,
            &reading.snapshot,
            signal,
            before,
            reading.versions,
        )?);
    }
    for block in reading.blocks(signal) {
        asker.check()?;
        column.push(&block?);
    }
    Ok(column.finish())
}

/// Fills the points of a grid from rows that come in the order of time.
struct Column<T> {
    steps: Steps,
    count: u64,
    held: i64,
    value: fn(&Rows, usize) -> Option<T>,
    /// The last row before the next point: its time and its value.
    last: Option<(i64, Option<T>)>,
    points: Vec<Option<T>>,
}

impl<T: Clone> Column<T> {
    fn new(steps: Steps, held: Duration, value: fn(&Rows, usize) -> Option<T>) -> Column<T> {
        let held = i64::try_from(held.as_micros()).unwrap_or(i64::MAX);
        Column { steps, count: steps.count(), held, value, last: None, points: Vec::new() }
    }

    fn left(&self) -> u64 {
        self.count - self.points.len() as u64
    }

    fn push(&mut self, rows: &Rows) {
        let mut row = 0;
        while self.left() > 0 && row < rows.len() {
            let point = self.steps.point(self.points.len() as u64);
            let next = reach(&rows.times, row, point.saturating_add(1));
            if let Some(at) = next.checked_sub(1)
                && next > row
            {
                let time = rows.times.get(at).copied().unwrap_or_default();
                self.last = Some((time, (self.value)(rows, at)));
            }
            if next < rows.len() {
                self.point(point);
            }
            row = next;
        }
    }

    fn point(&mut self, point: i64) {
        let fresh = |time: i64| point.saturating_sub(time) <= self.held;
        let held = self.last.as_ref().filter(|(time, _)| fresh(*time));
        self.points.push(held.and_then(|(_, value)| value.clone()));
    }

    fn finish(mut self) -> Vec<Option<T>> {
        while self.left() > 0 {
            self.point(self.steps.point(self.points.len() as u64));
        }
        self.points
    }
}

/// The number of a row, if it is usable.
fn number(rows: &Rows, row: usize) -> Option<f64> {
    State::of(rows, row)?.number
}

/// The text of a row, or its number in words, if its quality is not bad.
fn word(rows: &Rows, row: usize) -> Option<Arc<str>> {
    let quality = parx_log::Quality(*rows.qualities.get(row)?);
    match rows.value(row).filter(|_| !quality.is_bad())? {
        Value::Text(text) => Some(text),
        other => Some(other.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parx_log::RunKind;

    fn rows(rows: &[(i64, f64, u32)]) -> Rows {
        Rows {
            times: rows.iter().map(|row| row.0).collect(),
            sequences: vec![1; rows.len()],
            qualities: rows.iter().map(|row| row.2).collect(),
            kinds: vec![RunKind::Float; rows.len()],
            bits: rows.iter().map(|row| row.1.to_bits()).collect(),
            texts: vec![],
        }
    }

    fn steps(from: i64, to: i64, step: u64) -> Steps {
        let time = Timestamp::from_micros;
        Steps { from: time(from), to: time(to), step: Duration::from_micros(step) }
    }

    fn aligned(blocks: &[&[(i64, f64, u32)]], steps: Steps, held: u64) -> Vec<Option<f64>> {
        let mut column = Column::new(steps, Duration::from_micros(held), number);
        blocks.iter().for_each(|block| column.push(&rows(block)));
        column.finish()
    }

    #[test]
    fn a_point_has_the_last_value_at_or_before_it() {
        let bad = 0x8000_0000;
        let blocks: &[&[_]] = &[
            &[(5, 0.5, 0)],
            &[(10, 1.0, 0), (19, 2.0, 0), (20, 3.0, 0)],
            &[(35, 4.0, bad), (41, 5.0, 0)],
        ];
        let none = None;
        let table = [
            (steps(10, 60, 10), 100, vec![Some(1.0), Some(3.0), Some(3.0), none, Some(5.0)]),
            (steps(10, 60, 10), 9, vec![Some(1.0), Some(3.0), none, none, Some(5.0)]),
            (steps(0, 11, 5), 100, vec![none, Some(0.5), Some(1.0)]),
            (steps(60, 61, 10), 19, vec![Some(5.0)]),
            (steps(60, 61, 10), 18, vec![none]),
            (steps(10, 10, 10), 100, vec![]),
            (steps(20, 10, 10), 100, vec![]),
        ];
        for (steps, held, expected) in table {
            assert_eq!(aligned(blocks, steps, held), expected, "{steps:?} {held}");
        }
        assert_eq!(aligned(&[], steps(0, 20, 10), 100), [None, None]);
    }

    #[test]
    fn a_grid_at_the_ends_of_time_is_counted() {
        assert_eq!(steps(i64::MIN, i64::MAX, 1).count(), u64::MAX);
        assert_eq!(steps(0, 1, 0).count(), 1);
        assert_eq!(steps(i64::MAX - 5, i64::MAX, 3).point(1), i64::MAX - 2);
        assert_eq!(steps(i64::MAX - 5, i64::MAX, 3).point(9), i64::MAX);
    }
}
