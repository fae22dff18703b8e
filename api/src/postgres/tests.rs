//! The door from outside, byte by byte: nobody is answered who has not logged in.

use std::time::Duration;

use parx_compactor::SegmentStore;
use parx_log::{Command, LogOptions, SystemClock, UserDefinition};
use parx_query::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A door with the accounts `ann` (password `pencil`) and `broken` (a verifier that is none).
async fn server(limits: PostgresLimits) -> Server {
    let folder = tempfile::TempDir::new().unwrap();
    let mut options = LogOptions::new(folder.path());
    options.linger = Duration::ZERO;
    let log = Log::open(options, Arc::new(SystemClock)).unwrap();
    for (name, scram_verifier) in
        [("ann", crate::scram::scram_verifier("pencil")), ("broken", "nonsense".to_owned())]
    {
        let (name, password_hash) = (name.to_owned(), String::new());
        let user = UserDefinition { name, password_hash, scram_verifier };
        log.submit("test".into(), Command::DefineUser(user)).await.unwrap();
    }
    let store = SegmentStore::new(folder.path().join("segments"));
    let engine = Engine::new(log.clone(), store, Limits::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let workers = Workers::start().unwrap();
    let task = tokio::spawn(serve(listener, engine, (log, workers), limits, stop.clone()));
    Server { address, stop, task, _folder: folder }
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    let kind = if kind == 0 { vec![] } else { vec![kind] };
    [&kind[..], &length, body].concat()
}

fn startup(user: &str) -> Vec<u8> {
    let names = format!("user\0{user}\0database\0parx\0\0");
    frame(0, &[&196_608u32.to_be_bytes()[..], names.as_bytes()].concat())
}

fn initial(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_be_bytes();
    frame(b'p', &[b"SCRAM-SHA-256\0", &length[..], text.as_bytes()].concat())
}

/// A client that reads messages one by one.
struct Client(TcpStream);

impl Client {
    async fn open(server: &Server) -> Client {
        Client(TcpStream::connect(server.address).await.unwrap())
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it said is then still to be read.
        let _ = self.0.write_all(bytes).await;
    }

    /// Type and body; none at the end.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0u8; 5];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).await.ok()?;
        Some((head[0], body))
    }

    /// Everything until the server hangs up.
    async fn rest(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// Goes through the exchange with a proof of 32 bytes that nobody's password makes.
    async fn fail_to_log_in(&mut self, user: &str) -> Vec<(u8, Vec<u8>)> {
        self.send(&startup(user)).await;
        let asked = self.next().await.unwrap();
        assert_eq!(&asked.1[..4], [0, 0, 0, 10], "SASL is asked for");
        self.send(&initial("n,,n=,r=abcdef")).await;
        let (_, challenge) = self.next().await.unwrap();
        assert_eq!(&challenge[..4], [0, 0, 0, 11], "every user gets a challenge");
        let challenge = String::from_utf8(challenge[4..].to_vec()).unwrap();
        let (nonce, rest) = challenge.split_once(",s=").unwrap();
        assert!(rest.ends_with(",i=4096"), "{challenge}");
        let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        self.send(&frame(b'p', format!("c=biws,{nonce},p={proof}").as_bytes())).await;
        self.send(&frame(b'Q', b"SELECT 1\0")).await;
        self.rest().await
    }
}

/// Severity and code of the one error that is all there is.
fn only_error(messages: &[(u8, Vec<u8>)]) -> (String, String) {
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0].0, b'E', "{messages:?}");
    let text = String::from_utf8(messages[0].1.clone()).unwrap();
    let field = |kind: char| {
        text.split('\0').find_map(|field| field.strip_prefix(kind)).unwrap().to_owned()
    };
    (field('S'), field('C'))
}

#[tokio::test]
async fn nobody_is_answered_after_a_failed_login() {
    let server = server(PostgresLimits::default()).await;
    for user in ["ann", "nobody", "broken"] {
        let messages = Client::open(&server).await.fail_to_log_in(user).await;
        assert_eq!(only_error(&messages), ("FATAL".into(), "28P01".into()), "{user}");
    }
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn nothing_else_than_a_login_opens_the_door() {
    let server = server(PostgresLimits::default()).await;
    let query = frame(b'Q', b"SELECT 1\0");
    let parse = frame(b'P', b"\0SELECT 1\0\0\0");
    let other = frame(b'p', b"SCRAM-SHA-256-PLUS\0\xff\xff\xff\xff");
    let channel = initial("p=tls-unique,,n=,r=abcdef");
    let lying = frame(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xff");
    for said in [query.clone(), parse, other, channel, lying, frame(b'p', b""), vec![0; 64]] {
        let mut client = Client::open(&server).await;
        client.send(&startup("ann")).await;
        client.next().await.unwrap();
        client.send(&said).await;
        client.send(&query).await;
        let (severity, code) = only_error(&client.rest().await);
        assert_eq!((severity.as_str(), &code[..3]), ("FATAL", "08P"), "{said:?}");
    }
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn encryption_is_refused_and_other_versions_too() {
    let server = server(PostgresLimits::default()).await;
    let mut client = Client::open(&server).await;
    client.send(&frame(0, &80_877_103u32.to_be_bytes())).await;
    let mut answer = [0u8];
    client.0.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"N");
    client.send(&frame(0, &[&131_072u32.to_be_bytes()[..], b"user\0ann\0\0"].concat())).await;
    assert_eq!(only_error(&client.rest().await), ("FATAL".into(), "0A000".into()));
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn more_sessions_than_the_limit_are_refused() {
    let limits = PostgresLimits { connections: 1, ..PostgresLimits::default() };
    let server = server(limits).await;
    let mut first = Client::open(&server).await;
    first.send(&startup("ann")).await;
    first.next().await.unwrap();
    let mut second = Client::open(&server).await;
    second.send(&startup("ann")).await;
    assert_eq!(only_error(&second.rest().await), ("FATAL".into(), "53300".into()));
    server.stop.cancel();
    server.task.await.unwrap();
    assert_eq!(only_error(&first.rest().await), ("FATAL".into(), "57P01".into()));
}
