//! Addresses of MQTT: a topic, and where in its payload the value is.
//!
//! `topic:$.temp@$.ts` reads JSON, `topic:float64` a plain payload. Wildcards are refused: one
//! signal is one place.

use std::fmt;
use std::str::FromStr;

use parx_log::ValueType;

/// A value's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The topic.
    pub topic: String,
    /// Where in its payload.
    pub payload: Payload,
}

/// How a payload is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON.
    Json {
        /// Where the value is.
        value: Path,
        /// Where its time is, if the payload holds one.
        time: Option<Path>,
    },
    /// The payload is the value, as text.
    Plain(ValueType),
}

/// A path into JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array, from 0.
    Element(usize),
}

const PLAIN: [(&str, ValueType); 8] = [
    ("float64", ValueType::Float),
    ("int64", ValueType::Int),
    ("bool", ValueType::Bool),
    ("text", ValueType::Text),
    ("float", ValueType::Float),
    ("float32", ValueType::Float),
    ("int", ValueType::Int),
    ("string", ValueType::Text),
];

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let example = "write topic:$.member for JSON, or topic:float64 for a plain payload";
        let (topic, payload) = if let Some(place) = text.find(":$") {
            let (value, rest) = parse_path(&text[place + 1..])?;
            let time = match rest.strip_prefix('@') {
                None if rest.is_empty() => None,
                None => return Err(format!("'{rest}' does not continue a path; {example}")),
                Some(rest) => match parse_path(rest)? {
                    (time, "") => Some(time),
                    (_, rest) => return Err(format!("'{rest}' does not continue the time's path")),
                },
            };
            (&text[..place], Payload::Json { value, time })
        } else if let Some((topic, word)) = text.rsplit_once(':') {
            let known = PLAIN.iter().find(|(known, _)| *known == word);
            match known {
                Some((_, value_type)) => (topic, Payload::Plain(*value_type)),
                None => return Err(format!("there is no payload type '{word}'; {example}")),
            }
        } else {
            return Err(format!("it does not say where in the payload the value is; {example}"));
        };
        check_topic(topic)?;
        Ok(Address { topic: topic.to_owned(), payload })
    }
}

fn check_topic(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("the topic is empty".to_owned());
    }
    if topic.contains(['+', '#']) {
        return Err("a topic with + or # is many places; give each signal its own topic".to_owned());
    }
    if topic.contains('\0') || topic.len() > 65_535 {
        return Err("the topic is too long or holds a zero character".to_owned());
    }
    Ok(())
}

/// A path at the beginning of `text`, and the rest.
fn parse_path(text: &str) -> Result<(Path, &str), String> {
    let Some(mut rest) = text.strip_prefix('$') else {
        return Err(format!("the path '{text}' does not begin with $"));
    };
    let mut steps = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[', '@']).unwrap_or(after.len());
            if end == 0 {
                return Err("a member's name is missing behind a dot".to_owned());
            }
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let (step, after) = parse_bracket(after)?;
            steps.push(step);
            rest = after;
        } else {
            return Ok((Path(steps), rest));
        }
    }
}

/// What stands between `[` and `]`, and the rest behind.
fn parse_bracket(text: &str) -> Result<(Step, &str), String> {
    let wrong = || format!("'[{text}' is neither a number nor a name in double quotes in brackets");
    if text.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let name = strings.next().and_then(Result::ok).ok_or_else(wrong)?;
        let rest = text[strings.byte_offset()..].strip_prefix(']').ok_or_else(wrong)?;
        return Ok((Step::Member(name), rest));
    }
    let (number, rest) = text.split_once(']').ok_or_else(wrong)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { number.parse().ok() } else { None };
    Ok((Step::Element(number.ok_or_else(wrong)?), rest))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.0 {
            match step {
                Step::Element(number) => write!(f, "[{number}]")?,
                Step::Member(name) => {
                    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    if !name.is_empty() && name.chars().all(plain) {
                        write!(f, ".{name}")?;
                    } else {
                        write!(f, "[{}]", serde_json::Value::from(name.as_str()))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.payload {
            Payload::Json { value, time: None } => write!(f, "{}:{value}", self.topic),
            Payload::Json { value, time: Some(time) } => {
                write!(f, "{}:{value}@{time}", self.topic)
            }
            Payload::Plain(value_type) => {
                let word = PLAIN.iter().find(|(_, known)| known == value_type);
                write!(f, "{}:{}", self.topic, word.map_or("", |(word, _)| word))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let table = [
            ("plant/p1/state:$.temp@$.ts", "plant/p1/state:$.temp@$.ts"),
            ("a:$", "a:$"),
            ("a:$.m[0][\"x.y \\\" z\"].n", "a:$.m[0][\"x.y \\\" z\"].n"),
            ("a:$[\"plain\"]", "a:$.plain"),
            ("a:$.größe", "a:$[\"größe\"]"),
            ("a:b:float", "a:b:float64"),
            ("$SYS/broker/uptime:text", "$SYS/broker/uptime:text"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_told_what_would_be_right() {
        let table = [
            ("plant/p1", "where in the payload"),
            ("plant/p1:double", "no payload type 'double'"),
            ("plant/+/x:$.a", "give each signal its own topic"),
            (":$.a", "the topic is empty"),
            ("a:$.", "name is missing"),
            ("a:$.b[x]", "neither a number"),
            ("a:$.b[\"x\"", "neither a number"),
            ("a:$.b@ts", "does not begin with $"),
            ("a:$b", "does not continue a path"),
        ];
        for (text, expected) in table {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    fn paths() -> impl Strategy<Value = Path> {
        let step =
            prop_oneof!["\\PC{0,8}".prop_map(Step::Member), any::<usize>().prop_map(Step::Element)];
        proptest::collection::vec(step, 0..4).prop_map(Path)
    }

    proptest! {
        #[test]
        fn an_address_is_printed_and_read_back(
            topic in "[a-zA-Z0-9/:_ -]{1,20}",
            value in paths(),
            time in proptest::option::of(paths()),
            plain in proptest::option::of(0..4usize),
        ) {
            let payload = match plain {
                Some(place) => Payload::Plain(PLAIN[place].1),
                None => Payload::Json { value, time },
            };
            let address = Address { topic, payload };
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Address>();
        }
    }
}
