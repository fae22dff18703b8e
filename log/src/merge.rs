//! Many blocks of samples to one: what a commit group does with what it gathered.
//!
//! Columns are copied run by run; no row is looked at. It does not check the blocks:
//! `Samples::fits` has done that.

use std::ops::Range;

use crate::{BatchId, Run, RunKind, Samples};

/// One run of one part.
struct Piece {
    run: Run,
    part: usize,
    first: usize,
}

impl Samples {
    /// All `parts` as one: the runs of a signal come together, and keep the order of the parts.
    pub(crate) fn merged(batches: Vec<BatchId>, mut parts: Vec<Samples>) -> Samples {
        if let [one] = parts.as_mut_slice() {
            return Samples { batches, ..std::mem::take(one) };
        }
        let mut pieces = Vec::with_capacity(parts.iter().map(|part| part.runs.len()).sum());
        for (part, samples) in parts.iter().enumerate() {
            let mut first = 0;
            for run in &samples.runs {
                pieces.push(Piece { run: *run, part, first });
                first += run.count;
            }
        }
        // Stable: what came later stays later.
        pieces.sort_by_key(|piece| piece.run.signal);
        let mut merged = Samples { batches, ..Samples::default() };
        merged.reserve(parts.iter().map(Samples::len).sum());
        for piece in pieces {
            if let Some(part) = parts.get(piece.part) {
                merged.push_run(piece.run, part, piece.first);
            }
        }
        merged
    }

    /// Makes room for so many rows more.
    fn reserve(&mut self, rows: usize) {
        self.times.reserve_exact(rows);
        self.qualities.reserve_exact(rows);
        self.bits.reserve_exact(rows);
    }

    /// Appends the run of `from` that begins at its row `first`.
    fn push_run(&mut self, run: Run, from: &Samples, first: usize) {
        let rows = first..first + run.count;
        match self.runs.last_mut() {
            Some(last) if last.signal == run.signal && last.kind == run.kind => {
                last.count += run.count;
            }
            Some(_) | None => self.runs.push(run),
        }
        self.times.extend_from_slice(part(&from.times, &rows));
        self.qualities.extend_from_slice(part(&from.qualities, &rows));
        let bits = part(&from.bits, &rows);
        if run.kind != RunKind::Text {
            return self.bits.extend_from_slice(bits);
        }
        for index in bits {
            self.bits.push(self.texts.len() as u64);
            self.texts.push(from.texts.get(*index as usize).cloned().unwrap_or_default());
        }
    }
}

fn part<'a, T>(column: &'a [T], rows: &Range<usize>) -> &'a [T] {
    column.get(rows.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Quality, Sample, SignalId, Timestamp, Value};

    fn sample() -> impl Strategy<Value = Sample> {
        let value = prop_oneof![
            Just(None),
            any::<i64>().prop_map(|x| Some(Value::Int(x))),
            any::<bool>().prop_map(|x| Some(Value::Bool(x))),
            ".{0,4}".prop_map(|x| Some(Value::Text(x.into()))),
        ];
        (0_u32..4, 0_i64..9, value, any::<u32>()).prop_map(|(signal, time, value, quality)| {
            Sample {
                signal: SignalId(signal),
                time: Timestamp::from_micros(time),
                value,
                quality: Quality(quality),
            }
        })
    }

    proptest! {
        #[test]
        fn parts_become_what_all_their_rows_would_be(
            parts in prop::collection::vec(prop::collection::vec(sample(), 0..20), 0..6),
        ) {
            let all = Samples::from_rows(vec![], parts.concat());
            let parts = parts.into_iter().map(|rows| Samples::from_rows(vec![], rows)).collect();
            let merged = Samples::merged(vec![], parts);
            prop_assert!(merged.fits());
            prop_assert_eq!(merged, all);
        }
    }
}
