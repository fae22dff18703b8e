//! A small HTTP client: one request on one connection, so that tests can also send what is wrong.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{DEADLINE, PASSWORD, USER};

/// A request.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A GET.
    pub(crate) fn get(path: &str) -> Request {
        Request { method: "GET", path: path.to_owned(), headers: vec![], body: vec![] }
    }

    /// A POST.
    pub(crate) fn post(path: &str, body: Vec<u8>) -> Request {
        Request { method: "POST", path: path.to_owned(), headers: vec![], body }
    }

    /// A write of line protocol by the first account.
    pub(crate) fn write(lines: &str) -> Request {
        Request::post("/api/v1/write", lines.as_bytes().to_vec()).with_login()
    }

    /// The same with another path.
    pub(crate) fn at(mut self, path: &str) -> Request {
        path.clone_into(&mut self.path);
        self
    }

    /// The same with a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same as a numbered batch.
    pub(crate) fn batch(self, producer: &str, epoch: u64, sequence: u64) -> Request {
        let request = self.header("ParX-Producer", producer);
        let request = request.header("ParX-Epoch", &epoch.to_string());
        request.header("ParX-Sequence", &sequence.to_string())
    }

    /// The same by the first account.
    pub(crate) fn with_login(self) -> Request {
        self.with_password(PASSWORD)
    }

    /// The same with a password of the first account.
    pub(crate) fn with_password(self, password: &str) -> Request {
        let login = STANDARD.encode(format!("{USER}:{password}"));
        self.header("Authorization", &format!("Basic {login}"))
    }

    /// The request up to its body, whose length it says is `length`.
    pub(crate) fn head(&self, host: &str, length: usize) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        head += &format!("Host: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
    head: String,
}

impl Response {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}

/// Opens a connection that does not hang for ever.
pub(crate) fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{host}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends a request and reads the answer to its end.
pub(crate) fn send(host: &str, request: &Request) -> Response {
    let mut stream = connect(host);
    let head = request.head(host, request.body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole answer");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let response =
        Response { status: status.expect("a status"), body: bytes.split_off(end + 4), head };
    assert_eq!(response.header("transfer-encoding"), None, "an answer of known length");
    response
}
