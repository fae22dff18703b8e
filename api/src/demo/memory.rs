//! What the demo remembers from one start to the next: how far its past is written, and the numbers
//! that its plant goes on from.
//!
//! It is recorded as a text signal, for the log is where ParX keeps everything.

use std::collections::BTreeMap;

use parx_log::{Log, Quality, Sample, SignalDefinition, Timestamp, Value, ValueType};
use serde::{Deserialize, Serialize};

use super::history::{AUTHOR, Span};
use super::plant::Plant;

/// The signal that holds it.
const TAG: &str = "demo/state";

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recollection {
    /// When the plant began, in microseconds since 1970.
    from: i64,
    /// When the written past ends and the present begins.
    to: i64,
    /// How far it is told.
    written: i64,
    /// The plant's numbers by tag.
    #[serde(default)]
    numbers: BTreeMap<String, f64>,
}

/// Keeps a recollection up to date in a log.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) log: Log,
    pub(super) begun: Recollection,
}

impl Keeper {
    /// Records how far `plant` has come. What cannot be recorded is traced: the log may be closing.
    pub(super) async fn keep(&self, plant: &Plant) {
        let signal = self.log.catalog().signal_by_tag(TAG).map(|signal| signal.id);
        let (Some(signal), Some(text)) = (signal, self.text(plant)) else { return };
        let (value, time) = (Some(Value::Text(text.into())), plant.now());
        let rows = vec![Sample { signal, time, value, quality: Quality::GOOD }];
        if let Err(error) = self.log.append(AUTHOR.into(), None, rows).await {
            tracing::debug!(%error, "the demo's state could not be kept");
        }
    }

    fn text(&self, plant: &Plant) -> Option<String> {
        let finite = plant.remember().filter(|(_, number)| number.is_finite());
        let numbers = finite.map(|(tag, number)| (tag.to_owned(), number)).collect();
        let written = plant.now().micros();
        serde_json::to_string(&Recollection { written, numbers, ..self.begun }).ok()
    }
}

/// The definition of the signal that holds it.
pub(super) fn definition() -> SignalDefinition {
    SignalDefinition {
        tag: TAG.to_owned(),
        description: "What the simulated plant goes on from after a restart".to_owned(),
        value_type: ValueType::Text,
        stepped: true,
        ..SignalDefinition::default()
    }
}

impl Recollection {
    /// A plant whose past is to be written.
    pub(super) fn of_span(span: Span) -> Recollection {
        let (from, to) = (span.from.micros(), span.to.micros());
        Recollection { from, to, written: from, numbers: BTreeMap::new() }
    }

    /// What a log remembers, if anything.
    pub(super) fn of(log: &Log) -> Option<Recollection> {
        let signal = log.catalog().signal_by_tag(TAG)?.id;
        match log.last_values().get(signal)?.sample.value? {
            Value::Text(text) => serde_json::from_str(&text).ok(),
            Value::Float(_) | Value::Int(_) | Value::Bool(_) => None,
        }
    }

    /// The past that was not written to its end.
    pub(super) fn unfinished(&self) -> Option<Span> {
        let at = Timestamp::from_micros;
        (self.written < self.to).then(|| Span { from: at(self.from), to: at(self.to) })
    }

    /// How far it is told.
    pub(super) fn written(&self) -> Timestamp {
        Timestamp::from_micros(self.written)
    }

    /// When the plant began.
    pub(super) fn since(&self) -> Timestamp {
        Timestamp::from_micros(self.from)
    }

    /// A number of the plant.
    pub(super) fn number(&self, tag: &str) -> Option<f64> {
        self.numbers.get(tag).copied()
    }
}
