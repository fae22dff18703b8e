//! The filling line: filler, capper, conveyor and packer.
//!
//! It draws product from the buffer as long as there is some, and stops as such lines do: for a
//! jam, for want of product, for a pause. It does not know where the product comes from.

use super::noise::{Dice, Drift, follow};

/// Bottles per minute when the line runs.
const RATE: f64 = 400.0;
/// Product in a bottle, in kg.
const BOTTLE_KG: f64 = 0.5;
/// Bottles in a case.
const CASE: f64 = 12.0;
/// Level of the buffer below which the filler starves, and the one at which it goes on, in percent.
const BUFFER_EMPTY: f64 = 4.0;
const BUFFER_AGAIN: f64 = 18.0;
/// Share of bottles that the inspection rejects, and that share behind a jam.
const REJECTS: f64 = 0.004;
const REJECTS_JAM: f64 = 0.04;

/// What the filler does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Filler {
    /// It pauses.
    #[default]
    Stopped = 0,
    /// It speeds up.
    Starting = 1,
    /// It fills bottles.
    Running = 2,
    /// It waits for product.
    Starved = 3,
    /// A bottle is stuck.
    Jam = 4,
}

/// Names of the filler's states, by number.
pub(super) const FILLER_STATES: &[&str] = &["stopped", "starting", "running", "starved", "jam"];

/// The state of the line, in the units of its signals.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) state: Filler,
    pub(super) speed: f64,
    pub(super) bottles: f64,
    pub(super) rejects: f64,
    pub(super) bowl: f64,
    pub(super) volume: Drift,
    pub(super) torque: Drift,
    pub(super) motor: f64,
    pub(super) door: bool,
    pub(super) effectiveness: f64,
    timer: f64,
    careful: f64,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            state: Filler::Stopped,
            speed: 0.0,
            bottles: 18_204_400.0,
            rejects: 77_310.0,
            bowl: 60.0,
            volume: Drift::default(),
            torque: Drift::default(),
            motor: 30.0,
            door: false,
            effectiveness: 82.0,
            timer: 5.0,
            careful: 0.0,
        }
    }
}

impl Line {
    /// Lets `dt` seconds pass (one at most) with the buffer at `level` percent. Answers with what
    /// there is to tell.
    pub(super) fn step(&mut self, dt: f64, level: f64, dice: &mut Dice) -> Option<&'static str> {
        let note = self.sequence(dt, level, dice);
        let wanted = match self.state {
            Filler::Running => RATE,
            Filler::Starting => 0.3 * RATE,
            Filler::Stopped | Filler::Starved | Filler::Jam => 0.0,
        };
        let tau = if self.state == Filler::Jam { 0.8 } else { 4.0 };
        follow(&mut self.speed, wanted, tau, dt);
        if wanted == 0.0 && self.speed < 1.0 {
            self.speed = 0.0;
        }
        self.careful = (self.careful - dt).max(0.0);
        let made = self.speed / 60.0 * dt;
        let share = if self.careful > 0.0 { REJECTS_JAM } else { REJECTS };
        self.bottles += made;
        self.rejects += made * share * dice.between(0.0, 2.0);
        self.volume.step(dt, 240.0, dice);
        self.torque.step(dt, 30.0, dice);
        let bowl = if level > BUFFER_EMPTY { 62.0 - self.speed / RATE * 4.0 } else { 25.0 };
        follow(&mut self.bowl, bowl, 15.0, dt);
        follow(&mut self.motor, 30.0 + 27.0 * self.speed / RATE, 240.0, dt);
        follow(&mut self.effectiveness, self.speed / RATE * 100.0, 1_800.0, dt);
        note
    }

    fn sequence(&mut self, dt: f64, level: f64, dice: &mut Dice) -> Option<&'static str> {
        self.timer -= dt;
        let waited = self.timer <= 0.0;
        let (next, wait, note) = match self.state {
            Filler::Stopped if waited => (Filler::Starting, 9.0, None),
            Filler::Starting if waited => (Filler::Running, 0.0, None),
            Filler::Running if level < BUFFER_EMPTY => {
                (Filler::Starved, 0.0, Some("Filler waits for product"))
            }
            Filler::Running if dice.happens(dt, 1_100.0) => {
                self.careful = 120.0;
                (Filler::Jam, dice.between(25.0, 70.0), Some("Bottle jam at the filler"))
            }
            Filler::Running if dice.happens(dt, 3_600.0) => (
                Filler::Stopped,
                dice.between(90.0, 200.0),
                Some("Line stopped for a label change"),
            ),
            Filler::Starved if level > BUFFER_AGAIN => (Filler::Starting, 9.0, None),
            Filler::Jam if waited => (Filler::Starting, 9.0, Some("Jam cleared")),
            Filler::Stopped
            | Filler::Starting
            | Filler::Running
            | Filler::Starved
            | Filler::Jam => {
                // Somebody has to reach in to clear a jam.
                self.door = self.state == Filler::Jam && self.timer < 18.0;
                return None;
            }
        };
        self.state = next;
        self.timer = wait;
        self.door = false;
        note
    }

    /// Product that leaves the buffer, in kg/s.
    pub(super) fn drawn(&self) -> f64 {
        self.speed / 60.0 * BOTTLE_KG
    }

    /// Volume that a bottle gets, in ml.
    pub(super) fn fill_volume(&self) -> f64 {
        500.0 + 0.8 * self.volume.0 + 0.05 * (self.bowl - 58.0)
    }

    /// Torque of the capper, in N·m.
    pub(super) fn cap_torque(&self) -> f64 {
        if self.speed > 0.0 { 1.8 + 0.08 * self.torque.0 } else { 0.0 }
    }

    /// Speed of the conveyor, in metres per minute.
    pub(super) fn conveyor(&self) -> f64 {
        self.speed * 0.075
    }

    /// Cases that the packer has closed.
    pub(super) fn cases(&self) -> f64 {
        ((self.bottles - self.rejects) / CASE).max(0.0)
    }
}
