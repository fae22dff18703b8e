//! The statements that a session answers without the query engine.
//!
//! Reads SET, SHOW, transactions, prepared statements and what is refused for being a write. What
//! they do is in `session`; everything else goes to the engine.

use super::error::{PgError, sqlstate};
use super::statements::{Token, after, words};

/// Words of a statement that are looked at.
const WORDS_MAX: usize = 256;

/// A statement for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `SET`; no value is `DEFAULT`.
    Set { name: String, value: Option<String>, local: bool },
    /// `SET TRANSACTION` and its like: read and without effect, as everything is read only here.
    SetTransaction,
    /// `SHOW`; no name is `ALL`.
    Show(Option<String>),
    /// `RESET`; no name is `ALL`.
    Reset(Option<String>),
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint(String),
    /// `RELEASE`.
    Release(String),
    /// `ROLLBACK TO`.
    RollbackTo(String),
    /// `DISCARD`; true is `ALL`, the others have nothing to discard.
    Discard { all: bool, tag: &'static str },
    /// `DEALLOCATE`; no name is `ALL`.
    Deallocate(Option<String>),
    /// `PREPARE`.
    Prepare { name: String, types: Vec<String>, sql: String },
    /// `EXECUTE`.
    Execute { name: String, arguments: Vec<Option<String>> },
    /// `CLOSE`; no name is `ALL`.
    Close(Option<String>),
    /// Done by saying so: `UNLISTEN`.
    Nothing(&'static str),
}

impl Command {
    /// May run in an aborted transaction.
    pub(crate) fn ends_failure(&self) -> bool {
        matches!(self, Command::Commit | Command::Rollback | Command::RollbackTo(_))
    }
}

/// The session's command in a statement, none where it is the engine's.
pub(crate) fn read(sql: &str) -> Result<Option<Command>, PgError> {
    let tokens = words(sql, WORDS_MAX);
    let mut words = Words { tokens: &tokens };
    let Some(first) = words.word() else { return Ok(None) };
    let command = match first.as_str() {
        "set" => set(&mut words)?,
        "show" => Command::Show(variable_or_all(&mut words)?),
        "reset" => Command::Reset(variable_or_all(&mut words)?),
        "begin" | "start" => Command::Begin,
        "commit" | "end" if words.eat("prepared") => return Err(no_two_phases()),
        "commit" | "end" => Command::Commit,
        "rollback" | "abort" => rollback(&mut words)?,
        "savepoint" => Command::Savepoint(words.name()?),
        "release" => {
            words.eat("savepoint");
            Command::Release(words.name()?)
        }
        "discard" => discard(&mut words)?,
        "deallocate" => {
            words.eat("prepare");
            Command::Deallocate(words.name_or_all()?)
        }
        "prepare" if words.eat("transaction") => return Err(no_two_phases()),
        "prepare" => prepare(sql, &mut words)?,
        "execute" => execute(&mut words)?,
        "close" => Command::Close(words.name_or_all()?),
        "unlisten" => Command::Nothing("UNLISTEN"),
        "listen" | "notify" => {
            return Err(PgError::unsupported(format!("{} is not supported", upper(&first)))
                .hint("Subscribe over GraphQL to follow values as they change."));
        }
        "copy" => {
            return Err(PgError::unsupported("COPY is not supported")
                .hint("Read with SELECT, or over Arrow Flight where there is much to read."));
        }
        "declare" | "fetch" | "move" => {
            return Err(PgError::unsupported("SQL cursors are not supported")
                .hint("Rows are streamed as they are read; a cursor is not needed for that."));
        }
        word => return refuse_writes(word),
    };
    Ok(Some(command))
}

fn no_two_phases() -> PgError {
    PgError::unsupported("prepared transactions are not supported")
}

fn upper(word: &str) -> String {
    word.to_uppercase()
}

fn refuse_writes(word: &str) -> Result<Option<Command>, PgError> {
    const WRITES: [&str; 5] = ["insert", "update", "delete", "merge", "truncate"];
    const DEFINITIONS: [&str; 15] = [
        "create", "alter", "drop", "grant", "revoke", "comment", "vacuum", "reindex", "cluster",
        "refresh", "lock", "do", "call", "import", "security",
    ];
    if WRITES.contains(&word) {
        return Err(PgError::new(
            sqlstate::READ_ONLY_TRANSACTION,
            format!("cannot execute {} in a read-only transaction", upper(word)),
        )
        .detail("SQL only reads here.")
        .hint("Write samples with line protocol over HTTP, or with a GraphQL mutation."));
    }
    if DEFINITIONS.contains(&word) {
        return Err(PgError::unsupported(format!("{} is not supported", upper(word)))
            .detail("SQL only reads here.")
            .hint("Define signals, sources and accounts with GraphQL mutations or in parx.toml."));
    }
    Ok(None)
}

fn set(words: &mut Words<'_>) -> Result<Command, PgError> {
    let local = words.eat("local");
    if !local && words.eat("session") && words.eat("characteristics") {
        return Ok(Command::SetTransaction);
    }
    if words.eat("transaction") {
        return Ok(Command::SetTransaction);
    }
    if words.eat("time") {
        words.eat("zone");
        let mut value = words.values()?;
        if value.as_deref() == Some("local") {
            value = None;
        }
        return Ok(Command::Set { name: "timezone".into(), value, local });
    }
    if words.eat("names") {
        let value = words.values()?;
        return Ok(Command::Set { name: "client_encoding".into(), value, local });
    }
    if words.eat("role") || words.eat("constraints") {
        return Ok(Command::SetTransaction);
    }
    let name = words.variable()?;
    let to = words.eat("to") || words.mark('=');
    // `SET SESSION TIMEZONE TO` and `SET TIMEZONE 'x'` are both seen.
    if !to && name != "timezone" {
        return Err(words.unexpected());
    }
    Ok(Command::Set { name, value: words.values()?, local })
}

fn variable_or_all(words: &mut Words<'_>) -> Result<Option<String>, PgError> {
    if words.eat("all") {
        return Ok(None);
    }
    if words.eat("time") {
        words.eat("zone");
        return Ok(Some("timezone".into()));
    }
    if words.eat("transaction") {
        words.eat("isolation");
        words.eat("level");
        return Ok(Some("transaction_isolation".into()));
    }
    if words.eat("session") {
        words.eat("authorization");
        return Ok(Some("session_authorization".into()));
    }
    words.variable().map(Some)
}

fn rollback(words: &mut Words<'_>) -> Result<Command, PgError> {
    if words.eat("prepared") {
        return Err(no_two_phases());
    }
    let _ = words.eat("work") || words.eat("transaction");
    if !words.eat("to") {
        return Ok(Command::Rollback);
    }
    words.eat("savepoint");
    Ok(Command::RollbackTo(words.name()?))
}

fn discard(words: &mut Words<'_>) -> Result<Command, PgError> {
    for (word, tag) in [
        ("all", "DISCARD ALL"),
        ("plans", "DISCARD PLANS"),
        ("sequences", "DISCARD SEQUENCES"),
        ("temp", "DISCARD TEMP"),
        ("temporary", "DISCARD TEMP"),
    ] {
        if words.eat(word) {
            return Ok(Command::Discard { all: word == "all", tag });
        }
    }
    Err(words.unexpected())
}

fn prepare(sql: &str, words: &mut Words<'_>) -> Result<Command, PgError> {
    let name = words.name()?;
    let mut types = Vec::new();
    if words.mark('(') {
        let mut depth = 0;
        let mut text = String::new();
        loop {
            match words.next() {
                Some(Token::Mark(')')) if depth == 0 => break,
                Some(Token::Mark(',')) if depth == 0 => types.push(std::mem::take(&mut text)),
                Some(Token::Mark(mark)) => {
                    depth += i32::from(*mark == '(') - i32::from(*mark == ')');
                    text.push(*mark);
                }
                Some(Token::Word(word) | Token::Quoted(word) | Token::Number(word)) => {
                    let gap = text.ends_with(|c: char| c.is_alphanumeric());
                    text.push_str(if gap { " " } else { "" });
                    text.push_str(word);
                }
                Some(Token::Text(_)) | None => return Err(words.unexpected()),
            }
        }
        types.push(text);
    }
    if !words.eat("as") {
        return Err(words.unexpected());
    }
    let sql = after(sql, "as").unwrap_or_default().to_owned();
    Ok(Command::Prepare { name, types, sql })
}

/// Arguments are literals; an expression there is refused.
fn execute(words: &mut Words<'_>) -> Result<Command, PgError> {
    let name = words.name()?;
    let mut arguments = Vec::new();
    if words.mark('(') {
        loop {
            arguments.push(words.literal()?);
            if !words.mark(',') {
                break;
            }
        }
        if !words.mark(')') {
            return Err(words.unexpected());
        }
    }
    Ok(Command::Execute { name, arguments })
}

struct Words<'a> {
    tokens: &'a [Token],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.first()? {
            Token::Word(word) => {
                self.next();
                Some(word.clone())
            }
            _ => None,
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Word(first)) if first == word);
        if found {
            self.next();
        }
        found
    }

    fn mark(&mut self, mark: char) -> bool {
        let found = self.tokens.first() == Some(&Token::Mark(mark));
        if found {
            self.next();
        }
        found
    }

    fn unexpected(&self) -> PgError {
        let near = match self.tokens.first() {
            None => return PgError::new(sqlstate::SYNTAX_ERROR, "syntax error at end of input"),
            Some(Token::Mark(mark)) => mark.to_string(),
            Some(
                Token::Word(text) | Token::Quoted(text) | Token::Text(text) | Token::Number(text),
            ) => text.clone(),
        };
        PgError::new(sqlstate::SYNTAX_ERROR, format!("syntax error at or near \"{near}\""))
    }

    fn name(&mut self) -> Result<String, PgError> {
        match self.tokens.first() {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                self.next();
                Ok(name.clone())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn name_or_all(&mut self) -> Result<Option<String>, PgError> {
        if self.eat("all") { Ok(None) } else { self.name().map(Some) }
    }

    /// A setting's name in lower case; parts are joined by dots.
    fn variable(&mut self) -> Result<String, PgError> {
        let mut name = self.name()?.to_lowercase();
        while self.mark('.') {
            name.push('.');
            name.push_str(&self.name()?.to_lowercase());
        }
        Ok(name)
    }

    fn literal(&mut self) -> Result<Option<String>, PgError> {
        let minus = self.mark('-');
        let value = match self.next() {
            Some(Token::Number(number)) if minus => Some(format!("-{number}")),
            Some(Token::Number(text) | Token::Text(text)) => Some(text.clone()),
            Some(Token::Word(word)) if word == "null" => None,
            Some(Token::Word(word)) if word == "true" || word == "false" => Some(word.clone()),
            _ => return Err(PgError::unsupported("EXECUTE takes literals only")),
        };
        Ok(value)
    }

    /// Everything up to the end as one value, parts of a list joined by commas.
    fn values(&mut self) -> Result<Option<String>, PgError> {
        if self.eat("default") {
            return Ok(None);
        }
        let mut values = Vec::new();
        loop {
            self.eat("interval");
            let minus = if self.mark('-') { "-" } else { "" };
            self.mark('+');
            match self.tokens.first() {
                Some(
                    Token::Word(text)
                    | Token::Quoted(text)
                    | Token::Text(text)
                    | Token::Number(text),
                ) => {
                    self.next();
                    values.push(format!("{minus}{text}"));
                }
                _ => return Err(self.unexpected()),
            }
            if !self.mark(',') {
                break;
            }
        }
        Ok(Some(values.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: Option<&str>, local: bool) -> Command {
        Command::Set { name: name.into(), value: value.map(Into::into), local }
    }

    #[test]
    fn session_commands_are_read() {
        let cases = [
            ("SET extra_float_digits = 3", set("extra_float_digits", Some("3"), false)),
            ("SET LOCAL a.B TO 'x'", set("a.b", Some("x"), true)),
            ("set session timezone to 'UTC'", set("timezone", Some("UTC"), false)),
            ("SET TIME ZONE -5", set("timezone", Some("-5"), false)),
            ("SET TIME ZONE LOCAL", set("timezone", None, false)),
            ("SET timezone TO DEFAULT", set("timezone", None, false)),
            ("SET DateStyle = ISO, MDY", set("datestyle", Some("iso, mdy"), false)),
            ("SET NAMES 'utf8'", set("client_encoding", Some("utf8"), false)),
            (
                "SET search_path TO \"$user\", public",
                set("search_path", Some("$user, public"), false),
            ),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::SetTransaction),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Command::SetTransaction),
            ("SHOW ALL", Command::Show(None)),
            ("SHOW TIME ZONE", Command::Show(Some("timezone".into()))),
            (
                "show transaction isolation level",
                Command::Show(Some("transaction_isolation".into())),
            ),
            ("RESET ALL", Command::Reset(None)),
            ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", Command::Begin),
            ("start transaction", Command::Begin),
            ("END", Command::Commit),
            ("ROLLBACK", Command::Rollback),
            ("ROLLBACK WORK TO SAVEPOINT a", Command::RollbackTo("a".into())),
            ("RELEASE \"A\"", Command::Release("A".into())),
            ("DISCARD ALL", Command::Discard { all: true, tag: "DISCARD ALL" }),
            ("DEALLOCATE PREPARE a", Command::Deallocate(Some("a".into()))),
            ("DEALLOCATE ALL", Command::Deallocate(None)),
            ("CLOSE ALL", Command::Close(None)),
            ("UNLISTEN *", Command::Nothing("UNLISTEN")),
            (
                "PREPARE q(double precision, numeric(10,2)) AS SELECT $1, $2",
                Command::Prepare {
                    name: "q".into(),
                    types: vec!["double precision".into(), "numeric(10,2)".into()],
                    sql: "SELECT $1, $2".into(),
                },
            ),
            (
                "EXECUTE q(1, 'a', NULL, -2.5)",
                Command::Execute {
                    name: "q".into(),
                    arguments: vec![Some("1".into()), Some("a".into()), None, Some("-2.5".into())],
                },
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(read(sql), Ok(Some(expected)), "{sql}");
        }
    }

    #[test]
    fn the_rest_goes_to_the_engine() {
        for sql in
            ["SELECT 1", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN x", ""]
        {
            assert_eq!(read(sql), Ok(None), "{sql}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let cases = [
            ("INSERT INTO samples VALUES (1)", "25006"),
            ("DELETE FROM samples", "25006"),
            ("CREATE TABLE a (b int)", "0A000"),
            ("COPY samples TO STDOUT", "0A000"),
            ("DECLARE c CURSOR FOR SELECT 1", "0A000"),
            ("LISTEN a", "0A000"),
            ("PREPARE TRANSACTION 'a'", "0A000"),
            ("SET", "42601"),
            ("SET a", "42601"),
            ("SET a =", "42601"),
            ("SHOW", "42601"),
            ("SAVEPOINT", "42601"),
            ("EXECUTE q(1", "42601"),
        ];
        for (sql, code) in cases {
            assert_eq!(read(sql).map_err(|error| error.code), Err(code), "{sql}");
        }
    }
}
