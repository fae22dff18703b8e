//! The boiler house: burner, drum, feedwater and flue gas.
//!
//! Heat balance and water balance of one gas-fired steam boiler, with its sequence controls. It
//! knows only how much steam is wanted; who wants it is for the plant to say.

use super::noise::{Dice, Drift, follow, ramp};

/// Pressure that the burner's controller holds, in bar above the atmosphere.
const PRESSURE_WANTED: f64 = 10.0;
/// Pressure at which the burner goes off, and the one at which it comes on again.
const PRESSURE_OFF: f64 = 10.9;
const PRESSURE_ON: f64 = 9.6;
/// Pressure at which the safety valve lifts.
const PRESSURE_SAFETY: f64 = 12.5;
/// Heat of the burner at full load, in kW.
const BURNER_KW: f64 = 4_200.0;
/// Least load at which it burns, in percent.
const LOAD_MIN: f64 = 20.0;
/// Heat in a cubic metre of gas, in kWh.
const GAS_KWH: f64 = 10.0;
/// Heat stored in the drum per bar, in kJ.
const DRUM_KJ_PER_BAR: f64 = 60_000.0;
/// Heat that a kilogram of steam takes along, in kJ.
const STEAM_KJ: f64 = 2_350.0;
/// Water in the drum per percent of its level, in kg.
const DRUM_KG_PER_PERCENT: f64 = 12.0;
/// Water in the feedwater tank per percent of its level, in kg.
const TANK_KG_PER_PERCENT: f64 = 40.0;
/// Level of the drum that its controller holds, in percent.
const LEVEL_WANTED: f64 = 55.0;
/// Level below which there is an alarm, and the one below which the second pump helps.
const LEVEL_LOW: f64 = 43.0;
const LEVEL_HELP: f64 = 40.0;
/// Level below which the burner must not burn.
const LEVEL_CUTOFF: f64 = 22.0;
/// Most that one feedwater pump delivers, in kg/s.
const PUMP_KG_S: f64 = 2.2;

/// What the burner does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Burner {
    /// It waits for the pressure to fall.
    #[default]
    Off = 0,
    /// Air is blown through the furnace.
    Purge = 1,
    /// The flame is lit.
    Ignition = 2,
    /// It burns.
    Firing = 3,
    /// It did not light and waits for its reset.
    Lockout = 4,
}

/// Names of the burner's states, by number.
pub(super) const BURNER_STATES: &[&str] = &["off", "purge", "ignition", "firing", "lockout"];

/// The state of the boiler house. Flows in kg/s, the rest in the units of its signals.
#[derive(Clone, Debug)]
pub(super) struct Boiler {
    pub(super) pressure: f64,
    pub(super) burner: Burner,
    pub(super) load: f64,
    pub(super) flame_s: f64,
    pub(super) steam: f64,
    pub(super) drum_level: f64,
    pub(super) swell: f64,
    pub(super) feed: f64,
    pub(super) valve: f64,
    pub(super) pump1: bool,
    pub(super) pump2: bool,
    pub(super) tank_level: f64,
    pub(super) tank_temperature: f64,
    pub(super) makeup: f64,
    pub(super) condensate: f64,
    pub(super) conductivity: f64,
    pub(super) blowdown: bool,
    pub(super) safety: bool,
    pub(super) flue: f64,
    pub(super) oxygen: f64,
    pub(super) draught: Drift,
    pub(super) gas_m3: f64,
    pub(super) steam_kg: f64,
    pub(super) feed_kg: f64,
    pub(super) starts: f64,
    pub(super) hours: f64,
    integral: f64,
    timer: f64,
    repair: f64,
}

impl Default for Boiler {
    fn default() -> Boiler {
        Boiler {
            pressure: 9.8,
            burner: Burner::Off,
            load: 0.0,
            flame_s: 0.0,
            steam: 0.1,
            drum_level: LEVEL_WANTED,
            swell: 0.0,
            feed: 0.1,
            valve: 10.0,
            pump1: true,
            pump2: false,
            tank_level: 65.0,
            tank_temperature: 98.0,
            makeup: 0.0,
            condensate: 0.1,
            conductivity: 2_700.0,
            blowdown: false,
            safety: false,
            flue: 120.0,
            oxygen: 20.9,
            draught: Drift::default(),
            gas_m3: 1_204_310.0,
            steam_kg: 13_801_400.0,
            feed_kg: 14_060_900.0,
            starts: 18_422.0,
            hours: 9_310.0,
            integral: 30.0,
            timer: 0.0,
            repair: 0.0,
        }
    }
}

impl Boiler {
    /// Lets `dt` seconds pass (one at most), in which `wanted` kg/s of steam are asked for. Answers
    /// with what there is to tell.
    pub(super) fn step(&mut self, dt: f64, wanted: f64, dice: &mut Dice) -> Option<&'static str> {
        let note = self.sequence(dt, dice).or(self.pumps(dt, dice));
        self.fire(dt);
        self.water(dt);
        self.draught.step(dt, 20.0, dice);
        let before = self.pressure;
        let heat = self.load / 100.0 * BURNER_KW * 0.91;
        follow(&mut self.steam, wanted * (self.pressure / 6.0).clamp(0.0, 1.0), 3.0, dt);
        let safety = if self.safety { 1.5 } else { 0.0 };
        let losses = 25.0 + (self.steam + safety) * STEAM_KJ;
        self.pressure = (self.pressure + (heat - losses) * dt / DRUM_KJ_PER_BAR).max(0.0);
        self.safety = self.pressure > PRESSURE_SAFETY - if self.safety { 0.8 } else { 0.0 };
        // Falling pressure lets the water boil up, rising pressure lets it sink.
        let rise = (self.pressure - before) / dt;
        follow(&mut self.swell, (-150.0 * rise).clamp(-5.0, 5.0), 8.0, dt);
        self.steam_kg += self.steam * dt;
        note
    }

    /// The burner's sequence control.
    fn sequence(&mut self, dt: f64, dice: &mut Dice) -> Option<&'static str> {
        self.timer -= dt;
        let waited = self.timer <= 0.0;
        let (next, wait) = match self.burner {
            Burner::Off if self.pressure < PRESSURE_ON && self.drum_level > LEVEL_CUTOFF => {
                (Burner::Purge, 12.0)
            }
            Burner::Purge if waited => (Burner::Ignition, 4.0),
            Burner::Ignition if waited && dice.uniform() < 0.02 => (Burner::Lockout, 75.0),
            Burner::Ignition if waited => (Burner::Firing, 0.0),
            Burner::Firing if self.pressure > PRESSURE_OFF || self.drum_level < LEVEL_CUTOFF => {
                (Burner::Off, 0.0)
            }
            Burner::Lockout if waited => (Burner::Off, 0.0),
            Burner::Off | Burner::Purge | Burner::Ignition | Burner::Firing | Burner::Lockout => {
                return None;
            }
        };
        let before = std::mem::replace(&mut self.burner, next);
        self.timer = wait;
        match next {
            Burner::Firing => {
                self.starts += 1.0;
                self.integral = 30.0;
                None
            }
            Burner::Lockout => Some("Burner did not light, lockout"),
            Burner::Off if before == Burner::Lockout => Some("Burner reset after lockout"),
            Burner::Off | Burner::Purge | Burner::Ignition => None,
        }
    }

    /// The burner's load and what it does to gas and flue.
    fn fire(&mut self, dt: f64) {
        if self.burner == Burner::Firing {
            let error = PRESSURE_WANTED - self.pressure;
            self.integral = (self.integral + 0.6 * error * dt).clamp(0.0, 100.0);
            let wanted = (self.integral + 70.0 * error).clamp(LOAD_MIN, 100.0);
            ramp(&mut self.load, wanted, 4.0 * dt);
            self.flame_s += dt;
            self.hours += dt / 3_600.0;
            follow(&mut self.flue, 105.0 + 1.15 * self.load, 40.0, dt);
            follow(&mut self.oxygen, 2.8 + (100.0 - self.load) * 0.035, 6.0, dt);
        } else {
            self.load = 0.0;
            self.flame_s = 0.0;
            follow(&mut self.flue, 85.0, 180.0, dt);
            follow(&mut self.oxygen, 20.9, 9.0, dt);
        }
        self.gas_m3 += self.gas() * dt / 3_600.0;
    }

    /// Feedwater pumps: the first one trips now and then, the second one helps while it is away.
    fn pumps(&mut self, dt: f64, dice: &mut Dice) -> Option<&'static str> {
        if self.pump1 {
            if dice.happens(dt, 2_700.0) {
                self.pump1 = false;
                self.repair = dice.between(500.0, 800.0);
                return Some("Feedwater pump 1 tripped");
            }
            self.pump2 &= self.drum_level < LEVEL_WANTED - 2.0;
            return None;
        }
        self.repair -= dt;
        if self.repair <= 0.0 {
            self.pump1 = true;
            return Some("Feedwater pump 1 is back");
        }
        if !self.pump2 && self.drum_level < LEVEL_HELP {
            self.pump2 = true;
            return Some("Drum level low, feedwater pump 2 started");
        }
        None
    }

    /// Drum, feedwater tank, condensate and blowdown.
    fn water(&mut self, dt: f64) {
        let wanted = (self.steam + 0.03 * (LEVEL_WANTED - self.level())).clamp(0.0, PUMP_KG_S);
        follow(&mut self.valve, wanted / PUMP_KG_S * 100.0, 5.0, dt);
        let running = self.pump1 || self.pump2;
        let delivered = if running { self.valve / 100.0 * PUMP_KG_S } else { 0.0 };
        follow(&mut self.feed, delivered, 2.0, dt);
        let blown = if self.blowdown { 0.35 } else { 0.0 };
        let balance = (self.feed - self.steam - blown) * dt / DRUM_KG_PER_PERCENT;
        self.drum_level = (self.drum_level + balance).clamp(0.0, 100.0);
        self.conductivity += (0.9 * self.steam - 24.0 * blown) * dt;
        self.conductivity = self.conductivity.max(500.0);
        let limit = if self.blowdown { 2_500.0 } else { 3_000.0 };
        self.blowdown = self.conductivity > limit;
        self.feed_kg += self.feed * dt;
        self.feedwater_tank(dt);
    }

    fn feedwater_tank(&mut self, dt: f64) {
        follow(&mut self.condensate, 0.75 * self.steam, 45.0, dt);
        let open = self.tank_level < if self.makeup > 0.2 { 75.0 } else { 55.0 };
        follow(&mut self.makeup, if open { 1.4 } else { 0.0 }, 4.0, dt);
        let inflow = self.condensate + self.makeup;
        let balance = (inflow - self.feed) * dt / TANK_KG_PER_PERCENT;
        self.tank_level = (self.tank_level + balance).clamp(0.0, 100.0);
        let mass = (self.tank_level * TANK_KG_PER_PERCENT).max(400.0);
        let mixed = self.condensate * (92.0 - self.tank_temperature)
            + self.makeup * (15.0 - self.tank_temperature);
        self.tank_temperature += mixed * dt / mass;
        follow(&mut self.tank_temperature, 103.0, 260.0, dt);
    }

    /// Level of the drum as it is measured, in percent.
    pub(super) fn level(&self) -> f64 {
        (self.drum_level + self.swell).clamp(0.0, 100.0)
    }

    /// Alarm: little water in the drum.
    pub(super) fn level_low(&self) -> bool {
        self.level() < LEVEL_LOW
    }

    /// Gas that is burnt, in m³/h.
    pub(super) fn gas(&self) -> f64 {
        self.load / 100.0 * BURNER_KW / GAS_KWH
    }

    /// Pressure behind the pumps, in bar.
    pub(super) fn feed_pressure(&self) -> f64 {
        if self.pump1 || self.pump2 { 19.0 - 0.04 * self.valve } else { 1.0 }
    }

    /// Temperature of saturated steam at this pressure.
    pub(super) fn steam_temperature(&self) -> f64 {
        100.0 * (self.pressure + 1.013).max(0.1).powf(0.252)
    }

    /// Share of the gas's heat that does not leave with the flue gas, in percent.
    pub(super) fn efficiency(&self) -> f64 {
        match self.burner {
            Burner::Firing => 97.0 - 0.03 * (self.flue - 60.0) - 0.2 * self.oxygen,
            Burner::Off | Burner::Purge | Burner::Ignition | Burner::Lockout => 0.0,
        }
    }
}
