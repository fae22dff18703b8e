//! What psql sends for `\dt` and `\d samples`, and drivers look up; only line breaks are ours.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::sync::Arc;

use futures::TryStreamExt;
use parx_compactor::SegmentStore;
use parx_log::{HandClock, Log, LogOptions, Timestamp};
use parx_query::arrow::array::RecordBatch;
use parx_query::{Engine, Limits, Session};

fn session(folder: &std::path::Path) -> Session {
    let clock = Arc::new(HandClock::at(Timestamp::from_micros(0)));
    let log = Log::open(LogOptions::new(folder), clock).unwrap();
    let store = SegmentStore::new(folder);
    Engine::new(log, store, Limits::default()).unwrap().session("ann")
}

async fn rows(session: &Session, sql: &str) -> Result<usize, String> {
    let statement = session.prepare_sql(sql).await.map_err(|error| format!("{error:?}"))?;
    let stream = statement.execute(vec![]).await.map_err(|error| format!("{error:?}"))?;
    let batches: Vec<RecordBatch> =
        stream.try_collect().await.map_err(|error| format!("{error:?}"))?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

const LIST_TABLES: &str = r#"SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view'
  WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index'
  WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table'
  WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table'
  WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;"#;

const FIND_TABLE: &str = r"SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(samples)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;";

const COLUMNS: &str = r"SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid
     AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = (SELECT oid FROM pg_catalog.pg_class WHERE relname = 'samples')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;";

const TYPES: &str = "SELECT t.oid, t.typname FROM pg_catalog.pg_type t \
                     WHERE t.typname IN ('float8', 'timestamptz', 'text', 'int8')";

const COLUMNS_OF_INFORMATION_SCHEMA: &str = "SELECT column_name, data_type \
    FROM information_schema.columns WHERE table_name = 'samples' ORDER BY ordinal_position";

#[tokio::test]
async fn psql_and_drivers_find_the_tables_and_their_columns() {
    let folder = tempfile::TempDir::new().unwrap();
    let session = session(folder.path());
    let table = [
        (LIST_TABLES, 6),
        (FIND_TABLE, 1),
        (COLUMNS, 10),
        (TYPES, 4),
        (COLUMNS_OF_INFORMATION_SCHEMA, 10),
        (
            "SELECT quote_ident(table_name) FROM information_schema.tables \
          WHERE table_type = 'BASE TABLE' AND table_schema = 'public'",
            6,
        ),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in table {
        let found = rows(&session, sql).await;
        if found != Ok(expected) {
            wrong.push(format!("{expected} rows expected, {found:?}: {sql}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
