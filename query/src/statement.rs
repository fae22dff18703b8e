//! A planned statement: its parameters, its columns, and its rows when it is executed.
//!
//! Planned once, executed as often as wished; each execution sees the snapshot of its own start.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::sql::parser::Statement as PlannerStatement;
use futures::Stream;
use parx_log::Snapshot;

use crate::parse::{Parsed, StatementKind};
use crate::{ErrorKind, QueryError, Session};

/// A planned statement. Cheap to clone.
#[derive(Clone)]
pub struct Statement {
    session: Session,
    plan: Arc<LogicalPlan>,
    kind: StatementKind,
    /// Types as the planner sees them, by place.
    planned: Vec<DataType>,
    /// Types as the client is told.
    parameters: Vec<DataType>,
    schema: SchemaRef,
}

impl Statement {
    pub(crate) async fn plan(
        session: Session,
        statement: &Parsed,
        declared: &[Option<DataType>],
    ) -> Result<Statement, QueryError> {
        match statement.kind {
            StatementKind::Query | StatementKind::Explain => {}
            StatementKind::Session => {
                let message = format!("{} is not a query", first_words(statement));
                return Err(QueryError::new(ErrorKind::Unsupported, message));
            }
            StatementKind::Write => {
                let message =
                    format!("{} would write; SQL is read-only here", first_words(statement));
                let hint = "samples come in through the ingest doors, definitions through the API";
                return Err(QueryError::new(ErrorKind::ReadOnly, message).hint(hint));
            }
        }
        let seen = session.seen(session.engine().log().snapshot()).await?;
        let state = session.state(seen);
        let ast = session.past_named(statement.ast.clone(), &state).await?;
        let ast = PlannerStatement::Statement(Box::new(ast));
        let plan = state.statement_to_plan(ast).await?;
        let plan = with_types(plan, declared)?;
        let planned = planned_types(&plan)?;
        let parameters = planned
            .iter()
            .enumerate()
            .map(|(place, planned)| match declared.get(place) {
                Some(Some(declared)) => declared.clone(),
                Some(None) | None => planned.clone(),
            })
            .collect();
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let kind = statement.kind;
        Ok(Statement { session, plan: Arc::new(plan), kind, planned, parameters, schema })
    }

    /// Query or explain.
    pub fn kind(&self) -> StatementKind {
        self.kind
    }

    /// The types of `$1`, `$2` …: as declared, else as inferred.
    pub fn parameters(&self) -> &[DataType] {
        &self.parameters
    }

    /// The columns of its rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its rows as of now. Nothing runs before the stream is polled, nothing after it is dropped.
    pub async fn execute(&self, parameters: Vec<ScalarValue>) -> Result<RowStream, QueryError> {
        self.execute_at(parameters, self.session.engine().log().snapshot()).await
    }

    /// Its rows as `snapshot` sees them, such as the one that a transaction began with (Q1).
    pub async fn execute_at(
        &self,
        parameters: Vec<ScalarValue>,
        snapshot: Arc<Snapshot>,
    ) -> Result<RowStream, QueryError> {
        let values = self.values(parameters)?;
        let state = self.session.state(self.session.seen(snapshot).await?);
        let mut plan = (*self.plan).clone();
        if !values.is_empty() {
            plan = plan.replace_params_with_values(&ParamValues::from(values))?;
        }
        let physical = state.create_physical_plan(&plan).await?;
        Ok(RowStream(execute_stream(physical, state.task_ctx())?))
    }

    /// The parameters in the types that the planner expects.
    fn values(&self, parameters: Vec<ScalarValue>) -> Result<Vec<ScalarValue>, QueryError> {
        if parameters.len() != self.planned.len() {
            let message = format!(
                "the statement has {} parameters, {} are given",
                self.planned.len(),
                parameters.len()
            );
            return Err(QueryError::new(ErrorKind::Parameters, message));
        }
        let cast = |(value, wanted): (ScalarValue, &DataType)| match value.data_type() == *wanted {
            true => Ok(value),
            false => value.cast_to(wanted).map_err(QueryError::from),
        };
        parameters.into_iter().zip(&self.planned).map(cast).collect()
    }
}

fn first_words(statement: &Parsed) -> String {
    let text = statement.ast.to_string();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Place of `$3` counted from 0.
fn place(id: &str) -> Option<usize> {
    id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// Gives each parameter without a type the declared one, or text.
fn with_types(plan: LogicalPlan, declared: &[Option<DataType>]) -> Result<LogicalPlan, QueryError> {
    let given = |id: &str| place(id).and_then(|place| declared.get(place).cloned().flatten());
    let typed = plan.transform_up_with_subqueries(|plan| {
        plan.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::Placeholder(Placeholder { id, field: None }) => {
                    let data_type = given(&id).unwrap_or(DataType::Utf8);
                    let field = Some(Arc::new(Field::new(&id, data_type, true)));
                    Ok(Transformed::yes(Expr::Placeholder(Placeholder { id, field })))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    })?;
    Ok(if typed.transformed { typed.data.recompute_schema()? } else { typed.data })
}

fn planned_types(plan: &LogicalPlan) -> Result<Vec<DataType>, QueryError> {
    let mut types = BTreeMap::new();
    for (id, data_type) in plan.get_parameter_types()? {
        let Some(place) = place(&id) else {
            let message = format!("parameter {id} has no number; write $1, $2 and so on");
            return Err(QueryError::new(ErrorKind::Parameters, message));
        };
        types.insert(place, data_type.unwrap_or(DataType::Utf8));
    }
    let count = types.last_key_value().map_or(0, |(place, _)| place + 1);
    Ok((0..count).map(|place| types.remove(&place).unwrap_or(DataType::Utf8)).collect())
}

/// Rows of an executed statement, batch by batch.
pub struct RowStream(SendableRecordBatchStream);

impl RowStream {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context).map(|next| next.map(|batch| batch.map_err(Into::into)))
    }
}
