//! The last value of signals, from memory where the snapshot allows.

use std::collections::HashSet;
use std::sync::Arc;

use futures::TryStreamExt;
use parx_compactor::{Versions, last_until};
use parx_log::{LastValue, Quality, Rows, Sample, Sequence, SignalId, Snapshot, Timestamp};

use crate::spread::{Asker, spread};
use crate::{Engine, QueryError};

impl Engine {
    /// The newest valid sample of each signal by its time, as `snapshot` sees it, in the order of
    /// `signals`; nothing for a signal without one.
    pub async fn last_values(
        &self,
        snapshot: Arc<Snapshot>,
        signals: &[SignalId],
    ) -> Result<Vec<Option<LastValue>>, QueryError> {
        // Looked up before and after the values: a signal may be settled in between.
        let known = self.log().last_values();
        let mut unsettled: HashSet<SignalId> = known.unsettled().into_iter().collect();
        let mut values: Vec<_> = signals.iter().map(|signal| known.get(*signal)).collect();
        unsettled.extend(known.unsettled());
        let present = self.log().catalog();
        let another = |signal: SignalId, value: &Option<LastValue>| {
            value.as_ref().is_some_and(|last| last.sequence > snapshot.sequence)
                || unsettled.contains(&signal)
                || present.deletions_of(signal) != snapshot.catalog.deletions_of(signal)
        };
        let rows = signals.iter().zip(&values).enumerate();
        let asked: Vec<(usize, SignalId)> = rows
            .filter(|(_, (signal, value))| another(**signal, value))
            .map(|(place, (signal, _))| (place, *signal))
            .collect();
        if asked.is_empty() {
            return Ok(values);
        }
        let store = self.store().clone();
        let read = move |(place, signal), asker: &Asker| {
            asker.check()?;
            let row = last_until(&store, &snapshot, signal, i64::MAX, Versions::Newest)?;
            Ok((place, last_value(signal, &row)))
        };
        let found: Vec<_> = spread(asked, self.width(), read).try_collect().await?;
        for (place, last) in found {
            if let Some(value) = values.get_mut(place) {
                *value = last;
            }
        }
        Ok(values)
    }
}

/// The only row of `rows` as a signal's last value.
fn last_value(signal: SignalId, rows: &Rows) -> Option<LastValue> {
    let sample = Sample {
        signal,
        time: Timestamp::from_micros(*rows.times.first()?),
        value: rows.value(0),
        quality: Quality(*rows.qualities.first()?),
    };
    Some(LastValue { sample, sequence: Sequence(*rows.sequences.first()?) })
}
