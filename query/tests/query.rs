//! Queries as a door puts them: SQL over hot and cold samples, against a naive scan.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod model;
mod operators;
mod plant;
mod retention;
mod rollups;

use std::collections::BTreeMap;

use futures::TryStreamExt;
use parx_log::{Quality, Sample, SegmentKind, SignalId, Timestamp, Value};
use parx_query::arrow::array::RecordBatch;
use parx_query::arrow::datatypes::DataType;
use parx_query::{ErrorKind, ScalarValue};
use proptest::prelude::*;

use plant::{Plant, START, row, words};

#[tokio::test]
async fn every_column_of_a_sample_is_told_hot_and_cold() {
    let plant = Plant::new(1).await;
    let at = |second, value, quality| Sample { value, quality, ..row(1, second, 0.0) };
    let rows = vec![
        at(0, Some(Value::Float(1.5)), Quality::GOOD),
        at(1, Some(Value::Int(i64::MAX)), Quality::UNCERTAIN),
        at(2, Some(Value::Bool(true)), Quality::GOOD),
        at(3, Some(Value::Text("run".into())), Quality::GOOD),
        at(4, None, Quality::BAD_COMMUNICATION_ERROR),
    ];
    let sequence = plant.append(rows).await;
    let expected = [
        format!("plant/line1/signal1 2024-10-04T00:00:00Z 1.5 - - 0 good 1 {sequence}"),
        format!(
            "plant/line1/signal1 2024-10-04T00:00:01Z 9.223372036854776e18 \
             9223372036854775807 - 1073741824 uncertain 1 {sequence}"
        ),
        format!("plant/line1/signal1 2024-10-04T00:00:02Z 1.0 - - 0 good 1 {sequence}"),
        format!("plant/line1/signal1 2024-10-04T00:00:03Z - - run 0 good 1 {sequence}"),
        format!("plant/line1/signal1 2024-10-04T00:00:04Z - - - 2147811328 bad 1 {sequence}"),
    ];
    for place in ["hot", "cold"] {
        let rows = plant.ask("SELECT * FROM samples ORDER BY time").await.unwrap();
        assert_eq!(rows.len(), expected.len(), "{place}");
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(&row[..9].join(" "), expected, "Q3 and I2, {place}");
            assert_eq!(row[9], "2024-10-04T00:00:00Z", "recorded at, {place}");
        }
        plant.compact().await;
    }
}

#[tokio::test]
async fn filters_are_pruned_and_the_order_needs_no_sort() {
    let plant = Plant::new(4).await;
    for signal in 1..=4 {
        plant.append((0..100).map(|second| row(signal, second, second as f64)).collect()).await;
    }
    plant.compact().await;
    plant.append((100..110).map(|second| row(2, second, 0.5)).collect()).await;
    let table = [
        ("SELECT count(*) FROM samples", "410"),
        ("SELECT count(*) FROM samples WHERE signal = 'plant/line0/signal2'", "110"),
        ("SELECT count(*) FROM samples WHERE signal LIKE 'plant/line0/%'", "210"),
        ("SELECT count(*) FROM samples WHERE signal_id IN (1, 3)", "200"),
        ("SELECT count(*) FROM samples WHERE signal_id = 9", "0"),
        ("SELECT count(*) FROM samples WHERE signal ~ 'signal[12]$' AND value < 10", "30"),
        (
            "SELECT count(*) FROM samples WHERE signal_id = 2 \
             AND time >= '2024-10-04T00:01:35Z' AND time < timestamptz '2024-10-04T00:01:45Z'",
            "10",
        ),
        ("SELECT count(*) FROM samples WHERE time > now()", "0"),
        (
            "SELECT count(*) FROM samples WHERE time BETWEEN '2024-10-04T00:00:10Z' \
             AND '2024-10-04T00:00:11Z'",
            "8",
        ),
        (
            "SELECT signal_id, time FROM samples WHERE signal_id = 2 ORDER BY time DESC LIMIT 1",
            "2 2024-10-04T00:01:49Z",
        ),
        ("SELECT signal_id, value FROM samples ORDER BY time, signal_id LIMIT 2", "1 0.0\n2 0.0"),
    ];
    for (sql, expected) in table {
        assert_eq!(plant.one(sql).await, expected, "Q2: {sql}");
    }
    let plan = plant
        .one(
            "EXPLAIN SELECT time, value FROM samples WHERE signal_id = 2 \
                          AND time >= '2024-10-04T00:01:00Z' ORDER BY time",
        )
        .await;
    assert!(plan.contains("signals=1") && plan.contains("from=2024-10-04T00:01:00"), "{plan}");
    assert!(!plan.contains("SortExec") && !plan.contains("FilterExec"), "{plan}");
    let latest = "SELECT signal, time, value FROM samples WHERE signal_id IN (1, 2) \
                  ORDER BY time DESC LIMIT 2";
    assert_eq!(
        plant.one(latest).await,
        "plant/line0/signal2 2024-10-04T00:01:49Z 0.5\n\
                                         plant/line0/signal2 2024-10-04T00:01:48Z 0.5"
    );
    let plan = plant.one(&format!("EXPLAIN {latest}")).await;
    assert!(plan.contains("backwards") && !plan.contains("SortExec"), "{plan}");
}

#[tokio::test]
async fn the_newest_version_wins_and_history_has_them_all() {
    let plant = Plant::new(1).await;
    plant.append(vec![row(1, 0, 1.0), row(1, 1, 1.0)]).await;
    plant.compact().await;
    plant.append(vec![row(1, 0, 2.0)]).await;
    let values = "SELECT value FROM samples ORDER BY time";
    assert_eq!(plant.one(values).await, "2.0\n1.0");
    assert_eq!(plant.one("SELECT count(*) FROM samples_history").await, "3");
    plant.compact().await;
    assert_eq!(plant.one(values).await, "2.0\n1.0", "Q2");
    assert_eq!(plant.one("SELECT count(*) FROM samples_history").await, "3", "C1");
}

#[tokio::test]
async fn q1_a_query_sees_one_snapshot_from_its_first_row_to_its_last() {
    let plant = Plant::new(1).await;
    plant.append((0..50_000).map(|second| row(1, second, 1.0)).collect()).await;
    let sql = "SELECT time FROM samples";
    let statement = plant.session.prepare_sql(sql).await.unwrap();
    let mut rows = statement.execute(vec![]).await.unwrap();
    let first = rows.try_next().await.unwrap().unwrap().num_rows();
    plant.compact().await;
    plant.append((0..60_000).map(|second| row(1, second, 2.0)).collect()).await;
    plant.compact().await;
    let rest: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let rest: usize = rest.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(first + rest, 50_000, "Q1");
    let snapshot = plant.engine.snapshot();
    plant.append(vec![row(1, 90_000, 3.0)]).await;
    let count = plant.session.prepare_sql("SELECT count(*) FROM samples a").await.unwrap();
    let of = |rows: Vec<RecordBatch>| words(&rows)[0][0].clone();
    let then = count.execute_at(vec![], snapshot).await.unwrap().try_collect().await.unwrap();
    let now = count.execute(vec![]).await.unwrap().try_collect().await.unwrap();
    assert_eq!((of(then), of(now)), ("60000".into(), "60001".into()), "Q1");
}

#[tokio::test]
async fn parameters_have_the_types_that_are_declared_or_inferred() {
    let plant = Plant::new(2).await;
    plant.append((0..10).map(|second| row(1, second, second as f64)).collect()).await;
    let sql =
        "SELECT count(*), $3 FROM samples WHERE signal = $1 AND value > $2 AND signal_id = $4";
    let parsed = parx_query::parse(sql).unwrap().remove(0);
    let declared = [None, None, None, Some(DataType::Int64)];
    let statement = plant.session.prepare(&parsed, &declared).await.unwrap();
    let expected = [DataType::Utf8, DataType::Float64, DataType::Utf8, DataType::Int64];
    assert_eq!(statement.parameters(), expected);
    let parameters = vec![
        ScalarValue::Utf8(Some("plant/line1/signal1".into())),
        ScalarValue::Float64(Some(4.0)),
        ScalarValue::Utf8(Some("x".into())),
        ScalarValue::Int64(Some(1)),
    ];
    let rows = statement.execute(parameters).await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(words(&rows), [["5", "x"]]);
    let error = statement.execute(vec![]).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Parameters);
}

#[tokio::test]
async fn errors_have_their_kind_and_place() {
    let plant = Plant::new(1).await;
    plant.append(vec![row(1, 0, 1.0)]).await;
    let table = [
        ("SELECT 1 +", ErrorKind::Syntax, false),
        ("SELECT (1 FROM samples", ErrorKind::Syntax, true),
        ("SELECT * FROM nix", ErrorKind::UndefinedTable, true),
        ("SELECT nix FROM samples", ErrorKind::UndefinedColumn, true),
        ("SELECT nix(1)", ErrorKind::UndefinedFunction, true),
        ("SELECT 1 / 0", ErrorKind::DivisionByZero, false),
        ("SELECT 'a'::int", ErrorKind::InvalidText, false),
        ("SELECT signal_id / (signal_id - 1) FROM samples", ErrorKind::DivisionByZero, false),
        ("INSERT INTO samples (value) VALUES (1)", ErrorKind::ReadOnly, false),
        ("CREATE TABLE a (b int)", ErrorKind::ReadOnly, false),
        ("BEGIN", ErrorKind::Unsupported, false),
        ("SELECT time + signal FROM samples", ErrorKind::DatatypeMismatch, false),
    ];
    for (sql, kind, placed) in table {
        let error = plant.ask(sql).await.unwrap_err();
        assert_eq!(error.kind, kind, "{sql}: {error:?}");
        assert_eq!(error.position.is_some(), placed, "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn l6_a_query_over_a_damaged_file_fails_and_names_it() {
    let asked = [
        (SegmentKind::Samples, "SELECT sum(value) FROM samples WHERE value > 0"),
        (SegmentKind::Rollups, "SELECT sum(value) FROM samples"),
    ];
    for (kind, sql) in asked {
        let plant = Plant::new(1).await;
        plant.append((0..1000).map(|second| row(1, second, 1.0)).collect()).await;
        plant.compact().await;
        let manifest = plant.log.catalog().manifest.clone();
        let meta = manifest.of_kind(kind).next().unwrap();
        let path = plant.folder.path().join(&meta.path);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = plant.ask(sql).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damage, "L6: {error:?}");
        assert!(error.message.contains(&meta.path), "L6: {error:?}");
    }
}

#[tokio::test]
async fn definitions_and_changes_are_tables() {
    let plant = Plant::new(2).await;
    plant.append(vec![row(1, 7, 4.5)]).await;
    let table = [
        (
            "SELECT tag, last_value, last_status FROM signals WHERE id = 1",
            "plant/line1/signal1 4.5 good",
        ),
        ("SELECT count(*) FROM signals WHERE last_time IS NULL", "1"),
        ("SELECT count(*) FROM sources", "0"),
        (
            "SELECT author, kind, subject FROM events ORDER BY sequence LIMIT 1",
            "ann SignalDefined plant/line1/signal1",
        ),
        (
            "SELECT s.unit, count(*) FROM samples JOIN signals s ON s.id = signal_id GROUP BY 1",
            "- 1",
        ),
    ];
    for (sql, expected) in table {
        assert_eq!(plant.one(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_clients_of_postgres_ask_first_is_answered() {
    let plant = Plant::new(1).await;
    let table = [
        ("SELECT current_database(), current_schema(), current_user", "parx public ann"),
        ("SELECT pg_catalog.version() LIKE 'PostgreSQL 15.10 (ParX %)'", "true"),
        (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
          ORDER BY 1",
            "events\nretention\nsamples\nsamples_history\nsignals\nsources",
        ),
        (
            "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
          ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND relname LIKE 'sig%'",
            "signals",
        ),
        ("SELECT count(*) FROM pg_roles", "0"),
        (
            "SELECT time_bucket('60.000s', timestamptz '2026-11-25T06:07:08Z')",
            "2026-11-25T06:07:00Z",
        ),
        (
            "SELECT time_bucket(interval '1 month', timestamptz '2026-11-25T06:07:08Z')",
            "2026-11-01T00:00:00Z",
        ),
    ];
    for (sql, expected) in table {
        assert_eq!(plant.one(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_trend_has_the_samples_around_its_window_and_a_window_its_limit() {
    let plant = Plant::new(1).await;
    plant.append((0..20_000).map(|second| row(1, second, (second % 100) as f64)).collect()).await;
    plant.compact().await;
    plant.append((20_000..20_100).map(|second| row(1, second, 1.0)).collect()).await;
    let at = |second: i64| Timestamp::from_micros(START + second * 1_000_000);
    let signal = SignalId(1);
    let snapshot = plant.engine.snapshot();
    let seconds = |times: &[i64]| -> Vec<i64> {
        times.iter().map(|time| (time - START) / 1_000_000).collect()
    };
    let ask =
        |from, to, width| plant.engine.trend(snapshot.clone(), signal, (at(from), at(to)), width);
    let trend = ask(9000, 19_000, 10).await.unwrap();
    let times = seconds(&trend.times);
    assert_eq!((times[0], times[times.len() - 1]), (8999, 19_001));
    assert!(times.is_sorted() && times.len() <= 62, "{times:?}");
    assert_eq!(seconds(&ask(30_000, 40_000, 10).await.unwrap().times), [20_099]);
    assert_eq!(seconds(&ask(-50, -10, 10).await.unwrap().times), [0]);
    let window =
        |limit| plant.engine.window(snapshot.clone(), signal, (at(19_990), at(20_009)), limit);
    let (all, some) = (window(20).await.unwrap(), window(7).await.unwrap());
    assert_eq!((all.rows.len(), all.more), (20, false));
    assert_eq!((some.rows.len(), some.more), (7, true), "A2");
}

/// What happens to the plant.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u32, i64, i32)>),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let row = (1_u32..4, 0_i64..40, any::<i32>());
    prop_oneof![
        3 => prop::collection::vec(row, 1..30).prop_map(Step::Append),
        1 => Just(Step::Compact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn q2_pruning_and_compaction_never_change_an_answer(
        steps in prop::collection::vec(step(), 1..12),
        from in 0_i64..40,
        length in 0_i64..40,
        signal in 1_u32..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let plant = Plant::new(4).await;
            let mut naive: BTreeMap<(u32, i64), i32> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Append(rows) => {
                        let hour = |hour: i64| hour * 3600;
                        for (signal, time, value) in &rows {
                            naive.insert((*signal, hour(*time)), *value);
                        }
                        let samples = rows.iter().map(|(signal, time, value)| {
                            row(*signal, hour(*time), f64::from(*value))
                        });
                        plant.append(samples.collect()).await;
                    }
                    Step::Compact => plant.compact().await,
                }
            }
            let at = |hour: i64| Timestamp::from_micros(START + hour * 3_600_000_000);
            let (from, to) = (at(from), at(from + length));
            let inside = |time: i64| {
                let time = Timestamp::from_micros(START + time * 1_000_000);
                from <= time && time <= to
            };
            let of = |signals: &[u32], windowed: bool| -> Vec<Vec<String>> {
                let rows = naive.iter().filter(|((signal, time), _)| {
                    signals.contains(signal) && (!windowed || inside(*time))
                });
                rows.map(|((_, _), value)| vec![format!("{:.1}", f64::from(*value))]).collect()
            };
            let window = format!("time >= '{from}' AND time <= '{to}'");
            let one = format!("SELECT value FROM samples WHERE signal_id = {signal} AND {window} \
                               ORDER BY time");
            assert_eq!(plant.ask(&one).await.unwrap(), of(&[signal], true), "Q2: {one}");
            let sql = format!("SELECT value FROM samples WHERE {window} ORDER BY signal_id, time");
            assert_eq!(plant.ask(&sql).await.unwrap(), of(&[1, 2, 3], true), "Q2: {sql}");
            let sql = "SELECT value FROM samples ORDER BY signal_id, time";
            assert_eq!(plant.ask(sql).await.unwrap(), of(&[1, 2, 3], false), "Q2: {sql}");
            let sql = format!("SELECT value FROM samples WHERE signal_id = {signal} \
                               ORDER BY time DESC LIMIT 3");
            let mut last = of(&[signal], false);
            last.reverse();
            last.truncate(3);
            assert_eq!(plant.ask(&sql).await.unwrap(), last, "Q2: {sql}");
        });
    }
}

#[tokio::test]
async fn text_without_an_offset_is_read_in_the_sessions_zone_where_a_zone_is_asked_for() {
    let plant = Plant::new(1).await;
    plant.append((0..100).map(|second| row(1, second, 1.0)).collect()).await;
    plant.session.set_time_zone("Europe/Berlin");
    let table = [
        ("SELECT count(*) FROM samples WHERE time >= '2024-10-04 02:01:30'::timestamptz", "10"),
        ("SELECT count(*) FROM samples WHERE time >= '2024-10-04T00:01:30Z'::timestamptz", "10"),
        ("SELECT count(*) FROM samples WHERE time >= '2024-10-04T00:01:30Z'", "10"),
        ("SELECT count(*) FROM samples WHERE time < now()", "100"),
        ("SELECT count(*) FROM samples WHERE time >= timestamp '2024-10-04 00:01:30'", "10"),
    ];
    for (sql, expected) in table {
        assert_eq!(plant.one(sql).await, expected, "{sql}");
    }
}
