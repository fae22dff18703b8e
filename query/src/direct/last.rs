//! The last value of signals, from memory where the snapshot allows.

use std::sync::Arc;

use parx_compactor::last_until;
use parx_log::{LastValue, Quality, Sample, Sequence, SignalId, Snapshot, Timestamp};

use crate::spread::blocking;
use crate::{Engine, QueryError};

impl Engine {
    /// The newest sample of each signal by its time, as `snapshot` sees it, in the order of
    /// `signals`; nothing for a signal without samples.
    pub async fn last_values(
        &self,
        snapshot: Arc<Snapshot>,
        signals: &[SignalId],
    ) -> Result<Vec<Option<LastValue>>, QueryError> {
        let known = self.log().last_values();
        let mut values: Vec<_> = signals.iter().map(|signal| known.get(*signal)).collect();
        let late = |value: &Option<LastValue>| {
            value.as_ref().is_some_and(|last| last.sequence > snapshot.sequence)
        };
        if !values.iter().any(late) {
            return Ok(values);
        }
        let (store, signals) = (self.store().clone(), signals.to_vec());
        blocking(move || {
            for (value, signal) in values.iter_mut().zip(signals) {
                if value.as_ref().is_some_and(|last| last.sequence > snapshot.sequence) {
                    let row = last_until(&store, &snapshot, signal, i64::MAX)?;
                    *value = row.times.first().map(|time| LastValue {
                        sample: Sample {
                            signal,
                            time: Timestamp::from_micros(*time),
                            value: row.value(0),
                            quality: Quality(row.qualities.first().copied().unwrap_or_default()),
                        },
                        sequence: Sequence(row.sequences.first().copied().unwrap_or_default()),
                    });
                }
            }
            Ok(values)
        })
        .await
    }
}
