//! The execution of a scan of samples: some signals for each partition, read as they are asked for.
//!
//! A batch is read on a blocking thread when the consumer wants it and not before: a suspended portal
//! holds no thread, and a dropped stream stops the reading.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::equivalence::ConstExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    AcrossPartitions, EquivalenceProperties, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use futures::stream;
use parx_log::Signal;

use crate::output::column;
use crate::reader::{Reader, Reading};
use crate::{ErrorKind, QueryError};

/// A scan of signals.
pub(crate) struct SignalScan {
    reading: Reading,
    parts: Vec<Vec<Arc<Signal>>>,
    projection: Arc<[usize]>,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl SignalScan {
    pub(crate) fn try_new(
        reading: Reading,
        signals: Vec<Arc<Signal>>,
        (projection, schema): (Arc<[usize]>, SchemaRef),
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<SignalScan> {
        let single = signals.len() == 1;
        let size = signals.len().div_ceil(partitions.max(1)).max(1);
        let mut parts: Vec<Vec<Arc<Signal>>> =
            signals.chunks(size).map(<[Arc<Signal>]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let order = ordering(&projection, single, &schema)?;
        let properties = PlanProperties::new(
            order,
            Partitioning::UnknownPartitioning(parts.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties);
        Ok(SignalScan { reading, parts, projection, schema, limit, properties })
    }
}

/// In which order the rows of a partition come: by signal, then by time, then by sequence.
fn ordering(
    projection: &[usize],
    single: bool,
    schema: &SchemaRef,
) -> Result<EquivalenceProperties> {
    let find = |place: usize| projection.iter().position(|column| *column == place);
    let expr = |place: usize| -> Option<Arc<dyn PhysicalExpr>> {
        let index = find(place)?;
        Some(Arc::new(Column::new(schema.field(index).name(), index)))
    };
    let mut order = Vec::new();
    let mut properties = EquivalenceProperties::new(schema.clone());
    if single {
        let places = [column::SIGNAL, column::SIGNAL_ID].into_iter().filter_map(expr);
        properties.add_constants(
            places.map(|expr| ConstExpr::new(expr, AcrossPartitions::Uniform(None))),
        )?;
    }
    let leading = if single { &[][..] } else { &[column::SIGNAL_ID][..] };
    for place in leading.iter().chain(&[column::TIME, column::SEQUENCE]) {
        match expr(*place) {
            Some(expr) => order.push(PhysicalSortExpr::new_default(expr)),
            None => break,
        }
    }
    properties.add_ordering(order);
    Ok(properties)
}

impl fmt::Debug for SignalScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for SignalScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: usize = self.parts.iter().map(Vec::len).sum();
        let segments = self.reading.segments().count();
        let (from, to) = self.reading.times;
        write!(f, "SignalScan: signals={signals}, segments={segments}")?;
        write!(f, ", tails={}", self.reading.snapshot.tails.len())?;
        if from != i64::MIN {
            write!(f, ", from={}", parx_log::Timestamp::from_micros(from))?;
        }
        if to != i64::MAX {
            write!(f, ", to={}", parx_log::Timestamp::from_micros(to))?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for SignalScan {
    fn name(&self) -> &'static str {
        "SignalScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("SignalScan has no children") }
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(signals) = self.parts.get(partition) else {
            return internal_err!("SignalScan has no partition {partition}");
        };
        let columns = (self.projection.clone(), self.schema.clone());
        let reader = Reader::new(self.reading.clone(), signals, columns, self.limit);
        let batches = stream::try_unfold(reader, |mut reader| async move {
            let read = tokio::task::spawn_blocking(move || reader.next().map(|b| (b, reader)));
            let done = read.await.map_err(|error| {
                QueryError::new(ErrorKind::Internal, format!("a reading thread failed: {error}"))
            })?;
            let (batch, reader) = done?;
            Ok(batch.map(|batch| (batch, reader)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }
}
