//! Objects of the schema, made from the log's nouns.

use async_graphql::{Enum, Json, SimpleObject};
use parx_ingest::SourceStatus;
use parx_log::{
    Catalog, Entry, Event, LastValue, Severity, Signal as LogSignal, SourceDefinition, ValueType,
};

use crate::graphql::scalars::{Int64, Time};

/// The account that asks.
#[derive(SimpleObject)]
pub struct User {
    pub name: String,
}

/// What this server is and how far its log has come.
#[derive(SimpleObject)]
pub struct Server {
    pub version: String,
    /// The server's clock, to reckon ages with.
    pub now: Time,
    pub started_at: Time,
    /// Sequence of the newest entry of the log.
    pub sequence: Int64,
    /// Through which sequence the log is compacted into segments. Publishing them is an entry of its own,
    /// so this stays below `sequence` even where nothing is left to compact.
    pub compacted_through: Int64,
    pub segments: usize,
    /// Samples recorded in all.
    pub samples: Int64,
    /// Port and host of the doors for SQL clients.
    pub postgres: String,
    pub flight: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "ValueType")]
pub enum Type {
    Float,
    Int,
    Bool,
    Text,
}

impl From<ValueType> for Type {
    fn from(value_type: ValueType) -> Type {
        match value_type {
            ValueType::Float => Type::Float,
            ValueType::Int => Type::Int,
            ValueType::Bool => Type::Bool,
            ValueType::Text => Type::Text,
        }
    }
}

impl From<Type> for ValueType {
    fn from(value_type: Type) -> ValueType {
        match value_type {
            Type::Float => ValueType::Float,
            Type::Int => ValueType::Int,
            Type::Bool => ValueType::Bool,
            Type::Text => ValueType::Text,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum Status {
    Good,
    Uncertain,
    Bad,
}

impl From<Severity> for Status {
    fn from(severity: Severity) -> Status {
        match severity {
            Severity::Good => Status::Good,
            Severity::Uncertain => Status::Uncertain,
            Severity::Bad => Status::Bad,
        }
    }
}

#[derive(SimpleObject)]
pub struct Signal {
    pub id: u32,
    pub tag: String,
    pub description: String,
    /// Engineering unit as a UCUM code.
    pub unit: Option<String>,
    pub value_type: Type,
    /// Names of the states of an enumeration, by their number.
    pub states: Vec<State>,
    /// The range to draw it in.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// True where a value holds until the next one; false where the line between two samples is straight.
    pub stepped: bool,
    pub labels: Vec<Label>,
    pub source: Option<String>,
    pub address: Option<String>,
    pub scan_class: Option<String>,
    /// After how many milliseconds without a sample a value counts as stale; null where nothing is expected.
    pub stale_after_ms: Option<i32>,
    pub last: Option<Sample>,
}

#[derive(SimpleObject)]
pub struct State {
    pub number: i32,
    pub name: String,
}

#[derive(SimpleObject)]
pub struct Label {
    pub key: String,
    pub value: String,
}

#[derive(SimpleObject)]
pub struct Sample {
    pub time: Time,
    /// The number; booleans are 0 and 1. Null for text and where there is none.
    pub value: Option<f64>,
    /// The exact integer, where it is one.
    pub value_int: Option<Int64>,
    pub value_text: Option<String>,
    /// OPC UA status code.
    pub quality: Int64,
    pub status: Status,
    /// Name of the status code, such as BadCommunicationError.
    pub quality_name: String,
    pub sequence: Int64,
}

impl From<LastValue> for Sample {
    fn from(last: LastValue) -> Sample {
        let parx_log::Sample { time, value, quality, .. } = last.sample;
        Sample {
            time: Time(time),
            value: value.as_ref().and_then(parx_log::Value::number),
            value_int: match value {
                Some(parx_log::Value::Int(number)) => Some(Int64(number)),
                _ => None,
            },
            value_text: match value {
                Some(parx_log::Value::Text(text)) => Some(text.to_string()),
                _ => None,
            },
            quality: u64::from(quality.0).into(),
            status: quality.severity().into(),
            quality_name: quality.to_string(),
            sequence: last.sequence.into(),
        }
    }
}

/// A value is stale when nothing was recorded for the collectors' longest silence and three scans.
fn stale_after_ms(catalog: &Catalog, signal: &LogSignal) -> Option<i32> {
    let class = catalog.scan_classes.get(signal.definition.scan_class.as_ref()?)?;
    let hold = u64::try_from(parx_ingest::HOLD_MAX.as_millis()).unwrap_or(u64::MAX);
    i32::try_from(hold.saturating_add(class.period_ms.saturating_mul(3))).ok()
}

impl Signal {
    /// A signal of the catalog with its last value.
    pub fn new(catalog: &Catalog, signal: &LogSignal, last: Option<LastValue>) -> Signal {
        let definition = signal.definition.clone();
        let state = |(number, name)| State { number: i32::try_from(number).unwrap_or(0), name };
        Signal {
            id: signal.id.0,
            stale_after_ms: stale_after_ms(catalog, signal),
            tag: definition.tag,
            description: definition.description,
            unit: definition.unit,
            value_type: definition.value_type.into(),
            states: definition.states.into_iter().map(state).collect(),
            low: definition.low,
            high: definition.high,
            stepped: definition.stepped,
            labels: definition
                .labels
                .into_iter()
                .map(|(key, value)| Label { key, value })
                .collect(),
            source: definition.source,
            address: definition.address,
            scan_class: definition.scan_class,
            last: last.map(Sample::from),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum SourceState {
    /// Not started: disabled, or its definition has an error.
    Off,
    Connecting,
    Connected,
    /// Lost or refused; tried again by itself.
    Waiting,
}

impl From<parx_ingest::SourceState> for SourceState {
    fn from(state: parx_ingest::SourceState) -> SourceState {
        match state {
            parx_ingest::SourceState::Off => SourceState::Off,
            parx_ingest::SourceState::Connecting => SourceState::Connecting,
            parx_ingest::SourceState::Connected => SourceState::Connected,
            parx_ingest::SourceState::Waiting => SourceState::Waiting,
        }
    }
}

#[derive(SimpleObject)]
pub struct Source {
    pub name: String,
    pub driver: String,
    pub enabled: bool,
    /// Settings of the driver, without secrets.
    pub settings: Json<serde_json::Value>,
    pub state: SourceState,
    /// Since when it is in this state.
    pub since: Option<Time>,
    /// The last error in words, with what to do about it.
    pub error: Option<String>,
    pub signals: usize,
    /// Readings since the start, and what became of them.
    pub readings: Int64,
    pub recorded: Int64,
    pub unchanged: Int64,
    pub refused: Int64,
}

impl Source {
    /// A source of the catalog and how it is doing.
    pub fn new(
        catalog: &Catalog,
        source: &SourceDefinition,
        status: Option<&SourceStatus>,
        secrets: &[&str],
    ) -> Source {
        let mut settings = source.settings.clone();
        for (name, value) in settings.as_object_mut().into_iter().flatten() {
            if secrets.contains(&name.as_str()) {
                *value = "…".into();
            }
        }
        let mine = |signal: &&std::sync::Arc<LogSignal>| {
            signal.definition.source.as_ref() == Some(&source.name)
        };
        let problems = status.map(|status| status.problems.iter().map(ToString::to_string));
        let problems = problems.into_iter().flatten().collect::<Vec<_>>().join("; ");
        let error = status.and_then(|status| status.error.clone());
        let counters = status.map(|status| status.counters).unwrap_or_default();
        Source {
            name: source.name.clone(),
            driver: source.driver.clone(),
            enabled: source.enabled,
            settings: Json(settings),
            state: status.map_or(SourceState::Off, |status| status.state.into()),
            since: status.map(|status| Time(status.since)),
            error: error.or((!problems.is_empty()).then_some(problems)),
            signals: catalog.live_signals().filter(mine).count(),
            readings: counters.readings.into(),
            recorded: counters.recorded.into(),
            unchanged: (counters.unchanged + counters.within_deadband).into(),
            refused: counters.refused.into(),
        }
    }
}

#[derive(SimpleObject)]
pub struct ScanClass {
    pub name: String,
    pub period_ms: u64,
    pub phase_ms: u64,
}

#[derive(SimpleObject)]
pub struct Trend {
    /// The log's sequence that this answer reflects.
    pub sequence: Int64,
    pub from: Time,
    pub to: Time,
    pub pens: Vec<Pen>,
}

/// Columns of one signal, all of one length, in the order of time.
#[derive(SimpleObject)]
pub struct Pen {
    pub tag: String,
    /// Seconds since 1970 in UTC, to the microsecond.
    pub times: Vec<f64>,
    /// The numbers; null where the quality is bad or the value is text.
    pub values: Vec<Option<f64>>,
    /// Present for text signals only.
    pub texts: Option<Vec<Option<String>>>,
    /// Severity of each sample: 0 good, 1 uncertain, 2 bad.
    pub severities: Vec<i32>,
}

/// Columns, all of one length.
#[derive(SimpleObject)]
pub struct SampleBatch {
    /// True for the first message.
    pub snapshot: bool,
    /// The log's sequence that this batch reaches.
    pub sequence: Int64,
    /// The server's clock when it was sent, in seconds since 1970.
    pub sent_at: f64,
    /// Samples left out because the client was too slow.
    pub skipped: usize,
    pub tags: Vec<std::sync::Arc<str>>,
    pub times: Vec<f64>,
    pub values: Vec<Option<f64>>,
    pub texts: Vec<Option<String>>,
    /// OPC UA status codes.
    pub qualities: Vec<f64>,
}

#[derive(SimpleObject)]
pub struct Change {
    pub sequence: Int64,
    pub recorded_at: Time,
    pub author: String,
    /// What happened, in the past tense, such as SignalDefined.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    pub detail: Json<serde_json::Value>,
}

impl Change {
    /// An entry as a change; nothing for samples.
    pub fn new(entry: &Entry) -> Option<Change> {
        let Event::Change(change) = &entry.event else { return None };
        Some(Change {
            sequence: entry.sequence.into(),
            recorded_at: Time(entry.recorded_at),
            author: entry.author.to_string(),
            kind: change.kind().to_owned(),
            subject: change.subject().to_owned(),
            detail: Json(change.detail()),
        })
    }
}

/// The number as JSON can say it: NaN and the infinities are null.
pub fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}
