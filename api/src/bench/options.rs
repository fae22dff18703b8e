//! What is said on the command line about the plant, in the plant's own terms.

use crate::bench::ingest::PlantFacts;
use crate::bench::plant::{PlantOptions, SIGNALS_MAX, TICK};
use crate::bench::query::questions::Question;
use crate::cli::{Door, PlantArgs, PlantSize, QueryArgs};

/// Longest plant, in hours: ten years.
pub const HOURS_MAX: f64 = 87_600.0;

impl PlantArgs {
    /// The plant that is meant.
    pub fn options(&self) -> Result<PlantOptions, String> {
        let (signals, hours) = match self.plant {
            PlantSize::Large => (300, 48.0),
            PlantSize::Small => (50, 10.0),
        };
        let (signals, hours) = (self.signals.unwrap_or(signals), self.hours.unwrap_or(hours));
        if !(1..=SIGNALS_MAX).contains(&signals) {
            return Err(format!("--signals is {signals}; it must be 1 to {SIGNALS_MAX}"));
        }
        let ticks = hours * 3_600e6 / TICK as f64;
        if hours > HOURS_MAX || ticks.is_nan() || ticks < 1.0 {
            return Err(format!("--hours is {hours}; it must be above 0 and {HOURS_MAX} at most"));
        }
        Ok(PlantOptions { signals, ticks: ticks as u64, seed: self.seed })
    }

    /// The same for a report.
    pub fn facts(&self, options: PlantOptions) -> PlantFacts {
        let hours = options.ticks as f64 * TICK as f64 / 3_600e6;
        PlantFacts { signals: options.signals, hours, seed: options.seed }
    }
}

impl QueryArgs {
    /// The questions that are meant.
    pub fn questions(&self) -> Result<Vec<Question>, String> {
        let named = |name: &String| {
            let found = Question::ALL.into_iter().find(|question| question.name() == *name);
            let names = Question::ALL.map(Question::name).join(", ");
            found.ok_or_else(|| format!("there is no question '{name}'; there are {names}"))
        };
        match self.question.is_empty() {
            true => Ok(Question::ALL.to_vec()),
            false => self.question.iter().map(named).collect(),
        }
    }
}

impl Door {
    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Door::Flight => "flight",
            Door::Line => "line",
            Door::Acknowledged => "acknowledged",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(signals: Option<u32>, hours: Option<f64>) -> PlantArgs {
        PlantArgs { plant: PlantSize::Large, signals, hours, seed: 1 }
    }

    #[test]
    fn a_plant_is_what_its_size_says_unless_something_else_is_said() {
        let table = [
            (args(None, None), (300, 345_600)),
            (args(Some(7), None), (7, 345_600)),
            (args(None, Some(0.25)), (300, 1_800)),
        ];
        for (args, (signals, ticks)) in table {
            assert_eq!(args.options(), Ok(PlantOptions { signals, ticks, seed: 1 }));
        }
        for wrong in [args(Some(0), None), args(None, Some(0.0)), args(None, Some(f64::NAN))] {
            assert!(wrong.options().is_err(), "{wrong:?}");
        }
    }
}
