//! Addresses of the simulator: a shape and its numbers, such as `sine(period=60,low=0,high=100)`.
//!
//! The table of shapes is the whole grammar: what stands in it can be written, with these defaults.

use std::fmt;
use std::str::FromStr;

use parx_log::ValueType;

/// What a simulated value does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A sine wave.
    Sine,
    /// A straight rise that begins again.
    Ramp,
    /// Low and high by turns.
    Square,
    /// A rise in equal steps that begins again.
    Step,
    /// Any value in the range, each time another.
    Random,
    /// A value that wanders through the range.
    Walk,
    /// A whole number that grows.
    Counter,
    /// Words by turns.
    States,
    /// Always the same.
    Constant,
    /// The present, in microseconds since 1970: to measure how long a value takes.
    Now,
}

struct Row {
    name: &'static str,
    shape: Shape,
    numbers: &'static [(&'static str, f64)],
}

const LOW: (&str, f64) = ("low", 0.0);
const HIGH: (&str, f64) = ("high", 100.0);
const PERIOD: (&str, f64) = ("period", 60.0);
const NOISE: (&str, f64) = ("noise", 0.0);
const FAULTS: (&str, f64) = ("faults", 0.0);

const ROWS: [Row; 10] = [
    Row { name: "sine", shape: Shape::Sine, numbers: &[PERIOD, LOW, HIGH, NOISE, FAULTS] },
    Row { name: "ramp", shape: Shape::Ramp, numbers: &[PERIOD, LOW, HIGH, NOISE, FAULTS] },
    Row {
        name: "square",
        shape: Shape::Square,
        numbers: &[PERIOD, LOW, ("high", 1.0), NOISE, FAULTS],
    },
    Row {
        name: "step",
        shape: Shape::Step,
        numbers: &[PERIOD, LOW, HIGH, ("steps", 5.0), NOISE, FAULTS],
    },
    Row { name: "random", shape: Shape::Random, numbers: &[LOW, HIGH, FAULTS] },
    Row { name: "walk", shape: Shape::Walk, numbers: &[PERIOD, LOW, HIGH, NOISE, FAULTS] },
    Row {
        name: "counter",
        shape: Shape::Counter,
        numbers: &[("rate", 1.0), ("wrap", 1_000_000.0), FAULTS],
    },
    Row { name: "states", shape: Shape::States, numbers: &[PERIOD, FAULTS] },
    Row { name: "constant", shape: Shape::Constant, numbers: &[("value", 0.0), FAULTS] },
    Row { name: "now", shape: Shape::Now, numbers: &[] },
];

/// A shape with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    row: usize,
    numbers: Vec<f64>,
    list: Vec<String>,
}

impl Shape {
    /// The type of its values.
    pub fn gives(self) -> ValueType {
        match self {
            Shape::Sine | Shape::Ramp | Shape::Random | Shape::Walk => ValueType::Float,
            Shape::Step | Shape::Constant => ValueType::Float,
            Shape::Square | Shape::Counter | Shape::Now => ValueType::Int,
            Shape::States => ValueType::Text,
        }
    }
}

impl Address {
    /// What it does over time.
    pub fn shape(&self) -> Shape {
        ROWS[self.row].shape
    }

    /// One of its numbers, or zero where the shape has no such number.
    pub fn number(&self, name: &str) -> f64 {
        let place = ROWS[self.row].numbers.iter().position(|(known, _)| *known == name);
        place.and_then(|place| self.numbers.get(place)).copied().unwrap_or(0.0)
    }

    /// Its words, if it has some.
    pub fn list(&self) -> &[String] {
        &self.list
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let row = &ROWS[self.row];
        if name == "list" && row.shape == Shape::States {
            self.list = value.split('|').map(|word| word.trim().to_owned()).collect();
            return Ok(());
        }
        let Some(place) = row.numbers.iter().position(|(known, _)| *known == name) else {
            let known: Vec<_> = row.numbers.iter().map(|(known, _)| *known).collect();
            return Err(format!("{} has no '{name}'; it has {}", row.name, known.join(", ")));
        };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => self.numbers[place] = number,
            _ => return Err(format!("{name} is '{value}'; write a number")),
        }
        Ok(())
    }

    fn check(self) -> Result<Address, String> {
        let row = &ROWS[self.row];
        for positive in ["period", "rate", "wrap", "steps"] {
            let named = row.numbers.iter().any(|(known, _)| *known == positive);
            if named && self.number(positive) <= 0.0 {
                return Err(format!("{positive} must be greater than zero"));
            }
        }
        let ranged = row.numbers.iter().any(|(known, _)| *known == "high");
        if ranged && self.number("low") > self.number("high") {
            return Err("low must not be greater than high".to_owned());
        }
        if row.shape == Shape::States && self.list.iter().any(String::is_empty) {
            return Err("a word of the list is empty; write list=idle|running".to_owned());
        }
        Ok(self)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let (name, arguments) = match text.split_once('(') {
            None => (text, ""),
            Some((name, rest)) => match rest.strip_suffix(')') {
                Some(arguments) => (name, arguments),
                None => return Err("the closing bracket is missing".to_owned()),
            },
        };
        let Some(row) = ROWS.iter().position(|row| row.name == name.trim()) else {
            let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
            return Err(format!("there is no shape '{name}'; the shapes are {}", names.join(", ")));
        };
        let numbers = ROWS[row].numbers.iter().map(|(_, default)| *default).collect();
        let states = ROWS[row].shape == Shape::States;
        let list = if states { vec!["off".to_owned(), "on".to_owned()] } else { vec![] };
        let mut address = Address { row, numbers, list };
        for argument in arguments.split(',').filter(|argument| !argument.trim().is_empty()) {
            let Some((name, value)) = argument.split_once('=') else {
                return Err(format!("'{}' is not name=value", argument.trim()));
            };
            address.set(name.trim(), value.trim())?;
        }
        address.check()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = &ROWS[self.row];
        let numbers = row.numbers.iter().zip(&self.numbers);
        let mut parts: Vec<String> = numbers.map(|((name, _), n)| format!("{name}={n}")).collect();
        if !self.list.is_empty() {
            parts.push(format!("list={}", self.list.join("|")));
        }
        write!(f, "{}({})", row.name, parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wrong_address_is_told_what_would_be_right() {
        let table = [
            ("sinus", "there is no shape 'sinus'; the shapes are sine"),
            ("sine(period=60", "closing bracket"),
            ("sine(periode=60)", "sine has no 'periode'; it has period"),
            ("sine(period=x)", "write a number"),
            ("sine(period=0)", "greater than zero"),
            ("sine(low=9,high=1)", "low must not be greater"),
            ("states(list=a||b)", "empty"),
            ("ramp(5)", "name=value"),
        ];
        for (text, expected) in table {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_printed_and_read_back(
            row in 0..ROWS.len(),
            numbers in proptest::collection::vec(0.001..1e9_f64, 6),
            list in proptest::collection::vec("[a-z]{1,8}", 1..4),
        ) {
            let wanted = ROWS[row].numbers.len();
            let numbers: Vec<f64> = numbers.into_iter().take(wanted).collect();
            let list = if ROWS[row].shape == Shape::States { list } else { vec![] };
            let address = Address { row, numbers, list };
            if let Ok(address) = address.check() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
