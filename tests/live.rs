//! Live values over GraphQL subscriptions, with the client of the protocol's own makers.

use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::Value;

use crate::harness::{DEADLINE, Place, Server, lines};
use crate::peers::node;

/// A subscriber that is ended with the test.
struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    fn start(server: &Server, password: Option<&str>, tags: &[&str]) -> Subscriber {
        let mut command = server.client(node("node/live.mjs"));
        command.args(tags).stdout(Stdio::piped()).stdin(Stdio::null());
        match password {
            Some(password) => command.env("PARX_PASSWORD", password),
            None => command.env_remove("PARX_PASSWORD"),
        };
        let mut child = command.spawn().expect("node is installed");
        let lines = lines(child.stdout.take().unwrap());
        Subscriber { child, lines }
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(DEADLINE).expect("a message");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The values of a batch, as whole numbers.
fn numbers(batch: &Value) -> Vec<i64> {
    let values = batch["values"].as_array().unwrap_or_else(|| panic!("{batch}"));
    values.iter().map(|value| value.as_f64().unwrap() as i64).collect()
}

#[test]
fn i2_a_double_in_json_comes_out_as_it_went_in() {
    let place = Place::new("");
    let server = place.start();
    // Of these some lose their last bit to a reader that hurries.
    let mut doubles = vec!["1991347676466223.0".to_owned(), "0.1".into(), "5e-324".into()];
    doubles.extend((1..200).map(|n| format!("{:?}", f64::from(n).sqrt() * 1e13)));
    let samples = doubles.iter().enumerate().map(|(second, double)| {
        let (minute, second) = (second / 60, second % 60);
        let time = format!("2026-01-01T00:{minute:02}:{second:02}Z");
        format!("{{ tag: \"j\", time: \"{time}\", value: {double} }}")
    });
    let samples = samples.collect::<Vec<String>>().join(", ");
    server.graphql(&format!("mutation {{ write(samples: [{samples}]) }}"));
    let stored = server.sql("SELECT value FROM samples WHERE signal = 'j' ORDER BY time");
    let read = |text: &String| text.parse::<f64>().unwrap().to_bits();
    let stored: Vec<u64> = stored.iter().flatten().map(read).collect();
    assert_eq!(stored, doubles.iter().map(read).collect::<Vec<u64>>(), "I2");
    server.stop();
}

#[test]
fn a_subscription_begins_with_a_snapshot_and_goes_on_without_a_gap() {
    const LAST: i64 = 400;
    let place = Place::new("[compaction]\nseal_after_s = 1\nseal_rows = 50\n");
    let server = place.start();
    server.write("live n=0i 0\nother n=5i 0");
    let subscriber = Subscriber::start(&server, Some(crate::harness::PASSWORD), &["live/n"]);
    std::thread::scope(|scope| {
        // Writing goes on while the subscription begins, and while the log is compacted.
        scope.spawn(|| {
            for n in 1..=LAST {
                server.write(&format!("live n={n}i {n}000\nother n={n}i {n}000"));
            }
        });
        let first = subscriber.next();
        assert_eq!(first["snapshot"], true, "{first}");
        assert_eq!(first["tags"], serde_json::json!(["live/n"]));
        let mut seen = *numbers(&first).first().unwrap();
        let mut sequence = 0;
        while seen < LAST {
            let batch = subscriber.next();
            assert_eq!((&batch["snapshot"], &batch["skipped"]), (&false.into(), &0.into()));
            let reached = batch["sequence"].as_str().unwrap().parse::<i64>().unwrap();
            assert!(reached > sequence, "L1: sequences grow");
            sequence = reached;
            for n in numbers(&batch) {
                assert_eq!(n, seen + 1, "Q3: no gap and no repetition");
                seen = n;
            }
            let tags = batch["tags"].as_array().unwrap();
            assert!(tags.iter().all(|tag| tag == "live/n"), "{batch}");
        }
    });
    let sql = "SELECT count(*), max(value_int) FROM samples WHERE signal = 'live/n'";
    assert_eq!(server.sql(sql), [["401", "400"]], "Q3: what was seen live is what is stored");
    server.stop();
}

#[test]
fn a_subscription_without_the_right_password_is_closed_with_4403() {
    let place = Place::new("");
    let server = place.start();
    server.write("live n=0i 0");
    let subscriber = Subscriber::start(&server, Some("not this"), &["live/n"]);
    let closed = subscriber.next();
    assert_eq!(closed["closed"], 4403, "{closed}");
    let subscriber = Subscriber::start(&server, None, &["live/n"]);
    let closed = subscriber.next();
    let code = closed["closed"].as_u64().unwrap_or_default();
    assert!([4401, 4403].contains(&code), "{closed}");
    server.stop();
}

#[test]
fn a_subscription_leaves_out_what_is_not_there_and_goes_on_with_the_rest() {
    let place = Place::new("");
    let server = place.start();
    server.write("live n=7i 0");
    let tags = ["live/none", "live/n"];
    let subscriber = Subscriber::start(&server, Some(crate::harness::PASSWORD), &tags);
    let first = subscriber.next();
    assert_eq!(first["tags"], serde_json::json!(["live/n"]));
    assert_eq!(numbers(&first), [7]);
    server.stop();
}
