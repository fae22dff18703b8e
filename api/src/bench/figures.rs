//! What a measurement comes down to: percentiles, and the machine they were taken on.
//!
//! Pure but for the reading of what the system says about itself.

use std::time::Duration;

use serde::Serialize;

/// How a set of durations is spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them are no longer.
    pub p50: f64,
    /// Nineteen of twenty are no longer.
    pub p95: f64,
    /// Ninety-nine of a hundred are no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// The spread of `durations`, each percentile being one of them (nearest rank); none of none.
    pub fn of(mut durations: Vec<Duration>) -> Option<Spread> {
        durations.sort_unstable();
        let last = durations.len().checked_sub(1)?;
        let at = |share: f64| {
            let rank = (share * durations.len() as f64).ceil() as usize;
            let duration = durations.get(rank.saturating_sub(1).min(last));
            duration.map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
        };
        Some(Spread { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: at(1.0) })
    }
}

/// What was measured on and with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub cpu: String,
    /// The system and its version.
    pub kernel: String,
    /// ParX's version.
    pub version: &'static str,
    /// True for a build with optimisation only where it matters, as `cargo build` makes it.
    pub debug_build: bool,
}

impl Machine {
    /// This machine and this build.
    pub fn here() -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu_name(&read("/proc/cpuinfo")),
            kernel: format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            debug_build: cfg!(debug_assertions),
        }
    }
}

/// The processor's name out of what Linux tells about it.
fn cpu_name(cpuinfo: &str) -> String {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let name = lines.filter(|(key, _)| key.trim() == "model name").map(|(_, name)| name.trim());
    name.into_iter().next().unwrap_or(std::env::consts::ARCH).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let millis = |range: std::ops::RangeInclusive<u64>| range.map(Duration::from_millis);
        let table = [
            (millis(1..=100).collect(), Some([50.0, 95.0, 99.0, 100.0])),
            (millis(1..=2).rev().collect(), Some([1.0, 2.0, 2.0, 2.0])),
            (millis(7..=7).collect(), Some([7.0; 4])),
            (vec![], None),
        ];
        for (durations, expected) in table {
            let got = Spread::of(durations).map(|s| [s.p50, s.p95, s.p99, s.max]);
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn the_processors_name_is_found_among_its_facts() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags: a\n";
        assert_eq!(cpu_name(text), "Some CPU @ 2.00GHz");
        assert_eq!(cpu_name("Hardware: x\n"), std::env::consts::ARCH);
    }
}
