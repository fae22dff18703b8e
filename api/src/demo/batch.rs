//! The batch tank: fill, heat, hold, drain, and again.
//!
//! One tank with a steam jacket and the buffer behind it. It takes the steam that it gets and knows
//! neither the boiler nor the filler.

use super::noise::{Dice, Drift, follow, ramp};

/// What the tank holds when it is full, in kg.
const TANK_KG: f64 = 1_200.0;
/// What the buffer holds when it is full, in kg.
const BUFFER_KG: f64 = 2_500.0;
/// Flow into the tank and out of it, in kg/s.
const INLET_KG_S: f64 = 16.0;
const OUTLET_KG_S: f64 = 15.0;
/// Steam of the open valve, in kg/s.
const STEAM_KG_S: f64 = 1.35;
/// Heat that a kilogram of steam leaves in the product, in kJ.
const STEAM_KJ: f64 = 1_950.0;
/// Heat that a kilogram of product takes for one degree, in kJ.
const PRODUCT_KJ: f64 = 4.0;
/// How long the product is held at its temperature, in seconds.
const HOLD_S: f64 = 45.0;
/// Level above which there is an alarm, in percent.
const LEVEL_HIGH: f64 = 92.0;
/// Level of the buffer above which the next batch waits, in percent.
const BUFFER_WAIT: f64 = 62.0;

/// A phase of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for room in the buffer.
    #[default]
    Idle = 0,
    /// Product flows in.
    Fill = 1,
    /// The jacket heats it.
    Heat = 2,
    /// It is kept hot.
    Hold = 3,
    /// It flows into the buffer.
    Drain = 4,
}

/// Names of the phases, by number.
pub(super) const PHASES: &[&str] = &["idle", "fill", "heat", "hold", "drain"];

/// What is made: name, temperature and amount in kg.
pub(super) const RECIPES: &[(&str, f64, f64)] = &[
    ("Apple juice", 76.0, 1_000.0),
    ("Orange nectar", 82.0, 960.0),
    ("Elder lemonade", 68.0, 1_040.0),
    ("Peach iced tea", 85.0, 920.0),
];
/// Batches of one recipe in a row.
const CAMPAIGN: u64 = 12;

/// The state of tank and buffer. Flows in kg/s, the rest in the units of its signals.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) phase: Phase,
    pub(super) phase_s: f64,
    pub(super) number: u64,
    pub(super) mass: f64,
    pub(super) temperature: f64,
    pub(super) jacket: f64,
    pub(super) valve: f64,
    pub(super) steam: f64,
    pub(super) inlet: f64,
    pub(super) outlet: f64,
    pub(super) agitator: f64,
    pub(super) pressure: f64,
    pub(super) buffer: f64,
    pub(super) buffer_temperature: f64,
    pub(super) acidity: Drift,
    amount: f64,
    stuck: f64,
    wait: f64,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            phase: Phase::Idle,
            phase_s: 0.0,
            number: 41_200,
            mass: 30.0,
            temperature: 30.0,
            jacket: 40.0,
            valve: 0.0,
            steam: 0.0,
            inlet: 0.0,
            outlet: 0.0,
            agitator: 0.0,
            pressure: 0.02,
            buffer: 1_200.0,
            buffer_temperature: 22.0,
            acidity: Drift::default(),
            amount: 1_000.0,
            stuck: 0.0,
            wait: 10.0,
        }
    }
}

impl Batch {
    /// Lets `dt` seconds pass (one at most) with steam of `steam_bar`, while `drawn` kg/s leave the
    /// buffer. Answers with what there is to tell.
    pub(super) fn step(
        &mut self,
        dt: f64,
        steam_bar: f64,
        drawn: f64,
        dice: &mut Dice,
    ) -> Option<String> {
        self.phase_s += dt;
        let note = self.sequence(dice);
        self.flows(dt, drawn);
        self.heat(dt, steam_bar);
        self.acidity.step(dt, 400.0, dice);
        let stirred = matches!(self.phase, Phase::Heat | Phase::Hold) && self.mass > 200.0;
        ramp(&mut self.agitator, if stirred { 120.0 } else { 0.0 }, 12.0 * dt);
        let vapour = (self.temperature - 60.0).max(0.0) * 0.012;
        follow(&mut self.pressure, 0.02 + vapour, 10.0, dt);
        note
    }

    /// The recipe that is made now.
    pub(super) fn recipe(&self) -> &'static (&'static str, f64, f64) {
        let place = (self.number / CAMPAIGN) as usize % RECIPES.len();
        RECIPES.get(place).unwrap_or(&RECIPES[0])
    }

    /// The batch's id.
    pub(super) fn id(&self) -> String {
        format!("B{:06}", self.number)
    }

    fn sequence(&mut self, dice: &mut Dice) -> Option<String> {
        let (_, hot, amount) = *self.recipe();
        let (next, note) = match self.phase {
            Phase::Idle if self.phase_s > self.wait && self.buffer_level() < BUFFER_WAIT => {
                self.number += 1;
                self.amount = self.recipe().2 + dice.between(-15.0, 15.0);
                let (id, name) = (self.id(), self.recipe().0);
                (Phase::Fill, Some(format!("Batch {id} started: {name}")))
            }
            Phase::Fill if self.mass >= self.amount => {
                // Now and then the inlet valve closes late, and the tank is fuller than it should.
                let late = dice.uniform() < 0.04;
                self.stuck = if late { (1_130.0 - amount) / INLET_KG_S } else { 0.0 };
                (Phase::Heat, late.then(|| "Inlet valve closed late, tank level high".to_owned()))
            }
            Phase::Heat if self.temperature >= hot - 0.4 => (Phase::Hold, None),
            Phase::Hold if self.phase_s >= HOLD_S => (Phase::Drain, None),
            Phase::Drain if self.mass <= 30.0 => {
                // Now and then the next batch has to wait for its ingredients.
                let late = dice.uniform() < 0.03;
                self.wait = if late { dice.between(420.0, 720.0) } else { 10.0 };
                let note = if late { ", ingredients are late" } else { "" };
                (Phase::Idle, Some(format!("Batch {} released{note}", self.id())))
            }
            Phase::Idle | Phase::Fill | Phase::Heat | Phase::Hold | Phase::Drain => return None,
        };
        self.phase = next;
        self.phase_s = 0.0;
        note
    }

    fn flows(&mut self, dt: f64, drawn: f64) {
        self.stuck = (self.stuck - dt).max(0.0);
        let filling = self.phase == Phase::Fill || self.stuck > 0.0;
        let room = (BUFFER_KG * 0.96 - self.buffer).max(0.0) > OUTLET_KG_S;
        let draining = self.phase == Phase::Drain && room;
        ramp(&mut self.inlet, if filling { INLET_KG_S } else { 0.0 }, 8.0 * dt);
        ramp(&mut self.outlet, if draining { OUTLET_KG_S } else { 0.0 }, 8.0 * dt);
        let (came, gone) = (self.inlet * dt, (self.outlet * dt).min(self.mass));
        if came > 0.0 {
            self.temperature = (self.temperature * self.mass + 17.0 * came) / (self.mass + came);
        }
        self.mass = (self.mass + came - gone).clamp(0.0, TANK_KG);
        if gone > 0.0 {
            // The cooler in between takes most of the heat.
            follow(&mut self.buffer_temperature, 21.0 + self.temperature * 0.05, 90.0, dt);
        }
        self.buffer = (self.buffer + gone - drawn * dt).clamp(0.0, BUFFER_KG);
    }

    fn heat(&mut self, dt: f64, steam_bar: f64) {
        let hot = self.setpoint();
        let wanted = match self.phase {
            Phase::Heat => (12.0 * (hot + 1.0 - self.temperature)).clamp(0.0, 100.0),
            Phase::Hold => (8.0 * (hot + 0.5 - self.temperature)).clamp(0.0, 100.0),
            Phase::Idle | Phase::Fill | Phase::Drain => 0.0,
        };
        ramp(&mut self.valve, wanted, 15.0 * dt);
        self.steam = self.valve / 100.0 * STEAM_KG_S * (steam_bar / 8.0).clamp(0.0, 1.0);
        let mass = self.mass.max(60.0);
        self.temperature += self.steam * STEAM_KJ * dt / (mass * PRODUCT_KJ);
        follow(&mut self.temperature, 22.0, 4_000.0, dt);
        let jacket = self.temperature + self.steam * 38.0;
        follow(&mut self.jacket, jacket, 12.0, dt);
    }

    /// The temperature to reach, in degrees.
    pub(super) fn setpoint(&self) -> f64 {
        self.recipe().1
    }

    /// Level of the tank, in percent.
    pub(super) fn level(&self) -> f64 {
        self.mass / TANK_KG * 100.0
    }

    /// Alarm: the tank is too full.
    pub(super) fn level_high(&self) -> bool {
        self.level() > LEVEL_HIGH
    }

    /// Level of the buffer, in percent.
    pub(super) fn buffer_level(&self) -> f64 {
        self.buffer / BUFFER_KG * 100.0
    }

    /// Current of the agitator's motor, in amperes.
    pub(super) fn agitator_current(&self) -> f64 {
        self.agitator / 120.0 * (3.1 + 4.0 * self.mass / TANK_KG)
    }

    /// Sets the level of the buffer, in percent.
    pub(super) fn set_buffer_level(&mut self, percent: f64) {
        self.buffer = percent.clamp(0.0, 100.0) / 100.0 * BUFFER_KG;
    }

    /// Takes up a phase by its number.
    pub(super) fn set_phase(&mut self, number: i64) {
        let phases = [Phase::Idle, Phase::Fill, Phase::Heat, Phase::Hold, Phase::Drain];
        let found = usize::try_from(number).ok().and_then(|place| phases.get(place));
        self.phase = found.copied().unwrap_or_default();
    }
}
