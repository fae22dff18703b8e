//! Arguments of table functions: constants to signals, times, lengths of time and numbers.
//!
//! Each complaint names the function, the argument and what would be right.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use parx_log::{Catalog, Signal, Timestamp};

use crate::functions::interval;
use crate::{Condition, ErrorKind, QueryError, session};

/// How many signals a call can name.
pub(crate) const SIGNALS_MAX: usize = 10_000;

/// The arguments of one call.
pub(crate) struct Arguments<'a> {
    name: &'static str,
    usage: &'static str,
    exprs: &'a [Expr],
    state: &'a SessionState,
    catalog: Arc<Catalog>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(
        name: &'static str,
        usage: &'static str,
        args: &TableFunctionArgs<'a, 'a>,
    ) -> Result<Arguments<'a>, QueryError> {
        let engine = session::engine(args.session())?;
        let catalog = session::snapshot(args.session(), engine.log()).catalog.clone();
        let state = args.session().as_any().downcast_ref::<SessionState>();
        let state =
            state.ok_or_else(|| QueryError::new(ErrorKind::Internal, "a foreign session"))?;
        Ok(Arguments { name, usage, exprs: args.exprs(), state, catalog })
    }

    /// Refuses any other number of arguments.
    pub(crate) fn count(&self, least: usize, most: usize) -> Result<(), QueryError> {
        match (least..=most).contains(&self.exprs.len()) {
            true => Ok(()),
            false => {
                let found = self.exprs.len();
                let message = format!("{}({}) is given {found} arguments", self.name, self.usage);
                Err(QueryError::new(ErrorKind::UndefinedFunction, message))
            }
        }
    }

    /// True if there is an argument at this place.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.exprs.len() > place
    }

    /// The signals of a tag, of tags with commas between them, or of an array of tags.
    pub(crate) fn signals(&self, place: usize) -> Result<Vec<Arc<Signal>>, QueryError> {
        let what = "a tag, tags with commas between them, or an array of tags";
        let value = self.constant(place, "signals", what)?;
        let tags = match tags(value) {
            Some(tags) if !tags.is_empty() => tags,
            Some(_) | None => return Err(self.wrong("signals", what, &value.to_string())),
        };
        if tags.len() > SIGNALS_MAX {
            let message = format!("{} signals; a call can have {SIGNALS_MAX}", tags.len());
            return Err(QueryError::new(ErrorKind::OutOfRange, message));
        }
        tags.iter().map(|tag| self.signal_of(tag)).collect()
    }

    /// One signal.
    pub(crate) fn signal(&self, place: usize) -> Result<Arc<Signal>, QueryError> {
        self.signal_of(&self.text(place, "signal", "a tag")?)
    }

    fn signal_of(&self, tag: &str) -> Result<Arc<Signal>, QueryError> {
        self.catalog.signal_by_tag(tag).cloned().ok_or_else(|| {
            let message = format!("there is no signal \"{tag}\"");
            QueryError::new(ErrorKind::InvalidText, message)
                .hint("SELECT tag FROM signals lists them")
        })
    }

    /// A point in time. Text without an offset is read in the session's zone.
    pub(crate) fn time(&self, place: usize, name: &str) -> Result<Timestamp, QueryError> {
        let what = "a time, such as '2026-11-25T06:00:00Z' or now() - interval '8 hours'";
        let value = self.constant(place, name, what)?;
        let zone = match value {
            ScalarValue::Utf8(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Utf8View(_) => {
                self.state.config_options().execution.time_zone.clone()
            }
            _ => None,
        };
        let zone = zone.unwrap_or_else(|| "UTC".to_owned());
        let wanted = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
        let temporal = matches!(
            value.data_type(),
            DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
        );
        match value.cast_to(&wanted) {
            Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) if temporal => {
                Ok(Timestamp::from_micros(micros))
            }
            Ok(_) | Err(_) => Err(self.wrong(name, what, &value.to_string())),
        }
    }

    /// A length of time without months, of a microsecond at least.
    pub(crate) fn length(&self, place: usize, name: &str) -> Result<Duration, QueryError> {
        let what = "a length of time without months, such as '10 seconds'";
        let value = self.constant(place, name, what)?;
        let length = match value {
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)) => interval::parse(text),
            other => interval::of(other),
        };
        let micros = length.filter(|length| length.months == 0).map(|length| length.micros);
        match micros.and_then(|micros| u64::try_from(micros).ok()).filter(|micros| *micros > 0) {
            Some(micros) => Ok(Duration::from_micros(micros)),
            None => Err(self.wrong(name, what, &value.to_string())),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, place: usize, name: &str) -> Result<u32, QueryError> {
        let what = "a whole number";
        let value = self.constant(place, name, what)?;
        let whole = match value.data_type().is_numeric() {
            true => value.cast_to(&DataType::UInt32).ok(),
            false => None,
        };
        match whole {
            Some(ScalarValue::UInt32(Some(number))) => Ok(number),
            Some(_) | None => Err(self.wrong(name, what, &value.to_string())),
        }
    }

    /// A condition on samples.
    pub(crate) fn condition(&self, place: usize) -> Result<Condition, QueryError> {
        let what = "a condition in quotes, such as 'value > 80'";
        Condition::new(&self.text(place, "condition", what)?, self.state)
    }

    fn text(&self, place: usize, name: &str, what: &str) -> Result<String, QueryError> {
        match self.constant(place, name, what)? {
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)) => Ok(text.clone()),
            other => Err(self.wrong(name, what, &other.to_string())),
        }
    }

    fn constant(&self, place: usize, name: &str, what: &str) -> Result<&ScalarValue, QueryError> {
        match self.exprs.get(place) {
            Some(Expr::Literal(value, _)) => Ok(value),
            Some(other) => Err(self.wrong(name, what, &format!("{other}"))),
            None => Err(self.wrong(name, what, "nothing")),
        }
    }

    fn wrong(&self, name: &str, what: &str, found: &str) -> QueryError {
        let message = format!("{}: {name} must be {what}; it is {found}", self.name);
        QueryError::new(ErrorKind::InvalidText, message)
            .hint(format!("{}({})", self.name, self.usage))
    }
}

/// The tags that a constant names; nothing if it is of another type.
fn tags(value: &ScalarValue) -> Option<Vec<String>> {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => {
            let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
            Some(tags.map(str::to_owned).collect())
        }
        ScalarValue::List(list) => {
            let tags = list.values().as_string_opt::<i32>()?;
            tags.iter().map(|tag| tag.map(str::to_owned)).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_in_one_text_or_in_an_array() {
        let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
        let list = ScalarValue::new_list_nullable(&[text("a,b"), text("c")], &DataType::Utf8);
        let table = [
            (text("a/b"), Some(vec!["a/b"])),
            (text(" a , b,,c "), Some(vec!["a", "b", "c"])),
            (text(""), Some(vec![])),
            (ScalarValue::List(list), Some(vec!["a,b", "c"])),
            (ScalarValue::Int64(Some(1)), None),
            (ScalarValue::Utf8(None), None),
        ];
        for (value, expected) in table {
            let expected = expected.map(|tags| tags.into_iter().map(str::to_owned).collect());
            assert_eq!(tags(&value), expected, "{value}");
        }
    }
}
