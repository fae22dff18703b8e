//! What a filter says before a row is read: which times it can let through, or which signals.
//!
//! Pure. Only filters that are answered exactly are claimed; every other stays with the planner.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator};

/// Times from the first to the second, both included, in microseconds since 1970.
pub(crate) type TimeRange = (i64, i64);

/// Every time.
pub(crate) const ALL_TIMES: TimeRange = (i64::MIN, i64::MAX);

/// What both ranges let through. Empty if the first is above the second.
pub(crate) fn both(a: TimeRange, b: TimeRange) -> TimeRange {
    (a.0.max(b.0), a.1.min(b.1))
}

/// True if the filter is of `signal` and `signal_id` alone and says the same at every call.
pub(crate) fn is_of_signals(filter: &Expr) -> bool {
    let columns = filter.column_refs();
    let known = |column: &&Column| column.name == "signal" || column.name == "signal_id";
    if columns.is_empty() || !columns.iter().all(known) || filter.is_volatile() {
        return false;
    }
    let mut plain = true;
    let walk = filter.apply(|expr| {
        let foreign = matches!(
            expr,
            Expr::Placeholder(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
        );
        plain &= !foreign;
        Ok(TreeNodeRecursion::Continue)
    });
    plain && walk.is_ok()
}

/// The times that the filter lets through, if it is a comparison of `time` with a constant.
pub(crate) fn time_range(filter: &Expr) -> Option<TimeRange> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(both(time_range(left)?, time_range(right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if is_time(left) {
                compared(*op, nanos(right)?)
            } else if is_time(right) {
                compared(op.swap()?, nanos(left)?)
            } else {
                None
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) if is_time(expr) => {
            let low = compared(Operator::GtEq, nanos(low)?)?;
            Some(both(low, compared(Operator::LtEq, nanos(high)?)?))
        }
        _ => None,
    }
}

/// The column `time`, bare or in another resolution of the same time.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == "time",
        Expr::Cast(Cast { expr, field, .. }) => {
            matches!(field.data_type(), DataType::Timestamp(_, Some(_))) && is_time(expr)
        }
        _ => false,
    }
}

/// A constant point in time, in nanoseconds since 1970.
fn nanos(expr: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::TimestampSecond(Some(x), _) => Some(i128::from(*x) * 1_000_000_000),
        ScalarValue::TimestampMillisecond(Some(x), _) => Some(i128::from(*x) * 1_000_000),
        ScalarValue::TimestampMicrosecond(Some(x), _) => Some(i128::from(*x) * 1000),
        ScalarValue::TimestampNanosecond(Some(x), _) => Some(i128::from(*x)),
        _ => None,
    }
}

/// The microseconds that stand in relation `op` to a time in nanoseconds.
fn compared(op: Operator, nanos: i128) -> Option<TimeRange> {
    let floor = nanos.div_euclid(1000);
    let exact = nanos.rem_euclid(1000) == 0;
    let ceiling = if exact { floor } else { floor + 1 };
    let (low, high) = match op {
        Operator::Eq if exact => (floor, floor),
        Operator::Eq => (1, 0),
        Operator::Gt => (floor + 1, i128::MAX),
        Operator::GtEq => (ceiling, i128::MAX),
        Operator::Lt => (i128::MIN, ceiling - 1),
        Operator::LtEq => (i128::MIN, floor),
        _ => return None,
    };
    let clamp = |x: i128| x.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    if low > i128::from(i64::MAX) || high < i128::from(i64::MIN) {
        return Some((1, 0));
    }
    Some((clamp(low), clamp(high)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    fn at(nanos: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())))
    }

    #[test]
    fn q2_a_comparison_of_time_gives_the_microseconds_that_pass_it() {
        let time = || col("samples.time");
        let (min, max) = ALL_TIMES;
        let table = [
            (time().gt(at(2000)), Some((3, max))),
            (time().gt(at(2001)), Some((3, max))),
            (time().gt_eq(at(2000)), Some((2, max))),
            (time().gt_eq(at(2001)), Some((3, max))),
            (time().lt(at(2000)), Some((min, 1))),
            (time().lt(at(2001)), Some((min, 2))),
            (time().lt_eq(at(2001)), Some((min, 2))),
            (time().lt_eq(at(-1)), Some((min, -1))),
            (time().eq(at(2000)), Some((2, 2))),
            (time().eq(at(2001)), Some((1, 0))),
            (at(2000).lt(time()), Some((3, max))),
            (time().between(at(1000), at(3000)), Some((1, 3))),
            (time().gt(at(1000)).and(time().lt(at(5000))), Some((2, 4))),
            (time().not_eq(at(2000)), None),
            (time().gt(at(1)).or(time().lt(at(0))), None),
            (col("value").gt(at(2000)), None),
        ];
        for (filter, expected) in table {
            assert_eq!(time_range(&filter), expected, "Q2: {filter}");
        }
    }

    #[test]
    fn only_filters_of_tag_and_id_are_run_over_the_catalog() {
        let table = [
            (col("signal").eq(lit("a")), true),
            (col("signal").like(lit("a%")).or(col("signal_id").gt(lit(3))), true),
            (col("signal").eq(lit("a")).or(col("value").gt(lit(3))), false),
            (lit(true), false),
            (col("signal").eq(datafusion::logical_expr::placeholder("$1")), false),
        ];
        for (filter, expected) in table {
            assert_eq!(is_of_signals(&filter), expected, "{filter}");
        }
    }
}
