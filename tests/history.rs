//! Deletions, and the past of samples and names, through the doors that users have.

use crate::harness::{Place, Server};

/// 2026-01-01 in seconds since 1970.
const START: u64 = 1_767_225_600;

/// What psql says to statements in one session, a line a row.
fn session(server: &Server, statements: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = statements.iter().flat_map(|one| ["-c", *one]).collect();
    let output = server.psql(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statements:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The values of the trend of the first minute.
fn trend(server: &Server, tag: &str, as_of: &str) -> serde_json::Value {
    let query = format!(
        "{{ trend(tags: [\"{tag}\"], from: \"2026-01-01T00:00:00Z\", to: \"2026-01-01T00:01:00Z\", \
         width: 100{as_of}) {{ pens {{ values }} }} }}"
    );
    server.graphql(&query)["trend"]["pens"][0]["values"].take()
}

#[test]
fn a1_what_was_deleted_and_renamed_is_seen_as_of_before_in_sql_and_graphql() {
    let place = Place::new("");
    let server = place.start();
    for n in 0..3 {
        server.write_at("/api/v1/write?precision=s", &format!("t v={n} {}", START + n));
    }
    let before = server.sql_value("SELECT max(sequence) FROM samples WHERE signal = 't/v'");
    let recorded = server.sql_value("SELECT max(recorded_at) FROM samples WHERE signal = 't/v'");
    let deleted = server.graphql(
        "mutation { deleteSamples(tag: \"t/v\", from: \"2026-01-01T00:00:01Z\", \
         to: \"2026-01-01T00:00:02Z\", reason: \"wet\") }",
    );
    let deletion = deleted["deleteSamples"].as_str().unwrap().to_owned();
    server.graphql(
        "mutation { changeSignal(tag: \"t/v\", input: { tag: \"t/new\", valueType: FLOAT }) \
         { tag } }",
    );

    let values = |of: &str| server.sql(&format!("SELECT value FROM samples {of} ORDER BY time"));
    let now = "WHERE signal = 't/new'";
    assert_eq!(values(now), [["0"]], "deleted");
    assert_eq!(trend(&server, "t/new", ""), serde_json::json!([0.0]), "Q3");
    let past = format!("FOR SYSTEM_TIME AS OF {before} WHERE signal = 't/v'");
    assert_eq!(values(&past), [["0"], ["1"], ["2"]], "A1: by sequence");
    let past = format!("FOR SYSTEM_TIME AS OF '{recorded}' WHERE signal = 't/v'");
    assert_eq!(values(&past), [["0"], ["1"], ["2"]], "A1: by time");
    let as_of = format!(", asOf: \"{}\"", recorded.replace(' ', "T").replace("+00", "Z"));
    assert_eq!(trend(&server, "t/v", &as_of), serde_json::json!([0.0, 1.0, 2.0]), "A1, Q3");

    // One session: set, asked, set back; an old name is known to table functions too.
    let count = "SELECT count(*) FROM samples WHERE signal_id = \
                 (SELECT id FROM signals WHERE tag LIKE 't/%')";
    let buckets = "SELECT count FROM buckets('t/v', '2026-01-01', '2026-01-02', 1)";
    let set = format!("SET parx.as_of = '{before}'");
    let tag = "SELECT tag, last_value FROM signals WHERE tag LIKE 't/%'";
    let told = session(
        &server,
        &[count, &set, count, buckets, tag, "SHOW parx.as_of", "RESET parx.as_of", count, tag],
    );
    let expected = ["1", "3", "3", "t/v\u{1f}2", &before, "1", "t/new\u{1f}0"];
    assert_eq!(told, expected, "A1");
    let told = session(&server, &["BEGIN", &set, count, "ROLLBACK", count]);
    assert_eq!(told, ["3", "1"], "ROLLBACK brings the present back");
    for wrong in ["SET parx.as_of = 'noon'", "SELECT 1 FROM samples FOR SYSTEM_TIME AS OF 'noon'"] {
        let told = server.sql_error(wrong);
        assert!(told.contains("HINT:") && !told.contains("XX000"), "{told}");
    }
    let told = server.sql_error("SELECT 1 FROM samples FOR SYSTEM_TIME AS OF 999999999");
    assert!(told.contains("999999999") && !told.contains("XX000"), "{told}");

    let history = "SELECT count(*), count(deleted_by), max(deleted_by) FROM samples_history \
                   WHERE signal = 't/new'";
    assert_eq!(server.sql(history), [["3", "2", &deletion]]);
    let who = format!("SELECT author, kind, subject FROM events WHERE sequence = {deletion}");
    assert_eq!(server.sql(&who), [["admin", "SamplesDeleted", "t/v"]], "A1");
    server.graphql(&format!("mutation {{ restoreSamples(deletion: \"{deletion}\") }}"));
    assert_eq!(values(now), [["0"], ["1"], ["2"]], "taken back");
    server.stop();

    let server = place.start();
    assert_eq!(values_after(&server), [["0"], ["1"], ["2"]], "L3: also after a restart");
    server.stop();
}

fn values_after(server: &Server) -> Vec<Vec<String>> {
    server.sql("SELECT value FROM samples WHERE signal = 't/new' ORDER BY time")
}
