//! Segments as other makers' readers of Parquet see them, with the server off.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::harness::{Place, Server, run};
use crate::peers::python;

/// The columns that `clients/segments.py` prints, in SQL of ParX.
const SUMS: &str = "SELECT signal_id, count(*), count(value), coalesce(sum(value), 0), \
    coalesce(sum(value_int), 0), coalesce(sum(octet_length(value_text)), 0), \
    sum(CASE WHEN quality >= 2147483648 THEN 1 ELSE 0 END), \
    min(extract(epoch FROM time)) * 1000000, max(extract(epoch FROM time)) * 1000000 \
    FROM samples_history GROUP BY signal_id ORDER BY signal_id";

/// The sum of the bits of each signal's numbers, without what is above 2^52.
fn bits(server: &Server) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in server.sql("SELECT signal_id, coalesce(value, value_int) FROM samples_history") {
        let bits = row[1].parse::<f64>().map_or(0, f64::to_bits);
        let sum: &mut u64 = sums.entry(row[0].clone()).or_default();
        *sum = sum.wrapping_add(bits) % (1 << 52);
    }
    sums
}

/// The rows as numbers.
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
            let real = f64::from((n as f64 * (10.0 / 4095.0)) as f32);
            writeln!(lines, "d,p=a f={},i={}i {time}", n as f64 / 8.0, n * 3).unwrap();
            writeln!(lines, "d,p=c r={real},d={} {time}", n as f64 / 10.0).unwrap();
            writeln!(lines, "d,p=c n={} {time}", (n as f64).sin()).unwrap();
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
    let stored = bits(&server);
    server.stop();

    let mut command = python("clients/segments.py");
    command.arg(place.data().join("segments"));
    let printed = run(command);
    let mut read = rows(printed.lines().map(|line| line.split('|').map(str::to_owned).collect()));
    let newest_read = read.split_off(read.len() - 1);
    assert_eq!(read.len(), 7, "seven signals: {printed}");
    // Only whole numbers come to one sum in any order; of the others the bits are compared.
    let near = |sum: f64, cold: f64| (sum - cold).abs() <= cold.abs() * 1e-12;
    for (row, cold) in read.iter().zip(rows(cold.into_iter())) {
        assert!(near(row[3], cold[3]), "C4: {row:?} {cold:?}");
        assert_eq!((&row[..3], &row[4..9]), (&cold[..3], &cold[4..]), "C1, C4: three readers");
        assert_eq!(row[9], stored[&row[0].to_string()] as f64, "C1, C4: every bit of {row:?}");
    }
    let (newest, hot_newest) = (&newest_read[0], &rows(newest_hot.into_iter())[0]);
    assert_eq!((newest[0], newest[2]), (hot_newest[0], hot_newest[2]), "C4: the newest versions");
    assert!(near(newest[1], hot_newest[1]), "C4: {newest:?} {hot_newest:?}");

    let server = place.start();
    assert_eq!(server.sql(SUMS), hot, "C2: after a restart too");
    server.stop();
}
