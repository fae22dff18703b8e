//! Operators of our own against the plain SQL that says the same, over random histories: late
//! samples, corrections, bad ones, several segments and a tail.

use std::time::Duration;

use parx_compactor::Between;
use parx_log::{Command, Quality, Sample, SignalId, Timestamp, Value};
use parx_query::{Aligned, AsOf, ErrorKind, Steps};
use proptest::prelude::*;

use crate::plant::{Plant, START, row};

/// What happens to the plant: rows of signal, slot, quarters and kind, a deletion of a signal's
/// slots, or a compaction.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u32, i64, i32, u8)>),
    Delete(u32, i64, i64),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let row = (1_u32..4, -100_i64..100, -400..400, 0_u8..12);
    prop_oneof![
        3 => prop::collection::vec(row, 1..40).prop_map(Step::Append),
        1 => (1_u32..4, -100_i64..100, 0_i64..20).prop_map(|(s, f, n)| Step::Delete(s, f, f + n)),
        1 => Just(Step::Compact),
    ]
}

/// Steps, and which entry of the log the questions are asked as of.
fn history() -> impl Strategy<Value = (Vec<Step>, Option<prop::sample::Index>)> {
    let as_of = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (prop::collection::vec(step(), 1..9), as_of)
}

/// Two hours apart, so that the history spans days.
fn sample((signal, slot, quarters, kind): (u32, i64, i32, u8)) -> Sample {
    let good = row(signal, slot * 7200, f64::from(quarters) / 4.0);
    match kind {
        0 => Sample { quality: Quality::BAD, ..good },
        1 => Sample { value: None, quality: Quality::BAD_COMMUNICATION_ERROR, ..good },
        2 => Sample { value: Some(Value::Int(i64::from(quarters))), ..good },
        3 => Sample { value: Some(Value::Bool(quarters > 0)), ..good },
        4 => Sample { value: Some(Value::Text("word".into())), ..good },
        5 => Sample { quality: Quality::UNCERTAIN, ..good },
        _ => good,
    }
}

/// A plant to which all this has happened.
async fn plant((steps, as_of): &(Vec<Step>, Option<prop::sample::Index>)) -> Plant {
    let plant = Plant::new(3).await;
    let defined = plant.log.snapshot().sequence.0;
    for step in steps {
        match step {
            Step::Append(rows) => {
                plant.append(rows.iter().copied().map(sample).collect()).await;
            }
            Step::Delete(signal, from, to) => {
                let slot = |slot: &i64| Timestamp::from_micros(START + slot * SLOT);
                let tag = TAGS[*signal as usize - 1].to_owned();
                let reason = "a test".to_owned();
                let (from, to) = (slot(from), slot(to));
                let delete = Command::DeleteSamples { tag, from, to, reason };
                plant.log.submit("ann".into(), delete).await.unwrap();
            }
            Step::Compact => plant.compact().await,
        }
    }
    if let Some(as_of) = as_of {
        let since = plant.log.snapshot().sequence.0 - defined + 1;
        let sequence = defined + as_of.index(since as usize) as u64;
        plant.session.set_as_of(Some(AsOf::Sequence(parx_log::Sequence(sequence))));
    }
    plant
}

/// Two hours in microseconds.
const SLOT: i64 = 7_200_000_000;

const TAGS: [&str; 3] = ["plant/line1/signal1", "plant/line0/signal2", "plant/line1/signal3"];

/// Text of a time so many slots after the start.
fn at(slot: i64) -> String {
    Timestamp::from_micros(START + slot * SLOT).to_string()
}

/// By what is grouped, and what is told. Sums are exact, for values are quarters.
const GROUPS: [(&str, &str); 13] = [
    ("", "count(*), count(value), min(value), max(value), sum(value), avg(value)"),
    ("", "min(time), max(time), count(time)"),
    ("signal, ", "count(*), sum(value)"),
    ("signal, ", "last_value(value ORDER BY time)"),
    ("signal_id, ", "max(time), last_value(value ORDER BY time)"),
    (
        "signal_id, ",
        "first_value(value ORDER BY time), first_value(value ORDER BY time DESC), \
         last_value(value ORDER BY time DESC), last_value(value ORDER BY time)",
    ),
    (
        "signal, ",
        "first_value(value ORDER BY time) IGNORE NULLS, \
         last_value(value ORDER BY time) IGNORE NULLS",
    ),
    ("signal, time_bucket('9 hours', time), ", "count(*), min(value), max(value), avg(value)"),
    (
        "signal_id, time_bucket('1 month', time), ",
        "time_average(value, time), integral(value, time, 'sloped'), count(value), max(time)",
    ),
    ("time_bucket('5 hours', time, '2024-10-01'::timestamptz), signal, ", "sum(value), count(*)"),
    ("signal, date_trunc('day', time), ", "count(*), max(value), min(time)"),
    ("date_bin(interval '7 hours', time), signal_id, ", "avg(value), count(value)"),
    ("signal_id, ", "min(time), count(*), max(time)"),
];

/// Which samples are asked about.
const FILTERS: [&str; 7] = [
    "",
    "WHERE $window",
    "WHERE signal LIKE '%1/signal%' AND $window",
    "WHERE status <> 'bad'",
    "WHERE quality < 2147483648 AND $window",
    "WHERE value > -10 AND signal_id <> 2",
    "WHERE value_int IS NOT NULL OR value_text = 'word' OR status = 'uncertain'",
];

fn in_a_runtime(work: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    runtime.unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn q2_buckets_are_what_group_by_gives(
        history in history(),
        from in -100_i64..100,
        length in 1_i64..120,
        count in 1_i64..9,
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let (start, end) = (at(from), at(from + length * count));
            let own = format!(
                "SELECT * FROM buckets('{}, {}', '{start}', '{end}', {count}) ORDER BY 1, 2",
                TAGS[0], TAGS[2],
            );
            let usable = "FILTER (WHERE status <> 'bad' AND value IS NOT NULL)";
            let plain = format!(
                "SELECT signal, time_bucket('{} hours', time, '{start}'::timestamptz), count(*), \
                 first_value(value ORDER BY time) {usable}, min(value) {usable}, \
                 max(value) {usable}, last_value(value ORDER BY time) {usable}, \
                 avg(value) {usable} FROM samples WHERE signal IN ('{}', '{}') \
                 AND time >= '{start}' AND time < '{end}' GROUP BY 1, 2 ORDER BY 1, 2",
                length * 2, TAGS[0], TAGS[2],
            );
            let (own, plain) = (plant.ask(&own).await.unwrap(), plant.ask(&plain).await.unwrap());
            assert_eq!(own, plain, "Q2");
        });
    }

    #[test]
    fn q2_aligned_values_are_the_last_ones_of_plain_sql(
        history in history(),
        from in -100_i64..100,
        count in 0_i64..40,
        step in 1_i64..12,
        held in 1_i64..60,
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let (start, end) = (at(from), at(from + count));
            let tags = TAGS.join(",");
            let own = format!(
                "SELECT * FROM align('{tags}', '{start}', '{end}', '{step} hours', '{held} hours')"
            );
            let own = plant.ask(&own).await.unwrap();
            let mut expected = Vec::new();
            for point in 0.. {
                let seconds = from * 7200 + point * step * 3600;
                if seconds >= (from + count) * 7200 {
                    break;
                }
                let time = Timestamp::from_micros(START + seconds * 1_000_000);
                let mut cells = vec![plant.one(&format!("SELECT '{time}'::timestamptz")).await];
                for tag in TAGS {
                    let sql = format!(
                        "SELECT CASE WHEN status <> 'bad' THEN value END FROM samples \
                         WHERE signal = '{tag}' AND time <= '{time}' \
                         AND time >= '{time}'::timestamptz - interval '{held} hours' \
                         ORDER BY time DESC LIMIT 1"
                    );
                    let value = plant.one(&sql).await;
                    cells.push(if value.is_empty() { "-".into() } else { value });
                }
                expected.push(cells);
            }
            assert_eq!(own, expected, "Q2");
        });
    }

    #[test]
    fn q2_runs_are_the_islands_of_plain_sql(
        history in history(),
        from in -100_i64..0,
        length in 0_i64..200,
        limit in -90..90,
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let (start, end, tag) = (at(from), at(from + length), TAGS[1]);
            let holds = [
                format!("value > {limit}"),
                format!("value > {limit} AND status <> 'bad'"),
                format!("value_int > {limit} OR value_text = 'word' OR quality = 1073741824"),
            ];
            for holds in holds {
                let quoted = holds.replace('\'', "''");
                let own = format!("SELECT * FROM runs('{tag}', '{start}', '{end}', '{quoted}')");
                let plain = format!(
                    "SELECT min(time), max(time), count(*) FROM (\
                     SELECT time, holds, sum(CASE WHEN holds THEN 0 ELSE 1 END) \
                     OVER (ORDER BY time) AS island FROM (\
                     SELECT time, coalesce({holds}, false) AS holds FROM samples \
                     WHERE signal = '{tag}' AND time >= '{start}' AND time < '{end}')) \
                     WHERE holds GROUP BY island ORDER BY 1"
                );
                let own = plant.ask(&own).await.unwrap();
                let plain = plant.ask(&plain).await.unwrap();
                assert_eq!(own, plain, "Q2: {holds}");
            }
        });
    }

    #[test]
    fn q2_time_averages_are_those_of_plain_windows(history in history(), width in 1_i64..40) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let bucket = format!("time_bucket('{width} hours', time)");
            let own = format!(
                "SELECT signal, {bucket}, time_average(value, time), integral(value, time), \
                 time_average(value, time, 'sloped'), integral(value, time, 'sloped') \
                 FROM samples GROUP BY 1, 2 ORDER BY 1, 2"
            );
            let plain = format!(
                "SELECT signal, bucket, \
                 coalesce(sum(value * lasts) / sum(lasts), last_value(value ORDER BY time)), \
                 coalesce(sum(value * lasts), min(value) * 0), \
                 coalesce(sum((value + coalesce(next, value)) / 2 * lasts) / sum(lasts), \
                 last_value(value ORDER BY time)), \
                 coalesce(sum((value + coalesce(next, value)) / 2 * lasts), min(value) * 0) FROM (\
                 SELECT signal, bucket, time, value, CASE WHEN value IS NOT NULL THEN \
                 EXTRACT(EPOCH FROM lead(time) OVER w) - EXTRACT(EPOCH FROM time) END AS lasts, \
                 lead(value) OVER w AS next FROM (SELECT *, {bucket} AS bucket FROM samples) \
                 WINDOW w AS (PARTITION BY signal, bucket ORDER BY time)) \
                 GROUP BY 1, 2 ORDER BY 1, 2"
            );
            let (own, plain) = (plant.ask(&own).await.unwrap(), plant.ask(&plain).await.unwrap());
            assert_eq!(own.len(), plain.len(), "Q2");
            for (own, plain) in own.iter().zip(&plain) {
                assert_eq!(own[..2], plain[..2], "Q2");
                for (own_number, number) in own[2..].iter().zip(&plain[2..]) {
                    let parsed = (own_number.parse::<f64>(), number.parse::<f64>());
                    match parsed {
                        (Ok(a), Ok(b)) if (a - b).abs() <= 1e-9 * a.abs().max(1.0) => {}
                        _ => assert_eq!(own_number, number, "Q2: {own:?} {plain:?}"),
                    }
                }
            }
        });
    }

    #[test]
    fn q2_groups_are_those_of_the_general_plan(
        history in history(),
        from in -100_i64..100,
        length in 0_i64..120,
        filter in 0_usize..FILTERS.len(),
    ) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            let window = format!("time >= '{}' AND time < '{}'", at(from), at(from + length));
            for (place, (keys, told)) in GROUPS.iter().enumerate() {
                let filter = FILTERS[(filter + place) % FILTERS.len()].replace("$window", &window);
                let order = match *keys {
                    "" => "",
                    "signal, " | "signal_id, " => "GROUP BY 1 ORDER BY 1",
                    _ => "GROUP BY 1, 2 ORDER BY 1, 2",
                };
                let own = format!("SELECT {keys}{told} FROM samples {filter} {order}");
                let plan = plant.one(&format!("EXPLAIN {own}")).await;
                assert!(plan.contains("GroupScan"), "{own}: {plan}");
                // What groups cannot tell makes the planner take its own way.
                let general =
                    format!("SELECT {keys}{told}, stddev(value) FROM samples {filter} {order}");
                let plan = plant.one(&format!("EXPLAIN {general}")).await;
                assert!(!plan.contains("GroupScan"), "{general}: {plan}");
                let own = plant.ask(&own).await.unwrap();
                let mut expected = plant.ask(&general).await.unwrap();
                expected.iter_mut().for_each(|row| row.truncate(row.len() - 1));
                assert_eq!(own, expected, "Q2: {general}");
            }
        });
    }

    #[test]
    fn q1_the_table_of_signals_has_the_last_samples(history in history()) {
        in_a_runtime(async {
            let plant = plant(&history).await;
            for round in 0..2 {
                let own = "SELECT tag, last_time, last_value, last_value_text, last_quality, \
                           last_sequence FROM signals WHERE last_time IS NOT NULL ORDER BY 1";
                let plain = "SELECT signal, time, value, value_text, quality, sequence FROM (\
                             SELECT *, row_number() OVER (PARTITION BY signal ORDER BY time DESC) \
                             AS place FROM samples) WHERE place = 1 ORDER BY 1";
                let (own, plain) = (plant.ask(own).await.unwrap(), plant.ask(plain).await.unwrap());
                assert_eq!(own, plain, "Q1, round {round}");
                plant.compact().await;
            }
        });
    }
}

#[tokio::test]
async fn q3_direct_calls_and_table_functions_say_the_same() {
    let plant = Plant::new(3).await;
    for signal in 1..=3 {
        let rows = (0..10_000).map(|second| row(signal, second, f64::from(signal)));
        plant.append(rows.collect()).await;
        plant.compact().await;
    }
    plant.append((0..100).map(|second| row(2, 10_000 + second, 9.0)).collect()).await;
    let at = |second: i64| Timestamp::from_micros(START + second * 1_000_000);
    let ids = [SignalId(3), SignalId(2)];
    let snapshot = plant.engine.snapshot();
    let times = (at(0), at(11_000));
    let buckets = plant.engine.buckets(snapshot.clone(), &ids, times, 11).await.unwrap();
    let counts: Vec<Vec<u64>> =
        buckets.iter().map(|all| all.iter().map(|bucket| bucket.fold.rows).collect()).collect();
    assert_eq!(counts, [vec![1000; 10], [vec![1000; 10], vec![100]].concat()], "Q3");
    let last = &buckets[1][10];
    assert_eq!((last.start, last.fold.average()), (at(10_000), Some(9.0)));
    assert_eq!(last.fold.time_average(Between::Stepped), Some(9.0));
    let steps = Steps { from: at(9998), to: at(10_002), step: Duration::from_secs(1) };
    let both = [(SignalId(2), false), (SignalId(3), true)];
    let held = Duration::from_secs(1);
    let aligned = plant.engine.align(snapshot.clone(), &both, steps, held).await.unwrap();
    let numbers = [2.0, 2.0, 9.0, 9.0].map(Some).to_vec();
    let words = vec![Some("3".into()), Some("3".into()), Some("3".into()), None];
    assert_eq!(aligned, [Aligned::Numbers(numbers), Aligned::Texts(words)], "Q3");
    let condition = plant.engine.condition("value >= 2 AND time < '2024-10-04T00:00:10Z'").unwrap();
    let runs = plant.engine.runs(snapshot, SignalId(2), times, condition).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].start, runs[0].end, runs[0].samples), (at(0), at(9), 10), "Q3");
    let table = [
        (
            "SELECT sum(count) FROM buckets('plant/line1/signal3,plant/line0/signal2', \
          '2024-10-04', timestamptz '2024-10-04T00:00:00Z' + interval '11000 s', 11)",
            "20100",
        ),
        (
            "SELECT \"plant/line0/signal2\" FROM align(ARRAY['plant/line0/signal2'], \
          '2024-10-04T02:46:39Z', '2024-10-04T02:46:41Z', '1s', '1s')",
            "2.0\n9.0",
        ),
        (
            "SELECT samples FROM runs('plant/line0/signal2', '2024-10-04', '2024-10-05', \
          'value = 9')",
            "100",
        ),
        (
            "SELECT count(*) FROM buckets('plant/line1/signal3', now() - interval '1 hour', now(), \
          10)",
            "0",
        ),
    ];
    for (sql, expected) in table {
        assert_eq!(plant.one(sql).await, expected, "Q3: {sql}");
    }
}

#[tokio::test]
async fn q1_last_values_are_those_of_the_snapshot() {
    let plant = Plant::new(2).await;
    plant.append(vec![row(1, 0, 1.0), row(1, 1, 2.0)]).await;
    let before = plant.engine.snapshot();
    plant.append(vec![row(1, 2, 3.0), row(2, 2, 4.0)]).await;
    let ids = [SignalId(2), SignalId(1), SignalId(9)];
    let value = |last: &Option<parx_log::LastValue>| {
        last.as_ref().map(|last| last.sample.value.clone().unwrap())
    };
    for place in ["hot", "cold"] {
        let then = plant.engine.last_values(before.clone(), &ids).await.unwrap();
        let now = plant.engine.last_values(plant.engine.snapshot(), &ids).await.unwrap();
        let then: Vec<_> = then.iter().map(value).collect();
        let now: Vec<_> = now.iter().map(value).collect();
        assert_eq!(then, [None, Some(Value::Float(2.0)), None], "Q1, {place}");
        let expected = [Some(Value::Float(4.0)), Some(Value::Float(3.0)), None];
        assert_eq!(now, expected, "Q1, {place}");
        plant.compact().await;
    }
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let plant = Plant::new(2).await;
    let tag = TAGS[0];
    let day = "'2024-10-04', '2024-10-05'";
    let table = [
        (format!("buckets('nix', {day}, 10)"), "there is no signal \"nix\""),
        (format!("buckets('{tag}', {day})"), "is given 3 arguments"),
        (format!("buckets('{tag}', 'noon', '2024-10-05', 10)"), "buckets: from must be a time"),
        (format!("buckets('{tag}', {day}, 'ten')"), "number of buckets must be a whole number"),
        (format!("buckets('{tag}', {day}, -1)"), "number of buckets must be a whole number"),
        (format!("buckets('{tag}', {day}, 0)"), "0 buckets; there can be 1 to"),
        (format!("buckets(7, {day}, 10)"), "buckets: signals must be a tag"),
        (format!("buckets('', {day}, 10)"), "buckets: signals must be a tag"),
        (format!("align('{tag},{tag}', {day}, '1 s')"), "two columns"),
        (format!("align('{tag}', {day}, '1 month')"), "align: step must be a length of time"),
        (format!("align('{tag}', {day}, '1 us')"), "values are asked for"),
        (format!("runs('{tag}', {day}, 'value >')"), "the condition 'value >': "),
        (format!("runs('{tag}', {day}, 'nix > 1')"), "column \"nix\" does not exist"),
        (format!("runs('{tag}', {day}, 'value + 1')"), "it gives Float64, not true or false"),
        (format!("runs('{tag}', {day}, '(SELECT true)')"), "the condition"),
        (format!("runs('{tag}', {day}, 'max(value) > 1')"), "the condition"),
    ];
    let aggregates = [
        ("time_average(value, time, 'curved')", "'stepped' or 'sloped'"),
        ("time_average(value)", "it takes a value and a time"),
        ("integral(status, time)", "a value of type Utf8"),
        ("integral(value, signal)", "a time of type Utf8"),
        ("time_average(DISTINCT value, time)", "DISTINCT has no meaning"),
    ];
    plant.append(vec![row(1, 0, 1.0)]).await;
    for (call, complaint) in aggregates {
        let error = plant.ask(&format!("SELECT {call} FROM samples")).await.unwrap_err();
        assert!(error.message.contains(complaint), "{call}: {error:?}");
        assert_ne!(error.kind, ErrorKind::Internal, "{call}: {error:?}");
    }
    for (call, complaint) in table {
        let error = plant.ask(&format!("SELECT * FROM {call}")).await.unwrap_err();
        assert!(error.message.contains(complaint), "{call}: {error:?}");
        assert_ne!(error.kind, ErrorKind::Internal, "{call}: {error:?}");
    }
}
