//! Columns of the hot tail: chunks that never move, and values that seldom change.
//!
//! They only grow. They know nothing of samples.

use std::ops::Range;

/// Values of a chunk; only a column's first chunk may hold fewer while it grows.
const CHUNK: usize = 1024;

/// A column in chunks, so that growing copies nothing and little room is left unused.
#[derive(Debug)]
pub(crate) struct Chunked<T>(Vec<Vec<T>>);

impl<T> Default for Chunked<T> {
    fn default() -> Chunked<T> {
        Chunked(Vec::new())
    }
}

impl<T: Copy> Chunked<T> {
    pub(crate) fn extend(&mut self, mut values: &[T]) {
        while !values.is_empty() {
            let room = self.0.last().map_or(0, |chunk| CHUNK - chunk.len());
            if room == 0 {
                let first = self.0.is_empty();
                self.0.push(Vec::with_capacity(if first { 0 } else { CHUNK }));
                continue;
            }
            let (now, later) = values.split_at(room.min(values.len()));
            if let Some(chunk) = self.0.last_mut() {
                chunk.extend_from_slice(now);
            }
            values = later;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().flatten().copied()
    }

    pub(crate) fn get(&self, row: usize) -> Option<T> {
        self.0.get(row / CHUNK)?.get(row % CHUNK).copied()
    }

    /// Appends the values of `rows` to `out`.
    pub(crate) fn copy(&self, rows: &Range<usize>, out: &mut Vec<T>) {
        out.reserve(rows.len());
        let mut row = rows.start;
        while row < rows.end {
            let from = row % CHUNK;
            let to = CHUNK.min(from + rows.end - row);
            let Some(values) = self.0.get(row / CHUNK).and_then(|chunk| chunk.get(from..to)) else {
                return;
            };
            out.extend_from_slice(values);
            row += to - from;
        }
    }
}

/// A column whose values seldom change: each value with the row before which it ends.
#[derive(Debug)]
pub(crate) struct Stretches<T>(Vec<(u32, T)>);

impl<T> Default for Stretches<T> {
    fn default() -> Stretches<T> {
        Stretches(Vec::new())
    }
}

impl<T: Copy + PartialEq> Stretches<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |(end, _)| *end as usize)
    }

    /// How many times the value changes.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, value: T, count: usize) {
        if count == 0 {
            return;
        }
        let end = u32::try_from(self.len() + count).unwrap_or(u32::MAX);
        match self.0.last_mut() {
            Some((last, same)) if *same == value => *last = end,
            Some(_) | None => self.0.push((end, value)),
        }
    }

    /// Appends the values of `rows` to `out`, each as `told` says.
    pub(crate) fn copy<U: Clone>(
        &self,
        rows: &Range<usize>,
        out: &mut Vec<U>,
        told: impl Fn(T) -> U,
    ) {
        out.reserve(rows.len());
        let mut row = rows.start;
        let first = self.0.partition_point(|(end, _)| *end as usize <= row);
        for (end, value) in self.0.iter().skip(first) {
            let to = rows.end.min(*end as usize);
            out.resize(out.len() + to.saturating_sub(row), told(*value));
            row = to;
            if row >= rows.end {
                return;
            }
        }
    }

    /// The row before which the values that fulfil `holds` end; they must all come first.
    pub(crate) fn end_of(&self, holds: impl Fn(T) -> bool) -> usize {
        let at = self.0.partition_point(|(_, value)| holds(*value));
        at.checked_sub(1).and_then(|last| self.0.get(last)).map_or(0, |(end, _)| *end as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_columns_give_back_what_they_were_given(
            parts in prop::collection::vec((0_u8..3, 0_usize..700), 0..9),
            from in 0_usize..5000, count in 0_usize..5000,
        ) {
            let (mut chunked, mut stretches) = (Chunked::default(), Stretches::default());
            let mut plain = Vec::new();
            for (value, count) in parts {
                let values: Vec<usize> = (0..count).collect();
                chunked.extend(&values);
                stretches.push(value, count);
                plain.extend(values.into_iter().map(|i| (i, value)));
            }
            let rows = from.min(plain.len())..(from + count).min(plain.len());
            let (mut left, mut right) = (Vec::new(), Vec::new());
            chunked.copy(&rows, &mut left);
            stretches.copy(&rows, &mut right, |value| value);
            let both: Vec<_> = left.into_iter().zip(right).collect();
            prop_assert_eq!(&both[..], &plain[rows]);
            for row in [from, plain.len()] {
                prop_assert_eq!(chunked.get(row), plain.get(row).map(|(i, _)| *i));
            }
        }
    }

    #[test]
    fn the_end_of_what_comes_first_is_found() {
        let mut column = Stretches::default();
        for (value, count) in [(1_u64, 3), (2, 1), (5, 4), (6, 0)] {
            column.push(value, count);
        }
        for (through, end) in [(0, 0), (1, 3), (2, 4), (4, 4), (5, 8), (9, 8)] {
            assert_eq!(column.end_of(|value| value <= through), end, "{through}");
        }
    }
}
