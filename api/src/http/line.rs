//! InfluxDB line protocol: text to points in columns, or the line, the column and
//! the reason why not.
//!
//! The syntax is that of InfluxDB 2 (measurement, tags, fields, timestamp). Of `a,x=1,y=2 f=3` the
//! signal is `a/1/2/f`: the measurement, the tags' values in the order of their keys, the field.
//! What stands before a line's values is taken apart where it is met first; after that its bytes
//! are recognised, also in later texts, so that a line costs its numbers and no memory of its own.

mod head;
#[cfg(test)]
mod reference;

use parx_ingest::{Points, WRITE_POINTS_MAX};
use parx_log::{Timestamp, Value};

use head::Heads;
pub use head::{KNOWN_BYTES_MAX, KNOWN_KEPT_MAX, Pool};

/// The points of a text.
#[derive(Debug, Default)]
pub struct Lines {
    /// The points, as many as one write may hold and one more.
    pub points: Points,
    /// How many points the text holds.
    pub count: usize,
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

/// All points of a text, those without a timestamp at `now`; nothing of it if one line is wrong.
pub fn parse(
    text: &str,
    precision: Precision,
    now: Timestamp,
    pool: &Pool,
) -> Result<Lines, LineError> {
    let mut parser = Parser::of(text, precision, now, pool.take());
    // A line is seldom shorter than this.
    parser.done.points.reserve((text.len() / 32).min(WRITE_POINTS_MAX));
    let mut parsed = Ok(());
    while parsed.is_ok() && parser.at < text.len() {
        parsed = parser.line();
    }
    let Parser { mut done, heads, .. } = parser;
    done.points.series = heads.series.clone();
    pool.give(heads);
    parsed.map(|()| done)
}

/// The line, from 1, that the point at `index` of a text stands in.
pub fn line_of(text: &str, index: usize) -> usize {
    let mut parser = Parser::of(text, Precision::Nanoseconds, Timestamp::MIN, Heads::default());
    let mut line = parser.number;
    while parser.done.count <= index && parser.at < text.len() {
        line = parser.number;
        if parser.line().is_err() {
            break;
        }
    }
    line
}

/// A text while it is read.
struct Parser<'a> {
    text: &'a str,
    /// What is next.
    at: usize,
    /// Where the line begins; a string field may hold line breaks.
    start: usize,
    /// The line's number.
    number: usize,
    precision: Precision,
    now: Timestamp,
    heads: Heads,
    done: Lines,
}

impl<'a> Parser<'a> {
    fn of(text: &'a str, precision: Precision, now: Timestamp, heads: Heads) -> Parser<'a> {
        let (at, start, number, done) = (0, 0, 1, Lines::default());
        Parser { text, at, start, number, precision, now, heads, done }
    }

    fn error<T>(&self, problem: impl Into<String>) -> Result<T, LineError> {
        let before = self.text.get(self.start..self.at).unwrap_or_default();
        let breaks = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        Err(LineError { line: self.number + breaks, column, problem: problem.into() })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let there = self.next() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn at_end(&self) -> bool {
        matches!(self.next(), None | Some(b'\n'))
    }

    /// What comes before one of `ends` or the end of the text.
    fn until(&self, ends: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(ends).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn line(&mut self) -> Result<(), LineError> {
        self.skip_spaces();
        if self.next() == Some(b'#') {
            self.at += self.until(|byte| byte == b'\n').len();
        }
        if self.at_end() {
            self.end_line();
            return Ok(());
        }
        let mut head = self.head()?;
        if self.next() != Some(b' ') {
            return self.error("a space and at least one field=value must follow");
        }
        self.skip_spaces();
        let first = self.done.points.len();
        loop {
            head = self.field(head)?;
            if !self.take(b',') {
                break;
            }
        }
        let time = self.time()?.unwrap_or(self.now).micros();
        let times = self.done.points.times.get_mut(first..).unwrap_or_default();
        times.iter_mut().for_each(|own| *own = time);
        self.end_line();
        Ok(())
    }

    /// Takes in a value, whose time the end of its line will tell.
    fn push(&mut self, series: u32, value: Value) {
        self.done.count += 1;
        if self.done.points.len() <= WRITE_POINTS_MAX {
            self.done.points.push(series, 0, Some(value));
        }
    }

    /// Counts the line breaks of the line, its own too.
    fn end_line(&mut self) {
        self.take(b'\n');
        let line = self.text.as_bytes().get(self.start..self.at).unwrap_or_default();
        self.number += line.iter().filter(|byte| **byte == b'\n').count();
        self.start = self.at;
    }

    /// A name that ends before one of `ends`; a backslash takes their meaning away.
    fn name(&mut self, ends: &[u8], what: &str) -> Result<String, LineError> {
        let mut name = String::new();
        let mut chars = self.rest().chars();
        let ends = |c: char| c == '\n' || u8::try_from(c).is_ok_and(|byte| ends.contains(&byte));
        loop {
            let before = chars.as_str();
            match chars.next() {
                Some('\\') => match chars.clone().next() {
                    Some(next @ (',' | '=' | ' ' | '\\')) => {
                        name.push(next);
                        chars.next();
                    }
                    Some(_) | None => name.push('\\'),
                },
                Some(c) if !ends(c) => name.push(c),
                Some(_) | None => {
                    if name.is_empty() {
                        return self.error(format!("{what} is missing"));
                    }
                    self.at = self.text.len() - before.len();
                    return Ok(name);
                }
            }
        }
    }

    fn value(&mut self, field: u32) -> Result<Value, LineError> {
        if self.next() == Some(b'"') {
            return self.string(field);
        }
        let word = self.until(|byte| matches!(byte, b',' | b' ' | b'\n' | b'\r'));
        let value = match word {
            "" => {
                let key = self.heads.key(field);
                return self.error(format!("the field '{key}' has no value"));
            }
            "t" | "T" | "true" | "True" | "TRUE" => Value::Bool(true),
            "f" | "F" | "false" | "False" | "FALSE" => Value::Bool(false),
            word => match number(word) {
                Ok(value) => value,
                Err(problem) => {
                    let key = self.heads.key(field);
                    return self.error(format!("the field '{key}': {problem}"));
                }
            },
        };
        self.at += word.len();
        Ok(value)
    }

    fn string(&mut self, field: u32) -> Result<Value, LineError> {
        let mut text = String::new();
        let mut chars = self.rest().chars();
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
                    let key = self.heads.key(field);
                    return self.error(format!("the text of field '{key}' has no closing quote"));
                }
            }
        }
        self.at = self.text.len() - chars.as_str().len();
        Ok(Value::Text(self.heads.text(field, &text)))
    }

    /// The timestamp, if there is one, up to the end of the line.
    fn time(&mut self) -> Result<Option<Timestamp>, LineError> {
        if !self.at_end() && !matches!(self.next(), Some(b' ' | b'\t' | b'\r')) {
            return self.error("a comma, a space or the end of the line must follow a value");
        }
        self.skip_spaces();
        if self.at_end() {
            return Ok(None);
        }
        let word = self.until(|byte| matches!(byte, b' ' | b'\n' | b'\r'));
        let time = word.parse().ok().and_then(|number| self.precision.time(number));
        let Some(time) = time else {
            return self.error(format!("'{word}' is not a timestamp; write a whole number"));
        };
        self.at += word.len();
        self.skip_spaces();
        if !self.at_end() {
            return self.error("nothing may follow the timestamp");
        }
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
    match word.parse::<f64>() {
        // Words such as `inf` and `nan` are numbers to the standard library alone.
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        Ok(_) | Err(_) => Err(format!(
            "'{word}' is not a value; write 1.5, 3i, true or \"text\" in double quotes"
        )),
    }
}

#[cfg(test)]
mod tests;
