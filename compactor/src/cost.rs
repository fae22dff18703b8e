//! What each column and each signal of a segment costs on the disk.
//!
//! From the page index alone; no page is read. A page that holds rows of several signals is shared
//! out by their rows, and so is a dictionary.

use std::collections::BTreeMap;

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parx_log::SignalId;

use crate::{SegmentFile, Span};

/// Bytes of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Pages by column and signal; parts of shared pages are fractions.
    pub columns: BTreeMap<String, BTreeMap<SignalId, f64>>,
    /// What is no page: footer, page index, directory.
    pub rest: f64,
}

/// What the columns and signals of `file` cost.
pub fn costs(file: &SegmentFile) -> Costs {
    let metadata = file.metadata();
    let mut costs = Costs { rest: file.meta().bytes as f64, ..Costs::default() };
    let mut first_row = 0;
    for (place, group) in metadata.row_groups().iter().enumerate() {
        let offsets = metadata.offset_index().and_then(|index| index.get(place));
        for (column, chunk) in group.columns().iter().enumerate() {
            let name = chunk.column_path().string();
            let signals = costs.columns.entry(name).or_default();
            let bytes = chunk.compressed_size() as f64;
            let pages = offsets.and_then(|offsets| offsets.get(column));
            let paged =
                pages.map_or(0.0, |pages| share_pages(signals, file, group, pages, first_row));
            let rows = first_row..first_row + rows_of(group);
            share(signals, file.spans(), rows, bytes - paged);
            costs.rest -= bytes;
        }
        first_row += rows_of(group);
    }
    costs
}

fn rows_of(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0)
}

/// Gives each page of a chunk to the signals whose rows it holds; how many bytes that were.
fn share_pages(
    signals: &mut BTreeMap<SignalId, f64>,
    file: &SegmentFile,
    group: &RowGroupMetaData,
    pages: &OffsetIndexMetaData,
    first_row: u64,
) -> f64 {
    let pages = pages.page_locations();
    let starts = pages.iter().map(|page| u64::try_from(page.first_row_index).unwrap_or(0));
    let ends = starts.clone().skip(1).chain([rows_of(group)]);
    let mut paged = 0.0;
    for ((page, start), end) in pages.iter().zip(starts).zip(ends) {
        let bytes = f64::from(page.compressed_page_size);
        share(signals, file.spans(), first_row + start..first_row + end, bytes);
        paged += bytes;
    }
    paged
}

/// Shares `bytes` out among the signals that have rows in `rows`.
fn share(
    signals: &mut BTreeMap<SignalId, f64>,
    spans: &[Span],
    rows: std::ops::Range<u64>,
    bytes: f64,
) {
    let all = rows.end.saturating_sub(rows.start);
    let first = spans.partition_point(|span| span.first + span.rows <= rows.start);
    let spans = spans.iter().skip(first).take_while(|span| span.first < rows.end);
    for span in spans {
        let (from, to) = (span.first.max(rows.start), (span.first + span.rows).min(rows.end));
        *signals.entry(span.signal).or_default() += bytes * (to - from) as f64 / all as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shared_out_by_rows_and_none_is_lost() {
        let span =
            |signal, first, rows| Span { signal: SignalId(signal), first, rows, from: 0, to: 0 };
        let spans = [span(1, 0, 10), span(4, 10, 30), span(9, 40, 60)];
        type Case = (std::ops::Range<u64>, &'static [(u32, f64)]);
        let table: [Case; 4] = [
            (0..10, &[(1, 100.0)]),
            (0..100, &[(1, 10.0), (4, 30.0), (9, 60.0)]),
            (30..50, &[(4, 50.0), (9, 50.0)]),
            (99..100, &[(9, 100.0)]),
        ];
        for (rows, expected) in table {
            let mut signals = BTreeMap::new();
            share(&mut signals, &spans, rows.clone(), 100.0);
            let expected = expected.iter().map(|(signal, bytes)| (SignalId(*signal), *bytes));
            assert_eq!(signals, expected.collect(), "{rows:?}");
        }
    }
}
