//! A GraphQL client that subscribes to samples, as the web app does it.
//!
//! It speaks `graphql-transport-ws` over a WebSocket and knows one subscription. What the samples
//! mean is for its caller to say.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use parx_log::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What is asked for.
const QUERY: &str = "subscription Latency($tags: [String!]!, $everyMs: Int!) {
  samples(tags: $tags, everyMs: $everyMs) { snapshot skipped tags times values }
}";

/// Samples that came together.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// True for the first message, which holds last values.
    pub snapshot: bool,
    /// Samples left out.
    pub skipped: u64,
    /// Columns, all of one length.
    pub tags: Vec<String>,
    times: Vec<f64>,
    pub values: Vec<Option<f64>>,
    /// When the message had come.
    #[serde(skip)]
    pub came: Option<(Instant, Timestamp)>,
}

impl Batch {
    /// The samples' times.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.times.iter().map(|seconds| Timestamp::from_seconds(*seconds))
    }
}

/// A connection with one subscription.
pub struct Subscriber {
    socket: tokio_tungstenite::WebSocketStream<TcpStream>,
}

impl Subscriber {
    /// Connects, logs in and subscribes to `tags`.
    pub async fn connect(
        server: SocketAddr,
        (user, password): (&str, &str),
        tags: &[String],
        every: Duration,
    ) -> Result<Subscriber, String> {
        let url = format!("ws://{server}/graphql");
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let stream = TcpStream::connect(server).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let opened = timeout(ANSWER_MAX, client_async(request, stream)).await;
        let opened =
            opened.map_err(|_| "the server did not open a WebSocket in time".to_owned())?;
        let (socket, _) = opened.map_err(|error| error.to_string())?;
        let mut subscriber = Subscriber { socket };
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let init = json!({"type": "connection_init", "payload": {"Authorization": basic}});
        subscriber.say(&init).await?;
        let answer = subscriber.hear().await?;
        if answer["type"] != "connection_ack" {
            return Err(format!("the server did not acknowledge the connection: {answer}"));
        }
        let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        let variables = json!({"tags": tags, "everyMs": every_ms});
        let payload = json!({"query": QUERY, "variables": variables});
        let subscribe = json!({"type": "subscribe", "id": "1", "payload": payload});
        subscriber.say(&subscribe).await?;
        Ok(subscriber)
    }

    /// The next samples.
    pub async fn next(&mut self) -> Result<Batch, String> {
        loop {
            let (text, came) = self.text().await?;
            let mut message: Value = parse(&text)?;
            match message["type"].as_str() {
                Some("ping") => self.say(&json!({"type": "pong"})).await?,
                Some("pong") => {}
                Some("next") if message["payload"]["errors"].is_null() => {
                    let samples = message["payload"]["data"]["samples"].take();
                    let batch: Batch =
                        serde_json::from_value(samples).map_err(|error| error.to_string())?;
                    return Ok(Batch { came: Some(came), ..batch });
                }
                Some(_) | None => return Err(format!("the server said: {message}")),
            }
        }
    }

    async fn hear(&mut self) -> Result<Value, String> {
        parse(&self.text().await?.0)
    }

    /// The next text, and when it had come.
    async fn text(&mut self) -> Result<(String, (Instant, Timestamp)), String> {
        loop {
            let next = timeout(ANSWER_MAX, self.socket.next()).await;
            let came = (Instant::now(), crate::bench::latency::now());
            let next = next
                .map_err(|_| format!("the server said nothing for {} s", ANSWER_MAX.as_secs()))?;
            match next {
                Some(Ok(Message::Text(text))) => return Ok((text.to_string(), came)),
                Some(Ok(Message::Close(frame))) => {
                    return Err(format!("the server closed the connection: {frame:?}"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("the server ended the connection".to_owned()),
            }
        }
    }

    async fn say(&mut self, message: &Value) -> Result<(), String> {
        let text = Message::Text(message.to_string().into());
        self.socket.send(text).await.map_err(|error| error.to_string())
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the server sent no JSON: {error}"))
}
