//! What goes wrong at the Postgres door, as PostgreSQL's clients expect to hear it.
//!
//! The engine's errors bring their SQLSTATE; the door's own are named here. It decides nothing
//! about the connection: whether an error ends it is the caller's to say.

use std::fmt;

use parx_query::QueryError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

/// SQLSTATE codes that this door answers with.
pub(crate) mod sqlstate {
    pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
    pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub(crate) const INVALID_TEXT: &str = "22P02";
    pub(crate) const INVALID_BINARY: &str = "22P03";
    pub(crate) const INVALID_PARAMETER_VALUE: &str = "22023";
    pub(crate) const ACTIVE_TRANSACTION: &str = "25001";
    pub(crate) const READ_ONLY_TRANSACTION: &str = "25006";
    pub(crate) const NO_ACTIVE_TRANSACTION: &str = "25P01";
    pub(crate) const FAILED_TRANSACTION: &str = "25P02";
    pub(crate) const INVALID_STATEMENT_NAME: &str = "26000";
    pub(crate) const INVALID_AUTHORIZATION: &str = "28000";
    pub(crate) const INVALID_PASSWORD: &str = "28P01";
    pub(crate) const INVALID_CURSOR_NAME: &str = "34000";
    pub(crate) const INVALID_CATALOG_NAME: &str = "3D000";
    pub(crate) const INVALID_SAVEPOINT: &str = "3B001";
    pub(crate) const SYNTAX_ERROR: &str = "42601";
    pub(crate) const UNDEFINED_OBJECT: &str = "42704";
    pub(crate) const DUPLICATE_CURSOR: &str = "42P03";
    pub(crate) const DUPLICATE_STATEMENT: &str = "42P05";
    pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(crate) const LIMIT_EXCEEDED: &str = "54000";
    pub(crate) const CANNOT_CHANGE_NOW: &str = "55P02";
    pub(crate) const QUERY_CANCELED: &str = "57014";
    pub(crate) const ADMIN_SHUTDOWN: &str = "57P01";
    pub(crate) const INTERNAL: &str = "XX000";
}

/// An error as it goes to the client: fact, detail, hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PgError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    /// Where in the statement, counted in characters from 1.
    pub(crate) position: Option<usize>,
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

impl From<&QueryError> for PgError {
    /// The engine's kinds know their codes; what only a door can say is added here.
    fn from(error: &QueryError) -> PgError {
        PgError {
            code: error.kind.sqlstate(),
            message: error.message.clone(),
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            position: error.position,
        }
    }
}

impl PgError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> PgError {
        PgError { code, message: message.into(), detail: None, hint: None, position: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> PgError {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> PgError {
        self.hint = Some(hint.into());
        self
    }

    /// Moves the position from a statement to the string it stands in.
    pub(crate) fn moved(mut self, characters: usize) -> PgError {
        self.position = self.position.map(|position| position + characters);
        self
    }

    pub(crate) fn protocol(message: impl Into<String>) -> PgError {
        PgError::new(sqlstate::PROTOCOL_VIOLATION, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> PgError {
        PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
    }

    /// For each statement but the end of an aborted transaction.
    pub(crate) fn in_failed_transaction() -> PgError {
        PgError::new(
            sqlstate::FAILED_TRANSACTION,
            "current transaction is aborted, commands ignored until end of transaction block",
        )
    }

    /// The same words for an unknown user and a wrong password.
    pub(crate) fn wrong_password(user: &str) -> PgError {
        PgError::new(
            sqlstate::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        )
    }

    /// An error that leaves the connection open.
    pub(crate) fn message(&self) -> PgWireBackendMessage {
        PgWireBackendMessage::ErrorResponse(ErrorResponse::new(self.fields("ERROR")))
    }

    /// An error that ends the connection.
    pub(crate) fn fatal(&self) -> PgWireBackendMessage {
        PgWireBackendMessage::ErrorResponse(ErrorResponse::new(self.fields("FATAL")))
    }

    /// A warning beside a result.
    pub(crate) fn warning(&self) -> PgWireBackendMessage {
        PgWireBackendMessage::NoticeResponse(NoticeResponse::new(self.fields("WARNING")))
    }

    fn fields(&self, severity: &str) -> Vec<(u8, String)> {
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', clean(&self.message)),
        ];
        fields.extend(self.detail.iter().map(|detail| (b'D', clean(detail))));
        fields.extend(self.hint.iter().map(|hint| (b'H', clean(hint))));
        fields.extend(self.position.iter().map(|position| (b'P', position.to_string())));
        fields
    }
}
