//! From a message's payload to readings. Pure.
//!
//! JSON is parsed once for all points of a topic. A payload that is not what the address says makes
//! the point bad: wrong JSON is a decoding error, a path that leads nowhere an unknown place.

use parx_ingest::Reading;
use parx_log::{Quality, Timestamp, Value, ValueType};
use serde_json::Value as Json;

use super::Target;
use super::address::{Path, Payload, Step};

/// The readings that `payload` holds for the points of its topic.
pub fn decode(targets: &[Target], payload: &[u8]) -> Vec<Reading> {
    let wants_json = targets.iter().any(|t| matches!(t.payload, Payload::Json { .. }));
    let json: Option<Json> = if wants_json { serde_json::from_slice(payload).ok() } else { None };
    let reading = |target: &Target| match (&target.payload, &json) {
        (Payload::Plain(wanted), _) => match plain(payload, *wanted) {
            Some(value) => Reading::good(target.point, value),
            None => Reading::bad(target.point, Quality::BAD_DECODING_ERROR),
        },
        (Payload::Json { .. }, None) => Reading::bad(target.point, Quality::BAD_DECODING_ERROR),
        (Payload::Json { value, time }, Some(json)) => {
            let at = time.as_ref().and_then(|path| follow(json, path)).and_then(time_of);
            match follow(json, value) {
                None => Reading::bad(target.point, Quality::BAD_NODE_ID_UNKNOWN),
                Some(Json::Null) => Reading::bad(target.point, Quality::BAD),
                Some(found) => Reading::good(target.point, value_of(found)),
            }
            .at(at)
        }
    };
    targets.iter().map(reading).collect()
}

fn follow<'a>(json: &'a Json, path: &Path) -> Option<&'a Json> {
    path.0.iter().try_fold(json, |json, step| match step {
        Step::Member(name) => json.get(name.as_str()),
        Step::Element(number) => json.get(*number),
    })
}

/// A JSON value as one of ours. Objects and arrays are text: their JSON.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Bool(x) => Value::Bool(*x),
        Json::String(text) => Value::Text(text.as_str().into()),
        Json::Number(number) => match number.as_i64() {
            Some(x) => Value::Int(x),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Text(json.to_string().into()),
    }
}

/// A time: RFC 3339, or a number since 1970 whose size says whether it counts seconds,
/// milliseconds, microseconds or nanoseconds. What is none of these gives no time.
pub fn time_of(json: &Json) -> Option<Timestamp> {
    match json {
        Json::String(text) => text.parse().ok(),
        Json::Number(number) => {
            let x = number.as_f64()?;
            let size = x.abs();
            match number.as_i64() {
                Some(ns) if size >= 1e17 => Some(Timestamp::from_micros(ns.div_euclid(1000))),
                Some(us) if size >= 1e14 => Some(Timestamp::from_micros(us)),
                Some(ms) if size >= 1e11 => Some(Timestamp::from_micros(ms.saturating_mul(1000))),
                _ if size >= 1e17 => Some(Timestamp::from_seconds(x / 1e9)),
                _ if size >= 1e14 => Some(Timestamp::from_seconds(x / 1e6)),
                _ if size >= 1e11 => Some(Timestamp::from_seconds(x / 1e3)),
                _ => Some(Timestamp::from_seconds(x)),
            }
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn plain(payload: &[u8], wanted: ValueType) -> Option<Value> {
    let text = std::str::from_utf8(payload).ok()?;
    let trimmed = text.trim();
    match wanted {
        ValueType::Text => Some(Value::Text(text.into())),
        ValueType::Float => trimmed.parse().ok().map(Value::Float),
        ValueType::Int => trimmed.parse().ok().map(Value::Int),
        ValueType::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" => Some(Value::Bool(true)),
            "false" | "0" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mqtt::Address;

    fn read(address: &str, payload: &str) -> (Option<Value>, Quality, Option<i64>) {
        let address: Address = address.parse().unwrap();
        let target = Target { point: 3, payload: address.payload };
        let mut readings = decode(&[target], payload.as_bytes());
        let reading = readings.remove(0);
        assert_eq!((reading.point, readings.len()), (3, 0));
        (reading.value, reading.quality, reading.source_time.map(Timestamp::micros))
    }

    #[test]
    fn payloads_become_values_or_say_why_not() {
        use Value::*;
        let good = Quality::GOOD;
        let payload = r#"{"t":21.5,"n":3,"on":true,"s":"run","l":[1,{"x":2}],"z":null,"ts":5}"#;
        let big = r#"{"t":18446744073709551615}"#;
        let table = [
            ("a:$.t", payload, Some(Float(21.5)), good),
            ("a:$.n", payload, Some(Int(3)), good),
            ("a:$.on", payload, Some(Bool(true)), good),
            ("a:$.s", payload, Some(Text("run".into())), good),
            ("a:$.l[1].x", payload, Some(Int(2)), good),
            ("a:$.l[1]", payload, Some(Text(r#"{"x":2}"#.into())), good),
            ("a:$.t", r#"{"t":1991347676466223.0}"#, Some(Float(1_991_347_676_466_223.0)), good),
            ("a:$.t", big, Some(Float(18_446_744_073_709_551_615.0)), good),
            ("a:$", "42", Some(Int(42)), good),
            ("a:$.z", payload, None, Quality::BAD),
            ("a:$.missing", payload, None, Quality::BAD_NODE_ID_UNKNOWN),
            ("a:$.l[9]", payload, None, Quality::BAD_NODE_ID_UNKNOWN),
            ("a:$.t", "{\"t\":", None, Quality::BAD_DECODING_ERROR),
            ("a:$.t", "", None, Quality::BAD_DECODING_ERROR),
            ("a:float64", " 1e3\n", Some(Float(1000.0)), good),
            ("a:float64", "warm", None, Quality::BAD_DECODING_ERROR),
            ("a:int64", "-7", Some(Int(-7)), good),
            ("a:bool", "ON", Some(Bool(true)), good),
            ("a:text", " x ", Some(Text(" x ".into())), good),
        ];
        for (address, payload, value, quality) in table {
            let got = read(address, payload);
            assert_eq!((got.0, got.1), (value, quality), "{address} in {payload}");
        }
    }

    #[test]
    fn a_time_is_understood_by_its_size() {
        let micros = 1_795_564_800_123_000;
        let table = [
            (json!("2026-11-25T00:00:00.123Z"), Some(micros)),
            (json!(1_795_564_800), Some(1_795_564_800_000_000)),
            (json!(1_795_564_800.123), Some(micros)),
            (json!(1_795_564_800_123_i64), Some(micros)),
            (json!(1_795_564_800_123_000_i64), Some(micros)),
            (json!(1_795_564_800_123_000_000_i64), Some(micros)),
            (json!("yesterday"), None),
            (json!(true), None),
        ];
        for (json, expected) in table {
            assert_eq!(time_of(&json).map(Timestamp::micros), expected, "{json}");
        }
        let with_time = read("a:$.v@$.ts", r#"{"v":1,"ts":1795564800}"#);
        assert_eq!(with_time.2, Some(1_795_564_800_000_000));
    }
}
