//! Chance for the plant: a small generator that a seed reproduces, and how values follow others.
//!
//! Not for secrets, and not for statistics either; it has to look alive and be the same twice.

/// A generator of random numbers (xorshift with a multiplied output).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub(super) fn new(seed: u64) -> Dice {
        Dice(scramble(seed) | 1)
    }

    /// A number from 0 up to 1.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        unit(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    /// A number from `low` up to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Whether something happened within `dt` seconds that happens every `mean` seconds on average.
    pub(super) fn happens(&mut self, dt: f64, mean: f64) -> bool {
        self.uniform() < dt / mean
    }
}

/// A value that wanders about zero, most of the time within one.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift(pub(super) f64);

impl Drift {
    /// Wanders on for `dt` seconds, forgetting where it was within about `tau` seconds.
    pub(super) fn step(&mut self, dt: f64, tau: f64, dice: &mut Dice) {
        let share = (dt / tau).min(1.0);
        let kick = dice.between(-1.0, 1.0) * (6.0 * share).sqrt();
        self.0 = (self.0 * (1.0 - share) + 0.5 * kick).clamp(-2.0, 2.0);
    }
}

/// A number from -1 to 1 that is fixed for its three keys: what a sensor adds to the truth.
pub(super) fn jitter(seed: u64, signal: u64, micros: i64) -> f64 {
    2.0 * unit(scramble(seed ^ signal.rotate_left(17) ^ scramble(micros as u64))) - 1.0
}

/// `value` after following `target` for `dt` seconds with the time constant `tau`.
pub(super) fn follow(value: &mut f64, target: f64, tau: f64, dt: f64) {
    *value += (target - *value) * (dt / tau).min(1.0);
}

/// `value` after moving towards `target` by `most` or less.
pub(super) fn ramp(value: &mut f64, target: f64, most: f64) {
    *value += (target - *value).clamp(-most, most);
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn scramble(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_are_fair_enough_and_reproducible() {
        let mut dice = Dice::new(7);
        let mean = (0..10_000).map(|_| dice.uniform()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
        assert_eq!(Dice::new(3).uniform(), Dice::new(3).uniform());
        assert_ne!(Dice::new(3).uniform(), Dice::new(4).uniform());
    }

    #[test]
    fn a_follower_never_passes_its_target() {
        for (tau, dt) in [(10.0, 1.0), (1.0, 1.0), (0.1, 1.0)] {
            let mut value = 0.0;
            for _ in 0..100 {
                follow(&mut value, 5.0, tau, dt);
                assert!(value <= 5.0, "{tau} {dt}");
            }
            assert!(value > 4.9, "{tau} {dt}");
        }
    }
}
