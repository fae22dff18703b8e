//! Files of folds: what a signal's rows come to by minute, hour and day.
//!
//! A *rollup* lies beside a samples segment, is born, merged and removed with it, and holds the
//! folds of that segment's rows alone, the newest of each time. So it is never stale; how the folds
//! of several segments join is `pieces`. A *kept* file holds folds whose rows were let go.

mod columns;
mod folding;
mod read;

use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parx_log::{SegmentMeta, SignalId};

use crate::file::Fresh;
use crate::schema::{self, KEY_DIRECTORY};
use crate::{Fold, SegmentError, Span, Tier, directory};

pub(crate) use folding::{Folding, Folds};
pub(crate) use read::{Tiers, tiers};

/// Folds that are collected before they go to the encoder.
const BATCH_FOLDS: usize = 8 << 10;

/// A fold of one signal's bucket, and the bucket's start.
type Stored = (SignalId, i64, Fold);

/// The path of the rollups of a segment.
pub(crate) fn path_of(segment: &str) -> Option<String> {
    segment.strip_prefix("segments/").map(|rest| format!("rollups/{rest}"))
}

/// The path of the segment of some rollups.
pub(crate) fn segment_of(rollups: &str) -> Option<String> {
    rollups.strip_prefix("rollups/").map(|rest| format!("segments/{rest}"))
}

/// Metadata key of the directory of a tier.
fn directory_key(tier: Tier) -> String {
    format!("{KEY_DIRECTORY}.{}", tier.seconds())
}

/// Writes a file of folds: the minutes of all signals, then their hours, then their days, each tier
/// sorted by signal and time. The hours and days wait in memory until the minutes are written.
pub(crate) struct FoldWriter {
    writer: ArrowWriter<Fresh>,
    path: String,
    /// Where each tier's folds are.
    spans: [Vec<Span>; 3],
    pending: Vec<Stored>,
    hours: Vec<Stored>,
    days: Vec<Stored>,
    rows: u64,
}

impl FoldWriter {
    /// Begins a file for the folds of about `rows` rows.
    pub(crate) fn create(root: &Path, path: String, rows: u64) -> Result<FoldWriter, SegmentError> {
        let schema = columns::schema();
        let properties = schema::properties(&schema, rows, &[2, 0, 1]);
        let fresh = Fresh::create(root, &path)?;
        let writer = ArrowWriter::try_new(fresh, schema, Some(properties))
            .map_err(SegmentError::encode(&path))?;
        Ok(FoldWriter {
            writer,
            path,
            spans: Default::default(),
            pending: Vec::new(),
            hours: Vec::new(),
            days: Vec::new(),
            rows: 0,
        })
    }

    /// Takes the folds of the next signal; signals come in the order of their ids.
    pub(crate) fn push(&mut self, signal: SignalId, folds: Folds) -> Result<(), SegmentError> {
        let named = |(start, fold)| (signal, start, fold);
        let Folds { minutes, hours, days } = folds;
        self.hours.extend(hours.into_iter().map(named));
        self.days.extend(days.into_iter().map(named));
        minutes.into_iter().try_for_each(|fold| self.store(Tier::Minute, named(fold)))
    }

    fn store(&mut self, tier: Tier, stored: Stored) -> Result<(), SegmentError> {
        let (signal, start, _) = stored;
        if let Some(spans) = self.spans.get_mut(tier as usize) {
            match spans.last_mut() {
                Some(span) if span.signal == signal => {
                    (span.rows, span.to) = (span.rows + 1, start);
                }
                Some(_) | None => {
                    spans.push(Span { signal, first: 0, rows: 1, from: start, to: start });
                }
            }
        }
        self.rows += 1;
        self.pending.push(stored);
        if self.pending.len() >= BATCH_FOLDS { self.drain(tier) } else { Ok(()) }
    }

    fn drain(&mut self, tier: Tier) -> Result<(), SegmentError> {
        let pending = std::mem::take(&mut self.pending);
        let batch = columns::batch(tier, &pending).map_err(SegmentError::encode(&self.path))?;
        self.writer.write(&batch).map_err(SegmentError::encode(&self.path))
    }

    /// Writes what is left and publishes the file, described as `of` is in all but what is its own.
    /// `extents` are the times of the folded rows of each signal.
    pub(crate) fn finish(
        mut self,
        of: &SegmentMeta,
        extents: &[Span],
    ) -> Result<SegmentMeta, SegmentError> {
        self.drain(Tier::Minute)?;
        let (hours, days) = (std::mem::take(&mut self.hours), std::mem::take(&mut self.days));
        for (tier, folds) in [(Tier::Hour, hours), (Tier::Day, days)] {
            // A tier begins a row group, so that reading one leaves the others alone.
            self.writer.flush().map_err(SegmentError::encode(&self.path))?;
            for stored in folds {
                self.store(tier, stored)?;
            }
            self.drain(tier)?;
        }
        let mut keys = vec![(KEY_DIRECTORY.to_owned(), directory::encode(extents))];
        let tiers = Tier::ALL.into_iter().zip(&self.spans);
        keys.extend(tiers.map(|(tier, spans)| (directory_key(tier), directory::encode(spans))));
        for (key, value) in keys {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        let fresh = self.writer.into_inner().map_err(SegmentError::encode(&self.path))?;
        let (bytes, blake3) = fresh.publish()?;
        Ok(SegmentMeta { path: self.path, rows: self.rows, bytes, blake3, ..of.clone() })
    }
}
