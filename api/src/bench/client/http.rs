//! A client of the HTTP door: one connection that stays open, requests one after the other.
//!
//! Knows what the server's answers look like and no more of HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::auth::ADMIN;

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(600);
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A connection.
pub struct Http {
    stream: TcpStream,
    token: String,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Such as 204.
    pub status: u16,
    /// What followed the head.
    pub body: Vec<u8>,
}

impl Http {
    /// Connects and logs in as the first account.
    pub async fn log_in(address: SocketAddr, password: &str) -> Result<(Http, String), String> {
        let mut http = Http::connect(address, String::new()).await?;
        let login = json!({"user": ADMIN, "password": password}).to_string();
        let answer = http.post("/api/v1/token", "application/json", login.as_bytes()).await?;
        let answer = json_of(&answer)?;
        let token = answer["token"].as_str().ok_or("the server gave no token")?;
        let token = token.to_owned();
        http.token.clone_from(&token);
        Ok((http, token))
    }

    /// Connects with a token.
    pub async fn connect(address: SocketAddr, token: String) -> Result<Http, String> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("no server answers at {address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Http { stream, token, buffer: Vec::new() })
    }

    /// Asks for a path.
    pub async fn get(&mut self, path: &str) -> Result<Answer, String> {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: parx\r\n"), path, &[]).await
    }

    /// Sends a body and waits for the answer.
    pub async fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Answer, String> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: parx\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n"
        );
        self.exchange(head, path, body).await
    }

    async fn exchange(
        &mut self,
        mut head: String,
        path: &str,
        body: &[u8],
    ) -> Result<Answer, String> {
        if !self.token.is_empty() {
            head.push_str(&format!("Authorization: Bearer {}\r\n", self.token));
        }
        head.push_str("\r\n");
        let exchange = async {
            self.stream.write_all(head.as_bytes()).await?;
            self.stream.write_all(body).await?;
            self.answer().await
        };
        let answer = timeout(ANSWER_MAX, exchange).await;
        let answer = answer.map_err(|_| format!("the server did not answer {path} in time"))?;
        answer.map_err(|error| format!("{path}: {error}"))
    }

    /// Asks GraphQL; answers with `data`.
    pub async fn graphql(&mut self, query: &str) -> Result<Value, String> {
        let body = json!({ "query": query }).to_string();
        let answer = self.post("/graphql", "application/json", body.as_bytes()).await?;
        let mut answer = json_of(&answer)?;
        match answer.get("errors") {
            None => Ok(answer["data"].take()),
            Some(errors) => Err(format!("the server refused {query}: {errors}")),
        }
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        use std::io::{Error, ErrorKind};
        let wrong = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
        let (head, length) = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default());
                let head = read_head(&text).ok_or_else(|| wrong("the answer has no length"))?;
                break (end + 4, head);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(wrong("the answer's head does not end"));
            }
            self.fill().await?;
        };
        let (status, length) = length;
        self.buffer.drain(..head);
        let body = match length {
            Some(length) => self.take(length).await?,
            None => {
                let mut body = Vec::new();
                loop {
                    let chunk = self.chunk().await?;
                    if chunk.is_empty() {
                        break body;
                    }
                    body.extend(chunk);
                }
            }
        };
        Ok(Answer { status, body })
    }

    /// The next chunk of a body whose length is not told before; the last one is empty.
    async fn chunk(&mut self) -> std::io::Result<Vec<u8>> {
        let end = loop {
            match find(&self.buffer, b"\r\n") {
                Some(end) => break end,
                None => self.fill().await?,
            }
        };
        let line = self.take(end + 2).await?;
        let digits = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
        let length = usize::from_str_radix(digits.trim(), 16)
            .map_err(|_| std::io::Error::other(format!("'{digits}' is no length of a chunk")))?;
        let mut chunk = self.take(length + 2).await?;
        chunk.truncate(length);
        Ok(chunk)
    }

    async fn take(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn fill(&mut self) -> std::io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Status and length of the body; none if it comes in chunks.
fn read_head(text: &str) -> Option<(u16, Option<usize>)> {
    let mut lines = text.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let field =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    match (field("content-length"), field("transfer-encoding")) {
        (Some(length), _) => Some((status, Some(length.parse().ok()?))),
        (None, Some("chunked")) => Some((status, None)),
        (None, _) if status == 204 => Some((status, Some(0))),
        (None, _) => None,
    }
}

fn json_of(answer: &Answer) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        return Err(format!("the server answered {}: {text}", answer.status));
    }
    serde_json::from_str(&text).map_err(|error| format!("the server sent no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        let table = [
            ("HTTP/1.1 200 OK\r\ncontent-type: x\r\nContent-Length: 12", Some((200, Some(12)))),
            ("HTTP/1.1 204 No Content\r\ndate: x", Some((204, Some(0)))),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", Some((200, None))),
            ("HTTP/1.1 200 OK\r\ndate: x", None),
            ("", None),
        ];
        for (head, expected) in table {
            assert_eq!(read_head(head), expected, "{head}");
        }
    }
}
