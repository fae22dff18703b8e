//! Table functions: `buckets`, `align` and `runs`, answered by the direct calls.
//!
//! Their arguments are constants, known when a query is planned; what they read is what the query's
//! snapshot holds.

mod align;
mod arguments;
mod buckets;
mod runs;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Float64Array, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parx_log::Snapshot;

use crate::{Engine, QueryError, session};

/// Rows of one signal after another, as batches.
type Batches = BoxStream<'static, Result<RecordBatch, QueryError>>;

/// One call of a table function with its arguments.
trait Call: fmt::Debug + Send + Sync + 'static {
    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// Its rows as `snapshot` has them.
    fn rows(&self, engine: &Engine, snapshot: Arc<Snapshot>) -> Result<Batches, QueryError>;
}

/// Makes a call out of arguments.
type Prepare = fn(&arguments::Arguments<'_>) -> Result<Arc<dyn Call>, QueryError>;

/// Every table function by its name.
pub(crate) fn table_functions() -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    let functions: [(&str, &str, Prepare); 3] = [
        ("buckets", "signals, from, to, number of buckets", buckets::prepare),
        ("align", "signals, from, to, step [, longest age]", align::prepare),
        ("runs", "signal, from, to, 'condition'", runs::prepare),
    ];
    let function = |(name, usage, prepare)| -> (&str, Arc<dyn TableFunctionImpl>) {
        (name, Arc::new(Function { name, usage, prepare }))
    };
    functions.into_iter().map(function).collect()
}

struct Function {
    name: &'static str,
    usage: &'static str,
    prepare: Prepare,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.usage)
    }
}

impl TableFunctionImpl for Function {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let arguments = arguments::Arguments::new(self.name, self.usage, &args)?;
        Ok(Arc::new(CallTable((self.prepare)(&arguments)?)))
    }
}

/// The rows of a call as a table.
#[derive(Debug)]
struct CallTable(Arc<dyn Call>);

#[async_trait]
impl TableProvider for CallTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let engine = session::engine(state)?;
        let snapshot = session::snapshot(state, engine.log());
        let (call, schema) = (self.0.clone(), self.0.schema());
        let rows = CallRows { call, engine, snapshot, schema: schema.clone() };
        let table = StreamingTable::try_new(schema, vec![Arc::new(rows)])?;
        table.scan(state, projection, filters, limit).await
    }
}

struct CallRows {
    call: Arc<dyn Call>,
    engine: Engine,
    snapshot: Arc<Snapshot>,
    schema: SchemaRef,
}

impl fmt::Debug for CallRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

impl PartitionStream for CallRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = match self.call.rows(&self.engine, self.snapshot.clone()) {
            Ok(rows) => rows,
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows.map_err(Into::into)))
    }
}

/// A column of times.
fn times(times: impl Iterator<Item = i64>) -> Arc<TimestampMicrosecondArray> {
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// A column of numbers that may be missing.
fn numbers(numbers: impl Iterator<Item = Option<f64>>) -> Arc<Float64Array> {
    Arc::new(numbers.collect())
}
