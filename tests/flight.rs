//! Arrow Flight SQL with ADBC, and that every door gives the same answer.

use std::fmt::Write as _;

use crate::harness::{Place, Server, run};
use crate::peers::python;

/// Runs one act of `clients/flight.py`.
fn client(server: &Server, act: &str) {
    let mut command = server.client(python("clients/flight.py"));
    command.arg(act);
    assert_eq!(run(command), "ok", "{act}");
}

/// Samples of every type and quality, some of them corrected.
fn fill(server: &Server) {
    let mut lines = String::new();
    for n in 0..1000_i64 {
        let (time, value) = (1_767_225_600_000 + n * 250, (n as f64 / 50.0).sin());
        writeln!(lines, "q,a=wave f={value:?} {time}").unwrap();
        if n % 10 == 0 {
            writeln!(lines, "q,a=more i={n}i,on={},s=\"word {n}\" {time}", n % 20 == 0).unwrap();
        }
    }
    server.write_at("/api/v1/write?precision=ms", &lines);
    server.write("q,a=wave f=77.5 1767225600000000000");
    let samples: String = [(1, 0x8000_0000_u32), (2, 0x4000_0000), (3, 0x8031_0000)]
        .iter()
        .map(|(day, quality)| {
            let time = format!("2026-02-{day:02}T00:00:00Z");
            format!("{{ tag: \"q/wave/f\", time: \"{time}\", value: 1, quality: \"{quality}\" }} ")
        })
        .collect();
    server.graphql(&format!("mutation {{ write(samples: [{samples}]) }}"));
}

#[test]
fn q3_the_same_question_has_the_same_answer_through_every_door() {
    let place = Place::new("[compaction]\nseal_after_s = 1\n");
    let server = place.start();
    fill(&server);
    client(&server, "answers");
    server.wait_compacted();
    client(&server, "answers");
    server.stop();
}

#[test]
fn flight_lets_nobody_in_without_the_password_and_tells_what_is_there() {
    let place = Place::new("");
    let server = place.start();
    fill(&server);
    client(&server, "password");
    client(&server, "tables");
    server.stop();
}
