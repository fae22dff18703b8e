//! What is answered from rollups against the plain SQL that reads every row: dense samples, late
//! ones, corrections, bad ones, deletions, in many buckets, calendars and zones.

use std::time::Duration;

use parx_log::{Command, Quality, Sample, SegmentKind, Sequence, Timestamp, Value};
use parx_query::AsOf;
use proptest::prelude::*;

use crate::plant::{Plant, START, row};

const TAGS: [&str; 2] = ["plant/line1/signal1", "plant/line0/signal2"];

/// What happens to the plant: samples of a signal from a second on, so many, so far apart; a
/// deletion of seconds of a signal; a compaction.
#[derive(Clone, Debug)]
enum Step {
    Burst(u32, i64, i64, i64, i32),
    Delete(u32, i64, i64),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let start = -60_000_i64..20_000;
    let burst = (1_u32..3, start.clone(), 1_i64..2000, 1_i64..25, -400..400);
    let delete = (1_u32..3, start, 0_i64..9000);
    prop_oneof![
        4 => burst.prop_map(|(s, from, n, step, q)| Step::Burst(s, from / 5 * 5, n, step, q)),
        1 => delete.prop_map(|(s, from, n)| Step::Delete(s, from, from + n)),
        2 => Just(Step::Compact),
    ]
}

/// Steps, and which entry of the log the questions are asked as of.
type History = (Vec<Step>, Option<prop::sample::Index>);

fn history() -> impl Strategy<Value = History> {
    let as_of = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::collection::vec(step(), 2..12), as_of)
}

fn burst(signal: u32, from: i64, count: i64, step: i64, quarters: i32) -> Vec<Sample> {
    let sample = |n: i64| {
        let good = row(signal, from + n * step, f64::from(quarters) / 4.0 + (n % 7) as f64);
        // Bad ones stand in a few places, so that most buckets have none.
        match (from + n * step).rem_euclid(20_000) {
            0..10 => Sample { quality: Quality::BAD, ..good },
            10..15 => Sample { value: None, quality: Quality::BAD, ..good },
            1000..1010 => Sample { value: Some(Value::Int(n)), ..good },
            2000..2010 => Sample { quality: Quality::UNCERTAIN, ..good },
            3000..3005 => Sample { value: Some(Value::Text("word".into())), ..good },
            _ => good,
        }
    };
    (0..count).map(sample).collect()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(START + second * 1_000_000)
}

async fn plant((steps, as_of): &History) -> Plant {
    let plant = Plant::new(2).await;
    plant.clock.advance(Duration::from_secs(7200));
    let defined = plant.log.snapshot().sequence.0;
    for step in steps {
        match step {
            Step::Burst(signal, from, count, step, quarters) => {
                plant.append(burst(*signal, *from, *count, *step, *quarters)).await;
            }
            Step::Delete(signal, from, to) => {
                let tag = TAGS[*signal as usize - 1].to_owned();
                let (from, to, reason) = (second(*from), second(*to), "a test".to_owned());
                let delete = Command::DeleteSamples { tag, from, to, reason };
                plant.log.submit("ann".into(), delete).await.unwrap();
            }
            Step::Compact => plant.compact().await,
        }
    }
    if let Some(as_of) = as_of {
        let since = plant.log.snapshot().sequence.0 - defined + 1;
        let sequence = defined + as_of.index(since as usize) as u64;
        plant.session.set_as_of(Some(AsOf::Sequence(Sequence(sequence))));
    }
    plant
}

/// Buckets, in several calendars and zones.
const BUCKETS: [&str; 9] = [
    "time_bucket('1 minute', time)",
    "time_bucket('7 minutes', time)",
    "time_bucket('1 hour', time)",
    "time_bucket('90 minutes', time, '2024-10-01 00:10:00'::timestamptz)",
    "time_bucket('1 day', time)",
    "time_bucket('1 month', time)",
    "date_trunc('day', time)",
    "date_trunc('day', time AT TIME ZONE 'America/New_York')",
    "date_trunc('hour', time AT TIME ZONE 'Asia/Kolkata')",
];

/// What folds tell of rows that are not bad, also where some are.
const EASY: &str = "count(*), count(value), min(value), max(value), sum(value), \
    first_value(value ORDER BY time) IGNORE NULLS";

const FILTERS: [&str; 4] = [
    "WHERE quality < 2147483648",
    "WHERE status <> 'bad'",
    "WHERE quality <= 2147483647",
    "WHERE quality = 0",
];

const TOLD: &str = "count(*), count(value), min(value), max(value), sum(value), avg(value), \
    min(time), max(time), first_value(value ORDER BY time), last_value(value ORDER BY time), \
    first_value(value ORDER BY time) IGNORE NULLS, last_value(value ORDER BY time) IGNORE NULLS";

fn in_a_runtime(work: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    runtime.unwrap().block_on(work);
}

/// The answer of groups and that of the general plan, which reads every row.
async fn both(plant: &Plant, keys: &str, told: &str, rest: &str) -> [Vec<Vec<String>>; 2] {
    let own = plant.ask(&format!("SELECT {keys} {told} FROM samples {rest}")).await.unwrap();
    let general = format!("SELECT {keys} {told}, stddev(value) FROM samples {rest}");
    let mut general = plant.ask(&general).await.unwrap();
    general.iter_mut().for_each(|row| row.truncate(row.len() - 1));
    [own, general]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn q2_groups_from_rollups_are_those_of_all_rows(history in history()) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            for (place, bucket) in BUCKETS.into_iter().enumerate() {
                for filter in ["", FILTERS[place % FILTERS.len()]] {
                    let rest = format!("{filter} GROUP BY 1, 2 ORDER BY 1, 2");
                    let keys = format!("signal, {bucket},");
                    for told in [TOLD, EASY] {
                        let [own, general] = both(&plant, &keys, told, &rest).await;
                        assert_eq!(own, general, "Q2: {bucket} {rest} {told}");
                    }
                }
            }
            let [own, general] =
                both(&plant, "signal,", TOLD, "GROUP BY signal ORDER BY signal").await;
            assert_eq!(own, general, "Q2: whole signals");
            let told = "count(*), count(value), min(value), max(value), sum(value), avg(value)";
            let [own, general] = both(&plant, "", told, "").await;
            assert_eq!(own, general, "Q2: everything");
        });
    }

    #[test]
    fn q2_buckets_from_rollups_are_those_of_all_rows(
        history in history(), from in -100_000_i64..90_000, count in 1_i64..60, aligned: bool,
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let (from, width) = if aligned { (from / 60 * 60, 1800) } else { (from, 1777) };
            let (start, end) = (second(from), second(from + count * width));
            let own = format!(
                "SELECT * FROM buckets('{}, {}', '{start}', '{end}', {count}) ORDER BY 1, 2",
                TAGS[0], TAGS[1],
            );
            let usable = "FILTER (WHERE status <> 'bad' AND value IS NOT NULL)";
            let plain = format!(
                "SELECT signal, time_bucket('{width} seconds', time, '{start}'::timestamptz), \
                 count(*), first_value(value ORDER BY time) {usable}, min(value) {usable}, \
                 max(value) {usable}, last_value(value ORDER BY time) {usable}, \
                 avg(value) {usable} FROM samples \
                 WHERE time >= '{start}' AND time < '{end}' GROUP BY 1, 2 ORDER BY 1, 2",
            );
            let (own, plain) = (plant.ask(&own).await.unwrap(), plant.ask(&plain).await.unwrap());
            assert_eq!(own, plain, "Q2");
        });
    }

    #[test]
    fn q2_weighted_means_from_rollups_are_those_of_all_rows(
        history in history(), bucket in 0_usize..BUCKETS.len(),
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let told = "time_average(value, time), integral(value, time), \
                 time_average(value, time, 'sloped'), integral(value, time, 'sloped')";
            let keys = format!("signal, {},", BUCKETS[bucket]);
            let [own, general] = both(&plant, &keys, told, "GROUP BY 1, 2 ORDER BY 1, 2").await;
            assert_eq!(own.len(), general.len(), "Q2");
            for (own, general) in own.iter().zip(&general) {
                assert_eq!(own[..2], general[..2], "Q2");
                for (a, b) in own[2..].iter().zip(&general[2..]) {
                    match (a.parse::<f64>(), b.parse::<f64>()) {
                        (Ok(a), Ok(b)) if (a - b).abs() <= 1e-9 * a.abs().max(1.0) => {}
                        _ => assert_eq!(a, b, "Q2: {own:?} {general:?}"),
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn a_deletion_hides_its_seconds_in_buckets_that_have_rollups() {
    let plant = Plant::new(1).await;
    plant.clock.advance(Duration::from_secs(7200));
    plant.append(burst(1, -86_400, 8640, 10, 1)).await;
    plant.compact().await;
    let tag = TAGS[0].to_owned();
    let (from, to) = (second(-50_000), second(-40_001));
    let delete = Command::DeleteSamples { tag, from, to, reason: String::new() };
    plant.log.submit("ann".into(), delete).await.unwrap();
    for keys in ["signal, time_bucket('1 hour', time),", "signal, time_bucket('1 day', time),"] {
        let told = "count(*), count(value), min(time), max(time)";
        let [own, general] = both(&plant, keys, told, "GROUP BY 1, 2 ORDER BY 1, 2").await;
        assert_eq!(own, general, "Q2: {keys}");
    }
    assert_eq!(plant.one("SELECT count(*) FROM samples").await, "7640");
}

#[tokio::test]
async fn closed_days_have_rollups_and_plans_say_when_they_are_used() {
    let plant = Plant::new(1).await;
    plant.clock.advance(Duration::from_secs(7200));
    plant.append(burst(1, -86_400, 8640, 10, 1)).await;
    plant.compact().await;
    let manifest = plant.log.catalog().manifest.clone();
    let kinds = |kind| manifest.of_kind(kind).count();
    assert_eq!((kinds(SegmentKind::Samples), kinds(SegmentKind::Rollups)), (1, 1));
    for (key, tier) in [
        ("time_bucket('1 day', time)", "folds=Day"),
        ("time_bucket('6 hours', time)", "folds=Hour"),
        ("date_trunc('day', time AT TIME ZONE 'Asia/Kolkata')", "folds=Hour"),
        ("time_bucket('7 seconds', time)", "folds=none"),
    ] {
        let sql = format!("EXPLAIN SELECT signal, {key}, avg(value) FROM samples GROUP BY 1, 2");
        let plan = plant.one(&sql).await;
        assert!(plan.contains(tier), "{key}: {plan}");
        let filtered = sql.replace("GROUP BY", "WHERE quality = 0 GROUP BY");
        let plan = plant.one(&filtered).await;
        assert!(plan.contains("folds=none"), "this filter needs rows: {plan}");
        let fair = sql.replace("GROUP BY", "WHERE quality < 2147483648 GROUP BY");
        let plan = plant.one(&fair).await;
        assert!(plan.contains(tier), "folds tell what is not bad: {plan}");
    }
}
