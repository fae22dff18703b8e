//! A filter on samples below their groups, answered before they are folded.
//!
//! Most filters ask for the quality alone, and most blocks have one quality: such a filter is
//! answered once a quality, not once a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::PhysicalExpr;
use parx_compactor::append_range;
use parx_log::{Catalog, Rows, Signal};

use crate::QueryError;
use crate::output::{self, column};

/// Filters that all must hold, over the columns `projection` of samples.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) predicates: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) projection: Arc<[usize]>,
    pub(crate) schema: SchemaRef,
    /// The columns of samples that they ask for.
    pub(crate) places: Vec<usize>,
    /// True if no predicate asks for more than quality and status.
    pub(crate) of_quality: bool,
}

impl Filter {
    /// True if one of these columns is asked for.
    pub(crate) fn asks(&self, places: &[usize]) -> bool {
        self.places.iter().any(|place| places.contains(place))
    }

    /// The rows of a block that pass.
    pub(crate) fn pass(&self, signal: &Arc<Signal>, rows: Rows) -> Result<Rows, QueryError> {
        if self.predicates.is_empty() || rows.is_empty() {
            return Ok(rows);
        }
        let passes = match self.of_quality {
            true => self.by_quality(signal, &rows)?,
            false => self.evaluate(signal, rows.clone())?,
        };
        Ok(kept(rows, &passes))
    }

    fn by_quality(&self, signal: &Arc<Signal>, rows: &Rows) -> Result<Vec<bool>, QueryError> {
        let mut known: BTreeMap<u32, bool> = BTreeMap::new();
        let mut last: Option<(u32, bool)> = None;
        let mut passes = Vec::with_capacity(rows.len());
        for (row, quality) in rows.qualities.iter().enumerate() {
            let pass = match last.filter(|(code, _)| code == quality) {
                Some((_, pass)) => pass,
                None => match known.get(quality) {
                    Some(pass) => *pass,
                    None => {
                        let mut one = Rows::default();
                        append_range(&mut one, rows, row..row + 1);
                        let pass = self.evaluate(signal, one)?.first().copied().unwrap_or(false);
                        known.insert(*quality, pass);
                        pass
                    }
                },
            };
            last = Some((*quality, pass));
            passes.push(pass);
        }
        Ok(passes)
    }

    fn evaluate(&self, signal: &Arc<Signal>, rows: Rows) -> Result<Vec<bool>, QueryError> {
        let count = rows.len();
        let pieces = vec![(signal.clone(), rows)];
        let unrecorded = |rows: &[u64]| Ok::<_, QueryError>(vec![None; rows.len()]);
        let (schema, nothing) = (self.schema.clone(), Catalog::default());
        let batch: RecordBatch =
            output::batch(&pieces, &self.projection, schema, &nothing, unrecorded)?;
        let mut passes = vec![true; count];
        for predicate in &self.predicates {
            let mask = predicate.evaluate(&batch)?.into_array(count)?;
            let Some(mask) = mask.as_boolean_opt() else { return Ok(vec![false; count]) };
            let mask = match mask.null_count() {
                0 => mask.values().clone(),
                _ => prep_null_mask_filter(mask).values().clone(),
            };
            passes.iter_mut().zip(mask.iter()).for_each(|(pass, holds)| *pass &= holds);
        }
        Ok(passes)
    }
}

/// True if a filter of these columns can be answered without what only the clock knows.
pub(crate) fn is_known(places: &[usize]) -> bool {
    !places.contains(&column::RECORDED_AT) && !places.contains(&column::DELETED_BY)
}

fn kept(rows: Rows, passes: &[bool]) -> Rows {
    if passes.iter().all(|pass| *pass) {
        return rows;
    }
    let mut kept = Rows::default();
    let mut row = 0;
    while row < passes.len() {
        let start = row;
        while passes.get(row) == Some(&true) {
            row += 1;
        }
        append_range(&mut kept, &rows, start..row);
        row += 1;
    }
    kept
}
