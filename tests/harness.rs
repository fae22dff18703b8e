//! Starts the binary `parx` in a folder of its own, listens to what it says, and stops it.
//!
//! A [`Place`] outlives the servers that are started on it, so that restarts find their data. What
//! a server says at WARN or ERROR and the place does not expect fails the test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wire::{self, Request, Response};

/// Ends what hangs; far longer than anything takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);
/// The account that every server begins with.
pub(crate) const USER: &str = "admin";
/// Its password, given to the server in a file.
pub(crate) const PASSWORD: &str = "open, sesame: seven pumps";

/// A folder with the configuration and the data of servers that run one after the other.
pub(crate) struct Place {
    folder: TempDir,
    expected: Vec<&'static str>,
}

impl Place {
    /// A place whose servers read `config`.
    pub(crate) fn new(config: &str) -> Place {
        let folder = tempfile::Builder::new().prefix("parx-test-").tempdir().unwrap();
        std::fs::write(folder.path().join("parx.toml"), config).unwrap();
        std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        Place { folder, expected: vec![] }
    }

    /// The server may warn in these words.
    pub(crate) fn expect_trace(mut self, words: &'static str) -> Place {
        self.expected.push(words);
        self
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts a server, ready when this returns.
    pub(crate) fn start(&self) -> Server {
        self.start_with(true)
    }

    /// Starts a server that makes up its first password, or is given it.
    pub(crate) fn start_with(&self, password_given: bool) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parx"));
        command.arg("serve").arg("--data").arg(self.data());
        command.arg("--config").arg(self.path().join("parx.toml"));
        for door in ["--http", "--postgres", "--flight"] {
            command.args([door, "127.0.0.1:0"]);
        }
        command.env("NO_COLOR", "1");
        if password_given {
            command.env("PARX_ADMIN_PASSWORD_FILE", self.path().join("password"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("parx starts");
        let trace = Trace::listen(child.stderr.take().unwrap());
        let lines = lines(child.stdout.take().unwrap());
        let mut server = Server {
            child,
            trace,
            expected: self.expected.clone(),
            login: None,
            http: String::new(),
            postgres: String::new(),
            flight: String::new(),
            checked: false,
        };
        server.listen(&lines);
        server
    }
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    trace: Trace,
    expected: Vec<&'static str>,
    /// The line that says how to log in, at the very first start.
    pub(crate) login: Option<String>,
    /// Host and port of the HTTP door.
    pub(crate) http: String,
    /// Host and port of the Postgres door.
    pub(crate) postgres: String,
    /// Host and port of the Flight door.
    pub(crate) flight: String,
    checked: bool,
}

impl Server {
    fn listen(&mut self, lines: &mpsc::Receiver<String>) {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(error) => panic!("no ready line: {error}; {}", self.trace.text()),
            };
            if line.starts_with("login ") {
                assert_eq!(self.login.replace(line), None, "one login line");
            } else if let Some(doors) = line.strip_prefix("ready ") {
                let door = |name: &str| {
                    let word = doors.split(' ').find_map(|word| word.strip_prefix(name));
                    word.unwrap_or_else(|| panic!("no {name} in '{line}'")).to_owned()
                };
                self.http = door("http=");
                self.postgres = door("postgres=");
                self.flight = door("flight=");
                return;
            }
        }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGTERM; it has to end well and to have said nothing unexpected.
    pub(crate) fn stop(mut self) {
        send_signal(self.pid(), "TERM");
        let end = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > end => panic!("SIGTERM did not end the server"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.trace.finish();
        assert_eq!(status.code(), Some(0), "exit code after SIGTERM; {}", self.trace.text());
        self.check_trace();
    }

    /// Ends it with SIGKILL, as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.trace.finish();
        self.check_trace();
    }

    fn check_trace(&mut self) {
        self.checked = true;
        let expected = |line: &String| self.expected.iter().any(|words| line.contains(words));
        let complaints = self.trace.complaints();
        let surprising: Vec<_> = complaints.into_iter().filter(|line| !expected(line)).collect();
        assert_eq!(surprising, [""; 0], "the server complained");
    }

    /// Sends a request to the HTTP door.
    pub(crate) fn send(&self, request: &Request) -> Response {
        wire::send(&self.http, request)
    }

    /// Writes line protocol; it has to be taken.
    pub(crate) fn write(&self, lines: &str) {
        self.write_at("/api/v1/write", lines);
    }

    /// The same with another path, such as one that names a precision.
    pub(crate) fn write_at(&self, path: &str, lines: &str) {
        let response = self.send(&Request::write(lines).at(path));
        assert_eq!(response.status, 204, "{}", response.text());
    }

    /// Asks GraphQL; there must be no error.
    pub(crate) fn graphql(&self, query: &str) -> Value {
        let body = json!({ "query": query }).to_string();
        let request = Request::post("/graphql", body.into_bytes()).with_login();
        let response = self.send(&request.header("Content-Type", "application/json"));
        let mut answer: Value = serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("{error}: {}", response.text()));
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// Asks SQL through psql; rows of cells as text.
    pub(crate) fn sql(&self, statement: &str) -> Vec<Vec<String>> {
        let output = self.psql(&["-c", statement]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        let cells = |row: &str| row.split('\u{1f}').map(str::to_owned).collect();
        text.lines().map(cells).collect()
    }

    /// The only cell of an answer.
    pub(crate) fn sql_value(&self, statement: &str) -> String {
        let rows = self.sql(statement);
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{statement}: {rows:?}");
        rows[0][0].clone()
    }

    /// What psql says about a statement that has to fail, with its SQLSTATE.
    pub(crate) fn sql_error(&self, statement: &str) -> String {
        let output = self.psql(&["-v", "VERBOSITY=verbose", "-c", statement]);
        assert!(!output.status.success(), "{statement} went well");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs psql against it.
    pub(crate) fn psql(&self, arguments: &[&str]) -> Output {
        self.psql_as(PASSWORD, arguments)
    }

    /// Runs psql with a password.
    pub(crate) fn psql_as(&self, password: &str, arguments: &[&str]) -> Output {
        let (host, port) = self.postgres.rsplit_once(':').unwrap();
        let mut command = Command::new("psql");
        command.args(["-X", "-A", "-t", "-q", "-F", "\u{1f}", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-h", host, "-p", port, "-U", USER, "-d", "parx"]).args(arguments);
        command.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "60");
        command.output().expect("psql is installed: make setup")
    }

    /// A client of another maker, told where the doors are.
    pub(crate) fn client(&self, mut command: Command) -> Command {
        command.env("PARX_HTTP", &self.http);
        command.env("PARX_POSTGRES", &self.postgres).env("PARX_FLIGHT", &self.flight);
        command.env("PARX_URL", format!("http://{}", self.http));
        command.env("PARX_USER", USER).env("PARX_PASSWORD", PASSWORD);
        command.env("PARX_PID", self.pid().to_string());
        command
    }

    /// Waits until the segments hold every sample that is there now.
    pub(crate) fn wait_compacted(&self) {
        let wanted = self.sql_value("SELECT max(sequence) FROM samples_history");
        let wanted: u64 = wanted.parse().unwrap();
        until("the log is compacted", || {
            let answer = self.graphql("{ server { compactedThrough } }");
            let reached = answer["server"]["compactedThrough"].as_str().unwrap();
            let reached = reached.parse::<u64>().unwrap();
            (reached >= wanted).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.checked {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.trace.finish();
        }
        if thread::panicking() {
            println!("--- what the server said\n{}", self.trace.text());
        } else if !self.checked {
            self.check_trace();
        }
    }
}

/// What a server says on standard error.
struct Trace {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Trace {
    fn listen(stderr: ChildStderr) -> Trace {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line);
            }
        });
        Trace { lines, reader: Some(reader) }
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    fn complaints(&self) -> Vec<String> {
        let complains = |line: &&String| {
            [" WARN ", " ERROR ", "panicked at"].iter().any(|word| line.contains(word))
        };
        self.lines.lock().unwrap().iter().filter(complains).cloned().collect()
    }
}

/// The lines of a child's output as they come.
pub(crate) fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Sends a signal to a process that the tests started.
pub(crate) fn send_signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.unwrap().success(), "kill -{name} {pid}");
}

/// Asks again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask() {
            Some(answer) => return answer,
            None if Instant::now() > end => panic!("it did not come that {what}"),
            None => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Runs a command to its end; it has to go well. Answers with what it printed.
pub(crate) fn run(mut command: Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, errors) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    let end = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > end => break None,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |lines: mpsc::Receiver<String>| lines.iter().collect::<Vec<_>>().join("\n");
    let (out, errors) = (text(out), text(errors));
    match status {
        None => panic!("{command:?} did not end: {out}\n{errors}"),
        Some(status) => assert!(status.success(), "{command:?}: {out}\n{errors}"),
    }
    out
}
