//! Runs of a signal: from when to when a condition holds, sample after sample.

use std::sync::Arc;

use datafusion::arrow::buffer::BooleanBuffer;
use futures::TryStreamExt;
use parx_log::{Signal, SignalId, Snapshot, Timestamp};

use crate::condition::Condition;
use crate::reader::Reading;
use crate::spread::{Asker, spread};
use crate::{Engine, ErrorKind, QueryError};

/// How many runs an answer can have.
pub const RUNS_MAX: usize = 1 << 20;

/// Samples that follow each other and for all of which a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Time of its first sample.
    pub start: Timestamp,
    /// Time of its last sample.
    pub end: Timestamp,
    /// How many there are.
    pub samples: u64,
}

impl Engine {
    /// The runs of a signal from `from` to before `to` in which `condition` holds, in the order of
    /// time.
    pub async fn runs(
        &self,
        snapshot: Arc<Snapshot>,
        signal: SignalId,
        (from, to): (Timestamp, Timestamp),
        condition: Condition,
    ) -> Result<Vec<Run>, QueryError> {
        let Some(signal) = snapshot.catalog.signal(signal).cloned() else { return Ok(Vec::new()) };
        let reading = Reading { wanted: condition.wanted(), ..self.before(snapshot, from, to) };
        let work = move |signal, asker: &Asker| runs(&reading, &signal, &condition, asker);
        let runs: Vec<Vec<Run>> = spread(vec![signal], 1, work).try_collect().await?;
        Ok(runs.into_iter().flatten().collect())
    }
}

fn runs(
    reading: &Reading,
    signal: &Arc<Signal>,
    condition: &Condition,
    asker: &Asker,
) -> Result<Vec<Run>, QueryError> {
    let mut runs = Runs::default();
    for block in reading.blocks(signal.id) {
        asker.check()?;
        let pieces = vec![(signal.clone(), block?)];
        let holds = condition.holds(&pieces)?;
        pieces.iter().for_each(|(_, rows)| runs.push(&rows.times, &holds));
        if runs.done.len() > RUNS_MAX {
            let message = format!("there are more than {RUNS_MAX} runs");
            return Err(QueryError::new(ErrorKind::OutOfRange, message)
                .hint("ask for a shorter time, or for a condition that changes less often"));
        }
    }
    Ok(runs.finish())
}

/// Joins what holds block by block.
#[derive(Default)]
struct Runs {
    open: Option<Run>,
    done: Vec<Run>,
}

impl Runs {
    /// Takes the next samples, and for which of them the condition holds.
    fn push(&mut self, times: &[i64], holds: &BooleanBuffer) {
        for (start, end) in holds.set_slices() {
            let inside = times.get(start..end).unwrap_or_default();
            let (Some(first), Some(last)) = (inside.first(), inside.last()) else { continue };
            if start > 0 {
                self.done.extend(self.open.take());
            }
            let (start, end) = (Timestamp::from_micros(*first), Timestamp::from_micros(*last));
            let run = self.open.get_or_insert(Run { start, end, samples: 0 });
            run.end = end;
            run.samples += inside.len() as u64;
        }
        let last = holds.len().checked_sub(1);
        if last.is_some_and(|last| !holds.value(last)) {
            self.done.extend(self.open.take());
        }
    }

    fn finish(mut self) -> Vec<Run> {
        self.done.extend(self.open);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn q2_runs_are_the_same_however_the_samples_are_cut(
            holds in prop::collection::vec(any::<bool>(), 0..40),
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let times: Vec<i64> = (0..holds.len() as i64).map(|row| row * 10).collect();
            let mut expected: Vec<Run> = Vec::new();
            for (row, time) in times.iter().enumerate().filter(|(row, _)| holds[*row]) {
                let at = Timestamp::from_micros(*time);
                match expected.last_mut().filter(|_| row > 0 && holds[row - 1]) {
                    Some(run) => (run.end, run.samples) = (at, run.samples + 1),
                    None => expected.push(Run { start: at, end: at, samples: 1 }),
                }
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(holds.len())).collect();
            cuts.extend([0, holds.len()]);
            cuts.sort_unstable();
            let mut runs = Runs::default();
            for cut in cuts.windows(2) {
                let part = BooleanBuffer::from(&holds[cut[0]..cut[1]]);
                runs.push(&times[cut[0]..cut[1]], &part);
            }
            prop_assert_eq!(runs.finish(), expected, "Q2");
        }
    }
}
