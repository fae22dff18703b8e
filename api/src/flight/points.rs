//! Record batches of a `DoPut` to points, or the column that is not as it should be.
//!
//! Names are looked at once a dictionary; a plain column of names is mostly recognised by what came
//! after the same name the last time. Values and times are copied as they are. It stores nothing.

use std::collections::HashMap;
use std::sync::Arc;

use parx_ingest::{Points, Series};
use parx_log::RunKind;
use parx_query::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use parx_query::arrow::compute::cast;
use parx_query::arrow::datatypes::{
    DataType, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use parx_query::arrow::error::ArrowError;

/// The columns there may be, and what they hold.
const COLUMNS: [(&str, &str); 6] = [
    ("signal", "utf8, or a dictionary of it"),
    ("time", "timestamp"),
    ("value", "float64"),
    ("value_int", "int64"),
    ("value_text", "utf8, or a dictionary of it"),
    ("quality", "int64"),
];

/// Why a batch is not samples. The stream ends; what came before it is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    /// Add the column.
    #[error("column '{name}' is missing; it holds {wanted}")]
    Missing { name: &'static str, wanted: &'static str },
    /// Add one of the columns.
    #[error("a column of values is missing; send value, value_int or value_text")]
    NoValues,
    /// Leave the column out, or give it the name that is meant.
    #[error(
        "column '{0}' is not known; the columns are signal, time, value, value_int, value_text \
         and quality"
    )]
    Unknown(String),
    /// Leave one out.
    #[error("column '{0}' is there twice")]
    Twice(String),
    /// Cast the column.
    #[error("column '{name}' is of type {got}; cast it to {wanted}")]
    Type { name: &'static str, got: DataType, wanted: &'static str },
    /// Fill the gap, or leave the row out.
    #[error("row {row} of column '{name}' is null; leave the row out")]
    Null { name: &'static str, row: usize },
    /// Round it, so that nothing is lost unsaid.
    #[error(
        "row {row} of column 'time' is {value} ns, which is between two microseconds; cast the \
         column to timestamp[us]"
    )]
    BetweenMicroseconds { row: usize, value: i64 },
    /// Correct the time.
    #[error("row {row} of column 'time' is beyond what microseconds in 64 bits can tell")]
    TimeRange { row: usize },
    /// Send OPC UA status codes.
    #[error("row {row} of column 'quality' is {value}, which is no status code of 32 bits")]
    QualityRange { row: usize, value: i64 },
    /// Arrow's own complaint.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// What a stream's batches have in common.
#[derive(Default)]
pub(super) struct Reader {
    dictionary: Option<Dictionary>,
}

/// A dictionary of names, and where its entries are among the series.
struct Dictionary {
    values: ArrayRef,
    series: Arc<Vec<Series>>,
    places: Vec<Option<u32>>,
}

/// The columns of a batch by their names.
#[derive(Default)]
struct Columns<'a> {
    found: [Option<&'a ArrayRef>; COLUMNS.len()],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Columns<'a>, BatchError> {
        let mut columns = Columns::default();
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let place = COLUMNS.iter().position(|(name, _)| name == field.name());
            let place = place.and_then(|place| columns.found.get_mut(place));
            match place.ok_or_else(|| BatchError::Unknown(field.name().clone()))? {
                Some(_) => return Err(BatchError::Twice(field.name().clone())),
                place => *place = Some(column),
            }
        }
        Ok(columns)
    }

    fn get(&self, wanted: &str) -> Option<&'a ArrayRef> {
        let place = COLUMNS.iter().position(|(name, _)| *name == wanted)?;
        *self.found.get(place)?
    }

    fn needed(&self, name: &'static str) -> Result<&'a ArrayRef, BatchError> {
        self.get(name).ok_or(BatchError::Missing { name, wanted: wanted(name) })
    }
}

fn wanted(name: &str) -> &'static str {
    COLUMNS.iter().find(|(own, _)| *own == name).map_or("", |(_, wanted)| wanted)
}

fn wrong_type(name: &'static str, column: &ArrayRef) -> BatchError {
    BatchError::Type { name, got: column.data_type().clone(), wanted: wanted(name) }
}

fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The first row that is null, as an error.
fn no_nulls(name: &'static str, column: &dyn Array) -> Result<(), BatchError> {
    match column.logical_null_count() {
        0 => Ok(()),
        _ => {
            let nulls = column.logical_nulls();
            let row = nulls.and_then(|nulls| nulls.iter().position(|valid| !valid));
            Err(BatchError::Null { name, row: row.unwrap_or_default() })
        }
    }
}

impl Reader {
    /// The points of a batch.
    pub(super) fn points(&mut self, batch: &RecordBatch) -> Result<Points, BatchError> {
        let columns = Columns::of(batch)?;
        let (series, keys) = self.names(columns.needed("signal")?)?;
        let times = times(columns.needed("time")?)?;
        let qualities = columns.get("quality").map_or(Ok(vec![]), qualities)?;
        let points = Points { series, keys, times, qualities, ..Points::default() };
        values(&columns, points)
    }

    /// The series, and the place of each row's among them.
    fn names(&mut self, column: &ArrayRef) -> Result<(Arc<Vec<Series>>, Vec<u32>), BatchError> {
        match column.data_type() {
            DataType::Dictionary(_, of) if is_text(of) => self.coded(column),
            of if is_text(of) => {
                no_nulls("signal", column)?;
                let names = cast(column, &DataType::Utf8)?;
                Ok(plain(names.as_string()))
            }
            _ => Err(wrong_type("signal", column)),
        }
    }

    fn coded(&mut self, column: &ArrayRef) -> Result<(Arc<Vec<Series>>, Vec<u32>), BatchError> {
        let Some(coded) = column.as_any_dictionary_opt() else {
            return Err(wrong_type("signal", column));
        };
        let values = coded.values();
        let dictionary = match self.dictionary.take() {
            Some(known) if Arc::ptr_eq(&known.values, values) => known,
            Some(_) | None => Dictionary::of(values)?,
        };
        no_nulls("signal", column)?;
        let keys = cast(coded.keys(), &DataType::Int32)?;
        let keys: &Int32Array = keys.as_primitive();
        let place = |key: &i32| dictionary.places.get(usize::try_from(*key).ok()?).copied()?;
        // Without nulls every key points at a name.
        let keys = keys.values().iter().map(|key| place(key).unwrap_or_default()).collect();
        let series = dictionary.series.clone();
        self.dictionary = Some(dictionary);
        Ok((series, keys))
    }
}

impl Dictionary {
    fn of(values: &ArrayRef) -> Result<Dictionary, BatchError> {
        let names = cast(values, &DataType::Utf8)?;
        let names: &StringArray = names.as_string();
        let mut series: Vec<Series> = Vec::with_capacity(names.len());
        let mut known: HashMap<&str, u32> = HashMap::with_capacity(names.len());
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            // A name that is there twice is one signal.
            places.push(name.map(|name| {
                *known.entry(name).or_insert_with(|| {
                    series.push(Series { tag: name.to_owned(), ..Series::default() });
                    series.len() as u32 - 1
                })
            }));
        }
        Ok(Dictionary { values: values.clone(), series: Arc::new(series), places })
    }
}

/// The distinct names, and the place of each row's among them.
fn plain(names: &StringArray) -> (Arc<Vec<Series>>, Vec<u32>) {
    let mut series: Vec<Series> = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    // What came after each name the last time: names mostly come in rounds.
    let mut after: Vec<u32> = Vec::new();
    let mut keys = Vec::with_capacity(names.len());
    let mut last: Option<u32> = None;
    for name in names.iter().flatten() {
        let guess = last.and_then(|last| after.get(last as usize).copied()).unwrap_or_default();
        let key = match series.get(guess as usize) {
            Some(guessed) if guessed.tag == name => guess,
            Some(_) | None => *known.entry(name).or_insert_with(|| {
                series.push(Series { tag: name.to_owned(), ..Series::default() });
                after.push(0);
                series.len() as u32 - 1
            }),
        };
        if let Some(after) = last.and_then(|last| after.get_mut(last as usize)) {
            *after = key;
        }
        keys.push(key);
        last = Some(key);
    }
    (Arc::new(series), keys)
}

/// Microseconds since 1970. A column without a zone is UTC.
fn times(column: &ArrayRef) -> Result<Vec<i64>, BatchError> {
    let DataType::Timestamp(unit, _) = column.data_type() else {
        return Err(wrong_type("time", column));
    };
    no_nulls("time", column)?;
    let scaled = |values: &[i64], factor: i64| {
        let scaled = |(row, value): (usize, &i64)| {
            value.checked_mul(factor).ok_or(BatchError::TimeRange { row })
        };
        values.iter().enumerate().map(scaled).collect()
    };
    match unit {
        TimeUnit::Second => {
            scaled(column.as_primitive::<TimestampSecondType>().values(), 1_000_000)
        }
        TimeUnit::Millisecond => {
            scaled(column.as_primitive::<TimestampMillisecondType>().values(), 1_000)
        }
        TimeUnit::Microsecond => {
            Ok(column.as_primitive::<TimestampMicrosecondType>().values().to_vec())
        }
        TimeUnit::Nanosecond => {
            let values = column.as_primitive::<TimestampNanosecondType>().values();
            let exact = |(row, value): (usize, &i64)| match value.rem_euclid(1000) {
                0 => Ok(value.div_euclid(1000)),
                _ => Err(BatchError::BetweenMicroseconds { row, value: *value }),
            };
            values.iter().enumerate().map(exact).collect()
        }
    }
}

/// Status codes; null is good.
fn qualities(column: &ArrayRef) -> Result<Vec<u32>, BatchError> {
    let codes = column.as_primitive_opt::<Int64Type>();
    let codes = codes.ok_or_else(|| wrong_type("quality", column))?;
    let code = |(row, value): (usize, Option<i64>)| {
        let value = value.unwrap_or_default();
        u32::try_from(value).map_err(|_| BatchError::QualityRange { row, value })
    };
    codes.iter().enumerate().map(code).collect()
}

/// The points with their values. Where a row has several, the exact one counts: text before
/// integer before float, as in the table `samples`.
fn values(columns: &Columns<'_>, mut points: Points) -> Result<Points, BatchError> {
    let (float, int, text) =
        (columns.get("value"), columns.get("value_int"), columns.get("value_text"));
    let floats = float.map(|column| column.as_primitive_opt().ok_or(wrong_type("value", column)));
    let floats: Option<&Float64Array> = floats.transpose()?;
    let ints = int.map(|column| column.as_primitive_opt().ok_or(wrong_type("value_int", column)));
    let ints: Option<&Int64Array> = ints.transpose()?;
    let texts = text.map(texts).transpose()?;
    let rows = points.len();
    match (floats, ints, &texts) {
        (None, None, None) => return Err(BatchError::NoValues),
        (Some(floats), None, None) if floats.null_count() == 0 => {
            points.bits = floats.values().iter().map(|value| value.to_bits()).collect();
            points.kinds = vec![RunKind::Float; rows];
            return Ok(points);
        }
        (None, Some(ints), None) if ints.null_count() == 0 => {
            points.bits = ints.values().iter().map(|value| value.cast_unsigned()).collect();
            points.kinds = vec![RunKind::Int; rows];
            return Ok(points);
        }
        _ => {}
    }
    for row in 0..rows {
        let float = floats.filter(|floats| floats.is_valid(row)).map(|floats| floats.value(row));
        let int = ints.filter(|ints| ints.is_valid(row)).map(|ints| ints.value(row));
        let text = texts.as_ref().and_then(|texts| texts.get(row)?.clone());
        let (kind, bits) = match (text, int, float) {
            (Some(text), _, _) => {
                points.texts.push(text);
                (RunKind::Text, points.texts.len() as u64 - 1)
            }
            (None, Some(int), _) => (RunKind::Int, int.cast_unsigned()),
            (None, None, Some(float)) => (RunKind::Float, float.to_bits()),
            (None, None, None) => (RunKind::None, 0),
        };
        points.kinds.push(kind);
        points.bits.push(bits);
    }
    Ok(points)
}

/// A column's texts; those that follow one another and are alike are one.
fn texts(column: &ArrayRef) -> Result<Vec<Option<Arc<str>>>, BatchError> {
    let text = match column.data_type() {
        DataType::Dictionary(_, of) => is_text(of),
        of => is_text(of),
    };
    if !text {
        return Err(wrong_type("value_text", column));
    }
    let column = cast(column, &DataType::Utf8)?;
    let mut last: Option<Arc<str>> = None;
    let mut shared = |text: &str| match &last {
        Some(own) if **own == *text => own.clone(),
        Some(_) | None => last.insert(text.into()).clone(),
    };
    Ok(column.as_string::<i32>().iter().map(|text| text.map(&mut shared)).collect())
}
