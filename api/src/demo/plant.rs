//! The demo plant: a boiler house that makes steam, a batch tank that uses it, a filling line
//! behind it, and faults now and then.
//!
//! A pure function of seed and passed time: it opens nothing, reads no clock and knows no
//! addresses. What it is asked for by tag stands in the table of `signals`.

use std::time::Duration;

use parx_log::{Timestamp, Value};

use super::batch::Batch;
use super::boiler::Boiler;
use super::filler::Line;
use super::noise::Dice;
use super::signals::{self, Device};
use super::site::{Site, Use};

/// Longest step that the model takes at once; a longer time is walked in such steps.
pub const STEP_MAX: Duration = Duration::from_secs(1);

/// Seconds between two faults of a kind, on average, and how long one lasts, from and to.
const SENSOR_FAULT: (f64, f64, f64) = (1_500.0, 30.0, 80.0);
const NETWORK_FAULT: (f64, f64, f64) = (1_900.0, 8.0, 20.0);
const PROBE_FAULT: (f64, f64, f64) = (2_400.0, 40.0, 120.0);

/// A fault that comes and goes: seconds until it is over, zero if all is well.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble(f64);

impl Trouble {
    fn step(&mut self, dt: f64, (mean, short, long): (f64, f64, f64), dice: &mut Dice) {
        if self.0 > 0.0 {
            self.0 = (self.0 - dt).max(0.0);
        } else if dice.happens(dt, mean) {
            self.0 = dice.between(short, long);
        }
    }

    fn is_on(self) -> bool {
        self.0 > 0.0
    }
}

/// The plant at one moment.
#[derive(Clone, Debug)]
pub struct Plant {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) boiler: Boiler,
    pub(super) batch: Batch,
    pub(super) line: Line,
    pub(super) site: Site,
    pub(super) message: String,
    dice: Dice,
    sensor: Trouble,
    network: Trouble,
    probe: Trouble,
}

impl Plant {
    /// A plant that is just being switched on at `now`. The same seed has the same fate.
    pub fn new(seed: u64, now: Timestamp) -> Plant {
        Plant {
            seed,
            now,
            boiler: Boiler::default(),
            batch: Batch::default(),
            line: Line::default(),
            site: Site::default(),
            message: "Early shift has taken over".to_owned(),
            dice: Dice::new(seed),
            sensor: Trouble::default(),
            network: Trouble::default(),
            probe: Trouble::default(),
        }
    }

    /// The plant's time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass.
    pub fn step(&mut self, dt: Duration) {
        let mut left = dt;
        while !left.is_zero() {
            let part = left.min(STEP_MAX);
            left -= part;
            self.now = self.now.plus(part);
            self.walk(part.as_secs_f64());
        }
    }

    fn walk(&mut self, dt: f64) {
        let heating = 0.09 + self.batch.steam;
        let dice = &mut self.dice;
        let boiler = self.boiler.step(dt, heating, dice).map(str::to_owned);
        let batch = self.batch.step(dt, self.boiler.pressure, self.line.drawn(), dice);
        let level = self.batch.buffer_level();
        let line = self.line.step(dt, level, dice).map(str::to_owned);
        let used = self.used();
        self.site.step(dt, self.now.seconds(), used, &mut self.dice);
        self.sensor.step(dt, SENSOR_FAULT, &mut self.dice);
        self.network.step(dt, NETWORK_FAULT, &mut self.dice);
        self.probe.step(dt, PROBE_FAULT, &mut self.dice);
        if let Some(note) = boiler.or(batch).or(line) {
            self.message = note;
        }
    }

    fn used(&self) -> Use {
        let pumps = f64::from(u8::from(self.boiler.pump1)) + f64::from(u8::from(self.boiler.pump2));
        let running = self.line.speed / 400.0;
        Use {
            boiler_kw: 3.0 + 0.16 * self.boiler.load + pumps * (2.0 + 0.09 * self.boiler.valve),
            filling_kw: 4.0 + 0.55 * self.batch.agitator_current() + 31.0 * running,
            water_m3_h: 0.4 + 3.6 * (self.boiler.makeup + self.batch.inlet),
            air: running,
        }
    }

    /// What the signal `tag` is now, as its device tells it; none if the plant has no such signal.
    pub fn read(&self, tag: &str) -> Option<Value> {
        signals::row(tag).map(|row| row.value(self))
    }

    /// Whether a device can be reached.
    pub fn is_online(&self, device: Device) -> bool {
        match device {
            Device::Boiler | Device::Gateway => true,
            Device::Filling => !self.network.is_on(),
        }
    }

    /// `value` as a sensor tells it that fails now and then: then it is no number.
    pub(super) fn sensed(&self, value: f64) -> f64 {
        if self.sensor.is_on() { f64::NAN } else { value }
    }

    /// The same for the probe in the laboratory.
    pub(super) fn probed(&self, value: f64) -> f64 {
        if self.probe.is_on() { f64::NAN } else { value }
    }

    /// Lets time pass without anything happening in it.
    pub fn skip(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// What a plant is taken up from later: numbers by tag.
    pub fn remember(&self) -> impl Iterator<Item = (&'static str, f64)> {
        RESTORED.iter().filter_map(|(tag, _)| Some((*tag, self.read(tag)?.number()?)))
    }

    /// Takes up where a plant left off that remembered `numbers`.
    pub fn resume(&mut self, numbers: impl Fn(&str) -> Option<f64>) {
        for (tag, restore) in RESTORED {
            if let Some(number) = numbers(tag).filter(|number| number.is_finite()) {
                restore(self, number);
            }
        }
    }
}

type Restore = fn(&mut Plant, f64);

/// Signals from which the state is taken up again.
const RESTORED: &[(&str, Restore)] = &[
    ("boiler/steam/pressure", |p, x| p.boiler.pressure = x),
    ("boiler/drum/level", |p, x| p.boiler.drum_level = x),
    ("boiler/tank/level", |p, x| p.boiler.tank_level = x),
    ("boiler/tank/temperature", |p, x| p.boiler.tank_temperature = x),
    ("boiler/flue/temperature", |p, x| p.boiler.flue = x),
    ("boiler/condensate/conductivity", |p, x| p.boiler.conductivity = x),
    ("boiler/gas/total", |p, x| p.boiler.gas_m3 = x),
    ("boiler/steam/total", |p, x| p.boiler.steam_kg = x),
    ("boiler/feedwater/total", |p, x| p.boiler.feed_kg = x),
    ("boiler/burner/starts", |p, x| p.boiler.starts = x),
    ("boiler/burner/hours", |p, x| p.boiler.hours = x),
    ("filling/tank/state", |p, x| p.batch.set_phase(x as i64)),
    ("filling/tank/batches", |p, x| p.batch.number = x as u64),
    ("filling/tank/weight", |p, x| p.batch.mass = x),
    ("filling/tank/temperature", |p, x| p.batch.temperature = x),
    ("filling/tank/jacket/temperature", |p, x| p.batch.jacket = x),
    ("filling/buffer/level", |p, x| p.batch.set_buffer_level(x)),
    ("filling/filler/bottles", |p, x| p.line.bottles = x),
    ("filling/filler/rejects", |p, x| p.line.rejects = x),
    ("filling/conveyor/motor_temperature", |p, x| p.line.motor = x),
    ("filling/line/effectiveness", |p, x| p.line.effectiveness = x),
    ("site/power/energy", |p, x| p.site.energy_kwh = x),
    ("site/water/total", |p, x| p.site.water_m3 = x),
    ("site/weather/temperature", |p, x| p.site.temperature = x),
    ("site/weather/humidity", |p, x| p.site.humidity = x),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::signals::rows;

    const START: Timestamp = Timestamp::from_micros(1_764_028_800_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn plant() -> Plant {
        Plant::new(1, START)
    }

    #[test]
    fn for_a_day_every_signal_stays_within_its_range() {
        let mut plant = plant();
        for second in 0..86_400 {
            plant.step(SECOND);
            for row in rows() {
                let number = row.value(&plant).number().filter(|x| !x.is_nan());
                if let (Some((low, high)), Some(number)) = (row.range, number) {
                    let within = (low..=high).contains(&number);
                    assert!(within, "{} is {number} after {second} s", row.tag);
                }
            }
        }
    }

    #[test]
    fn in_a_day_everything_happens_that_can() {
        let mut plant = plant();
        let mut seen =
            std::collections::BTreeMap::<&str, std::collections::BTreeSet<String>>::new();
        let first = plant.batch.number;
        let mut offline = 0;
        for _ in 0..86_400 {
            plant.step(SECOND);
            offline += u32::from(!plant.is_online(Device::Filling));
            for row in rows().filter(|row| row.is_discrete()) {
                seen.entry(row.tag).or_default().insert(row.value(&plant).to_string());
            }
        }
        for row in rows().filter(|row| row.is_discrete() && row.tag != "boiler/safety_valve/open") {
            let expected = row.states().map_or(2, <[_]>::len);
            assert!(seen[row.tag].len() >= expected, "{}: {:?}", row.tag, seen[row.tag]);
        }
        assert!((200..600).contains(&(plant.batch.number - first)), "{}", plant.batch.number);
        assert!((100..3_000).contains(&offline), "{offline} s off the network");
    }

    #[test]
    fn the_same_seed_has_the_same_fate_whatever_the_steps_are_called() {
        let (mut one, mut two, mut other) = (plant(), plant(), Plant::new(2, START));
        for _ in 0..1_000 {
            one.step(SECOND);
            other.step(SECOND);
        }
        two.step(1_000 * SECOND);
        let all =
            |plant: &Plant| rows().map(|row| row.value(plant).to_string()).collect::<Vec<_>>();
        assert_eq!(all(&one), all(&two));
        assert_ne!(all(&one), all(&other));
    }

    #[test]
    fn a_plant_takes_up_where_its_signals_left_off() {
        let mut old = plant();
        old.step(20_000 * SECOND);
        let mut new = Plant::new(9, old.now());
        let numbers: std::collections::HashMap<_, _> = old.remember().collect();
        new.resume(|tag| numbers.get(tag).copied());
        for (tag, _) in RESTORED {
            let [was, is] = [&old, &new].map(|plant| plant.read(tag).unwrap().number().unwrap());
            let near = (was - is).abs() <= 8.0_f64.max(was.abs() * 1e-3);
            assert!(was.is_nan() || near, "{tag}: {was}, then {is}");
        }
    }
}
