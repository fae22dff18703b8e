//! Settings of the simulator.

use parx_ingest::{Problem, SettingDescription};
use serde::Deserialize;

use crate::settings::range;

/// How the simulator behaves.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Another number gives other random values.
    pub seed: u64,
    /// Milliseconds between the values of points without a scan class.
    pub push_ms: u64,
    /// Seconds from one simulated loss of the link to the next; 0 for none.
    pub outage_every_s: u64,
    /// Seconds that a simulated loss lasts.
    pub outage_s: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { seed: 0, push_ms: 1000, outage_every_s: 0, outage_s: 10 }
    }
}

/// The settings as forms and documents show them.
pub const SETTINGS: &[SettingDescription] = &[
    SettingDescription {
        name: "seed",
        kind: "int",
        default: Some("0"),
        description: "Another number gives other random values",
    },
    SettingDescription {
        name: "push_ms",
        kind: "int",
        default: Some("1000"),
        description: "Milliseconds between the values of points without a scan class",
    },
    SettingDescription {
        name: "outage_every_s",
        kind: "int",
        default: Some("0"),
        description: "Seconds from one simulated loss of the link to the next; 0 for none",
    },
    SettingDescription {
        name: "outage_s",
        kind: "int",
        default: Some("10"),
        description: "Seconds that a simulated loss lasts",
    },
];

impl Settings {
    /// Everything that is wrong.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        [range("push_ms", self.push_ms, 1, 86_400_000)].into_iter().flatten().collect()
    }
}
