//! Devices, brokers and clients of other makers, as processes of their own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::harness::{lines, run, send_signal, until};

/// A process that is ended with the test.
pub(crate) struct Peer {
    child: Child,
}

impl Peer {
    /// Starts it, ready once it has said `listening`.
    fn start(mut command: Command) -> Peer {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Peer { child }
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Makes it silent: its connections stay open.
    pub(crate) fn freeze(&self) {
        send_signal(self.child.id(), "STOP");
    }

    /// Lets it speak again.
    pub(crate) fn thaw(&self) {
        send_signal(self.child.id(), "CONT");
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A file below `tests`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

/// The Python that has the clients of `requirements.txt`.
pub(crate) fn python(script: &str) -> Command {
    let program =
        std::env::var_os("PARX_PYTHON").map_or_else(|| file(".venv/bin/python"), PathBuf::from);
    assert!(program.exists(), "{} is not there: make setup", program.display());
    let mut command = Command::new(program);
    command.arg("-B").arg(file(script));
    command
}

/// Node with the clients of `node/package.json`.
pub(crate) fn node(script: &str) -> Command {
    assert!(file("node/node_modules").exists(), "node's clients are missing: make setup");
    let mut command = Command::new("node");
    command.arg(file(script));
    command
}

/// A port where nothing listens. It lies below those that outgoing connections get, for a port
/// that has to stay free for a while must not become some connection's own.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() as u16 % 97;
    for _ in 0..1000 {
        let port = 20_000 + (begin * 120 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// A Modbus device of pymodbus; see `peers/modbus_device.py` for what it holds.
pub(crate) fn modbus_device(port: u16) -> Peer {
    let mut command = python("peers/modbus_device.py");
    command.arg(port.to_string());
    let mut peer = Peer::start(command);
    let lines = lines(peer.child.stdout.take().unwrap());
    let line = lines.recv_timeout(crate::harness::DEADLINE).expect("the device starts");
    assert_eq!(line, "listening");
    peer
}

/// A Mosquitto broker that keeps its configuration in `folder`.
pub(crate) fn broker(folder: &Path, port: u16) -> Peer {
    let config = folder.join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let usual = Path::new("/usr/sbin/mosquitto");
    let mut command = Command::new(if usual.exists() { usual } else { Path::new("mosquitto") });
    command.arg("-c").arg(config).stderr(Stdio::null());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let peer = Peer { child: command.spawn().expect("mosquitto is installed: make setup") };
    until("the broker listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    peer
}

/// Publishes one message that the broker keeps for those who come later.
pub(crate) fn publish(port: u16, topic: &str, payload: &str) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-r"]);
    command.args(["-t", topic, "-m", payload]);
    run(command);
}
