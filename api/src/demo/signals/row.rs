//! A row of the table of signals: what a signal is, where a device has it, how the plant tells it.

use std::collections::BTreeMap;

use parx_log::{SignalDefinition, Value, ValueType};
use parx_protocols::device::image::{Area, Place};

use crate::demo::noise::jitter;
use crate::demo::plant::Plant;

/// Bytes of a text in registers.
pub(in crate::demo) const TEXT_BYTES: u16 = 32;

/// A device of the demo; each is one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// The controller of the boiler house, by Modbus.
    Boiler,
    /// The controller of tank and line, by Modbus; its words are swapped.
    Filling,
    /// The gateway that sends by MQTT.
    Gateway,
}

impl Device {
    /// The source's name.
    pub fn source(self) -> &'static str {
        match self {
            Device::Boiler => "boiler-plc",
            Device::Filling => "filling-plc",
            Device::Gateway => "site-gateway",
        }
    }
}

/// How often a signal is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Four times a second.
    Fast,
    /// Every second.
    Normal,
    /// Every five seconds.
    Slow,
    /// Whenever its device sends it.
    Sent,
}

impl Class {
    /// The scan classes and their periods in milliseconds.
    pub const SCANNED: [(Class, &str, u64); 3] = [
        (Class::Fast, "fast", 250),
        (Class::Normal, "normal", 1_000),
        (Class::Slow, "slow", 5_000),
    ];

    /// The scan class's name.
    pub fn name(self) -> Option<&'static str> {
        Class::SCANNED.iter().find(|(class, _, _)| *class == self).map(|(_, name, _)| *name)
    }
}

/// How a signal comes from its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a Modbus register or bit.
    Register {
        /// The device.
        device: Device,
        /// The place of its first register.
        place: Place,
    },
    /// As a member of a JSON message of the gateway.
    Message {
        /// The topic.
        topic: &'static str,
        /// The member's name.
        key: &'static str,
    },
}

/// What a signal is and how the plant tells it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A measured value.
    Analog(fn(&Plant) -> f64),
    /// A total that only grows.
    Counter(fn(&Plant) -> f64),
    /// On or off.
    Flag(fn(&Plant) -> bool),
    /// One of some states, with their names.
    State(fn(&Plant) -> i64, &'static [&'static str]),
    /// Words.
    Text(fn(&Plant) -> String),
}

/// One signal.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The tag.
    pub tag: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Unit as a UCUM code.
    pub unit: Option<&'static str>,
    /// What it is and how the plant tells it.
    pub kind: Kind,
    /// The range to draw it in, within which it stays.
    pub range: Option<(f64, f64)>,
    /// The change too small to record.
    pub deadband: Option<f64>,
    /// How far the sensor strays from the truth.
    pub noise: f64,
    /// Where its device has it.
    pub way: Way,
    /// How often it is read.
    pub class: Class,
}

impl Row {
    const fn new(tag: &'static str, description: &'static str, kind: Kind) -> Row {
        let way = Way::Message { topic: "", key: "" };
        let class = Class::Normal;
        Row {
            tag,
            description,
            unit: None,
            kind,
            range: None,
            deadband: None,
            noise: 0.0,
            way,
            class,
        }
    }

    pub(super) const fn analog(
        tag: &'static str,
        description: &'static str,
        unit: &'static str,
        read: fn(&Plant) -> f64,
    ) -> Row {
        Row { unit: Some(unit), ..Row::new(tag, description, Kind::Analog(read)) }
    }

    pub(super) const fn counter(
        tag: &'static str,
        description: &'static str,
        unit: &'static str,
        read: fn(&Plant) -> f64,
    ) -> Row {
        Row { unit: Some(unit), ..Row::new(tag, description, Kind::Counter(read)) }
    }

    pub(super) const fn flag(
        tag: &'static str,
        description: &'static str,
        read: fn(&Plant) -> bool,
    ) -> Row {
        Row::new(tag, description, Kind::Flag(read))
    }

    pub(super) const fn state(
        tag: &'static str,
        description: &'static str,
        names: &'static [&'static str],
        read: fn(&Plant) -> i64,
    ) -> Row {
        Row::new(tag, description, Kind::State(read, names))
    }

    pub(super) const fn text(
        tag: &'static str,
        description: &'static str,
        read: fn(&Plant) -> String,
    ) -> Row {
        Row::new(tag, description, Kind::Text(read))
    }

    /// The range from `low` to `high`; `noise` strays the sensor and `deadband` is not recorded.
    pub(super) const fn range(self, low: f64, high: f64, noise: f64, deadband: f64) -> Row {
        Row { range: Some((low, high)), noise, deadband: Some(deadband), ..self }
    }

    pub(super) const fn at(self, device: Device, unit: u8, area: Area, number: u16) -> Row {
        Row { way: Way::Register { device, place: Place { unit, area, number } }, ..self }
    }

    pub(super) const fn sent(self, topic: &'static str, key: &'static str) -> Row {
        Row { way: Way::Message { topic, key }, class: Class::Sent, ..self }
    }

    pub(super) const fn fast(self) -> Row {
        Row { class: Class::Fast, ..self }
    }

    pub(super) const fn slow(self) -> Row {
        Row { class: Class::Slow, ..self }
    }

    /// The device that has it.
    pub fn device(&self) -> Device {
        match self.way {
            Way::Register { device, .. } => device,
            Way::Message { .. } => Device::Gateway,
        }
    }

    /// The type of its values.
    pub fn value_type(&self) -> ValueType {
        match self.kind {
            Kind::Analog(_) => ValueType::Float,
            Kind::Counter(_) | Kind::State(..) => ValueType::Int,
            Kind::Flag(_) => ValueType::Bool,
            Kind::Text(_) => ValueType::Text,
        }
    }

    /// True if it is on or off, or one of some states.
    pub fn is_discrete(&self) -> bool {
        matches!(self.kind, Kind::Flag(_) | Kind::State(..))
    }

    /// Names of its states, by number.
    pub fn states(&self) -> Option<&'static [&'static str]> {
        match self.kind {
            Kind::State(_, names) => Some(names),
            Kind::Analog(_) | Kind::Counter(_) | Kind::Flag(_) | Kind::Text(_) => None,
        }
    }

    /// Registers or bits that it takes.
    pub fn span(&self) -> u16 {
        match self.kind {
            Kind::Analog(_) | Kind::Counter(_) => 2,
            Kind::Flag(_) | Kind::State(..) => 1,
            Kind::Text(_) => TEXT_BYTES / 2,
        }
    }

    /// What it is now, as a reader of its device gets it.
    pub fn value(&self, plant: &Plant) -> Value {
        match self.kind {
            Kind::Analog(read) => Value::Float(self.measured(plant, read(plant))),
            Kind::Counter(read) => Value::Int(read(plant).max(0.0) as u32 as i64),
            Kind::Flag(read) => Value::Bool(read(plant)),
            Kind::State(read, _) => Value::Int(read(plant)),
            Kind::Text(read) => Value::Text(read(plant).into()),
        }
    }

    /// `truth` as the sensor sees it and as the device passes it on: in single precision by Modbus,
    /// rounded by the gateway.
    fn measured(&self, plant: &Plant, truth: f64) -> f64 {
        let seen = truth + self.noise * jitter(plant.seed, hash(self.tag), plant.now.micros());
        let within = self.range.map_or(seen, |(low, high)| seen.clamp(low, high));
        match self.way {
            Way::Register { .. } => f64::from(within as f32),
            Way::Message { .. } => (within * 1_000.0).round() / 1_000.0,
        }
    }

    /// Its address in the words of its driver.
    pub fn address(&self) -> String {
        let (place, kind) = match self.way {
            Way::Message { topic, key } => return format!("{topic}:$.{key}@$.time"),
            Way::Register { place, .. } => (place, self.kind),
        };
        let area = match place.area {
            Area::Coil => "coil",
            Area::Discrete => "discrete",
            Area::Holding => "holding",
            Area::Input => "input",
        };
        let suffix = match kind {
            Kind::Analog(_) => ":float32".to_owned(),
            Kind::Counter(_) => ":uint32".to_owned(),
            Kind::State(..) => ":uint16".to_owned(),
            Kind::Flag(_) => String::new(),
            Kind::Text(_) => format!(":string[{TEXT_BYTES}]"),
        };
        let unit = if place.unit == 1 { String::new() } else { format!("{}!", place.unit) };
        format!("{unit}{area}:{}{suffix}", place.number)
    }

    /// The signal's definition.
    pub fn definition(&self) -> SignalDefinition {
        let names = self.states().unwrap_or_default();
        let states = (0..).zip(names).map(|(number, name)| (number, (*name).to_owned()));
        SignalDefinition {
            tag: self.tag.to_owned(),
            description: self.description.to_owned(),
            unit: self.unit.map(str::to_owned),
            value_type: self.value_type(),
            states: states.collect(),
            low: self.range.map(|(low, _)| low),
            high: self.range.map(|(_, high)| high),
            stepped: !matches!(self.kind, Kind::Analog(_)),
            labels: BTreeMap::new(),
            source: Some(self.device().source().to_owned()),
            address: Some(self.address()),
            scan_class: self.class.name().map(str::to_owned),
            deadband: self.deadband,
        }
    }
}

/// A number for a tag, always the same (FNV-1a).
fn hash(tag: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    tag.bytes().fold(0xCBF2_9CE4_8422_2325, mix)
}
