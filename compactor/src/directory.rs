//! The signal directory of a segment: where each signal's rows are, kept in the file's metadata.
//!
//! Pure: bytes from spans and spans from bytes. Base64 of varints: the count, then for each signal
//! the id's distance to the one before, the rows, the first time (zigzag, distance to the first
//! time of the one before) and the distance from the first time to the last.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parx_log::SignalId;

/// Where one signal's rows are in a segment, and the times they span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The signal.
    pub signal: SignalId,
    /// Its first row in the file, from 0.
    pub first: u64,
    /// How many rows follow one another.
    pub rows: u64,
    /// Time of its first row, in microseconds since 1970.
    pub from: i64,
    /// Time of its last row.
    pub to: i64,
}

pub(crate) fn encode(spans: &[Span]) -> String {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, spans.len() as u64);
    let (mut signal, mut from) = (0, 0_i64);
    for span in spans {
        write_varint(&mut bytes, u64::from(span.signal.0.wrapping_sub(signal)));
        write_varint(&mut bytes, span.rows);
        write_varint(&mut bytes, zigzag(span.from.wrapping_sub(from)));
        write_varint(&mut bytes, span.to.wrapping_sub(span.from) as u64);
        (signal, from) = (span.signal.0, span.from);
    }
    STANDARD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<Span>> {
    let bytes = STANDARD.decode(text).ok()?;
    let mut rest = bytes.as_slice();
    let count = read_varint(&mut rest)?;
    let mut spans = Vec::new();
    let (mut signal, mut from, mut first) = (0_u32, 0_i64, 0_u64);
    for _ in 0..count {
        signal = signal.wrapping_add(u32::try_from(read_varint(&mut rest)?).ok()?);
        let rows = read_varint(&mut rest)?;
        from = from.wrapping_add(unzigzag(read_varint(&mut rest)?));
        let to = from.wrapping_add(read_varint(&mut rest)? as i64);
        spans.push(Span { signal: SignalId(signal), first, rows, from, to });
        first = first.checked_add(rows)?;
    }
    rest.is_empty().then_some(spans)
}

fn zigzag(x: i64) -> u64 {
    ((x << 1) ^ (x >> 63)) as u64
}

fn unzigzag(x: u64) -> i64 {
    (x >> 1) as i64 ^ -((x & 1) as i64)
}

fn write_varint(bytes: &mut Vec<u8>, mut x: u64) {
    while x >= 0x80 {
        bytes.push(x as u8 | 0x80);
        x >>= 7;
    }
    bytes.push(x as u8);
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut x = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        x |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(x);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_back_also_at_the_ends_of_time() {
        let spans = [
            Span { signal: SignalId(1), first: 0, rows: 3, from: -5, to: 1_795_564_800_000_000 },
            Span { signal: SignalId(7), first: 3, rows: 1, from: i64::MIN, to: i64::MIN },
            Span { signal: SignalId(u32::MAX), first: 4, rows: 9, from: i64::MIN, to: i64::MAX },
        ];
        assert_eq!(decode(&encode(&spans)), Some(spans.to_vec()));
        assert_eq!(decode(&encode(&[])), Some(vec![]));
    }

    #[test]
    fn l6_a_cut_or_lengthened_directory_is_refused() {
        let spans = [Span { signal: SignalId(1), first: 0, rows: 300, from: 0, to: 10 }];
        let bytes = STANDARD.decode(encode(&spans)).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(decode(&STANDARD.encode(&bytes[..length])), None, "L6: {length}");
        }
        assert_eq!(decode(&STANDARD.encode([bytes, vec![0]].concat())), None, "L6");
    }
}
