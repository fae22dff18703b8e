//! From the first byte to a session: encryption, cancel requests, who is there, what they begin
//! with.
//!
//! Whoever comes out of `open` has proved who they are; there is no other way to a session. Every
//! error in here ends the connection.

use std::sync::Arc;

use parx_log::Log;
use pgwire::api::auth::sasl::scram::{ScramSecret, ScramServerAuth};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ReadyForQuery, SslResponse, TransactionStatus};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};

use super::cancel::{Cancels, Ticket};
use super::error::{PgError, sqlstate};
use super::frames::{Frontend, Opening, sasl_initial};
use super::settings::{Settings, Timeouts};
use super::wire::{Ending, Wire};
use crate::auth::Identity;
use crate::scram::{mock_verifier, read_verifier};

/// The only database there is.
pub const DATABASE: &str = "parx";
/// The only way to prove who one is.
const MECHANISM: &str = "SCRAM-SHA-256";
/// Refusals of encryption before a client has to speak plainly.
const NEGOTIATIONS_MAX: usize = 2;

/// What a client says about itself.
pub(crate) struct Hello {
    user: String,
    database: Option<String>,
    /// Settings to begin with, in order.
    settings: Vec<(String, String)>,
}

/// Somebody who has logged in.
pub(crate) struct Admitted {
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) ticket: Ticket,
}

/// Hears a client out until it says who it is; none if it only wanted to cancel something.
pub(crate) async fn hear(wire: &mut Wire, cancels: &Cancels) -> Result<Option<Hello>, Ending> {
    let mut negotiations = 0;
    loop {
        match wire.opening().await? {
            Opening::Tls | Opening::Gss if negotiations >= NEGOTIATIONS_MAX => {
                return Err(PgError::protocol("encryption is asked for again and again").into());
            }
            Opening::Tls | Opening::Gss => {
                negotiations += 1;
                wire.put(&PgWireBackendMessage::SslResponse(SslResponse::Refuse));
                wire.flush().await?;
            }
            Opening::Cancel { pid, secret } => {
                cancels.cancel(pid, &secret);
                return Ok(None);
            }
            Opening::Startup { major, minor, parameters } => {
                return hello(wire, major, minor, parameters).map(Some);
            }
        }
    }
}

fn hello(
    wire: &mut Wire,
    major: u16,
    minor: u16,
    parameters: Vec<(String, String)>,
) -> Result<Hello, Ending> {
    if major != 3 {
        return Err(PgError::unsupported(format!("unsupported frontend protocol {major}.{minor}"))
            .detail("The server supports 3.0.")
            .into());
    }
    let unknown: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| name.starts_with("_pq_."))
        .map(|(name, _)| name.clone())
        .collect();
    if minor > 0 || !unknown.is_empty() {
        let version = NegotiateProtocolVersion::new(3 << 16, unknown);
        wire.put(&PgWireBackendMessage::NegotiateProtocolVersion(version));
    }
    let mut hello = Hello { user: String::new(), database: None, settings: Vec::new() };
    for (name, value) in parameters {
        match name.as_str() {
            "user" => hello.user = value,
            "database" => hello.database = Some(value).filter(|name| !name.is_empty()),
            "options" => hello.settings.extend(options(&value)?),
            "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
            "replication" => {
                return Err(PgError::unsupported("replication is not supported").into());
            }
            name if name.starts_with("_pq_.") => {}
            _ => hello.settings.push((name, value)),
        }
    }
    if hello.user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(PgError::new(sqlstate::INVALID_AUTHORIZATION, message).into());
    }
    Ok(hello)
}

/// Reads `-c name=value --name=value`; a backslash keeps what follows it.
fn options(text: &str) -> Result<Vec<(String, String)>, PgError> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => Some(underscored(setting)),
            None if word == "-c" => words.next(),
            None => word.strip_prefix("-c").map(str::to_owned),
        };
        let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
        let Some((name, value)) = pair else {
            let message = format!("invalid command-line argument for server process: {word}");
            return Err(PgError::new(sqlstate::SYNTAX_ERROR, message));
        };
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

/// `a-b=c-d` as `a_b=c-d`.
fn underscored(setting: &str) -> String {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    format!("{}={value}", name.replace('-', "_"))
}

/// Lets somebody in who proves to be the user they say they are.
pub(crate) async fn admit(
    wire: &mut Wire,
    hello: Hello,
    log: &Log,
    process_secret: &[u8],
    cancels: &Arc<Cancels>,
    timeouts: Timeouts,
) -> Result<Admitted, Ending> {
    let identity = prove(wire, &hello.user, log, process_secret).await?;
    if hello.database.as_deref() != Some(DATABASE) {
        let database = hello.database.unwrap_or(hello.user);
        let message = format!("database \"{database}\" does not exist");
        let error = PgError::new(sqlstate::INVALID_CATALOG_NAME, message);
        return Err(error.hint(format!("The only database is \"{DATABASE}\".")).into());
    }
    let mut settings = Settings::new(&identity.name, timeouts);
    for (name, value) in &hello.settings {
        settings.begin_with(name, value)?;
    }
    let ticket = cancels.register();
    wire.put(&PgWireBackendMessage::Authentication(Authentication::Ok));
    for (name, value) in settings.reported() {
        let status = ParameterStatus::new(name.to_owned(), value);
        wire.put(&PgWireBackendMessage::ParameterStatus(status));
    }
    let key = BackendKeyData::new(ticket.pid, SecretKey::I32(ticket.secret));
    wire.put(&PgWireBackendMessage::BackendKeyData(key));
    let ready = ReadyForQuery::new(TransactionStatus::Idle);
    wire.put(&PgWireBackendMessage::ReadyForQuery(ready));
    wire.flush().await?;
    Ok(Admitted { identity, settings, ticket })
}

/// The exchange of SCRAM-SHA-256. Somebody unknown goes through all of it too.
async fn prove(
    wire: &mut Wire,
    user: &str,
    log: &Log,
    process_secret: &[u8],
) -> Result<Identity, Ending> {
    let wrong = || PgError::wrong_password(user);
    let (secret, known) = secret_of(user, log, process_secret);
    say(wire, Authentication::SASL(vec![MECHANISM.to_owned()])).await?;
    let (mechanism, first) = sasl_initial(password(wire).await?)?;
    if mechanism != MECHANISM {
        return Err(PgError::protocol("client selected an invalid SASL authentication mechanism")
            .detail(format!("The only one is {MECHANISM}."))
            .into());
    }
    let refused = |_| PgError::protocol("malformed SCRAM message");
    let (answer, waiting) = ScramServerAuth::new()
        .on_client_first_message_with_secret(&first, secret)
        .map_err(refused)?;
    say(wire, Authentication::SASLContinue(answer.into())).await?;
    let last = password(wire).await?;
    // Whatever is wrong with the proof, the password is.
    let answer = waiting.on_client_final_message(&last).map_err(|_| wrong())?;
    if !known {
        return Err(wrong().into());
    }
    wire.put(&PgWireBackendMessage::Authentication(Authentication::SASLFinal(answer.into())));
    Ok(Identity { name: user.into() })
}

/// What the user's proof is checked against, and whether anybody can have it.
fn secret_of(user: &str, log: &Log, process_secret: &[u8]) -> (ScramSecret, bool) {
    let catalog = log.catalog();
    let stored = catalog.users.get(user).and_then(|user| read_verifier(&user.scram_verifier));
    match stored {
        Some(secret) => (secret, true),
        None => (mock_verifier(user, process_secret), false),
    }
}

async fn say(wire: &mut Wire, message: Authentication) -> Result<(), Ending> {
    wire.put(&PgWireBackendMessage::Authentication(message));
    wire.flush().await
}

async fn password(wire: &mut Wire) -> Result<bytes::Bytes, Ending> {
    match wire.login_frame().await? {
        Frontend::Password(body) => Ok(body),
        Frontend::Terminate => Err(Ending::Gone),
        Frontend::Query(_)
        | Frontend::Parse { .. }
        | Frontend::Bind(_)
        | Frontend::Describe(..)
        | Frontend::Execute { .. }
        | Frontend::Close(..)
        | Frontend::Flush
        | Frontend::Sync
        | Frontend::Copy => Err(PgError::protocol("expected SASL response").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_postgresql_reads_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let cases = [
            ("", vec![]),
            ("-c a=1", vec![pair("a", "1")]),
            ("-ca=1  --b-c=2", vec![pair("a", "1"), pair("b_c", "2")]),
            ("-c a=x\\ y", vec![pair("a", "x y")]),
        ];
        for (text, expected) in cases {
            assert_eq!(options(text), Ok(expected), "{text}");
        }
        for text in ["-c", "-c a", "-x", "a=1"] {
            assert!(options(text).is_err(), "{text}");
        }
    }
}
