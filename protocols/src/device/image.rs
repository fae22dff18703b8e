//! The register image of a simulated Modbus device: what stands at which address of which unit.
//!
//! Pure data with the rules of the protocol for what may be asked: limits, unknown units and
//! unknown addresses. It opens no socket and knows no time.

use std::collections::BTreeMap;

/// Most coils or discrete inputs that one request may read.
pub const BITS_READ_MAX: u16 = 2000;
/// Most registers that one request may read.
pub const REGISTERS_READ_MAX: u16 = 125;

/// One of the four tables of a Modbus device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Bits that can be read and written.
    Coil,
    /// Bits that can only be read.
    Discrete,
    /// Words that can be read and written.
    Holding,
    /// Words that can only be read.
    Input,
}

impl Area {
    /// Most places that one request may read.
    fn read_max(self) -> u16 {
        match self {
            Area::Coil | Area::Discrete => BITS_READ_MAX,
            Area::Holding | Area::Input => REGISTERS_READ_MAX,
        }
    }
}

/// How the two words of a 32-bit value lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOrder {
    /// The high word first (`abcd`).
    HighFirst,
    /// The low word first (`cdab`).
    LowFirst,
}

/// Where a value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The unit id.
    pub unit: u8,
    /// The table.
    pub area: Area,
    /// The offset from 0, as it stands in the request.
    pub number: u16,
}

/// Why a device refuses a request: the exception that it answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// 1: the function is not one of the device's.
    Function,
    /// 2: the address is not one of the device's.
    Address,
    /// 3: the number of places is not allowed.
    Value,
    /// 4: the device has failed.
    Failure,
    /// 11: behind the gateway there is no such unit.
    NoTarget,
}

/// What stands at which address. A place that was never set does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    words: BTreeMap<Place, u16>,
}

impl Image {
    /// Sets one place; in the tables of bits anything but zero is true.
    pub fn set(&mut self, place: Place, word: u16) {
        self.words.insert(place, word);
    }

    /// Sets a bit.
    pub fn set_bit(&mut self, place: Place, bit: bool) {
        self.set(place, u16::from(bit));
    }

    /// Sets a 32-bit integer in two places.
    pub fn set_u32(&mut self, place: Place, value: u32, order: WordOrder) {
        let (high, low) = ((value >> 16) as u16, value as u16);
        let words = match order {
            WordOrder::HighFirst => [high, low],
            WordOrder::LowFirst => [low, high],
        };
        self.set_words(place, &words);
    }

    /// Sets an IEEE 754 single in two places.
    pub fn set_f32(&mut self, place: Place, value: f32, order: WordOrder) {
        self.set_u32(place, value.to_bits(), order);
    }

    /// Sets a text of `bytes` bytes, two to a register, cut or filled with zeros.
    pub fn set_text(&mut self, place: Place, text: &str, bytes: u16) {
        let mut rest = text.bytes();
        let mut next = || u16::from(rest.next().unwrap_or(0));
        let words: Vec<u16> = (0..bytes.div_ceil(2)).map(|_| next() << 8 | next()).collect();
        self.set_words(place, &words);
    }

    /// Sets several places in a row.
    pub fn set_words(&mut self, place: Place, words: &[u16]) {
        for (number, word) in (place.number..=u16::MAX).zip(words) {
            self.set(Place { number, ..place }, *word);
        }
    }

    /// Takes a place away, as if the device had never had it.
    pub fn remove(&mut self, place: Place) {
        self.words.remove(&place);
    }

    /// What a read of `count` places gets.
    pub fn read(&self, place: Place, count: u16) -> Result<Vec<u16>, Exception> {
        if count == 0 || count > place.area.read_max() {
            return Err(Exception::Value);
        }
        self.places(place, count)?
            .map(|place| self.words.get(&place).copied().ok_or(Exception::Address))
            .collect()
    }

    /// What a write of `words` does; all of it or nothing.
    pub fn write(&mut self, place: Place, words: &[u16]) -> Result<(), Exception> {
        let count = u16::try_from(words.len()).map_err(|_| Exception::Value)?;
        if count == 0 || count > place.area.read_max() {
            return Err(Exception::Value);
        }
        let known = self.places(place, count)?.all(|place| self.words.contains_key(&place));
        if !known {
            return Err(Exception::Address);
        }
        self.set_words(place, words);
        Ok(())
    }

    /// The places from `first` on, if the unit exists and the addresses do not run out.
    fn places(
        &self,
        first: Place,
        count: u16,
    ) -> Result<impl Iterator<Item = Place> + use<>, Exception> {
        let begin = Place { unit: first.unit, area: Area::Coil, number: 0 };
        let end = Place { unit: first.unit, area: Area::Input, number: u16::MAX };
        if self.words.range(begin..=end).next().is_none() {
            return Err(Exception::NoTarget);
        }
        let last = first.number.checked_add(count - 1).ok_or(Exception::Address)?;
        Ok((first.number..=last).map(move |number| Place { number, ..first }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Place = Place { unit: 1, area: Area::Input, number: 0 };

    fn image() -> Image {
        let mut image = Image::default();
        image.set_words(INPUT, &[7; 200]);
        image.set_bit(Place { unit: 1, area: Area::Coil, number: 9 }, true);
        image
    }

    #[test]
    fn a_read_gets_words_or_the_exception_of_the_protocol() {
        let at = |unit, area, number| Place { unit, area, number };
        let table = [
            (at(1, Area::Input, 0), 2, Ok(vec![7, 7])),
            (at(1, Area::Coil, 9), 1, Ok(vec![1])),
            (at(1, Area::Input, 0), 0, Err(Exception::Value)),
            (at(1, Area::Input, 0), 126, Err(Exception::Value)),
            (at(1, Area::Coil, 0), 2001, Err(Exception::Value)),
            (at(1, Area::Input, 199), 2, Err(Exception::Address)),
            (at(1, Area::Coil, 8), 2, Err(Exception::Address)),
            (at(1, Area::Holding, 0), 1, Err(Exception::Address)),
            (at(1, Area::Input, 65_535), 2, Err(Exception::Address)),
            (at(2, Area::Input, 0), 1, Err(Exception::NoTarget)),
        ];
        for (place, count, expected) in table {
            assert_eq!(image().read(place, count), expected, "{place:?} {count}");
        }
    }

    #[test]
    fn values_lie_as_their_order_says() {
        let mut image = Image::default();
        let table = [
            (WordOrder::HighFirst, 0x1234_5678, vec![0x1234, 0x5678]),
            (WordOrder::LowFirst, 0x1234_5678, vec![0x5678, 0x1234]),
        ];
        for (order, value, words) in table {
            image.set_u32(INPUT, value, order);
            assert_eq!(image.read(INPUT, 2), Ok(words), "{order:?}");
        }
        image.set_f32(INPUT, 1.0, WordOrder::HighFirst);
        assert_eq!(image.read(INPUT, 2), Ok(vec![0x3F80, 0]));
        image.set_text(INPUT, "abc", 5);
        assert_eq!(image.read(INPUT, 3), Ok(vec![0x6162, 0x6300, 0]));
    }

    #[test]
    fn a_write_happens_whole_or_not_at_all() {
        let mut image = image();
        let end = Place { number: 199, ..INPUT };
        assert_eq!(image.write(end, &[1, 2]), Err(Exception::Address));
        assert_eq!(image.read(end, 1), Ok(vec![7]));
        assert_eq!(image.write(end, &[1]), Ok(()));
        assert_eq!(image.read(end, 1), Ok(vec![1]));
    }
}
