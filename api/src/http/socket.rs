//! GraphQL over WebSocket, by the protocol `graphql-transport-ws`.
//!
//! The rules and the close codes are those of the protocol's own text (enisdenjo/graphql-ws,
//! PROTOCOL.md). An operation runs as a task; its messages go through one bounded queue per socket.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::{Request, Response as GraphqlResponse};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout_at};

use crate::auth::Identity;
use crate::http::errors::HttpError;
use crate::http::session::{foreign, identify};
use crate::http::{HttpState, REQUEST_BYTES_MAX};

/// The protocol's name.
const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to say `connection_init`.
pub const INIT_MAX: Duration = Duration::from_secs(10);
/// How often an idle socket is pinged.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// Silence after which a client counts as gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Operations at once on one socket.
pub const OPERATIONS_MAX: usize = 100;
/// Messages that may wait for a slow client; its subscriptions then keep only the newest values.
pub const MESSAGES_WAITING_MAX: usize = 8;

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit { payload: Option<Value> },
    Ping {},
    Pong {},
    Subscribe { id: String, payload: Box<Request> },
    Complete { id: String },
}

/// Why a socket is closed.
struct Close(u16, String);

/// `GET /graphql` with an upgrade.
pub async fn upgrade(
    State(state): State<HttpState>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let hint = "send POST with JSON, or open a WebSocket with graphql-transport-ws";
        return HttpError::new(StatusCode::BAD_REQUEST, "GET /graphql is for WebSockets", hint)
            .into_response();
    };
    // A cookie counts only for pages of this origin; others log in with `connection_init`.
    let trusted = headers.contains_key(header::AUTHORIZATION) || !foreign(&headers);
    let identity = match trusted {
        true => identify(&state, &headers).await.ok(),
        false => None,
    };
    let Ok(place) = state.sockets.clone().try_acquire_owned() else {
        return HttpError::busy("there are as many sockets as there may be").into_response();
    };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(REQUEST_BYTES_MAX);
    upgrade.on_upgrade(async move |mut socket| {
        let _place = place;
        let stop = state.stop.clone();
        let end = Talk::new(state, identity).run(&mut socket, stop.cancelled_owned()).await;
        if let Close(code @ 1000.., reason) = end {
            let reason = Utf8Bytes::from(short(&reason));
            let _ = socket.send(Message::Close(Some(CloseFrame { code, reason }))).await;
        }
    })
}

/// A close reason has room for 123 bytes.
fn short(reason: &str) -> String {
    let end = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|at| *at <= 123);
    reason.get(..end.last().unwrap_or(0)).unwrap_or_default().to_owned()
}

/// One client's conversation.
struct Talk {
    state: HttpState,
    identity: Option<Identity>,
    acknowledged: bool,
    operations: HashMap<String, JoinHandle<()>>,
    queue: mpsc::Sender<(String, Value)>,
    outgoing: Option<mpsc::Receiver<(String, Value)>>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.operations.values().for_each(JoinHandle::abort);
    }
}

impl Talk {
    fn new(state: HttpState, identity: Option<Identity>) -> Talk {
        let (queue, outgoing) = mpsc::channel(MESSAGES_WAITING_MAX);
        let operations = HashMap::new();
        Talk { state, identity, acknowledged: false, operations, queue, outgoing: Some(outgoing) }
    }

    /// Talks until one side ends it.
    async fn run(mut self, socket: &mut WebSocket, stop: impl Future<Output = ()>) -> Close {
        let Some(mut outgoing) = self.outgoing.take() else { return Close(1011, String::new()) };
        if socket.protocol().is_none_or(|protocol| protocol != PROTOCOL) {
            return Close(4406, "Subprotocol not acceptable".into());
        }
        let init_end = Instant::now() + INIT_MAX;
        let mut heard = Instant::now();
        let mut ping = interval(PING_EVERY);
        tokio::pin!(stop);
        loop {
            let incoming = async {
                match self.acknowledged {
                    true => Ok(socket.recv().await),
                    false => timeout_at(init_end, socket.recv()).await,
                }
            };
            let done = tokio::select! {
                () = &mut stop => return Close(1001, "the server is stopping".into()),
                _ = ping.tick() => match heard.elapsed() > SILENCE_MAX {
                    true => return Close(1001, "no sign of life".into()),
                    false if self.acknowledged => say(socket, &json!({ "type": "ping" })).await,
                    false => Ok(()),
                },
                Some((id, message)) = outgoing.recv() => self.deliver(socket, id, &message).await,
                incoming = incoming => match incoming {
                    Err(_) => Err(Close(4408, "Connection initialisation timeout".into())),
                    Ok(None | Some(Err(_))) => Err(Close(0, String::new())),
                    Ok(Some(Ok(message))) => {
                        heard = Instant::now();
                        self.hear(socket, message).await
                    }
                },
            };
            if let Err(close) = done {
                return close;
            }
        }
    }

    /// Sends a message of an operation that is still wanted.
    async fn deliver(
        &mut self,
        socket: &mut WebSocket,
        id: String,
        message: &Value,
    ) -> Result<(), Close> {
        if !self.operations.contains_key(&id) {
            return Ok(());
        }
        if message.get("type").is_none_or(|kind| kind != "next") {
            self.operations.remove(&id);
        }
        say(socket, message).await
    }

    async fn hear(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), Close> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(Close(0, String::new())),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Binary(_) => return Err(Close(4400, "Binary messages are not known".into())),
        };
        let said = serde_json::from_str::<Said>(&text)
            .map_err(|error| Close(4400, format!("Invalid message: {error}")))?;
        match said {
            Said::ConnectionInit { .. } if self.acknowledged => {
                Err(Close(4429, "Too many initialisation requests".into()))
            }
            Said::ConnectionInit { payload } => {
                if self.identity.is_none() {
                    self.identity = self.identity_of(payload.as_ref()).await;
                }
                if self.identity.is_none() {
                    return Err(Close(4403, "Forbidden".into()));
                }
                self.acknowledged = true;
                say(socket, &json!({ "type": "connection_ack" })).await
            }
            Said::Ping {} => say(socket, &json!({ "type": "pong" })).await,
            Said::Pong {} => Ok(()),
            Said::Subscribe { id, payload } => self.subscribe(id, *payload),
            Said::Complete { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
        }
    }

    /// Who `connection_init` says it is: `{"Authorization": "Basic …"}` as in the HTTP header.
    async fn identity_of(&self, payload: Option<&Value>) -> Option<Identity> {
        let payload = payload?.as_object()?;
        let header = payload.iter().find(|(key, _)| key.eq_ignore_ascii_case("authorization"))?.1;
        self.state.accounts.authorize(header.as_str()?).await
    }

    fn subscribe(&mut self, id: String, request: Request) -> Result<(), Close> {
        let Some(identity) = self.identity.clone().filter(|_| self.acknowledged) else {
            return Err(Close(4401, "Unauthorized".into()));
        };
        if self.operations.contains_key(&id) {
            return Err(Close(4409, format!("Subscriber for {id} already exists")));
        }
        if self.operations.len() >= OPERATIONS_MAX {
            let reason = format!("More than {OPERATIONS_MAX} operations on one socket");
            return Err(Close(4429, reason));
        }
        let (schema, queue) = (self.state.schema.clone(), self.queue.clone());
        let name = id.clone();
        let task = tokio::spawn(async move {
            let mut stream = schema.execute_stream(request.data(identity));
            let mut first = true;
            while let Some(response) = stream.next().await {
                let (message, last) = message(&name, &response, first);
                first = false;
                if queue.send((name.clone(), message)).await.is_err() || last {
                    return;
                }
            }
            let _ = queue.send((name.clone(), json!({ "type": "complete", "id": name }))).await;
        });
        self.operations.insert(id, task);
        Ok(())
    }
}

/// A response as a message, and whether it is the operation's last. An operation that could not
/// begin ends with `error`.
fn message(id: &str, response: &GraphqlResponse, first: bool) -> (Value, bool) {
    let nothing = response.data == async_graphql::Value::Null;
    if first && nothing && response.is_err() {
        return (json!({ "type": "error", "id": id, "payload": response.errors }), true);
    }
    (json!({ "type": "next", "id": id, "payload": response }), false)
}

async fn say(socket: &mut WebSocket, message: &Value) -> Result<(), Close> {
    let text = Message::Text(message.to_string().into());
    socket.send(text).await.map_err(|_| Close(0, String::new()))
}
