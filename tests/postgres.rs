//! Clients of PostgreSQL: psql, psycopg 3 and asyncpg.

use std::fmt::Write as _;

use crate::harness::{Place, Server, run};
use crate::peers::python;

/// 2026-01-01 in seconds since 1970.
const START: u64 = 1_767_225_600;

/// Runs one act of `clients/postgres.py`.
fn client(server: &Server, act: &str) {
    let mut command = server.client(python("clients/postgres.py"));
    command.arg(act);
    assert_eq!(run(command), "ok", "{act}");
}

/// A thousand samples of one signal, one a second.
fn thousand(server: &Server) {
    let mut lines = String::new();
    for n in 0..1000 {
        writeln!(lines, "t many={n} {}", START + n).unwrap();
    }
    server.write_at("/api/v1/write?precision=s", &lines);
}

#[test]
fn psql_reads_tables_describes_them_and_joins_them() {
    let place = Place::new("");
    let server = place.start();
    thousand(&server);
    let sum = "SELECT count(*), sum(value), min(time), max(time) FROM samples \
               WHERE time < '2026-01-01 00:00:10+00'";
    let expected = ["10", "45", "2026-01-01 00:00:00+00", "2026-01-01 00:00:09+00"];
    assert_eq!(server.sql(sum), [expected]);
    let joined = "SELECT s.tag, count(*) FROM signals s JOIN samples ON s.id = signal_id \
                  WHERE s.tag LIKE 't/%' GROUP BY 1";
    assert_eq!(server.sql(joined), [["t/many", "1000"]]);
    let output = server.psql(&["-c", "\\d samples"]);
    let text = String::from_utf8_lossy(&output.stdout).replace('\u{1f}', " ");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for column in [
        "signal text",
        "time timestamp with time zone",
        "value double precision",
        "value_int bigint",
        "value_text text",
        "quality bigint",
        "status text",
        "signal_id integer",
        "sequence bigint",
        "recorded_at timestamp with time zone",
    ] {
        assert!(text.contains(column), "\\d samples shows no '{column}': {text}");
    }
    let mut lists = String::new();
    for command in ["\\dt", "\\dv", "\\di", "\\l", "\\dn", "\\d signals"] {
        let output = server.psql(&["-c", command]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        lists += &String::from_utf8_lossy(&output.stdout);
    }
    for table in ["samples", "samples_history", "signals", "sources", "events"] {
        assert!(lists.contains(table), "{table} is not in psql's lists: {lists}");
        server.sql(&format!("SELECT * FROM {table} LIMIT 3"));
    }
    server.stop();
}

#[test]
fn a_wrong_statement_is_told_with_its_sqlstate_and_its_place() {
    let place = Place::new("");
    let server = place.start();
    let told = server.sql_error("SELECT signal FORM samples WHERE");
    assert!(told.contains("ERROR:  42601:"), "{told}");
    assert!(told.contains("LINE 1: SELECT signal FORM samples") && told.contains('^'), "{told}");
    let told = server.sql_error("SELECT 1 FROM no_such_table");
    assert!(told.contains("ERROR:  42P01:") && told.contains("no_such_table"), "{told}");
    let told = server.sql_error("DELETE FROM samples");
    assert!(told.contains("ERROR:  "), "{told}");
    assert!(!told.contains("XX000"), "an internal error is a defect: {told}");
    let output = server.psql_as("not this", &["-c", "SELECT 1"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("password authentication failed"), "{told}");
    client(&server, "password");
    thousand(&server);
    client(&server, "errors");
    server.stop();
}

#[test]
fn parameters_and_columns_keep_their_types_in_text_and_binary() {
    let place = Place::new("");
    let server = place.start();
    server.write_at(
        "/api/v1/write?precision=s",
        &format!("t i=7i,big=9007199254740993i,s=\"gr\u{fc}n 'quoted' \\\\\" {START}"),
    );
    client(&server, "types");
    server.stop();
}

#[test]
fn a_statement_ends_by_its_timeout_or_by_a_cancel_and_the_server_answers_others() {
    let place = Place::new("");
    let server = place.start();
    thousand(&server);
    client(&server, "timeout");
    client(&server, "cancel");
    assert_eq!(server.sql_value("SELECT count(*) FROM samples"), "1000");
    server.stop();
}

#[test]
fn a2_two_million_rows_are_streamed_without_the_server_growing() {
    let place = Place::new("");
    let server = place.start();
    thousand(&server);
    client(&server, "stream");
    client(&server, "portal");
    server.stop();
}
