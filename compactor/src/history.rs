//! One signal's rows as a snapshot sees them: segments and tails merged, cut at the snapshot's
//! sequence, without what was deleted.
//!
//! Every reader of samples goes through here, so that `AS OF` and deletions mean the same
//! everywhere. Blocks on the disk.

use std::sync::Arc;

use parx_log::{Deletion, Rows, SegmentKind, SegmentMeta, SignalId, Snapshot};

use crate::{Merge, SegmentError, SegmentStore, Source, Wanted, append_range};

/// Blocks of rows of one signal, in the order of time.
pub type RowBlocks = Box<dyn Iterator<Item = Result<Rows, SegmentError>> + Send>;

/// Which versions of a sample are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versions {
    /// Of each time the one with the highest sequence, unless it was deleted.
    Newest,
    /// Every one, deleted ones too.
    All,
}

/// The segments of samples that may hold rows of these times, both included, for `snapshot`.
pub fn segments_of(
    snapshot: &Snapshot,
    (from, to): (i64, i64),
) -> impl Iterator<Item = &Arc<SegmentMeta>> {
    let through = snapshot.sequence.0;
    let all = snapshot.catalog.manifest.of_kind(SegmentKind::Samples);
    all.filter(move |meta| {
        meta.times.0 <= to && meta.times.1 >= from && meta.sequences.0 <= through
    })
}

/// The rows of `signal` from `from` to `to`, both included, in the order of time and sequence.
/// Segments are opened when their turn comes.
pub fn blocks(
    store: &SegmentStore,
    snapshot: &Snapshot,
    signal: SignalId,
    (from, to): (i64, i64),
    wanted: Wanted,
    versions: Versions,
) -> RowBlocks {
    if from > to {
        return Box::new(std::iter::empty());
    }
    let mut sources: Vec<Source> = Vec::new();
    for meta in segments_of(snapshot, (from, to)) {
        let (store, meta) = (store.clone(), meta.clone());
        let start = meta.times.0.max(from);
        let through = (meta.sequences.1 > snapshot.sequence.0).then_some(snapshot.sequence.0);
        let open = move || {
            let source = store.open(&meta)?.source(signal, from, to, wanted);
            Ok(match (source, through) {
                (Some(source), Some(through)) => Some(source.mapped(move |r| until(r, through))),
                (source, _) => source,
            })
        };
        sources.push(Source::lazy(start, open));
    }
    for tail in &snapshot.tails {
        sources.extend(Source::rows(tail.read(signal, from, to, snapshot.sequence)));
    }
    let merge = Merge::new(sources);
    match versions {
        Versions::All => Box::new(merge),
        Versions::Newest => {
            let deletions = deletions_in(snapshot, signal, (from, to));
            if deletions.is_empty() {
                return Box::new(merge.newest());
            }
            let valid = move |rows: Rows| without(rows, &deletions);
            Box::new(merge.newest().map(move |rows| rows.map(&valid)))
        }
    }
}

/// The deletions of `signal` that concern these times, as of `snapshot`.
pub fn deletions_in(
    snapshot: &Snapshot,
    signal: SignalId,
    (from, to): (i64, i64),
) -> Vec<Deletion> {
    let all = snapshot.catalog.deletions_of(signal).iter();
    all.filter(|deletion| deletion.from <= to && deletion.to >= from).copied().collect()
}

/// The rows that came with `through` or before.
fn until(rows: Rows, through: u64) -> Rows {
    keep(rows, |rows, row| rows.sequences.get(row).is_some_and(|sequence| *sequence <= through))
}

/// The rows that no deletion hides.
fn without(rows: Rows, deletions: &[Deletion]) -> Rows {
    keep(rows, |rows, row| hidden_by(rows, row, deletions).is_none())
}

/// The first deletion that hides a row.
pub fn hidden_by<'a>(rows: &Rows, row: usize, deletions: &'a [Deletion]) -> Option<&'a Deletion> {
    let (time, sequence) = (*rows.times.get(row)?, *rows.sequences.get(row)?);
    deletions.iter().find(|deletion| deletion.hides(time, sequence))
}

fn keep(rows: Rows, stays: impl Fn(&Rows, usize) -> bool) -> Rows {
    if (0..rows.len()).all(|row| stays(&rows, row)) {
        return rows;
    }
    let mut kept = Rows::default();
    let mut row = 0;
    while row < rows.len() {
        let start = row;
        while row < rows.len() && stays(&rows, row) {
            row += 1;
        }
        append_range(&mut kept, &rows, start..row);
        row += 1;
    }
    kept
}
