//! What is older than it is kept goes, by whole days, and nothing else: its rollups answer as
//! before, and a clock that jumps makes nothing old.

use std::collections::BTreeMap;
use std::time::Duration;

use parx_compactor::verify_segments;
use parx_log::{Command, Keep, RetentionDefinition, Sample, SegmentKind, Timestamp};
use proptest::prelude::*;

use crate::plant::{DAY, Plant, START, row};

const A_DAY: Duration = Duration::from_secs(86_400);
const HOURLY: &str = "SELECT signal, time_bucket('1 hour', time), count(*), count(value), \
    min(value), max(value), sum(value), min(time), max(time), first_value(value ORDER BY time) \
    FROM samples GROUP BY 1, 2 ORDER BY 1, 2";

/// A day of a signal, every half minute.
fn a_day(signal: u32, day: i64) -> Vec<Sample> {
    let second = |n: i64| day * 86_400 + n * 30;
    (0..2880).map(|n| row(signal, second(n), ((n * 7 + day) % 100) as f64 / 4.0)).collect()
}

fn keep(raw: Option<u32>, minute: Option<u32>, hour: Option<u32>, day: Option<u32>) -> Keep {
    Keep { raw, minute, hour, day }
}

async fn rule(plant: &Plant, path: &str, keep: Keep) {
    let rule = RetentionDefinition { path: path.into(), keep };
    plant.log.submit("ann".into(), Command::DefineRetention(rule)).await.unwrap();
}

/// Days go by, and the compactor sees each of its hours.
async fn go_by(plant: &mut Plant, days: u32) {
    for _ in 0..days {
        plant.clock.advance(A_DAY);
        plant.compact().await;
    }
}

/// Rows by signal and day.
async fn days(plant: &Plant) -> BTreeMap<(String, i64), u64> {
    let sql = "SELECT signal, EXTRACT(EPOCH FROM time)::bigint / 86400, count(*), stddev(value) \
               FROM samples GROUP BY 1, 2";
    let rows = plant.ask(sql).await.unwrap();
    let row = |row: Vec<String>| {
        let day = row[1].parse::<i64>().unwrap() - START / DAY;
        ((row[0].clone(), day), row[2].parse().unwrap())
    };
    rows.into_iter().map(row).collect()
}

fn check_files(plant: &Plant) {
    let catalog = plant.log.catalog();
    let report = verify_segments(plant.folder.path(), &catalog.manifest, &mut |_| {});
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[tokio::test]
async fn samples_go_by_days_and_their_rollups_stay_as_long_as_they_are_kept() {
    let mut plant = Plant::new(2).await;
    for day in -6..0 {
        plant.append(a_day(1, day).into_iter().chain(a_day(2, day)).collect()).await;
        plant.compact().await;
    }
    let before = plant.ask(HOURLY).await.unwrap();
    rule(&plant, "plant/line1", keep(Some(3), Some(4), None, None)).await;
    go_by(&mut plant, 1).await;
    let left = days(&plant).await;
    let first = |signal: &str| left.keys().find(|(tag, _)| tag == signal).unwrap().1;
    assert_eq!(first("plant/line1/signal1"), -2, "three whole days before the present one");
    assert_eq!(first("plant/line0/signal2"), -6, "no rule, nothing goes");
    assert_eq!(plant.ask(HOURLY).await.unwrap(), before, "hours are told as before");
    let manifest = plant.log.catalog().manifest.clone();
    assert_eq!(manifest.of_kind(SegmentKind::Kept).count(), 4);
    check_files(&plant);
    let minutes = "SELECT count(*) FROM (SELECT time_bucket('1 minute', time), count(*) \
        FROM samples WHERE signal = 'plant/line1/signal1' GROUP BY 1)";
    assert_eq!(plant.one(minutes).await, (3 * 1440).to_string(), "minutes go a day later");
    let dropped = "SELECT count(*) FROM events WHERE kind = 'SamplesExpired'";
    assert_eq!(plant.one(dropped).await, "4", "what went is told");

    // What comes late for such a day goes too, and changes nothing that is kept.
    plant.append(vec![row(1, -5 * 86_400 + 7, 1000.0)]).await;
    plant.clock.advance(Duration::from_secs(601));
    plant.compact().await;
    plant.compact().await;
    assert_eq!(plant.ask(HOURLY).await.unwrap(), before, "late samples change no kept hour");

    // Also while it waits to go, merged and with rollups of its own.
    let late = (0..2000).map(|n| row(1, -5 * 86_400 + n * 40 + 7, 2000.0)).collect();
    plant.append(late).await;
    plant.compact().await;
    let manifest = plant.log.catalog().manifest.clone();
    let day = START / DAY - 5;
    let of_day = manifest.of_kind(SegmentKind::Rollups).filter(|meta| meta.day == Some(day));
    assert_eq!(of_day.count(), 1, "there are rollups beside what was kept");
    assert_eq!(plant.ask(HOURLY).await.unwrap(), before, "late samples change no kept hour");

    let plant = plant.reopen().await;
    assert_eq!(plant.ask(HOURLY).await.unwrap(), before, "L3");
    check_files(&plant);
}

#[tokio::test]
async fn each_signal_goes_by_its_own_rule() {
    let mut plant = Plant::new(2).await;
    for day in -6..0 {
        plant.append(a_day(1, day).into_iter().chain(a_day(2, day)).collect()).await;
    }
    rule(&plant, "plant/line1", keep(Some(4), Some(4), Some(4), Some(4))).await;
    rule(&plant, "", keep(Some(2), Some(2), Some(2), Some(2))).await;
    go_by(&mut plant, 1).await;
    let left = days(&plant).await;
    let of = |signal: &str| -> Vec<i64> {
        left.keys().filter(|(tag, _)| tag == signal).map(|(_, day)| *day).collect()
    };
    assert_eq!(of("plant/line1/signal1"), [-3, -2, -1], "four days before the present one");
    assert_eq!(of("plant/line0/signal2"), [-1], "two days");
}

#[tokio::test]
async fn a_clock_that_jumps_forward_makes_nothing_old() {
    let mut plant = Plant::new(1).await;
    plant.append(a_day(1, -1)).await;
    rule(&plant, "", keep(Some(30), Some(30), Some(30), Some(30))).await;
    plant.compact().await;
    plant.clock.jump(A_DAY * 365);
    for _ in 0..20 {
        plant.clock.advance(Duration::from_secs(3600));
        plant.compact().await;
    }
    assert_eq!(days(&plant).await.values().sum::<u64>(), 2880, "it is not believed");
    go_by(&mut plant, 2).await;
    assert_eq!(days(&plant).await.values().sum::<u64>(), 0, "it went on so for a day");
    assert_eq!(plant.ask(HOURLY).await.unwrap().len(), 0, "no tier is kept any longer");
    assert_eq!(plant.log.catalog().manifest.samples(), 0);
    check_files(&plant);
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused_with_their_place() {
    let plant = Plant::new(1).await;
    let refused = |path: &str, keep: Keep| {
        let rule = RetentionDefinition { path: path.into(), keep };
        plant.log.submit("ann".into(), Command::DefineRetention(rule))
    };
    let error = refused("plant", keep(Some(9), Some(3), None, None)).await.unwrap_err();
    assert!(error.to_string().contains("at least as long as raw"), "{error}");
    let gone = Command::RetireRetention { path: "nowhere".into() };
    let error = plant.log.submit("ann".into(), gone).await.unwrap_err();
    assert!(error.to_string().contains("'nowhere'"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn c1_exactly_the_days_that_are_kept_no_longer_go(
        appends in prop::collection::vec((1_u32..4, -20_i64..0, 1_usize..60, any::<bool>()), 1..12),
        line in prop::option::of(1_u32..15),
        all in prop::option::of(1_u32..15),
        later in 1_u32..4,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut plant = Plant::new(3).await;
            let mut model: BTreeMap<(String, i64), BTreeMap<i64, u64>> = BTreeMap::new();
            if let Some(line) = line {
                rule(&plant, "plant/line1", keep(Some(line), None, None, None)).await;
            }
            if let Some(all) = all {
                rule(&plant, "", keep(Some(all), Some(all), Some(all), Some(all))).await;
            }
            for (signal, day, rows, compacts) in &appends {
                let rows: Vec<Sample> = a_day(*signal, *day).into_iter().take(*rows).collect();
                let tag = format!("plant/line{}/signal{signal}", signal % 2);
                let known = model.entry((tag, *day)).or_default();
                rows.iter().for_each(|row| *known.entry(row.time.micros()).or_default() += 1);
                plant.append(rows).await;
                if *compacts {
                    plant.compact().await;
                }
            }
            go_by(&mut plant, later).await;
            plant.compact().await;
            let kept = |tag: &str| if tag.starts_with("plant/line1") { line.or(all) } else { all };
            let stays = |(tag, day): &(String, i64)| {
                kept(tag).is_none_or(|days| *day >= i64::from(later) - i64::from(days))
            };
            model.retain(|key, _| stays(key));
            let expected: BTreeMap<_, u64> =
                model.into_iter().map(|(key, rows)| (key, rows.len() as u64)).collect();
            assert_eq!(days(&plant).await, expected, "C1");
            check_files(&plant);
            let plant = plant.reopen().await;
            assert_eq!(days(&plant).await, expected, "L3");
        });
    }
}

#[tokio::test]
async fn l6_damaged_folds_are_refused_and_not_written_anew() {
    let mut plant = Plant::new(1).await;
    plant.append(a_day(1, -2)).await;
    rule(&plant, "", keep(Some(1), Some(9), Some(9), Some(9))).await;
    go_by(&mut plant, 1).await;
    let manifest = plant.log.catalog().manifest.clone();
    let kept = manifest.of_kind(SegmentKind::Kept).next().unwrap().clone();
    let plant = plant.reopen().await;
    let path = plant.folder.path().join(&kept.path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[9] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    rule(&plant, "", keep(Some(1), Some(1), Some(9), Some(9))).await;
    let error = plant.try_compact().await.unwrap_err().to_string();
    assert!(error.contains("BLAKE3") && error.contains(&kept.path), "L6: {error}");
    let now = plant.log.catalog().manifest.clone();
    assert!(now.segments.contains_key(&kept.path), "L6: nothing takes its place");
}

#[tokio::test]
async fn what_is_kept_of_the_past_is_seen_as_of_then() {
    let mut plant = Plant::new(1).await;
    plant.append(a_day(1, -3)).await;
    let then = plant.log.snapshot().sequence;
    plant.append(a_day(1, -1)).await;
    plant.compact().await;
    rule(&plant, "", keep(Some(2), None, None, None)).await;
    go_by(&mut plant, 1).await;
    let sql = format!("SELECT count(*) FROM samples FOR SYSTEM_TIME AS OF {}", then.0);
    let sql = sql.replace("count(*)", "count(*), stddev(value)");
    assert_eq!(plant.ask(&sql).await.unwrap()[0][0], "0", "until retention");
    let time = Timestamp::from_micros(START - DAY);
    let left = format!("SELECT count(*) FROM samples WHERE time >= '{time}'");
    assert_eq!(plant.one(&left).await, "2880");
}
