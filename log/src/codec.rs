//! Bytes of an entry, as they lie in the log. Drawn byte by byte in `log/DESIGN.md`.
//!
//! Everything read is checked: a checksum over the whole entry and its sequence first, then every
//! length. An unknown version is refused (L4); damage is reported, never guessed around (L6).

use std::sync::Arc;

use lz4_flex::block::{compress_into, get_maximum_output_size};

use crate::bytes::{Reader, write_varint, write_zigzag, write_zigzags};
use crate::{BatchId, Change, Entry, Event, Run, RunKind, Samples, Sequence, SignalId, Timestamp};

/// Version of the entry's layout that is written.
pub const ENTRY_VERSION: u8 = 1;
/// Length of the fixed part.
const HEADER_BYTES: usize = 24;
/// Most bytes that a payload may have once it is unpacked.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 20;

const KIND_SAMPLES: u8 = 1;
const KIND_CHANGE: u8 = 2;
const CODEC_NONE: u8 = 0;
const CODEC_LZ4: u8 = 1;

/// True if these bytes, not yet checked, are of a change.
pub(crate) fn is_change(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&KIND_CHANGE)
}

/// Why bytes are not an entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Use the ParX that wrote it, or a newer one.
    #[error("entry {sequence} has format version {version}; this ParX reads up to {ENTRY_VERSION}")]
    Version {
        /// The entry.
        sequence: Sequence,
        /// Its version.
        version: u8,
    },
    /// The storage is damaged: restore from a backup.
    #[error("entry {sequence} is damaged: {what}")]
    Damaged {
        /// The entry.
        sequence: Sequence,
        /// What does not fit.
        what: &'static str,
    },
}

/// The bytes of `entry`.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let (kind, payload) = match &entry.event {
        Event::Samples(samples) => (KIND_SAMPLES, encode_samples(samples)),
        Event::Change(change) => (KIND_CHANGE, serde_json::to_vec(&**change)?),
    };
    let author = entry.author.as_bytes();
    let author = author.get(..author.len().min(u16::MAX as usize)).unwrap_or_default();
    let start = HEADER_BYTES + author.len();

    let mut bytes = Vec::with_capacity(start + get_maximum_output_size(payload.len()));
    bytes.extend([ENTRY_VERSION, kind, CODEC_LZ4, 0]);
    bytes.extend([0; 4]); // the checksum, below
    bytes.extend(entry.recorded_at.micros().to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend((author.len() as u32).to_le_bytes());
    bytes.extend(author);
    bytes.resize(bytes.capacity(), 0);
    let packed = compress_into(&payload, bytes.get_mut(start..).unwrap_or_default());
    match packed {
        Ok(length) if length < payload.len() => bytes.truncate(start + length),
        Ok(_) | Err(_) => {
            bytes.truncate(start);
            bytes.extend_from_slice(&payload);
            if let Some(codec) = bytes.get_mut(2) {
                *codec = CODEC_NONE;
            }
        }
    }
    let sum = checksum(entry.sequence, &bytes);
    if let Some(place) = bytes.get_mut(4..8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    Ok(bytes)
}

/// The entry that `bytes` at `sequence` are.
pub fn decode(sequence: Sequence, bytes: &[u8]) -> Result<Entry, DecodeError> {
    let damaged = |what| DecodeError::Damaged { sequence, what };
    let mut reader = Reader::new(bytes);
    let version = reader.u8().ok_or(damaged("it is empty"))?;
    let kind = reader.u8().ok_or(damaged("it is cut off"))?;
    let codec = reader.u8().ok_or(damaged("it is cut off"))?;
    let flags = reader.u8().ok_or(damaged("it is cut off"))?;
    let sum = reader.u32_le().ok_or(damaged("it is cut off"))?;
    if sum != checksum(sequence, bytes) {
        return Err(damaged("its checksum does not match"));
    }
    if version != ENTRY_VERSION || flags != 0 {
        return Err(DecodeError::Version { sequence, version });
    }
    let recorded_at = reader.i64_le().ok_or(damaged("it is cut off"))?;
    let raw_len = reader.u32_le().ok_or(damaged("it is cut off"))? as usize;
    let author_len = reader.u32_le().ok_or(damaged("it is cut off"))? as usize;
    let author = reader.take(author_len).ok_or(damaged("its author is cut off"))?;
    let author = std::str::from_utf8(author).map_err(|_| damaged("its author is not UTF-8"))?;
    let payload = unpack(codec, raw_len, reader.rest()).map_err(damaged)?;
    let event = match kind {
        KIND_SAMPLES => {
            let samples = decode_samples(&payload).ok_or(damaged("its samples do not add up"))?;
            Event::Samples(Arc::new(samples))
        }
        KIND_CHANGE => {
            let change = serde_json::from_slice::<Change>(&payload)
                .map_err(|_| damaged("its change is of a kind or shape that is not known"))?;
            Event::Change(Arc::new(change))
        }
        _ => return Err(damaged("its kind is not known")),
    };
    let recorded_at = Timestamp::from_micros(recorded_at);
    Ok(Entry { sequence, recorded_at, author: author.into(), event })
}

/// CRC-32 (IEEE) over the sequence and everything but the checksum's own four bytes.
fn checksum(sequence: Sequence, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.0.to_be_bytes());
    hasher.update(bytes.get(..4).unwrap_or_default());
    hasher.update(bytes.get(8..).unwrap_or_default());
    hasher.finalize()
}

fn unpack(codec: u8, raw_len: usize, body: &[u8]) -> Result<Vec<u8>, &'static str> {
    if raw_len > PAYLOAD_BYTES_MAX {
        return Err("its length is beyond the limit");
    }
    match codec {
        CODEC_NONE if body.len() == raw_len => Ok(body.to_vec()),
        CODEC_NONE => Err("its length does not fit"),
        CODEC_LZ4 => match lz4_flex::decompress(body, raw_len) {
            Ok(payload) if payload.len() == raw_len => Ok(payload),
            Ok(_) | Err(_) => Err("it does not unpack"),
        },
        _ => Err("its codec is not known"),
    }
}

fn kind_code(kind: RunKind) -> u64 {
    match kind {
        RunKind::None => 0,
        RunKind::Float => 1,
        RunKind::Int => 2,
        RunKind::Bool => 3,
        RunKind::Text => 4,
    }
}

fn kind_of(code: u64) -> Option<RunKind> {
    let kinds = [RunKind::None, RunKind::Float, RunKind::Int, RunKind::Bool, RunKind::Text];
    kinds.get(usize::try_from(code).ok()?).copied()
}

fn encode_samples(samples: &Samples) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + samples.len() * 12);
    write_varint(&mut out, samples.batches.len() as u64);
    for batch in &samples.batches {
        write_varint(&mut out, batch.producer.len() as u64);
        out.extend(batch.producer.as_bytes());
        write_varint(&mut out, batch.epoch);
        write_varint(&mut out, batch.sequence);
    }
    write_varint(&mut out, samples.runs.len() as u64);
    let mut signal = 0;
    for run in &samples.runs {
        write_zigzag(&mut out, i64::from(run.signal.0) - signal);
        signal = i64::from(run.signal.0);
        write_varint(&mut out, (run.count as u64) << 3 | kind_code(run.kind));
    }
    encode_times(&mut out, samples);
    for same in samples.qualities.chunk_by(|a, b| a == b) {
        write_varint(&mut out, u64::from(same.first().copied().unwrap_or_default()));
        write_varint(&mut out, same.len() as u64);
    }
    encode_values(&mut out, samples);
    out
}

/// Delta of delta inside a run; the first of a run as distance to the first of the run before.
fn encode_times(out: &mut Vec<u8>, samples: &Samples) {
    let (mut row, mut first) = (0, 0_i64);
    for run in &samples.runs {
        let times = samples.times.get(row..row + run.count).unwrap_or_default();
        row += run.count;
        let (mut last, mut delta) = (first, 0_i64);
        let bends = times.iter().map(|time| {
            let step = time.wrapping_sub(last);
            let bend = step.wrapping_sub(delta);
            (last, delta) = (*time, step);
            bend
        });
        write_zigzags(out, bends);
        first = times.first().copied().unwrap_or(first);
    }
}

fn encode_values(out: &mut Vec<u8>, samples: &Samples) {
    let mut row = 0;
    for run in &samples.runs {
        let bits = samples.bits.get(row..row + run.count).unwrap_or_default();
        row += run.count;
        match run.kind {
            RunKind::None => {}
            RunKind::Float | RunKind::Int => {
                let start = out.len();
                out.resize(start + bits.len() * 8, 0);
                let words = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<8>().0;
                words.iter_mut().zip(bits).for_each(|(word, bits)| *word = bits.to_le_bytes());
            }
            RunKind::Bool => out.extend(bits.chunks(8).map(|eight| {
                eight.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit != 0) << i)
            })),
            RunKind::Text => {
                for index in bits {
                    let text = samples.texts.get(*index as usize).map_or("", |text| text);
                    write_varint(out, text.len() as u64);
                    out.extend(text.as_bytes());
                }
            }
        }
    }
}

fn decode_samples(payload: &[u8]) -> Option<Samples> {
    let reader = &mut Reader::new(payload);
    let mut samples = Samples::default();
    for _ in 0..reader.varint()? {
        let length = usize::try_from(reader.varint()?).ok()?;
        let producer = std::str::from_utf8(reader.take(length)?).ok()?.to_owned();
        let (epoch, sequence) = (reader.varint()?, reader.varint()?);
        samples.batches.push(BatchId { producer, epoch, sequence });
    }
    let (mut signal, mut rows) = (0_i64, 0_usize);
    for _ in 0..reader.varint()? {
        signal = signal.checked_add(reader.zigzag()?)?;
        let packed = reader.varint()?;
        let count = usize::try_from(packed >> 3).ok()?;
        rows = rows.checked_add(count).filter(|rows| *rows <= PAYLOAD_BYTES_MAX)?;
        let signal = SignalId(u32::try_from(signal).ok()?);
        samples.runs.push(Run { signal, kind: kind_of(packed & 7)?, count });
    }
    // Every row takes at least a byte for its time, which bounds what a damaged count can ask for.
    if rows > reader.rest().len() {
        return None;
    }
    samples.times.reserve_exact(rows);
    samples.bits.reserve_exact(rows);
    decode_times(reader, &mut samples)?;
    while samples.qualities.len() < rows {
        let quality = u32::try_from(reader.varint()?).ok()?;
        let same = usize::try_from(reader.varint()?).ok()?;
        let total = samples.qualities.len().checked_add(same)?;
        if same == 0 || total > rows {
            return None;
        }
        samples.qualities.resize(total, quality);
    }
    decode_values(reader, &mut samples)?;
    reader.rest().is_empty().then_some(samples)
}

fn decode_times(reader: &mut Reader<'_>, samples: &mut Samples) -> Option<()> {
    let mut first = 0_i64;
    for run in &samples.runs {
        let start = samples.times.len();
        let (mut last, mut delta) = (first, 0_i64);
        for _ in 0..run.count {
            delta = delta.wrapping_add(reader.zigzag()?);
            last = last.wrapping_add(delta);
            samples.times.push(last);
        }
        first = samples.times.get(start).copied().unwrap_or(first);
    }
    Some(())
}

fn decode_values(reader: &mut Reader<'_>, samples: &mut Samples) -> Option<()> {
    for run in &samples.runs {
        match run.kind {
            RunKind::None => samples.bits.resize(samples.bits.len() + run.count, 0),
            RunKind::Float | RunKind::Int => {
                let words = reader.take(run.count.checked_mul(8)?)?.as_chunks::<8>().0;
                samples.bits.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
            }
            RunKind::Bool => {
                let bytes = reader.take(run.count.div_ceil(8))?;
                let bits = bytes.iter().flat_map(|byte| (0..8).map(move |i| byte >> i & 1));
                samples.bits.extend(bits.take(run.count).map(u64::from));
            }
            RunKind::Text => {
                for _ in 0..run.count {
                    let length = usize::try_from(reader.varint()?).ok()?;
                    let text = std::str::from_utf8(reader.take(length)?).ok()?;
                    samples.bits.push(samples.texts.len() as u64);
                    samples.texts.push(text.into());
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Quality, Sample, Value};

    fn value() -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            Just(None),
            any::<u64>().prop_map(|bits| Some(Value::Float(f64::from_bits(bits)))),
            any::<i64>().prop_map(|x| Some(Value::Int(x))),
            any::<bool>().prop_map(|x| Some(Value::Bool(x))),
            ".{0,12}".prop_map(|x| Some(Value::Text(x.into()))),
        ]
    }

    fn sample() -> impl Strategy<Value = Sample> {
        (0_u32..5, any::<i64>(), value(), any::<u32>()).prop_map(
            |(signal, time, value, quality)| Sample {
                signal: SignalId(signal),
                time: Timestamp::from_micros(time),
                value,
                quality: Quality(quality),
            },
        )
    }

    fn entry(rows: Vec<Sample>) -> Entry {
        let batch = BatchId { producer: "p".into(), epoch: 7, sequence: 9 };
        Entry {
            sequence: Sequence(42),
            recorded_at: Timestamp::from_micros(1_795_564_800_000_000),
            author: "source/boiler".into(),
            event: Event::Samples(Arc::new(Samples::from_rows(vec![batch], rows))),
        }
    }

    /// Bit for bit, so that NaN equals NaN.
    #[expect(clippy::type_complexity, reason = "a tuple to compare, not a type to keep")]
    fn shape(entry: &Entry) -> (Vec<Run>, Vec<i64>, Vec<u32>, Vec<u64>, Vec<Arc<str>>) {
        let Event::Samples(s) = &entry.event else { panic!("not samples") };
        (s.runs.clone(), s.times.clone(), s.qualities.clone(), s.bits.clone(), s.texts.clone())
    }

    proptest! {
        #[test]
        fn an_entry_is_read_back_bit_by_bit(rows in prop::collection::vec(sample(), 0..200)) {
            let entry = entry(rows);
            let bytes = encode(&entry).unwrap();
            let back = decode(entry.sequence, &bytes).unwrap();
            prop_assert_eq!(shape(&back), shape(&entry));
            prop_assert_eq!(back.author, entry.author);
            prop_assert_eq!(back.recorded_at, entry.recorded_at);
        }

        #[test]
        fn l6_a_flipped_bit_is_never_silent(
            rows in prop::collection::vec(sample(), 0..20), place in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let entry = entry(rows);
            let mut bytes = encode(&entry).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
            prop_assert!(decode(entry.sequence, &bytes).is_err(), "L6: byte {place} bit {bit}");
        }

        #[test]
        fn samples_of_any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_samples(&bytes);
        }
    }

    #[test]
    fn l6_an_entry_at_another_place_is_refused() {
        let entry = entry(vec![]);
        let bytes = encode(&entry).unwrap();
        assert!(decode(Sequence(43), &bytes).is_err(), "L6: the sequence is part of the checksum");
    }

    #[test]
    fn l4_a_newer_version_is_refused() {
        let entry = entry(vec![]);
        let mut bytes = encode(&entry).unwrap();
        bytes[0] = ENTRY_VERSION + 1;
        let sum = checksum(entry.sequence, &bytes);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        let error = decode(entry.sequence, &bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Version { version: 2, .. }), "L4: {error}");
    }
}
