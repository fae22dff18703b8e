//! Handling of one signal's rows in columns: cutting, joining, and the newest of each time.
//!
//! `Rows` is the log's; what only segments and queries need of it stands here.

use std::ops::Range;

use parx_log::{Rows, RunKind};

/// Appends the rows `range` of `from` to `to`.
pub fn append_range(to: &mut Rows, from: &Rows, range: Range<usize>) {
    if !from.texts.is_empty() {
        range.for_each(|row| to.push_from(from, row));
        return;
    }
    to.times.extend_from_slice(part(&from.times, &range));
    to.sequences.extend_from_slice(part(&from.sequences, &range));
    to.qualities.extend_from_slice(part(&from.qualities, &range));
    to.kinds.extend_from_slice(part(&from.kinds, &range));
    to.bits.extend_from_slice(part(&from.bits, &range));
}

fn part<'a, T>(column: &'a [T], range: &Range<usize>) -> &'a [T] {
    column.get(range.clone()).unwrap_or_default()
}

/// The rows `range`, as rows of their own.
pub(crate) fn slice(rows: &Rows, range: Range<usize>) -> Rows {
    let mut cut = Rows::default();
    append_range(&mut cut, rows, range);
    cut
}

/// Of rows in the order of time and sequence, the last of each time. The rows must be whole: no
/// later piece may begin with the time that this one ends with.
pub fn newest_only(rows: Rows) -> Rows {
    let stays = |row: usize| rows.times.get(row) != rows.times.get(row + 1);
    if (0..rows.len()).all(stays) {
        return rows;
    }
    let mut kept = Rows::default();
    for row in (0..rows.len()).filter(|row| stays(*row)) {
        kept.push_from(&rows, row);
    }
    kept
}

/// The same rows, the last first.
pub fn reversed(rows: &Rows) -> Rows {
    let mut reversed = Rows::default();
    (0..rows.len()).rev().for_each(|row| reversed.push_from(rows, row));
    reversed
}

/// The number that SQL's `value` shows for a row: booleans are 0 and 1, text is none.
pub(crate) fn number(kind: RunKind, bits: u64) -> Option<f64> {
    match kind {
        RunKind::Float => Some(f64::from_bits(bits)),
        RunKind::Int => Some(bits as i64 as f64),
        RunKind::Bool => Some(if bits == 0 { 0.0 } else { 1.0 }),
        RunKind::None | RunKind::Text => None,
    }
}
