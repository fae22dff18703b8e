//! The plant against what it promises: the same seed, the shares, the order.

use std::collections::{HashMap, HashSet};

use super::*;

const SMALL: PlantOptions = PlantOptions { signals: 50, ticks: 7_200, seed: 1 };

fn all(options: PlantOptions) -> Points {
    Plant::new(options).next(usize::MAX)
}

fn hash(points: &Points) -> String {
    let mut hasher = blake3::Hasher::new();
    for row in 0..points.len() {
        hasher.update(&points.signals[row].to_le_bytes());
        hasher.update(&points.times[row].to_le_bytes());
        hasher.update(&points.values[row].to_bits().to_le_bytes());
        hasher.update(&points.qualities[row].to_le_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[test]
fn the_same_seed_gives_the_same_points_however_they_are_taken() {
    let whole = all(SMALL);
    assert_eq!(hash(&whole), "1735ca4d573182e6", "figures of another plant compare no more");
    let mut plant = Plant::new(SMALL);
    let mut parts = Points::default();
    loop {
        let part = plant.next(777);
        if part.is_empty() {
            break;
        }
        parts.signals.extend(part.signals);
        parts.times.extend(part.times);
        parts.values.extend(part.values);
        parts.qualities.extend(part.qualities);
    }
    assert_eq!(hash(&parts), hash(&whole));
    assert_ne!(hash(&all(PlantOptions { seed: 2, ..SMALL })), hash(&whole));
}

#[test]
fn the_large_plant_has_the_signals_and_the_points_of_its_table() {
    let plant = Plant::new(PlantOptions { signals: 300, ticks: 345_600, seed: 1 });
    let mut counts: HashMap<Class, usize> = HashMap::new();
    plant.classes().iter().for_each(|class| *counts.entry(*class).or_default() += 1);
    let expected = [81, 39, 15, 45, 60, 30, 30];
    for ((class, _), count) in Class::SHARES.into_iter().zip(expected) {
        assert_eq!(counts[&class], count, "{class:?}");
    }
    let per_tick: f64 = plant.classes().iter().map(|class| 1.0 / class.period() as f64).sum();
    let points = per_tick * 345_600.0;
    assert!((31.0e6..31.2e6).contains(&points), "{points}");
}

#[test]
fn every_point_comes_once_and_some_come_late() {
    let points = all(SMALL);
    let rows = 0..points.len();
    let keys: HashSet<_> = rows.map(|row| (points.signals[row], points.times[row])).collect();
    assert_eq!(keys.len(), points.len(), "no signal has two samples at one time");
    let per_tick: f64 =
        Plant::new(SMALL).classes().iter().map(|class| 1.0 / class.period() as f64).sum();
    let due = per_tick * SMALL.ticks as f64;
    let lost = 1.0 - points.len() as f64 / due;
    assert!((0.000_1..0.002).contains(&lost), "{lost}");
    let mut newest: HashMap<u32, i64> = HashMap::new();
    let mut late = 0;
    for (signal, time) in points.signals.iter().zip(&points.times) {
        let before = newest.entry(*signal).or_insert(*time);
        late += usize::from(*time < *before);
        *before = (*before).max(*time);
    }
    assert!(late > 100, "{late} points of a lost link come behind newer ones");
    let bad = points.qualities.iter().filter(|quality| **quality != 0).count();
    assert!(bad > 0 && bad < points.len() / 50, "{bad}");
}

#[test]
fn signals_of_most_devices_share_their_stamps() {
    let points = all(PlantOptions { signals: 320, ticks: 40, seed: 3 });
    let mut stamps: HashMap<u32, HashSet<i64>> = HashMap::new();
    let mut samples: HashMap<u32, usize> = HashMap::new();
    for (signal, time) in points.signals.iter().zip(&points.times) {
        stamps.entry(signal / DEVICE_SIGNALS).or_default().insert(*time);
        *samples.entry(signal / DEVICE_SIGNALS).or_default() += 1;
    }
    let sharing = stamps.iter().filter(|(device, times)| times.len() * 3 < samples[*device] * 2);
    let share = sharing.count() as f64 / stamps.len() as f64;
    assert!((0.4..0.95).contains(&share), "{share}");
}
