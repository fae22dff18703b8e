//! InfluxDB line protocol: text to points, or the line, the column and the reason why not.
//!
//! The syntax is that of InfluxDB 2 (measurement, tags, fields, timestamp). Of `a,x=1,y=2 f=3` the
//! signal is `a/1/2/f`: the measurement, the tags' values in the order of their keys, the field.

use std::collections::BTreeMap;

use parx_log::{Timestamp, Value};

/// One field of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePoint {
    /// `measurement/<tag values in the order of their keys>/field`
    pub tag: String,
    /// The tags' keys and values.
    pub labels: BTreeMap<String, String>,
    /// When; none where the line has no timestamp.
    pub time: Option<Timestamp>,
    /// What.
    pub value: Value,
    /// The line it stands in, from 1.
    pub line: usize,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in bytes.
    pub column: usize,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// The unit of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Nanoseconds, the default; what is below a microsecond is cut off.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Precision {
    /// The precision that a query parameter names.
    pub fn parse(word: &str) -> Option<Precision> {
        match word {
            "ns" | "n" => Some(Precision::Nanoseconds),
            "us" | "u" => Some(Precision::Microseconds),
            "ms" => Some(Precision::Milliseconds),
            "s" => Some(Precision::Seconds),
            _ => None,
        }
    }

    fn time(self, number: i64) -> Option<Timestamp> {
        let micros = match self {
            Precision::Nanoseconds => Some(number.div_euclid(1000)),
            Precision::Microseconds => Some(number),
            Precision::Milliseconds => number.checked_mul(1000),
            Precision::Seconds => number.checked_mul(1_000_000),
        };
        micros.map(Timestamp::from_micros)
    }
}

/// All points of a text; nothing of it if one line is wrong.
pub fn parse(text: &str, precision: Precision) -> Result<Vec<LinePoint>, LineError> {
    let mut points = Vec::new();
    let mut number = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let mut line = Line { number, start: rest, rest, precision };
        line.parse(&mut points)?;
        let used = rest.len() - line.rest.len();
        let (done, after) = rest.split_at(used);
        number += done.bytes().filter(|byte| *byte == b'\n').count();
        rest = after;
    }
    Ok(points)
}

/// One line while it is read; a string field may hold line breaks.
struct Line<'a> {
    number: usize,
    start: &'a str,
    rest: &'a str,
    precision: Precision,
}

impl Line<'_> {
    fn error<T>(&self, problem: impl Into<String>) -> Result<T, LineError> {
        let done = self.start.len() - self.rest.len();
        let before = self.start.get(..done).unwrap_or_default();
        let breaks = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        Err(LineError { line: self.number + breaks, column, problem: problem.into() })
    }

    fn next(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
    }

    fn at_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with('\n')
    }

    fn parse(&mut self, points: &mut Vec<LinePoint>) -> Result<(), LineError> {
        self.skip_spaces();
        if self.rest.starts_with('#') {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..).unwrap_or_default();
        }
        if self.at_end() {
            self.take('\n');
            return Ok(());
        }
        let measurement = self.name(&[',', ' '], "the measurement")?;
        let mut labels = BTreeMap::new();
        while self.take(',') {
            let key = self.name(&['=', ',', ' '], "a tag's key")?;
            if !self.take('=') {
                return self.error(format!("the tag '{key}' has no value; write {key}=value"));
            }
            let value = self.name(&[',', ' ', '='], "a tag's value")?;
            if labels.insert(key.clone(), value).is_some() {
                return self.error(format!("the tag '{key}' is there twice"));
            }
        }
        if !self.rest.starts_with(' ') {
            return self.error("a space and at least one field=value must follow");
        }
        self.skip_spaces();
        let values: Vec<&str> = labels.values().map(String::as_str).collect();
        let prefix = [&[measurement.as_str()], values.as_slice()].concat().join("/");
        let first = points.len();
        loop {
            let key = self.name(&['=', ',', ' '], "a field's key")?;
            if !self.take('=') {
                return self.error(format!("the field '{key}' has no value; write {key}=value"));
            }
            let value = self.value(&key)?;
            let (tag, labels) = (format!("{prefix}/{key}"), labels.clone());
            points.push(LinePoint { tag, labels, time: None, value, line: self.number });
            if !self.take(',') {
                break;
            }
        }
        let time = self.time()?;
        points.iter_mut().skip(first).for_each(|point| point.time = time);
        Ok(())
    }

    /// A name that ends before one of `ends`; a backslash takes their meaning away.
    fn name(&mut self, ends: &[char], what: &str) -> Result<String, LineError> {
        let mut name = String::new();
        let mut chars = self.rest.chars();
        loop {
            let before = chars.as_str();
            match chars.next() {
                Some('\\') => match chars.clone().next() {
                    Some(next) if ends.contains(&next) || [',', '=', ' ', '\\'].contains(&next) => {
                        name.push(next);
                        chars.next();
                    }
                    Some(_) | None => name.push('\\'),
                },
                Some(c) if !ends.contains(&c) && c != '\n' => name.push(c),
                Some(_) | None => {
                    if name.is_empty() {
                        return self.error(format!("{what} is missing"));
                    }
                    self.rest = before;
                    return Ok(name);
                }
            }
        }
    }

    fn value(&mut self, key: &str) -> Result<Value, LineError> {
        if self.next() == Some('"') {
            return self.text(key);
        }
        let end = self.rest.find([',', ' ', '\n', '\r']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "" => return self.error(format!("the field '{key}' has no value")),
            "t" | "T" | "true" | "True" | "TRUE" => Value::Bool(true),
            "f" | "F" | "false" | "False" | "FALSE" => Value::Bool(false),
            word => match number(word) {
                Ok(value) => value,
                Err(problem) => return self.error(format!("the field '{key}': {problem}")),
            },
        };
        self.rest = rest;
        Ok(value)
    }

    fn text(&mut self, key: &str) -> Result<Value, LineError> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        chars.next();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.clone().next() {
                    Some(next @ ('"' | '\\')) => {
                        text.push(next);
                        chars.next();
                    }
                    Some(_) | None => text.push('\\'),
                },
                Some(c) => text.push(c),
                None => {
                    return self.error(format!("the text of field '{key}' has no closing quote"));
                }
            }
        }
        self.rest = chars.as_str();
        Ok(Value::Text(text.into()))
    }

    /// The timestamp, if there is one, and the end of the line.
    fn time(&mut self) -> Result<Option<Timestamp>, LineError> {
        if !self.at_end() && !self.rest.starts_with([' ', '\t', '\r']) {
            return self.error("a comma, a space or the end of the line must follow a value");
        }
        self.skip_spaces();
        if self.at_end() {
            self.take('\n');
            return Ok(None);
        }
        let end = self.rest.find([' ', '\n', '\r']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let time = word.parse().ok().and_then(|number| self.precision.time(number));
        let Some(time) = time else {
            return self.error(format!("'{word}' is not a timestamp; write a whole number"));
        };
        self.rest = rest;
        self.skip_spaces();
        if !self.at_end() {
            return self.error("nothing may follow the timestamp");
        }
        self.take('\n');
        Ok(Some(time))
    }
}

fn number(word: &str) -> Result<Value, String> {
    if let Some(digits) = word.strip_suffix('i') {
        let problem = |_| format!("'{word}' is not an integer of 64 bits");
        return digits.parse().map(Value::Int).map_err(problem);
    }
    if let Some(digits) = word.strip_suffix('u') {
        let number: u64 = digits.parse().map_err(|_| format!("'{word}' is not an integer"))?;
        let problem = |_| format!("'{word}' is beyond {}, the largest kept exactly", i64::MAX);
        return i64::try_from(number).map(Value::Int).map_err(problem);
    }
    let plain = word.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match word.parse::<f64>() {
        Ok(number) if plain && number.is_finite() => Ok(Value::Float(number)),
        Ok(_) | Err(_) => Err(format!(
            "'{word}' is not a value; write 1.5, 3i, true or \"text\" in double quotes"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<(String, Value, Option<i64>)> {
        let points = parse(text, Precision::Nanoseconds).unwrap();
        points.into_iter().map(|p| (p.tag, p.value, p.time.map(Timestamp::micros))).collect()
    }

    #[test]
    fn a_line_becomes_one_point_a_field() {
        let got = points("pump,site=b,line=a speed=1.5,on=t,n=3i,s=\"x, y\" 1700000000000000001\n");
        let time = Some(1_700_000_000_000_000);
        assert_eq!(
            got,
            [
                ("pump/a/b/speed".into(), Value::Float(1.5), time),
                ("pump/a/b/on".into(), Value::Bool(true), time),
                ("pump/a/b/n".into(), Value::Int(3), time),
                ("pump/a/b/s".into(), Value::Text("x, y".into()), time),
            ]
        );
    }

    #[test]
    fn escapes_comments_blank_lines_and_quotes_are_understood() {
        let text = "# comment\n\nmy\\ m\\,x,k\\=1=v\\ 2 f\\=g=\"a\\\"b\\\\c\nd\"\r\nm f=-1e3";
        let got = points(text);
        assert_eq!(got[0].0, "my m,x/v 2/f=g");
        assert_eq!(got[0].1, Value::Text("a\"b\\c\nd".into()));
        assert_eq!(got[1], ("m/f".into(), Value::Float(-1000.0), None));
    }

    #[test]
    fn the_precision_is_the_timestamps_unit() {
        for (word, expected) in [("ns", 1), ("us", 1_500), ("ms", 1_500_000), ("s", 1_500_000_000)]
        {
            let points = parse("m f=1 1500", Precision::parse(word).unwrap()).unwrap();
            assert_eq!(points[0].time, Some(Timestamp::from_micros(expected)), "{word}");
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_place_and_reason() {
        let table = [
            ("m f=1\nm f=\n", 2, 5, "has no value"),
            ("m f=1\nm\n", 2, 2, "field=value must follow"),
            ("m f=abc", 1, 5, "'abc' is not a value"),
            ("m f=NaN", 1, 5, "'NaN' is not a value"),
            ("m f=1 soon", 1, 7, "'soon' is not a timestamp"),
            ("m f=1 5 6", 1, 9, "nothing may follow"),
            ("m,k f=1", 1, 4, "has no value"),
            ("m,k=1,k=2 f=1", 1, 10, "is there twice"),
            ("m f=\"open", 1, 5, "no closing quote"),
            ("m f=\"a\nb\" x", 2, 4, "'x' is not a timestamp"),
            ("m f=99999999999999999999i", 1, 5, "not an integer of 64 bits"),
            ("m f=18446744073709551615u", 1, 5, "beyond"),
            (",k=1 f=1", 1, 1, "the measurement is missing"),
            ("m f=1,", 1, 7, "a field's key is missing"),
        ];
        for (text, line, column, part) in table {
            let error = parse(text, Precision::Nanoseconds).unwrap_err();
            assert!(error.problem.contains(part), "{text:?}: {error}");
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        }
    }
}
