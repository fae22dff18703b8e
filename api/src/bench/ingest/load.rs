//! The plant in the form in which a door takes it, made ahead of the measurement.
//!
//! Whatever is generated and encoded here costs nothing while the server is fed: a client only
//! hands over bytes that lie in memory.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::{FlightData, FlightDescriptor};
use futures::TryStreamExt as _;
use parx_query::arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parx_query::arrow::error::ArrowError;

use crate::bench::plant::{DEVICE_SIGNALS, Plant, Points, tag};
use crate::bench::process::machine_memory;
use crate::bench::progress::Progress;

/// Bytes that one point takes in memory while it waits for Flight.
const FLIGHT_BYTES: u64 = 30;
/// Bytes that one point takes in memory while it waits as a line.
const LINE_BYTES: u64 = 52;
/// The descriptor that the Flight door takes samples under.
const PATH: &str = "samples";

/// A batch as messages of Flight: its schema where it is a connection's first, its dictionary, its
/// columns.
#[derive(Clone, Debug)]
pub struct Messages {
    /// What is sent.
    pub messages: Vec<FlightData>,
    /// Points in it.
    pub points: u64,
}

/// A batch as line protocol.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What is sent.
    pub text: Vec<u8>,
    /// Points in it.
    pub points: u64,
}

/// Makes one wire's form of batches.
pub trait Form: Sized {
    /// Bytes of memory for one point.
    const POINT_BYTES: u64;
    /// One batch; `first` if it is its connection's.
    fn encode(
        points: Points,
        tags: &Tags,
        first: bool,
    ) -> impl Future<Output = Result<Self, String>>;
}

/// The signals' tags, as a dictionary and as the beginnings of lines.
pub struct Tags {
    dictionary: ArrayRef,
    lines: Vec<String>,
}

impl Tags {
    /// The tags of so many signals.
    pub fn new(count: u32) -> Tags {
        let line = |signal: u32| {
            let (device, number) = (signal / DEVICE_SIGNALS, signal % DEVICE_SIGNALS);
            format!("plant,device=d{device:03} s{number:02}=")
        };
        Tags {
            dictionary: Arc::new(StringArray::from_iter_values((0..count).map(tag))),
            lines: (0..count).map(line).collect(),
        }
    }
}

impl Form for Messages {
    const POINT_BYTES: u64 = FLIGHT_BYTES;

    async fn encode(points: Points, tags: &Tags, first: bool) -> Result<Messages, String> {
        let count = points.len() as u64;
        let batch = batch(points, &tags.dictionary).map_err(|error| error.to_string())?;
        let messages = messages(batch, first).await?;
        Ok(Messages { messages, points: count })
    }
}

impl Form for Lines {
    const POINT_BYTES: u64 = LINE_BYTES;

    async fn encode(points: Points, tags: &Tags, _first: bool) -> Result<Lines, String> {
        Ok(lines(&points, tags))
    }
}

/// The next `points_max` points of a plant in batches of `rows`, dealt out to connections; each is
/// in the order of arrival. Refuses what would not fit into memory.
pub async fn make<F: Form>(
    plant: &mut Plant,
    (rows, connections): (usize, usize),
    points_max: u64,
) -> Result<Vec<Vec<F>>, String> {
    let expected = plant.points_expected().min(points_max);
    check_memory(expected * F::POINT_BYTES)?;
    let tags = Tags::new(u32::try_from(plant.classes().len()).unwrap_or(u32::MAX));
    let mut dealt: Vec<Vec<F>> = (0..connections.max(1)).map(|_| Vec::new()).collect();
    let (mut made, mut progress) = (0, Progress::new("generating", expected));
    'all: loop {
        for batches in &mut dealt {
            let wanted = (rows as u64).min(points_max - made);
            let points = plant.next(usize::try_from(wanted).unwrap_or(rows));
            if points.is_empty() {
                break 'all;
            }
            made += points.len() as u64;
            batches.push(F::encode(points, &tags, batches.is_empty()).await?);
            progress.reach(made);
        }
    }
    dealt.retain(|batches| !batches.is_empty());
    Ok(dealt)
}

fn check_memory(bytes: u64) -> Result<(), String> {
    match machine_memory() {
        Some((_, free)) if bytes > free / 2 => Err(format!(
            "the plant takes {} MiB of memory before it is sent, and {} MiB are free; choose a \
             smaller one with --signals and --hours, or fewer points with --points",
            bytes >> 20,
            free >> 20
        )),
        Some(_) | None => Ok(()),
    }
}

/// Points as the columns that the Flight door takes.
pub fn batch(points: Points, dictionary: &ArrayRef) -> Result<RecordBatch, ArrowError> {
    let keys: Int32Array = points.signals.iter().map(|signal| signal.cast_signed()).collect();
    let times = TimestampMicrosecondArray::from(points.times).with_timezone("UTC");
    let qualities = points.qualities.iter().map(|quality| i64::from(*quality));
    let signal = DictionaryArray::try_new(keys, Arc::clone(dictionary))?;
    RecordBatch::try_from_iter([
        ("signal", Arc::new(signal) as ArrayRef),
        ("time", Arc::new(times)),
        ("value", Arc::new(Float64Array::from(points.values))),
        ("quality", Arc::new(Int64Array::from_iter_values(qualities))),
    ])
}

/// A batch as messages, behind its schema if it is the `first` of a stream.
pub async fn messages(batch: RecordBatch, first: bool) -> Result<Vec<FlightData>, String> {
    use arrow_flight::encode::DictionaryHandling;
    let bytes = batch.get_array_memory_size();
    let descriptor = FlightDescriptor::new_path(vec![PATH.to_owned()]);
    let encoder = FlightDataEncoderBuilder::new()
        .with_dictionary_handling(DictionaryHandling::Resend)
        .with_max_flight_data_size(bytes * 2)
        .with_flight_descriptor(Some(descriptor))
        .build(futures::stream::iter([Ok(batch)]));
    let mut messages: Vec<FlightData> =
        encoder.try_collect().await.map_err(|error| error.to_string())?;
    if !first {
        messages.remove(0);
    }
    Ok(messages)
}

fn lines(points: &Points, tags: &Tags) -> Lines {
    let mut text = String::with_capacity(points.len() * LINE_BYTES as usize);
    let rows = points.signals.iter().zip(&points.values).zip(&points.times);
    for ((signal, value), time) in rows {
        let line = tags.lines.get(*signal as usize).map_or("", String::as_str);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{line}{value} {time}");
    }
    Lines { text: text.into_bytes(), points: points.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plant::PlantOptions;

    const TINY: PlantOptions = PlantOptions { signals: 20, ticks: 200, seed: 1 };

    #[tokio::test]
    async fn every_connection_has_a_schema_and_all_points_are_dealt_out() {
        let all = Plant::new(TINY).next(usize::MAX).len() as u64;
        let dealt = make::<Messages>(&mut Plant::new(TINY), (500, 2), u64::MAX).await.unwrap();
        assert_eq!(dealt.len(), 2);
        let points: u64 = dealt.iter().flatten().map(|batch| batch.points).sum();
        assert_eq!(points, all);
        for batches in dealt {
            let lengths: Vec<_> = batches.iter().map(|batch| batch.messages.len()).collect();
            assert_eq!(lengths[0], 3, "schema, dictionary, columns");
            assert!(lengths[1..].iter().all(|length| *length == 2), "{lengths:?}");
        }
    }

    #[tokio::test]
    async fn lines_say_what_the_door_reads() {
        let dealt = make::<Lines>(&mut Plant::new(TINY), (500, 1), 700).await.unwrap();
        let text: Vec<u8> = dealt[0].iter().flat_map(|batch| batch.text.clone()).collect();
        let text = String::from_utf8(text).unwrap();
        let expected = Plant::new(TINY).next(700);
        let rows = expected.signals.iter().zip(&expected.values).zip(&expected.times);
        assert_eq!(text.lines().count(), 700);
        for (line, ((signal, value), time)) in text.lines().zip(rows) {
            let (head, rest) = line.split_once('=').unwrap();
            let (device, rest) = rest.split_once(" ").unwrap();
            let (name, rest) = rest.split_once('=').unwrap();
            assert_eq!((head, format!("plant/{device}/{name}")), ("plant,device", tag(*signal)));
            assert_eq!(rest, format!("{value} {time}"));
            assert_eq!(rest.split(' ').next().unwrap().parse(), Ok(*value), "bit by bit");
        }
    }
}
