//! Tables of what goes over the wire for each type.

use parx_query::arrow::array::{
    Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array, ListArray,
    NullArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use parx_query::arrow::datatypes::Int32Type;

use super::*;

fn style() -> Style {
    Style { zone: Zone::default(), extra_float_digits: 1 }
}

/// The cells of row 0 as bytes; none is null.
fn cell(array: ArrayRef, format: Format) -> Option<Vec<u8>> {
    let batch = RecordBatch::try_from_iter([("a", array)]).unwrap();
    let mut out = BytesMut::new();
    Rows::new(&batch, &[format], style()).unwrap().put(0, &mut out);
    assert_eq!(out[0], b'D');
    let length = u32::from_be_bytes([out[1], out[2], out[3], out[4]]) as usize;
    assert_eq!(length + 1, out.len(), "the message knows its length");
    assert_eq!(&out[5..7], [0, 1], "one column");
    let value = i32::from_be_bytes([out[7], out[8], out[9], out[10]]);
    let value = usize::try_from(value).ok()?;
    assert_eq!(value, out.len() - 11, "the value knows its length");
    Some(out[11..].to_vec())
}

fn arrays() -> Vec<(ArrayRef, &'static str, Vec<u8>)> {
    let micros = 1_795_586_400_123_456_i64;
    let of_2000 = (micros - 946_684_800_000_000).to_be_bytes().to_vec();
    let zoned = |array: TimestampNanosecondArray| array.with_timezone("UTC");
    vec![
        (Arc::new(BooleanArray::from(vec![true])), "t", vec![1]),
        (Arc::new(Int8Array::from(vec![-1])), "-1", vec![0xff, 0xff]),
        (Arc::new(UInt32Array::from(vec![7])), "7", 7i64.to_be_bytes().to_vec()),
        (
            Arc::new(Int64Array::from(vec![i64::MIN])),
            "-9223372036854775808",
            i64::MIN.to_be_bytes().to_vec(),
        ),
        (
            Arc::new(UInt64Array::from(vec![12_345])),
            "12345",
            vec![0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 9, 41],
        ),
        (Arc::new(Float32Array::from(vec![0.5])), "0.5", 0.5f32.to_be_bytes().to_vec()),
        (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN", f64::NAN.to_be_bytes().to_vec()),
        (
            Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap()),
            "1.50",
            vec![0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 19, 136],
        ),
        (Arc::new(StringArray::from(vec!["é"])), "é", "é".into()),
        (Arc::new(StringViewArray::from(vec!["view"])), "view", b"view".to_vec()),
        (Arc::new(DictionaryArray::<Int32Type>::from_iter(["good"])), "good", b"good".to_vec()),
        (Arc::new(BinaryArray::from(vec![&b"\x01\xff"[..]])), "\\x01ff", vec![1, 255]),
        (
            Arc::new(zoned(TimestampNanosecondArray::from(vec![micros * 1000]))),
            "2026-11-25 06:00:00.123456+00",
            of_2000.clone(),
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![micros * 1000])),
            "2026-11-25 06:00:00.123456",
            of_2000,
        ),
    ]
}

#[test]
fn values_are_written_in_text_and_in_binary() {
    for (array, text, binary) in arrays() {
        let of = array.data_type().clone();
        assert_eq!(cell(array.clone(), Format::Text).unwrap(), text.as_bytes(), "{of}");
        assert_eq!(cell(array, Format::Binary).unwrap(), binary, "{of}");
    }
}

#[test]
fn nulls_have_no_value() {
    let arrays: [ArrayRef; 3] = [
        Arc::new(NullArray::new(1)),
        Arc::new(Float64Array::from(vec![None])),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, Vec<_>, _>([None])),
    ];
    for array in arrays {
        assert_eq!(cell(array.clone(), Format::Text), None);
        assert_eq!(cell(array, Format::Binary), None);
    }
}

#[test]
fn lists_are_arrays() {
    let lists: [Option<Vec<Option<i32>>>; 1] = [Some(vec![Some(1), None, Some(-3)])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    assert_eq!(cell(list.clone(), Format::Text).unwrap(), b"{1,NULL,-3}");
    let words: Vec<i32> = cell(list, Format::Binary)
        .unwrap()
        .chunks(4)
        .map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    assert_eq!(words, [1, 1, 23, 3, 1, 4, 1, -1, 4, -3]);
}

#[test]
fn formats_are_for_each_column_or_all() {
    use Format::{Binary, Text};
    assert_eq!(formats(&[], 2), Ok(vec![Text, Text]));
    assert_eq!(formats(&[1], 2), Ok(vec![Binary, Binary]));
    assert_eq!(formats(&[0, 1], 2), Ok(vec![Text, Binary]));
    assert_eq!(formats(&[0, 1], 3).map_err(|error| error.code), Err("08P01"));
    assert_eq!(formats(&[2], 1).map_err(|error| error.code), Err("22023"));
}
