//! From a time to a simulated reading. Pure: the same time and seed give the same value.

use std::f64::consts::TAU;

use parx_log::{Quality, Timestamp, Value};

use super::address::{Address, Shape};

/// Seconds that a simulated fault lasts.
const FAULT_SECONDS: f64 = 10.0;

/// The value and quality of `address` at `now`.
pub fn value_at(address: &Address, seed: u64, now: Timestamp) -> (Option<Value>, Quality) {
    let t = now.seconds();
    let window = (t / FAULT_SECONDS).floor() as i64;
    if uniform(seed ^ 0xFA17, window) < address.number("faults") {
        return (None, Quality::BAD_SENSOR_FAILURE);
    }
    let (low, high) = (address.number("low"), address.number("high"));
    let phase = (t / address.number("period").max(1e-6)).rem_euclid(1.0);
    let between = |part: f64| {
        let noise = address.number("noise") * (uniform(seed ^ 0x0153, now.micros()) - 0.5);
        Value::Float(low + (high - low) * part + noise)
    };
    let value = match address.shape() {
        Shape::Sine => between(0.5 + 0.5 * (phase * TAU).sin()),
        Shape::Ramp => between(phase),
        Shape::Square => whole(between(if phase < 0.5 { 0.0 } else { 1.0 })),
        Shape::Step => {
            let steps = address.number("steps").max(1.0).floor();
            between((phase * steps).floor() / (steps - 1.0).max(1.0))
        }
        Shape::Random => between(uniform(seed, now.micros())),
        Shape::Walk => between(wander(seed, t / address.number("period").max(1e-6))),
        Shape::Counter => Value::Int(
            (t * address.number("rate")).floor().rem_euclid(address.number("wrap")) as i64,
        ),
        Shape::States => {
            let words = address.list();
            let place = ((phase * words.len() as f64) as usize).min(words.len().saturating_sub(1));
            Value::Text(words.get(place).map_or("", String::as_str).into())
        }
        Shape::Constant => Value::Float(address.number("value")),
        Shape::Now => Value::Int(now.micros()),
    };
    (Some(value), Quality::GOOD)
}

/// A whole number as an integer, so that it fits a signal of type bool or int.
fn whole(value: Value) -> Value {
    match value {
        Value::Float(x) if x.fract() == 0.0 => Value::Int(x as i64),
        Value::Float(_) | Value::Int(_) | Value::Bool(_) | Value::Text(_) => value,
    }
}

/// A number for a tag, so that signals of one shape differ.
pub(crate) fn seed(tag: &str) -> u64 {
    tag.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// A number from 0 up to 1 that depends on seed and place alone (SplitMix64).
fn uniform(seed: u64, place: i64) -> f64 {
    let mut x = seed ^ (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// A smooth path from 0 to 1: four layers of noise, each twice as fast and half as high.
fn wander(seed: u64, place: f64) -> f64 {
    let mut sum = 0.0;
    let mut total = 0.0;
    for layer in 0..4u32 {
        let (speed, height) = (f64::from(1 << layer), 1.0 / f64::from(1 << layer));
        let at = place * speed;
        let (left, part) = (at.floor(), at - at.floor());
        let ease = part * part * (3.0 - 2.0 * part);
        let layer_seed = seed ^ u64::from(layer + 1);
        let (a, b) = (uniform(layer_seed, left as i64), uniform(layer_seed, left as i64 + 1));
        sum += height * (a + (b - a) * ease);
        total += height;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, seconds: f64) -> Option<Value> {
        value_at(&address.parse().unwrap(), 1, Timestamp::from_seconds(seconds)).0
    }

    #[test]
    fn shapes_are_where_they_should_be() {
        let table = [
            ("sine(period=4,low=0,high=10)", 1.0, Value::Float(10.0)),
            ("sine(period=4,low=0,high=10)", 3.0, Value::Float(0.0)),
            ("ramp(period=10,low=0,high=10)", 12.5, Value::Float(2.5)),
            ("square(period=2)", 0.5, Value::Int(0)),
            ("square(period=2)", 1.5, Value::Int(1)),
            ("step(period=10,low=0,high=4,steps=5)", 9.0, Value::Float(4.0)),
            ("counter(rate=2,wrap=100)", 51.0, Value::Int(2)),
            ("states(period=3,list=a|b|c)", 1.5, Value::Text("b".into())),
            ("constant(value=7)", 9.0, Value::Float(7.0)),
            ("now", 2.0, Value::Int(2_000_000)),
        ];
        for (address, seconds, expected) in table {
            assert_eq!(at(address, seconds), Some(expected), "{address} at {seconds}");
        }
    }

    #[test]
    fn random_values_stay_in_their_range_and_repeat() {
        for address in ["walk(low=20,high=30)", "random(low=20,high=30)"] {
            for second in 0..1000 {
                let value = at(address, f64::from(second)).and_then(|v| v.number()).unwrap();
                assert!((20.0..=30.0).contains(&value), "{address}: {value}");
                assert_eq!(at(address, f64::from(second)), Some(Value::Float(value)));
            }
        }
    }

    #[test]
    fn faults_take_their_share_of_the_time() {
        let bad = (0..10_000).filter(|n| at("sine(faults=0.2)", f64::from(n * 10)).is_none());
        let share = bad.count() as f64 / 10_000.0;
        assert!((0.15..0.25).contains(&share), "{share}");
    }
}
