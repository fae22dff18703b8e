//! Questions in SQL and GraphQL, text by text.
//!
//! Pure. What is asked when is `questions`'.

use parx_log::Timestamp;

use crate::bench::plant::tag;
use crate::bench::query::questions::{BAD, Draw, HOUR, Way};

/// The last value of every signal, as any SQL engine is asked for it.
pub const LAST_SQL: &str =
    "SELECT signal, last_value(value ORDER BY time) FROM samples GROUP BY signal";

/// A time as SQL and GraphQL read it.
pub fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

/// Tags, each between two of `quote`, with commas between them.
pub fn tags(draw: &Draw, quote: &str) -> String {
    let quoted = draw.signals.iter().map(|signal| format!("{quote}{}{quote}", tag(*signal)));
    quoted.collect::<Vec<_>>().join(", ")
}

/// What the web app asks for a screen of `width` pixels: another answer, to the same need.
pub fn trend(draw: &Draw, width: i64) -> Way {
    let (tags, from, to) = (tags(draw, "\""), time(draw.from), time(draw.to - 1));
    let text = format!(
        "{{ trend(tags: [{tags}], from: \"{from}\", to: \"{to}\", width: {width}) \
         {{ pens {{ times values severities }} }} }}"
    );
    Way { name: "graphql trend", text, compared: false, graphql: true }
}

/// An aggregate of every hour from the draw's beginning on.
pub fn hourly(aggregate: &str, draw: &Draw) -> String {
    let (from, to) = (time(draw.from), time(draw.to));
    let bucket = match draw.from % HOUR {
        0 => "time_bucket('1 hour', time)".to_owned(),
        _ => format!("time_bucket('1 hour', time, '{from}'::timestamptz)"),
    };
    format!(
        "SELECT signal, {bucket} AS hour, {aggregate} FROM samples \
         WHERE time >= '{from}' AND time < '{to}' AND quality < {BAD} GROUP BY 1, 2"
    )
}

/// The same for ParX.
pub fn weighted_parx(draw: &Draw) -> String {
    let (from, to) = (time(draw.from), time(draw.to));
    let hour = format!("time_bucket('1 hour', time, '{from}'::timestamptz)");
    let window = format!("time >= '{from}' AND time < '{to}'");
    weighted("signal", "time::bigint", &hour, &window)
}

/// The mean of an hour in which each value counts as long as it lasts, up to the last of the hour.
pub fn weighted(signal: &str, micros: &str, hour: &str, window: &str) -> String {
    format!(
        "SELECT {signal}, hour, sum(value * (next - t)) / sum(next - t) FROM \
         (SELECT {signal}, value, {micros} AS t, {hour} AS hour, \
         lead({micros}) OVER w AS next, lead({hour}) OVER w AS next_hour \
         FROM samples WHERE {window} AND quality < {BAD} \
         WINDOW w AS (PARTITION BY {signal} ORDER BY time)) AS held \
         WHERE next_hour = hour GROUP BY 1, 2"
    )
}

/// Samples that follow each other above a limit, as SQL without an operator for it finds them.
pub fn islands(column: &str, signal: &str, draw: &Draw, limit: f64) -> String {
    let (from, to) = (time(draw.from), time(draw.to));
    format!(
        "SELECT min(time), max(time), count(*) FROM (SELECT time, value > {limit:?} AS above, \
         row_number() OVER (ORDER BY time) \
         - row_number() OVER (PARTITION BY value > {limit:?} ORDER BY time) AS island \
         FROM samples WHERE {column} = {signal} AND time >= '{from}'::timestamptz \
         AND time < '{to}'::timestamptz) AS marked WHERE above GROUP BY island"
    )
}

/// The grid's points among the samples, each with the newest value so far; a bad one is NaN until
/// the end, for it holds too.
pub fn align_parx(draw: &Draw) -> String {
    let (to, before) = (time(draw.to), time(draw.from - HOUR));
    let (from_us, last_us) = (draw.from, draw.to - 1_000_000);
    let columns = draw.signals.iter().map(|signal| {
        format!(", nullif(max(held) FILTER (WHERE signal = '{}'), 'NaN'::double)", tag(*signal))
    });
    let rows = draw.signals.iter().map(|signal| format!("('{}')", tag(*signal)));
    let (columns, rows) = (columns.collect::<String>(), rows.collect::<Vec<_>>().join(", "));
    let tags = tags(draw, "'");
    format!(
        "SELECT time{columns} FROM (SELECT signal, time, point, last_value(value) IGNORE NULLS \
         OVER (PARTITION BY signal ORDER BY time, point \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS held FROM \
         (SELECT signal, time, CASE WHEN quality < {BAD} THEN value ELSE 'NaN'::double END \
         AS value, 0 AS point FROM samples WHERE signal IN ({tags}) \
         AND time > '{before}' AND time < '{to}' \
         UNION ALL SELECT signal, arrow_cast(n, 'Timestamp(Microsecond, Some(\"UTC\"))'), NULL, 1 \
         FROM (VALUES {rows}) AS s(signal) CROSS JOIN generate_series({from_us}, {last_us}, \
         1000000) AS g(n)) AS mixed) AS filled WHERE point = 1 GROUP BY time"
    )
}

/// As DuckDB is quick: grid and samples are made before they are joined.
pub fn align_duckdb(draw: &Draw, ids: &[i32]) -> String {
    let (from, to, before) = (time(draw.from), time(draw.to), time(draw.from - HOUR));
    let columns = ids.iter().map(|id| format!(", max(held) FILTER (WHERE id = {id})"));
    let rows = ids.iter().map(|id| format!("({id})")).collect::<Vec<_>>().join(", ");
    let list = ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "WITH v AS MATERIALIZED (SELECT signal_id, time, value, quality FROM samples \
         WHERE signal_id IN ({list}) AND time > '{before}'::timestamptz \
         AND time < '{to}'::timestamptz), g AS MATERIALIZED (SELECT range AS t, id FROM \
         range('{from}'::timestamptz, '{to}'::timestamptz, INTERVAL '1 second'), \
         (VALUES {rows}) AS s(id)) SELECT t{} FROM (SELECT g.t, g.id, \
         CASE WHEN v.quality < {BAD} THEN v.value END AS held FROM g ASOF LEFT JOIN v \
         ON v.signal_id = g.id AND v.time <= g.t) AS filled GROUP BY t",
        columns.collect::<String>()
    )
}
