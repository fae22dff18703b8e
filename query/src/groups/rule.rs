//! Recognises plans that `GroupScan` answers, and puts it in their place.
//!
//! Runs before the planner spreads and sorts anything. A plan that asks for anything else, be it a
//! single aggregate, stays as it is.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use parx_compactor::{Versions, Wanted};

use super::enough::Asks;
use super::filter::{Filter, is_known};
use super::keys::Key;
use super::reader::Asked;
use super::scan::GroupScan;
use super::told::Told;
use crate::output::column;
use crate::reader::Reading;
use crate::scan::SignalScan;

/// Puts `GroupScan` wherever it gives the same answer.
#[derive(Debug)]
pub(crate) struct GroupSamples;

impl PhysicalOptimizerRule for GroupSamples {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let width = config.execution.target_partitions;
        let replaced = plan.transform_down(|plan| {
            Ok(match grouped(&plan, width) {
                Some(scan) => Transformed::yes(Arc::new(scan) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(plan),
            })
        })?;
        Ok(replaced.data)
    }

    fn name(&self) -> &'static str {
        "GroupSamples"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scan that gives the rows of `plan`, if there is one.
fn grouped(plan: &Arc<dyn ExecutionPlan>, width: usize) -> Option<GroupScan> {
    let top = plan.downcast_ref::<AggregateExec>()?;
    let bottom = match top.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => top,
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let bottom = top.input().downcast_ref::<AggregateExec>()?;
            Some(bottom).filter(|bottom| *bottom.mode() == AggregateMode::Partial)?
        }
        _ => return None,
    };
    let plain = |aggregate: &AggregateExec| {
        aggregate.limit_options().is_none()
            && !aggregate.group_expr().has_grouping_set()
            && aggregate.filter_expr().iter().all(Option::is_none)
    };
    if !plain(top) || !plain(bottom) {
        return None;
    }
    let below = Below::of(bottom.input())?;
    let place = |expr: &Arc<dyn PhysicalExpr>| below.place(expr);
    let groups = bottom.group_expr().expr().iter();
    let keys: Option<Vec<Key>> =
        groups.map(|(expr, _)| Key::of(&below.resolve(expr.clone())?, &place)).collect();
    let told: Option<Vec<Told>> = bottom
        .aggr_expr()
        .iter()
        .map(|aggregate| {
            let resolved = |expr: &Arc<dyn PhysicalExpr>| place(&below.resolve(expr.clone())?);
            Told::of(aggregate, &resolved)
        })
        .collect();
    let (keys, told) = (keys?, told?);
    let scan = below.scan;
    if !answers(scan, &keys, &told) {
        return None;
    }
    let filter = below.filter()?;
    let wanted = Wanted {
        values: !told.iter().all(|told| told.is_of_times())
            || filter.asks(&[column::VALUE, column::VALUE_INT, column::VALUE_TEXT]),
        quality: filter.asks(&[column::QUALITY, column::STATUS]),
        sequence: filter.asks(&[column::SEQUENCE]),
    };
    let reading = Reading { wanted, ..scan.reading().clone() };
    let signals = scan.signals().cloned().collect();
    let schema = top.schema();
    let asks = Asks::of(&filter.predicates, &place);
    Some(GroupScan::new(Asked { reading, keys, told, filter, asks, schema }, signals, width))
}

/// True if groups by these keys can tell it of this scan.
fn answers(scan: &SignalScan, keys: &[Key], told: &[Told]) -> bool {
    let buckets = keys.iter().filter(|key| matches!(key, Key::Bucket(_))).count();
    let by_signal = keys.iter().any(|key| matches!(key, Key::Signal | Key::SignalId));
    let one = scan.signals().count() <= 1;
    scan.reading().versions == Versions::Newest
        && scan.fetch().is_none()
        && buckets <= 1
        && match keys.is_empty() {
            true => one || told.iter().all(|told| told.is_of_many()),
            false => one || by_signal,
        }
}

/// What lies below an aggregate: filters and projections over a scan of samples.
struct Below<'a> {
    scan: &'a SignalScan,
    /// What the plan's columns are in terms of the scan's, from the top down.
    projections: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    /// Filters in terms of the scan's columns.
    predicates: Vec<Arc<dyn PhysicalExpr>>,
}

impl<'a> Below<'a> {
    fn of(plan: &'a Arc<dyn ExecutionPlan>) -> Option<Below<'a>> {
        if let Some(scan) = plan.downcast_ref::<SignalScan>() {
            return Some(Below { scan, projections: Vec::new(), predicates: Vec::new() });
        }
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            let mut below = Below::of(projection.input())?;
            let exprs = projection.expr().iter().map(|made| made.expr.clone()).collect();
            below.projections.insert(0, exprs);
            return Some(below);
        }
        let filter = plan.downcast_ref::<FilterExec>()?;
        if filter.fetch().is_some() {
            return None;
        }
        let mut below = Below::of(filter.input())?;
        for predicate in split_conjunction(filter.predicate()) {
            below.predicates.push(below.resolve(predicate.clone())?);
        }
        if let Some(places) = filter.projection() {
            let schema = filter.input().schema();
            let column = |place: &usize| -> Arc<dyn PhysicalExpr> {
                Arc::new(Column::new(schema.field(*place).name(), *place))
            };
            below.projections.insert(0, places.iter().map(column).collect());
        }
        Some(below)
    }

    /// An expression over the plan's columns as one over the scan's.
    fn resolve(&self, expr: Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
        let step = |expr: Arc<dyn PhysicalExpr>, exprs: &Vec<Arc<dyn PhysicalExpr>>| {
            let replaced = expr.transform_up(|expr| {
                let column = expr.downcast_ref::<Column>().map(Column::index);
                Ok(match column.and_then(|index| exprs.get(index)) {
                    Some(below) => Transformed::yes(below.clone()),
                    None => Transformed::no(expr),
                })
            });
            Some(replaced.ok()?.data)
        };
        self.projections.iter().try_fold(expr, step)
    }

    /// Which column of samples an expression over the scan's columns is, if it is one.
    fn place(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
        let column = expr.downcast_ref::<Column>()?;
        self.scan.projection().get(column.index()).copied()
    }

    /// The filters together; nothing if one asks for what is not read.
    fn filter(&self) -> Option<Filter> {
        let columns = self.predicates.iter().flat_map(collect_columns);
        let places: Vec<usize> = columns
            .filter_map(|column| self.scan.projection().get(column.index()).copied())
            .collect();
        let of_quality =
            places.iter().all(|place| [column::QUALITY, column::STATUS].contains(place));
        is_known(&places).then(|| Filter {
            predicates: self.predicates.clone(),
            projection: self.scan.projection().clone(),
            schema: self.scan.schema(),
            places,
            of_quality,
        })
    }
}
