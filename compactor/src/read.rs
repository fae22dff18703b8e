//! Reads a segment: footer, page index and directory once, then only the pages that are asked for.
//!
//! Blocks the thread that calls it. What is published never changes, so a file once checked against
//! its hash is read from then on without locks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::Length;
use parx_log::{Rows, SegmentKind, SegmentMeta, SignalId};

use crate::contents::{self, Contents};
use crate::file::Positioned;
use crate::merge::Source;
use crate::rollup::{self, Tiers};
use crate::rows::slice;
use crate::schema::{
    self, KEY_CONTENTS, KEY_DIRECTORY, KEY_VERSION, SEGMENT_VERSION, SEGMENT_VERSION_PLAIN, column,
};
use crate::{SegmentError, Span, directory};

/// Rows that are decoded at a time.
const BLOCK_ROWS: usize = 16 << 10;

/// Which columns are read besides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Values of every type.
    pub values: bool,
    /// Status codes.
    pub quality: bool,
    /// Sequences. Where versions of a sample have to be told apart they are read all the same.
    pub sequence: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Wanted = Wanted { values: true, quality: true, sequence: true };
    /// Nothing but times.
    pub const TIMES: Wanted = Wanted { values: false, quality: false, sequence: false };
}

/// A published segment, open for reading.
#[derive(Debug)]
pub struct SegmentFile {
    path: PathBuf,
    meta: Arc<SegmentMeta>,
    file: Positioned,
    metadata: ArrowReaderMetadata,
    spans: Vec<Span>,
    /// What the rows of each span are made of.
    contents: Vec<Contents>,
    /// What they may be made of, where that is not known.
    any: Contents,
    /// Where each signal's folds are, tier by tier.
    tiers: Tiers,
}

impl SegmentFile {
    /// Opens the segment below `root` and checks that it is what was published: size, version,
    /// number of rows, and the hash, unless that was `checked` before.
    pub fn open(
        root: &Path,
        meta: &Arc<SegmentMeta>,
        checked: bool,
    ) -> Result<SegmentFile, SegmentError> {
        let path = root.join(&meta.path);
        let file = Positioned::open(&path).map_err(SegmentError::io(&path))?;
        if file.len() != meta.bytes {
            let what = format!("it has {} bytes; {} were published", file.len(), meta.bytes);
            return Err(SegmentError::damaged(path, what));
        }
        if !checked {
            let hash = file.blake3().map_err(SegmentError::io(&path))?;
            if hash != meta.blake3 {
                let what = format!("its BLAKE3 is {hash}; {} was published", meta.blake3);
                return Err(SegmentError::damaged(path, what));
            }
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let metadata = ArrowReaderMetadata::load(&file, options)
            .map_err(|error| SegmentError::damaged(&path, error.to_string()))?;
        let facts = metadata.metadata().file_metadata();
        let entry = |key: &str| {
            let found = facts.key_value_metadata()?.iter().find(|entry| entry.key == key)?;
            found.value.clone()
        };
        let version = entry(KEY_VERSION).unwrap_or_default();
        if ![SEGMENT_VERSION, SEGMENT_VERSION_PLAIN].contains(&version.as_str()) {
            return Err(SegmentError::Version { path, found: version });
        }
        let spans = match meta.kind {
            SegmentKind::Samples | SegmentKind::Rollups | SegmentKind::Kept => entry(KEY_DIRECTORY)
                .and_then(|text| directory::decode(&text))
                .ok_or_else(|| SegmentError::damaged(&path, "its signal directory is"))?,
            SegmentKind::Clock => Vec::new(),
        };
        let any = Contents::any(&version);
        let contents = match entry(KEY_CONTENTS) {
            Some(text) => contents::decode(&text, spans.len(), &version)
                .ok_or_else(|| SegmentError::damaged(&path, "what its signals hold is"))?,
            None => vec![any; spans.len()],
        };
        let tiers = match meta.kind {
            SegmentKind::Rollups | SegmentKind::Kept => rollup::tiers(entry)
                .ok_or_else(|| SegmentError::damaged(&path, "its directory of folds is"))?,
            SegmentKind::Samples | SegmentKind::Clock => Tiers::default(),
        };
        if facts.num_rows().cast_unsigned() != meta.rows {
            let what = format!("it has {} rows; {} were published", facts.num_rows(), meta.rows);
            return Err(SegmentError::damaged(path, what));
        }
        let meta = meta.clone();
        Ok(SegmentFile { path, meta, file, metadata, spans, contents, any, tiers })
    }

    /// What was published.
    pub fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its folds are.
    pub(crate) fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// Its footer and page index.
    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Where each signal's rows are, in the order of their ids.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Where one signal's rows are, if it has any here.
    pub fn span(&self, signal: SignalId) -> Option<&Span> {
        let place = self.spans.binary_search_by_key(&signal, |span| span.signal).ok()?;
        self.spans.get(place)
    }

    /// True if what it says of its signals' contents is so, or may be anything.
    pub(crate) fn tells(&self, found: &[Contents]) -> bool {
        let right = |(told, found): (&Contents, &Contents)| [*found, self.any].contains(told);
        self.contents.len() == found.len() && self.contents.iter().zip(found).all(right)
    }

    fn contents(&self, signal: SignalId) -> Contents {
        let place = self.spans.binary_search_by_key(&signal, |span| span.signal);
        let known = place.ok().and_then(|place| self.contents.get(place));
        known.copied().unwrap_or(self.any)
    }

    /// One signal's rows from `from` to `to`, both included, as a run to merge; nothing if it has
    /// none here. Opens nothing until its turn comes.
    pub fn source(
        self: &Arc<Self>,
        signal: SignalId,
        from: i64,
        to: i64,
        wanted: Wanted,
    ) -> Option<Source> {
        let span = *self.span(signal)?;
        if span.to < from || span.from > to {
            return None;
        }
        let contents = self.contents(signal);
        let blocks = Blocks { file: self.clone(), span, contents, from, to, wanted, reader: None };
        Some(Source::new(span.from.max(from), blocks))
    }

    /// One signal's rows from `from` to `to`, both included, in the order of time and sequence.
    pub fn read(
        self: &Arc<Self>,
        signal: SignalId,
        from: i64,
        to: i64,
    ) -> Result<Rows, SegmentError> {
        let mut rows = Rows::default();
        if let Some(source) = self.source(signal, from, to, Wanted::ALL) {
            for block in crate::Merge::new(vec![source]) {
                let block = block?;
                crate::append_range(&mut rows, &block, 0..block.len());
            }
        }
        Ok(rows)
    }

    /// One signal's last row at or before `end`, or none.
    pub(crate) fn last_until(&self, signal: SignalId, end: i64) -> Result<Rows, SegmentError> {
        let Some(span) = self.span(signal).filter(|span| span.from <= end) else {
            return Ok(Rows::default());
        };
        let mut pages = self.pages(span, |low, _| low <= end);
        while let Some(page) = pages.pop() {
            let rows = self.rows(std::slice::from_ref(&page), self.contents(signal))?;
            let count = rows.times.partition_point(|time| *time <= end);
            if count > 0 {
                return Ok(slice(&rows, count - 1..count));
            }
        }
        Ok(Rows::default())
    }

    /// One signal's first row at or after `start`, or none; of several at its time the last.
    pub(crate) fn first_from(&self, signal: SignalId, start: i64) -> Result<Rows, SegmentError> {
        let Some(span) = self.span(signal).filter(|span| span.to >= start) else {
            return Ok(Rows::default());
        };
        let mut found = Rows::default();
        for page in self.pages(span, |_, high| high >= start) {
            let rows = self.rows(std::slice::from_ref(&page), self.contents(signal))?;
            let first = rows.times.partition_point(|time| *time < start);
            let Some(time) = rows.times.get(first) else { continue };
            if found.times.first().is_some_and(|known| known != time) {
                break;
            }
            let last = rows.times.partition_point(|other| other <= time);
            found = slice(&rows, last - 1..last);
            if last < rows.len() {
                break;
            }
        }
        Ok(found)
    }

    /// The rows of `span`, cut at the pages, without those that `keep` rules out.
    fn pages(&self, span: &Span, keep: impl Fn(i64, i64) -> bool) -> Vec<std::ops::Range<u64>> {
        let rows = span.first..span.first + span.rows;
        let ranges = self.select(column::TIME, rows, keep);
        let page = schema::PAGE_ROWS as u64;
        let cut = |range: std::ops::Range<u64>| {
            let starts = (range.start..range.end).step_by(schema::PAGE_ROWS);
            starts.map(move |start| start..(start + page).min(range.end)).collect::<Vec<_>>()
        };
        ranges.into_iter().flat_map(cut).collect()
    }

    /// The rows `ranges` of the file.
    fn rows(
        &self,
        ranges: &[std::ops::Range<u64>],
        contents: Contents,
    ) -> Result<Rows, SegmentError> {
        let damaged = |what: &dyn ToString| SegmentError::damaged(&self.path, what.to_string());
        let mut all = Rows::default();
        for batch in self.reader(ranges, &contents.columns(Wanted::ALL))? {
            let batch = batch.map_err(|error| damaged(&error))?;
            let rows = schema::rows(&batch, contents.kind()).map_err(|what| damaged(&what))?;
            crate::append_range(&mut all, &rows, 0..rows.len());
        }
        Ok(all)
    }

    /// Every row and column, in the order of the file.
    pub(crate) fn batches(&self) -> Result<ParquetRecordBatchReader, SegmentError> {
        let columns = self.metadata.schema().fields().len();
        self.reader(std::slice::from_ref(&(0..self.meta.rows)), &Vec::from_iter(0..columns))
    }

    /// Pairs of a clock segment from pages that may hold one of `sequences`, which ascend.
    pub(crate) fn clock(&self, sequences: &[u64]) -> Result<Vec<(u64, i64)>, SegmentError> {
        let keep = |low: i64, high: i64| {
            let next = sequences.partition_point(|s| s.cast_signed() < low);
            sequences.get(next).is_some_and(|s| s.cast_signed() <= high)
        };
        self.pairs(&self.select(0, 0..self.meta.rows, keep))
    }

    /// The newest sequence of a clock segment that was recorded at or before `at`. Times ascend
    /// with sequences, so pages are halved until one is left.
    pub(crate) fn clock_until(&self, at: i64) -> Result<Option<u64>, SegmentError> {
        let page = schema::PAGE_ROWS as u64;
        let read = |start: u64| {
            self.pairs(std::slice::from_ref(&(start..(start + page).min(self.meta.rows))))
        };
        let (mut low, mut high) = (0, self.meta.rows.div_ceil(page));
        while high - low > 1 {
            let middle = low.midpoint(high);
            match read(middle * page)?.first() {
                Some((_, first)) if *first <= at => low = middle,
                Some(_) | None => high = middle,
            }
        }
        let pairs = read(low * page)?;
        let count = pairs.partition_point(|(_, recorded)| *recorded <= at);
        Ok(count.checked_sub(1).and_then(|last| pairs.get(last)).map(|(sequence, _)| *sequence))
    }

    /// Every pair of a clock segment.
    pub(crate) fn clock_all(&self) -> Result<Vec<(u64, i64)>, SegmentError> {
        self.pairs(std::slice::from_ref(&(0..self.meta.rows)))
    }

    fn pairs(&self, ranges: &[std::ops::Range<u64>]) -> Result<Vec<(u64, i64)>, SegmentError> {
        let mut pairs = Vec::new();
        for batch in self.reader(ranges, &[0, 1])? {
            let batch =
                batch.map_err(|error| SegmentError::damaged(&self.path, error.to_string()))?;
            let found = schema::clock_pairs(&batch);
            pairs.extend(found.map_err(|what| SegmentError::damaged(&self.path, what))?);
        }
        Ok(pairs)
    }

    /// The rows of `rows` whose page may hold what `keep` says of its lowest and highest value.
    pub(crate) fn select(
        &self,
        column: usize,
        rows: std::ops::Range<u64>,
        keep: impl Fn(i64, i64) -> bool,
    ) -> Vec<std::ops::Range<u64>> {
        let metadata = self.metadata.metadata();
        let mut ranges: Vec<std::ops::Range<u64>> = Vec::new();
        let mut base = 0;
        for (place, group) in metadata.row_groups().iter().enumerate() {
            let end = base + group.num_rows().cast_unsigned();
            if end > rows.start && base < rows.end {
                let offsets = metadata.offset_index().and_then(|i| i.get(place)?.get(column));
                let values = metadata.column_index().and_then(|i| i.get(place)?.get(column));
                let pages = offsets.map_or(&[][..], |index| index.page_locations());
                for (page, location) in pages.iter().enumerate() {
                    let first = base + location.first_row_index.cast_unsigned();
                    let next = pages.get(page + 1).map(|next| next.first_row_index);
                    let last = next.map_or(end, |next| base + next.cast_unsigned());
                    let (first, last) = (first.max(rows.start), last.min(rows.end));
                    let bounds = values.and_then(|index| page_bounds(index, page));
                    if first >= last || bounds.is_some_and(|(low, high)| !keep(low, high)) {
                        continue;
                    }
                    match ranges.last_mut() {
                        Some(range) if range.end == first => range.end = last,
                        Some(_) | None => ranges.push(first..last),
                    }
                }
            }
            base = end;
        }
        ranges
    }

    pub(crate) fn reader(
        &self,
        ranges: &[std::ops::Range<u64>],
        columns: &[usize],
    ) -> Result<ParquetRecordBatchReader, SegmentError> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.file.clone(),
            self.metadata.clone(),
        );
        let (mut groups, mut chosen) = (Vec::new(), Vec::new());
        let (mut base, mut kept) = (0, 0);
        for (place, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let end = base + group.num_rows().cast_unsigned();
            let inside = ranges.iter().filter(|range| range.end > base && range.start < end);
            let before = chosen.len();
            chosen.extend(inside.map(|range| {
                let (first, last) = (range.start.max(base), range.end.min(end));
                (first - base + kept) as usize..(last - base + kept) as usize
            }));
            if chosen.len() > before {
                groups.push(place);
                kept += end - base;
            }
            base = end;
        }
        let selection = RowSelection::from_consecutive_ranges(chosen.into_iter(), kept as usize);
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        builder
            .with_row_groups(groups)
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(BLOCK_ROWS)
            .build()
            .map_err(|error| SegmentError::damaged(&self.path, error.to_string()))
    }
}

fn page_bounds(index: &ColumnIndexMetaData, page: usize) -> Option<(i64, i64)> {
    match index {
        ColumnIndexMetaData::INT64(index) => {
            Some((*index.min_value(page)?, *index.max_value(page)?))
        }
        _ => None,
    }
}

/// One signal's rows of a segment, block by block.
pub struct Blocks {
    file: Arc<SegmentFile>,
    span: Span,
    contents: Contents,
    from: i64,
    to: i64,
    wanted: Wanted,
    reader: Option<ParquetRecordBatchReader>,
}

impl Blocks {
    fn reader(&mut self) -> Result<&mut ParquetRecordBatchReader, SegmentError> {
        if self.reader.is_none() {
            let rows = self.span.first..self.span.first + self.span.rows;
            let keep = |low, high| low <= self.to && high >= self.from;
            let ranges = self.file.select(column::TIME, rows, keep);
            let columns = self.contents.columns(self.wanted);
            self.reader = Some(self.file.reader(&ranges, &columns)?);
        }
        let path = &self.file.path;
        self.reader.as_mut().ok_or_else(|| SegmentError::damaged(path, "it has no reader"))
    }

    fn block(&mut self) -> Result<Option<Rows>, SegmentError> {
        let batch = self.reader()?.next().transpose();
        let damaged =
            |what: &dyn ToString| SegmentError::damaged(&self.file.path, what.to_string());
        let Some(batch) = batch.map_err(|error| damaged(&error))? else { return Ok(None) };
        let kind = self.contents.kind().filter(|_| self.wanted.values);
        let rows = schema::rows(&batch, kind).map_err(|what| damaged(&what))?;
        let first = rows.times.partition_point(|time| *time < self.from);
        let last = rows.times.partition_point(|time| *time <= self.to);
        let whole = first == 0 && last == rows.len();
        Ok(Some(if whole { rows } else { slice(&rows, first..last) }))
    }
}

impl Iterator for Blocks {
    type Item = Result<Rows, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.block().transpose()
    }
}
