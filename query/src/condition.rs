//! A condition on a sample, as text of SQL: `value > 80 AND status <> 'bad'`.
//!
//! It sees one sample at a time. Where it is neither true nor false it does not hold.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use parx_compactor::{Versions, Wanted};
use parx_log::Catalog;

use crate::output::{self, Pieces, column};
use crate::samples::samples_schema;
use crate::{Engine, ErrorKind, QueryError};

/// Columns of `samples` that a condition may name.
const COLUMNS: [usize; 6] = [
    column::TIME,
    column::VALUE,
    column::VALUE_INT,
    column::VALUE_TEXT,
    column::QUALITY,
    column::STATUS,
];

/// A condition on a sample.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    expr: Arc<dyn PhysicalExpr>,
    projection: Arc<[usize]>,
    schema: SchemaRef,
}

impl Engine {
    /// The condition that `text` says of `time`, `value`, `value_int`, `value_text`, `quality` and
    /// `status`.
    pub fn condition(&self, text: &str) -> Result<Condition, QueryError> {
        Condition::new(text, self.template())
    }
}

impl Condition {
    pub(crate) fn new(text: &str, state: &SessionState) -> Result<Condition, QueryError> {
        Condition::plan(text, state).map_err(|error| QueryError {
            message: format!("the condition '{text}': {}", error.message),
            position: None,
            ..error
        })
    }

    fn plan(text: &str, state: &SessionState) -> Result<Condition, QueryError> {
        let all = samples_schema(Versions::Newest);
        let named = DFSchema::try_from(all.project(&COLUMNS)?)?;
        let expr = state.create_logical_expr(text, &named)?;
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(named.clone()))
            .with_config_options(state.config_options().clone())
            .with_query_execution_start_time(state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let expr = simplifier.simplify(simplifier.coerce(expr, &named)?)?;
        let named_here = expr.column_refs();
        let projection: Arc<[usize]> = COLUMNS
            .into_iter()
            .filter(|place| {
                named_here.iter().any(|column| column.name() == all.field(*place).name())
            })
            .collect();
        let schema = Arc::new(all.project(&projection)?);
        let expr = state.create_physical_expr(expr, &DFSchema::try_from(schema.clone())?)?;
        match expr.data_type(&schema)? {
            DataType::Boolean | DataType::Null => {}
            other => {
                let message = format!("it gives {other}, not true or false");
                return Err(QueryError::new(ErrorKind::DatatypeMismatch, message));
            }
        }
        Ok(Condition { text: text.into(), expr, projection, schema })
    }

    /// What must be read to say whether it holds.
    pub(crate) fn wanted(&self) -> Wanted {
        let asked = |places: &[usize]| self.projection.iter().any(|place| places.contains(place));
        Wanted {
            values: asked(&[column::VALUE, column::VALUE_INT, column::VALUE_TEXT]),
            quality: asked(&[column::QUALITY, column::STATUS]),
        }
    }

    /// For which rows it holds.
    pub(crate) fn holds(&self, pieces: &Pieces) -> Result<BooleanBuffer, QueryError> {
        let unrecorded = |rows: &[u64]| Ok::<_, QueryError>(vec![None; rows.len()]);
        let nothing = Catalog::default();
        let schema = self.schema.clone();
        let batch = output::batch(pieces, &self.projection, schema, &nothing, unrecorded)?;
        let holds = self.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
        Ok(match holds.as_boolean_opt() {
            Some(holds) if holds.null_count() > 0 => prep_null_mask_filter(holds).values().clone(),
            Some(holds) => holds.values().clone(),
            None => BooleanBuffer::new_unset(batch.num_rows()),
        })
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}
