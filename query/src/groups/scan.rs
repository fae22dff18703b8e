//! The execution of groups over samples: some signals for each partition, folded while they are
//! read.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use futures::{Stream, TryStreamExt, stream};
use parx_log::{Signal, SignalId, Value};

use super::group::Group;
use super::keys::Key;
use super::reader::{Asked, GroupReader, Named};
use crate::spread::{Asker, Waiting, blocking, spread};
use crate::{Engine, session};

/// Parts that many signals are cut into for each partition that a query may have, so that none is
/// waited for.
const PARTS: usize = 2;
/// So many signals at most get a partition each.
const PARTS_SINGLE_MAX: usize = 8;

/// Groups over samples.
pub(crate) struct GroupScan {
    asked: Arc<Asked>,
    /// The signals of each partition; all in one where they come to a single row.
    parts: Vec<Vec<Arc<Signal>>>,
    width: usize,
    properties: Arc<PlanProperties>,
}

impl GroupScan {
    pub(crate) fn new(asked: Asked, mut signals: Vec<Arc<Signal>>, width: usize) -> GroupScan {
        let by_id = asked.keys.iter().any(|key| matches!(key, Key::SignalId));
        if !by_id {
            signals.sort_by(|a, b| a.definition.tag.cmp(&b.definition.tag));
        }
        let size = match signals.len() {
            _ if asked.keys.is_empty() => signals.len(),
            0..=PARTS_SINGLE_MAX => 1,
            many => many.div_ceil(width.max(1) * PARTS),
        };
        let mut parts: Vec<_> = signals.chunks(size.max(1)).map(<[_]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let properties = Arc::new(PlanProperties::new(
            equivalence(&asked, by_id, signals.len() <= 1),
            Partitioning::UnknownPartitioning(parts.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        GroupScan { asked: Arc::new(asked), parts, width, properties }
    }
}

/// In which order the groups of a partition come: by signal, then by bucket.
fn equivalence(asked: &Asked, by_id: bool, one_signal: bool) -> EquivalenceProperties {
    let mut equivalence = EquivalenceProperties::new(asked.schema.clone());
    let find = |wanted: fn(&Key) -> bool| {
        let index = asked.keys.iter().position(wanted)?;
        let name = asked.schema.field(index).name();
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, index));
        Some(PhysicalSortExpr::new_default(column))
    };
    let signal = match by_id {
        true => find(|key| matches!(key, Key::SignalId)),
        false => find(|key| matches!(key, Key::Signal)),
    };
    let bucket = find(|key| matches!(key, Key::Bucket(_)));
    if one_signal {
        equivalence.add_ordering(bucket.clone());
    }
    equivalence.add_ordering(signal.into_iter().chain(bucket));
    equivalence
}

impl fmt::Debug for GroupScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for GroupScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: usize = self.parts.iter().map(Vec::len).sum();
        let segments = self.asked.reading.segments().count();
        write!(f, "GroupScan: signals={signals}, segments={segments}")?;
        write!(f, ", tails={}", self.asked.reading.snapshot.tails.len())?;
        match self.asked.tier() {
            Some((tier, _)) => write!(f, ", folds={tier:?}")?,
            None => write!(f, ", folds=none")?,
        }
        write!(f, ", by={:?}, told={:?}", self.asked.keys, self.asked.told)?;
        match self.asked.filter.predicates.as_slice() {
            [] => Ok(()),
            predicates => write!(f, ", filter={predicates:?}"),
        }
    }
}

impl ExecutionPlan for GroupScan {
    fn name(&self) -> &'static str {
        "GroupScan"
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
        if children.is_empty() { Ok(self) } else { internal_err!("GroupScan has no children") }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(signals) = self.parts.get(partition) else {
            return internal_err!("GroupScan has no partition {partition}");
        };
        let (asked, signals) = (self.asked.clone(), signals.clone());
        let schema: SchemaRef = asked.schema.clone();
        if asked.keys.is_empty() {
            let one = stream::once(all_in_one(asked, signals, self.width));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, one)));
        }
        if asked.is_of_last() && asked.reading.times.1 == i64::MAX {
            let engine = session::engine_of(context.session_config())?;
            let one = stream::once(last_rows(engine, asked, signals));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, one)));
        }
        let groups = groups(asked, &signals);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, groups)))
    }
}

/// The groups of some signals, batch by batch.
fn groups(
    asked: Arc<Asked>,
    signals: &[Arc<Signal>],
) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
    let waiting = Waiting::default();
    let reader = GroupReader::new(asked, signals, waiting.asker());
    stream::try_unfold((reader, waiting), |(mut reader, waiting)| async move {
        let read = blocking(move || reader.next().map(|batch| (batch, reader)));
        let (batch, reader) = read.await?;
        Ok(batch.map(|batch| (batch, (reader, waiting))))
    })
}

/// One row for all signals together, also if none has any.
async fn all_in_one(
    asked: Arc<Asked>,
    signals: Vec<Arc<Signal>>,
    width: usize,
) -> Result<RecordBatch> {
    let (reading, gather) = (asked.clone(), asked.gather());
    let whole = move |signal: Arc<Signal>, asker: &Asker| {
        Ok(reading.whole(&gather, &signal, asker)?.map(|group| (signal, 0, group)))
    };
    let all: Vec<Option<Named>> = spread(signals, width, whole).try_collect().await?;
    let mut all = all.into_iter().flatten();
    let group = match all.next() {
        Some((_, _, first)) => all.fold(first, |joined, (_, _, next)| joined.beside(&next)),
        None => Group::default(),
    };
    let nobody =
        Arc::new(Signal { id: SignalId(0), definition: Default::default(), retired: true });
    Ok(asked.batch(&[(nobody, 0, group)])?)
}

/// The last row of each signal that has one in time.
async fn last_rows(
    engine: Engine,
    asked: Arc<Asked>,
    signals: Vec<Arc<Signal>>,
) -> Result<RecordBatch> {
    let ids: Vec<SignalId> = signals.iter().map(|signal| signal.id).collect();
    let last = engine.last_values(asked.reading.snapshot.clone(), &ids).await?;
    let groups = signals.into_iter().zip(last).filter_map(|(signal, last)| {
        let sample = last?.sample;
        let number = sample.value.as_ref().and_then(Value::number);
        let inside = sample.time.micros() >= asked.reading.times.0;
        inside.then(|| (signal, 0, Group::of_one(sample.time.micros(), number)))
    });
    let groups: Vec<Named> = groups.collect();
    Ok(asked.batch(&groups)?)
}
