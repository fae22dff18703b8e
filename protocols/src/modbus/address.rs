//! Addresses of Modbus: `[unit!]area:number[.bit][:type[:order]]`, or a classic reference.
//!
//! `holding:0` counts from 0 as the protocol does; a bare number of five or six digits counts from
//! 1 as device manuals do, its first digit naming the area: `40001` is `holding:0`.

use std::fmt;
use std::str::FromStr;

use parx_log::ValueType;
use serde::Deserialize;

/// Longest text, in bytes: one request's worth of registers.
pub const STRING_BYTES_MAX: u16 = 250;

/// The four tables of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Bits that can be written.
    Coil,
    /// Bits that cannot.
    Discrete,
    /// Registers that cannot be written.
    Input,
    /// Registers that can.
    Holding,
}

/// How registers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One bit.
    Bool,
    /// Signed, one register.
    Int16,
    /// Unsigned, one register.
    Uint16,
    /// Signed, two registers.
    Int32,
    /// Unsigned, two registers.
    Uint32,
    /// Signed, four registers.
    Int64,
    /// Unsigned, four registers.
    Uint64,
    /// IEEE 754 single, two registers.
    Float32,
    /// IEEE 754 double, four registers.
    Float64,
    /// Four decimal digits in one register.
    Bcd16,
    /// Eight decimal digits in two registers.
    Bcd32,
    /// So many bytes of text, two in a register.
    String(u16),
}

/// In which order the bytes of a value lie; `A` is the most significant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Big-endian, as the standard has it.
    #[default]
    Abcd,
    /// Words swapped.
    Cdab,
    /// Bytes swapped within words.
    Badc,
    /// Little-endian.
    Dcba,
}

/// A place in a device and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Unit id; none takes that of the source.
    pub unit: Option<u8>,
    /// The table.
    pub area: Area,
    /// Offset from 0.
    pub offset: u16,
    /// Bit of a register, 0 the least significant.
    pub bit: Option<u8>,
    /// How it is read.
    pub kind: Kind,
    /// In which order; none takes that of the source.
    pub order: Option<Order>,
}

const AREAS: [(&str, Area, char); 4] = [
    ("coil", Area::Coil, '0'),
    ("discrete", Area::Discrete, '1'),
    ("input", Area::Input, '3'),
    ("holding", Area::Holding, '4'),
];

const KINDS: [(&str, Kind); 11] = [
    ("bool", Kind::Bool),
    ("int16", Kind::Int16),
    ("uint16", Kind::Uint16),
    ("int32", Kind::Int32),
    ("uint32", Kind::Uint32),
    ("int64", Kind::Int64),
    ("uint64", Kind::Uint64),
    ("float32", Kind::Float32),
    ("float64", Kind::Float64),
    ("bcd16", Kind::Bcd16),
    ("bcd32", Kind::Bcd32),
];

const ORDERS: [(&str, &str, Order); 4] = [
    ("abcd", "abcdefgh", Order::Abcd),
    ("cdab", "ghefcdab", Order::Cdab),
    ("badc", "badcfehg", Order::Badc),
    ("dcba", "hgfedcba", Order::Dcba),
];

impl Area {
    /// True for coils and discrete inputs.
    pub fn is_bits(self) -> bool {
        matches!(self, Area::Coil | Area::Discrete)
    }

    fn word(self) -> &'static str {
        AREAS.iter().find(|(_, area, _)| *area == self).map_or("", |(word, _, _)| word)
    }
}

impl Kind {
    /// Registers, or bits of a bit area, that a value takes.
    pub fn span(self) -> u16 {
        match self {
            Kind::Bool | Kind::Int16 | Kind::Uint16 | Kind::Bcd16 => 1,
            Kind::Int32 | Kind::Uint32 | Kind::Float32 | Kind::Bcd32 => 2,
            Kind::Int64 | Kind::Uint64 | Kind::Float64 => 4,
            Kind::String(bytes) => bytes.div_ceil(2),
        }
    }

    /// The type of its values.
    pub fn gives(self) -> ValueType {
        match self {
            Kind::Bool => ValueType::Bool,
            Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Uint32 => ValueType::Int,
            Kind::Int64 | Kind::Uint64 | Kind::Bcd16 | Kind::Bcd32 => ValueType::Int,
            Kind::Float32 | Kind::Float64 => ValueType::Float,
            Kind::String(_) => ValueType::Text,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let (unit, rest) = match text.split_once('!') {
            None => (None, text),
            Some((unit, rest)) => match unit.trim().parse::<u8>() {
                Ok(unit) => (Some(unit), rest),
                Err(_) => return Err(format!("the unit '{unit}' is not a number from 0 to 255")),
            },
        };
        let parts: Vec<&str> = rest.split(':').map(str::trim).collect();
        let (area, number, options) = match parts.as_slice() {
            [] | [""] => return Err(example("it is empty")),
            [area, number, options @ ..] if area_of(area).is_some() => {
                (area_of(area), *number, options)
            }
            [reference, options @ ..] => (None, *reference, options),
        };
        let (number, bit) = match number.split_once('.') {
            None => (number, None),
            Some((number, bit)) => (number, Some(parse_bit(bit)?)),
        };
        let (area, offset) = match area {
            Some(area) => (area, parse_offset(number)?),
            None => parse_reference(number)?,
        };
        let (kind, order) = parse_options(options)?;
        let default = if area.is_bits() || bit.is_some() { Kind::Bool } else { Kind::Uint16 };
        let kind = kind.unwrap_or(default);
        Address { unit, area, offset, bit, kind, order }.check()
    }
}

impl Address {
    fn check(self) -> Result<Address, String> {
        if self.area.is_bits() && self.bit.is_some() {
            return Err(format!("a {} is one bit and has no bits", self.area.word()));
        }
        if self.area.is_bits() && self.kind != Kind::Bool {
            return Err(format!("a {} can only be of type bool", self.area.word()));
        }
        if self.bit.is_some() && self.kind != Kind::Bool {
            return Err("a bit of a register can only be of type bool".to_owned());
        }
        if !self.area.is_bits() && self.kind == Kind::Bool && self.bit.is_none() {
            return Err("name the bit, such as holding:7.3, or another type than bool".to_owned());
        }
        if self.order.is_some() && self.kind == Kind::Bool {
            return Err("a bool has no byte order; leave it out".to_owned());
        }
        if u32::from(self.offset) + u32::from(self.kind.span()) > 65_536 {
            return Err("the value reaches beyond the last address, 65535".to_owned());
        }
        Ok(self)
    }
}

fn example(fact: &str) -> String {
    format!("{fact}; write an address such as holding:0:float32 or 40001")
}

fn area_of(word: &str) -> Option<Area> {
    AREAS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(word)).map(|(_, area, _)| *area)
}

fn parse_bit(text: &str) -> Result<u8, String> {
    match text.parse::<u8>() {
        Ok(bit) if bit < 16 => Ok(bit),
        _ => Err(format!("the bit '{text}' is not a number from 0 to 15")),
    }
}

fn parse_offset(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let offset = if digits { text.parse().ok() } else { None };
    offset.ok_or_else(|| format!("the number '{text}' is not one from 0 to 65535"))
}

/// `40001` or `400001`: area by the first digit, then a number from 1.
fn parse_reference(text: &str) -> Result<(Area, u16), String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(5..=6).contains(&text.len()) {
        return Err(example(&format!(
            "'{text}' is neither an area nor a five or six-digit number"
        )));
    }
    let area = AREAS.iter().find(|(_, _, digit)| text.starts_with(*digit));
    let Some((_, area, _)) = area else {
        return Err("a classic reference begins with 0, 1, 3 or 4".to_owned());
    };
    match text[1..].parse::<u32>() {
        Ok(number @ 1..=65_536) => Ok((*area, (number - 1) as u16)),
        _ => Err(format!("the number '{}' is not one from 1 to 65536", &text[1..])),
    }
}

fn parse_options(options: &[&str]) -> Result<(Option<Kind>, Option<Order>), String> {
    let (kind, order) = match options {
        [] => return Ok((None, None)),
        [kind] => (*kind, None),
        [kind, order] => (*kind, Some(*order)),
        [_, _, more, ..] => return Err(format!("'{more}' is one part too many")),
    };
    let kind = parse_kind(kind)?;
    let Some(order) = order else { return Ok((Some(kind), None)) };
    let known = ORDERS.iter().find(|(short, long, _)| {
        order.eq_ignore_ascii_case(short) || order.eq_ignore_ascii_case(long)
    });
    match known {
        Some((_, _, order)) => Ok((Some(kind), Some(*order))),
        None => Err(format!("there is no byte order '{order}'; use abcd, cdab, badc or dcba")),
    }
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("string") {
        let bytes = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        return match bytes.and_then(|bytes| bytes.parse::<u16>().ok()) {
            Some(bytes @ 1..=STRING_BYTES_MAX) => Ok(Kind::String(bytes)),
            _ => Err(format!("write string[n] with n from 1 to {STRING_BYTES_MAX} bytes")),
        };
    }
    let known = KINDS.iter().find(|(word, _)| *word == lower);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        let words: Vec<_> = KINDS.iter().map(|(word, _)| *word).collect();
        format!("there is no type '{text}'; the types are {}, string[n]", words.join(", "))
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Kind::String(bytes) = self {
            return write!(f, "string[{bytes}]");
        }
        let known = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(known.map_or("", |(word, _)| word))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unit) = self.unit {
            write!(f, "{unit}!")?;
        }
        write!(f, "{}:{}", self.area.word(), self.offset)?;
        if let Some(bit) = self.bit {
            write!(f, ".{bit}")?;
        }
        let shown = self.order.is_some() || !matches!(self.kind, Kind::Bool | Kind::Uint16);
        if shown {
            write!(f, ":{}", self.kind)?;
        }
        if let Some(order) = self.order {
            let known = ORDERS.iter().find(|(_, _, known)| *known == order);
            let (short, long) = known.map_or(("", ""), |(short, long, _)| (*short, *long));
            write!(f, ":{}", if self.kind.span() == 4 { long } else { short })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ways_to_count_give_the_same_place() {
        let table = [
            ("holding:0:float32:cdab", "holding:0:float32:cdab"),
            ("40001:float32", "holding:0:float32"),
            ("400001", "holding:0"),
            ("465536", "holding:65535"),
            ("30010", "input:9"),
            ("00001", "coil:0"),
            ("10005", "discrete:4"),
            ("3!input:12", "3!input:12"),
            ("3!40011.7", "3!holding:10.7"),
            ("Holding:7.3:BOOL", "holding:7.3"),
            ("400101:string[16]:badc", "holding:100:string[16]:badc"),
            ("holding:4:uint64:hgfedcba", "holding:4:uint64:hgfedcba"),
            ("coil:9", "coil:9"),
        ];
        for (text, expected) in table {
            let address = text.parse::<Address>().unwrap();
            assert_eq!(address.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_told_what_would_be_right() {
        let table = [
            ("", "empty"),
            ("hold:3", "neither an area"),
            ("40000", "from 1 to 65536"),
            ("20001", "begins with 0, 1, 3 or 4"),
            ("holding:70000", "from 0 to 65535"),
            ("holding:+5", "from 0 to 65535"),
            ("holding:65535:float32", "beyond the last address"),
            ("holding:1.16", "from 0 to 15"),
            ("holding:1:flaot32", "the types are bool"),
            ("holding:1:float32:acbd", "use abcd"),
            ("holding:1:bool", "name the bit"),
            ("coil:1:int16", "only be of type bool"),
            ("coil:1.2", "has no bits"),
            ("holding:1:string[900]", "from 1 to 250"),
            ("300!holding:1", "from 0 to 255"),
            ("holding:1:int16:abcd:x", "too many"),
            ("holding", "neither an area"),
        ];
        for (text, expected) in table {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        let plain = KINDS.iter().map(|(_, kind)| *kind).collect::<Vec<_>>();
        prop_oneof![proptest::sample::select(plain), (1..=STRING_BYTES_MAX).prop_map(Kind::String)]
    }

    proptest! {
        #[test]
        fn an_address_is_printed_and_read_back(
            unit in proptest::option::of(any::<u8>()),
            area in proptest::sample::select(AREAS.map(|(_, area, _)| area).to_vec()),
            offset in any::<u16>(),
            bit in proptest::option::of(0..16u8),
            kind in kinds(),
            order in proptest::option::of(proptest::sample::select(
                ORDERS.map(|(_, _, order)| order).to_vec()
            )),
        ) {
            let address = Address { unit, area, offset, bit, kind, order };
            if let Ok(address) = address.check() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Address>();
        }
    }
}
