//! What a query can fail with, in kinds that each door maps to its own codes.
//!
//! Foreign errors are sorted here, once; no other place looks into them.

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use parx_compactor::SegmentError;
use parx_log::ReadError;

/// What kind of failure it is. The doc of each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Correct the statement at the position.
    Syntax,
    /// Check the table's name.
    UndefinedTable,
    /// Check the column's name.
    UndefinedColumn,
    /// Say which table the column is of.
    AmbiguousColumn,
    /// Check the function's name and its arguments.
    UndefinedFunction,
    /// Convert one of the operands.
    DatatypeMismatch,
    /// Correct the value.
    InvalidText,
    /// Keep the number within its type.
    OutOfRange,
    /// Guard the division, for instance with `nullif`.
    DivisionByZero,
    /// The number or type of the given parameters does not fit the statement.
    Parameters,
    /// Ask for less, or raise the limit.
    OutOfMemory,
    /// Nothing is written through SQL.
    ReadOnly,
    /// Write the statement in another way.
    Unsupported,
    /// Restore the named file from a backup (L6).
    Damage,
    /// The asker gave up.
    Cancelled,
    /// A fault of ParX: report it.
    Internal,
}

impl ErrorKind {
    /// The five characters that PostgreSQL's clients know it by.
    pub fn sqlstate(self) -> &'static str {
        match self {
            ErrorKind::Syntax => "42601",
            ErrorKind::UndefinedTable => "42P01",
            ErrorKind::UndefinedColumn => "42703",
            ErrorKind::AmbiguousColumn => "42702",
            ErrorKind::UndefinedFunction => "42883",
            ErrorKind::DatatypeMismatch => "42804",
            ErrorKind::InvalidText => "22P02",
            ErrorKind::OutOfRange => "22003",
            ErrorKind::DivisionByZero => "22012",
            ErrorKind::Parameters => "08P01",
            ErrorKind::OutOfMemory => "53200",
            ErrorKind::ReadOnly => "25006",
            ErrorKind::Unsupported => "0A000",
            ErrorKind::Damage => "XX001",
            ErrorKind::Cancelled => "57014",
            ErrorKind::Internal => "XX000",
        }
    }
}

/// Why there is no answer: the fact, what more is known, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The kind.
    pub kind: ErrorKind,
    /// The fact, in one sentence.
    pub message: String,
    /// What more is known.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the statement, counted in characters from 1.
    pub position: Option<usize>,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for QueryError {}

impl QueryError {
    /// An error that knows no more than its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> QueryError {
        QueryError { kind, message: message.into(), detail: None, hint: None, position: None }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> QueryError {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its position, if it names something that stands in `sql` once.
    pub fn locate(mut self, sql: &str) -> QueryError {
        if self.position.is_none()
            && let Some(name) = between(&self.message, "\"", "\"")
            && let sql = sql.to_ascii_lowercase()
            && let name = name.to_ascii_lowercase()
            && let Some((before, rest)) = sql.split_once(&name)
            && !rest.contains(&name)
        {
            self.position = Some(before.chars().count() + 1);
        }
        self
    }

    /// The parser's complaint about `sql`.
    pub(crate) fn syntax(error: ParserError, sql: &str) -> QueryError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply".into(),
        };
        let position = place(&text).and_then(|(line, column)| offset(sql, line, column));
        let message = text.split(" at Line:").next().unwrap_or(&text).to_owned();
        let message = message.trim_start_matches("sql parser error: ");
        QueryError { position, ..QueryError::new(ErrorKind::Syntax, format!("syntax: {message}")) }
    }
}

/// Line and column of `… at Line: 3, Column: 14`.
fn place(text: &str) -> Option<(usize, usize)> {
    let (_, place) = text.rsplit_once("at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    Some((digits(line)?, digits(column)?))
}

/// The character of `sql` at a line and a column, counted from 1.
fn offset(sql: &str, line: usize, column: usize) -> Option<usize> {
    if line == 0 || column == 0 {
        return None;
    }
    let before: usize = sql.split('\n').take(line - 1).map(|line| line.chars().count() + 1).sum();
    Some(before + column)
}

impl From<SegmentError> for QueryError {
    fn from(error: SegmentError) -> QueryError {
        let kind = if error.is_damage() { ErrorKind::Damage } else { ErrorKind::Internal };
        QueryError::new(kind, error.to_string())
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> QueryError {
        let kind = match error {
            ReadError::Entry(_) => ErrorKind::Damage,
            ReadError::Store(_) | ReadError::Compacted { .. } => ErrorKind::Internal,
        };
        QueryError::new(kind, error.to_string())
    }
}

impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<ArrowError> for QueryError {
    fn from(error: ArrowError) -> QueryError {
        let kind = match &error {
            ArrowError::DivideByZero => ErrorKind::DivisionByZero,
            ArrowError::ArithmeticOverflow(_) => ErrorKind::OutOfRange,
            ArrowError::CastError(_) | ArrowError::ParseError(_) => ErrorKind::InvalidText,
            ArrowError::ComputeError(text) if text.contains("overflow") => ErrorKind::OutOfRange,
            ArrowError::MemoryError(_) => ErrorKind::OutOfMemory,
            ArrowError::NotYetImplemented(_) => ErrorKind::Unsupported,
            ArrowError::ExternalError(inner) => match inner.downcast_ref::<QueryError>() {
                Some(ours) => return ours.clone(),
                None => ErrorKind::Internal,
            },
            _ => ErrorKind::Internal,
        };
        QueryError::new(kind, plain(&error.to_string()))
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> QueryError {
        match error {
            DataFusionError::ArrowError(error, _) => (*error).into(),
            DataFusionError::SQL(error, _) => QueryError::syntax(*error, ""),
            DataFusionError::SchemaError(error, _) => schema_error(*error),
            DataFusionError::ResourcesExhausted(text) => out_of_memory(&text),
            DataFusionError::NotImplemented(text) => QueryError::new(ErrorKind::Unsupported, text),
            DataFusionError::Plan(text) => planning(&text),
            DataFusionError::Execution(text) => execution(&text),
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                (*inner).into()
            }
            DataFusionError::Collection(mut errors) if !errors.is_empty() => {
                errors.swap_remove(0).into()
            }
            DataFusionError::Shared(shared) => shared_error(&shared),
            DataFusionError::External(inner) => match inner.downcast::<QueryError>() {
                Ok(ours) => *ours,
                Err(other) => QueryError::new(ErrorKind::Internal, other.to_string()),
            },
            other => QueryError::new(ErrorKind::Internal, plain(&other.to_string())),
        }
    }
}

fn shared_error(error: &DataFusionError) -> QueryError {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<QueryError>() {
            Some(ours) => ours.clone(),
            None => QueryError::new(ErrorKind::Internal, inner.to_string()),
        },
        DataFusionError::ResourcesExhausted(text) => out_of_memory(text),
        DataFusionError::Execution(text) => execution(text),
        other => QueryError::new(ErrorKind::Internal, plain(&other.to_string())),
    }
}

fn out_of_memory(text: &str) -> QueryError {
    QueryError {
        detail: Some(plain(text)),
        ..QueryError::new(ErrorKind::OutOfMemory, "the query needs more memory than it may have")
    }
    .hint("ask for a shorter time or fewer signals, or raise the limit for queries")
}

fn schema_error(error: SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|f| f.name.as_str()).collect();
            let message = format!("column \"{}\" does not exist", field.name);
            let error = QueryError::new(ErrorKind::UndefinedColumn, message);
            match known.is_empty() {
                true => error,
                false => error.hint(format!("there are {}", known.join(", "))),
            }
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column reference \"{}\" is ambiguous", field.name);
            QueryError::new(ErrorKind::AmbiguousColumn, message)
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let message = format!("column name \"{name}\" stands for two columns");
            QueryError::new(ErrorKind::AmbiguousColumn, message)
        }
    }
}

/// Sorts the planner's complaints, which come as bare text.
fn planning(text: &str) -> QueryError {
    let kinds = [
        ("No function matches", ErrorKind::UndefinedFunction),
        ("does not support zero arguments", ErrorKind::UndefinedFunction),
        ("Failed to coerce arguments", ErrorKind::UndefinedFunction),
        ("table function '", ErrorKind::UndefinedFunction),
        ("Placeholder", ErrorKind::Parameters),
        ("placeholder", ErrorKind::Parameters),
        ("Cannot coerce", ErrorKind::DatatypeMismatch),
        ("Cannot infer common", ErrorKind::DatatypeMismatch),
        ("have mixed types", ErrorKind::DatatypeMismatch),
        ("Unsupported CAST", ErrorKind::DatatypeMismatch),
        ("must be in GROUP BY", ErrorKind::Syntax),
        ("must appear in the GROUP BY", ErrorKind::Syntax),
    ];
    if let Some(name) = between(text, "table '", "' not found") {
        let name = name.trim_start_matches("parx.").trim_start_matches("public.");
        let message = format!("relation \"{name}\" does not exist");
        return QueryError::new(ErrorKind::UndefinedTable, message)
            .hint("the tables are samples, samples_history, signals, sources, events");
    }
    if let Some(name) = between(text, "Invalid function '", "'") {
        let message = format!("function \"{name}\" does not exist");
        return QueryError::new(ErrorKind::UndefinedFunction, message);
    }
    let kind = kinds.iter().find(|(sign, _)| text.contains(sign)).map(|(_, kind)| *kind);
    QueryError::new(kind.unwrap_or(ErrorKind::Syntax), text.lines().next().unwrap_or(text))
}

fn execution(text: &str) -> QueryError {
    let kinds = [
        ("Divide by zero", ErrorKind::DivisionByZero),
        ("Error parsing", ErrorKind::InvalidText),
        ("Cannot cast", ErrorKind::InvalidText),
        ("verflow", ErrorKind::OutOfRange),
    ];
    let kind = kinds.iter().find(|(sign, _)| text.contains(sign)).map(|(_, kind)| *kind);
    QueryError::new(kind.unwrap_or(ErrorKind::Internal), plain(text))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// Without the words that only say where in the engine it was noticed.
fn plain(text: &str) -> String {
    let known = ["Arrow error: ", "Execution error: ", "Cast error: ", "Parser error: "];
    known.iter().fold(text.to_owned(), |text, prefix| text.replacen(prefix, "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_counts_characters_also_over_lines() {
        let table = [
            ("x at Line: 1, Column: 8", "SELECT é FORM t", Some(8)),
            ("x at Line: 2, Column: 1", "SELECT é\nFORM t", Some(10)),
            ("x at Line: 0, Column: 0", "SELECT", None),
            ("x", "SELECT", None),
        ];
        for (text, sql, position) in table {
            let error = QueryError::syntax(ParserError::ParserError(text.into()), sql);
            assert_eq!((error.position, error.kind), (position, ErrorKind::Syntax), "{text}");
            assert_eq!(error.message, "syntax: x");
        }
    }

    #[test]
    fn the_planners_texts_are_sorted_by_kind() {
        let table = [
            ("table 'parx.public.nix' not found", ErrorKind::UndefinedTable),
            ("Invalid function 'nix'", ErrorKind::UndefinedFunction),
            ("Cannot coerce arithmetic expression Utf8 + Int64", ErrorKind::DatatypeMismatch),
            ("something else", ErrorKind::Syntax),
        ];
        for (text, kind) in table {
            assert_eq!(planning(text).kind, kind, "{text}");
        }
    }
}
