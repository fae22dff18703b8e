//! What can be configured: signals, sources, scan classes, users.
//!
//! Plain data with its shape in JSON; whether a definition makes sense is for `decide` to say, and
//! what a driver's settings mean only its driver knows.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{SignalId, ValueType};

/// A measured, derived or entered quantity over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalDefinition {
    /// Its human name, a path such as `plant/line1/pump3/speed`. Free of other signals' tags.
    pub tag: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Engineering unit as a UCUM code, such as `Cel`, `bar`, `m3/h`.
    pub unit: Option<String>,
    /// The type its values have.
    pub value_type: ValueType,
    /// Names of an enumeration's states by number.
    #[serde(deserialize_with = "numbered")]
    pub states: BTreeMap<i64, String>,
    /// Lower end of the range to draw it in.
    pub low: Option<f64>,
    /// Upper end of the range to draw it in.
    pub high: Option<f64>,
    /// A value holds until the next (true), or the line between two samples is straight (false).
    pub stepped: bool,
    /// Keys and values it came with, such as the tags of line protocol.
    pub labels: BTreeMap<String, String>,
    /// Name of the source that reads it.
    pub source: Option<String>,
    /// Where it is inside the source, in the driver's words.
    pub address: Option<String>,
    /// Name of the scan class it is read in; none where the source sends by itself.
    pub scan_class: Option<String>,
    /// The change too small to record, in the signal's unit; none records every change.
    pub deadband: Option<f64>,
}

/// Names by number out of JSON, whose keys are texts. Changes are tagged by their kind, and behind
/// a tag serde no longer reads numbers from keys by itself.
fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<i64, String>, D::Error> {
    let names = BTreeMap::<String, String>::deserialize(from)?;
    let parsed = |(number, name): (String, String)| match number.parse() {
        Ok(number) => Ok((number, name)),
        Err(_) => Err(D::Error::custom(format!("'{number}' is not the number of a state"))),
    };
    names.into_iter().map(parsed).collect()
}

/// A signal of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Minted once, never reused.
    pub id: SignalId,
    /// What it is defined as now.
    pub definition: SignalDefinition,
    /// Ended: nothing more is recorded, its history stays.
    pub retired: bool,
}

/// A configured connection to a device, server or broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceDefinition {
    /// Its name, unique among sources.
    pub name: String,
    /// The protocol's driver, such as `modbus`.
    pub driver: String,
    /// The driver's settings.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// Switched on.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A named period and phase at which points are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanClassDefinition {
    /// Its name.
    pub name: String,
    /// Time from one scan to the next, in milliseconds.
    pub period_ms: u64,
    /// Offset from the whole multiples of the period since 1970, in milliseconds.
    #[serde(default)]
    pub phase_ms: u64,
}

/// An account that can log in. Holds no password, only what checks one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDefinition {
    /// The login's name.
    pub name: String,
    /// Argon2id hash in PHC form, for HTTP and Flight.
    pub password_hash: String,
    /// SCRAM-SHA-256 verifier as PostgreSQL stores it, for the Postgres door.
    pub scram_verifier: String,
}

impl fmt::Debug for UserDefinition {
    /// Shows the name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDefinition").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A published Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Its path below the data folder, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub kind: SegmentKind,
    /// The UTC day of its samples, counted from 1970-01-01; none where it is not cut by day.
    pub day: Option<i64>,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The lowest and the highest sequence in it.
    pub sequences: (u64, u64),
    /// The earliest and the latest sample time in it, in microseconds since 1970.
    pub times: (i64, i64),
    /// BLAKE3 of the file, in hexadecimal.
    pub blake3: String,
    /// How often its rows have been merged; 0 came straight from the log.
    #[serde(default)]
    pub level: u32,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentKind {
    /// Samples, sorted by signal, time and sequence.
    Samples,
    /// When each sequence was recorded.
    Clock,
    /// Folds of the samples of the segment of the same name, by minute, hour and day.
    Rollups,
    /// Folds of samples that were let go, by minute, hour and day.
    Kept,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;

    #[test]
    fn l3_a_signal_with_named_states_is_read_back_from_the_log() {
        let states = [(0, "off".to_owned()), (-1, "unknown".to_owned())].into();
        let definition = SignalDefinition { states, ..SignalDefinition::default() };
        let signal = Signal { id: SignalId(7), definition, retired: false };
        let change = Change::SignalDefined(signal);
        let json = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change, "L3: {json}");
        let wrong = json.replace("-1", "minus one");
        assert!(serde_json::from_str::<Change>(&wrong).is_err());
    }
}
