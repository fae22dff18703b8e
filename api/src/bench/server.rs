//! The server that is measured: this same binary in a process of its own.
//!
//! Started on free ports, listened to until it is ready, stopped or killed. What it says stays in
//! the measurement's folder and is told if it does not start.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::bench::folder::Folder;
use crate::bench::process::{Usage, usage};

/// Longest wait for a server to be ready or to end.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// How often it is looked whether it has ended.
const POLL: Duration = Duration::from_millis(5);
/// Lines of what it said that are told if it does not start.
const LINES: usize = 5;

/// A server that runs.
pub struct Server {
    child: Child,
    /// Where it takes HTTP.
    pub http: SocketAddr,
    /// Where it takes SQL clients.
    pub postgres: SocketAddr,
    /// Where it takes Flight clients.
    pub flight: SocketAddr,
    /// From the start of the process until every door was open.
    pub took: Duration,
}

impl Server {
    /// Starts `parx serve` with a configuration.
    pub async fn serve(folder: &Folder, config: &str) -> Result<Server, String> {
        let config = folder.configure(config)?;
        let mut command = parx(folder, "serve")?;
        command.arg("--config").arg(config);
        spawn(command, folder.root().join("trace.txt")).await
    }

    /// Starts `parx demo` with so much of a past.
    pub async fn demo(folder: &Folder, history: Duration) -> Result<Server, String> {
        let mut command = parx(folder, "demo")?;
        command.arg("--history").arg(format!("{}s", history.as_secs()));
        spawn(command, folder.root().join("trace.txt")).await
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        usage(self.pid()).unwrap_or_default()
    }

    /// Ends it as an operator does; it writes what it has and exits.
    pub async fn stop(self) -> Result<(), String> {
        let sent = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status();
        let sent = sent.map_err(|error| format!("kill cannot be run: {error}"))?;
        if !sent.success() {
            return Err("the server could not be told to stop".to_owned());
        }
        let status = wait(self).await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }

    /// Ends it as a power cut does.
    pub async fn kill(mut self) -> Result<(), String> {
        self.child.kill().map_err(|error| format!("the server could not be killed: {error}"))?;
        wait(self).await.map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn parx(folder: &Folder, action: &str) -> Result<Command, String> {
    let binary = std::env::current_exe();
    let binary = binary.map_err(|error| format!("where this program is: {error}"))?;
    let mut command = Command::new(binary);
    command.arg(action).arg("--data").arg(folder.data());
    for door in ["--http", "--postgres", "--flight"] {
        command.args([door, "127.0.0.1:0"]);
    }
    command.env("PARX_ADMIN_PASSWORD_FILE", folder.password_file()?).env("NO_COLOR", "1");
    Ok(command)
}

async fn spawn(mut command: Command, trace: PathBuf) -> Result<Server, String> {
    let file = std::fs::File::create(&trace);
    let file = file.map_err(|error| format!("cannot write {}: {error}", trace.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(file));
    let begun = Instant::now();
    let child = command.spawn().map_err(|error| format!("parx cannot be started: {error}"))?;
    let listening = tokio::task::spawn_blocking(move || listen(child, begun, &trace));
    let listened = tokio::time::timeout(WAIT_MAX, listening).await;
    let listened = listened.map_err(|_| "the server was not ready in time".to_owned())?;
    listened.map_err(|error| error.to_string())?
}

/// Waits for the line that names the doors.
fn listen(mut child: Child, begun: Instant, trace: &Path) -> Result<Server, String> {
    let output = child.stdout.take().ok_or("the server has no output")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let doors = lines.by_ref().find_map(|line| {
        let doors = line.strip_prefix("ready ")?;
        let door = |name: &str| {
            let word = doors.split(' ').find_map(|word| word.strip_prefix(name));
            word.and_then(|word| word.parse::<SocketAddr>().ok())
        };
        Some((door("http=")?, door("postgres=")?, door("flight=")?))
    });
    let took = begun.elapsed();
    let Some((http, postgres, flight)) = doors else {
        let _ = child.kill();
        let _ = child.wait();
        let said = std::fs::read_to_string(trace).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(LINES).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(format!("the server did not start; it said:\n{}", last.join("\n")));
    };
    // Nobody reads on, but a full pipe must not stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(Server { child, http, postgres, flight, took })
}

async fn wait(mut server: Server) -> Result<ExitStatus, String> {
    let end = Instant::now() + WAIT_MAX;
    loop {
        match server.child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => tokio::time::sleep(POLL).await,
            Ok(None) => return Err("the server did not end in time".to_owned()),
            Err(error) => return Err(format!("the server cannot be waited for: {error}")),
        }
    }
}

/// The password of a folder's first account.
pub fn password(folder: &Folder) -> Result<String, String> {
    let file = folder.password_file()?;
    let mut text = String::new();
    let read = std::fs::File::open(&file).and_then(|mut open| open.read_to_string(&mut text));
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
