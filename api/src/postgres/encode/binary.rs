//! Values as PostgreSQL writes them in binary, where that is more than their bytes in order.
//!
//! Each function appends one value; lengths and nulls are the encoder's.

use bytes::{BufMut, BytesMut};

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970 to 2000.
const EPOCH_DAYS: i32 = 10_957;

/// Microseconds from 1970 as PostgreSQL counts them.
pub(super) fn timestamp(out: &mut BytesMut, micros: i64) {
    out.put_i64(micros.saturating_sub(EPOCH_MICROS));
}

/// Days from 1970 as PostgreSQL counts them.
pub(super) fn date(out: &mut BytesMut, days: i32) {
    out.put_i32(days.saturating_sub(EPOCH_DAYS));
}

/// A decimal number from its text, such as `-12.340`.
pub(super) fn numeric(out: &mut BytesMut, text: &str) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches('0');
    let padded = |text: &str, front: bool| {
        let fill = "0".repeat((4 - text.len() % 4) % 4);
        if front { format!("{fill}{text}") } else { format!("{text}{fill}") }
    };
    let digits = padded(whole, true) + &padded(fraction, false);
    let mut groups: Vec<i16> = digits
        .as_bytes()
        .chunks(4)
        .map(|four| four.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        .collect();
    let mut weight = whole.len().div_ceil(4) as i16 - 1;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= zeros as i16;
    out.put_i16(groups.len() as i16);
    out.put_i16(if groups.is_empty() { 0 } else { weight });
    out.put_u16(if negative && !groups.is_empty() { 0x4000 } else { 0 });
    out.put_i16(fraction.len() as i16);
    for group in groups {
        out.put_i16(group);
    }
}

/// What stands before the elements of an array of one dimension.
pub(super) fn array_head(out: &mut BytesMut, length: usize, nulls: bool, element: u32) {
    out.put_i32(i32::from(length > 0));
    out.put_i32(i32::from(nulls));
    out.put_u32(element);
    if length > 0 {
        out.put_i32(length as i32);
        out.put_i32(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_groups_of_four_digits() {
        let cases: [(&str, &[i16]); 8] = [
            ("0", &[0, 0, 0, 0]),
            ("0.00", &[0, 0, 0, 2]),
            ("1", &[1, 0, 0, 0, 1]),
            ("-12345.678", &[3, 1, 0x4000, 3, 1, 2345, 6780]),
            ("10000", &[1, 1, 0, 0, 1]),
            ("0.0001", &[1, -1, 0, 4, 1]),
            ("0.00001", &[1, -2, 0, 5, 1000]),
            ("18446744073709551615", &[5, 4, 0, 0, 1844, 6744, 737, 955, 1615]),
        ];
        for (text, expected) in cases {
            let mut out = BytesMut::new();
            numeric(&mut out, text);
            let found: Vec<i16> =
                out.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
