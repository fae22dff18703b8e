//! `parx.toml`: what it may hold, and what is wrong with one, by line.
//!
//! Reading never stops at the first mistake: every table is read for itself, so that `parx check`
//! can tell them all. Whether sources and signals make sense together is checked here too; what a
//! driver's settings mean, the driver says.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use parx_log::{
    Catalog, Command, LINGER, LINGER_EDGE, ScanClassDefinition, SignalDefinition, SourceDefinition,
    SpaceLimits, TAIL_BYTES_MAX, ValueType, decide,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Everything that a `parx.toml` can say.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where to keep data and what to listen on.
    pub server: ServerConfig,
    /// How the log works.
    pub log: LogConfig,
    /// When the log is compacted into segments.
    pub compaction: CompactionConfig,
    /// Scan classes to define.
    pub scan_classes: Vec<ScanClassDefinition>,
    /// Sources to define.
    pub sources: Vec<SourceDefinition>,
    /// Signals to define.
    pub signals: Vec<SignalDefinition>,
}

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Address of the HTTP door.
    pub http: Option<SocketAddr>,
    /// Address of the Postgres door.
    pub postgres: Option<SocketAddr>,
    /// Address of the Flight door.
    pub flight: Option<SocketAddr>,
}

/// What the machine is: it gives `[log]` and `[compaction]` what they do not say themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A server: answers soon.
    #[default]
    Server,
    /// A small machine with flash that is to last: writes seldom, keeps little in memory.
    Edge,
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What the machine is.
    pub profile: Profile,
    /// In the long run groups of few samples are written no more often than one in so many
    /// milliseconds: more spares the disk, less answers sooner, 0 never waits.
    pub linger_ms: Option<u64>,
    /// Most samples in memory that no segment holds yet.
    pub tail_rows_max: Option<u64>,
    /// Most bytes of memory that those samples take.
    pub tail_bytes_max: Option<u64>,
    /// Part of the disk, in percent, below which samples are refused until there is room again.
    pub free_soft_percent: Option<u64>,
    /// The most bytes that this part comes to on a large disk.
    pub free_soft_bytes_max: Option<u64>,
    /// Part of the disk, in percent, below which everything is refused, and compaction waits.
    pub free_hard_percent: Option<u64>,
    /// The most bytes that this part comes to on a large disk.
    pub free_hard_bytes_max: Option<u64>,
}

impl LogConfig {
    /// The linger to work with.
    pub fn linger(&self) -> Duration {
        let own = self.linger_ms.map(Duration::from_millis);
        own.unwrap_or(match self.profile {
            Profile::Server => LINGER,
            Profile::Edge => LINGER_EDGE,
        })
    }

    /// The free space to keep.
    pub fn space(&self) -> SpaceLimits {
        let usual = SpaceLimits::default();
        SpaceLimits {
            soft_percent: self.free_soft_percent.unwrap_or(usual.soft_percent),
            hard_percent: self.free_hard_percent.unwrap_or(usual.hard_percent),
            soft_bytes_max: self.free_soft_bytes_max.unwrap_or(usual.soft_bytes_max),
            hard_bytes_max: self.free_hard_bytes_max.unwrap_or(usual.hard_bytes_max),
        }
    }

    /// The bytes of the hot tail to work with.
    pub fn tail_bytes_max(&self) -> u64 {
        self.tail_bytes_max.unwrap_or(match self.profile {
            Profile::Server => TAIL_BYTES_MAX,
            Profile::Edge => TAIL_BYTES_MAX / 4,
        })
    }
}

/// `[compaction]`: whichever limit is reached first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactionConfig {
    /// Age of the oldest sample in the log, in seconds.
    pub seal_after_s: u64,
    /// Samples in the log; 2 Mi on a server, 512 Ki on an edge.
    pub seal_rows: Option<u64>,
    /// Bytes in the log.
    pub seal_bytes: u64,
}

impl Default for CompactionConfig {
    fn default() -> CompactionConfig {
        CompactionConfig { seal_after_s: 600, seal_rows: None, seal_bytes: 32 << 20 }
    }
}

/// `[[signal]]`, with the places that checks point at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalEntry {
    tag: String,
    #[serde(default)]
    description: String,
    unit: Option<String>,
    #[serde(default, rename = "type")]
    value_type: ValueType,
    #[serde(default)]
    states: BTreeMap<String, String>,
    low: Option<f64>,
    high: Option<f64>,
    stepped: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    source: Option<String>,
    address: Option<String>,
    scan_class: Option<String>,
    deadband: Option<f64>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A configuration as far as it could be read, and everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Reading {
    /// What could be read.
    pub config: Config,
    /// What is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
    text: String,
    places: HashMap<String, Range<usize>>,
}

/// What a driver says about a source or one of its points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverProblem {
    /// The signal it concerns; none where it is the source itself.
    pub tag: Option<String>,
    /// The field at fault.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Reads a configuration and checks it against itself.
pub fn read(text: &str) -> Reading {
    let mut reading = Reading { text: text.to_owned(), ..Reading::default() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reading.complain(error.span(), error.message());
    }
    for (name, value) in document.into_inner() {
        reading.section(name.get_ref(), name.span(), value);
    }
    reading.check_references();
    reading.problems.sort_by_key(|problem| (problem.line, problem.column));
    reading
}

/// The sections, for the message about an unknown one.
const SECTIONS: &str = "server, log, compaction, scan_class, source, signal";

impl Reading {
    fn complain(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        let (line, column) = place(&self.text, span.map_or(0, |span| span.start));
        self.problems.push(Problem { line, column, message: message.into() });
    }

    fn section(&mut self, name: &str, span: Range<usize>, value: Spanned<DeValue<'_>>) {
        match name {
            "server" => self.config.server = self.one(value).unwrap_or_default(),
            "log" => self.config.log = self.one(value).unwrap_or_default(),
            "compaction" => self.config.compaction = self.one(value).unwrap_or_default(),
            "scan_class" => self.config.scan_classes = self.each(value, "scan_class", "name"),
            "source" => self.config.sources = self.each(value, "source", "name"),
            "signal" => {
                let entries: Vec<SignalEntry> = self.each(value, "signal", "tag");
                for entry in entries {
                    let signal = self.signal(entry);
                    self.config.signals.push(signal);
                }
            }
            other => self.complain(
                Some(span),
                format!("there is no section '{other}'; the sections are {SECTIONS}"),
            ),
        }
    }

    /// One table.
    fn one<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        let span = value.span();
        match T::deserialize(toml::de::ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.complain(error.span().or(Some(span)), error.message());
                None
            }
        }
    }

    /// An array of tables, each remembered by its name and its fields' places.
    fn each<T: DeserializeOwned>(
        &mut self,
        value: Spanned<DeValue<'_>>,
        kind: &str,
        key: &str,
    ) -> Vec<T> {
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            self.complain(Some(span), format!("write [[{kind}]], with two brackets on each side"));
            return vec![];
        };
        let mut read = Vec::new();
        for item in items {
            if let Some(table) = item.get_ref().as_table() {
                let name = table.get(key).and_then(|v| v.get_ref().as_str()).unwrap_or_default();
                let place = format!("{kind} {name}");
                if !name.is_empty() && self.places.contains_key(&place) {
                    self.complain(Some(item.span()), format!("{kind} '{name}' is there twice"));
                }
                for (field, value) in table {
                    self.places.insert(format!("{place} {}", field.get_ref()), value.span());
                }
                self.places.insert(place, item.span());
            }
            read.extend(self.one::<T>(item));
        }
        read
    }

    fn signal(&mut self, entry: SignalEntry) -> SignalDefinition {
        let mut states = BTreeMap::new();
        for (number, name) in entry.states {
            match number.parse() {
                Ok(number) => {
                    states.insert(number, name);
                }
                Err(_) => {
                    let span = self.span("signal", &entry.tag, "states");
                    let message = format!("state '{number}' is not a whole number");
                    self.complain(span, message);
                }
            }
        }
        let stepped = entry.stepped.unwrap_or(entry.value_type != ValueType::Float);
        SignalDefinition {
            tag: entry.tag,
            description: entry.description,
            unit: entry.unit,
            value_type: entry.value_type,
            states,
            low: entry.low,
            high: entry.high,
            stepped,
            labels: entry.labels,
            source: entry.source,
            address: entry.address,
            scan_class: entry.scan_class,
            deadband: entry.deadband,
        }
    }

    fn span(&self, kind: &str, name: &str, field: &str) -> Option<Range<usize>> {
        let exact = self.places.get(&format!("{kind} {name} {field}"));
        exact.or_else(|| self.places.get(&format!("{kind} {name}"))).cloned()
    }

    /// What `decide` would refuse, told by line before anything is started.
    fn check_references(&mut self) {
        let mut catalog = Catalog::default();
        let config = self.config.clone();
        for command in config.commands() {
            let (kind, name) = match &command {
                Command::DefineScanClass(class) => ("scan_class", class.name.clone()),
                Command::DefineSource(source) => ("source", source.name.clone()),
                Command::DefineSignal(signal) => ("signal", signal.tag.clone()),
                _ => continue,
            };
            match decide(&catalog, command) {
                Ok(changes) => {
                    for change in changes {
                        let sequence = catalog.sequence.next();
                        catalog.apply(sequence, &change);
                    }
                }
                Err(parx_log::Refusal::Exists { .. }) => {} // told already, as "there twice"
                Err(refusal) => {
                    let field = match &refusal {
                        parx_log::Refusal::Invalid { field, .. } => field,
                        parx_log::Refusal::Exists { .. } | parx_log::Refusal::Unknown { .. } => "",
                    };
                    let span = self.span(kind, &name, field);
                    self.complain(span, refusal.to_string());
                }
            }
        }
    }

    /// Adds what a driver says about one of the sources.
    pub fn add_driver_problem(&mut self, source: &str, problem: &DriverProblem) {
        let span = match &problem.tag {
            Some(tag) => self.span("signal", tag, &problem.field),
            None => self.setting_span(source, &problem.field),
        };
        self.complain(span, problem.message.clone());
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
    }

    fn setting_span(&self, source: &str, field: &str) -> Option<Range<usize>> {
        if let Some(exact) = self.places.get(&format!("source {source} {field}")) {
            return Some(exact.clone());
        }
        let settings = self.span("source", source, "settings")?;
        let text = self.text.get(settings.clone()).unwrap_or_default();
        let within = text.find(field).filter(|_| !field.is_empty()).unwrap_or(0);
        Some(settings.start + within..settings.end)
    }
}

impl Config {
    /// Samples in the log at which it is compacted.
    pub fn seal_rows(&self) -> u64 {
        self.compaction.seal_rows.unwrap_or(match self.log.profile {
            Profile::Server => 2 << 20,
            Profile::Edge => 512 << 10,
        })
    }

    /// The commands that define what it says, in an order in which each finds what it needs.
    pub fn commands(&self) -> Vec<Command> {
        let classes = self.scan_classes.iter().cloned().map(Command::DefineScanClass);
        let sources = self.sources.iter().cloned().map(Command::DefineSource);
        let signals = self.signals.iter().cloned().map(Command::DefineSignal);
        classes.chain(sources).chain(signals).collect()
    }
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[server]
data = "plant"
http = "127.0.0.1:0"

[[scan_class]]
name = "fast"
period_ms = 250

[[source]]
name = "boiler"
driver = "modbus"
settings = { host = "127.0.0.1", port = 5020 }

[[signal]]
tag = "boiler/pressure"
unit = "bar"
source = "boiler"
address = "holding:0:float32"
scan_class = "fast"

[[signal]]
tag = "boiler/state"
type = "int"
states = { 0 = "off", 1 = "on" }
"#;

    fn problems(text: &str) -> Vec<(usize, String)> {
        read(text).problems.into_iter().map(|p| (p.line, p.message)).collect()
    }

    #[test]
    fn a_good_configuration_is_read_whole() {
        let reading = read(GOOD);
        assert_eq!(reading.problems, []);
        assert_eq!(reading.config.signals.len(), 2);
        assert_eq!(reading.config.sources[0].settings["port"], 5020);
        assert!(reading.config.signals[1].stepped, "what is not a float is stepped");
        assert_eq!(reading.config.signals[1].states[&1], "on");
    }

    #[test]
    fn a_profile_gives_what_is_not_said() {
        for (text, linger, rows) in [
            ("", 5, 2 << 20),
            ("[log]\nprofile = \"edge\"\n", 50, 512 << 10),
            ("[log]\nlinger_ms = 0\n", 0, 2 << 20),
            ("[log]\nprofile = \"edge\"\nlinger_ms = 9\n[compaction]\nseal_rows = 7\n", 9, 7),
        ] {
            let Reading { config, problems, .. } = read(text);
            assert_eq!(problems, [], "{text}");
            assert_eq!(config.log.linger(), Duration::from_millis(linger), "{text}");
            assert_eq!(config.seal_rows(), rows, "{text}");
            let edge = config.log.profile == Profile::Edge;
            assert_eq!(config.log.tail_bytes_max() < TAIL_BYTES_MAX, edge, "{text}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let table: [(&str, usize, &str); 9] = [
            ("[log]\nprofile = \"cloud\"\n", 2, "cloud"),
            ("[server]\ndata = \"x\"\nhtpp = \"y\"\n", 3, "htpp"),
            ("[servre]\n", 1, "there is no section 'servre'"),
            ("[[signal]]\ntag = \"a\"\nsource = \"nowhere\"\n", 3, "which is not defined"),
            ("[[scan_class]]\nname = \"f\"\nperiod_ms = 0\n", 3, "period_ms is 0"),
            ("[[signal]]\ntag = \"a\"\n\n[[signal]]\ntag = \"a\"\n", 4, "is there twice"),
            ("[[signal]]\ntag = \"a\"\ntype = \"number\"\n", 3, "number"),
            ("[signal]\ntag = \"a\"\n", 1, "two brackets"),
            ("[[signal]]\ntag = \"a\"\nlow = 5.0\nhigh = 1.0\n", 3, "must be below high"),
        ];
        for (text, line, part) in table {
            let found = problems(text);
            let hit = found.iter().any(|(at, message)| *at == line && message.contains(part));
            assert!(hit, "{text:?}: {found:?}");
        }
    }

    #[test]
    fn one_mistake_does_not_hide_the_next() {
        let text = "[[signal]]\ntag = 5\n\n[[signal]]\ntag = \"b\"\ncolour = \"red\"\n\n[x]\n";
        let lines: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 6, 8]);
    }

    #[test]
    fn a_drivers_complaint_points_at_the_setting() {
        let mut reading = read(GOOD);
        let complaint = |tag: Option<&str>, field: &str| DriverProblem {
            tag: tag.map(Into::into),
            field: field.into(),
            message: "wrong".into(),
        };
        reading.add_driver_problem("boiler", &complaint(None, "port"));
        reading.add_driver_problem("boiler", &complaint(Some("boiler/pressure"), "address"));
        let lines: Vec<usize> = reading.problems.iter().map(|p| p.line).collect();
        assert_eq!(lines, [13, 19]);
    }
}
