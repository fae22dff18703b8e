//! The drivers against peers that others wrote: pymodbus and Mosquitto; and against a Modbus device
//! of our own that misbehaves as real ones do.
//!
//! A test whose peer is not installed says so and passes, unless `PARX_PEERS=required`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it should be, and says what it skips"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parx_ingest::{Driver, Fault, Reading, Session, SourcePlan, Sources};
use parx_log::{
    Catalog, Change, Log, LogOptions, Quality, Sample, ScanClassDefinition, Sequence, Signal,
    SignalDefinition, SignalId, SourceDefinition, SystemClock, Timestamp, Value, ValueType,
};
use parx_protocols::AllDrivers;
use parx_protocols::modbus::{Modbus, ModbusSession};
use parx_protocols::mqtt::{Mqtt, MqttSession};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GOOD: Quality = Quality::GOOD;

/// Two blocks of registers with a hole between them, and bits.
const PYMODBUS: &str = r#"
import asyncio, sys
from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import SimData, SimDevice, DataType as T
async def main():
    holding = [SimData(0, values=list(range(50)), datatype=T.REGISTERS),
               SimData(60, values=[123.456], datatype=T.FLOAT32),
               SimData(62, values=list(range(62, 300)), datatype=T.REGISTERS)]
    inputs = [SimData(0, values=list(range(100)), datatype=T.REGISTERS)]
    coils = [SimData(0, values=[i % 3 == 0 for i in range(160)], datatype=T.BITS)]
    discretes = [SimData(0, values=[i % 2 == 0 for i in range(160)], datatype=T.BITS)]
    device = SimDevice(1, simdata=(coils, discretes, holding, inputs))
    await StartAsyncTcpServer(device, address=("127.0.0.1", int(sys.argv[1])))
asyncio.run(main())
"#;

/// A peer that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start(command: &mut Command, port: u16) -> Option<Peer> {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut peer = Peer(quiet.spawn().ok()?);
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(peer);
        }
        if peer.0.try_wait().unwrap().is_some() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the peer does not listen on port {port}");
}

fn skip(what: &str) {
    assert!(std::env::var("PARX_PEERS").as_deref() != Ok("required"), "{what} is not installed");
    println!("skipped: {what} is not installed");
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn plan(driver: &str, settings: serde_json::Value, points: &[(&str, ValueType)]) -> SourcePlan {
    let mut catalog = Catalog::default();
    let class = ScanClassDefinition { name: "c".into(), period_ms: 1000, phase_ms: 0 };
    catalog.apply(Sequence(1), &Change::ScanClassDefined(class));
    for (id, (address, value_type)) in (1..).zip(points) {
        let definition = SignalDefinition {
            tag: (*address).to_owned(),
            value_type: *value_type,
            source: Some("s".to_owned()),
            address: Some((*address).to_owned()),
            scan_class: Some("c".to_owned()),
            ..SignalDefinition::default()
        };
        let signal = Signal { id: SignalId(id), definition, retired: false };
        catalog.apply(Sequence(1), &Change::SignalDefined(signal));
    }
    let (name, driver) = ("s".to_owned(), driver.to_owned());
    SourcePlan::of(&catalog, &Arc::new(SourceDefinition { name, driver, settings, enabled: true }))
}

fn compile<D: Driver>(plan: &SourcePlan) -> D {
    let compiled = D::compile(plan);
    assert_eq!(compiled.problems, [], "the plan is right");
    compiled.driver.unwrap()
}

fn modbus(port: u16, more: &serde_json::Value, points: &[(&str, ValueType)]) -> Modbus {
    let mut settings = json!({ "host": "localhost", "port": port, "timeout_ms": 400 });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    compile(&plan("modbus", settings, points))
}

/// One scan: value and quality of every point, in the order of the points.
async fn poll(session: &mut ModbusSession) -> Result<Vec<(Option<Value>, Quality)>, Fault> {
    let mut readings = vec![];
    session.poll(0, Timestamp::from_micros(0), &mut readings).await?;
    readings.sort_by_key(|reading| reading.point);
    Ok(readings.into_iter().map(|reading| (reading.value, reading.quality)).collect())
}

#[tokio::test]
async fn pymodbus_is_read_and_one_wrong_address_does_not_blind_the_others() {
    let port = free_port().await;
    let mut command = Command::new("python3");
    let Some(peer) = start(command.args(["-c", PYMODBUS, &port.to_string()]), port).await else {
        return skip("pymodbus");
    };
    let table = [
        ("holding:7", ValueType::Int, Some(Value::Int(7)), GOOD),
        ("40008:int32", ValueType::Int, Some(Value::Int(7 << 16 | 8)), GOOD),
        ("holding:7.1", ValueType::Bool, Some(Value::Bool(true)), GOOD),
        ("holding:45", ValueType::Float, Some(Value::Int(45)), GOOD),
        ("holding:52", ValueType::Int, None, Quality::BAD_NODE_ID_UNKNOWN),
        ("holding:60:float32", ValueType::Float, Some(float(123.456)), GOOD),
        ("holding:62", ValueType::Int, Some(Value::Int(62)), GOOD),
        ("holding:5000", ValueType::Int, None, Quality::BAD_NODE_ID_UNKNOWN),
        ("input:12", ValueType::Int, Some(Value::Int(12)), GOOD),
        ("coil:9", ValueType::Bool, Some(Value::Bool(true)), GOOD),
        ("discrete:3", ValueType::Bool, Some(Value::Bool(false)), GOOD),
    ];
    let points = table.clone().map(|(address, value_type, _, _)| (address, value_type));
    let driver = modbus(port, &json!({ "gap": 20 }), &points);
    let mut session = driver.connect().await.unwrap();
    for scan in 1..=3 {
        let got = poll(&mut session).await.unwrap();
        for ((address, _, value, quality), got) in table.iter().zip(got) {
            assert_eq!(got, (value.clone(), *quality), "scan {scan}: {address}");
        }
    }
    drop(peer);
    assert!(matches!(poll(&mut session).await, Err(Fault::Link(_))), "the peer is gone");
    assert!(matches!(driver.connect().await, Err(Fault::Link(_))), "and stays away");
}

/// A log with a running Modbus source `s` and its signal `a`.
async fn running(folder: &Path, port: u16) -> (Log, Sources) {
    let log = Log::open(LogOptions::new(folder), Arc::new(SystemClock)).unwrap();
    let (name, driver) = ("s".to_owned(), "modbus".to_owned());
    let settings = json!({ "host": "localhost", "port": port });
    let definition = SignalDefinition {
        tag: "a".to_owned(),
        source: Some("s".to_owned()),
        address: Some("holding:7".to_owned()),
        scan_class: Some("c".to_owned()),
        ..SignalDefinition::default()
    };
    let class = ScanClassDefinition { name: "c".into(), period_ms: 500, phase_ms: 0 };
    for command in [
        parx_log::Command::DefineScanClass(class),
        parx_log::Command::DefineSource(SourceDefinition { name, driver, settings, enabled: true }),
        parx_log::Command::DefineSignal(definition),
    ] {
        log.submit("test".into(), command).await.unwrap();
    }
    let sources = Sources::start(log.clone(), Arc::new(AllDrivers));
    (log, sources)
}

async fn until(log: &Log, value: Option<f64>, quality: Quality) {
    for _ in 0..2000 {
        let last = log.last_values().get(SignalId(1)).map(|last| last.sample);
        let as_wanted = |s: &Sample| s.quality == quality && s.value == value.map(Value::Float);
        if last.as_ref().is_some_and(as_wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {value:?} {quality}; it is {:?}", log.last_values().get(SignalId(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_device_that_freezes_is_bad_and_good_again_when_it_thaws() {
    let port = free_port().await;
    let mut command = Command::new("python3");
    let Some(peer) = start(command.args(["-c", PYMODBUS, &port.to_string()]), port).await else {
        return skip("pymodbus");
    };
    let folder = tempfile::TempDir::new().unwrap();
    let (log, sources) = running(folder.path(), port).await;
    let signal = |name: &str| {
        let pid = peer.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        std::time::Instant::now()
    };
    until(&log, Some(7.0), GOOD).await;
    let frozen = signal("-STOP");
    until(&log, None, Quality::BAD_COMMUNICATION_ERROR).await;
    println!("bad {:?} after the device froze", frozen.elapsed());
    let thawed = signal("-CONT");
    until(&log, Some(7.0), GOOD).await;
    println!("good {:?} after it thawed", thawed.elapsed());
    sources.stop().await;
    until(&log, None, Quality::BAD_NOT_CONNECTED).await;
}

fn float(x: f32) -> Value {
    Value::Float(f64::from(x))
}

/// A device that answers reads of registers with zeros: `registers` of them, whatever was asked,
/// and never for the unit that is asleep.
async fn odd_device(registers: Option<u8>, asleep: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 12];
                while stream.read_exact(&mut request).await.is_ok() {
                    if request[6] == asleep {
                        continue;
                    }
                    let bytes = registers.unwrap_or(request[11]) * 2;
                    let mut answer = request[..9].to_vec();
                    answer[5] = bytes + 3;
                    answer[8] = bytes;
                    answer.resize(9 + usize::from(bytes), 0);
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_silent_unit_costs_the_others_nothing_and_a_silent_device_ends_the_session() {
    let port = odd_device(None, 2).await;
    let points = [("holding:0", ValueType::Int), ("2!holding:0", ValueType::Int)];
    let mut session = modbus(port, &json!({}), &points).connect().await.unwrap();
    let silent = (None, Quality::BAD_NO_COMMUNICATION);
    for scan in 1..=3 {
        let got = poll(&mut session).await.unwrap();
        assert_eq!(got, [(Some(Value::Int(0)), GOOD), silent.clone()], "scan {scan}");
    }
    let alone = modbus(port, &json!({ "unit": 2 }), &points[..1]);
    let mut session = alone.connect().await.unwrap();
    let fault = poll(&mut session).await.unwrap_err().to_string();
    assert!(fault.contains("unit 2 gave no answer within 400 ms"), "{fault}");
}

#[tokio::test]
async fn an_answer_of_the_wrong_length_is_never_taken_for_values() {
    for registers in [0, 1, 3] {
        let port = odd_device(Some(registers), 99).await;
        let driver = modbus(port, &json!({}), &[("holding:0:int32", ValueType::Int)]);
        let mut session = driver.connect().await.unwrap();
        let fault = poll(&mut session).await.unwrap_err();
        assert!(matches!(fault, Fault::Link(_)), "{registers} registers: {fault}");
    }
}

#[tokio::test]
async fn a_device_that_closes_idle_links_is_no_gap() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 12];
            if stream.read_exact(&mut request).await.is_ok() {
                let answer = [request[0], request[1], 0, 0, 0, 5, 1, 3, 2, 0, 7];
                stream.write_all(&answer).await.unwrap();
            }
        }
    });
    let driver = modbus(port, &json!({}), &[("holding:0", ValueType::Int)]);
    let mut session = driver.connect().await.unwrap();
    for scan in 1..=3 {
        let got = poll(&mut session).await.unwrap();
        assert_eq!(got, [(Some(Value::Int(7)), GOOD)], "scan {scan}");
    }
}

async fn broker(folder: &Path, port: u16, lines: &str) -> Option<Peer> {
    let file = folder.join("mosquitto.conf");
    let here = folder.display().to_string();
    let text = format!("listener {port} 127.0.0.1\n{}\n", lines.replace("HERE", &here));
    std::fs::write(&file, text).unwrap();
    for program in ["mosquitto", "/usr/sbin/mosquitto"] {
        if let Some(peer) = start(Command::new(program).arg("-c").arg(&file), port).await {
            return Some(peer);
        }
    }
    None
}

fn publish(port: u16, topic: &str, payload: &str, retain: bool) {
    let mut command = Command::new("mosquitto_pub");
    command.args([
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-q",
        "1",
        "-t",
        topic,
        "-m",
        payload,
    ]);
    if retain {
        command.arg("-r");
    }
    assert!(command.status().unwrap().success(), "mosquitto_pub works");
}

async fn next(session: &mut MqttSession) -> Reading {
    let mut readings = vec![];
    let received = tokio::time::timeout(Duration::from_secs(20), session.receive(&mut readings));
    received.await.unwrap().unwrap();
    readings.remove(0)
}

#[tokio::test]
async fn mosquitto_delivers_and_after_its_restart_delivers_again() {
    let (port, folder) = (free_port().await, tempfile::TempDir::new().unwrap());
    let anonymous = "allow_anonymous true";
    let Some(peer) = broker(folder.path(), port, anonymous).await else {
        return skip("mosquitto");
    };
    let points = [("p/state:$.temp@$.ts", ValueType::Float), ("p/on:bool", ValueType::Bool)];
    publish(port, "p/on", "on", true);
    let settings = json!({ "host": "localhost", "port": port });
    let driver: Mqtt = compile(&plan("mqtt", settings, &points));
    let mut session = driver.connect().await.unwrap();
    assert_eq!(next(&mut session).await, Reading::good(1, Value::Bool(true)), "retained");
    let second = Timestamp::from_micros(1_795_564_800_000_000);
    let large = format!(r#"{{"pad":"{}","temp":1.5,"ts":1795564800}}"#, "x".repeat(20_000));
    let table = [
        (large.as_str(), Reading::good(0, Value::Float(1.5)).at(Some(second))),
        (r#"{"temp":2}"#, Reading::good(0, Value::Int(2))),
        (r#"{"temp":"#, Reading::bad(0, Quality::BAD_DECODING_ERROR)),
        (r#"{"tmp":2}"#, Reading::bad(0, Quality::BAD_NODE_ID_UNKNOWN)),
    ];
    for (payload, expected) in &table {
        publish(port, "p/state", payload, false);
        assert_eq!(next(&mut session).await, *expected, "{payload:.40}");
    }
    drop(peer);
    let fault = session.receive(&mut vec![]).await.unwrap_err();
    assert!(matches!(fault, Fault::Link(_)), "{fault}");
    assert!(matches!(driver.connect().await, Err(Fault::Link(_))), "the broker is away");
    let _peer = broker(folder.path(), port, anonymous).await.unwrap();
    let mut session = driver.connect().await.unwrap();
    publish(port, "p/state", r#"{"temp":3}"#, true);
    assert_eq!(next(&mut session).await, Reading::good(0, Value::Int(3)), "subscribed again");
}

/// A certificate authority, and a certificate of `localhost` that it signed.
const CERTIFICATES: &str = "set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca
openssl req -newkey rsa:2048 -nodes -keyout srv.key -out srv.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > ext
openssl x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out srv.crt -days 2 \\
    -extfile ext
mosquitto_passwd -b -c passwords alice secret
chmod 644 passwords srv.key";

#[tokio::test]
async fn mosquitto_wants_a_password_over_tls() {
    let (port, folder) = (free_port().await, tempfile::TempDir::new().unwrap());
    let mut shell = Command::new("sh");
    let made = shell.args(["-c", CERTIFICATES]).current_dir(folder.path()).stderr(Stdio::null());
    if !made.stdout(Stdio::null()).status().unwrap().success() {
        return skip("mosquitto or openssl");
    }
    let lines = "user root\nallow_anonymous false\npassword_file HERE/passwords\n\
                 cafile HERE/ca.crt\ncertfile HERE/srv.crt\nkeyfile HERE/srv.key";
    let Some(_peer) = broker(folder.path(), port, lines).await else {
        return skip("mosquitto");
    };
    let ca = folder.path().join("ca.crt").display().to_string();
    let connect = async |password: &str, ca: &str| {
        let settings = json!({
            "host": "localhost", "port": port, "user": "alice", "password": password,
            "tls": true, "ca_file": ca,
        });
        let points = [("a:float64", ValueType::Float)];
        compile::<Mqtt>(&plan("mqtt", settings, &points)).connect().await
    };
    assert!(connect("secret", &ca).await.is_ok(), "the right password");
    let table = [
        ("wrong", ca.as_str(), "refuses user 'alice'"),
        ("secret", "/nowhere/ca.crt", "settings.ca_file: '/nowhere/ca.crt' cannot be used"),
        ("secret", "/dev/null", "holds no certificate"),
    ];
    for (password, ca, expected) in table {
        match connect(password, ca).await.unwrap_err() {
            Fault::Session(text) => assert!(text.contains(expected), "{text}"),
            fault => panic!("{expected} is not a {fault:?}"),
        }
    }
}
