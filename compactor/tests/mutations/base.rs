//! The folder that is damaged: every kind of file, changes of most kinds, samples in segments of
//! two days, in a sealed epoch and in the open one, rollups of them, and folds of a signal whose
//! rows were let go. Once closed, once as a kill leaves it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parx_compactor::{Compactor, Limits, SegmentStore};
use parx_log::{
    BatchId, Command, HandClock, Keep, Log, LogOptions, Quality, RetentionDefinition, Sample,
    ScanClassDefinition, SignalDefinition, SignalId, SourceDefinition, Timestamp, Value, ValueType,
};
use tempfile::TempDir;

use crate::answers::{Answers, ask};
use crate::chance::Chance;

pub(crate) const DAY: i64 = 86_400_000_000;
/// The signal of which a rule lets go.
const BOOL: SignalId = SignalId(3);
pub(crate) const START: i64 = 20_000 * DAY;
/// Longer than the watermark is behind.
const SETTLED: Duration = Duration::from_millis(400);

/// The folders, and what they have to answer.
pub(crate) struct Base {
    closed: TempDir,
    killed: TempDir,
    old: TempDir,
    answers: [Answers; 2],
}

/// Opens a folder; with `trusting` the log looks at nothing that it reads.
pub(crate) fn open(folder: &Path, trusting: bool) -> Result<Log, parx_log::OpenError> {
    let mut options = LogOptions::new(folder);
    options.linger = Duration::ZERO;
    options.switches.trust_disk = trusting;
    Log::open(options, Arc::new(HandClock::at(Timestamp::from_micros(START + 5 * DAY))))
}

impl Base {
    pub(crate) fn build() -> Base {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [closed, killed, old] = [(); 3].map(|()| TempDir::new().unwrap());
        runtime.block_on(async {
            let folder = closed.path();
            let log = open(folder, false).unwrap();
            define(&log).await;
            for round in 0..4 {
                write(&log, round).await;
                compact(&log).await;
            }
            let keep = Keep { raw: Some(4), ..Keep::default() };
            let rule = RetentionDefinition { path: "plant/bool".into(), keep };
            log.submit("somebody".into(), Command::DefineRetention(rule)).await.unwrap();
            compact(&log).await;
            close(log).await;
            let log = open(folder, false).unwrap();
            let retire = Command::RetireSignal { tag: "plant/text".into() };
            log.submit("somebody".into(), retire).await.unwrap();
            write(&log, 4).await;
            close(log).await;
            copy(folder, old.path());
            let log = open(folder, false).unwrap();
            let from = Timestamp::from_micros(START);
            let to = from.plus(Duration::from_secs(3));
            let (tag, reason) = ("plant/float".into(), "a test".into());
            let delete = Command::DeleteSamples { tag, from, to, reason };
            log.submit("somebody".into(), delete).await.unwrap();
            write(&log, 5).await;
            compact(&log).await;
            write(&log, 6).await;
            log.seal().await.unwrap();
            write(&log, 7).await;
            std::thread::sleep(SETTLED);
            copy(folder, killed.path());
            close(log).await;
        });
        // Opening changes a folder, so the answers come from copies.
        let answers = [&closed, &killed].map(|folder| {
            let again = TempDir::new().unwrap();
            copy(folder.path(), again.path());
            ask(again.path(), false).unwrap()
        });
        let names = files(closed.path());
        for kind in ["rollups/", "/K"] {
            assert!(names.iter().any(|name| name.contains(kind)), "no {kind}: {names:#?}");
        }
        assert!(answers.iter().all(|answers| !answers.folds.is_empty()), "nothing is folded");
        Base { closed, killed, old, answers }
    }

    /// One of the folders and what it has to answer.
    pub(crate) fn state(&self, chance: &mut Chance) -> (&Path, &Answers) {
        match chance.below(2) {
            0 => (self.closed.path(), &self.answers[0]),
            _ => (self.killed.path(), &self.answers[1]),
        }
    }

    /// The folder at an earlier time.
    pub(crate) fn old(&self) -> &Path {
        self.old.path()
    }
}

async fn define(log: &Log) {
    let class = ScanClassDefinition { name: "fast".into(), period_ms: 100, phase_ms: 0 };
    let source = SourceDefinition {
        name: "plc".into(),
        driver: "simulator".into(),
        settings: serde_json::json!({}),
        enabled: true,
    };
    let types = [
        ("float", ValueType::Float),
        ("int", ValueType::Int),
        ("bool", ValueType::Bool),
        ("text", ValueType::Text),
    ];
    let signals = types.map(|(name, value_type)| {
        let tag = format!("plant/{name}");
        Command::DefineSignal(SignalDefinition { tag, value_type, ..Default::default() })
    });
    let commands = [Command::DefineScanClass(class), Command::DefineSource(source)];
    for command in commands.into_iter().chain(signals) {
        log.submit("somebody".into(), command).await.unwrap();
    }
}

/// The sample of a number.
fn sample(number: i64) -> Sample {
    let day = if number % 7 == 0 { 0 } else { number % 2 };
    let value = match number % 4 {
        0 => Value::Float((number as f64 * 0.37).sin()),
        1 => Value::Int(number * number),
        2 => Value::Bool(number % 3 == 0),
        _ => Value::Text(format!("state {}", number % 5).into()),
    };
    Sample {
        signal: SignalId(1 + (number % 4) as u32),
        time: Timestamp::from_micros(START + day * DAY + number * 250_000),
        value: (number % 31 != 0).then_some(value),
        quality: if number % 31 == 0 { Quality::BAD_NOT_CONNECTED } else { Quality::GOOD },
    }
}

/// True for a sample that was recorded as it is and let go by the rule: a repair that has lost the
/// change that let it go may find it again.
pub(crate) fn was_let_go(row: &Sample) -> bool {
    let since = row.time.micros() - START;
    row.signal == BOOL && (0..DAY).contains(&since) && *row == sample(since / 250_000)
}

/// Groups of samples of every type over two days, numbered, some of them late.
async fn write(log: &Log, round: i64) {
    for group in 0..6 {
        let rows = (0..120).map(|row| sample(round * 720 + group * 120 + row));
        // A retired signal takes no more samples.
        let live = |row: &Sample| log.catalog().signal(row.signal).is_some_and(|s| !s.retired);
        let rows = rows.filter(live).collect();
        let sequence = (round * 6 + group + 1) as u64;
        let batch = BatchId { producer: "writer".into(), epoch: 1, sequence };
        log.append("source/plc".into(), Some(batch), rows).await.unwrap();
    }
}

async fn compact(log: &Log) {
    let limits = Limits { merge_files: 3, ..Limits::default() };
    let store = SegmentStore::new(log.options().folder.clone());
    Compactor::new(log.clone(), store, limits).pass(true).await.unwrap();
}

pub(crate) async fn close(log: Log) {
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
}

/// The files below a folder by their paths.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => walk(root, &path, found),
            false => found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
        }
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}
