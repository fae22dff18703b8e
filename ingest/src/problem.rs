//! What is wrong with a source's settings or addresses, told before anything is connected.
//!
//! A problem never stops the points that are right. It holds words only; drivers find them.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Tag of the signal at fault; none where it is the source itself.
    pub tag: Option<String>,
    /// Place of the point in the plan, if it is one.
    #[serde(skip)]
    pub point: Option<usize>,
    /// The field at fault, such as `settings.port` or `address`.
    pub field: String,
    /// Fact and remedy in a sentence.
    pub text: String,
}

impl Problem {
    /// A problem of the source itself.
    pub fn of_source(field: impl Into<String>, text: impl Into<String>) -> Problem {
        Problem { tag: None, point: None, field: field.into(), text: text.into() }
    }

    /// A problem of the point at `index`.
    pub fn of_point(
        index: usize,
        tag: &str,
        field: impl Into<String>,
        text: impl Into<String>,
    ) -> Problem {
        let (field, text) = (field.into(), text.into());
        Problem { tag: Some(tag.to_owned()), point: Some(index), field, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{tag}: {}: {}", self.field, self.text),
            None => write!(f, "{}: {}", self.field, self.text),
        }
    }
}

/// What a driver made of a plan.
#[derive(Debug)]
pub struct Compiled<D> {
    /// The driver, with the points that are right; none where the settings are wrong.
    pub driver: Option<D>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}
