//! Batches of rows into DataRow messages.
//!
//! Each column's way of writing is chosen once per batch; rows are then written one after another
//! into one growing buffer. When to send is the connection's to say.

mod binary;
mod text;

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use parx_query::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, StringArray, StringViewArray,
};
use parx_query::arrow::array::{LargeStringArray, PrimitiveArray};
use parx_query::arrow::compute::cast;
use parx_query::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
    Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Schema,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use parx_query::arrow::error::ArrowError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};

use super::error::{PgError, sqlstate};
use super::types;
use super::zone::Zone;

/// How values are written.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) zone: Zone,
    pub(crate) extra_float_digits: i32,
}

/// Text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

/// The format of each column from the codes of a Bind: none is text, one is for all.
pub(crate) fn formats(codes: &[i16], columns: usize) -> Result<Vec<Format>, PgError> {
    let read = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {other}"),
        )),
    };
    match codes {
        [] => Ok(vec![Format::Text; columns]),
        [one] => Ok(vec![read(one)?; columns]),
        each if each.len() == columns => each.iter().map(read).collect(),
        each => Err(PgError::protocol(format!(
            "bind message has {} result formats but query has {columns} columns",
            each.len()
        ))),
    }
}

/// The RowDescription of a result.
pub(crate) fn description(schema: &Schema, formats: &[Format]) -> PgWireBackendMessage {
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let of = types::of_column(field.data_type());
        let format = formats.get(index).copied().unwrap_or(Format::Text);
        let name = field.name().replace('\0', "\u{fffd}");
        let code = i16::from(format == Format::Binary);
        FieldDescription::new(name, 0, 0, of.oid(), types::size(&of), -1, code)
    });
    PgWireBackendMessage::RowDescription(RowDescription::new(fields.collect()))
}

/// A batch that is ready to be written row by row.
pub(crate) struct Rows {
    cells: Vec<(Cells, Format)>,
    style: Style,
}

impl Rows {
    pub(crate) fn new(
        batch: &RecordBatch,
        formats: &[Format],
        style: Style,
    ) -> Result<Rows, PgError> {
        let broken = |error: ArrowError| PgError::new(sqlstate::INTERNAL, error.to_string());
        let cells = batch.columns().iter().enumerate().map(|(index, column)| {
            let format = formats.get(index).copied().unwrap_or(Format::Text);
            Ok((Cells::of(column).map_err(broken)?, format))
        });
        Ok(Rows { cells: cells.collect::<Result<_, PgError>>()?, style })
    }

    /// Appends the DataRow of one row.
    pub(crate) fn put(&self, row: usize, out: &mut BytesMut) {
        out.put_u8(b'D');
        let start = out.len();
        out.put_u32(0);
        out.put_u16(self.cells.len() as u16);
        for (cells, format) in &self.cells {
            cells.put(row, *format, &self.style, out);
        }
        fill_length(out, start, 0);
    }
}

/// Writes the length of what has been appended since `start`, less `own` bytes, into its place.
fn fill_length(out: &mut BytesMut, start: usize, own: usize) {
    let length = (out.len() - start - own) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// The values of one column, in as few types as there are ways to write them.
enum Cells {
    Null,
    Bool(BooleanArray),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    UInt64(PrimitiveArray<UInt64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal128(PrimitiveArray<Decimal128Type>),
    Decimal256(PrimitiveArray<Decimal256Type>),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time64MicrosecondType>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>, bool),
    Interval(PrimitiveArray<IntervalMonthDayNanoType>),
    Duration(PrimitiveArray<DurationMicrosecondType>),
    List(Box<List>),
}

struct List {
    items: Cells,
    item_type: u32,
    nulls: Option<parx_query::arrow::buffer::NullBuffer>,
    offsets: Vec<usize>,
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Cells, ArrowError> {
        let micros =
            |zone: Option<&Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone.cloned());
        let cells = match array.data_type() {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Bool(array.as_boolean().clone()),
            DataType::Int16 => Cells::Int16(array.as_primitive().clone()),
            DataType::Int32 => Cells::Int32(array.as_primitive().clone()),
            DataType::Int64 => Cells::Int64(array.as_primitive().clone()),
            DataType::UInt64 => Cells::UInt64(array.as_primitive().clone()),
            DataType::Float32 => Cells::Float32(array.as_primitive().clone()),
            DataType::Float64 => Cells::Float64(array.as_primitive().clone()),
            DataType::Decimal128(_, _) => Cells::Decimal128(array.as_primitive().clone()),
            DataType::Decimal256(_, _) => Cells::Decimal256(array.as_primitive().clone()),
            DataType::Utf8 => Cells::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Cells::LargeText(array.as_string().clone()),
            DataType::Utf8View => Cells::TextView(array.as_string_view().clone()),
            DataType::Binary => Cells::Bytes(array.as_binary().clone()),
            DataType::Date32 => Cells::Date(array.as_primitive().clone()),
            DataType::Time64(TimeUnit::Microsecond) => Cells::Time(array.as_primitive().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Cells::Timestamp(array.as_primitive().clone(), zone.is_some())
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Cells::Interval(array.as_primitive().clone())
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Cells::Duration(array.as_primitive().clone())
            }
            DataType::List(_) => Cells::list(array)?,
            // The rest has a way to be written once it is one of the types above.
            DataType::Int8 | DataType::UInt8 => Cells::cast(array, &DataType::Int16)?,
            DataType::UInt16 => Cells::cast(array, &DataType::Int32)?,
            DataType::UInt32 => Cells::cast(array, &DataType::Int64)?,
            DataType::Float16 => Cells::cast(array, &DataType::Float32)?,
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                Cells::cast(array, &DataType::Decimal128(*precision, *scale))?
            }
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Cells::cast(array, &DataType::Binary)?
            }
            DataType::Date64 => Cells::cast(array, &DataType::Date32)?,
            DataType::Time32(_) | DataType::Time64(_) => {
                Cells::cast(array, &DataType::Time64(TimeUnit::Microsecond))?
            }
            DataType::Timestamp(_, zone) => Cells::cast(array, &micros(zone.as_ref()))?,
            DataType::Interval(_) => {
                Cells::cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?
            }
            DataType::Duration(_) => {
                Cells::cast(array, &DataType::Duration(TimeUnit::Microsecond))?
            }
            DataType::Dictionary(_, value) => Cells::cast(array, value)?,
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Cells::cast(array, &DataType::List(item.clone()))?
            }
            _ => Cells::displayed(array)?,
        };
        Ok(cells)
    }

    fn cast(array: &ArrayRef, to: &DataType) -> Result<Cells, ArrowError> {
        Cells::of(&cast(array, to)?)
    }

    /// What PostgreSQL has no type for, as arrow shows it.
    fn displayed(array: &ArrayRef) -> Result<Cells, ArrowError> {
        use parx_query::arrow::util::display::{ArrayFormatter, FormatOptions};
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        let shown = |row| array.is_valid(row).then(|| formatter.value(row).to_string());
        Ok(Cells::Text((0..array.len()).map(shown).collect()))
    }

    fn list(array: &ArrayRef) -> Result<Cells, ArrowError> {
        let lists = array.as_list::<i32>();
        Ok(Cells::List(Box::new(List {
            items: Cells::of(lists.values())?,
            item_type: types::of_column(lists.values().data_type()).oid(),
            nulls: lists.nulls().cloned(),
            offsets: lists.offsets().iter().map(|offset| *offset as usize).collect(),
        })))
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Null => true,
            Cells::Bool(array) => array.is_null(row),
            Cells::Int16(array) => array.is_null(row),
            Cells::Int32(array) => array.is_null(row),
            Cells::Int64(array) => array.is_null(row),
            Cells::UInt64(array) => array.is_null(row),
            Cells::Float32(array) => array.is_null(row),
            Cells::Float64(array) => array.is_null(row),
            Cells::Decimal128(array) => array.is_null(row),
            Cells::Decimal256(array) => array.is_null(row),
            Cells::Text(array) => array.is_null(row),
            Cells::LargeText(array) => array.is_null(row),
            Cells::TextView(array) => array.is_null(row),
            Cells::Bytes(array) => array.is_null(row),
            Cells::Date(array) => array.is_null(row),
            Cells::Time(array) => array.is_null(row),
            Cells::Timestamp(array, _) => array.is_null(row),
            Cells::Interval(array) => array.is_null(row),
            Cells::Duration(array) => array.is_null(row),
            Cells::List(list) => list.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)),
        }
    }

    /// A value with its length before it; null is a length of -1.
    fn put(&self, row: usize, format: Format, style: &Style, out: &mut BytesMut) {
        if self.is_null(row) {
            out.put_i32(-1);
            return;
        }
        let start = out.len();
        out.put_u32(0);
        match format {
            Format::Text => self.put_text(row, style, out),
            Format::Binary => self.put_binary(row, style, out),
        }
        fill_length(out, start, 4);
    }

    fn put_text(&self, row: usize, style: &Style, out: &mut BytesMut) {
        match self {
            Cells::Null => {}
            Cells::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
            Cells::Int16(array) => text::display(out, array.value(row)),
            Cells::Int32(array) => text::display(out, array.value(row)),
            Cells::Int64(array) => text::display(out, array.value(row)),
            Cells::UInt64(array) => text::display(out, array.value(row)),
            Cells::Float32(array) => text::float4(out, array.value(row), style.extra_float_digits),
            Cells::Float64(array) => text::float8(out, array.value(row), style.extra_float_digits),
            Cells::Decimal128(array) => text::display(out, array.value_as_string(row)),
            Cells::Decimal256(array) => text::display(out, array.value_as_string(row)),
            Cells::Text(array) => out.put_slice(array.value(row).as_bytes()),
            Cells::LargeText(array) => out.put_slice(array.value(row).as_bytes()),
            Cells::TextView(array) => out.put_slice(array.value(row).as_bytes()),
            Cells::Bytes(array) => text::bytea(out, array.value(row)),
            Cells::Date(array) => text::date(out, array.value(row)),
            Cells::Time(array) => text::time(out, array.value(row)),
            Cells::Timestamp(array, zoned) => {
                text::timestamp(out, array.value(row), zoned.then_some(&style.zone));
            }
            Cells::Interval(array) => {
                let value = array.value(row);
                text::interval(out, value.months, value.days, value.nanoseconds / 1000);
            }
            Cells::Duration(array) => text::interval(out, 0, 0, array.value(row)),
            Cells::List(list) => list.put_text(row, style, out),
        }
    }

    fn put_binary(&self, row: usize, style: &Style, out: &mut BytesMut) {
        match self {
            Cells::Null => {}
            Cells::Bool(array) => out.put_u8(u8::from(array.value(row))),
            Cells::Int16(array) => out.put_i16(array.value(row)),
            Cells::Int32(array) => out.put_i32(array.value(row)),
            Cells::Int64(array) => out.put_i64(array.value(row)),
            Cells::UInt64(array) => binary::numeric(out, &array.value(row).to_string()),
            Cells::Float32(array) => out.put_f32(array.value(row)),
            Cells::Float64(array) => out.put_f64(array.value(row)),
            Cells::Decimal128(array) => binary::numeric(out, &array.value_as_string(row)),
            Cells::Decimal256(array) => binary::numeric(out, &array.value_as_string(row)),
            Cells::Text(_) | Cells::LargeText(_) | Cells::TextView(_) => {
                self.put_text(row, style, out);
            }
            Cells::Bytes(array) => out.put_slice(array.value(row)),
            Cells::Date(array) => binary::date(out, array.value(row)),
            Cells::Time(array) => out.put_i64(array.value(row)),
            Cells::Timestamp(array, _) => binary::timestamp(out, array.value(row)),
            Cells::Interval(array) => {
                let value = array.value(row);
                out.put_i64(value.nanoseconds / 1000);
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            Cells::Duration(array) => {
                out.put_i64(array.value(row));
                out.put_i64(0);
            }
            Cells::List(list) => list.put_binary(row, style, out),
        }
    }
}

impl List {
    fn items(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row]..self.offsets[row + 1]
    }

    fn put_text(&self, row: usize, style: &Style, out: &mut BytesMut) {
        let mut item_text = BytesMut::new();
        out.put_u8(b'{');
        for (index, item) in self.items(row).enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            if self.items.is_null(item) {
                out.put_slice(b"NULL");
                continue;
            }
            item_text.clear();
            self.items.put_text(item, style, &mut item_text);
            match self.items {
                Cells::List(_) => out.put_slice(&item_text),
                _ => text::element(out, &item_text),
            }
        }
        out.put_u8(b'}');
    }

    fn put_binary(&self, row: usize, style: &Style, out: &mut BytesMut) {
        let items = self.items(row);
        let nulls = items.clone().any(|item| self.items.is_null(item));
        binary::array_head(out, items.len(), nulls, self.item_type);
        for item in items {
            self.items.put(item, Format::Binary, style, out);
        }
    }
}

#[cfg(test)]
mod tests;
