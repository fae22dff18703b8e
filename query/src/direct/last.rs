//! The last value of signals, from memory where the snapshot allows.

use std::sync::Arc;

use parx_compactor::{Versions, last_until};
use parx_log::{LastValue, Sequence, SignalId, Snapshot};

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
        let (unsettled, now) = (known.unsettled(), self.log().catalog());
        let then = snapshot.clone();
        // What is in memory is also the newest of the snapshot if it was there already, and if
        // nothing was deleted or taken back in between.
        let stale = move |signal: SignalId, value: &Option<LastValue>| {
            value.as_ref().is_some_and(|last| last.sequence > snapshot.sequence)
                || unsettled.contains(&signal)
                || snapshot.catalog.deletions_of(signal) != now.deletions_of(signal)
        };
        if !signals.iter().zip(&values).any(|(signal, value)| stale(*signal, value)) {
            return Ok(values);
        }
        let (store, signals) = (self.store().clone(), signals.to_vec());
        blocking(move || {
            for (value, signal) in values.iter_mut().zip(signals) {
                if stale(signal, value) {
                    let rows = last_until(&store, &then, signal, i64::MAX, Versions::Newest)?;
                    *value = rows.sequences.first().map(|sequence| LastValue {
                        sample: rows.sample(0, signal),
                        sequence: Sequence(*sequence),
                    });
                }
            }
            Ok(values)
        })
        .await
    }
}
