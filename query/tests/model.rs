//! Any history against a model that keeps every event in a list and looks through all of it: late
//! samples over ten years, corrections, deletions taken back or not, asked as of any entry, with
//! compaction in between and after days were let go.

use std::collections::BTreeMap;
use std::time::Duration;

use parx_log::{
    Command, Keep, Quality, RetentionDefinition, Sample, SignalDefinition, SignalId, Timestamp,
    Value,
};
use parx_query::ErrorKind;
use proptest::prelude::*;

use crate::plant::{DAY, Plant, START, row};

const SIGNALS: u32 = 3;
const YEAR: i64 = 365 * DAY;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u32, i64, f64, bool)>),
    /// Writes again what an earlier append wrote, with another value.
    Correct(prop::sample::Index, f64),
    Delete(u32, i64, i64),
    Restore(prop::sample::Index),
    Compact,
    Reopen,
}

/// What happened, as the model keeps it.
#[derive(Clone, Debug)]
enum Fact {
    Sample { signal: u32, time: i64, value: f64, bad: bool },
    Deleted { signal: u32, from: i64, to: i64 },
    Restored { deletion: u64 },
}

#[derive(Default)]
struct Model(Vec<(u64, Fact)>);

/// Time, value, whether bad, sequence.
type Row = (i64, f64, bool, u64);

impl Model {
    fn deletions(&self, signal: u32, as_of: u64) -> Vec<(u64, i64, i64)> {
        let back = |deletion: u64| {
            let mut known = self.0.iter().take_while(|(at, _)| *at <= as_of);
            known.any(|(_, fact)| matches!(fact, Fact::Restored { deletion: d } if *d == deletion))
        };
        let all = self.0.iter().filter_map(|(at, fact)| match fact {
            Fact::Deleted { signal: of, from, to } if *of == signal => Some((*at, *from, *to)),
            _ => None,
        });
        all.filter(|(at, _, _)| *at <= as_of && !back(*at)).collect()
    }

    fn versions(&self, signal: u32, as_of: u64) -> Vec<Row> {
        let all = self.0.iter().filter_map(|(at, fact)| match fact {
            Fact::Sample { signal: of, time, value, bad } if *of == signal && *at <= as_of => {
                Some((*time, *value, *bad, *at))
            }
            _ => None,
        });
        let mut rows: Vec<Row> = all.collect();
        rows.sort_by_key(|(time, _, _, at)| (*time, *at));
        rows
    }

    fn valid(&self, signal: u32, as_of: u64) -> Vec<Row> {
        let deletions = self.deletions(signal, as_of);
        let mut newest: BTreeMap<i64, Row> = BTreeMap::new();
        for row in self.versions(signal, as_of) {
            newest.insert(row.0, row);
        }
        let hidden = |(time, _, _, sequence): &Row| {
            deletions.iter().any(|(at, from, to)| sequence < at && from <= time && time <= to)
        };
        newest.into_values().filter(|row| !hidden(row)).collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let time = prop_oneof![0..40_i64, (0..3650_i64).prop_map(|day| day * DAY)];
    let sample = (1..=SIGNALS, time, -9.0..9.0, prop::bool::weighted(0.1));
    prop_oneof![
        6 => prop::collection::vec(sample, 1..60).prop_map(Step::Append),
        2 => (any::<prop::sample::Index>(), -9.0..9.0).prop_map(|(i, v)| Step::Correct(i, v)),
        2 => (1..=SIGNALS, 0..60_i64, 0..30_i64).prop_map(|(s, f, n)| Step::Delete(s, f, f + n)),
        1 => (1..=SIGNALS, 0..10_i64, 0..5_i64)
            .prop_map(|(s, f, n)| Step::Delete(s, f * YEAR, (f + n) * YEAR)),
        1 => any::<prop::sample::Index>().prop_map(Step::Restore),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn sample(signal: u32, time: i64, value: f64, bad: bool) -> Sample {
    let quality = if bad { Quality::BAD_COMMUNICATION_ERROR } else { Quality::GOOD };
    let time = Timestamp::from_micros(START + time);
    Sample { signal: SignalId(signal), time, value: Some(Value::Float(value)), quality }
}

async fn apply(plant: Plant, model: &mut Model, step: Step) -> Plant {
    match step {
        Step::Append(rows) => {
            let samples = rows.iter().map(|(s, t, v, bad)| sample(*s, *t, *v, *bad)).collect();
            let sequence = plant.append(samples).await;
            // Of one signal the order of arrival is kept.
            for (signal, time, value, bad) in rows {
                model.0.push((sequence, Fact::Sample { signal, time, value, bad }));
            }
        }
        Step::Correct(which, value) => {
            let known: Vec<(u32, i64)> = model
                .0
                .iter()
                .filter_map(|(_, fact)| match fact {
                    Fact::Sample { signal, time, .. } => Some((*signal, *time)),
                    Fact::Deleted { .. } | Fact::Restored { .. } => None,
                })
                .collect();
            if known.is_empty() {
                return plant;
            }
            let (signal, time) = known[which.index(known.len())];
            let sequence = plant.append(vec![sample(signal, time, value, false)]).await;
            model.0.push((sequence, Fact::Sample { signal, time, value, bad: false }));
        }
        Step::Delete(signal, from, to) => {
            let tag = format!("plant/line{}/signal{signal}", signal % 2);
            let at = |time| Timestamp::from_micros(START + time);
            let reason = "a test".to_owned();
            let delete = Command::DeleteSamples { tag, from: at(from), to: at(to), reason };
            let sequence = plant.log.submit("ann".into(), delete).await.unwrap().sequence.0;
            model.0.push((sequence, Fact::Deleted { signal, from, to }));
        }
        Step::Restore(which) => {
            let now = u64::MAX;
            let known: Vec<u64> =
                (1..=SIGNALS).flat_map(|s| model.deletions(s, now)).map(|(at, _, _)| at).collect();
            if known.is_empty() {
                return plant;
            }
            let deletion = known[which.index(known.len())];
            let restore = Command::RestoreSamples { deletion: parx_log::Sequence(deletion) };
            let sequence = plant.log.submit("ann".into(), restore).await.unwrap().sequence.0;
            model.0.push((sequence, Fact::Restored { deletion }));
        }
        Step::Compact => plant.compact().await,
        Step::Reopen => return plant.reopen().await,
    }
    plant
}

fn told(rows: &[Row]) -> Vec<Vec<String>> {
    let word = |bad: bool| if bad { "bad" } else { "good" };
    let of = |(time, value, bad, sequence): &Row| {
        let micros = (START + time).to_string();
        vec![micros, value.to_string(), word(*bad).to_owned(), sequence.to_string()]
    };
    rows.iter().map(of).collect()
}

fn parsed(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let number = |text: &String| text.parse::<f64>().unwrap().to_string();
    let of =
        |row: Vec<String>| vec![row[0].clone(), number(&row[1]), row[2].clone(), row[3].clone()];
    rows.into_iter().map(of).collect()
}

const COLUMNS: &str = "CAST(EXTRACT(EPOCH FROM time) * 1000000 AS bigint), value, status, sequence";

async fn agrees(plant: &Plant, model: &Model, as_of: u64, (from, to): (i64, i64)) {
    for signal in 1..=SIGNALS {
        let of = format!("FOR SYSTEM_TIME AS OF {as_of} WHERE signal_id = {signal}");
        let valid = model.valid(signal, as_of);
        let sql = format!("SELECT {COLUMNS} FROM samples {of} ORDER BY time");
        let all = parsed(plant.ask(&sql).await.unwrap());
        assert_eq!(all, told(&valid), "signal {signal} as of {as_of}");

        let inside: Vec<Row> =
            valid.iter().filter(|row| (from..=to).contains(&row.0)).copied().collect();
        let window = format!(
            "time >= to_timestamp_micros({}) AND time <= to_timestamp_micros({})",
            START + from,
            START + to
        );
        let sql = format!("SELECT {COLUMNS} FROM samples {of} AND {window} ORDER BY time");
        assert_eq!(parsed(plant.ask(&sql).await.unwrap()), told(&inside), "Q2: {sql}");

        let last: Vec<Row> = inside.iter().rev().take(3).copied().collect();
        let sql =
            format!("SELECT {COLUMNS} FROM samples {of} AND {window} ORDER BY time DESC LIMIT 3");
        assert_eq!(parsed(plant.ask(&sql).await.unwrap()), told(&last), "Q2: {sql}");

        let history = model.versions(signal, as_of);
        let sql = format!("SELECT count(*), count(deleted_by) FROM samples_history {of}");
        let deletions = model.deletions(signal, as_of);
        let hidden = history.iter().filter(|(time, _, _, sequence)| {
            deletions.iter().any(|(at, from, to)| sequence < at && from <= time && time <= to)
        });
        let expected = format!("{} {}", history.len(), hidden.count());
        assert_eq!(plant.one(&sql).await, expected, "C1: {sql}");
    }
    let count: usize = (1..=SIGNALS).map(|signal| model.valid(signal, as_of).len()).sum();
    let sql = format!("SELECT count(*) FROM samples FOR SYSTEM_TIME AS OF {as_of}");
    assert_eq!(plant.one(&sql).await, count.to_string(), "{sql}");
}

/// What was the newest sample of each signal then.
async fn last_agree(plant: &Plant, model: &Model, as_of: u64) {
    let last = |signal| model.valid(signal, as_of).last().map_or("-".into(), |r| r.3.to_string());
    let last: Vec<String> = (1..=SIGNALS).map(last).collect();
    let sql =
        format!("SELECT last_sequence FROM signals FOR SYSTEM_TIME AS OF {as_of} ORDER BY id");
    if as_of >= u64::from(SIGNALS) {
        assert_eq!(plant.one(&sql).await, last.join("\n"), "A1: {sql}");
    }
}

/// The newest sample of each signal, once the compactor has looked it up.
async fn last_values_agree(plant: &Plant, model: &Model) {
    for signal in 1..=SIGNALS {
        let last = plant.log.last_values().get(SignalId(signal));
        let last = last.map(|last| (last.sample.time.micros() - START, last.sequence.0));
        let expected = model.valid(signal, u64::MAX).last().map(|row| (row.0, row.3));
        assert_eq!(last, expected, "last value of {signal}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_told_as_of_any_entry(
        steps in prop::collection::vec(step(), 1..14),
        places in prop::collection::vec(any::<prop::sample::Index>(), 3),
        window in (0..60_i64, 0..60_i64, prop::bool::ANY),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut plant = Plant::new(SIGNALS).await;
            let mut model = Model::default();
            let scale = if window.2 { DAY * 60 } else { 1 };
            let times = (window.0.min(window.1) * scale, window.0.max(window.1) * scale);
            for step in steps {
                plant = apply(plant, &mut model, step).await;
            }
            for round in 0..2 {
                let newest = plant.log.snapshot().sequence.0;
                let then = |place: &prop::sample::Index| place.index(newest as usize + 1) as u64;
                for as_of in places.iter().map(then).chain([newest]) {
                    agrees(&plant, &model, as_of, times).await;
                    last_agree(&plant, &model, as_of).await;
                }
                plant.compact().await;
                last_values_agree(&plant, &model).await;
                if round == 0 {
                    plant = plant.reopen().await;
                }
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_told_as_of_any_entry_after_days_were_let_go(
        steps in prop::collection::vec(step(), 1..10),
        places in prop::collection::vec(any::<prop::sample::Index>(), 3),
        kept in 1..2000_u32,
        border in any::<prop::sample::Index>(),
        goes in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut plant = Plant::new(SIGNALS).await;
            let mut model = Model::default();
            for step in steps {
                plant = apply(plant, &mut model, step).await;
            }
            plant.compact().await;
            // So that the day of some sample is the first that is kept, or the last that goes.
            let days = model.0.iter().filter_map(|(_, fact)| match fact {
                Fact::Sample { time, .. } => Some(time.div_euclid(DAY) as u32),
                Fact::Deleted { .. } | Fact::Restored { .. } => None,
            });
            let days = Vec::from_iter(days.chain([0]));
            let age = days[border.index(days.len())] + kept + u32::from(goes);
            plant.clock.advance(Duration::from_secs(86_400) * age);
            let days = Some(kept);
            let keep = Keep { raw: days, minute: days, hour: days, day: days };
            let rule = RetentionDefinition { path: String::new(), keep };
            plant.log.submit("ann".into(), Command::DefineRetention(rule)).await.unwrap();
            plant.compact().await;
            let first = i64::from(age) - i64::from(kept);
            model.0.retain(|(_, fact)| match fact {
                Fact::Sample { time, .. } => time.div_euclid(DAY) >= first,
                Fact::Deleted { .. } | Fact::Restored { .. } => true,
            });
            for _ in 0..2 {
                let newest = plant.log.snapshot().sequence.0;
                let then = |place: &prop::sample::Index| place.index(newest as usize + 1) as u64;
                for as_of in places.iter().map(then).chain([newest]) {
                    agrees(&plant, &model, as_of, (0, 4000 * DAY)).await;
                }
                plant = plant.reopen().await;
            }
        });
    }
}

#[tokio::test]
async fn a1_as_of_a_time_is_as_of_the_last_entry_recorded_until_then() {
    let mut plant = Plant::new(1).await;
    let tag = "plant/line1/signal1";
    let second = Duration::from_secs(1);
    // Each a second after the one before: a sample, a correction, a deletion, a new name.
    plant.clock.advance(second);
    plant.append(vec![row(1, 0, 1.0)]).await;
    plant.clock.advance(second);
    plant.append(vec![row(1, 0, 2.0)]).await;
    plant.clock.advance(second);
    let (from, to) = (row(1, 0, 0.0).time, row(1, 0, 0.0).time);
    let delete = Command::DeleteSamples { tag: tag.into(), from, to, reason: "wet".into() };
    plant.log.submit("ann".into(), delete).await.unwrap();
    plant.clock.advance(second);
    let definition = SignalDefinition { tag: "new".into(), ..SignalDefinition::default() };
    let rename = Command::ChangeSignal { tag: tag.into(), definition };
    plant.log.submit("ann".into(), rename).await.unwrap();

    for place in ["hot", "cold", "reopened"] {
        let table = [
            ("2024-10-04T00:00:00.999999Z", "", tag),
            ("2024-10-04T00:00:01Z", "1.0", tag),
            ("2024-10-04T00:00:01.5Z", "1.0", tag),
            ("2024-10-04T00:00:02Z", "2.0", tag),
            ("2024-10-04T00:00:03Z", "", tag),
            ("2024-10-04T00:00:04Z", "", "new"),
            ("2030-01-01T00:00:00Z", "", "new"),
        ];
        for (time, value, name) in table {
            let past = format!("FOR SYSTEM_TIME AS OF '{time}'");
            let values = plant.one(&format!("SELECT value FROM samples {past}")).await;
            let names = plant.one(&format!("SELECT tag FROM signals {past}")).await;
            assert_eq!((values.as_str(), names.as_str()), (value, name), "A1, {place}: {time}");
            plant.session.set_as_of(Some(plant.session.read_as_of(time).unwrap()));
            assert_eq!(plant.one("SELECT value FROM samples").await, value, "A1, {place}: {time}");
            plant.session.set_as_of(None);
        }
        let both = "SELECT a.value, b.value FROM samples FOR SYSTEM_TIME AS OF \
                    timestamptz '2024-10-04T00:00:01Z' AS a JOIN samples FOR SYSTEM_TIME AS OF \
                    '2024-10-04T00:00:02Z' b ON a.time = b.time";
        assert_eq!(plant.one(both).await, "1.0 2.0", "two pasts in one question, {place}");
        for wrong in ["'noon'", "1 + 99999", "NULL"] {
            let sql = format!("SELECT * FROM samples FOR SYSTEM_TIME AS OF {wrong}");
            let error = plant.ask(&sql).await.unwrap_err();
            assert_ne!(error.kind, ErrorKind::Internal, "{wrong}: {error:?}");
        }
        match place {
            "hot" => plant.compact().await,
            _ => plant = plant.reopen().await,
        }
    }
}
