//! Segments as other makers' readers of Parquet see them, with the server off.

use std::fmt::Write as _;

use crate::harness::{Place, run};
use crate::peers::python;

/// The columns that `clients/segments.py` prints, in SQL of ParX.
const SUMS: &str = "SELECT signal_id, count(*), count(value), coalesce(sum(value), 0), \
    coalesce(sum(value_int), 0), coalesce(sum(octet_length(value_text)), 0), \
    sum(CASE WHEN quality >= 2147483648 THEN 1 ELSE 0 END), \
    min(extract(epoch FROM time)) * 1000000, max(extract(epoch FROM time)) * 1000000 \
    FROM samples_history GROUP BY signal_id ORDER BY signal_id";

/// The rows as numbers; whole ones are exact in this test.
fn rows(cells: impl Iterator<Item = Vec<String>>) -> Vec<Vec<f64>> {
    cells.map(|row| row.iter().map(|cell| cell.parse().unwrap()).collect()).collect()
}

#[test]
fn c1_c4_other_readers_find_in_segments_what_sql_read_before_with_the_server_off() {
    let place = Place::new("[compaction]\nseal_after_s = 1\n");
    let server = place.start();
    let second = 1_700_000_000;
    for part in 0..3 {
        let mut lines = String::new();
        for n in 0..2000 {
            let time = second + (n * 7919 + part) % 2003;
            writeln!(lines, "d,p=a f={},i={}i {time}", n as f64 / 8.0, n * 3).unwrap();
            writeln!(lines, "d,p=b s=\"part {part} \u{fc} {}\",on={} {time}", n, n % 3 == 0)
                .unwrap();
        }
        server.write_at("/api/v1/write?precision=s", &lines);
        // Years late, and a correction of what is there.
        server.write_at("/api/v1/write?precision=s", &format!("d,p=a f={part} {part}"));
        server.write_at("/api/v1/write?precision=s", &format!("d,p=a f={part}.5 {second}"));
        if part < 2 {
            server.wait_compacted();
        }
    }
    server.graphql(
        "mutation { write(samples: [ \
         { tag: \"d/a/f\", time: \"2026-01-01T00:00:00Z\", quality: \"2150694912\" }]) }",
    );
    let hot = server.sql(SUMS);
    let newest = "SELECT count(*), sum(value), sum(value_int) FROM samples";
    let newest_hot = server.sql(newest);
    server.wait_compacted();
    let cold = server.sql(SUMS);
    assert_eq!(hot, cold, "Q2: compaction changes no answer");
    assert_eq!(server.sql(newest), newest_hot, "Q2");
    server.stop();

    let mut command = python("clients/segments.py");
    command.arg(place.data().join("segments"));
    let printed = run(command);
    let mut read = rows(printed.lines().map(|line| line.split('|').map(str::to_owned).collect()));
    let newest_read = read.split_off(read.len() - 1);
    assert_eq!(read.len(), 4, "four signals: {printed}");
    assert_eq!(read, rows(cold.into_iter()), "C1, C4: DuckDB, Polars and pandas read the same");
    assert_eq!(newest_read, rows(newest_hot.into_iter()), "C4: of the newest versions too");

    let server = place.start();
    assert_eq!(server.sql(SUMS), hot, "C2: after a restart too");
    server.stop();
}
