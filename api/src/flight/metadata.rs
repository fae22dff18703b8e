//! What clients browse: what the server can do, and which tables there are.
//!
//! Tables are asked of the engine like everything else, so that no door knows more of them than
//! SQL does.

use std::sync::LazyLock;

use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetTables, SqlInfo, SqlNullOrdering, SqlSupportedCaseSensitivity,
    SqlSupportedTransaction,
};
use futures::TryStreamExt;
use parx_query::arrow::array::{AsArray, RecordBatch};
use parx_query::arrow::compute::cast;
use parx_query::arrow::datatypes::DataType;
use parx_query::{QueryError, SCHEMA, Session};
use tonic::Status;

use super::status;

/// What a table is called.
pub(super) const TABLE: &str = "TABLE";
/// What a view is called.
pub(super) const VIEW: &str = "VIEW";

/// What the server says about itself.
pub(super) static ABOUT: LazyLock<Option<SqlInfoData>> = LazyLock::new(|| {
    let mut about = SqlInfoDataBuilder::new();
    about.append(SqlInfo::FlightSqlServerName, "ParX");
    about.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    about.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    about.append(SqlInfo::FlightSqlServerReadOnly, true);
    about.append(SqlInfo::FlightSqlServerSql, true);
    about.append(SqlInfo::FlightSqlServerSubstrait, false);
    about.append(SqlInfo::FlightSqlServerCancel, false);
    about.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    about.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    about.append(SqlInfo::FlightSqlServerStatementTimeout, 0i32);
    about.append(SqlInfo::FlightSqlServerTransactionTimeout, 0i32);
    about.append(SqlInfo::SqlDdlCatalog, false);
    about.append(SqlInfo::SqlDdlSchema, false);
    about.append(SqlInfo::SqlDdlTable, false);
    about.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let folded = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    about.append(SqlInfo::SqlIdentifierCase, folded);
    let kept = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32;
    about.append(SqlInfo::SqlQuotedIdentifierCase, kept);
    let high = SqlNullOrdering::SqlNullsSortedHigh as i32;
    about.append(SqlInfo::SqlNullOrdering, high);
    about.build().ok()
});

/// The tables that fit a client's wishes.
pub(super) async fn tables(
    session: Session,
    query: CommandGetTables,
) -> Result<RecordBatch, Status> {
    let include = query.include_schema;
    let mut builder = query.into_builder();
    for (catalog, schema, name, kind) in listed(&session).await.map_err(|e| status::of(&e))? {
        if schema != SCHEMA {
            continue;
        }
        let kind = if kind == "VIEW" { VIEW } else { TABLE };
        let columns = if include {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let sql = format!("SELECT * FROM {}.{}", quoted(&schema), quoted(&name));
            let statement = session.prepare_sql(&sql).await.map_err(|e| status::of(&e))?;
            statement.schema().as_ref().clone()
        } else {
            parx_query::arrow::datatypes::Schema::empty()
        };
        builder.append(catalog, schema, name, kind, &columns).map_err(status::internal)?;
    }
    builder.build().map_err(status::internal)
}

async fn listed(session: &Session) -> Result<Vec<(String, String, String, String)>, QueryError> {
    let sql = "SELECT table_catalog, table_schema, table_name, table_type \
               FROM information_schema.tables ORDER BY 1, 2, 3";
    let rows = session.prepare_sql(sql).await?.execute(vec![]).await?;
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    let mut tables = Vec::new();
    for batch in batches {
        let texts = batch
            .columns()
            .iter()
            .map(|column| cast(column, &DataType::Utf8))
            .collect::<Result<Vec<_>, _>>()?;
        let text = |column: usize, row: usize| {
            let column = texts.get(column).map(|column| column.as_string::<i32>());
            column.map_or_else(String::new, |column| column.value(row).to_owned())
        };
        let row = |row: usize| (text(0, row), text(1, row), text(2, row), text(3, row));
        tables.extend((0..batch.num_rows()).map(row));
    }
    Ok(tables)
}
