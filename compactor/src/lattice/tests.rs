//! Numbers that lie on lattices are found to, whatever they are they come back, and what lies on
//! none is left alone.

use proptest::prelude::*;

use super::*;

fn rows(numbers: &[f64]) -> Rows {
    Rows {
        times: vec![0; numbers.len()],
        sequences: vec![0; numbers.len()],
        qualities: vec![0; numbers.len()],
        kinds: vec![RunKind::Float; numbers.len()],
        bits: numbers.iter().map(|number| number.to_bits()).collect(),
        texts: Vec::new(),
    }
}

/// How many of the numbers are on a lattice; those that are must come back bit by bit.
fn placed(numbers: &[f64], block: usize) -> usize {
    let (rows, mut placed, mut search) = (rows(numbers), Placed::default(), Search::default());
    for first in (0..numbers.len()).step_by(block) {
        let range = first..(first + block).min(numbers.len());
        search.place(&rows, range, &mut placed);
    }
    assert_eq!(placed.steps.len(), numbers.len());
    let lattices = placed.runs.iter().flat_map(|(on, count)| std::iter::repeat_n(*on, *count));
    for ((number, steps), lattice) in numbers.iter().zip(&placed.steps).zip(lattices) {
        if let Some(steps) = steps {
            let back = lattice.map(|lattice| lattice.at(*steps).to_bits());
            assert_eq!(back, Some(number.to_bits()), "C2: {number} on {lattice:?}");
        }
    }
    placed.steps.iter().flatten().count()
}

/// Counts that wander, and now and then jump.
fn counts(most: i64) -> Vec<i64> {
    let mut count = most / 3;
    let walk = (0..5000_i64).map(|n| {
        count += (n * 7919 % 13) - 6 + if n % 1000 == 0 { most / 7 } else { 0 };
        count = count.rem_euclid(most + 1);
        count
    });
    walk.collect()
}

#[test]
fn counts_of_converters_and_decimals_are_found() {
    type Case = (&'static str, fn(i64) -> f64);
    let table: [Case; 13] = [
        ("whole", |n| n as f64),
        ("halves", |n| n as f64 * 0.5),
        ("long counter", |n| 1e12 + n as f64),
        ("tenths", |n| n as f64 / 10.0),
        ("thousandths below zero", |n| (n - 2000) as f64 / 1000.0),
        ("scaled by a factor", |n| n as f64 * 0.01),
        ("tenths in REAL", |n| f64::from(n as f32 / 10.0)),
        ("0 to 10 V, 12 bits, REAL", |n| f64::from((n as f64 * (10.0 / 4095.0)) as f32)),
        ("-50 to 200, 16 bits, REAL", |n| {
            f64::from((-50.0 + n as f64 * (250.0 / 65_535.0)) as f32)
        }),
        ("an odd range in REAL", |n| f64::from((3.217 + n as f64 * 0.013_371_9) as f32)),
        ("0 to 1600, 14 bits", |n| n as f64 * (1600.0 / 16_383.0)),
        ("-1 to 2, Siemens", |n| -1.0 + n as f64 * (3.0 / 27_648.0)),
        ("binary fraction", |n| n as f64 / 4096.0),
    ];
    for (name, scaled) in table {
        let numbers: Vec<f64> = counts(4000).into_iter().map(scaled).collect();
        assert_eq!(placed(&numbers, 2000), numbers.len(), "{name}");
    }
}

#[test]
fn numbers_with_every_bit_in_use_stay_plain() {
    let numbers: Vec<f64> = (1..5000).map(|n| f64::from(n).sin()).collect();
    assert_eq!(placed(&numbers, 5000), 0);
    assert_eq!(placed(&[], 10), 0);
}

#[test]
fn what_no_lattice_can_say_stays_plain_among_what_it_can() {
    let odd = [-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1e-310, 0.1 + 0.2];
    let mut numbers: Vec<f64> = (0..200).map(|n| f64::from(n) / 10.0).collect();
    numbers.extend(odd);
    assert_eq!(placed(&numbers, 1000), 200, "C2");
}

#[test]
fn a_lattice_is_kept_while_it_holds_and_given_up_then() {
    let tenths = (0..500).map(|n| f64::from(n) / 10.0);
    let noise = (1..500).map(|n| f64::from(n).sin());
    let reals = (0..500).map(|n| f64::from((f64::from(n) * (10.0 / 4095.0)) as f32));
    let numbers: Vec<f64> = tenths.clone().chain(noise).chain(reals).chain(tenths).collect();
    let on = placed(&numbers, 250);
    assert!((1490..1500).contains(&on), "{on}");
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f32>().prop_map(f64::from),
        any::<i64>().prop_map(|n| n as f64),
        (-5000_i32..5000, 0_i32..8).prop_map(|(n, digits)| f64::from(n) / 10_f64.powi(digits)),
        (-5000_i32..5000, 0_i32..8).prop_map(|(n, digits)| f64::from(n) * 10_f64.powi(-digits)),
        prop_oneof![Just(-0.0), Just(0.0), Just(f64::NAN), Just(f64::MIN_POSITIVE), Just(f64::MAX)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c2_any_numbers_in_any_order_come_back_bit_by_bit(
        numbers in prop::collection::vec(number(), 0..300),
        block in 1_usize..100,
    ) {
        placed(&numbers, block);
    }

    #[test]
    fn c2_counts_of_any_range_come_back_bit_by_bit(
        low in -1e6_f64..1e6,
        span in 1e-3_f64..1e6,
        bits in 8_u32..17,
        reals in any::<bool>(),
        seed in 0_i64..1000,
    ) {
        let step = span / f64::from((1_u32 << bits) - 1);
        let number = |count: i64| {
            let number = low + count as f64 * step;
            if reals { f64::from(number as f32) } else { number }
        };
        let numbers: Vec<f64> =
            counts((1 << bits) - 1).into_iter().map(|count| number(count + seed % 7)).collect();
        placed(&numbers, 1000);
    }
}
