//! Which signals a filter on tags or ids means: the filter is run over the catalog, not over rows.
//!
//! Any expression of `signal` and `signal_id` alone can so be answered exactly before a row is
//! read.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::utils::conjunction;
use parking_lot::Mutex;
use parx_log::{Catalog, Sequence, Signal};

/// The tags and ids of one catalog as columns.
struct Table {
    sequence: Sequence,
    signals: Vec<Arc<Signal>>,
    batch: RecordBatch,
}

/// Signals by any filter, kept until the catalog changes.
#[derive(Default)]
pub(crate) struct SignalIndex(Mutex<Option<Arc<Table>>>);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("signal", DataType::Utf8, false),
        Field::new("signal_id", DataType::Int32, false),
    ]))
}

impl SignalIndex {
    /// The signals that `filters` let through, in the order of their ids.
    pub(crate) fn select(
        &self,
        catalog: &Catalog,
        filters: Vec<Expr>,
        session: &dyn Session,
    ) -> Result<Vec<Arc<Signal>>> {
        let table = self.table(catalog)?;
        let Some(filter) = conjunction(unnormalize_cols(filters)) else {
            return Ok(table.signals.clone());
        };
        let expr = session.create_physical_expr(filter, &DFSchema::try_from(schema())?)?;
        let mask = expr.evaluate(&table.batch)?.into_array(table.batch.num_rows())?;
        let passes = |mask: &BooleanArray, row| mask.is_valid(row) && mask.value(row);
        let Some(mask) = mask.as_boolean_opt() else { return Ok(Vec::new()) };
        let chosen = table.signals.iter().enumerate().filter(|(row, _)| passes(mask, *row));
        Ok(chosen.map(|(_, signal)| signal.clone()).collect())
    }

    fn table(&self, catalog: &Catalog) -> Result<Arc<Table>> {
        let mut kept = self.0.lock();
        if let Some(table) = kept.as_ref().filter(|table| table.sequence == catalog.sequence) {
            return Ok(table.clone());
        }
        let signals: Vec<Arc<Signal>> = catalog.signals().cloned().collect();
        let tags = signals.iter().map(|signal| signal.definition.tag.as_str());
        let ids = signals.iter().map(|signal| signal.id.0.cast_signed());
        let batch = RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(StringArray::from_iter_values(tags)),
                Arc::new(Int32Array::from_iter_values(ids)),
            ],
        )?;
        let table = Arc::new(Table { sequence: catalog.sequence, signals, batch });
        // A reader of an older snapshot must not take the newer table away from the others.
        if kept.as_ref().is_none_or(|old| old.sequence < table.sequence) {
            *kept = Some(table.clone());
        }
        Ok(table)
    }
}

impl std::fmt::Debug for SignalIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalIndex")
    }
}
