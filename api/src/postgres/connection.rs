//! One session's conversation: which message leads to what, and what is answered.
//!
//! It exists only for somebody who has logged in. Statements are prepared and run here; what a
//! session remembers is `session`'s, how rows are sent `portal`'s.

use std::sync::Arc;

use parx_query::{AsOf, Session as EngineSession};
use pgwire::messages::PgWireBackendMessage as Message;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cancel::Ticket;
use super::command::Command;
use super::encode::{Format, Rows, Style, description, formats};
use super::error::{PgError, sqlstate};
use super::frames::{Bind, Frontend, Target};
use super::limits::IDLE_IN_TRANSACTION;
use super::parameters;
use super::portal::{Failure, Interrupt, Portal, Read, Reading, State, shutdown, wait};
use super::prepared::{self, Meaning, Prepared};
use super::session::{Memory, Transaction, no_portal};
use super::settings::AS_OF;
use super::statements::split;
use super::types;
use super::wire::{Ending, Wire};
use crate::auth::Identity;
use crate::workers::Workers;

/// When the server wants a connection to end.
#[derive(Clone)]
pub(crate) struct Stops {
    /// No further statements.
    pub(crate) stop: CancellationToken,
    /// No statement goes on.
    pub(crate) kill: CancellationToken,
}

/// The conversation with somebody who has logged in.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) identity: Identity,
    pub(crate) engine: EngineSession,
    pub(crate) workers: Workers,
    pub(crate) memory: Memory,
    pub(crate) ticket: Ticket,
    pub(crate) stops: Stops,
}

/// Whether a statement's rows are announced before them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announce {
    Yes,
    No,
}

fn idle_too_long() -> PgError {
    PgError::new("25P03", "terminating connection due to idle-in-transaction timeout")
        .detail(format!("A transaction may wait {} s.", IDLE_IN_TRANSACTION.as_secs()))
}

impl Connection {
    /// Talks until either side ends it. Answers with why it ended.
    pub(crate) async fn talk(&mut self) -> Ending {
        let mut skipping = false;
        loop {
            let stop = self.stops.stop.clone();
            let idle = self.memory.transaction != Transaction::None;
            let frame = tokio::select! {
                biased;
                frame = self.wire.frame() => frame,
                () = stop.cancelled() => return shutdown().into(),
                () = tokio::time::sleep(IDLE_IN_TRANSACTION), if idle => {
                    return idle_too_long().into();
                }
            };
            let answered = match frame {
                Err(ending) => return ending,
                Ok(Frontend::Terminate) => return Ending::Gone,
                Ok(Frontend::Sync) => {
                    skipping = false;
                    self.sync().await
                }
                Ok(_) if skipping => Ok(()),
                Ok(Frontend::Query(sql)) => self.simple(&sql).await,
                Ok(frame) => match self.extended(frame).await {
                    Err(Failure::Statement(error)) => {
                        skipping = true;
                        self.fail(&error)
                    }
                    Err(Failure::Connection(ending)) => Err(ending),
                    Ok(()) => Ok(()),
                },
            };
            if let Err(ending) = answered {
                return ending;
            }
        }
    }

    /// Tells of a statement's error; the end of the server ends the connection too.
    fn fail(&mut self, error: &PgError) -> Result<(), Ending> {
        if error.code == sqlstate::ADMIN_SHUTDOWN {
            return Err(Ending::Fatal(error.clone()));
        }
        tracing::debug!(user = %self.identity.name, %error, "statement failed");
        self.memory.failed();
        self.wire.put(&error.message());
        Ok(())
    }

    async fn ready(&mut self) -> Result<(), Ending> {
        self.wire.put(&Message::ReadyForQuery(ReadyForQuery::new(self.memory.status())));
        self.wire.flush().await
    }

    async fn sync(&mut self) -> Result<(), Ending> {
        if self.memory.transaction == Transaction::None {
            self.memory.portals.clear();
        }
        self.ready().await
    }

    /// Each statement of a string in turn; the first error ends it.
    async fn simple(&mut self, sql: &str) -> Result<(), Ending> {
        let pieces = split(sql);
        if pieces.is_empty() {
            self.wire.put(&Message::EmptyQueryResponse(EmptyQueryResponse::new()));
        }
        for piece in pieces {
            match self.simple_one(piece.sql).await {
                Ok(()) => {}
                Err(Failure::Connection(ending)) => return Err(ending),
                Err(Failure::Statement(error)) => {
                    self.fail(&error.moved(piece.offset))?;
                    break;
                }
            }
        }
        self.ready().await
    }

    async fn simple_one(&mut self, sql: &str) -> Result<(), Failure> {
        let prepared = Arc::new(self.prepare(sql, vec![]).await?);
        if !prepared.parameters.is_empty() {
            return Err(PgError::new("42P02", "there is no parameter $1").into());
        }
        let columns = prepared.schema.as_ref().map_or(0, |schema| schema.fields().len());
        let formats = vec![Format::Text; columns];
        let mut portal = Portal { prepared, parameters: vec![], formats, state: State::Bound };
        self.run(&mut portal, 0, Announce::Yes).await
    }

    async fn extended(&mut self, frame: Frontend) -> Result<(), Failure> {
        match frame {
            Frontend::Parse { name, sql, types } => self.parse(&name, &sql, types).await,
            Frontend::Bind(bind) => self.bind(&bind).map_err(Failure::from),
            Frontend::Describe(target, name) => self.describe(target, &name).map_err(Failure::from),
            Frontend::Execute { portal, rows } => self.execute(portal, rows).await,
            Frontend::Close(target, name) => {
                match target {
                    Target::Statement => drop(self.memory.statements.remove(&name)),
                    Target::Portal => drop(self.memory.portals.remove(&name)),
                }
                self.wire.put(&Message::CloseComplete(CloseComplete::new()));
                Ok(())
            }
            Frontend::Flush => self.wire.flush().await.map_err(Failure::from),
            Frontend::Password(_) => {
                Err(Ending::from(PgError::protocol("unexpected password message")).into())
            }
            Frontend::Query(_) | Frontend::Sync | Frontend::Terminate | Frontend::Copy => Ok(()),
        }
    }

    async fn parse(&mut self, name: &str, sql: &str, types: Vec<u32>) -> Result<(), Failure> {
        let prepared = match prepared::one(sql)? {
            None => Prepared::empty(),
            Some(sql) => self.prepare(sql, types).await?,
        };
        self.memory.keep_statement(name, Arc::new(prepared))?;
        self.wire.put(&Message::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    /// What a statement means. Nothing of it runs.
    async fn prepare(&mut self, sql: &str, types: Vec<u32>) -> Result<Prepared, Failure> {
        match prepared::read(sql)? {
            Some(Command::Execute { name, arguments }) => {
                Ok(self.prepared_execute(&name, &arguments)?)
            }
            Some(command) => {
                let shown = match &command {
                    Command::Show(Some(name)) => Some(self.memory.settings.show(name)?.0),
                    _ => None,
                };
                let prepared = Prepared::command(command, shown);
                self.memory.may(&prepared)?;
                Ok(prepared)
            }
            None if self.memory.transaction == Transaction::Failed => {
                Err(PgError::in_failed_transaction().into())
            }
            None => self.prepare_query(sql, types).await,
        }
    }

    async fn prepare_query(&mut self, sql: &str, types: Vec<u32>) -> Result<Prepared, Failure> {
        let begun = self.ticket.begin();
        let deadline = Instant::now() + self.memory.settings.statement_timeout();
        let interrupt = Interrupt { cancelled: &begun.token, deadline, killed: &self.stops.kill };
        let work = prepared::query(&self.workers, self.engine.clone(), sql.to_owned(), types);
        Ok(wait(&mut self.wire, &interrupt, work).await??)
    }

    /// `EXECUTE`: the named statement with its arguments.
    fn prepared_execute(
        &self,
        name: &str,
        arguments: &[Option<String>],
    ) -> Result<Prepared, PgError> {
        let named = self.memory.statement(name)?;
        self.memory.may(&named)?;
        if named.parameters.len() != arguments.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            let detail = format!(
                "Expected {} parameters but got {}.",
                named.parameters.len(),
                arguments.len()
            );
            return Err(PgError::new(sqlstate::SYNTAX_ERROR, message).detail(detail));
        }
        let zone = self.memory.settings.zone();
        let values = named.parameters.iter().zip(arguments).map(|(of, text)| {
            let bytes = text.clone().map(bytes::Bytes::from);
            parameters::read(of, Format::Text, bytes.as_ref(), zone)
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let meaning = match &named.meaning {
            Meaning::Query { statement, tag, .. } => {
                Meaning::Query { statement: statement.clone(), tag: *tag, arguments: Some(values) }
            }
            Meaning::Command(command) => Meaning::Command(command.clone()),
            Meaning::Empty => Meaning::Empty,
        };
        Ok(Prepared { meaning, parameters: vec![], schema: named.schema.clone() })
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), PgError> {
        let prepared = self.memory.statement(&bind.statement)?;
        self.memory.may(&prepared)?;
        let (given, needed) = (bind.parameters.len(), prepared.parameters.len());
        if given != needed {
            return Err(PgError::protocol(format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" \
                 requires {needed}",
                bind.statement
            )));
        }
        let forms = formats(&bind.formats, given).map_err(|error| match error.code {
            sqlstate::PROTOCOL_VIOLATION => PgError::protocol(format!(
                "bind message has {} parameter formats but {given} parameters",
                bind.formats.len()
            )),
            _ => error,
        })?;
        let zone = self.memory.settings.zone();
        let each = prepared.parameters.iter().zip(&forms).zip(&bind.parameters);
        let parameters = each
            .map(|((of, format), value)| parameters::read(of, *format, value.as_ref(), zone))
            .collect::<Result<Vec<_>, _>>()?;
        let columns = prepared.schema.as_ref().map_or(0, |schema| schema.fields().len());
        let formats = match columns {
            0 => vec![],
            columns => formats(&bind.result_formats, columns)?,
        };
        let portal = Portal { prepared, parameters, formats, state: State::Bound };
        self.memory.keep_portal(&bind.portal, portal)?;
        self.wire.put(&Message::BindComplete(BindComplete::new()));
        Ok(())
    }

    fn describe(&mut self, target: Target, name: &str) -> Result<(), PgError> {
        let (prepared, formats) = match target {
            Target::Statement => {
                let prepared = self.memory.statement(name)?;
                self.memory.may(&prepared)?;
                let types = prepared.parameters.iter().map(types::oid).collect();
                let parameters = ParameterDescription::new(types);
                self.wire.put(&Message::ParameterDescription(parameters));
                (prepared, vec![])
            }
            Target::Portal => {
                let portal = self.memory.portals.get(name).ok_or_else(|| no_portal(name))?;
                (portal.prepared.clone(), portal.formats.clone())
            }
        };
        self.wire.put(&match &prepared.schema {
            Some(schema) => description(schema, &formats),
            None => Message::NoData(NoData::new()),
        });
        Ok(())
    }

    async fn execute(&mut self, name: String, limit: usize) -> Result<(), Failure> {
        let mut portal = self.memory.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        self.memory.may(&portal.prepared)?;
        let ended = self.run(&mut portal, limit, Announce::No).await;
        // A command may have ended the transaction and with it every portal.
        let stays = ended.is_ok() && !matches!(portal.prepared.meaning, Meaning::Command(_));
        if stays {
            self.memory.portals.insert(name, portal);
        }
        ended
    }

    /// Runs a portal, or goes on with it, and says how it ended.
    async fn run(
        &mut self,
        portal: &mut Portal,
        limit: usize,
        announce: Announce,
    ) -> Result<(), Failure> {
        if announce == Announce::Yes
            && let Some(schema) = &portal.prepared.schema
        {
            self.wire.put(&description(schema, &portal.formats));
        }
        let prepared = portal.prepared.clone();
        match &prepared.meaning {
            Meaning::Empty => {
                self.wire.put(&Message::EmptyQueryResponse(EmptyQueryResponse::new()));
                Ok(())
            }
            Meaning::Command(command) => self.command(portal, command).await,
            Meaning::Query { tag, .. } => {
                let read = self.rows(portal, limit).await?;
                match read {
                    Read::Some => self.wire.put(&Message::PortalSuspended(PortalSuspended::new())),
                    Read::All(rows) => {
                        portal.state = State::Done;
                        self.complete(tag.text(rows));
                    }
                }
                Ok(())
            }
        }
    }

    fn complete(&mut self, tag: String) {
        self.wire.put(&Message::CommandComplete(CommandComplete::new(tag)));
    }

    async fn rows(&mut self, portal: &mut Portal, limit: usize) -> Result<Read, Failure> {
        let begun = self.ticket.begin();
        let deadline = Instant::now() + self.memory.settings.statement_timeout();
        let interrupt = Interrupt { cancelled: &begun.token, deadline, killed: &self.stops.kill };
        if matches!(portal.state, State::Bound) {
            let style = Style {
                zone: self.memory.settings.zone().clone(),
                extra_float_digits: self.memory.settings.extra_float_digits(),
            };
            let snapshot = self.memory.view(self.engine.engine());
            let work = prepared::start(&self.workers, portal, snapshot);
            let batches = wait(&mut self.wire, &interrupt, work).await??;
            portal.state = State::Open(Box::new(Reading::new(batches, style)));
        }
        match &mut portal.state {
            State::Open(reading) => {
                reading.send(&mut self.wire, &portal.formats, limit, &interrupt).await
            }
            State::Bound | State::Done => Ok(Read::All(0)),
        }
    }

    async fn command(&mut self, portal: &mut Portal, command: &Command) -> Result<(), Failure> {
        if let Command::Prepare { name, types, sql } = command {
            self.prepare_named(name, types, sql).await?;
        }
        let before = self.memory.settings.reported();
        let answer = self.memory.run(command)?;
        if let Some(schema) = &portal.prepared.schema {
            let batch = prepared::table(schema, &answer.rows)?;
            let style = Style { zone: Default::default(), extra_float_digits: 1 };
            let rows = Rows::new(&batch, &portal.formats, style)?;
            (0..batch.num_rows()).for_each(|row| rows.put(row, &mut self.wire.output));
        }
        for (was, is) in before.into_iter().zip(self.memory.settings.reported()) {
            if was != is {
                match is.0 {
                    "TimeZone" => self.engine.set_time_zone(&is.1),
                    AS_OF => self.engine.set_as_of(read_as_of(&self.engine, &is.1)?),
                    _ => {}
                }
                let status = ParameterStatus::new(is.0.to_owned(), is.1);
                self.wire.put(&Message::ParameterStatus(status));
            }
        }
        if let Some(warning) = answer.warning {
            self.wire.put(&warning.warning());
        }
        portal.state = State::Done;
        self.complete(answer.tag);
        Ok(())
    }

    /// `PREPARE`.
    async fn prepare_named(
        &mut self,
        name: &str,
        types: &[String],
        sql: &str,
    ) -> Result<(), Failure> {
        let known = types.iter().map(|name| {
            let unknown = || {
                let message = format!("type \"{name}\" does not exist");
                PgError::new(sqlstate::UNDEFINED_OBJECT, message)
            };
            types::by_name(name).map(|of| of.oid()).ok_or_else(unknown)
        });
        let types = known.collect::<Result<Vec<u32>, _>>()?;
        let prepared = match prepared::one(sql)? {
            Some(sql) if prepared::read(sql)?.is_none() => self.prepare_query(sql, types).await?,
            _ => return Err(PgError::new(sqlstate::SYNTAX_ERROR, "nothing to prepare").into()),
        };
        Ok(self.memory.keep_statement(name, Arc::new(prepared))?)
    }
}

/// The past that a setting means; none is the present.
pub(super) fn read_as_of(session: &EngineSession, text: &str) -> Result<Option<AsOf>, PgError> {
    match text {
        "" => Ok(None),
        text => session.read_as_of(text).map(Some).map_err(|error| PgError::from(&error)),
    }
}
