//! Numbers as whole steps on a lattice. What came from a converter or has few decimals is
//! `base + steps * step`, and whole steps pack into far fewer bytes than doubles.
//!
//! Pure. Bits decide: a number that does not come back exactly as it was stays a plain double.
//! Which lattice fits is for `find` to guess; a bad guess costs bytes and nothing else.

mod converter;
mod find;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, RecordBatch,
};
use arrow::datatypes::{Float64Type, Int32Type};
use parx_log::{Rows, RunKind};

/// Most steps from the base.
const STEPS_MAX: f64 = i32::MAX as f64;
/// Added and taken away again, this leaves the nearest whole number.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Where numbers lie: `(base + steps * step) / divisor`, or, without a divisor, the 32-bit REAL
/// that is nearest to `base + steps * step`. Every operation rounds as IEEE 754 says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lattice {
    base: f64,
    step: f64,
    divisor: Option<f64>,
}

impl Lattice {
    /// The number so many steps from the base.
    fn at(&self, steps: i32) -> f64 {
        let place = self.base + f64::from(steps) * self.step;
        match self.divisor {
            Some(divisor) => place / divisor,
            None => f64::from(place as f32),
        }
    }

    /// How many steps a number is from the base, if that tells every bit of it. Minus zero, NaN,
    /// infinities and what is below the normal numbers are on no lattice.
    fn steps(&self, number: f64) -> Option<i32> {
        let place = self.divisor.map_or(number, |divisor| number * divisor);
        let steps = (place - self.base) / self.step + ROUND - ROUND;
        let ordinary = match self.divisor {
            Some(_) => number.is_normal(),
            None => (number as f32).is_normal(),
        };
        let inside = steps.abs() <= STEPS_MAX && (ordinary || number.to_bits() == 0);
        let steps = steps as i32;
        (inside && self.at(steps).to_bits() == number.to_bits()).then_some(steps)
    }
}

/// The steps of rows, and the lattice that each row's steps are on.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    steps: Vec<Option<i32>>,
    runs: Vec<(Option<Lattice>, usize)>,
}

impl Placed {
    /// Steps of the rows; none where the number is plain, or no number.
    pub(crate) fn steps(&self) -> &[Option<i32>] {
        &self.steps
    }

    /// True if no row is on a lattice.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.iter().all(|(lattice, _)| lattice.is_none())
    }

    /// Adds rows that are on none.
    pub(crate) fn leave(&mut self, count: usize) {
        self.steps.extend(std::iter::repeat_n(None, count));
        self.runs.push((None, count));
    }

    /// Columns for the file: steps, base, step and divisor.
    pub(crate) fn columns(&self) -> [ArrayRef; 4] {
        let part = |of: fn(&Lattice) -> Option<f64>| {
            let mut column = Float64Builder::with_capacity(self.steps.len());
            for (lattice, count) in &self.runs {
                match lattice.as_ref().and_then(of) {
                    Some(number) => column.append_value_n(number, *count),
                    None => column.append_nulls(*count),
                }
            }
            Arc::new(column.finish()) as ArrayRef
        };
        [
            Arc::new(Int32Array::from_iter(self.steps.iter().copied())),
            part(|lattice| Some(lattice.base)),
            part(|lattice| Some(lattice.step)),
            part(|lattice| lattice.divisor),
        ]
    }
}

/// Finds lattices for the numbers of one signal, block by block, and keeps to one as long as it
/// holds.
#[derive(Debug, Default)]
pub(crate) struct Search {
    lattice: Option<Lattice>,
    /// Searches that found nothing since the last that did.
    misses: u32,
    /// Blocks that are still left alone after them.
    pause: u32,
}

/// After a search that found nothing a block is left alone, after the next two, and so on up to
/// these.
const PAUSE_MAX: u32 = 16;

impl Search {
    /// Appends the steps of some rows to `placed`.
    pub(crate) fn place(&mut self, rows: &Rows, range: Range<usize>, placed: &mut Placed) {
        let count = range.len();
        let kinds = rows.kinds.get(range.clone()).unwrap_or_default();
        let bits = rows.bits.get(range).unwrap_or_default();
        let numbers = || kinds.iter().zip(bits).map(|(kind, bits)| number(*kind, *bits));
        let steps = |lattice: Lattice| {
            let steps = numbers().map(|number| lattice.steps(number?)).collect::<Vec<_>>();
            let hits = steps.iter().flatten().count();
            (lattice, steps, hits)
        };
        let all = numbers().flatten().count();
        let known = self.lattice.map(steps);
        let holds = all == 0 || known.as_ref().is_some_and(|(_, _, hits)| *hits == all);
        let searches = !holds && self.pause == 0;
        let found = match searches {
            true => find::find(&numbers().flatten().collect::<Vec<_>>()).map(steps),
            false => None,
        };
        let best = [known, found].into_iter().flatten().max_by_key(|(_, _, hits)| *hits);
        let worth = |(_, _, hits): &(Lattice, Vec<Option<i32>>, usize)| {
            *hits > 0 && all - *hits <= all / find::MISSES_ONE_IN
        };
        let (lattice, steps) = match best.filter(worth) {
            Some((lattice, steps, _)) => (Some(lattice), steps),
            None => (None, vec![None; count]),
        };
        (self.misses, self.pause) = match (searches, lattice) {
            (false, _) => (self.misses, self.pause.saturating_sub(1)),
            (true, Some(_)) => (0, 0),
            (true, None) => (self.misses + 1, (1 << self.misses.min(8)).min(PAUSE_MAX)),
        };
        self.lattice = lattice.or(self.lattice);
        placed.steps.extend(steps);
        placed.runs.push((lattice, count));
    }
}

/// A number that may be on a lattice: whole ones have a column of their own.
pub(crate) fn number(kind: RunKind, bits: u64) -> Option<f64> {
    match kind {
        RunKind::Float => Some(f64::from_bits(bits)),
        RunKind::Bool => Some(if bits == 0 { 0.0 } else { 1.0 }),
        RunKind::None | RunKind::Int | RunKind::Text => None,
    }
}

/// The numbers of a batch, plain or on a lattice, from the columns of them that were read; 0 where
/// there is none.
pub(crate) fn numbers(batch: &RecordBatch) -> Result<Vec<f64>, &'static str> {
    let plain = match batch.column_by_name("value") {
        Some(column) => column.as_primitive_opt::<Float64Type>().map(|c| c.values().to_vec()),
        None => Some(Vec::new()),
    };
    let mut numbers = plain.ok_or("value has another type")?;
    numbers.resize(batch.num_rows(), 0.0);
    let Some(steps) = batch.column_by_name("steps") else { return Ok(numbers) };
    let column = steps.as_primitive_opt::<Int32Type>().ok_or("steps have another type")?;
    let part = |name: &str| {
        let column = batch.column_by_name(name).ok_or("a column of the lattice is missing")?;
        column.as_primitive_opt::<Float64Type>().ok_or("a column of the lattice is no double")
    };
    let whole = column.null_count() == 0;
    let (base, step, divisor) = (part("base")?, part("step")?, part("divisor")?);
    let lattice = |row: usize| {
        let part = |column: &Float64Array| column.is_valid(row).then(|| column.value(row));
        Some(Lattice { base: part(base)?, step: part(step)?, divisor: part(divisor) })
    };
    let alike = [base, step, divisor].into_iter().all(alike);
    let mut first = 0;
    while first < numbers.len() {
        let on = lattice(first);
        let more = (first + 1..numbers.len()).take_while(|row| lattice(*row) == on);
        let end = if alike { numbers.len() } else { first + 1 + more.count() };
        let run = first..end;
        first = run.end;
        let (Some(lattice), Some(into)) = (on, numbers.get_mut(run.clone())) else { continue };
        let taken = column.values().get(run.clone()).unwrap_or_default();
        for ((number, steps), row) in into.iter_mut().zip(taken).zip(run) {
            if whole || column.is_valid(row) {
                *number = lattice.at(*steps);
            }
        }
    }
    Ok(numbers)
}

/// True if a column has one value in all rows, or none in any.
fn alike(column: &Float64Array) -> bool {
    let first = column.values().first().map(|first| first.to_bits());
    let same = || column.values().iter().all(|value| Some(value.to_bits()) == first);
    column.null_count() == column.len() || (column.null_count() == 0 && same())
}

/// Which rows of a batch are on a lattice.
pub(crate) fn on_lattice(batch: &RecordBatch) -> Vec<bool> {
    match batch.column_by_name("steps") {
        Some(steps) => (0..batch.num_rows()).map(|row| steps.is_valid(row)).collect(),
        None => vec![false; batch.num_rows()],
    }
}

#[cfg(test)]
mod tests;
