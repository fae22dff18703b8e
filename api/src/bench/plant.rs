//! The plant that is measured with: signals of seven classes, scanned for some hours, in the order
//! in which the samples arrive.
//!
//! Pure and seeded: the same options give the same points, bit by bit. It knows no wire and no
//! server. `values` holds what the classes measure, `clock` what the devices stamp.

pub mod chance;
mod clock;
mod values;

use std::collections::VecDeque;

use chance::Chance;
use clock::{DeviceClock, Outage};
pub use values::Process;

/// Most signals of a plant.
pub const SIGNALS_MAX: u32 = 100_000;
/// Signals of one device.
pub const DEVICE_SIGNALS: u32 = 16;
/// When every plant begins: 2025-11-03T00:00:00Z, a Monday, in microseconds since 1970.
pub const BEGIN: i64 = 1_762_128_000_000_000;
/// The shortest scan period, in microseconds.
pub const TICK: i64 = 500_000;
/// Scans after which the pattern of periods repeats.
const PATTERN: usize = 20;
/// A scan in this many is lost.
const LOST_ONE_IN: f64 = 2_000.0;
/// Scans of a lost link that are delivered with each scan once it is back.
const LATE_AT_ONCE: usize = 20;

/// What a plant is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlantOptions {
    /// How many signals.
    pub signals: u32,
    /// How many scans of half a second.
    pub ticks: u64,
    /// What chance begins with.
    pub seed: u64,
}

/// What a signal is, which decides how it compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A drifting process on an ADC of 12 to 16 bits, scaled to a 32-bit REAL; every second.
    Analog,
    /// A smart transmitter with one to three decimals; every second.
    Decimal,
    /// A computed value with every bit of its mantissa in use; every half second.
    Noisy,
    /// A totaliser, some with the roll-over of 16 bits; every five seconds.
    Counter,
    /// On or off for minutes to hours; every five seconds.
    Bool,
    /// One of a few states for minutes to hours; every five seconds.
    Enum,
    /// Changed by hand; every ten seconds.
    Setpoint,
}

impl PlantOptions {
    /// When the last scan is due, in microseconds since 1970.
    pub fn end(&self) -> i64 {
        BEGIN + i64::try_from(self.ticks).unwrap_or(i64::MAX / TICK) * TICK
    }
}

impl Class {
    /// Every class, with its share of the signals in percent.
    pub const SHARES: [(Class, u32); 7] = [
        (Class::Analog, 27),
        (Class::Decimal, 13),
        (Class::Noisy, 5),
        (Class::Counter, 15),
        (Class::Bool, 20),
        (Class::Enum, 10),
        (Class::Setpoint, 10),
    ];

    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Class::Analog => "analog",
            Class::Decimal => "decimal",
            Class::Noisy => "noisy",
            Class::Counter => "counter",
            Class::Bool => "bool",
            Class::Enum => "enum",
            Class::Setpoint => "setpoint",
        }
    }

    /// Ticks from one scan to the next.
    pub fn period(self) -> usize {
        match self {
            Class::Noisy => 1,
            Class::Analog | Class::Decimal => 2,
            Class::Counter | Class::Bool | Class::Enum => 10,
            Class::Setpoint => 20,
        }
    }
}

/// Points in columns, in the order of their arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Place of the signal among the plant's.
    pub signals: Vec<u32>,
    /// Microseconds since 1970.
    pub times: Vec<i64>,
    /// What was measured.
    pub values: Vec<f64>,
    /// OPC UA status codes.
    pub qualities: Vec<u32>,
}

impl Points {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn push(&mut self, point: Point) {
        self.signals.push(point.signal);
        self.times.push(point.time);
        self.values.push(point.value);
        self.qualities.push(point.quality);
    }
}

#[derive(Clone, Copy)]
struct Point {
    signal: u32,
    time: i64,
    value: f64,
    quality: u32,
}

/// A plant in the middle of its life.
pub struct Plant {
    options: PlantOptions,
    classes: Vec<Class>,
    processes: Vec<Process>,
    devices: Vec<Device>,
    tick: u64,
    ready: VecDeque<Point>,
}

struct Device {
    clock: DeviceClock,
    chance: Chance,
    /// The signals that are due at each tick of the pattern.
    due: Vec<Vec<u32>>,
    outage: Option<Outage>,
    late: VecDeque<Vec<Point>>,
}

impl Plant {
    /// A plant before its first scan.
    pub fn new(options: PlantOptions) -> Plant {
        let mut chance = Chance::new(options.seed);
        let mut classes = deal(options.signals);
        chance.shuffle(&mut classes);
        let seeds = |number: u64| Chance::new(options.seed ^ (number + 1).rotate_left(32));
        let processes = classes.iter().zip(0..);
        let processes = processes.map(|(class, number)| Process::new(*class, seeds(number)));
        let processes = processes.collect();
        let count = options.signals.div_ceil(DEVICE_SIGNALS);
        let devices = (0..count).map(|number| {
            let mut chance = seeds(u64::from(number) | 1 << 31);
            let first = number * DEVICE_SIGNALS;
            let signals = first..(first + DEVICE_SIGNALS).min(options.signals);
            let clock = DeviceClock::new(number, &mut chance);
            let outage = Outage::of(number, options.ticks, &mut chance);
            let due = due(&classes, signals, chance.below(10) as usize);
            Device { clock, chance, due, outage, late: VecDeque::new() }
        });
        let devices = devices.collect();
        Plant { options, classes, processes, devices, tick: 0, ready: VecDeque::new() }
    }

    /// The class of each signal.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// About how many points are still to come: scans that are lost are counted too.
    pub fn points_expected(&self) -> u64 {
        let per_tick: f64 = self.classes.iter().map(|class| 1.0 / class.period() as f64).sum();
        (per_tick * self.options.ticks.saturating_sub(self.tick) as f64) as u64
    }

    /// The next `rows` points, fewer at the end and none behind it.
    pub fn next(&mut self, rows: usize) -> Points {
        while self.ready.len() < rows && self.scan() {}
        let mut points = Points::default();
        for point in self.ready.drain(..rows.min(self.ready.len())) {
            points.push(point);
        }
        points
    }

    /// One tick of every device; false when it is all over.
    fn scan(&mut self) -> bool {
        let over = self.tick >= self.options.ticks;
        if over && self.devices.iter().all(|device| device.late.is_empty()) {
            return false;
        }
        for device in &mut self.devices {
            if !over {
                device.scan(self.tick, &mut self.processes, &mut self.ready);
            }
            if !device.outage.as_ref().is_some_and(|outage| outage.lasts(self.tick)) {
                let late = device.late.len().min(LATE_AT_ONCE);
                self.ready.extend(device.late.drain(..late).flatten());
            }
        }
        self.tick += 1;
        true
    }
}

impl Device {
    fn scan(&mut self, tick: u64, processes: &mut [Process], ready: &mut VecDeque<Point>) {
        let grid = BEGIN + i64::try_from(tick).unwrap_or(i64::MAX / TICK) * TICK;
        let shared = self.clock.stamp(grid, &mut self.chance);
        let lost = self.clock.shared && self.chance.happens(1.0 / LOST_ONE_IN);
        let due = self.due.get(tick as usize % PATTERN).map(Vec::as_slice).unwrap_or_default();
        let mut held = Vec::new();
        let away = self.outage.as_ref().is_some_and(|outage| outage.lasts(tick));
        for signal in due {
            let Some(process) = processes.get_mut(*signal as usize) else { continue };
            let (value, quality) = process.step();
            let (time, lost) = match self.clock.shared {
                true => (shared, lost),
                false => {
                    let lost = self.chance.happens(1.0 / LOST_ONE_IN);
                    (self.clock.stamp(grid, &mut self.chance), lost)
                }
            };
            let point = Point { signal: *signal, time, value, quality };
            match (lost, away) {
                (true, _) => {}
                (false, true) => held.push(point),
                (false, false) => ready.push_back(point),
            }
        }
        if !held.is_empty() {
            self.late.push_back(held);
        }
    }
}

/// The classes of so many signals by their shares; what rounding leaves goes to the first.
fn deal(signals: u32) -> Vec<Class> {
    let mut classes = Vec::new();
    for (class, percent) in Class::SHARES {
        let count = u64::from(signals) * u64::from(percent) / 100;
        classes.extend(std::iter::repeat_n(class, usize::try_from(count).unwrap_or(0)));
    }
    let left = (signals as usize).saturating_sub(classes.len());
    classes.extend(Class::SHARES.iter().cycle().map(|(class, _)| *class).take(left));
    classes
}

/// Which of a device's signals are due at each tick of the pattern; long periods begin at `offset`
/// seconds, so that devices do not all have them in the same tick.
fn due(classes: &[Class], signals: std::ops::Range<u32>, offset: usize) -> Vec<Vec<u32>> {
    let at = |tick: usize| {
        let is_due = |signal: &u32| {
            let class = classes.get(*signal as usize);
            class.is_some_and(|class| (tick + 2 * offset).is_multiple_of(class.period()))
        };
        signals.clone().filter(is_due).collect()
    };
    (0..PATTERN).map(at).collect()
}

/// The tag of a signal by its place.
pub fn tag(signal: u32) -> String {
    format!("plant/d{:03}/s{:02}", signal / DEVICE_SIGNALS, signal % DEVICE_SIGNALS)
}

#[cfg(test)]
mod tests;
