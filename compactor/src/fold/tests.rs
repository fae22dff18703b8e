//! Folds against a model that goes through the rows in the plainest way.

use proptest::prelude::*;

use super::*;
use parx_log::RunKind;

/// A row of the model: time, what kind of value, its bits, its quality.
type Row = (i64, RunKind, u64, u32);

const QUALITIES: [u32; 4] = [0, 0x4000_0000, 0x8000_0000, 0x8005_0000];

fn number_of(row: &Row) -> Option<f64> {
    match row.1 {
        RunKind::Float => Some(f64::from_bits(row.2)),
        RunKind::Int => Some(row.2 as i64 as f64),
        RunKind::Bool => Some(f64::from(u8::from(row.2 != 0))),
        RunKind::None | RunKind::Text => None,
    }
}

fn usable(row: &Row) -> Option<f64> {
    number_of(row).filter(|number| number.is_finite() && row.3 < 0x8000_0000)
}

/// Rows in columns, as a segment gives them.
fn columns(rows: &[Row]) -> Rows {
    let mut columns = Rows::default();
    for (time, kind, bits, quality) in rows {
        columns.times.push(*time);
        columns.sequences.push(1);
        columns.qualities.push(*quality);
        columns.kinds.push(*kind);
        columns.bits.push(if *kind == RunKind::Text { columns.texts.len() as u64 } else { *bits });
        if *kind == RunKind::Text {
            columns.texts.push("word".into());
        }
    }
    columns
}

/// Values are quarters, so that every sum is exact, however it is added up.
fn rows(kinds: impl Strategy<Value = (RunKind, bool)> + Clone) -> impl Strategy<Value = Vec<Row>> {
    let row = (1_i64..2_000_000, kinds, -4000_i64..4000, 0_usize..4);
    prop::collection::vec(row, 0..60).prop_map(|rows| {
        let mut time = 1_000_000_000;
        let row = |(step, (kind, plain), value, quality): (i64, (RunKind, bool), i64, usize)| {
            time += step;
            let bits = match kind {
                RunKind::Float if !plain => [f64::NAN, f64::INFINITY][quality % 2].to_bits(),
                RunKind::Float => (value as f64 / 4.0).to_bits(),
                RunKind::Int => value as u64,
                RunKind::Bool => u64::from(value > 0),
                RunKind::None | RunKind::Text => 0,
            };
            (time, kind, bits, if plain { 0 } else { QUALITIES[quality] })
        };
        rows.into_iter().map(row).collect()
    })
}

fn any_kind() -> impl Strategy<Value = (RunKind, bool)> + Clone {
    const KINDS: [RunKind; 5] =
        [RunKind::None, RunKind::Float, RunKind::Int, RunKind::Bool, RunKind::Text];
    (prop::sample::select(&KINDS[..]), any::<bool>())
}

fn floats() -> impl Strategy<Value = (RunKind, bool)> + Clone {
    Just((RunKind::Float, true))
}

fn pushed(rows: &[Row]) -> Fold {
    let mut fold = Fold::default();
    for row in rows {
        fold.push(row.0, number_of(row), Quality(row.3));
    }
    fold
}

fn pushed_in_columns(rows: &[Row]) -> Fold {
    let columns = columns(rows);
    let mut fold = Fold::default();
    fold.push_rows(&columns, 0..columns.len());
    fold
}

fn check_against_the_model(fold: &Fold, rows: &[Row]) {
    let good: Vec<Point> =
        rows.iter().filter_map(|row| Some(Point { time: row.0, number: usable(row)? })).collect();
    let numbers = || good.iter().map(|point| point.number);
    assert_eq!(fold.rows, rows.len() as u64);
    assert_eq!(fold.values, rows.iter().filter_map(number_of).count() as u64);
    assert_eq!(fold.good, good.len() as u64);
    assert_eq!(fold.min, numbers().fold(f64::INFINITY, f64::min));
    assert_eq!(fold.max, numbers().fold(f64::NEG_INFINITY, f64::max));
    assert_eq!(fold.sum.value(), numbers().sum::<f64>());
    assert_eq!((fold.first, fold.last), (good.first().copied(), good.last().copied()));
    let (mut stepped, mut sloped, mut time) = (0.0, 0.0, 0);
    for pair in rows.windows(2) {
        let Some(number) = usable(&pair[0]) else { continue };
        let next = usable(&pair[1]).unwrap_or(number);
        let lasts = pair[1].0 - pair[0].0;
        stepped += number * lasts as f64;
        sloped += (number + next) / 2.0 * lasts as f64;
        time += lasts;
    }
    assert_eq!(fold.good_time, time);
    assert_eq!(fold.integral_stepped.value(), stepped);
    assert_eq!(fold.integral_sloped.value(), sloped);
    let (mut stepped_on, mut sloped_on) = (0.0, 0.0);
    for pair in good.windows(2) {
        let lasts = (pair[1].time - pair[0].time) as f64;
        stepped_on += pair[0].number * lasts;
        sloped_on += (pair[0].number + pair[1].number) / 2.0 * lasts;
    }
    let carried = fold.carried.map(|carried| (carried.stepped.value(), carried.sloped.value()));
    assert_eq!(carried, Some((stepped_on, sloped_on)));
    let state = |row: &Row| State { time: row.0, number: usable(row) };
    assert_eq!((fold.begin, fold.end), (rows.first().map(state), rows.last().map(state)));
    let mean = numbers().sum::<f64>() / good.len() as f64;
    assert_eq!(fold.average(), (!good.is_empty()).then_some(mean));
    if time > 0 {
        assert_eq!(fold.time_average(Between::Stepped), Some(stepped / time as f64));
        assert_eq!(fold.integral(Between::Sloped), Some(sloped / 1e6));
    } else {
        assert_eq!(fold.time_average(Between::Stepped), good.last().map(|point| point.number));
    }
}

proptest! {
    #[test]
    fn q2_a_fold_is_what_its_rows_come_to(rows in rows(any_kind())) {
        check_against_the_model(&pushed(&rows), &rows);
        check_against_the_model(&pushed_in_columns(&rows), &rows);
    }

    #[test]
    fn q2_a_fold_tells_of_the_rows_that_are_not_bad_what_they_come_to(
        rows in rows((prop::sample::select(&[RunKind::Float, RunKind::Int][..]), any::<bool>())),
    ) {
        let rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.3 >= 0x8000_0000 || usable(row).is_some())
            .collect();
        let fair: Vec<Row> = rows.iter().filter(|row| row.3 < 0x8000_0000).copied().collect();
        prop_assume!(!fair.is_empty());
        let told = pushed_in_columns(&rows).fair();
        let expected = pushed(&fair);
        prop_assert_eq!(told, Fold { fair: told.fair, ..expected });
    }

    #[test]
    fn q2_good_doubles_are_folded_in_one_go_to_the_same(rows in rows(floats())) {
        check_against_the_model(&pushed_in_columns(&rows), &rows);
    }

    #[test]
    fn q2_folds_of_the_parts_join_to_the_fold_of_all(
        rows in rows(any_kind()),
        cuts in prop::collection::vec(0_usize..60, 0..4),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
        cuts.extend([0, rows.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|cut| pushed_in_columns(&rows[cut[0]..cut[1]]));
        let joined = parts.fold(Fold::default(), |all, part| all.join(&part));
        check_against_the_model(&joined, &rows);
    }

    #[test]
    fn q2_decimals_come_to_the_same_bits_however_they_are_cut(
        values in prop::collection::vec(-1_000_000_i64..1_000_000, 1..300),
        cut in 0_usize..300,
    ) {
        let row = |(at, value): (usize, &i64)| {
            (at as i64 * 100_003, RunKind::Float, (*value as f64 / 100.0).to_bits(), 0)
        };
        let rows: Vec<Row> = values.iter().enumerate().map(row).collect();
        let (a, b) = rows.split_at(cut.min(rows.len()));
        let joined = pushed_in_columns(a).join(&pushed_in_columns(b));
        let (whole, single) = (pushed_in_columns(&rows), pushed(&rows));
        for fold in [joined, single] {
            prop_assert_eq!(fold.sum.value().to_bits(), whole.sum.value().to_bits());
            for between in [Between::Stepped, Between::Sloped] {
                prop_assert_eq!(fold.time_average(between), whole.time_average(between));
            }
        }
    }
}

#[test]
fn a_zero_has_no_sign_in_an_extreme() {
    for zeros in [[0.0, -0.0, -0.0, 0.0, -0.0], [-0.0; 5]] {
        let row = |(at, zero): (usize, &f64)| (at as i64, RunKind::Float, zero.to_bits(), 0);
        let rows: Vec<Row> = zeros.iter().enumerate().map(row).collect();
        for fold in [pushed(&rows), pushed_in_columns(&rows)] {
            assert_eq!((fold.min.to_bits(), fold.max.to_bits()), (0, 0), "{zeros:?}");
        }
    }
}

#[test]
fn c3_what_is_not_finite_is_counted_and_ends_a_stretch() {
    let row = |time, number: f64| (time, RunKind::Float, number.to_bits(), 0);
    let rows = [row(0, 2.0), row(10, f64::NAN), row(30, f64::INFINITY), row(40, 4.0)];
    let fold = pushed_in_columns(&rows);
    assert_eq!((fold.rows, fold.values, fold.good, fold.good_time), (4, 4, 2, 10), "C3");
    assert_eq!((fold.min, fold.max, fold.average()), (2.0, 4.0, Some(3.0)));
    assert_eq!(fold.time_average(Between::Sloped), Some(2.0));
}

#[test]
fn times_that_are_far_apart_do_not_overflow() {
    let row = |time| (time, RunKind::Float, 1_f64.to_bits(), 0);
    for rows in [[row(i64::MIN), row(i64::MAX)], [row(0), row(1 << 53)]] {
        for fold in [pushed(&rows), pushed_in_columns(&rows)] {
            assert!((fold.time_average(Between::Sloped).unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
