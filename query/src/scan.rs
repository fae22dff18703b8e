//! The execution of a scan of samples: some signals for each partition, read as they are asked for.
//!
//! A batch is read on a blocking thread when the consumer wants it and not before: a suspended
//! portal holds no thread, and a dropped stream stops the reading.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
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
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use futures::stream;
use parx_log::Signal;

use crate::output::column;
use crate::reader::{Reader, Reading};
use crate::spread::blocking;

/// A scan of signals.
pub(crate) struct SignalScan {
    reading: Reading,
    parts: Vec<Vec<Arc<Signal>>>,
    projection: Arc<[usize]>,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

/// So many signals at most get a partition each, in which the order is that of time alone.
const PARTS_SINGLE_MAX: usize = 8;

impl SignalScan {
    pub(crate) fn try_new(
        reading: Reading,
        signals: &[Arc<Signal>],
        (projection, schema): (Arc<[usize]>, SchemaRef),
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<SignalScan> {
        let size = match signals.len() {
            0..=PARTS_SINGLE_MAX => 1,
            many => many.div_ceil(partitions.max(1)),
        };
        let mut parts: Vec<Vec<Arc<Signal>>> =
            signals.chunks(size).map(<[Arc<Signal>]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let properties = properties(&reading, &parts, &projection, &schema)?;
        Ok(SignalScan { reading, parts, projection, schema, limit, properties })
    }

    /// What is read.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The signals of all partitions.
    pub(crate) fn signals(&self) -> impl Iterator<Item = &Arc<Signal>> {
        self.parts.iter().flatten()
    }

    /// Which columns of samples its own are.
    pub(crate) fn projection(&self) -> &Arc<[usize]> {
        &self.projection
    }

    /// True if each partition has the rows of one signal.
    fn is_single(&self) -> bool {
        self.parts.iter().all(|signals| signals.len() <= 1)
    }

    /// The same rows of each signal from the newest to the oldest.
    fn reversed(&self) -> Result<SignalScan> {
        let reading = Reading { backwards: !self.reading.backwards, ..self.reading.clone() };
        let properties = properties(&reading, &self.parts, &self.projection, &self.schema)?;
        Ok(SignalScan {
            reading,
            parts: self.parts.clone(),
            projection: self.projection.clone(),
            schema: self.schema.clone(),
            limit: self.limit,
            properties,
        })
    }
}

/// In which order the rows of a partition come: by signal, then by time, then by sequence.
fn properties(
    reading: &Reading,
    parts: &[Vec<Arc<Signal>>],
    projection: &[usize],
    schema: &SchemaRef,
) -> Result<Arc<PlanProperties>> {
    let find = |place: usize| projection.iter().position(|column| *column == place);
    let expr = |place: usize| -> Option<Arc<dyn PhysicalExpr>> {
        let index = find(place)?;
        Some(Arc::new(Column::new(schema.field(index).name(), index)))
    };
    let single = parts.iter().all(|signals| signals.len() <= 1);
    let mut order = Vec::new();
    let mut equivalence = EquivalenceProperties::new(schema.clone());
    if single {
        let across = match parts.len() {
            0 | 1 => AcrossPartitions::Uniform(None),
            _ => AcrossPartitions::Heterogeneous,
        };
        let places = [column::SIGNAL, column::SIGNAL_ID].into_iter().filter_map(expr);
        equivalence.add_constants(places.map(|expr| ConstExpr::new(expr, across.clone())))?;
    }
    let options = SortOptions { descending: reading.backwards, nulls_first: reading.backwards };
    let leading = if single { &[][..] } else { &[column::SIGNAL_ID][..] };
    for place in leading.iter().chain(&[column::TIME, column::SEQUENCE]) {
        match expr(*place) {
            Some(expr) => order.push(PhysicalSortExpr::new(expr, options)),
            None => break,
        }
    }
    equivalence.add_ordering(order);
    Ok(Arc::new(PlanProperties::new(
        equivalence,
        Partitioning::UnknownPartitioning(parts.len()),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )))
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
        if self.reading.backwards {
            write!(f, ", backwards")?;
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

    /// By time from the newest on is possible where each partition has one signal: its rows are
    /// then read backwards.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        if !self.is_single() || self.reading.backwards {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let reversed = self.reversed()?;
        let satisfied = reversed.properties.eq_properties.ordering_satisfy(order.to_vec())?;
        Ok(match satisfied {
            true => SortOrderPushdownResult::Exact { inner: Arc::new(reversed) },
            false => SortOrderPushdownResult::Unsupported,
        })
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(SignalScan {
            reading: self.reading.clone(),
            parts: self.parts.clone(),
            projection: self.projection.clone(),
            schema: self.schema.clone(),
            limit,
            properties: self.properties.clone(),
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(signals) = self.parts.get(partition) else {
            return internal_err!("SignalScan has no partition {partition}");
        };
        let columns = (self.projection.clone(), self.schema.clone());
        let reader = Reader::new(self.reading.clone(), signals, columns, self.limit);
        let batches = stream::try_unfold(reader, |mut reader| async move {
            let read = blocking(move || reader.next().map(|batch| (batch, reader)));
            let (batch, reader) = read.await?;
            Ok(batch.map(|batch| (batch, reader)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }
}
