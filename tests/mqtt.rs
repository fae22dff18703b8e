//! A real MQTT broker with a publisher of its own: values, malformed payloads, a restart.

use serde_json::Value;

use crate::harness::{Place, Server, until};
use crate::peers::{broker, free_port, publish};

fn config(port: u16) -> String {
    let mut text = format!(
        "[[source]]\nname = \"hall\"\ndriver = \"mqtt\"\n\
         settings = {{ host = \"127.0.0.1\", port = {port} }}\n"
    );
    for (tag, kind, address) in [
        ("hall/temperature", "float", "plant/hall:$.temp@$.ts"),
        ("hall/people", "int", "plant/hall:$.people[1]"),
        ("hall/state", "text", "plant/state:text"),
    ] {
        text += &format!(
            "\n[[signal]]\ntag = \"{tag}\"\ntype = \"{kind}\"\nsource = \"hall\"\n\
             address = \"{address}\"\n"
        );
    }
    text
}

fn last(server: &Server, tag: &str) -> Value {
    let fields = "time value valueInt valueText status qualityName";
    server.graphql(&format!("{{ signal(tag: \"{tag}\") {{ last {{ {fields} }} }} }}"))["signal"]
        ["last"]
        .clone()
}

fn wait_for(server: &Server, tag: &str, field: &str, wanted: impl Into<Value>) -> Value {
    let wanted = wanted.into();
    until(&format!("{field} of {tag} is {wanted}"), || {
        Some(last(server, tag)).filter(|last| last[field] == wanted)
    })
}

#[test]
fn i2_mqtt_payloads_become_values_and_malformed_json_is_bad() {
    let port = free_port();
    let place = Place::new(&config(port));
    let _broker = broker(place.path(), port);
    let server = place.start();
    let payload = r#"{"temp":21.5,"people":[0,9007199254740993],"ts":"2026-01-02T03:04:05.25Z"}"#;
    publish(port, "plant/hall", payload);
    publish(port, "plant/state", "night shift; \u{fc}ber");
    wait_for(&server, "hall/temperature", "value", 21.5);
    wait_for(&server, "hall/people", "valueInt", "9007199254740993");
    wait_for(&server, "hall/state", "valueText", "night shift; \u{fc}ber");
    let sql = "SELECT time, value FROM samples WHERE signal = 'hall/temperature'";
    assert_eq!(server.sql(sql), [["2026-01-02 03:04:05.25+00", "21.5"]], "the payload's own time");

    publish(port, "plant/hall", r#"{"temp":21.5,"people":[0,"#);
    for tag in ["hall/temperature", "hall/people"] {
        let sample = wait_for(&server, tag, "status", "BAD");
        assert_eq!(sample["qualityName"], "BadDecodingError", "{tag}");
        assert_eq!(sample["value"], Value::Null, "I2: {tag}");
    }
    assert_eq!(last(&server, "hall/state")["status"], "GOOD", "another topic's signal");

    publish(port, "plant/hall", r#"{"temp":22.25,"people":[0]}"#);
    wait_for(&server, "hall/temperature", "value", 22.25);
    let sample = wait_for(&server, "hall/people", "qualityName", "BadNodeIdUnknown");
    assert_eq!(sample["status"], "BAD", "a path that leads nowhere");
    server.stop();
}

#[test]
fn i2_values_come_again_by_themselves_after_the_broker_restarts() {
    let port = free_port();
    let place = Place::new(&config(port)).expect_trace("hall");
    let running = broker(place.path(), port);
    let server = place.start();
    publish(port, "plant/hall", r#"{"temp":1,"people":[0,1]}"#);
    wait_for(&server, "hall/temperature", "value", 1.0);
    running.kill();
    let sample = wait_for(&server, "hall/temperature", "status", "BAD");
    assert_eq!(sample["qualityName"], "BadCommunicationError");
    wait_for(&server, "hall/people", "status", "BAD");
    let _broker = broker(place.path(), port);
    publish(port, "plant/hall", r#"{"temp":2,"people":[0,2]}"#);
    let sample = wait_for(&server, "hall/temperature", "value", 2.0);
    assert_eq!(sample["status"], "GOOD");
    wait_for(&server, "hall/people", "valueInt", "2");
    server.stop();
}
