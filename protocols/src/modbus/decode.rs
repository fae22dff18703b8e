//! From registers and exceptions to values and qualities. Pure.

use parx_log::{Quality, Value};

use super::address::{Address, Kind, Order};

/// The value of a bit area's point.
pub fn decode_bits(bits: &[bool]) -> Result<Value, Quality> {
    bits.first().map(|bit| Value::Bool(*bit)).ok_or(Quality::BAD_DECODING_ERROR)
}

/// The value of a register area's point, from exactly the registers it takes.
pub fn decode_words(address: &Address, order: Order, words: &[u16]) -> Result<Value, Quality> {
    if words.len() != usize::from(address.kind.span()) {
        return Err(Quality::BAD_DECODING_ERROR);
    }
    if let (Some(bit), [word]) = (address.bit, words) {
        return Ok(Value::Bool(word >> bit & 1 == 1));
    }
    let bytes = arrange(words, order, matches!(address.kind, Kind::String(_)));
    let number = || bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(match address.kind {
        Kind::Bool => return Err(Quality::BAD_DECODING_ERROR),
        Kind::Int16 => Value::Int(i64::from(number() as u16 as i16)),
        Kind::Int32 => Value::Int(i64::from(number() as u32 as i32)),
        Kind::Int64 => Value::Int(number() as i64),
        Kind::Uint16 | Kind::Uint32 => Value::Int(number() as i64),
        Kind::Uint64 => match i64::try_from(number()) {
            Ok(number) => Value::Int(number),
            Err(_) => return Err(Quality::BAD_OUT_OF_RANGE),
        },
        Kind::Float32 => Value::Float(f64::from(f32::from_bits(number() as u32))),
        Kind::Float64 => Value::Float(f64::from_bits(number())),
        Kind::Bcd16 | Kind::Bcd32 => Value::Int(bcd(&bytes)?),
        Kind::String(length) => text(&bytes, length),
    })
}

/// The bytes, most significant first. Text has no words to swap, only bytes within them.
fn arrange(words: &[u16], order: Order, is_text: bool) -> Vec<u8> {
    let (swap_words, swap_bytes) = match order {
        Order::Abcd => (false, false),
        Order::Cdab => (true, false),
        Order::Badc => (false, true),
        Order::Dcba => (true, true),
    };
    let bytes = |word: &u16| if swap_bytes { word.to_le_bytes() } else { word.to_be_bytes() };
    if swap_words && !is_text {
        words.iter().rev().flat_map(bytes).collect()
    } else {
        words.iter().flat_map(bytes).collect()
    }
}

fn bcd(bytes: &[u8]) -> Result<i64, Quality> {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.into_iter().try_fold(0, |number, digit| match digit {
        0..=9 => Ok(number * 10 + i64::from(digit)),
        _ => Err(Quality::BAD_DECODING_ERROR),
    })
}

/// Text up to the first zero byte, without blanks behind it: UTF-8, or else Latin-1.
fn text(bytes: &[u8], length: u16) -> Value {
    let bytes = &bytes[..bytes.len().min(usize::from(length))];
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = match std::str::from_utf8(&bytes[..end]) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes[..end].iter().map(|byte| char::from(*byte)).collect(),
    };
    Value::Text(text.trim_end().into())
}

/// The quality that a device's exception code means.
pub fn quality_of_exception(code: u8) -> Quality {
    match code {
        1 => Quality::BAD_NOT_SUPPORTED,
        2 | 3 => Quality::BAD_NODE_ID_UNKNOWN,
        4 | 8 => Quality::BAD_DEVICE_FAILURE,
        5 | 6 => Quality::BAD_RESOURCE_UNAVAILABLE,
        10 | 11 => Quality::BAD_NO_COMMUNICATION,
        _ => Quality::BAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(address: &str, words: &[u16]) -> Result<Value, Quality> {
        let address: Address = address.parse().unwrap();
        decode_words(&address, address.order.unwrap_or_default(), words)
    }

    #[test]
    fn registers_become_values_in_every_order() {
        use Value::*;
        let (a, b) = (0x42F6, 0xE979); // 123.456
        let float = Float(f64::from(123.456_f32));
        let table: Vec<(&str, Vec<u16>, Result<Value, Quality>)> = vec![
            ("holding:0:float32", vec![a, b], Ok(float.clone())),
            ("holding:0:float32:cdab", vec![b, a], Ok(float.clone())),
            ("holding:0:float32:badc", vec![0xF642, 0x79E9], Ok(float.clone())),
            ("holding:0:float32:dcba", vec![0x79E9, 0xF642], Ok(float)),
            ("holding:0:int16", vec![0xFFFE], Ok(Int(-2))),
            ("holding:0:uint16", vec![0xFFFE], Ok(Int(65_534))),
            ("holding:0:int16:badc", vec![0xFEFF], Ok(Int(-2))),
            ("holding:0:int32", vec![0xFFFF, 0xFFFE], Ok(Int(-2))),
            ("holding:0:uint32:cdab", vec![1, 0], Ok(Int(1))),
            ("holding:0:int64", vec![0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], Ok(Int(-2))),
            ("holding:0:uint64:ghefcdab", vec![4, 3, 2, 1], Ok(Int(0x0001_0002_0003_0004))),
            ("holding:0:uint64", vec![0x8000, 0, 0, 0], Err(Quality::BAD_OUT_OF_RANGE)),
            ("holding:0:float64", vec![0x3FF8, 0, 0, 0], Ok(Float(1.5))),
            ("holding:0:bcd16", vec![0x1234], Ok(Int(1234))),
            ("holding:0:bcd32", vec![0x1234, 0x5678], Ok(Int(12_345_678))),
            ("holding:0:bcd16", vec![0x12A4], Err(Quality::BAD_DECODING_ERROR)),
            ("holding:0.0", vec![1], Ok(Bool(true))),
            ("holding:0.15", vec![0x7FFF], Ok(Bool(false))),
            ("holding:0:string[5]", vec![0x5061, 0x7258, 0x2020], Ok(Text("ParX".into()))),
            ("holding:0:string[4]:badc", vec![0x6150, 0x5872], Ok(Text("ParX".into()))),
            ("holding:0:string[4]", vec![0x4100, 0x4242], Ok(Text("A".into()))),
            ("holding:0:string[2]", vec![0xB043], Ok(Text("°C".into()))),
            ("holding:0:float32", vec![1], Err(Quality::BAD_DECODING_ERROR)),
        ];
        for (address, words, expected) in table {
            assert_eq!(decode(address, &words), expected, "{address} {words:04X?}");
        }
    }

    #[test]
    fn i2_an_exception_keeps_its_reason() {
        for (code, expected) in [
            (1, Quality::BAD_NOT_SUPPORTED),
            (2, Quality::BAD_NODE_ID_UNKNOWN),
            (4, Quality::BAD_DEVICE_FAILURE),
            (6, Quality::BAD_RESOURCE_UNAVAILABLE),
            (11, Quality::BAD_NO_COMMUNICATION),
            (99, Quality::BAD),
        ] {
            assert_eq!(quality_of_exception(code), expected, "I2: {code}");
        }
    }
}
