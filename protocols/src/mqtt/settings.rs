//! Settings of a connection to an MQTT broker.

use std::fmt;

use parx_ingest::{Problem, SettingDescription};
use serde::Deserialize;

use crate::settings::{filled, range};

/// How a broker is reached.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name or IP address of the broker.
    pub host: String,
    /// TCP port; brokers listen at 8883 for TLS.
    #[serde(default = "port")]
    pub port: u16,
    /// Name by which the broker knows this connection; empty makes one up.
    #[serde(default)]
    pub client_id: String,
    /// Account at the broker; empty for none.
    #[serde(default)]
    pub user: String,
    /// Its password.
    #[serde(default)]
    pub password: String,
    /// Quality of service asked for: 0, 1 or 2.
    #[serde(default = "qos")]
    pub qos: u8,
    /// Begin anew at each connection; false lets the broker keep messages while ParX is away.
    #[serde(default = "yes")]
    pub clean_session: bool,
    /// Seconds between two signs of life.
    #[serde(default = "keep_alive_s")]
    pub keep_alive_s: u16,
    /// Longest message, in bytes.
    #[serde(default = "max_packet_bytes")]
    pub max_packet_bytes: u32,
    /// Encrypt the connection.
    #[serde(default)]
    pub tls: bool,
    /// File with the certificates (PEM) that the broker's is checked against.
    #[serde(default)]
    pub ca_file: String,
    /// File with our own certificate (PEM), if the broker wants one.
    #[serde(default)]
    pub cert_file: String,
    /// File with its private key (PEM).
    #[serde(default)]
    pub key_file: String,
}

fn port() -> u16 {
    1883
}

fn qos() -> u8 {
    1
}

fn yes() -> bool {
    true
}

fn keep_alive_s() -> u16 {
    30
}

fn max_packet_bytes() -> u32 {
    16 << 20
}

/// The settings as forms and documents show them.
pub const SETTINGS: &[SettingDescription] = &[
    describe("host", "text", None, "Name or IP address of the broker"),
    describe("port", "int", Some("1883"), "TCP port; brokers listen at 8883 for TLS"),
    describe(
        "client_id",
        "text",
        Some("\"\""),
        "Name by which the broker knows this connection; empty makes one up",
    ),
    describe("user", "text", Some("\"\""), "Account at the broker; empty for none"),
    describe("password", "secret", Some("\"\""), "Its password"),
    describe("qos", "int", Some("1"), "Quality of service asked for: 0, 1 or 2"),
    describe(
        "clean_session",
        "bool",
        Some("true"),
        "Begin anew at each connection; false lets the broker keep messages while ParX is away, \
         and needs a client_id",
    ),
    describe("keep_alive_s", "int", Some("30"), "Seconds between two signs of life"),
    describe("max_packet_bytes", "int", Some("16777216"), "Longest message, in bytes"),
    describe("tls", "bool", Some("false"), "Encrypt the connection"),
    describe(
        "ca_file",
        "text",
        Some("\"\""),
        "File with the certificates (PEM) that the broker's is checked against",
    ),
    describe(
        "cert_file",
        "text",
        Some("\"\""),
        "File with our own certificate (PEM, X.509 version 3), if the broker wants one",
    ),
    describe("key_file", "text", Some("\"\""), "File with its private key (PEM)"),
];

const fn describe(
    name: &'static str,
    kind: &'static str,
    default: Option<&'static str>,
    description: &'static str,
) -> SettingDescription {
    SettingDescription { name, kind, default, description }
}

impl Settings {
    /// Everything that is wrong.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let when = |wrong: bool, field: &str, text: &str| {
            wrong.then(|| Problem::of_source(format!("settings.{field}"), text))
        };
        let complaints = [
            filled("host", &self.host),
            range("port", self.port.into(), 1, 65_535),
            range("qos", self.qos.into(), 0, 2),
            range("keep_alive_s", self.keep_alive_s.into(), 1, 3600),
            range("max_packet_bytes", self.max_packet_bytes.into(), 1024, 256 << 20),
            when(
                !self.clean_session && self.client_id.is_empty(),
                "client_id",
                "is empty; the broker can keep messages only for a client with a name of its own",
            ),
            when(
                self.user.is_empty() && !self.password.is_empty(),
                "user",
                "is empty; a password needs a user",
            ),
            when(
                self.tls && self.ca_file.is_empty(),
                "ca_file",
                "is missing; name the file with the broker's CA certificate, or that with the \
                 system's, such as /etc/ssl/certs/ca-certificates.crt",
            ),
            when(
                self.cert_file.is_empty() != self.key_file.is_empty(),
                "key_file",
                "and cert_file belong together; give both or neither",
            ),
        ];
        complaints.into_iter().flatten().collect()
    }
}

impl fmt::Debug for Settings {
    /// Shows no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
