//! Writes of line protocol: what is taken, what is refused, and what of it is stored.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::harness::{PASSWORD, Place, USER};
use crate::wire::{Request, connect};

/// How many samples the signals below `x` have, and how many such signals there are.
const COUNT: &str = "SELECT (SELECT count(*) FROM samples_history \
                      WHERE signal LIKE 'x/%') AS samples, \
                     (SELECT count(*) FROM signals WHERE tag LIKE 'x/%') AS signals";

#[test]
fn values_of_every_type_are_read_back_as_they_were_written() {
    let place = Place::new("");
    let server = place.start();
    server.write(
        "# a comment\n\
         pump,b=2,a=one\\ way f=21.25,i=-9223372036854775808i,on=t,\
         s=\"say \\\"hi\\\"\" 1000000000\n\
         pump,a=z,b=2 f=-1.5e-7 1700000000000000000\n",
    );
    let rows = server.sql(
        "SELECT signal, time, value, value_int, value_text, quality, status FROM samples \
         WHERE signal LIKE 'pump/%' ORDER BY signal",
    );
    let second = "1970-01-01 00:00:01+00";
    let expected = [
        ["pump/one way/2/f", second, "21.25", "", "", "0", "good"],
        [
            "pump/one way/2/i",
            second,
            "-9.223372036854776e+18",
            "-9223372036854775808",
            "",
            "0",
            "good",
        ],
        ["pump/one way/2/on", second, "1", "", "", "0", "good"],
        ["pump/one way/2/s", second, "", "", "say \"hi\"", "0", "good"],
        ["pump/z/2/f", "2023-11-14 22:13:20+00", "-1.5e-07", "", "", "0", "good"],
    ];
    assert_eq!(rows, expected);
    server.stop();
}

#[test]
fn precision_gzip_and_the_token_of_influxdb_clients_are_understood() {
    let place = Place::new("");
    let server = place.start();
    for (precision, stamp) in [("ns", "1700000000123456000"), ("us", "1700000000123456")] {
        let path = format!("/api/v1/write?precision={precision}");
        let lines = format!("p,unit={precision} v=1 {stamp}");
        assert_eq!(server.send(&Request::write(&lines).at(&path)).status, 204);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"p,unit=ms v=1 1700000000123\n").unwrap();
    let token = format!("Token {USER}:{PASSWORD}");
    let request =
        Request::post("/api/v2/write?org=plant&bucket=parx&precision=ms", packed.finish().unwrap());
    let request = request.header("Content-Encoding", "gzip").header("Authorization", &token);
    let response = server.send(&request);
    assert_eq!(response.status, 204, "{}", response.text());
    let request = Request::write("p,unit=s v=1 1700000000").at("/api/v2/write?precision=s");
    assert_eq!(server.send(&request).status, 204);
    let rows = server.sql("SELECT signal, time FROM samples ORDER BY signal");
    let expected = [
        ["p/ms/v", "2023-11-14 22:13:20.123+00"],
        ["p/ns/v", "2023-11-14 22:13:20.123456+00"],
        ["p/s/v", "2023-11-14 22:13:20+00"],
        ["p/us/v", "2023-11-14 22:13:20.123456+00"],
    ];
    assert_eq!(rows, expected);
    let wrong = server.send(&Request::write("p v=1 1").at("/api/v1/write?precision=hours"));
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let health = server.send(&Request::get("/health"));
    assert_eq!(health.status, 200, "what clients of InfluxDB ask first");
    server.stop();
}

#[test]
fn a_wrong_line_is_refused_with_its_number_and_nothing_of_the_request_is_stored() {
    let place = Place::new("");
    let server = place.start();
    server.write("y v=1i 1");
    for (lines, line, reason) in [
        ("x v=1 1\nx v=2 2\nx v= 3\n", 3, "no value"),
        ("x,a=1 v=1 1\nx,a 2\n", 2, "no value"),
        ("x v=1 soon\n", 1, "timestamp"),
        ("x v=1 1\n\n\"\n", 3, ""),
        ("x v=1 1\ny v=\"text\" 2\n", 2, "type"),
    ] {
        let response = server.send(&Request::write(lines));
        assert_eq!(response.status, 400, "{lines:?}: {}", response.text());
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(body["line"], line, "{lines:?}: {body}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(&format!("line {line}")), "{lines:?}: {message}");
        assert!(message.contains(reason), "{lines:?}: {message}");
        assert_eq!(server.sql(COUNT), [["0", "0"]], "{lines:?}: nothing of it is stored");
    }
    server.stop();
}

#[test]
fn a_request_that_is_cut_in_half_stores_nothing_and_the_server_goes_on() {
    let place = Place::new("");
    let server = place.start();
    let lines = "x v=1 1\n".repeat(1000);
    for (sent, said) in [(lines.len() / 2, lines.len()), (lines.len(), lines.len() + 1), (0, 10)] {
        let mut stream = connect(&server.http);
        let head = Request::write("").head(&server.http, said);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&lines.as_bytes()[..sent]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        // A connection that is just closed is an answer too.
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{sent} of {said}: {answer}");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(lines.as_bytes()).unwrap();
    let mut packed = packed.finish().unwrap();
    packed.truncate(packed.len() - 9);
    let request = Request::post("/api/v1/write", packed).with_login();
    let response = server.send(&request.header("Content-Encoding", "gzip"));
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(server.sql(COUNT), [["0", "0"]], "nothing of a part is stored");
    assert_eq!(server.send(&Request::get("/readyz")).status, 200);
    server.write("x v=1 1");
    assert_eq!(server.sql(COUNT), [["1", "1"]]);
    server.stop();
}

#[test]
fn a_write_without_the_right_password_is_refused() {
    let place = Place::new("");
    let server = place.start();
    let write = || Request::post("/api/v1/write", b"x v=1 1".to_vec());
    for request in [
        write(),
        write().with_password("not this"),
        write().with_password(""),
        write().header("Authorization", "Token admin"),
        write().header("Authorization", "Bearer 0000"),
        write().header("Authorization", "Basic ???"),
    ] {
        let response = server.send(&request);
        assert_eq!(response.status, 401, "{}", response.text());
        assert!(response.header("www-authenticate").is_some(), "it says how to log in");
    }
    assert_eq!(server.sql(COUNT), [["0", "0"]]);
    server.stop();
}

#[test]
fn i3_a_numbered_batch_is_stored_once_however_often_it_is_sent() {
    let place = Place::new("");
    let server = place.start();
    let send = |server: &crate::harness::Server, value: u32, epoch: u64, sequence: u64| {
        let lines = format!("x v={value}i {}", u64::from(value) * 1000);
        let request = Request::write(&lines).batch("edge-1", epoch, sequence);
        assert_eq!(server.send(&request).status, 204, "I3: {epoch}/{sequence}");
    };
    for sequence in [1, 1, 2, 2, 1] {
        send(&server, sequence as u32, 7, sequence);
    }
    assert_eq!(server.sql(COUNT), [["2", "1"]], "I3: once each");
    server.stop();
    let server = place.start();
    send(&server, 2, 7, 2);
    assert_eq!(server.sql(COUNT), [["2", "1"]], "I3: after a restart too");
    send(&server, 3, 8, 1);
    assert_eq!(server.sql(COUNT), [["3", "1"]], "I3: a new epoch counts anew");
    let missing = Request::write("x v=9i 9").header("ParX-Producer", "edge-1");
    assert_eq!(server.send(&missing).status, 400, "a batch without its number");
    server.stop();
}

#[test]
fn l2_an_acknowledged_write_survives_sigkill() {
    let place = Place::new("");
    for round in 1..=3 {
        let server = place.start();
        server.write(&format!("x v={round}i {round}000"));
        server.kill();
    }
    let server = place.start();
    let rows = server.sql("SELECT value_int FROM samples WHERE signal = 'x/v' ORDER BY time");
    assert_eq!(rows, [["1"], ["2"], ["3"]], "L2");
    server.stop();
}
