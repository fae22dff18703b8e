//! The site around: power, water, compressed air and weather.
//!
//! It adds up what boiler house and line use, and has a sky over it.

use std::f64::consts::TAU;

use super::noise::{Dice, Drift, follow};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;
/// Pressures between which the compressor keeps the air, in bar.
const AIR_ON: f64 = 6.3;
const AIR_OFF: f64 = 7.4;

/// What the plant uses at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    /// Power of the boiler house, in kW.
    pub(super) boiler_kw: f64,
    /// Power of tank and line, in kW.
    pub(super) filling_kw: f64,
    /// Water, in m³/h.
    pub(super) water_m3_h: f64,
    /// Compressed air, as a share of what the line uses at full speed.
    pub(super) air: f64,
}

/// The state of the site, in the units of its signals.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) used: Use,
    pub(super) power: f64,
    pub(super) energy_kwh: f64,
    pub(super) water_m3: f64,
    pub(super) air: f64,
    pub(super) compressor: bool,
    pub(super) temperature: f64,
    pub(super) humidity: f64,
    mains: Drift,
    weather: Drift,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            used: Use::default(),
            power: 60.0,
            energy_kwh: 2_410_300.0,
            water_m3: 402_115.0,
            air: 6.9,
            compressor: false,
            temperature: 14.0,
            humidity: 65.0,
            mains: Drift::default(),
            weather: Drift::default(),
        }
    }
}

impl Site {
    /// Lets `dt` seconds pass; `seconds` is the time of now since 1970.
    pub(super) fn step(&mut self, dt: f64, seconds: f64, used: Use, dice: &mut Dice) {
        self.used = used;
        self.mains.step(dt, 30.0, dice);
        self.weather.step(dt, 6.0 * 3_600.0, dice);
        let compressor = if self.compressor { 22.0 } else { 0.0 };
        let base = 18.0 + 1.5 * self.mains.0;
        self.power = base + compressor + used.boiler_kw + used.filling_kw;
        self.energy_kwh += self.power * dt / 3_600.0;
        self.water_m3 += used.water_m3_h * dt / 3_600.0;
        let change = if self.compressor { 0.03 } else { 0.0 } - 0.002 - 0.012 * used.air;
        self.air = (self.air + change * dt).clamp(0.0, 10.0);
        self.compressor = self.air < if self.compressor { AIR_OFF } else { AIR_ON };
        let day = ((seconds / DAY_S).rem_euclid(1.0) - 0.375) * TAU;
        let warm = 14.0 + 6.0 * day.sin() + 3.0 * self.weather.0;
        follow(&mut self.temperature, warm, 600.0, dt);
        let damp = (92.0 - 2.6 * (self.temperature - 6.0)).clamp(25.0, 100.0);
        follow(&mut self.humidity, damp, 900.0, dt);
    }
}
