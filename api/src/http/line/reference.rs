//! Line protocol read the slow and obvious way, line by line and name by name: what the parser that
//! is served with is held against.

use std::collections::BTreeMap;

use parx_log::{Timestamp, Value};

use super::{LineError, Precision};

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
