//! What devices stamp, and when their links are lost.
//!
//! A stamp is the scan's grid, the device's phase and a jitter of 1.2 ms, seldom up to 40 ms. Half
//! the clocks tell milliseconds, half microseconds.

use std::ops::Range;

use super::chance::Chance;

/// Spread of the jitter, in microseconds.
const JITTER: f64 = 1_200.0;
/// One stamp in this many comes from the long tail.
const TAIL_ONE_IN: f64 = 25.0;
/// The longest delay of the tail, in microseconds.
const TAIL_MAX: f64 = 40_000.0;
/// The largest phase of a device, in microseconds.
const PHASE_MAX: f64 = 400_000.0;
/// Share of the devices that stamp all signals of a scan alike.
const SHARED: f64 = 0.7;
/// Ticks that a lost link stays away: ten minutes.
const AWAY: u64 = 1_200;

/// The clock of a device.
#[derive(Clone, Debug)]
pub(super) struct DeviceClock {
    /// True if all signals of a scan have one stamp.
    pub(super) shared: bool,
    milliseconds: bool,
    phase: f64,
}

impl DeviceClock {
    /// The clock of a plant's `number`th device.
    pub(super) fn new(number: u32, chance: &mut Chance) -> DeviceClock {
        let shared = chance.happens(SHARED);
        let phase = chance.between(0.0, PHASE_MAX);
        DeviceClock { shared, milliseconds: number.is_multiple_of(2), phase }
    }

    /// A stamp of the scan that was due at `grid`, in microseconds.
    pub(super) fn stamp(&self, grid: i64, chance: &mut Chance) -> i64 {
        let delay = match chance.happens(1.0 / TAIL_ONE_IN) {
            true => chance.between(0.0, TAIL_MAX),
            false => (chance.normal() + 3.5) * JITTER,
        };
        let time = grid + (self.phase + delay) as i64;
        if self.milliseconds { time.div_euclid(1_000) * 1_000 } else { time }
    }
}

/// When a device's link is lost.
#[derive(Clone, Debug)]
pub(super) struct Outage(Range<u64>);

impl Outage {
    /// Every fifth device loses its link once, in a plant of so many ticks.
    pub(super) fn of(number: u32, ticks: u64, chance: &mut Chance) -> Option<Outage> {
        let away = AWAY.min(ticks / 4);
        let begin = ticks / 10 + chance.below((ticks / 2).max(1));
        (number % 5 == 1 && away > 0).then(|| Outage(begin..begin + away))
    }

    /// True while the link is away.
    pub(super) fn lasts(&self, tick: u64) -> bool {
        self.0.contains(&tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_lies_behind_its_scan_and_before_the_next() {
        let mut chance = Chance::new(3);
        for number in 0..50 {
            let clock = DeviceClock::new(number, &mut chance);
            for _ in 0..1_000 {
                let stamp = clock.stamp(1_000_000, &mut chance);
                assert!((1_000_000..1_500_000).contains(&stamp), "{stamp}");
                assert!(number % 2 == 1 || stamp % 1_000 == 0, "{stamp}");
            }
        }
    }

    #[test]
    fn every_fifth_device_loses_its_link_for_ten_minutes_within_the_plants_life() {
        let mut chance = Chance::new(4);
        for number in 0..50 {
            let outage = Outage::of(number, 345_600, &mut chance);
            let away = (0..345_600).filter(|t| outage.as_ref().is_some_and(|o| o.lasts(*t)));
            assert_eq!(away.count(), if number % 5 == 1 { 1_200 } else { 0 }, "{number}");
        }
    }
}
