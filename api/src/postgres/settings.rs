//! The settings of a session: what may be set, to what, and what it is now.
//!
//! One table says everything about a setting but its effect. Values are checked and put into the
//! form that SHOW prints when they are set; transactions put them back.

use std::collections::BTreeMap;
use std::time::Duration;

use parx_query::arrow::compute::kernels::cast_utils::string_to_datetime;

use super::error::{PgError, sqlstate};
use super::zone::Zone;

/// The PostgreSQL whose behaviour is spoken.
pub(crate) const SERVER_VERSION: &str = "15.10";
/// The same as a number.
pub(crate) const SERVER_VERSION_NUM: &str = "150010";
/// The setting that says which past queries see.
pub(crate) const AS_OF: &str = "parx.as_of";
/// Bytes in the value of a setting.
pub(crate) const SETTING_BYTES_MAX: usize = 4096;
/// Settings with a dot in their name, which mean nothing here.
pub(crate) const CUSTOM_SETTINGS_MAX: usize = 100;

/// What a setting takes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Bool,
    Integer(i64, i64),
    /// A time in milliseconds, with or without a unit; at most the server's longest statement.
    Timeout,
    /// A time in milliseconds that has no effect here.
    Time,
    Zone,
    /// Nothing, a sequence of the log, or a point in time.
    AsOf,
    Choice(&'static [&'static str]),
    /// Lists of words of which only one answer is possible.
    DateStyle,
    Encoding,
    /// Said, not set.
    Fixed,
}

struct Definition {
    /// Its name as SHOW prints it.
    name: &'static str,
    default: &'static str,
    kind: Kind,
    /// Clients are told when it changes.
    reported: bool,
    about: &'static str,
}

const fn define(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    reported: bool,
    about: &'static str,
) -> Definition {
    Definition { name, default, kind, reported, about }
}

const LEVELS: Kind = Kind::Choice(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "info", "log", "notice", "warning", "error",
    "fatal", "panic",
]);
const ISOLATION: Kind =
    Kind::Choice(&["read committed", "repeatable read", "serializable", "read uncommitted"]);

/// Every setting, in the order of `SHOW ALL`.
const DEFINITIONS: &[Definition] = &[
    define("application_name", "", Kind::Text, true, "The name of the client."),
    define("bytea_output", "hex", Kind::Choice(&["hex"]), false, "How bytes are written."),
    define("client_encoding", "UTF8", Kind::Encoding, true, "The client's character set."),
    define("client_min_messages", "notice", LEVELS, false, "Messages that are sent."),
    define("DateStyle", "ISO, MDY", Kind::DateStyle, true, "How dates are written and read."),
    define("default_transaction_deferrable", "off", Kind::Bool, false, "No effect."),
    define("default_transaction_isolation", "read committed", ISOLATION, false, "No effect."),
    define("default_transaction_read_only", "off", Kind::Bool, true, "No effect; all is read."),
    define("extra_float_digits", "1", Kind::Integer(-15, 3), false, "Digits of floats."),
    define("idle_in_transaction_session_timeout", "0", Kind::Time, false, "No effect."),
    define("in_hot_standby", "off", Kind::Fixed, true, "This is no standby."),
    define("integer_datetimes", "on", Kind::Fixed, true, "Times are integers on the wire."),
    define(
        "IntervalStyle",
        "postgres",
        Kind::Choice(&["postgres"]),
        true,
        "How intervals are written.",
    ),
    define("is_superuser", "off", Kind::Fixed, true, "Nobody is."),
    define("jit", "off", Kind::Bool, false, "No effect."),
    define("lock_timeout", "0", Kind::Time, false, "No effect; nothing is locked."),
    define("max_identifier_length", "63", Kind::Fixed, false, "What clients assume."),
    define(AS_OF, "", Kind::AsOf, true, "The past that queries see; empty is the present."),
    define("row_security", "on", Kind::Bool, false, "No effect."),
    define("search_path", "\"$user\", public", Kind::Text, false, "Where names are looked for."),
    define("server_encoding", "UTF8", Kind::Fixed, true, "The server's character set."),
    define("server_version", SERVER_VERSION, Kind::Fixed, true, "The PostgreSQL that is spoken."),
    define("server_version_num", SERVER_VERSION_NUM, Kind::Fixed, false, "The same as a number."),
    define("session_authorization", "", Kind::Fixed, true, "Who is logged in."),
    define(
        "standard_conforming_strings",
        "on",
        Kind::Choice(&["on"]),
        true,
        "Backslashes are plain.",
    ),
    define("statement_timeout", "0", Kind::Timeout, false, "The longest a statement may take."),
    define("synchronous_commit", "on", Kind::Text, false, "No effect; the log always syncs."),
    define("TimeZone", "UTC", Kind::Zone, true, "Where times are written for."),
    define("transaction_isolation", "read committed", ISOLATION, false, "No effect."),
    define("transaction_read_only", "on", Kind::Bool, false, "No effect; all is read."),
    define("work_mem", "4MB", Kind::Text, false, "No effect."),
];

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

/// How long statements may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Where the session says nothing.
    pub(crate) default: Duration,
    /// Whatever the session says.
    pub(crate) longest: Duration,
}

type Values = BTreeMap<String, String>;

/// The settings of one session.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What differs from the table, by the name in it.
    values: Values,
    /// What the session started with, for RESET.
    start: Values,
    /// What ROLLBACK goes back to.
    begun: Option<Values>,
    /// What `SET LOCAL` covers until the transaction ends.
    covered: BTreeMap<String, Option<String>>,
    timeouts: Timeouts,
    zone: Zone,
}

impl Settings {
    pub(crate) fn new(user: &str, timeouts: Timeouts) -> Settings {
        let mut start = Values::new();
        start.insert("session_authorization".into(), user.into());
        start.insert("statement_timeout".into(), show_time(timeouts.default));
        Settings {
            values: start.clone(),
            start,
            begun: None,
            covered: BTreeMap::new(),
            timeouts,
            zone: Zone::default(),
        }
    }

    /// Takes what the client wants to begin with: RESET comes back to it.
    pub(crate) fn begin_with(&mut self, name: &str, value: &str) -> Result<(), PgError> {
        self.set(name, Some(value), false)?;
        self.start = self.values.clone();
        Ok(())
    }

    /// Sets one; no value is what the session started with.
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
    ) -> Result<(), PgError> {
        let (name, value) = match (definition(name), value) {
            (Some(known), None) => (known.name.to_owned(), self.start.get(known.name).cloned()),
            (Some(known), Some(value)) => {
                (known.name.to_owned(), Some(check(known, value, self.timeouts)?))
            }
            (None, value) => {
                self.check_custom(name, value)?;
                (name.to_owned(), value.map(Into::into))
            }
        };
        if local && self.begun.is_none() {
            return Ok(());
        }
        if local {
            let covered = self.values.get(&name).cloned();
            self.covered.entry(name.clone()).or_insert(covered);
        } else {
            self.covered.remove(&name);
        }
        self.put(name, value);
        Ok(())
    }

    fn check_custom(&self, name: &str, value: Option<&str>) -> Result<(), PgError> {
        if !name.contains('.') {
            return Err(unknown(name));
        }
        let there = self.values.keys().filter(|name| name.contains('.')).count();
        if there >= CUSTOM_SETTINGS_MAX && !self.values.contains_key(name) {
            return Err(PgError::new(sqlstate::LIMIT_EXCEEDED, "too many settings")
                .detail(format!("A session has at most {CUSTOM_SETTINGS_MAX} of its own.")));
        }
        check_length(name, value.unwrap_or_default())
    }

    fn put(&mut self, name: String, value: Option<String>) {
        match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(&name),
        };
        self.zone = Zone::read(self.shown("TimeZone")).unwrap_or_default();
    }

    fn replace(&mut self, values: Values) {
        self.values = values;
        self.zone = Zone::read(self.shown("TimeZone")).unwrap_or_default();
    }

    /// Back to what the session started with.
    pub(crate) fn reset_all(&mut self) {
        self.covered.clear();
        self.replace(self.start.clone());
    }

    pub(crate) fn begin(&mut self) {
        self.begun = Some(self.values.clone());
    }

    pub(crate) fn commit(&mut self) {
        self.begun = None;
        for (name, value) in std::mem::take(&mut self.covered) {
            self.put(name, value);
        }
    }

    pub(crate) fn roll_back(&mut self) {
        self.covered.clear();
        if let Some(values) = self.begun.take() {
            self.replace(values);
        }
    }

    fn shown<'a>(&'a self, name: &'static str) -> &'a str {
        let default = || definition(name).map_or("", |definition| definition.default);
        self.values.get(name).map_or_else(default, String::as_str)
    }

    /// The name as SHOW prints it, and the value.
    pub(crate) fn show(&self, name: &str) -> Result<(String, String), PgError> {
        match definition(name) {
            Some(known) => Ok((known.name.into(), self.shown(known.name).into())),
            None => {
                let value = self.values.get(name).cloned().ok_or_else(|| unknown(name))?;
                Ok((name.into(), value))
            }
        }
    }

    /// Name, value and meaning of every setting.
    pub(crate) fn show_all(&self) -> Vec<[String; 3]> {
        let row = |d: &Definition| [d.name.into(), self.shown(d.name).into(), d.about.into()];
        DEFINITIONS.iter().map(row).collect()
    }

    /// What clients are told about, by name.
    pub(crate) fn reported(&self) -> Vec<(&'static str, String)> {
        let reported = DEFINITIONS.iter().filter(|definition| definition.reported);
        reported.map(|d| (d.name, self.shown(d.name).to_owned())).collect()
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Digits beyond what a float has for certain; above 0 the shortest that reads back the same.
    pub(crate) fn extra_float_digits(&self) -> i32 {
        self.shown("extra_float_digits").parse().unwrap_or(1)
    }

    /// How long the next statement may take.
    pub(crate) fn statement_timeout(&self) -> Duration {
        match read_time(self.shown("statement_timeout")) {
            Some(Duration::ZERO) | None => self.timeouts.longest,
            Some(timeout) => timeout.min(self.timeouts.longest),
        }
    }
}

fn unknown(name: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

fn check_length(name: &str, value: &str) -> Result<(), PgError> {
    if value.len() <= SETTING_BYTES_MAX {
        return Ok(());
    }
    Err(PgError::new(sqlstate::LIMIT_EXCEEDED, format!("value of \"{name}\" is too long"))
        .detail(format!("It has {} bytes; {SETTING_BYTES_MAX} is the most.", value.len())))
}

fn invalid(definition: &Definition, value: &str) -> PgError {
    PgError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{}\": \"{value}\"", definition.name),
    )
}

/// The value in the form in which it is shown.
fn check(definition: &Definition, value: &str, timeouts: Timeouts) -> Result<String, PgError> {
    check_length(definition.name, value)?;
    let wrong = || invalid(definition, value);
    match definition.kind {
        Kind::Text => Ok(value.to_owned()),
        Kind::Bool => {
            read_bool(value).map(|on| if on { "on" } else { "off" }.into()).ok_or_else(|| {
                PgError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("parameter \"{}\" requires a Boolean value", definition.name),
                )
            })
        }
        Kind::Integer(low, high) => {
            let number: i64 = value.trim().parse().map_err(|_| wrong())?;
            let fits = (low..=high).contains(&number);
            let out = || wrong().detail(format!("It goes from {low} to {high}."));
            fits.then(|| number.to_string()).ok_or_else(out)
        }
        Kind::Time => read_time(value).map(show_time).ok_or_else(wrong),
        Kind::Timeout => {
            let time = read_time(value).ok_or_else(wrong)?;
            if time > timeouts.longest {
                let longest = show_time(timeouts.longest);
                return Err(wrong().detail(format!("The server allows at most {longest}.")));
            }
            Ok(show_time(time))
        }
        Kind::Zone => {
            let zone = Zone::read(value).ok_or_else(wrong)?;
            Ok(zone.name().to_owned())
        }
        Kind::AsOf => {
            let text = value.trim();
            let known = text.is_empty()
                || text.parse::<u64>().is_ok()
                || string_to_datetime(&chrono::Utc, text).is_ok();
            known.then(|| text.to_owned()).ok_or_else(|| {
                wrong().hint("Give a time, such as '2026-11-25 06:00Z', or a sequence of the log.")
            })
        }
        Kind::Choice(choices) => {
            let same = |choice: &&&str| choice.eq_ignore_ascii_case(value.trim());
            let known = choices.iter().find(same).ok_or_else(|| {
                wrong().hint(format!("Available values: {}.", choices.join(", ")))
            })?;
            Ok((*known).to_owned())
        }
        Kind::DateStyle => date_style(value)
            .ok_or_else(|| wrong().hint("Dates are written in the ISO style only.")),
        Kind::Encoding => {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            let utf8 = ["utf8", "unicode"].iter().any(|name| plain.eq_ignore_ascii_case(name));
            utf8.then(|| "UTF8".to_owned())
                .ok_or_else(|| wrong().hint("The only encoding is UTF8."))
        }
        Kind::Fixed => Err(PgError::new(
            sqlstate::CANNOT_CHANGE_NOW,
            format!("parameter \"{}\" cannot be changed", definition.name),
        )),
    }
}

fn read_bool(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// The order of day and month is kept, the style is always ISO.
fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for word in value.split(',').map(|word| word.trim().to_uppercase()) {
        order = match word.as_str() {
            "ISO" => order,
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => "MDY",
            "DMY" | "EURO" | "EUROPEAN" => "DMY",
            "YMD" => "YMD",
            _ => return None,
        };
    }
    Some(format!("ISO, {order}"))
}

const TIME_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1000),
    ("us", 1),
];

/// A time such as `500`, `5s` or `1.5 min`; milliseconds without a unit.
fn read_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim();
    let unit = if unit.is_empty() { "ms" } else { unit };
    let micros = TIME_UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let time = number * micros as f64;
    (time <= i64::MAX as f64).then(|| Duration::from_millis((time / 1000.0).round() as u64))
}

/// In the largest unit that says it whole.
fn show_time(time: Duration) -> String {
    let millis = time.as_millis() as u64;
    if millis == 0 {
        return "0".into();
    }
    let whole = TIME_UNITS.iter().find(|(_, micros)| (millis * 1000).is_multiple_of(*micros));
    whole.map_or_else(String::new, |(name, micros)| format!("{}{name}", millis * 1000 / micros))
}

#[cfg(test)]
mod tests;
