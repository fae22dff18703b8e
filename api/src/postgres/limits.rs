//! What bounds the Postgres door, each with its default.
//!
//! The errors are told where the limits are met.

use std::time::Duration;

/// Sessions at once: 53300 beyond.
pub const CONNECTIONS_MAX: usize = 200;
/// Connections at once that have not said yet who they are; more are closed unheard.
pub const OPENINGS_MAX: usize = 200;
/// Time from the connection to the end of the login.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a statement may take if its session says nothing: 57014 beyond.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a statement may take whatever its session says.
pub const STATEMENT_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Bytes of one message, which holds a statement or its parameters: 08P01 beyond.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Prepared statements of one session: 54000 beyond.
pub const STATEMENTS_MAX: usize = 1000;
/// Open portals of one session: 54000 beyond.
pub const PORTALS_MAX: usize = 100;
/// How long an open transaction may do nothing, as it keeps what it sees: 25P03 beyond.
pub const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(600);
/// How long running statements may go on when the server stops.
pub const DRAIN: Duration = Duration::from_secs(5);
/// Bytes of rows that wait for a slow client before more rows are read.
pub const OUTPUT_BYTES_MAX: usize = 128 << 10;
/// Bytes that are read from a client while its statement runs.
pub const INPUT_AHEAD_BYTES_MAX: usize = 1 << 20;

/// The limits of a server's Postgres door.
#[derive(Clone, Copy, Debug)]
pub struct PostgresLimits {
    /// See [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// See [`OPENINGS_MAX`].
    pub openings: usize,
    /// See [`LOGIN_TIMEOUT`].
    pub login_timeout: Duration,
    /// See [`STATEMENT_TIMEOUT`].
    pub statement_timeout: Duration,
    /// See [`STATEMENT_TIMEOUT_MAX`].
    pub statement_timeout_max: Duration,
    /// See [`MESSAGE_BYTES_MAX`].
    pub message_bytes: usize,
    /// See [`STATEMENTS_MAX`].
    pub statements: usize,
    /// See [`PORTALS_MAX`].
    pub portals: usize,
    /// See [`DRAIN`].
    pub drain: Duration,
}

impl Default for PostgresLimits {
    fn default() -> PostgresLimits {
        PostgresLimits {
            connections: CONNECTIONS_MAX,
            openings: OPENINGS_MAX,
            login_timeout: LOGIN_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            statement_timeout_max: STATEMENT_TIMEOUT_MAX,
            message_bytes: MESSAGE_BYTES_MAX,
            statements: STATEMENTS_MAX,
            portals: PORTALS_MAX,
            drain: DRAIN,
        }
    }
}
