//! `parx verify`, the segments' part: every file of a manifest is read whole and compared with what
//! was published. Changes nothing, and tells every file that is not right.

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use parx_log::{Fault, Manifest, SegmentKind, SegmentMeta, Sequence, SignalId};

use crate::contents::Contents;
use crate::lattice;
use crate::run::strays;
use crate::{Fold, SegmentError, SegmentFile, Span, Tier, schema};

/// What was found in the segments.
#[derive(Debug, Default)]
pub struct SegmentsReport {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// Paths below the data folder, as the manifest has them, of the files that are not as
    /// published.
    pub damaged: Vec<String>,
    /// Files that the manifest names.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Samples in them, every version counted.
    pub samples: u64,
    /// Files that the manifest does not name. They are no fault: a crash may leave them, and the
    /// compactor removes them.
    pub strays: Vec<PathBuf>,
}

/// Reads and checks every segment of `manifest` in the data folder `root`. `progress` hears how far
/// it is. Blocks on the disk.
pub fn verify_segments(
    root: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(&str),
) -> SegmentsReport {
    let mut report = SegmentsReport::default();
    let count = manifest.segments.len();
    for (number, (path, meta)) in manifest.segments.iter().enumerate() {
        progress(&format!("segment {} of {count}: {path}", number + 1));
        report.files += 1;
        report.bytes += meta.bytes;
        match check(root, meta, manifest.through) {
            Ok(()) if meta.kind == SegmentKind::Samples => report.samples += meta.rows,
            Ok(()) => {}
            Err(error) => {
                report.damaged.push(path.clone());
                report.faults.push(fault(error));
            }
        }
    }
    match strays(root, &|path| manifest.segments.contains_key(path)) {
        Ok(found) => report.strays = found,
        Err(error) => report.faults.push(fault(error)),
    }
    report
}

fn fault(error: SegmentError) -> Fault {
    match error {
        SegmentError::Damaged { path, offset, what } => Fault { file: path, offset, what },
        SegmentError::Io { path, source } => Fault::new(path, source),
        SegmentError::Version { path, found } => {
            Fault::new(path, format!("it has format version '{found}'"))
        }
        SegmentError::Encode { path, what } => Fault::new(path, what),
    }
}

/// Reads one segment whole and compares it with what was published.
fn check(root: &Path, meta: &Arc<SegmentMeta>, through: Sequence) -> Result<(), SegmentError> {
    let order = survey(&SegmentFile::open(root, meta, false)?, &root.join(&meta.path))?;
    let damaged = |what: String| SegmentError::damaged(root.join(&meta.path), what);
    if order.rows != meta.rows {
        return Err(damaged(format!("{} rows of {} could be read", order.rows, meta.rows)));
    }
    if meta.kind == SegmentKind::Samples && order.times != Some(meta.times) {
        return Err(damaged("its times are not those that were published".into()));
    }
    let told = match meta.kind {
        SegmentKind::Samples | SegmentKind::Clock => order.sequences == Some(meta.sequences),
        // Folds do not say which sequences they are of.
        SegmentKind::Rollups | SegmentKind::Kept => true,
    };
    if !told || meta.sequences.1 > through.0 {
        return Err(damaged("its sequences are not those that were published".into()));
    }
    Ok(())
}

/// Reads every row of a file: they must be in order, and as the file's directory says.
pub(crate) fn survey(file: &SegmentFile, path: &Path) -> Result<Order, SegmentError> {
    let damaged = |what: String| SegmentError::damaged(path, what);
    let mut order = Order::default();
    match file.meta().kind {
        SegmentKind::Samples => {
            for batch in file.batches()? {
                let batch = batch.map_err(|error| damaged(error.to_string()))?;
                order.samples(&batch).map_err(&damaged)?;
            }
            order.close();
            if order.spans != file.spans() {
                return Err(damaged("its directory is not that of its rows".into()));
            }
            if !file.tells(&order.contents) {
                return Err(damaged("its contents are not those of its rows".into()));
            }
        }
        SegmentKind::Rollups | SegmentKind::Kept => {
            for tier in Tier::ALL {
                let folds = file.folds_all(tier)?;
                order.folds(file, tier, &folds).map_err(&damaged)?;
            }
        }
        SegmentKind::Clock => {
            for (sequence, recorded_at) in file.clock_all()? {
                order.clock(sequence, recorded_at).map_err(&damaged)?;
            }
        }
    }
    Ok(order)
}

/// What the rows of a file come to, in the order in which they lie.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) rows: u64,
    last: Option<(SignalId, i64, u64)>,
    spans: Vec<Span>,
    span: Option<Span>,
    contents: Vec<Contents>,
    pub(crate) times: Option<(i64, i64)>,
    pub(crate) sequences: Option<(u64, u64)>,
}

impl Order {
    fn samples(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let signals = batch.columns().first().and_then(|column| column.as_primitive_opt());
        let signals = signals.ok_or("its signals are of another type")?;
        let signals: &arrow::array::PrimitiveArray<Int32Type> = signals;
        let rows = schema::rows(batch, None)?;
        if signals.len() != rows.len() {
            return Err("its columns are not of one length".into());
        }
        let keys = rows.times.iter().zip(&rows.sequences);
        let what = rows.kinds.iter().zip(&rows.qualities);
        let all = signals.values().iter().zip(keys.zip(what)).zip(lattice::on_lattice(batch));
        for ((signal, ((time, sequence), (kind, quality))), on_lattice) in all {
            self.sample(SignalId(signal.cast_unsigned()), *time, *sequence)?;
            if let Some(contents) = self.contents.last_mut() {
                let (kinds, qualities) = (slice::from_ref(kind), slice::from_ref(quality));
                *contents = contents.with(kinds, qualities, [on_lattice]);
            }
        }
        Ok(())
    }

    fn sample(&mut self, signal: SignalId, time: i64, sequence: u64) -> Result<(), String> {
        let key = (signal, time, sequence);
        if self.last.is_some_and(|last| key < last) {
            return Err(format!("row {} is not in order", self.rows));
        }
        self.last = Some(key);
        match &mut self.span {
            Some(span) if span.signal == signal => (span.rows, span.to) = (span.rows + 1, time),
            Some(_) | None => {
                self.close();
                let (from, to) = (time, time);
                self.span = Some(Span { signal, first: self.rows, rows: 1, from, to });
                self.contents.push(Contents::default());
            }
        }
        self.times = Some(widen(self.times, time));
        self.sequences = Some(widen(self.sequences, sequence));
        self.rows += 1;
        Ok(())
    }

    /// The folds of a tier, of which the spans of the file say whose they are.
    fn folds(
        &mut self,
        file: &SegmentFile,
        tier: Tier,
        folds: &[(i64, Fold)],
    ) -> Result<(), String> {
        let mut rest = folds;
        for span in file.tiers().of(tier) {
            let count = usize::try_from(span.rows).unwrap_or(usize::MAX);
            let Some((mine, others)) = rest.split_at_checked(count) else {
                return Err(format!("folds of signal {} are missing", span.signal));
            };
            rest = others;
            let starts = mine.iter().map(|(start, _)| *start);
            let whole = starts.clone().all(|start| tier.start(start) == start);
            if !whole || !starts.is_sorted_by(|a, b| a < b) {
                return Err(format!("the folds of signal {} are not in order", span.signal));
            }
            let ends = mine.first().zip(mine.last()).map(|(first, last)| (first.0, last.0));
            if ends != Some((span.from, span.to)) {
                return Err("its directory is not that of its folds".into());
            }
            self.rows += span.rows;
        }
        Ok(())
    }

    fn close(&mut self) {
        self.spans.extend(self.span.take());
    }

    fn clock(&mut self, sequence: u64, recorded_at: i64) -> Result<(), String> {
        let backwards = self.times.is_some_and(|(_, last)| recorded_at < last)
            || self.sequences.is_some_and(|(_, last)| sequence <= last);
        if backwards {
            return Err(format!("row {} is not in order", self.rows));
        }
        self.times = Some(widen(self.times, recorded_at));
        self.sequences = Some(widen(self.sequences, sequence));
        self.rows += 1;
        Ok(())
    }
}

fn widen<T: Ord + Copy>(range: Option<(T, T)>, with: T) -> (T, T) {
    range.map_or((with, with), |(low, high)| (low.min(with), high.max(with)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rows: &[(u32, i64, u64)]) -> Result<Order, String> {
        let mut order = Order::default();
        for (signal, time, sequence) in rows {
            order.sample(SignalId(*signal), *time, *sequence)?;
        }
        order.close();
        Ok(order)
    }

    #[test]
    fn rows_come_to_spans() {
        let found = order(&[(1, -5, 9), (1, 7, 3), (1, 7, 3), (4, 0, 1)]).unwrap();
        let span = |signal, first, rows, from, to| Span {
            signal: SignalId(signal),
            first,
            rows,
            from,
            to,
        };
        assert_eq!(found.spans, [span(1, 0, 3, -5, 7), span(4, 3, 1, 0, 0)]);
        assert_eq!((found.rows, found.times, found.sequences), (4, Some((-5, 7)), Some((1, 9))));
    }

    #[test]
    fn l6_rows_out_of_order_are_told() {
        for rows in [[(2, 0, 1), (1, 0, 1)], [(1, 5, 1), (1, 4, 9)], [(1, 5, 2), (1, 5, 1)]] {
            assert_eq!(order(&rows).unwrap_err(), "row 1 is not in order", "L6");
        }
        let mut clock = Order::default();
        clock.clock(1, 10).unwrap();
        clock.clock(2, 10).unwrap();
        assert!(clock.clock(2, 11).is_err(), "L6: a sequence twice");
        assert!(clock.clock(3, 9).is_err(), "L6: the clock runs backwards");
    }
}
