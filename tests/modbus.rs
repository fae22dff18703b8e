//! A real Modbus device, as SQL and GraphQL show it: there, gone, silent, back, and asked wrongly.

use serde_json::Value;

use crate::harness::{Place, Server, until};
use crate::peers::{free_port, modbus_device};

/// Scan period and longest wait for an answer, in seconds.
const SCAN: f64 = 1.0;
const TIMEOUT: f64 = 0.5;

/// Tag, type and address of the device's signals.
const SIGNALS: [(&str, &str, &str); 7] = [
    ("plc/counter", "int", "holding:0"),
    ("plc/temperature", "float", "holding:2:float32"),
    ("plc/level", "int", "40005:int16"),
    ("plc/name", "text", "holding:10:string[8]"),
    ("plc/total", "int", "input:0:int64"),
    ("plc/running", "bool", "coil:0"),
    ("plc/enabled", "bool", "discrete:1"),
];

fn config(port: u16, signals: &[(&str, &str, &str)]) -> String {
    let mut text = format!(
        "[[scan_class]]\nname = \"second\"\nperiod_ms = 1000\n\n\
         [[source]]\nname = \"plc\"\ndriver = \"modbus\"\n\
         settings = {{ host = \"127.0.0.1\", port = {port}, timeout_ms = 500 }}\n"
    );
    for (tag, kind, address) in signals {
        text += &format!(
            "\n[[signal]]\ntag = \"{tag}\"\ntype = \"{kind}\"\nsource = \"plc\"\n\
             scan_class = \"second\"\naddress = \"{address}\"\n"
        );
    }
    text
}

/// The last sample of a signal as GraphQL tells it.
fn last(server: &Server, tag: &str) -> Value {
    let fields = "value valueInt valueText status quality qualityName";
    server.graphql(&format!("{{ signal(tag: \"{tag}\") {{ last {{ {fields} }} }} }}"))["signal"]
        ["last"]
        .clone()
}

fn wait_for(server: &Server, tag: &str, status: &str) -> Value {
    until(&format!("{tag} is {status}"), || {
        Some(last(server, tag)).filter(|last| last["status"] == status)
    })
}

/// What the source says about itself.
fn source(server: &Server) -> Value {
    server.graphql("{ sources { name state error readings recorded } }")["sources"][0].clone()
}

#[test]
fn i2_values_of_a_modbus_device_arrive_with_their_types() {
    let port = free_port();
    let _device = modbus_device(port);
    let place = Place::new(&config(port, &SIGNALS));
    let server = place.start();
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    let rows = server.sql(
        "SELECT DISTINCT ON (signal) signal, value_int, value_text, value \
         FROM samples WHERE status = 'good' ORDER BY signal, time DESC",
    );
    let cells = |tag: &str| rows.iter().find(|row| row[0] == tag).unwrap();
    assert_eq!(cells("plc/level")[1], "-5", "a signed register");
    assert_eq!(cells("plc/name")[2], "PUMP-A", "text in registers");
    assert_eq!(cells("plc/total")[1], "9007199254740993", "64 bits are exact");
    assert_eq!(cells("plc/enabled")[3], "1", "a discrete input");
    let counter: u32 = cells("plc/counter")[1].parse().unwrap();
    assert!(counter > 0, "a register that moves");
    let eighths = (cells("plc/temperature")[3].parse::<f64>().unwrap() - 20.0) * 8.0;
    assert!(eighths > 0.0 && eighths.fract() == 0.0, "a float32 in two registers");

    let total = last(&server, "plc/total");
    assert_eq!(total["valueInt"], "9007199254740993", "GraphQL keeps 64 bits exact");
    assert_eq!(total["quality"], "0");
    assert_eq!(last(&server, "plc/name")["valueText"], "PUMP-A");
    assert_eq!(last(&server, "plc/enabled")["value"], 1.0);
    assert_eq!(source(&server)["state"], "CONNECTED");
    let more = counter + 2;
    until("the counter moves on", || {
        let sql = "SELECT max(value_int) FROM samples WHERE signal = 'plc/counter'";
        (server.sql_value(sql).parse::<u32>().unwrap() >= more).then_some(())
    });
    server.stop();
}

/// Seconds from the last good sample of the counter to the first bad one, and its quality.
fn gap(server: &Server) -> (f64, u32) {
    let rows = server.sql(
        "SELECT extract(epoch FROM time), status, quality, value FROM samples \
         WHERE signal = 'plc/counter' ORDER BY time",
    );
    let bad = rows.iter().position(|row| row[1] == "bad").expect("a bad sample");
    assert_eq!(rows[bad - 1][1], "good");
    assert_eq!(rows[bad][3], "", "I2: a bad sample has no value");
    let at = |row: usize| rows[row][0].parse::<f64>().unwrap();
    (at(bad) - at(bad - 1), rows[bad][2].parse().unwrap())
}

fn assert_lost_in_time(server: &Server) {
    for (tag, _, _) in SIGNALS {
        wait_for(server, tag, "BAD");
    }
    let (gap, quality) = gap(server);
    assert!(gap <= 2.0 * SCAN + TIMEOUT, "I2: bad {gap} s after the last good sample");
    let (lost, silent) = (0x8005_0000, 0x8031_0000);
    assert!([lost, silent].contains(&quality), "BadCommunicationError or BadNoCommunication");
    let error = source(server)["error"].as_str().expect("the source says what is wrong").to_owned();
    assert!(error.len() > 10, "'{error}' helps nobody");
}

#[test]
fn i2_a_modbus_device_that_stops_is_bad_within_two_scans_and_comes_back_by_itself() {
    let port = free_port();
    let device = modbus_device(port);
    let place = Place::new(&config(port, &SIGNALS)).expect_trace("plc");
    let server = place.start();
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    device.kill();
    assert_lost_in_time(&server);
    let _device = modbus_device(port);
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    let source = source(&server);
    assert_eq!((&source["state"], &source["error"]), (&"CONNECTED".into(), &Value::Null));
    server.stop();
}

#[test]
fn i2_a_modbus_device_that_falls_silent_is_bad_within_two_scans_and_comes_back_by_itself() {
    let port = free_port();
    let device = modbus_device(port);
    let place = Place::new(&config(port, &SIGNALS)).expect_trace("plc");
    let server = place.start();
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    device.freeze();
    assert_lost_in_time(&server);
    device.thaw();
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    server.stop();
}

#[test]
fn i2_a_wrong_modbus_address_is_bad_alone() {
    let port = free_port();
    let _device = modbus_device(port);
    let mut signals = SIGNALS.to_vec();
    signals.push(("plc/nowhere", "int", "holding:60000"));
    signals.push(("plc/hole", "int", "holding:7"));
    let place = Place::new(&config(port, &signals)).expect_trace("plc");
    let server = place.start();
    for tag in ["plc/nowhere", "plc/hole"] {
        let sample = wait_for(&server, tag, "BAD");
        assert_eq!(sample["qualityName"], "BadNodeIdUnknown", "{tag}");
        assert_eq!(sample["value"], Value::Null, "{tag}");
    }
    for (tag, _, _) in SIGNALS {
        wait_for(&server, tag, "GOOD");
    }
    let bad = "SELECT DISTINCT signal FROM samples WHERE status <> 'good' ORDER BY signal";
    assert_eq!(server.sql(bad), [["plc/hole"], ["plc/nowhere"]], "I2: the others stay good");
    server.stop();
}

#[test]
fn a_source_names_the_address_that_its_device_refuses() {
    let port = free_port();
    let _device = modbus_device(port);
    let signals = [SIGNALS[0], ("plc/nowhere", "int", "holding:60000")];
    let place = Place::new(&config(port, &signals)).expect_trace("plc");
    let server = place.start();
    wait_for(&server, "plc/nowhere", "BAD");
    let told = until("the source names the wrong address", || {
        source(&server)["error"].as_str().map(str::to_owned)
    });
    assert!(told.contains("60000") || told.contains("plc/nowhere"), "{told}");
    server.stop();
}
