//! `FOR SYSTEM_TIME AS OF`: from what stands behind a table's name to a table of the past.
//!
//! The parser keeps the words; here they become a name that says the sequence, which the tables'
//! schema knows how to find. Points in time without an offset are read in the session's zone.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::ColumnarValue;
use datafusion::sql::sqlparser::ast::{
    self, Ident, ObjectNamePart, TableAlias, TableFactor, TableVersion, VisitMut, VisitorMut,
};
use parx_log::{Sequence, Timestamp};

use crate::past::{AsOf, Past, PastTable};
use crate::{ErrorKind, QueryError};

/// Between a table's name and the sequence.
const MARK: &str = " as of ";

/// The points in the past that `statement` names, as they stand in it, in the order of its tables.
pub(crate) fn versions(statement: &mut ast::Statement) -> Vec<TableVersion> {
    let mut versions = Vec::new();
    each(statement, |_, version, _| {
        versions.extend(version.clone());
        Ok(())
    })
    .ok();
    versions
}

/// Names the tables of the past after the sequences that `found` gives for them, in their order.
pub(crate) fn name_past(
    statement: &mut ast::Statement,
    found: &[Sequence],
) -> Result<(), QueryError> {
    let mut found = found.iter();
    each(statement, |name, version, alias| {
        if version.take().is_none() {
            return Ok(());
        }
        let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() else {
            return Err(unsupported("a table's name is expected before FOR SYSTEM_TIME"));
        };
        let plain = last.clone();
        let sequence = found.next().copied().unwrap_or_default();
        let value = match plain.quote_style {
            Some(_) => plain.value.clone(),
            None => plain.value.to_lowercase(),
        };
        *last = Ident::with_quote('"', format!("{value}{MARK}{sequence}"));
        if alias.is_none() {
            let alone = TableAlias { explicit: true, name: plain, columns: vec![], at: None };
            *alias = Some(alone);
        }
        Ok(())
    })
}

fn each(
    statement: &mut ast::Statement,
    act: impl FnMut(
        &mut ast::ObjectName,
        &mut Option<TableVersion>,
        &mut Option<TableAlias>,
    ) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    struct Each<F>(F);
    impl<F> VisitorMut for Each<F>
    where
        F: FnMut(
            &mut ast::ObjectName,
            &mut Option<TableVersion>,
            &mut Option<TableAlias>,
        ) -> Result<(), QueryError>,
    {
        type Break = QueryError;
        fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<QueryError> {
            match table {
                TableFactor::Table { name, version, alias, .. } => {
                    match (self.0)(name, version, alias) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => ControlFlow::Break(error),
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match statement.visit(&mut Each(act)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn unsupported(message: impl Into<String>) -> QueryError {
    QueryError::new(ErrorKind::Unsupported, message)
        .hint("write samples FOR SYSTEM_TIME AS OF '2026-11-25 06:00Z', or a sequence of the log")
}

/// The place in the past that a version says: a constant point in time, or a sequence.
pub(crate) fn as_of(version: &TableVersion, state: &SessionState) -> Result<AsOf, QueryError> {
    let TableVersion::ForSystemTimeAsOf(expr) = version else {
        return Err(unsupported(format!("{version} is not known")));
    };
    let schema = DFSchema::empty();
    let logical = state.create_logical_expr(&expr.to_string(), &schema)?;
    let physical = state.create_physical_expr(logical, &schema)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let value = match physical.evaluate(&row)? {
        ColumnarValue::Scalar(value) => value,
        ColumnarValue::Array(values) => ScalarValue::try_from_array(&values, 0)?,
    };
    place(&value, state)
}

/// The place that a text says: digits are a sequence, all else is a point in time.
pub(crate) fn parse(text: &str, state: &SessionState) -> Result<AsOf, QueryError> {
    place(&ScalarValue::Utf8(Some(text.trim().to_owned())), state)
}

fn place(value: &ScalarValue, state: &SessionState) -> Result<AsOf, QueryError> {
    let wrong = || {
        QueryError::new(ErrorKind::Parameters, format!("'{value}' is no point in the past"))
            .hint("give a time, such as '2026-11-25 06:00:00Z', or a sequence of the log")
    };
    if let ScalarValue::Utf8(Some(text)) = value
        && let Ok(sequence) = text.parse()
    {
        return Ok(AsOf::Sequence(Sequence(sequence)));
    }
    if value.data_type().is_integer() {
        let ScalarValue::UInt64(Some(sequence)) =
            value.cast_to(&DataType::UInt64).map_err(|_| wrong())?
        else {
            return Err(wrong());
        };
        return Ok(AsOf::Sequence(Sequence(sequence)));
    }
    let zone = state.config_options().execution.time_zone.clone();
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
    match value.cast_to(&time).map_err(|_| wrong())? {
        ScalarValue::TimestampMicrosecond(Some(time), _) => {
            Ok(AsOf::Time(Timestamp::from_micros(time)))
        }
        _ => Err(wrong()),
    }
}

/// The tables by their names, and by those of their past.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) present: Arc<dyn SchemaProvider>,
    pub(crate) past: Past,
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.present.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some((plain, sequence)) = split(name) else { return self.present.table(name).await };
        let table = self.present.table(plain).await?;
        let past = self.past.clone();
        Ok(table.map(|table| -> Arc<dyn TableProvider> {
            Arc::new(PastTable { table, sequence, past })
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.present.table_exist(split(name).map_or(name, |(plain, _)| plain))
    }
}

fn split(name: &str) -> Option<(&str, Sequence)> {
    let (plain, sequence) = name.rsplit_once(MARK)?;
    Some((plain, Sequence(sequence.parse().ok()?)))
}
