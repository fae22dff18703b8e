//! Whether a fold tells what SQL asks of its rows.
//!
//! Pure. SQL's aggregates take bad values as any other; a fold's extremes and sums are those of
//! usable numbers. Both are the same where all numbers are usable, or where a filter leaves the bad
//! ones out.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use parx_compactor::Fold;
use parx_log::Quality;

use super::told::{Place, Told};
use crate::output::column;

/// Which rows are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Every row.
    All,
    /// Rows that are not bad.
    Fair,
    /// Rows that a fold cannot tell from others.
    Some,
}

impl Asks {
    /// What filters that all must hold ask about.
    pub(crate) fn of(predicates: &[Arc<dyn PhysicalExpr>], place: Place<'_>) -> Asks {
        match predicates {
            [] => Asks::All,
            all if all.iter().all(|predicate| is_fair(predicate, place)) => Asks::Fair,
            _ => Asks::Some,
        }
    }

    /// How many of the rows of `fold` are asked about.
    pub(crate) fn rows(self, fold: &Fold) -> u64 {
        match self {
            Asks::Fair => fold.fair,
            Asks::All | Asks::Some => fold.rows,
        }
    }

    /// True if `fold` tells all of `told` about the rows asked about.
    pub(crate) fn are_told(self, told: &[Told], fold: &Fold) -> bool {
        match self {
            Asks::Some => false,
            Asks::Fair if fold.fair < fold.rows => {
                let usable = fold.fair == fold.good && fold.carried.is_some();
                usable || told.iter().all(|told| fair_tells(*told, fold.odd))
            }
            Asks::All | Asks::Fair => {
                let usable = fold.values == fold.good;
                told.iter().all(|told| usable || of_rows(*told))
            }
        }
    }
}

/// True if a fold tells it whatever the values are.
fn of_rows(told: Told) -> bool {
    match told {
        Told::Rows | Told::Values | Told::Begin | Told::End => true,
        Told::Low | Told::High | Told::Sum | Told::Average => false,
        Told::First(_) | Told::Last(_) | Told::Weighted(..) => false,
    }
}

/// True if a fold with bad rows tells it of the others, of which `odd` are not finite and some may
/// have no number.
fn fair_tells(told: Told, odd: u64) -> bool {
    match told {
        Told::Rows | Told::Values => true,
        Told::Low | Told::High | Told::Sum | Told::Average => odd == 0,
        Told::First(ignores) | Told::Last(ignores) => ignores && odd == 0,
        Told::Begin | Told::End | Told::Weighted(..) => false,
    }
}

/// True for `quality < 0x80000000`, `quality <= 0x7FFFFFFF` and `status <> 'bad'`.
fn is_fair(predicate: &Arc<dyn PhysicalExpr>, place: Place<'_>) -> bool {
    let Some(binary) = predicate.downcast_ref::<BinaryExpr>() else { return false };
    let Some(literal) = binary.right().downcast_ref::<Literal>() else { return false };
    let bad = i64::from(Quality::BAD.0);
    match (place(binary.left()), binary.op(), literal.value()) {
        (Some(column::QUALITY), Operator::Lt, ScalarValue::Int64(Some(limit))) => *limit == bad,
        (Some(column::QUALITY), Operator::LtEq, ScalarValue::Int64(Some(limit))) => {
            *limit == bad - 1
        }
        (
            Some(column::STATUS),
            Operator::NotEq,
            ScalarValue::Utf8(Some(word)) | ScalarValue::Utf8View(Some(word)),
        ) => word == "bad",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use parx_compactor::Between;

    use super::*;
    use crate::functions::weighted::Weighted;

    fn fold(rows: &[(Option<f64>, Quality)]) -> Fold {
        let mut fold = Fold::default();
        for (time, (number, quality)) in (0..).zip(rows) {
            fold.push(time, *number, *quality);
        }
        fold
    }

    #[test]
    fn a_fold_tells_what_its_rows_would() {
        let (good, bad) = (Quality::GOOD, Quality::BAD);
        let usable = fold(&[(Some(1.0), good), (None, bad)]);
        let spoiled = fold(&[(Some(1.0), good), (Some(9.0), bad)]);
        let odd = fold(&[(Some(f64::NAN), good), (Some(9.0), bad)]);
        let mean = Told::Weighted(Weighted::TimeAverage, Between::Stepped);
        let words = fold(&[(Some(1.0), good), (None, good), (Some(9.0), bad)]);
        let older = Fold { carried: None, ..spoiled };
        let table: [(Asks, Told, &Fold, bool); 18] = [
            (Asks::All, Told::High, &usable, true),
            (Asks::All, Told::High, &spoiled, false),
            (Asks::All, Told::Rows, &spoiled, true),
            (Asks::All, Told::Values, &odd, true),
            (Asks::Fair, Told::High, &spoiled, true),
            (Asks::Fair, Told::High, &odd, false),
            (Asks::Fair, Told::Values, &odd, true),
            (Asks::Fair, Told::First(true), &spoiled, true),
            (Asks::Fair, Told::First(false), &spoiled, true),
            (Asks::Fair, Told::End, &spoiled, true),
            (Asks::Fair, Told::First(false), &words, false),
            (Asks::Fair, Told::First(true), &words, true),
            (Asks::Fair, mean, &spoiled, true),
            (Asks::Fair, mean, &words, false),
            (Asks::Fair, mean, &older, false),
            (Asks::All, mean, &spoiled, false),
            (Asks::Some, Told::Rows, &usable, false),
            (Asks::All, Told::Last(false), &usable, true),
        ];
        for (asks, told, fold, expected) in table {
            assert_eq!(asks.are_told(&[told], fold), expected, "{asks:?} {told:?} {fold:?}");
        }
    }
}
