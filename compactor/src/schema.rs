//! The columns of a segment, how they are encoded, and rows to columns and back.
//!
//! The exact type of a row is in `kind`; a number is a plain double, a whole number or steps on a
//! lattice, in one of them only. Knows no files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Field, Int8Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use parx_log::{Rows, RunKind, SignalId};

use crate::lattice::{self, Placed};

/// The format version that is written (L4).
pub const SEGMENT_VERSION: &str = "2";
/// The format version before lattices, which is read too.
pub(crate) const SEGMENT_VERSION_PLAIN: &str = "1";

/// Metadata key of the format version.
pub(crate) const KEY_VERSION: &str = "parx.segment";
/// Metadata key of the signal directory.
pub(crate) const KEY_DIRECTORY: &str = "parx.directory";
/// Metadata key of what each signal's rows are made of.
pub(crate) const KEY_CONTENTS: &str = "parx.contents";

/// Rows of a page, of which all are decoded if one is wanted: few where many signals share a file.
pub(crate) const PAGE_ROWS: usize = 8192;
const PAGE_ROWS_SMALL: usize = 1024;
/// Rows of a file up to which its pages are small.
const SMALL_ROWS_MAX: u64 = 1 << 19;
const GROUP_ROWS_MIN: u64 = 128 << 10;
const GROUP_ROWS_MAX: u64 = 1 << 20;

/// Columns of a samples segment by their place.
pub(crate) mod column {
    pub(crate) const TIME: usize = 1;
    pub(crate) const VALUE: usize = 2;
    pub(crate) const VALUE_INT: usize = 3;
    pub(crate) const VALUE_TEXT: usize = 4;
    pub(crate) const QUALITY: usize = 5;
    pub(crate) const SEQUENCE: usize = 6;
    pub(crate) const KIND: usize = 7;
    /// Steps, base, step and divisor; files of version 1 have none.
    pub(crate) const LATTICE: [usize; 4] = [8, 9, 10, 11];
}

pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The schema of a samples segment.
pub(crate) fn samples_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("signal_id", DataType::Int32, false),
        Field::new("time", time_type(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("value_int", DataType::Int64, true),
        Field::new("value_text", DataType::Utf8, true),
        Field::new("quality", DataType::Int64, false),
        Field::new("sequence", DataType::Int64, false),
        Field::new("kind", DataType::Int8, false),
        Field::new("steps", DataType::Int32, true),
        Field::new("base", DataType::Float64, true),
        Field::new("step", DataType::Float64, true),
        Field::new("divisor", DataType::Float64, true),
    ]))
}

/// The schema of a clock segment.
pub(crate) fn clock_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("sequence", DataType::Int64, false),
        Field::new("recorded_at", time_type(), false),
    ]))
}

/// How a segment of about `rows` rows is written. The first two columns get page statistics; of the
/// others nobody prunes by any.
pub(crate) fn properties(schema: &Schema, rows: u64, sorted_by: &[i32]) -> WriterProperties {
    let group = (rows / 128).clamp(GROUP_ROWS_MIN, GROUP_ROWS_MAX) as usize;
    let page = if rows <= SMALL_ROWS_MAX { PAGE_ROWS_SMALL } else { PAGE_ROWS };
    let sorting = sorted_by.iter().map(|column| SortingColumn {
        column_idx: *column,
        descending: false,
        nulls_first: false,
    });
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("ParX {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page / 4)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_sorting_columns(Some(sorting.collect()))
        .set_key_value_metadata(Some(vec![KeyValue::new(
            KEY_VERSION.to_owned(),
            SEGMENT_VERSION.to_owned(),
        )]));
    for (place, field) in schema.fields().iter().enumerate() {
        let path = ColumnPath::from(field.name().as_str());
        if place < 2 {
            builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
        }
        // Runs of one value, of which little is left to compress: a reader of them needs no state
        // of the compressor, which takes longer to set up than a page to read.
        if let "quality" | "kind" | "base" | "step" | "divisor" | "tier" = field.name().as_str() {
            builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        builder = match field.name().as_str() {
            "signal_id" | "time" | "value_int" | "sequence" | "steps" | "recorded_at"
            | "first_time" | "last_time" | "begin_time" | "end_time" | "rows" | "values"
            | "good" | "fair" | "odd" | "good_time" => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // What is on no lattice uses most of its bits.
            "value" => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT),
            "min" | "max" | "sum" | "first" | "last" | "integral_stepped" | "integral_sloped"
            | "carried_stepped" | "carried_sloped" => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::PLAIN),
            _ => builder.set_column_dictionary_enabled(path, true),
        };
    }
    builder.build()
}

fn kind_code(kind: RunKind) -> i8 {
    match kind {
        RunKind::None => 0,
        RunKind::Float => 1,
        RunKind::Int => 2,
        RunKind::Bool => 3,
        RunKind::Text => 4,
    }
}

fn kind_of(code: i8) -> Option<RunKind> {
    Some(match code {
        0 => RunKind::None,
        1 => RunKind::Float,
        2 => RunKind::Int,
        3 => RunKind::Bool,
        4 => RunKind::Text,
        _ => return None,
    })
}

/// Columns of a segment from rows; `signals` says how many of them belong to which signal, `placed`
/// which of them are on a lattice.
pub(crate) fn batch(
    signals: &[(SignalId, usize)],
    rows: &Rows,
    placed: &Placed,
) -> Result<RecordBatch, ArrowError> {
    let ids = signals.iter().flat_map(|(id, n)| std::iter::repeat_n(id.0.cast_signed(), *n));
    let sequences = rows.sequences.iter().map(|sequence| sequence.cast_signed());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(ids)),
        Arc::new(TimestampMicrosecondArray::from(rows.times.clone()).with_timezone("UTC")),
        Arc::new(values_plain(rows, placed)),
        Arc::new(values_int(rows)),
        Arc::new(values_text(rows)),
        Arc::new(Int64Array::from_iter_values(rows.qualities.iter().map(|q| i64::from(*q)))),
        Arc::new(Int64Array::from_iter_values(sequences)),
        Arc::new(Int8Array::from_iter_values(rows.kinds.iter().map(|kind| kind_code(*kind)))),
    ];
    columns.extend(placed.columns());
    RecordBatch::try_new(samples_schema(), columns)
}

/// The numbers that are on no lattice.
fn values_plain(rows: &Rows, placed: &Placed) -> Float64Array {
    let plain = |kind: &RunKind| *kind == RunKind::Float;
    if placed.is_empty() && rows.kinds.iter().all(plain) {
        return Float64Array::from_iter_values(rows.bits.iter().map(|bits| f64::from_bits(*bits)));
    }
    let numbers = rows.kinds.iter().zip(&rows.bits).map(|(kind, b)| lattice::number(*kind, *b));
    if placed.is_empty() {
        return numbers.collect();
    }
    numbers.zip(placed.steps()).map(|(number, steps)| number.filter(|_| steps.is_none())).collect()
}

fn values_int(rows: &Rows) -> Int64Array {
    if !rows.kinds.contains(&RunKind::Int) {
        return Int64Array::new_null(rows.len());
    }
    let whole = |(kind, bits): (&RunKind, &u64)| (*kind == RunKind::Int).then_some(*bits as i64);
    rows.kinds.iter().zip(&rows.bits).map(whole).collect()
}

fn values_text(rows: &Rows) -> StringArray {
    if rows.texts.is_empty() {
        return StringArray::new_null(rows.len());
    }
    let text = |(kind, bits): (&RunKind, &u64)| match kind {
        RunKind::Text => rows.texts.get(*bits as usize),
        RunKind::None | RunKind::Float | RunKind::Int | RunKind::Bool => None,
    };
    rows.kinds.iter().zip(&rows.bits).map(text).collect()
}

/// Rows from columns of a segment, all of `kind` where that is known. Columns that were not read
/// give 0 and no value.
pub(crate) fn rows(batch: &RecordBatch, kind: Option<RunKind>) -> Result<Rows, &'static str> {
    let count = batch.num_rows();
    let mut rows = Rows {
        times: numbers::<TimestampMicrosecondType>(batch, "time")?.to_vec(),
        sequences: Vec::new(),
        qualities: Vec::new(),
        kinds: vec![kind.unwrap_or(RunKind::None); count],
        bits: Vec::new(),
        texts: Vec::new(),
    };
    if batch.column_by_name("sequence").is_some() {
        let sequences = numbers::<Int64Type>(batch, "sequence")?;
        rows.sequences = sequences.iter().map(|sequence| sequence.cast_unsigned()).collect();
    }
    if batch.column_by_name("quality").is_some() {
        let narrow = |quality: &i64| u32::try_from(*quality).map_err(|_| "quality is no u32");
        rows.qualities =
            numbers::<Int64Type>(batch, "quality")?.iter().map(narrow).collect::<Result<_, _>>()?;
    }
    match kind {
        Some(kind) => alike(batch, kind, &mut rows)?,
        None if batch.column_by_name("kind").is_some() => values(batch, &mut rows)?,
        None => {}
    }
    rows.sequences.resize(count, 0);
    rows.qualities.resize(count, 0);
    rows.bits.resize(count, 0);
    Ok(rows)
}

/// The values of rows that are all of one kind.
fn alike(batch: &RecordBatch, kind: RunKind, rows: &mut Rows) -> Result<(), &'static str> {
    rows.bits = match kind {
        RunKind::None => Vec::new(),
        RunKind::Float => lattice::numbers(batch)?.into_iter().map(f64::to_bits).collect(),
        RunKind::Int => {
            numbers::<Int64Type>(batch, "value_int")?.iter().map(|x| x.cast_unsigned()).collect()
        }
        RunKind::Bool => {
            lattice::numbers(batch)?.into_iter().map(|x| u64::from(x != 0.0)).collect()
        }
        RunKind::Text => {
            let texts = batch.column_by_name("value_text").and_then(|c| c.as_string_opt::<i32>());
            let texts = texts.ok_or("value_text is not text")?;
            rows.texts = texts.iter().flatten().map(Into::into).collect();
            if rows.texts.len() < rows.times.len() {
                return Err("a text is missing");
            }
            (0..rows.texts.len() as u64).collect()
        }
    };
    Ok(())
}

fn values(batch: &RecordBatch, rows: &mut Rows) -> Result<(), &'static str> {
    let kinds = numbers::<Int8Type>(batch, "kind")?;
    let floats = lattice::numbers(batch)?;
    let ints = numbers::<Int64Type>(batch, "value_int")?;
    let texts = batch.column_by_name("value_text").and_then(|c| c.as_string_opt::<i32>());
    let texts = texts.ok_or("value_text is not text")?;
    rows.bits = vec![0; kinds.len()];
    for (row, code) in kinds.iter().enumerate() {
        let kind = kind_of(*code).ok_or("kind is none that is known")?;
        let number = floats.get(row).copied().unwrap_or_default();
        let bits = match kind {
            RunKind::None => 0,
            RunKind::Float => number.to_bits(),
            RunKind::Int => ints.get(row).copied().unwrap_or_default().cast_unsigned(),
            RunKind::Bool => u64::from(number != 0.0),
            RunKind::Text if texts.is_null(row) => return Err("a text is missing"),
            RunKind::Text => {
                rows.texts.push(texts.value(row).into());
                rows.texts.len() as u64 - 1
            }
        };
        if let (Some(k), Some(b)) = (rows.kinds.get_mut(row), rows.bits.get_mut(row)) {
            (*k, *b) = (kind, bits);
        }
    }
    Ok(())
}

/// The plain numbers of a column, whatever stands where it is null.
pub(crate) fn numbers<'a, T: arrow::datatypes::ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a [T::Native], &'static str> {
    let column = batch.column_by_name(name).ok_or("a column is missing")?;
    Ok(column.as_primitive_opt::<T>().ok_or("a column has another type")?.values())
}

/// Pairs of sequence and time from columns of a clock segment.
pub(crate) fn clock_pairs(batch: &RecordBatch) -> Result<Vec<(u64, i64)>, &'static str> {
    let sequences = numbers::<Int64Type>(batch, "sequence")?;
    let times = numbers::<TimestampMicrosecondType>(batch, "recorded_at")?;
    Ok(sequences.iter().map(|s| s.cast_unsigned()).zip(times.iter().copied()).collect())
}
