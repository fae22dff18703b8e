//! The intake: samples written from outside, named by tag.
//!
//! Unknown tags become signals whose type is taken from the values. A write is stored whole or not
//! at all. It knows no wire format; the doors of the API bring points in.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use parx_log::{
    AppendError, BatchId, Command, Log, Quality, Queued, Samples, Sequence, SignalDefinition,
    SubmitError, Timestamp, Value,
};
use tokio::sync::Semaphore;

use crate::grouped::Grouped;
use crate::points::Points;

/// Most points in one write.
pub const WRITE_POINTS_MAX: usize = 100_000;
/// Most points that are put in the queue together.
pub const POINTS_MAX: usize = 1 << 20;
/// Points up to which a write is taken apart where it came in: a quarter of a millisecond's work.
const POINTS_AT_ONCE_MAX: usize = 8192;
/// Most signals that one write may begin.
pub const WRITE_NEW_SIGNALS_MAX: usize = 10_000;

/// A sample with its signal's tag instead of an id.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPoint {
    /// The signal's tag.
    pub tag: String,
    /// Keys and values it came with; a new signal keeps them.
    pub labels: BTreeMap<String, String>,
    /// When.
    pub time: Timestamp,
    /// What; none says only how far the signal can be trusted.
    pub value: Option<Value>,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// Why a write was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Send at least one point.
    #[error("the write holds no point; send at least one")]
    Empty,
    /// Send fewer points at once.
    #[error("the write holds {points} points; {max} is the most, send several writes")]
    TooManyPoints {
        /// How many there were.
        points: usize,
        /// How many there may be.
        max: usize,
    },
    /// Define signals first, or send fewer new ones at once.
    #[error("the write would begin {signals} signals; {max} is the most in one write")]
    TooManySignals {
        /// How many would begin.
        signals: usize,
        /// How many may.
        max: usize,
    },
    /// Send a value of the signal's type.
    #[error(
        "point {index}: '{tag}' is of type {wanted}, and {got} '{value}' is not; send a value of \
         type {wanted}, or write to another tag"
    )]
    Type {
        /// Place of the point in the write, from 0.
        index: usize,
        /// Its tag.
        tag: String,
        /// The signal's type.
        wanted: &'static str,
        /// The value's type.
        got: &'static str,
        /// The value.
        value: Value,
    },
    /// Send shorter text.
    #[error("point {index}: '{tag}' has a text of {bytes} bytes; {max} is the most, shorten it")]
    TextTooLong {
        /// Place of the point in the write, from 0.
        index: usize,
        /// Its tag.
        tag: String,
        /// Its length.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A new signal was refused; correct its tag.
    #[error("a new signal was refused: {0}")]
    Define(#[source] SubmitError),
    /// A signal ended while it was written to; send the write again.
    #[error("point {index}: '{tag}' was retired just now; send the write again")]
    Vanished {
        /// Place of the point in the write, from 0.
        index: usize,
        /// Its tag.
        tag: String,
    },
    /// The log did not take it; send the write again with the same batch number.
    #[error("the log did not store the write: {0}")]
    Append(#[source] AppendError),
}

/// The way in for samples from outside. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    log: Log,
}

impl Intake {
    /// An intake into `log`.
    pub fn new(log: Log) -> Intake {
        Intake { log }
    }

    /// Stores all points or none. Durable once it answers; a batch number that is stored already
    /// answers at once (I3).
    pub async fn write(
        &self,
        author: Arc<str>,
        batch: Option<BatchId>,
        points: Vec<NamedPoint>,
    ) -> Result<Sequence, IntakeError> {
        self.write_points(author, batch, Points::named(points)).await
    }

    /// As `write`, with points in columns.
    pub async fn write_points(
        &self,
        author: Arc<str>,
        batch: Option<BatchId>,
        points: Points,
    ) -> Result<Sequence, IntakeError> {
        let max = WRITE_POINTS_MAX;
        match points.len() {
            0 => return Err(IntakeError::Empty),
            points if points > max => return Err(IntakeError::TooManyPoints { points, max }),
            _ => {}
        }
        let queued = self.queue(author, batch, points).await?;
        queued.durable().await.map_err(IntakeError::Append)
    }

    /// Puts points in the log's queue: all or none is stored, in the order of the calls. What comes
    /// of them says the answer.
    pub async fn queue(
        &self,
        author: Arc<str>,
        batch: Option<BatchId>,
        points: Points,
    ) -> Result<Queued, IntakeError> {
        let (count, max) = (points.len(), POINTS_MAX);
        if count > max {
            return Err(IntakeError::TooManyPoints { points: count, max });
        }
        let catalog = self.log.catalog();
        let (fresh, grouped) = aside(count, move || {
            let mut grouped = Grouped::of(points);
            grouped.fit(&catalog).map(|fresh| (fresh, grouped))
        })
        .await?;
        let samples = self.begin(&author, fresh, grouped).await?;
        self.log.queue(author, batch, samples).await.map_err(IntakeError::Append)
    }

    /// Begins the signals that are new, then names them all.
    async fn begin(
        &self,
        author: &Arc<str>,
        fresh: Vec<SignalDefinition>,
        mut grouped: Grouped,
    ) -> Result<Samples, IntakeError> {
        if !fresh.is_empty() {
            // No signal begins for samples that are refused then.
            if let Some((free, needed)) = self.log.space().low() {
                return Err(IntakeError::Append(AppendError::DiskFull { free, needed }));
            }
            let command = Command::EnsureSignals(fresh);
            self.log.submit(Arc::clone(author), command).await.map_err(IntakeError::Define)?;
            // Somebody else may have begun one of them, with another type.
            grouped.fit(&self.log.catalog())?;
        }
        grouped.settle()
    }
}

/// Does what takes longer for many points on a thread where that disturbs nobody.
async fn aside<T: Send + 'static>(
    points: usize,
    work: impl FnOnce() -> Result<T, IntakeError> + Send + 'static,
) -> Result<T, IntakeError> {
    if points <= POINTS_AT_ONCE_MAX {
        return work();
    }
    let failed = |error: String| IntakeError::Append(AppendError::Stopped(error.into()));
    let _turn = GROUPERS.acquire().await.map_err(|error| failed(error.to_string()))?;
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(failed(error.to_string())))
}

/// Threads that may group large writes at a time for each core; other writes wait their turn.
pub const GROUPERS_PER_CORE: usize = 2;

static GROUPERS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Semaphore::new(cores * GROUPERS_PER_CORE)
});

#[cfg(test)]
mod tests {
    use parx_log::{Catalog, ValueType};

    use super::*;
    use crate::admit::TEXT_BYTES_MAX;

    fn point(tag: &str, value: Option<Value>) -> NamedPoint {
        NamedPoint {
            tag: tag.to_owned(),
            labels: BTreeMap::new(),
            time: Timestamp::from_micros(0),
            value,
            quality: Quality::GOOD,
        }
    }

    fn fresh(points: Vec<NamedPoint>) -> Result<Vec<SignalDefinition>, IntakeError> {
        Grouped::of(Points::named(points)).fit(&Catalog::default())
    }

    #[test]
    fn a_new_signal_takes_its_type_from_its_values() {
        use Value::*;
        let table: [(Vec<Option<Value>>, ValueType, bool); 5] = [
            (vec![Some(Int(1))], ValueType::Int, true),
            (vec![Some(Int(1)), Some(Float(1.5))], ValueType::Float, false),
            (vec![Some(Text("on".into()))], ValueType::Text, true),
            (vec![Some(Bool(true)), None], ValueType::Bool, true),
            (vec![None], ValueType::Float, false),
        ];
        for (values, value_type, stepped) in table {
            let points: Vec<_> = values.iter().map(|v| point("a", v.clone())).collect();
            let fresh = fresh(points).unwrap();
            assert_eq!(fresh.len(), 1, "{values:?}");
            assert_eq!(
                (fresh[0].value_type, fresh[0].stepped),
                (value_type, stepped),
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_clash_of_types_names_the_point_and_its_tag() {
        let points =
            vec![point("a", Some(Value::Float(1.0))), point("a", Some(Value::Text("x".into())))];
        let error = fresh(points).unwrap_err().to_string();
        assert!(error.starts_with("point 1: 'a' is of type float"), "{error}");
    }

    fn open(folder: &std::path::Path) -> Log {
        let options = parx_log::LogOptions::new(folder);
        Log::open(options, Arc::new(parx_log::SystemClock)).unwrap()
    }

    #[tokio::test]
    async fn i3_a_write_is_stored_once_and_a_refused_one_not_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let log = open(folder.path());
        let intake = Intake::new(log.clone());
        let batch = Some(BatchId { producer: "client".into(), epoch: 1, sequence: 1 });
        for _ in 0..2 {
            let points = vec![point("a", Some(Value::Float(1.0))), point("b", None)];
            intake.write("user".into(), batch.clone(), points).await.unwrap();
        }
        let rows: u64 = log.snapshot().tails.iter().map(|tail| tail.rows()).sum();
        assert_eq!(rows, 2, "I3");
        let wrong = vec![point("new", None), point("a", Some(Value::Text("x".into())))];
        let error = intake.write("user".into(), None, wrong).await.unwrap_err();
        assert!(matches!(error, IntakeError::Type { index: 1, .. }), "{error}");
        assert!(
            log.catalog().signal_by_tag("new").is_none(),
            "nothing is stored, no signal either"
        );
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let long = vec![point("t", Some(Value::Text(long.as_str().into())))];
        let error = intake.write("user".into(), None, long).await.unwrap_err();
        assert!(matches!(error, IntakeError::TextTooLong { .. }), "{error}");
    }
}
