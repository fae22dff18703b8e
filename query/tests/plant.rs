//! A plant under test: a log, its segments and an engine over both, in a folder of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use parx_compactor::{CompactError, Compactor, Limits as CompactorLimits, SegmentStore};
use parx_log::{
    Command, HandClock, Log, LogOptions, Quality, Sample, SignalDefinition, SignalId, Timestamp,
    Value,
};
use parx_query::arrow::array::{ArrayRef, RecordBatch};
use parx_query::arrow::util::display::{ArrayFormatter, FormatOptions};
use parx_query::{Engine, Limits, QueryError, Session};
use tempfile::TempDir;
use tokio::sync::Mutex;

pub const DAY: i64 = 86_400_000_000;
pub const START: i64 = 20_000 * DAY;

pub struct Plant {
    pub folder: TempDir,
    pub log: Log,
    pub engine: Engine,
    pub session: Session,
    pub clock: Arc<HandClock>,
    compactor: Mutex<Compactor>,
}

impl Plant {
    pub async fn new(signals: u32) -> Plant {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(HandClock::at(Timestamp::from_micros(START)));
        let log = open(folder.path(), clock.clone());
        for number in 1..=signals {
            let tag = format!("plant/line{}/signal{number}", number % 2);
            let signal = SignalDefinition { tag, ..SignalDefinition::default() };
            log.submit("ann".into(), Command::DefineSignal(signal)).await.unwrap();
        }
        let store = SegmentStore::new(folder.path());
        let engine = Engine::new(log.clone(), store, Limits::default()).unwrap();
        let session = engine.session("ann");
        let compactor = compactor(&log, folder.path());
        Plant { folder, log, engine, session, clock, compactor }
    }

    pub async fn append(&self, rows: Vec<Sample>) -> u64 {
        self.log.append("test".into(), None, rows).await.unwrap().0
    }

    pub async fn compact(&self) {
        self.try_compact().await.unwrap();
    }

    pub async fn try_compact(&self) -> Result<(), CompactError> {
        self.compactor.lock().await.pass(true).await
    }

    /// Stops, lets go of the folder and starts again over it.
    pub async fn reopen(self) -> Plant {
        let Plant { folder, log, engine, session, clock, compactor: last } = self;
        drop((engine, session, last));
        // The last handle closes the log, which blocks.
        tokio::task::spawn_blocking(move || drop(log)).await.unwrap();
        let log = open(folder.path(), clock.clone());
        let store = SegmentStore::new(folder.path());
        let engine = Engine::new(log.clone(), store, Limits::default()).unwrap();
        let session = engine.session("ann");
        let compactor = compactor(&log, folder.path());
        Plant { folder, log, engine, session, clock, compactor }
    }

    pub async fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>, QueryError> {
        let statement = self.session.prepare_sql(sql).await?;
        let batches: Vec<RecordBatch> = statement.execute(vec![]).await?.try_collect().await?;
        Ok(words(&batches))
    }

    pub async fn one(&self, sql: &str) -> String {
        let rows = self.ask(sql).await.unwrap();
        rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n")
    }
}

fn compactor(log: &Log, folder: &Path) -> Mutex<Compactor> {
    let limits = CompactorLimits { merge_files: 2, ..CompactorLimits::default() };
    Mutex::new(Compactor::new(log.clone(), SegmentStore::new(folder), limits))
}

fn open(folder: &Path, clock: Arc<HandClock>) -> Log {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    Log::open(options, clock).unwrap()
}

pub fn words(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("-");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<&ArrayRef> = batch.columns().iter().collect();
        for row in 0..batch.num_rows() {
            let cell = |column: &&ArrayRef| {
                ArrayFormatter::try_new(column.as_ref(), &options).unwrap().value(row).to_string()
            };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    rows
}

pub fn row(signal: u32, second: i64, value: f64) -> Sample {
    Sample {
        signal: SignalId(signal),
        time: Timestamp::from_micros(START + second * 1_000_000),
        value: Some(Value::Float(value)),
        quality: Quality::GOOD,
    }
}
