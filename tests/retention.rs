//! How long samples are kept, as an administrator says it: in GraphQL, seen in SQL.

use crate::harness::{Place, until};

/// 2026-01-01 in seconds since 1970.
const START: u64 = 1_767_225_600;

#[test]
fn a1_old_samples_go_by_a_rule_and_their_hours_stay() {
    let place = Place::new("[compaction]\nseal_after_s = 1\n");
    let server = place.start();
    let lines: String = (0..400).map(|n| format!("t v={n} {}\n", START + n * 30)).collect();
    server.write_at("/api/v1/write?precision=s", &lines);
    server.write_at("/api/v1/write?precision=s", &format!("kept v=1 {START}"));
    let hours = "SELECT time_bucket('1 hour', time), count(*), min(value), max(value) \
                 FROM samples WHERE signal = 't/v' GROUP BY 1 ORDER BY 1";
    let before = server.sql(hours);
    assert_eq!(before.len(), 4);
    server.wait_compacted();

    let rules = server.graphql(
        "mutation { setRetention(rule: { path: \"t\", rawDays: 30, minuteDays: 30 }) \
         { path rawDays minuteDays hourDays dayDays } }",
    );
    let expected = serde_json::json!([
        {"path": "t", "rawDays": 30, "minuteDays": 30, "hourDays": null, "dayDays": null}
    ]);
    assert_eq!(rules["setRetention"], expected);
    assert_eq!(server.sql("SELECT * FROM retention"), [["t", "30", "30", "", ""]]);
    let expired = "SELECT count(*) FROM events WHERE kind = 'SamplesExpired'";
    until("old samples are gone", || (server.sql_value(expired) == "1").then_some(()));
    let rows = server.sql("SELECT signal, value FROM samples ORDER BY 1, 2");
    assert_eq!(rows, [["kept/v", "1"]], "the samples are gone");
    assert_eq!(server.sql(hours), before, "Q2: their hours are told as before");
    let left = server.graphql("mutation { removeRetention(path: \"t\") { path } }");
    assert_eq!(left["removeRetention"], serde_json::json!([]));
    assert_eq!(server.graphql("{ retention { path } }")["retention"], serde_json::json!([]));
    server.stop();

    let server = place.start();
    assert_eq!(server.sql(hours), before, "L3");
    server.stop();
}
