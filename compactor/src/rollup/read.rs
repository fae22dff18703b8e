//! Reading of folds, tier by tier.

use std::ops::Range;

use parx_log::SignalId;

use super::{columns, directory_key};
use crate::schema::column;
use crate::{Fold, SegmentError, SegmentFile, Span, Tier, directory};

/// Where each signal's folds are, tier by tier.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tiers([Vec<Span>; 3]);

impl Tiers {
    /// The spans of a tier, counted in the rows of the file.
    pub(crate) fn of(&self, tier: Tier) -> &[Span] {
        self.0.get(tier as usize).map_or(&[][..], Vec::as_slice)
    }
}

/// The directories of all tiers, whose rows follow each other; nothing if one is damaged.
pub(crate) fn tiers(entry: impl Fn(&str) -> Option<String>) -> Option<Tiers> {
    let (mut all, mut base) = (Tiers::default(), 0_u64);
    for (tier, spans) in Tier::ALL.into_iter().zip(&mut all.0) {
        *spans = directory::decode(&entry(&directory_key(tier))?)?;
        for span in spans.iter_mut() {
            span.first = span.first.checked_add(base)?;
        }
        if let Some(last) = spans.last() {
            base = last.first.checked_add(last.rows)?;
        }
    }
    Some(all)
}

impl SegmentFile {
    /// Where a signal's folds of a tier are, counted from the tier's first.
    pub(crate) fn fold_span(&self, tier: Tier, signal: SignalId) -> Option<Span> {
        let spans = self.tiers().of(tier);
        let place = spans.binary_search_by_key(&signal, |span| span.signal).ok()?;
        let span = *spans.get(place)?;
        Some(Span { first: span.first - spans.first()?.first, ..span })
    }

    /// Every fold of a tier, in the order of signal and time.
    pub(crate) fn folds_all(&self, tier: Tier) -> Result<Vec<(i64, Fold)>, SegmentError> {
        let spans = self.tiers().of(tier);
        match (spans.first(), spans.last()) {
            (Some(first), Some(last)) => self.fold_rows(first.first..last.first + last.rows),
            _ => Ok(Vec::new()),
        }
    }

    /// One signal's folds of a tier whose buckets begin from `from` to `to`.
    pub(crate) fn folds(
        &self,
        tier: Tier,
        signal: SignalId,
        (from, to): (i64, i64),
    ) -> Result<Vec<(i64, Fold)>, SegmentError> {
        let spans = self.tiers().of(tier);
        let place = spans.binary_search_by_key(&signal, |span| span.signal);
        let Some(span) = place.ok().and_then(|place| spans.get(place)) else {
            return Ok(Vec::new());
        };
        let rows = span.first..span.first + span.rows;
        let mut folds = Vec::new();
        for range in self.select(column::TIME, rows, |low, high| low <= to && high >= from) {
            folds.extend(self.fold_rows(range)?);
        }
        folds.retain(|(start, _)| (from..=to).contains(start));
        Ok(folds)
    }

    fn fold_rows(&self, range: Range<u64>) -> Result<Vec<(i64, Fold)>, SegmentError> {
        let mut all = Vec::new();
        let columns =
            Vec::from_iter(0..self.metadata().file_metadata().schema_descr().num_columns());
        let damaged = |what: &dyn ToString| SegmentError::damaged(self.path(), what.to_string());
        for batch in self.reader(std::slice::from_ref(&range), &columns)? {
            let batch = batch.map_err(|error| damaged(&error))?;
            all.extend(columns::folds(&batch).map_err(|what| damaged(&what))?);
        }
        Ok(all)
    }
}
