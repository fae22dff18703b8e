//! Prepared statements: what a text means, before it has parameters.
//!
//! Session commands and the engine's statements look the same from here on: parameters, columns, a
//! tag.

use std::sync::Arc;

use parx_log::Snapshot;
use parx_query::arrow::array::{ArrayRef, RecordBatch, StringArray};
use parx_query::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parx_query::{QueryError, ScalarValue, Session as EngineSession, Statement};
use pgwire::api::Type;

use super::columns;
use super::command::{self, Command};
use super::error::{PgError, sqlstate};
use super::hints::parameter_types;
use super::portal::Portal;
use super::statements::{Token, split, words};
use super::types;
use crate::workers::{Batches, Workers};

/// A statement that may be run.
pub(crate) struct Prepared {
    pub(crate) meaning: Meaning,
    /// The types of its parameters.
    pub(crate) parameters: Vec<Type>,
    /// Its columns, if it has any.
    pub(crate) schema: Option<SchemaRef>,
}

/// What running a statement means.
pub(crate) enum Meaning {
    /// Space and comments.
    Empty,
    /// The session answers.
    Command(Command),
    /// The engine answers; `EXECUTE` brings its arguments.
    Query { statement: Statement, tag: Tag, arguments: Option<Vec<ScalarValue>> },
}

/// What is said at the end of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Select,
    Explain,
}

impl Tag {
    fn of(sql: &str) -> Tag {
        match words(sql, 1).first() {
            Some(Token::Word(word)) if word == "explain" => Tag::Explain,
            _ => Tag::Select,
        }
    }

    pub(crate) fn text(self, rows: u64) -> String {
        match self {
            Tag::Select => format!("SELECT {rows}"),
            Tag::Explain => "EXPLAIN".to_owned(),
        }
    }
}

impl Prepared {
    pub(crate) fn empty() -> Prepared {
        Prepared { meaning: Meaning::Empty, parameters: vec![], schema: None }
    }

    /// A session's command; the name is that of SHOW's one column.
    pub(crate) fn command(command: Command, shown: Option<String>) -> Prepared {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let fields = match (&command, shown) {
            (Command::Show(None), _) => vec![text("name"), text("setting"), text("description")],
            (Command::Show(Some(_)), Some(name)) => vec![text(&name)],
            _ => vec![],
        };
        let schema = (!fields.is_empty()).then(|| Arc::new(Schema::new(fields)));
        Prepared { meaning: Meaning::Command(command), parameters: vec![], schema }
    }

    /// May run in an aborted transaction.
    pub(crate) fn ends_failure(&self) -> bool {
        match &self.meaning {
            Meaning::Empty => true,
            Meaning::Command(command) => command.ends_failure(),
            Meaning::Query { .. } => false,
        }
    }
}

/// The one statement of a text, or nothing.
pub(crate) fn one(sql: &str) -> Result<Option<&str>, PgError> {
    let pieces = split(sql);
    match pieces.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.sql)),
        [..] => Err(PgError::new(
            sqlstate::SYNTAX_ERROR,
            "cannot insert multiple commands into a prepared statement",
        )),
    }
}

/// Reads what a statement means to a session, without running it.
pub(crate) fn read(sql: &str) -> Result<Option<Command>, PgError> {
    command::read(sql)
}

/// Has the engine read a statement. `declared` has 0 for what the client leaves open.
pub(crate) async fn query(
    workers: &Workers,
    session: EngineSession,
    sql: String,
    declared: Vec<u32>,
) -> Result<Prepared, PgError> {
    let tag = Tag::of(&sql);
    let mut hints: Vec<Option<DataType>> =
        declared.iter().map(|oid| types::of_parameter(*oid)).collect();
    let work = async move {
        let parsed = parx_query::parse(&sql)?;
        let Some(parsed) = parsed.first() else { return Ok(None) };
        for (index, of) in parameter_types(&parsed.ast) {
            if hints.len() <= index {
                hints.resize(index + 1, None);
            }
            hints[index].get_or_insert(of);
        }
        let statement = session.prepare(parsed, &hints).await.map_err(|e| e.locate(&sql))?;
        let schema = columns::named(statement.schema(), &parsed.ast);
        Ok(Some((statement, schema)))
    };
    let made = workers.run(Box::pin(work)).await;
    let made = made.ok_or_else(|| PgError::new(sqlstate::INTERNAL, "the planner failed"))?;
    let Some((statement, schema)) = made.map_err(|error: QueryError| PgError::from(&error))? else {
        return Ok(Prepared::empty());
    };
    let inferred = statement.parameters();
    let count = inferred.len().max(declared.len());
    let parameters = (0..count).map(|index| {
        let declared = declared.get(index).and_then(|oid| Type::from_oid(*oid));
        let inferred = || inferred.get(index).map(types::of_column);
        declared.filter(|of| *of != Type::UNKNOWN).or_else(inferred).unwrap_or(Type::TEXT)
    });
    let parameters = parameters.collect();
    let meaning = Meaning::Query { statement, tag, arguments: None };
    Ok(Prepared { meaning, parameters, schema: Some(schema) })
}

/// The rows of a SHOW.
pub(crate) fn table(schema: &SchemaRef, rows: &[Vec<String>]) -> Result<RecordBatch, PgError> {
    let column = |index: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.get(index).map(String::as_str))))
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| PgError::new(sqlstate::INTERNAL, error.to_string()))
}

/// Starts a bound statement; its rows come from the workers.
pub(crate) fn start(
    workers: &Workers,
    portal: &Portal,
    snapshot: Arc<Snapshot>,
) -> impl Future<Output = Result<Batches, PgError>> + use<> {
    let workers = workers.clone();
    let ready = match &portal.prepared.meaning {
        Meaning::Query { statement, arguments, .. } => {
            let parameters = arguments.clone().unwrap_or_else(|| portal.parameters.clone());
            Some((statement.clone(), parameters))
        }
        Meaning::Empty | Meaning::Command(_) => None,
    };
    async move {
        let failed = || PgError::new(sqlstate::INTERNAL, "the query could not be started");
        let (statement, parameters) = ready.ok_or_else(failed)?;
        let work = async move { statement.execute_at(parameters, snapshot).await };
        let rows = workers.run(Box::pin(work)).await.ok_or_else(failed)?;
        Ok(workers.pull(rows.map_err(|error| PgError::from(&error))?))
    }
}
