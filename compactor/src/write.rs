//! Writes segments: a sealed tail by days, several segments into one, and the clock.
//!
//! A file gets its name only when its bytes are durable; it becomes part of the history only when
//! the manifest names it, which is for the caller to do.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parx_log::{Rows, SegmentKind, SegmentMeta, Sequence, SignalId, Tail, Timestamp};

use crate::contents::{self, Contents};
use crate::file::Fresh;
use crate::lattice::{Placed, Search};
use crate::merge::Merge;
use crate::plan::FOLDED_ROWS_MAX;
use crate::read::{SegmentFile, Wanted};
use crate::rollup::{self, FoldWriter, Folding};
use crate::schema::{self, KEY_CONTENTS, KEY_DIRECTORY};
use crate::{SegmentError, Span, directory};

/// Files that are written side by side while a tail is cut into days; more days take more passes.
pub const DAYS_OPEN_MAX: usize = 64;
/// Rows that are collected before they go to the encoder.
const BATCH_ROWS: usize = 16 << 10;

/// What a file is to be called.
struct Name {
    path: String,
    kind: SegmentKind,
    day: Option<i64>,
    level: u32,
}

impl Name {
    fn samples(day: i64, level: u32, (low, high): (u64, u64)) -> Name {
        let path = format!("segments/{}/L{level}-{low}-{high}.parquet", day_word(day));
        Name { path, kind: SegmentKind::Samples, day: Some(day), level }
    }

    fn clock(level: u32, (low, high): (u64, u64)) -> Name {
        let path = format!("clock/L{level}-{low}-{high}.parquet");
        Name { path, kind: SegmentKind::Clock, day: None, level }
    }
}

/// `2026-11-25`, or the number of the day where the calendar ends.
pub(crate) fn day_word(day: i64) -> String {
    let start = Timestamp::from_micros(day.saturating_mul(86_400_000_000)).to_string();
    match start.split_once('T') {
        Some((date, _)) => date.to_owned(),
        None => format!("day{day}"),
    }
}

/// A file that samples are pushed into, signal by signal in the order of their ids.
struct SampleWriter {
    writer: ArrowWriter<Fresh>,
    name: Name,
    pending: Rows,
    placed: Placed,
    search: Search,
    signals: Vec<(SignalId, usize)>,
    spans: Vec<Span>,
    contents: Vec<Contents>,
    sequences: (u64, u64),
    rows: u64,
    rollup: Option<Rollup>,
}

/// The rollups of a file that is being written.
struct Rollup {
    writer: FoldWriter,
    folding: Folding,
}

impl SampleWriter {
    /// Begins a file of about `rows` rows. What was merged gets rollups, and its numbers are put on
    /// lattices. What comes straight from the log is merged soon, if it comes fast; if not, rollups
    /// cost little and are useful for long.
    fn create(root: &Path, name: Name, rows: u64) -> Result<SampleWriter, SegmentError> {
        let folds = name.level > 0 || rows <= FOLDED_ROWS_MAX;
        let path = folds.then(|| rollup::path_of(&name.path)).flatten();
        let rollup = match path {
            Some(path) => {
                let writer = FoldWriter::create(root, path, rows)?;
                Some(Rollup { writer, folding: Folding::default() })
            }
            None => None,
        };
        let schema = schema::samples_schema();
        let properties = schema::properties(&schema, rows, &[0, 1, 6]);
        let fresh = Fresh::create(root, &name.path)?;
        let writer = ArrowWriter::try_new(fresh, schema, Some(properties))
            .map_err(SegmentError::encode(&name.path))?;
        Ok(SampleWriter {
            writer,
            name,
            pending: Rows::default(),
            placed: Placed::default(),
            search: Search::default(),
            signals: Vec::new(),
            spans: Vec::new(),
            contents: Vec::new(),
            sequences: (u64::MAX, 0),
            rows: 0,
            rollup,
        })
    }

    fn push(
        &mut self,
        signal: SignalId,
        rows: &Rows,
        range: Range<usize>,
    ) -> Result<(), SegmentError> {
        let times = rows.times.get(range.clone()).unwrap_or_default();
        let (Some(from), Some(to)) = (times.first(), times.last()) else {
            return Ok(());
        };
        let count = times.len() as u64;
        match self.spans.last_mut() {
            Some(span) if span.signal == signal => (span.rows, span.to) = (span.rows + count, *to),
            Some(_) | None => {
                self.end_signal()?;
                let span = Span { signal, first: self.rows, rows: count, from: *from, to: *to };
                self.spans.push(span);
                self.contents.push(Contents::default());
                self.search = Search::default();
            }
        }
        let placed = self.placed.steps().len();
        match self.name.level {
            0 => self.placed.leave(times.len()),
            _ => self.search.place(rows, range.clone(), &mut self.placed),
        }
        if let Some(contents) = self.contents.last_mut() {
            let kinds = rows.kinds.get(range.clone()).unwrap_or_default();
            let qualities = rows.qualities.get(range.clone()).unwrap_or_default();
            let steps = self.placed.steps().get(placed..).unwrap_or_default();
            *contents = contents.with(kinds, qualities, steps.iter().map(Option::is_some));
        }
        self.rows += count;
        for sequence in rows.sequences.get(range.clone()).unwrap_or_default() {
            let (low, high) = self.sequences;
            self.sequences = (low.min(*sequence), high.max(*sequence));
        }
        if let Some(rollup) = &mut self.rollup {
            rollup.folding.push(rows, range.clone());
        }
        self.signals.push((signal, times.len()));
        crate::append_range(&mut self.pending, rows, range);
        if self.pending.len() >= BATCH_ROWS { self.drain() } else { Ok(()) }
    }

    /// Hands over the folds of the signal that is complete.
    fn end_signal(&mut self) -> Result<(), SegmentError> {
        match (&mut self.rollup, self.spans.last()) {
            (Some(rollup), Some(span)) => {
                rollup.writer.push(span.signal, rollup.folding.finish().worthy())
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn drain(&mut self) -> Result<(), SegmentError> {
        let batch = schema::batch(&self.signals, &self.pending, &self.placed)
            .map_err(SegmentError::encode(&self.name.path))?;
        self.writer.write(&batch).map_err(SegmentError::encode(&self.name.path))?;
        (self.pending, self.placed) = (Rows::default(), Placed::default());
        self.signals.clear();
        Ok(())
    }

    /// Publishes the file, and its rollups behind it.
    fn finish(mut self) -> Result<Vec<SegmentMeta>, SegmentError> {
        self.end_signal()?;
        self.drain()?;
        let spans = directory::encode(&self.spans);
        self.writer.append_key_value_metadata(KeyValue::new(KEY_DIRECTORY.to_owned(), spans));
        let contents = contents::encode(&self.contents);
        self.writer.append_key_value_metadata(KeyValue::new(KEY_CONTENTS.to_owned(), contents));
        let fresh = self.writer.into_inner().map_err(SegmentError::encode(&self.name.path))?;
        let (bytes, blake3) = fresh.publish()?;
        let from = self.spans.iter().map(|span| span.from).min().unwrap_or_default();
        let to = self.spans.iter().map(|span| span.to).max().unwrap_or_default();
        let meta = SegmentMeta {
            path: self.name.path,
            kind: self.name.kind,
            day: self.name.day,
            rows: self.rows,
            bytes,
            sequences: self.sequences,
            times: (from, to),
            blake3,
            level: self.name.level,
        };
        let Some(rollup) = self.rollup else { return Ok(vec![meta]) };
        let of = SegmentMeta { kind: SegmentKind::Rollups, ..meta.clone() };
        let rollups = rollup.writer.finish(&of, &self.spans)?;
        Ok(vec![meta, rollups])
    }
}

/// Writes a sealed tail below `root`: one file for each UTC day of its samples, and its clock.
pub fn write_tail(root: &Path, tail: &Tail) -> Result<Vec<SegmentMeta>, SegmentError> {
    let last = tail.last().unwrap_or(Sequence(u64::MAX));
    let range = (tail.first.0, last.0);
    let signals = tail.signals();
    let mut done = BTreeSet::new();
    let mut segments = Vec::new();
    loop {
        let mut writers: BTreeMap<i64, SampleWriter> = BTreeMap::new();
        let mut deferred = false;
        for signal in &signals {
            let rows = tail.read(*signal, i64::MIN, i64::MAX, last);
            for (day, cut) in cuts(&rows) {
                if done.contains(&day) {
                    continue;
                }
                if !writers.contains_key(&day) {
                    if writers.len() == DAYS_OPEN_MAX {
                        deferred = true;
                        continue;
                    }
                    let name = Name::samples(day, 0, range);
                    writers.insert(day, SampleWriter::create(root, name, tail.rows())?);
                }
                if let Some(writer) = writers.get_mut(&day) {
                    writer.push(*signal, &rows, cut)?;
                }
            }
        }
        for (day, writer) in writers {
            done.insert(day);
            segments.extend(writer.finish()?);
        }
        if !deferred {
            break;
        }
    }
    let clock = tail.clock();
    if !clock.is_empty() {
        segments.push(write_clock(root, 0, &clock)?);
    }
    Ok(segments)
}

/// The days of rows in the order of time, and which rows are in each.
fn cuts(rows: &Rows) -> Vec<(i64, Range<usize>)> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while let Some(time) = rows.times.get(start) {
        let day = Timestamp::from_micros(*time).day();
        let rest = rows.times.get(start..).unwrap_or_default();
        let count = rest.partition_point(|time| Timestamp::from_micros(*time).day() <= day);
        cuts.push((day, start..start + count));
        start += count;
    }
    cuts
}

/// Merges samples segments of one day into one file of `level`, with every row of them (C1), and
/// its rollups.
pub fn merge_segments(
    root: &Path,
    files: &[Arc<SegmentFile>],
    level: u32,
) -> Result<Vec<SegmentMeta>, SegmentError> {
    let metas = || files.iter().map(|file| file.meta());
    let (Some(low), Some(high), Some(day)) = (
        metas().map(|meta| meta.sequences.0).min(),
        metas().map(|meta| meta.sequences.1).max(),
        metas().find_map(|meta| meta.day),
    ) else {
        return Ok(Vec::new());
    };
    let rows = metas().map(|meta| meta.rows).sum();
    let name = Name::samples(day, level, (low, high));
    let mut writer = SampleWriter::create(root, name, rows)?;
    let signals: BTreeSet<SignalId> =
        files.iter().flat_map(|file| file.spans().iter().map(|span| span.signal)).collect();
    for signal in signals {
        let sources =
            files.iter().filter_map(|file| file.source(signal, i64::MIN, i64::MAX, Wanted::ALL));
        for block in Merge::new(sources.collect()) {
            let block = block?;
            writer.push(signal, &block, 0..block.len())?;
        }
    }
    writer.finish()
}

/// Writes what is left of a samples segment without some signals, and its rollups; nothing if
/// nothing is left.
pub(crate) fn without(
    root: &Path,
    file: &Arc<SegmentFile>,
    gone: &BTreeSet<SignalId>,
) -> Result<Vec<SegmentMeta>, SegmentError> {
    let meta = file.meta();
    let left: Vec<&Span> =
        file.spans().iter().filter(|span| !gone.contains(&span.signal)).collect();
    let (Some(day), false) = (meta.day, left.is_empty()) else { return Ok(Vec::new()) };
    let rows = left.iter().map(|span| span.rows).sum();
    let name = Name::samples(day, meta.level + 1, meta.sequences);
    let mut writer = SampleWriter::create(root, name, rows)?;
    for span in left {
        let source = file.source(span.signal, i64::MIN, i64::MAX, Wanted::ALL);
        for block in Merge::new(source.into_iter().collect()) {
            let block = block?;
            writer.push(span.signal, &block, 0..block.len())?;
        }
    }
    writer.finish()
}

/// Writes when each sequence was recorded: pairs of sequence and microseconds since 1970.
pub fn write_clock(
    root: &Path,
    level: u32,
    pairs: &[(u64, i64)],
) -> Result<SegmentMeta, SegmentError> {
    let sequences = (
        pairs.first().map_or(0, |(sequence, _)| *sequence),
        pairs.last().map_or(0, |(sequence, _)| *sequence),
    );
    let name = Name::clock(level, sequences);
    let schema = schema::clock_schema();
    let properties = schema::properties(&schema, pairs.len() as u64, &[0]);
    let times = TimestampMicrosecondArray::from_iter_values(pairs.iter().map(|(_, at)| *at));
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(Int64Array::from_iter_values(pairs.iter().map(|(s, _)| s.cast_signed()))),
            Arc::new(times.with_timezone("UTC")),
        ],
    )
    .map_err(SegmentError::encode(&name.path))?;
    let fresh = Fresh::create(root, &name.path)?;
    let mut writer = ArrowWriter::try_new(fresh, schema, Some(properties))
        .map_err(SegmentError::encode(&name.path))?;
    writer.write(&batch).map_err(SegmentError::encode(&name.path))?;
    let fresh = writer.into_inner().map_err(SegmentError::encode(&name.path))?;
    let (bytes, blake3) = fresh.publish()?;
    let at = |pair: Option<&(u64, i64)>| pair.map_or(0, |(_, at)| *at);
    Ok(SegmentMeta {
        path: name.path,
        kind: name.kind,
        day: name.day,
        rows: pairs.len() as u64,
        bytes,
        sequences,
        times: (at(pairs.first()), at(pairs.last())),
        blake3,
        level,
    })
}
