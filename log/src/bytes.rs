//! Reading and writing of small things in bytes: fixed integers and varints, every length checked.

/// Appends an unsigned LEB128 number.
pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, small ones in few bytes.
pub(crate) fn write_zigzag(out: &mut Vec<u8>, value: i64) {
    write_varint(out, zigzag(value));
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Numbers that `write_zigzags` collects before it appends them.
const BLOCK: usize = 64;
/// Most bytes of a varint.
const VARINT_BYTES_MAX: usize = 10;
/// The bit that says that a varint goes on, in each of eight bytes.
const GOES_ON: u64 = 0x8080_8080_8080_8080;

/// Appends signed numbers, as many calls of `write_zigzag` would.
pub(crate) fn write_zigzags(out: &mut Vec<u8>, mut values: impl Iterator<Item = i64>) {
    let mut block = [0; BLOCK * VARINT_BYTES_MAX];
    loop {
        let mut used = 0;
        for value in values.by_ref().take(BLOCK) {
            used += put_varint(&mut block, used, zigzag(value));
        }
        if used == 0 {
            return;
        }
        out.extend_from_slice(block.get(..used).unwrap_or_default());
    }
}

/// Writes a varint at `at`, which has room for the longest; answers with its length.
fn put_varint(block: &mut [u8], at: usize, mut value: u64) -> usize {
    let length = (70 - (value | 1).leading_zeros() as usize) / 7;
    if let (true, Some(place)) = (length <= 8, block.get_mut(at..at + 8)) {
        let more = GOES_ON & ((1_u64 << (8 * (length - 1))) - 1);
        place.copy_from_slice(&(spread(value) | more).to_le_bytes());
        return length;
    }
    for place in block.iter_mut().skip(at).take(length) {
        *place = value as u8 | 0x80;
        value >>= 7;
    }
    if let Some(last) = block.get_mut(at + length - 1) {
        *last &= 0x7F;
    }
    length
}

/// The lower 56 bits, seven to a byte.
fn spread(value: u64) -> u64 {
    let value = (value & 0x0FFF_FFFF) | (value & 0x00FF_FFFF_F000_0000) << 4;
    let value = (value & 0x0000_3FFF_0000_3FFF) | (value & 0x0FFF_C000_0FFF_C000) << 2;
    (value & 0x007F_007F_007F_007F) | (value & 0x3F80_3F80_3F80_3F80) << 1
}

/// The inverse of `spread`.
fn gather(value: u64) -> u64 {
    let value = (value & 0x007F_007F_007F_007F) | (value & 0x7F00_7F00_7F00_7F00) >> 1;
    let value = (value & 0x0000_3FFF_0000_3FFF) | (value & 0x3FFF_0000_3FFF_0000) >> 2;
    (value & 0x0FFF_FFFF) | (value & 0x0FFF_FFFF_0000_0000) >> 4
}

/// A cursor that answers `None` instead of reading past the end.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128_le(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn i64_le(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        if let Some(eight) = self.bytes.first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            let ends = !word & GOES_ON;
            if ends != 0 {
                let length = ends.trailing_zeros() / 8 + 1;
                self.take(length as usize)?;
                return Some(gather(word & u64::MAX >> (64 - 8 * length)));
            }
        }
        self.varint_by_bytes()
    }

    fn varint_by_bytes(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7F);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0..64).prop_map(|(number, shift)| number >> shift)
    }

    proptest! {
        #[test]
        fn numbers_in_blocks_are_the_bytes_of_numbers_one_by_one(
            numbers in prop::collection::vec(number(), 0..200),
        ) {
            let (mut blocks, mut single) = (Vec::new(), Vec::new());
            write_zigzags(&mut blocks, numbers.iter().copied());
            numbers.iter().for_each(|number| write_zigzag(&mut single, *number));
            prop_assert_eq!(&blocks, &single);
            let (mut fast, mut slow) = (Reader::new(&blocks), Reader::new(&blocks));
            for number in numbers {
                prop_assert_eq!(slow.varint_by_bytes(), Some(zigzag(number)));
                prop_assert_eq!(fast.zigzag(), Some(number));
            }
            prop_assert!(fast.rest().is_empty() && slow.rest().is_empty());
        }

        #[test]
        fn any_bytes_are_read_alike_at_once_and_byte_by_byte(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 128_u8..], 0..30),
        ) {
            let (mut fast, mut slow) = (Reader::new(&bytes), Reader::new(&bytes));
            loop {
                let both = (fast.varint(), slow.varint_by_bytes());
                prop_assert_eq!(both.0, both.1);
                if both.0.is_none() {
                    break;
                }
                prop_assert_eq!(fast.rest(), slow.rest());
            }
        }
    }
}
