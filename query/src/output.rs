//! Rows of signals to columns of `samples`, only those that are asked for.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Builder, Int32Array, Int64Array, Int64Builder, RecordBatch,
    RecordBatchOptions, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use parx_compactor::hidden_by;
use parx_log::{Catalog, Quality, Rows, RunKind, Signal};

/// Columns of `samples` by their place.
pub(crate) mod column {
    pub(crate) const SIGNAL: usize = 0;
    pub(crate) const TIME: usize = 1;
    pub(crate) const VALUE: usize = 2;
    pub(crate) const VALUE_INT: usize = 3;
    pub(crate) const VALUE_TEXT: usize = 4;
    pub(crate) const QUALITY: usize = 5;
    pub(crate) const STATUS: usize = 6;
    pub(crate) const SIGNAL_ID: usize = 7;
    pub(crate) const SEQUENCE: usize = 8;
    pub(crate) const RECORDED_AT: usize = 9;
    /// Of `samples_history` alone.
    pub(crate) const DELETED_BY: usize = 10;
}

/// Rows of one signal after another.
pub(crate) type Pieces = Vec<(Arc<Signal>, Rows)>;

/// The columns `projection` of `pieces`, of which `catalog` knows the deletions; `recorded` is
/// asked for each sequence where it is needed.
pub(crate) fn batch<E: From<ArrowError>>(
    pieces: &Pieces,
    projection: &[usize],
    schema: SchemaRef,
    catalog: &Catalog,
    recorded: impl Fn(&[u64]) -> Result<Vec<Option<i64>>, E>,
) -> Result<RecordBatch, E> {
    let count = pieces.iter().map(|(_, rows)| rows.len()).sum();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(projection.len());
    for place in projection {
        columns.push(match *place {
            column::RECORDED_AT => {
                let all: Vec<u64> =
                    pieces.iter().flat_map(|(_, rows)| rows.sequences.iter().copied()).collect();
                let times = TimestampMicrosecondArray::from(recorded(&all)?);
                Arc::new(times.with_timezone("UTC"))
            }
            column::DELETED_BY => deletions(pieces, catalog),
            place => array(pieces, place, count),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn array(pieces: &Pieces, place: usize, count: usize) -> ArrayRef {
    let rows = || pieces.iter().map(|(_, rows)| rows);
    match place {
        column::SIGNAL => {
            let bytes = pieces.iter().map(|(s, rows)| s.definition.tag.len() * rows.len()).sum();
            let mut tags = StringBuilder::with_capacity(count, bytes);
            for (signal, rows) in pieces {
                (0..rows.len()).for_each(|_| tags.append_value(&signal.definition.tag));
            }
            Arc::new(tags.finish())
        }
        column::TIME => {
            let mut times = Vec::with_capacity(count);
            rows().for_each(|rows| times.extend_from_slice(&rows.times));
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        }
        column::VALUE => values(pieces, count),
        column::VALUE_INT => {
            let mut ints = Int64Builder::with_capacity(count);
            for rows in rows() {
                for (kind, bits) in rows.kinds.iter().zip(&rows.bits) {
                    ints.append_option((*kind == RunKind::Int).then_some(*bits as i64));
                }
            }
            Arc::new(ints.finish())
        }
        column::VALUE_TEXT => texts(pieces, count),
        column::QUALITY => {
            let codes = rows().flat_map(|rows| rows.qualities.iter().map(|code| i64::from(*code)));
            Arc::new(Int64Array::from_iter_values(codes))
        }
        column::STATUS => {
            let mut words = StringBuilder::with_capacity(count, count * 4);
            let codes = rows().flat_map(|rows| &rows.qualities);
            codes.for_each(|code| words.append_value(Quality(*code).severity().word()));
            Arc::new(words.finish())
        }
        column::SIGNAL_ID => {
            let ids = pieces.iter().flat_map(|(signal, rows)| {
                std::iter::repeat_n(signal.id.0.cast_signed(), rows.len())
            });
            Arc::new(Int32Array::from_iter_values(ids))
        }
        _ => {
            let sequences = rows().flat_map(|rows| rows.sequences.iter().map(|s| s.cast_signed()));
            Arc::new(Int64Array::from_iter_values(sequences))
        }
    }
}

/// The deletion that hides each row.
fn deletions(pieces: &Pieces, catalog: &Catalog) -> ArrayRef {
    let hidden = pieces.iter().flat_map(|(signal, rows)| {
        let deletions = catalog.deletions_of(signal.id);
        (0..rows.len()).map(move |row| hidden_by(rows, row, deletions))
    });
    Arc::new(hidden.map(|by| by.map(|by| by.sequence.0.cast_signed())).collect::<Int64Array>())
}

fn values(pieces: &Pieces, count: usize) -> ArrayRef {
    let mut values = Float64Builder::with_capacity(count);
    for (_, rows) in pieces {
        for (kind, bits) in rows.kinds.iter().zip(&rows.bits) {
            values.append_option(match kind {
                RunKind::Float => Some(f64::from_bits(*bits)),
                RunKind::Int => Some(*bits as i64 as f64),
                RunKind::Bool => Some(if *bits == 0 { 0.0 } else { 1.0 }),
                RunKind::None | RunKind::Text => None,
            });
        }
    }
    Arc::new(values.finish())
}

fn texts(pieces: &Pieces, count: usize) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(count, 0);
    for (_, rows) in pieces {
        if rows.texts.is_empty() {
            texts.append_nulls(rows.len());
            continue;
        }
        for (kind, bits) in rows.kinds.iter().zip(&rows.bits) {
            match kind {
                RunKind::Text => texts.append_option(rows.texts.get(*bits as usize)),
                RunKind::None | RunKind::Float | RunKind::Int | RunKind::Bool => {
                    texts.append_null();
                }
            }
        }
    }
    Arc::new(texts.finish())
}
