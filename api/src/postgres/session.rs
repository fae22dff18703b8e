//! A session's memory: settings, transaction, prepared statements, portals.
//!
//! What a statement does to them is decided here; nothing is sent and nothing waits.

use std::collections::HashMap;
use std::sync::Arc;

use parx_log::Snapshot;
use parx_query::Engine;
use pgwire::messages::response::TransactionStatus;

use super::command::Command;
use super::error::{PgError, sqlstate};
use super::limits::PostgresLimits;
use super::portal::Portal;
use super::prepared::Prepared;
use super::settings::Settings;

/// Savepoints of one transaction.
pub(crate) const SAVEPOINTS_MAX: usize = 1000;

/// Where a session is between BEGIN and COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    None,
    Open,
    Failed,
}

/// What a session remembers.
pub(crate) struct Memory {
    pub(crate) settings: Settings,
    pub(crate) transaction: Transaction,
    /// What every query of the open transaction sees (Q1).
    snapshot: Option<Arc<Snapshot>>,
    savepoints: Vec<String>,
    pub(crate) statements: HashMap<String, Arc<Prepared>>,
    pub(crate) portals: HashMap<String, Portal>,
    limits: PostgresLimits,
}

/// What a command answers with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) tag: String,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) warning: Option<PgError>,
}

impl Answer {
    fn said(tag: &str) -> Answer {
        Answer { tag: tag.to_owned(), ..Answer::default() }
    }

    fn warned(tag: &str, warning: PgError) -> Answer {
        Answer { warning: Some(warning), ..Answer::said(tag) }
    }
}

fn no_transaction() -> PgError {
    PgError::new(sqlstate::NO_ACTIVE_TRANSACTION, "there is no transaction in progress")
}

impl Memory {
    pub(crate) fn new(settings: Settings, limits: PostgresLimits) -> Memory {
        Memory {
            settings,
            transaction: Transaction::None,
            snapshot: None,
            savepoints: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            limits,
        }
    }

    pub(crate) fn status(&self) -> TransactionStatus {
        match self.transaction {
            Transaction::None => TransactionStatus::Idle,
            Transaction::Open => TransactionStatus::Transaction,
            Transaction::Failed => TransactionStatus::Error,
        }
    }

    /// Whether a statement may run now.
    pub(crate) fn may(&self, prepared: &Prepared) -> Result<(), PgError> {
        match self.transaction {
            Transaction::Failed if !prepared.ends_failure() => {
                Err(PgError::in_failed_transaction())
            }
            Transaction::None | Transaction::Open | Transaction::Failed => Ok(()),
        }
    }

    /// What a query that starts now sees: in a transaction what its first query saw.
    pub(crate) fn view(&mut self, engine: &Engine) -> Arc<Snapshot> {
        match self.transaction {
            Transaction::None => engine.snapshot(),
            Transaction::Open | Transaction::Failed => {
                self.snapshot.get_or_insert_with(|| engine.snapshot()).clone()
            }
        }
    }

    /// A statement failed.
    pub(crate) fn failed(&mut self) {
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    pub(crate) fn keep_statement(
        &mut self,
        name: &str,
        prepared: Arc<Prepared>,
    ) -> Result<(), PgError> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(PgError::new(sqlstate::DUPLICATE_STATEMENT, message));
        }
        let replaces = self.statements.contains_key(name);
        if !replaces && self.statements.len() >= self.limits.statements {
            return Err(PgError::new(sqlstate::LIMIT_EXCEEDED, "too many prepared statements")
                .detail(format!("A session has at most {}.", self.limits.statements))
                .hint("DEALLOCATE those that are no longer needed."));
        }
        self.statements.insert(name.to_owned(), prepared);
        Ok(())
    }

    pub(crate) fn statement(&self, name: &str) -> Result<Arc<Prepared>, PgError> {
        self.statements.get(name).cloned().ok_or_else(|| no_statement(name))
    }

    pub(crate) fn keep_portal(&mut self, name: &str, portal: Portal) -> Result<(), PgError> {
        if !name.is_empty() && self.portals.contains_key(name) {
            let message = format!("cursor \"{name}\" already exists");
            return Err(PgError::new(sqlstate::DUPLICATE_CURSOR, message));
        }
        let replaces = self.portals.contains_key(name);
        if !replaces && self.portals.len() >= self.limits.portals {
            return Err(PgError::new(sqlstate::LIMIT_EXCEEDED, "too many open portals")
                .detail(format!("A session has at most {}.", self.limits.portals)));
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// Runs a command.
    pub(crate) fn run(&mut self, command: &Command) -> Result<Answer, PgError> {
        match command {
            Command::Set { name, value, local } => {
                self.settings.set(name, value.as_deref(), *local)?;
                Ok(Answer::said("SET"))
            }
            Command::SetTransaction => Ok(Answer::said("SET")),
            Command::Show(name) => self.show(name.as_deref()),
            Command::Reset(None) => {
                self.settings.reset_all();
                Ok(Answer::said("RESET"))
            }
            Command::Reset(Some(name)) => {
                self.settings.set(name, None, false)?;
                Ok(Answer::said("RESET"))
            }
            Command::Begin => Ok(self.begin()),
            Command::Commit => Ok(self.commit()),
            Command::Rollback => Ok(self.roll_back()),
            Command::Savepoint(_) | Command::Release(_) | Command::RollbackTo(_) => {
                self.savepoint(command)
            }
            Command::Discard { all, tag } => self.discard(*all, tag),
            Command::Deallocate(None) => {
                self.statements.clear();
                Ok(Answer::said("DEALLOCATE ALL"))
            }
            Command::Deallocate(Some(name)) => {
                self.statements.remove(name).ok_or_else(|| no_statement(name))?;
                Ok(Answer::said("DEALLOCATE"))
            }
            Command::Close(None) => {
                self.portals.clear();
                Ok(Answer::said("CLOSE CURSOR ALL"))
            }
            Command::Close(Some(name)) => {
                self.portals.remove(name).ok_or_else(|| no_portal(name))?;
                Ok(Answer::said("CLOSE CURSOR"))
            }
            Command::Nothing(tag) => Ok(Answer::said(tag)),
            // Both have become the statement they name before anything is run.
            Command::Prepare { .. } => Ok(Answer::said("PREPARE")),
            Command::Execute { name, .. } => Err(no_statement(name)),
        }
    }

    fn show(&self, name: Option<&str>) -> Result<Answer, PgError> {
        let rows = match name {
            Some(name) => vec![vec![self.settings.show(name)?.1]],
            None => self.settings.show_all().into_iter().map(Vec::from).collect(),
        };
        Ok(Answer { rows, ..Answer::said("SHOW") })
    }

    fn begin(&mut self) -> Answer {
        if self.transaction != Transaction::None {
            let message = "there is already a transaction in progress";
            return Answer::warned("BEGIN", PgError::new(sqlstate::ACTIVE_TRANSACTION, message));
        }
        self.transaction = Transaction::Open;
        self.settings.begin();
        Answer::said("BEGIN")
    }

    fn commit(&mut self) -> Answer {
        match self.transaction {
            Transaction::None => Answer::warned("COMMIT", no_transaction()),
            Transaction::Open => {
                self.settings.commit();
                self.end();
                Answer::said("COMMIT")
            }
            Transaction::Failed => self.roll_back(),
        }
    }

    fn roll_back(&mut self) -> Answer {
        if self.transaction == Transaction::None {
            return Answer::warned("ROLLBACK", no_transaction());
        }
        self.settings.roll_back();
        self.end();
        Answer::said("ROLLBACK")
    }

    fn end(&mut self) {
        self.transaction = Transaction::None;
        self.snapshot = None;
        self.savepoints.clear();
        self.portals.clear();
    }

    /// Savepoints have names and an order, and nothing to put back but the state of failure.
    fn savepoint(&mut self, command: &Command) -> Result<Answer, PgError> {
        if self.transaction == Transaction::None {
            return Err(PgError::new(
                sqlstate::NO_ACTIVE_TRANSACTION,
                "SAVEPOINT can only be used in transaction blocks",
            ));
        }
        let place = |name: &str| {
            self.savepoints.iter().rposition(|savepoint| savepoint == name).ok_or_else(|| {
                let message = format!("savepoint \"{name}\" does not exist");
                PgError::new(sqlstate::INVALID_SAVEPOINT, message)
            })
        };
        match command {
            Command::Release(name) => {
                let place = place(name)?;
                self.savepoints.truncate(place);
                Ok(Answer::said("RELEASE"))
            }
            Command::RollbackTo(name) => {
                let place = place(name)?;
                self.savepoints.truncate(place + 1);
                self.transaction = Transaction::Open;
                Ok(Answer::said("ROLLBACK"))
            }
            Command::Savepoint(_) if self.savepoints.len() >= SAVEPOINTS_MAX => {
                Err(PgError::new(sqlstate::LIMIT_EXCEEDED, "too many savepoints")
                    .detail(format!("A transaction has at most {SAVEPOINTS_MAX}.")))
            }
            Command::Savepoint(name) => {
                self.savepoints.push(name.clone());
                Ok(Answer::said("SAVEPOINT"))
            }
            _ => Ok(Answer::default()),
        }
    }

    fn discard(&mut self, all: bool, tag: &str) -> Result<Answer, PgError> {
        if all {
            if self.transaction != Transaction::None {
                return Err(PgError::new(
                    sqlstate::ACTIVE_TRANSACTION,
                    "DISCARD ALL cannot run inside a transaction block",
                ));
            }
            self.settings.reset_all();
            self.statements.clear();
            self.portals.clear();
        }
        Ok(Answer::said(tag))
    }
}

pub(crate) fn no_statement(name: &str) -> PgError {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    PgError::new(sqlstate::INVALID_STATEMENT_NAME, message)
}

pub(crate) fn no_portal(name: &str) -> PgError {
    PgError::new(sqlstate::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::postgres::command::read;
    use crate::postgres::settings::Timeouts;

    fn memory() -> Memory {
        let hour = Duration::from_secs(3600);
        let settings = Settings::new("ann", Timeouts { default: hour, longest: hour });
        Memory::new(settings, PostgresLimits::default())
    }

    /// What each statement answers, and how the transaction stands after it. `fail` fails.
    fn play(script: &[(&str, &str, Transaction)]) {
        let mut memory = memory();
        for (sql, expected, transaction) in script {
            let found = if *sql == "fail" {
                memory.failed();
                "fail".to_owned()
            } else {
                let prepared = Prepared::command(read(sql).unwrap().unwrap(), None);
                let command = read(sql).unwrap().unwrap();
                match memory.may(&prepared).and_then(|()| memory.run(&command)) {
                    Ok(answer) => answer.warning.map_or(answer.tag, |w| w.code.to_owned()),
                    Err(error) => error.code.to_owned(),
                }
            };
            assert_eq!(found, *expected, "{sql}");
            assert_eq!(memory.transaction, *transaction, "{sql}");
        }
    }

    #[test]
    fn transactions_stand_as_in_postgresql() {
        use Transaction::{Failed, None, Open};
        play(&[
            ("COMMIT", "25P01", None),
            ("fail", "fail", None),
            ("BEGIN", "BEGIN", Open),
            ("BEGIN", "25001", Open),
            ("SET jit = on", "SET", Open),
            ("COMMIT", "COMMIT", None),
            ("BEGIN", "BEGIN", Open),
            ("fail", "fail", Failed),
            ("SHOW jit", "25P02", Failed),
            ("COMMIT", "ROLLBACK", None),
            ("SAVEPOINT a", "25P01", None),
            ("BEGIN", "BEGIN", Open),
            ("SAVEPOINT a", "SAVEPOINT", Open),
            ("fail", "fail", Failed),
            ("SAVEPOINT b", "25P02", Failed),
            ("ROLLBACK TO a", "ROLLBACK", Open),
            ("RELEASE a", "RELEASE", Open),
            ("ROLLBACK TO a", "3B001", Open),
            ("DISCARD ALL", "25001", Open),
            ("ROLLBACK", "ROLLBACK", None),
            ("DISCARD ALL", "DISCARD ALL", None),
            ("DEALLOCATE x", "26000", None),
            ("CLOSE x", "34000", None),
            ("CLOSE ALL", "CLOSE CURSOR ALL", None),
            ("SHOW no_such", "42704", None),
        ]);
    }

    #[test]
    fn statements_are_counted_and_not_replaced() {
        let mut memory = memory();
        memory.limits.statements = 2;
        let empty = || Arc::new(Prepared::empty());
        memory.keep_statement("", empty()).unwrap();
        memory.keep_statement("", empty()).unwrap();
        memory.keep_statement("a", empty()).unwrap();
        let code = |result: Result<(), PgError>| result.map_err(|error| error.code);
        assert_eq!(code(memory.keep_statement("a", empty())), Err("42P05"));
        assert_eq!(code(memory.keep_statement("b", empty())), Err("54000"));
    }
}
