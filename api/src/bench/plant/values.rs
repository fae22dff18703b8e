//! What the signals of each class measure, scan by scan, and how far it can be trusted.
//!
//! Every signal has its own chance, so that the number of signals changes none of them.

use parx_log::Quality;

use super::{Class, chance::Chance};

/// Seconds between two bursts of bad quality of one signal.
const BURST_EVERY: f64 = 43_200.0;
/// The longest burst, in seconds.
const BURST_MAX: f64 = 60.0;
/// Counts of 16 bits.
const ROLL_OVER: f64 = 65_536.0;

/// A signal in the middle of its life.
#[derive(Clone, Debug)]
pub struct Process {
    chance: Chance,
    model: Model,
    /// Seconds from one scan to the next.
    every: f64,
    /// Scans that a burst of bad quality still lasts.
    burst: u32,
    bad: Quality,
}

#[derive(Clone, Debug)]
enum Model {
    Analog {
        drift: Drift,
        low: f64,
        span: f64,
        counts: f64,
        noise: f64,
    },
    Decimal {
        drift: Drift,
        low: f64,
        span: f64,
        scale: f64,
        noise: f64,
    },
    Noisy {
        drift: Drift,
        base: f64,
        noise: f64,
    },
    Counter {
        count: f64,
        rate: f64,
        noise: f64,
        rolls: bool,
    },
    /// Bools, enums and setpoints: a whole multiple of `step` that holds for `mean` seconds.
    Held {
        value: f64,
        states: u64,
        step: f64,
        mean: f64,
    },
}

impl Process {
    /// A signal of a class before its first scan.
    pub fn new(class: Class, mut chance: Chance) -> Process {
        let every = class.period() as f64 * 0.5;
        let model = Model::new(class, every, &mut chance);
        let bads = [
            Quality::BAD_SENSOR_FAILURE,
            Quality::BAD_OUT_OF_SERVICE,
            Quality::BAD_COMMUNICATION_ERROR,
        ];
        let bad = bads.get(chance.below(3) as usize).copied().unwrap_or(Quality::BAD);
        Process { chance, model, every, burst: 0, bad }
    }

    /// What the next scan reads.
    pub fn step(&mut self) -> (f64, u32) {
        let value = self.model.step(self.every, &mut self.chance);
        if self.burst == 0 && self.chance.happens(self.every / BURST_EVERY) {
            let seconds = self.chance.between(1.0, BURST_MAX);
            self.burst = (seconds / self.every) as u32 + 1;
        }
        if self.burst == 0 {
            return (value, Quality::GOOD.0);
        }
        self.burst -= 1;
        (value, self.bad.0)
    }
}

impl Model {
    fn new(class: Class, every: f64, chance: &mut Chance) -> Model {
        let drift = |chance: &mut Chance| Drift::new(every, chance);
        match class {
            Class::Analog => {
                let ranges =
                    [(0.0, 10.0), (-50.0, 200.0), (0.0, 250.0), (0.0, 1_600.0), (-1.0, 2.0)];
                let (low, span) = pick(&ranges, chance);
                let counts = ((1_u64 << (12 + chance.below(5))) - 1) as f64;
                let noise = chance.between(0.3, 2.5);
                Model::Analog { drift: drift(chance), low, span, counts, noise }
            }
            Class::Decimal => {
                let scale = pick(&[10.0, 100.0, 1_000.0], chance);
                // Some thousand steps from end to end, whatever the decimals.
                let span = chance.between(2_000.0, 10_000.0) / scale;
                let (low, noise) = (chance.between(-20.0, 100.0), chance.between(0.4, 2.5));
                Model::Decimal { drift: drift(chance), low, span, scale, noise }
            }
            Class::Noisy => {
                let (base, noise) = (chance.between(1.0, 5_000.0), chance.between(0.005, 0.03));
                Model::Noisy { drift: drift(chance), base, noise }
            }
            Class::Counter => {
                let rate = chance.between(0.5, 40.0) * every;
                let noise = rate * chance.between(0.003, 0.03);
                let (count, rolls) = ((chance.below(60_000)) as f64, chance.happens(0.3));
                Model::Counter { count, rate, noise, rolls }
            }
            Class::Bool => held(2, 1.0, (120.0, 7_200.0), chance),
            Class::Enum => held(3 + chance.below(6), 1.0, (300.0, 7_200.0), chance),
            Class::Setpoint => held(200, 0.5, (1_200.0, 21_600.0), chance),
        }
    }

    fn step(&mut self, every: f64, chance: &mut Chance) -> f64 {
        match self {
            Model::Analog { drift, low, span, counts, noise } => {
                let count = (drift.step(chance) * *counts + *noise * chance.normal()).round();
                f64::from((*low + count.clamp(0.0, *counts) * (*span / *counts)) as f32)
            }
            Model::Decimal { drift, low, span, scale, noise } => {
                let steps = (*low + drift.step(chance) * *span) * *scale;
                (steps + *noise * chance.normal()).round() / *scale
            }
            Model::Noisy { drift, base, noise } => {
                // A deviate has steps of its own; what lies between them is drawn too.
                let deviate = chance.normal() + chance.between(0.0, 1.0 / 32_768.0);
                *base * (0.5 + drift.step(chance)) * (1.0 + *noise * deviate)
            }
            Model::Counter { count, rate, noise, rolls } => {
                *count += (*rate + *noise * chance.normal()).round().max(0.0);
                if *rolls && *count >= ROLL_OVER {
                    *count -= ROLL_OVER;
                }
                *count
            }
            Model::Held { value, states, step, mean } => {
                if chance.happens(every / *mean) {
                    *value = chance.below(*states) as f64 * *step;
                }
                *value
            }
        }
    }
}

fn held(states: u64, step: f64, (short, long): (f64, f64), chance: &mut Chance) -> Model {
    let mean = chance.between(short, long);
    // Of two states every second draw changes nothing.
    let mean = if states == 2 { mean / 2.0 } else { mean };
    Model::Held { value: chance.below(states) as f64 * step, states, step, mean }
}

fn pick<T: Copy + Default>(things: &[T], chance: &mut Chance) -> T {
    let place = chance.below(things.len() as u64);
    usize::try_from(place).ok().and_then(|place| things.get(place)).copied().unwrap_or_default()
}

/// A process value that wanders between 0 and 1 and returns to where it belongs.
#[derive(Clone, Debug)]
struct Drift {
    value: f64,
    home: f64,
    pull: f64,
    kick: f64,
}

impl Drift {
    fn new(every: f64, chance: &mut Chance) -> Drift {
        let home = chance.between(0.3, 0.7);
        let (hours, swing) = (chance.between(0.5, 6.0), chance.between(0.01, 0.1));
        let pull = every / (hours * 3_600.0);
        Drift { value: home, home, pull, kick: swing * (2.0 * pull).sqrt() }
    }

    fn step(&mut self, chance: &mut Chance) -> f64 {
        let pulled = self.value + (self.home - self.value) * self.pull;
        self.value = (pulled + self.kick * chance.normal()).clamp(0.0, 1.0);
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(class: Class, seed: u64, count: usize) -> Vec<f64> {
        let mut process = Process::new(class, Chance::new(seed));
        (0..count).map(|_| process.step().0).collect()
    }

    #[test]
    fn an_analog_value_is_a_real_and_few_different_ones() {
        for seed in 0..20 {
            let mut seen = values(Class::Analog, seed, 10_000);
            assert!(seen.iter().all(|value| f64::from(*value as f32) == *value), "{seed}");
            seen.sort_by(f64::total_cmp);
            seen.dedup();
            assert!((20..9_000).contains(&seen.len()), "{seed}: {}", seen.len());
        }
    }

    #[test]
    fn a_noisy_value_hardly_ever_comes_twice() {
        let mut seen = values(Class::Noisy, 1, 10_000);
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert!(seen.len() > 9_990, "{}", seen.len());
    }

    #[test]
    fn a_counter_grows_or_rolls_over() {
        for seed in 0..20 {
            let counts = values(Class::Counter, seed, 10_000);
            let falls = counts.iter().zip(counts.iter().skip(1)).filter(|(a, b)| b < a);
            for (before, after) in falls {
                assert!(before - after > ROLL_OVER / 2.0, "{before} {after}");
            }
        }
    }

    #[test]
    fn states_hold_for_many_scans() {
        for class in [Class::Bool, Class::Enum, Class::Setpoint] {
            let values = values(class, 5, 10_000);
            let changes = values.iter().zip(values.iter().skip(1)).filter(|(a, b)| a != b).count();
            assert!((1..1_000).contains(&changes), "{class:?}: {changes}");
        }
    }
}
