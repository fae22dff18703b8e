//! Waits until the compactor has nothing left to do, and says what its segments cost.
//!
//! The server runs while it is waited for and is off while its files are looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parx_compactor::{SegmentStore, costs};
use parx_log::{Log, LogOptions, SegmentKind, SystemClock};
use serde::Serialize;

use crate::bench::client::http::Http;
use crate::bench::folder::{Fed, Folder};
use crate::bench::plant::{Class, Plant, tag};
use crate::bench::progress::Progress;
use crate::bench::server::Server;

/// Age at which a server under measurement takes samples out of its log, in seconds.
pub const SEAL_AFTER_S: u64 = 3;
/// How long nothing may change before it counts as done: longer than anything waits to begin.
const QUIET: Duration = Duration::from_secs(SEAL_AFTER_S + 2);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(500);
/// Processor time from one question to the next that shows that work goes on.
const WORK: Duration = Duration::from_millis(50);
/// Longest wait.
const SETTLE_MAX: Duration = Duration::from_secs(3_600);

/// What the segments hold and cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Size {
    /// Rows of samples.
    pub points: u64,
    /// Files of samples.
    pub files: usize,
    /// Bytes of all segments, those that hold no samples too.
    pub bytes: u64,
    /// Bytes for each point.
    pub bytes_per_point: f64,
    /// Bytes for each point by column of the samples; `other` is everything else.
    pub columns: BTreeMap<String, f64>,
    /// Of each class of signals its share of the points and bytes for each of its own points.
    pub classes: BTreeMap<&'static str, ClassSize>,
}

/// What one class costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassSize {
    /// Share of all points.
    pub share: f64,
    /// Bytes for each point of the class, without `other`.
    pub bytes_per_point: f64,
    /// The same by column.
    pub columns: BTreeMap<String, f64>,
}

/// Waits until nothing changes any more; answers with the time from `since` to the last change.
pub async fn settle(server: &Server, http: &mut Http, since: Instant) -> Result<Duration, String> {
    const STATE: &str = "{ server { sequence compactedThrough segments } }";
    let mut progress = Progress::new("compacting, seconds", 0);
    let (mut last, mut changed) = (http.graphql(STATE).await?, Instant::now());
    let mut used = server.usage().cpu;
    while changed.elapsed() < QUIET {
        if since.elapsed() > SETTLE_MAX {
            return Err("compaction did not come to its end in time".to_owned());
        }
        tokio::time::sleep(POLL).await;
        let (state, cpu) = (http.graphql(STATE).await?, server.usage().cpu);
        if state != last || cpu.saturating_sub(used) > WORK {
            changed = Instant::now();
        }
        (last, used) = (state, cpu);
        progress.reach(since.elapsed().as_secs());
    }
    Ok(changed.duration_since(since))
}

/// What the segments in a folder cost whose server is off.
pub async fn size(folder: &Folder, fed: Fed) -> Result<Size, String> {
    let data = folder.data();
    let look = move || {
        let options = LogOptions::new(&data);
        let log = Log::open(options, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
        let size = size_of(&log, &SegmentStore::new(&data), fed);
        log.close();
        size
    };
    tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?
}

fn size_of(log: &Log, store: &SegmentStore, fed: Fed) -> Result<Size, String> {
    let catalog = log.catalog();
    let plant = Plant::new(fed.plant());
    let class_of = plant
        .classes()
        .iter()
        .zip(0..)
        .filter_map(|(class, number)| Some((catalog.signal_by_tag(&tag(number))?.id, *class)));
    let class_of: BTreeMap<_, Class> = class_of.collect();
    let manifest = &catalog.manifest;
    let mut size = Size { points: manifest.samples(), ..Size::default() };
    size.bytes = manifest.segments.values().map(|meta| meta.bytes).sum();
    let mut rows: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut other = size.bytes as f64;
    for meta in manifest.of_kind(SegmentKind::Samples) {
        let file = store.open(meta).map_err(|error| error.to_string())?;
        size.files += 1;
        for span in file.spans() {
            let class = class_of.get(&span.signal).map_or("other", |class| class.word());
            *rows.entry(class).or_default() += span.rows;
        }
        for (column, signals) in costs(&file).columns {
            for (signal, bytes) in signals {
                let class = class_of.get(&signal).map_or("other", |class| class.word());
                let columns = &mut size.classes.entry(class).or_default().columns;
                *columns.entry(column.clone()).or_default() += bytes;
                *size.columns.entry(column.clone()).or_default() += bytes;
                other -= bytes;
            }
        }
    }
    size.columns.insert("other".to_owned(), other);
    size.per_point(&rows);
    Ok(size)
}

impl Size {
    /// Turns bytes into bytes for each point.
    fn per_point(&mut self, rows: &BTreeMap<&'static str, u64>) {
        let points = (self.points as f64).max(1.0);
        self.bytes_per_point = self.bytes as f64 / points;
        self.columns.values_mut().for_each(|bytes| *bytes /= points);
        for (class, size) in &mut self.classes {
            let own = rows.get(class).copied().unwrap_or(0) as f64;
            size.share = own / points;
            size.bytes_per_point = size.columns.values().sum::<f64>() / own.max(1.0);
            size.columns.values_mut().for_each(|bytes| *bytes /= own.max(1.0));
        }
    }
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files
}

/// Bytes of all files below a folder.
pub fn bytes_below(folder: &Path) -> u64 {
    let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    files_below(folder).iter().map(bytes).sum()
}
