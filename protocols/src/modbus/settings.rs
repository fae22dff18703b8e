//! Settings of a Modbus connection.

use parx_ingest::{Problem, SettingDescription};
use serde::Deserialize;

use super::address::Order;
use super::plan::{BITS_MAX, Limits, REGISTERS_MAX};
use crate::settings::{filled, range};

/// How a device or gateway is reached and read.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name or IP address of the device or gateway.
    pub host: String,
    /// TCP port.
    #[serde(default = "port")]
    pub port: u16,
    /// Unit id of addresses that name none.
    #[serde(default = "unit")]
    pub unit: u8,
    /// Longest wait for a connection or an answer, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Most unused registers between two points that are still read in one request.
    #[serde(default = "gap")]
    pub gap: u16,
    /// Most registers in one request.
    #[serde(default = "max_registers")]
    pub max_registers: u16,
    /// Most coils or discrete inputs in one request.
    #[serde(default = "max_bits")]
    pub max_bits: u16,
    /// Pause between two requests, in milliseconds.
    #[serde(default)]
    pub pause_ms: u64,
    /// Byte order of addresses that name none.
    #[serde(default)]
    pub byte_order: Order,
}

fn port() -> u16 {
    502
}

fn unit() -> u8 {
    1
}

fn timeout_ms() -> u64 {
    1000
}

fn gap() -> u16 {
    8
}

fn max_registers() -> u16 {
    REGISTERS_MAX
}

fn max_bits() -> u16 {
    BITS_MAX
}

/// The settings as forms and documents show them.
pub const SETTINGS: &[SettingDescription] = &[
    SettingDescription {
        name: "host",
        kind: "text",
        default: None,
        description: "Name or IP address of the device or gateway",
    },
    SettingDescription { name: "port", kind: "int", default: Some("502"), description: "TCP port" },
    SettingDescription {
        name: "unit",
        kind: "int",
        default: Some("1"),
        description: "Unit id of addresses that name none",
    },
    SettingDescription {
        name: "timeout_ms",
        kind: "int",
        default: Some("1000"),
        description: "Longest wait for a connection or an answer, in milliseconds; a fast scan \
                      class shortens it",
    },
    SettingDescription {
        name: "gap",
        kind: "int",
        default: Some("8"),
        description: "Most unused registers between two points that are still read in one request",
    },
    SettingDescription {
        name: "max_registers",
        kind: "int",
        default: Some("125"),
        description: "Most registers in one request, 125 at most; some devices take fewer",
    },
    SettingDescription {
        name: "max_bits",
        kind: "int",
        default: Some("2000"),
        description: "Most coils or discrete inputs in one request, 2000 at most",
    },
    SettingDescription {
        name: "pause_ms",
        kind: "int",
        default: Some("0"),
        description: "Pause between two requests, in milliseconds, for slow devices",
    },
    SettingDescription {
        name: "byte_order",
        kind: "abcd|cdab|badc|dcba",
        default: Some("\"abcd\""),
        description: "Byte order of addresses that name none; abcd is big-endian, cdab swaps words",
    },
];

impl Settings {
    /// Everything that is wrong.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let complaints = [
            filled("host", &self.host),
            range("port", self.port.into(), 1, 65_535),
            range("timeout_ms", self.timeout_ms, 10, 60_000),
            range("max_registers", self.max_registers.into(), 1, REGISTERS_MAX.into()),
            range("max_bits", self.max_bits.into(), 1, BITS_MAX.into()),
            range("pause_ms", self.pause_ms, 0, 10_000),
        ];
        complaints.into_iter().flatten().collect()
    }

    /// What one request may hold.
    pub(crate) fn limits(&self) -> Limits {
        Limits { gap: self.gap, registers: self.max_registers, bits: self.max_bits }
    }
}
