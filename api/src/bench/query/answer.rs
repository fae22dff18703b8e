//! What comes of asking: how long it took, and whether two answers are the same.
//!
//! Pure.

use parx_query::arrow::array::{AsArray as _, RecordBatch};
use parx_query::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use serde::Serialize;

/// How far two sums may differ: their terms are added in another order.
const NEAR: f64 = 1e-9;

/// Rows and the sum of the numbers of an answer.
pub type Sum = (u64, f64);

/// One question in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which way, at which door.
    pub way: String,
    /// How often it was asked.
    pub runs: usize,
    /// The quickest, in milliseconds.
    pub min_ms: f64,
    /// Half of them are no slower.
    pub median_ms: f64,
    /// Ninety-nine of a hundred are no slower.
    pub p99_ms: f64,
    /// Processor time of one who answers, in milliseconds; none where it is not known.
    pub cpu_ms: Option<f64>,
    /// Memory of the server at its peak meanwhile, in MB; none for who is no server.
    pub memory_mb: Option<f64>,
    /// Rows of the last answer; none where an answer has no rows.
    pub rows: Option<u64>,
    /// True if every answer was that of DuckDB; none where they are not comparable.
    pub same: Option<bool>,
}

impl Measured {
    /// Runs in one way by their times, which it sorts.
    pub fn of(way: String, walls: &mut [f64], cpu_ms: Option<f64>, last: Option<Sum>) -> Measured {
        walls.sort_by(f64::total_cmp);
        let runs = walls.len();
        let at = |share: f64| {
            let rank = (share * runs as f64).ceil() as usize;
            walls.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Measured {
            way,
            runs,
            min_ms: at(0.0),
            median_ms: at(0.5),
            p99_ms: at(0.99),
            cpu_ms: cpu_ms.map(|all| all / (runs as f64).max(1.0)),
            memory_mb: None,
            rows: last.map(|(rows, _)| rows),
            same: None,
        }
    }
}

/// Rows and the sum of all finite numbers.
pub fn sum(batches: &[RecordBatch]) -> Sum {
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let mut total = 0.0;
    for column in batches.iter().flat_map(RecordBatch::columns) {
        let finite = |number: &f64| number.is_finite();
        total += match column.data_type() {
            DataType::Float64 => {
                let column = column.as_primitive::<Float64Type>();
                column.iter().flatten().filter(finite).sum::<f64>()
            }
            DataType::Int64 => {
                let column = column.as_primitive::<Int64Type>();
                column.iter().flatten().map(|number| number as f64).sum()
            }
            DataType::UInt64 => {
                let column = column.as_primitive::<UInt64Type>();
                column.iter().flatten().map(|number| number as f64).sum()
            }
            _ => 0.0,
        };
    }
    (rows, total)
}

/// True if two answers are the same.
pub fn near((rows, sum): Sum, (rows_expected, expected): Sum) -> bool {
    let most = NEAR * sum.abs().max(expected.abs()).max(1.0);
    rows == rows_expected && (sum - expected).abs() <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_up_to_the_order_of_adding() {
        let table = [
            ((3, 1.0), (3, 1.0 + 1e-12), true),
            ((3, 1e9), (3, 1e9 + 0.1), true),
            ((3, 1.0), (3, 1.001), false),
            ((3, 1.0), (4, 1.0), false),
        ];
        for (found, expected, same) in table {
            assert_eq!(near(found, expected), same, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn the_middle_and_the_edges_of_runs_are_runs() {
        let mut walls = vec![5.0, 1.0, 3.0];
        let measured = Measured::of("sql".to_owned(), &mut walls, Some(6.0), Some((7, 1.0)));
        let figures = (measured.min_ms, measured.median_ms, measured.p99_ms, measured.cpu_ms);
        assert_eq!(figures, (1.0, 3.0, 5.0, Some(2.0)));
        assert_eq!((measured.runs, measured.rows), (3, Some(7)));
    }
}
