//! The demo's past: what the plant would have told, had ParX been there.
//!
//! The same model and the same admission as live, only read more seldom the longer ago. Batches are
//! numbered, so that a writing that was interrupted goes on where it stopped and stores nothing
//! twice. It does not touch the present.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parx_ingest::{Admission, Memory, Point, Reading, SourcePlan};
use parx_log::{AppendError, BatchId, Catalog, Quality, Sample, Timestamp, Value};
use tokio::sync::mpsc;

use super::devices::{Ports, period};
use super::memory::Keeper;
use super::plant::Plant;
use super::signals::{Device, Row, Way, row};

/// Samples in a batch.
const BATCH_SAMPLES: usize = 50_000;
/// Batches that may wait to be stored.
const BATCHES_WAITING: usize = 4;
/// The name under which the batches are numbered.
const PRODUCER: &str = "demo/history";
/// Who writes it.
pub(super) const AUTHOR: &str = "demo";
/// Longest past that is written: a year.
pub const HISTORY_MAX: Duration = Duration::from_secs(366 * 86_400);
/// The model's step.
const STEP: Duration = Duration::from_secs(1);
/// How often it is told how far the writing has come.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How seldom signals are read: up to an age, so many times their period, but never more seldom nor
/// more often than so many seconds.
const THINNED: [(Duration, u64, u64, u64); 3] = [
    (Duration::from_secs(3_600), 1, 1, 60),
    (Duration::from_secs(86_400), 10, 5, 60),
    (Duration::MAX, 30, 20, 120),
];

/// From when to when the past is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// Writes the past of `plant`, which stands at the span's beginning, and answers with the plant at
/// its end. What the keeper remembers to be written is not written again.
pub(super) async fn write(keeper: &Keeper, plant: Plant, span: Span) -> Result<Plant, AppendError> {
    let log = &keeper.log;
    let mut scribe = Scribe::new(&log.catalog(), plant, span);
    let (batches, mut waiting) = mpsc::channel(BATCHES_WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(batch) = scribe.next_batch() {
            if batches.blocking_send((batch, scribe.plant.clone())).is_err() {
                break;
            }
        }
    });
    let mut progress = Progress::begin(span);
    let mut end = None;
    let mut sequence = 0;
    while let Some((rows, plant)) = waiting.recv().await {
        sequence += 1;
        if plant.now() > keeper.begun.written() {
            progress.samples += rows.len();
            let batch = BatchId { producer: PRODUCER.to_owned(), epoch: 1, sequence };
            log.append(AUTHOR.into(), Some(batch), rows).await?;
            keeper.keep(&plant).await;
        }
        progress.tell(plant.now(), false);
        end = Some(plant);
    }
    let stopped = || AppendError::Stopped("the demo's past could not be made".into());
    writing.await.map_err(|_| stopped())?;
    let end = end.ok_or_else(stopped)?;
    progress.tell(end.now(), true);
    Ok(end)
}

/// Makes the past, batch by batch.
struct Scribe {
    plant: Plant,
    span: Span,
    sources: Vec<Pen>,
    done: bool,
}

/// One source's part.
struct Pen {
    device: Device,
    rows: Vec<&'static Row>,
    /// What switches tell only when it changes.
    last: Vec<Option<Value>>,
    admission: Admission,
}

impl Scribe {
    fn new(catalog: &Catalog, plant: Plant, span: Span) -> Scribe {
        // The ports do not matter: nothing is connected.
        let sources = Ports { boiler: 0, filling: 0, gateway: 0 }.sources();
        let pens = sources.into_iter().filter_map(|source| {
            let plan = SourcePlan::of(catalog, &Arc::new(source));
            // A signal that was added to a source by hand has no past.
            let points = plan.points.iter().filter(|point| row(&point.tag).is_some());
            let points: Arc<[Point]> = points.cloned().collect();
            let rows: Vec<&Row> = points.iter().filter_map(|point| row(&point.tag)).collect();
            let device = rows.first()?.device();
            let last = vec![None; rows.len()];
            let admission = Admission::new(points, Memory::default());
            Some(Pen { device, rows, last, admission })
        });
        Scribe { plant, span, sources: pens.collect(), done: false }
    }

    /// The next samples, none once all is told.
    fn next_batch(&mut self) -> Option<Vec<Sample>> {
        if self.done {
            return None;
        }
        let mut rows = Vec::with_capacity(BATCH_SAMPLES + 256);
        while rows.len() < BATCH_SAMPLES {
            if self.plant.now() >= self.span.to {
                self.done = true;
                break;
            }
            self.plant.step(STEP.min(self.span.to.since(self.plant.now())));
            let age = self.span.to.since(self.plant.now());
            for pen in &mut self.sources {
                pen.write(&self.plant, age, &mut rows);
            }
        }
        Some(rows)
    }
}

impl Pen {
    fn write(&mut self, plant: &Plant, age: Duration, out: &mut Vec<Sample>) {
        let now = plant.now();
        if !plant.is_online(self.device) {
            self.admission.lose(now, Quality::BAD_COMMUNICATION_ERROR, out);
            self.last.fill(None);
            return;
        }
        let second = now.micros().div_euclid(1_000_000).unsigned_abs();
        let mut readings = Vec::new();
        for (point, (row, last)) in self.rows.iter().zip(&mut self.last).enumerate() {
            let switch = row.is_discrete() || row.value_type() == parx_log::ValueType::Text;
            if !switch && last.is_some() && !second.is_multiple_of(every(row, age)) {
                continue;
            }
            let value = row.value(plant);
            if !switch || last.as_ref() != Some(&value) {
                readings.push(reading(point, row, &value));
                *last = Some(value);
            }
        }
        self.admission.admit(readings, now, out);
    }
}

/// What a driver would have made of a value.
fn reading(point: usize, row: &Row, value: &Value) -> Reading {
    match (row.way, value) {
        (Way::Message { .. }, Value::Float(x)) if x.is_nan() => Reading::bad(point, Quality::BAD),
        (Way::Message { .. } | Way::Register { .. }, value) => Reading::good(point, value.clone()),
    }
}

/// How many seconds lie between two readings of a signal at an age.
fn every(row: &Row, age: Duration) -> u64 {
    let found = THINNED.iter().find(|(limit, ..)| age < *limit);
    let (_, times, least, most) = found.copied().unwrap_or((age, 1, 1, 60));
    (period(row).as_millis() as u64 * times / 1_000).clamp(least, most)
}

/// Tells how far the writing has come.
struct Progress {
    span: Span,
    began: Instant,
    told: Instant,
    samples: usize,
}

impl Progress {
    fn begin(span: Span) -> Progress {
        let now = Instant::now();
        Progress { span, began: now, told: now, samples: 0 }
    }

    fn tell(&mut self, at: Timestamp, end: bool) {
        if !end && self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let whole = self.span.to.since(self.span.from).as_secs_f64().max(1e-6);
        let percent = at.since(self.span.from).as_secs_f64() / whole * 100.0;
        let rate = self.samples as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        eprintln!("demo history: {percent:.0} %, {} samples, {rate:.0} samples/s", self.samples);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use parx_log::{Change, Sequence, Signal, SignalId, ValueType};

    use super::*;
    use crate::demo::signals::rows;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for (id, row) in (1..).zip(rows()) {
            let signal = Signal { id: SignalId(id), definition: row.definition(), retired: false };
            catalog.apply(Sequence(1), &Change::SignalDefined(signal));
        }
        catalog
    }

    fn past(seconds: u64) -> (Vec<Vec<Sample>>, Span) {
        let from = Timestamp::from_micros(1_764_028_800_000_000);
        let span = Span { from, to: from.plus(Duration::from_secs(seconds)) };
        let mut scribe = Scribe::new(&catalog(), Plant::new(1, from), span);
        (std::iter::from_fn(|| scribe.next_batch()).collect(), span)
    }

    #[test]
    fn the_past_is_the_same_every_time_so_that_it_is_not_written_twice() {
        let table = [past(10_000), past(10_000)];
        let times = |(batches, _): &(Vec<Vec<Sample>>, Span)| -> Vec<usize> {
            batches.iter().map(Vec::len).collect()
        };
        assert_eq!(times(&table[0]), times(&table[1]));
        let text = |(batches, _): &(Vec<Vec<Sample>>, Span)| format!("{batches:?}");
        assert!(text(&table[0]) == text(&table[1]));
    }

    #[test]
    fn every_signal_has_a_past_within_the_span_and_no_two_samples_at_a_time() {
        let (batches, span) = past(30_000);
        let mut seen = BTreeMap::<u32, BTreeSet<Timestamp>>::new();
        for sample in batches.iter().flatten() {
            assert!(sample.time > span.from && sample.time <= span.to, "{sample:?}");
            let fresh = seen.entry(sample.signal.0).or_default().insert(sample.time);
            assert!(fresh, "twice: {sample:?}");
        }
        assert_eq!(seen.len(), rows().count());
    }

    #[test]
    fn i2_faults_are_told_as_the_drivers_would() {
        let (batches, _) = past(30_000);
        let of = |tag: &str| -> BTreeSet<u32> {
            let id = catalog().signal_by_tag(tag).unwrap().id;
            let mine = batches.iter().flatten().filter(|sample| sample.signal == id);
            mine.map(|sample| sample.quality.0).collect()
        };
        let table = [
            ("filling/tank/state", Quality::BAD_COMMUNICATION_ERROR),
            ("filling/tank/level", Quality::BAD_COMMUNICATION_ERROR),
            ("boiler/flue/oxygen", Quality::UNCERTAIN_ENGINEERING_UNITS_EXCEEDED),
            ("filling/batch/acidity", Quality::BAD),
        ];
        for (tag, quality) in table {
            assert_eq!(of(tag), [Quality::GOOD.0, quality.0].into(), "I2: {tag}");
        }
        assert_eq!(of("boiler/steam/pressure"), [Quality::GOOD.0].into());
    }

    #[test]
    fn the_longer_ago_the_more_seldom() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let table = [
            ("boiler/steam/pressure", [1, 5, 20]),
            ("boiler/steam/temperature", [1, 10, 30]),
            ("boiler/tank/level", [5, 50, 120]),
            ("site/weather/temperature", [30, 60, 120]),
        ];
        for (tag, expected) in table {
            let row = row(tag).unwrap();
            assert_eq!(row.value_type(), ValueType::Float);
            let got = [hours(0), hours(2), hours(48)].map(|age| every(row, age));
            assert_eq!(got, expected, "{tag}");
        }
    }
}
