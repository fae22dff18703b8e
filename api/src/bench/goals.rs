//! What is wanted of the figures, for the large plant on two cores, and what the best of ten other
//! engines reached on such a machine.

use serde::Serialize;

use crate::command::say;

/// A row of the table of goals.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// What is measured.
    pub row: &'static str,
    /// What is wanted.
    pub goal: f64,
    /// The unit of goal and figure.
    pub unit: &'static str,
    /// True where more is better.
    pub more: bool,
    /// What the best of ten reached, in words.
    pub best: &'static str,
}

const fn most(row: &'static str, goal: f64, unit: &'static str, best: &'static str) -> Goal {
    Goal { row, goal, unit, more: false, best }
}

const fn least(row: &'static str, goal: f64, unit: &'static str, best: &'static str) -> Goal {
    Goal { row, goal, unit, more: true, best }
}

/// Bulk ingest over Flight while compaction runs.
pub const FLIGHT: Goal =
    least("bulk ingest, Flight", 6_000_000.0, "points/s", "2,100,000 in process, 703,000 durable");
/// Processor time of the server for it, compaction included.
pub const FLIGHT_CPU: Goal = most("bulk ingest, Flight, CPU", 0.3, "µs/point", "0.44");
/// Line protocol over HTTP.
pub const LINE: Goal = least("line protocol, HTTP", 3_000_000.0, "points/s", "420,000");
/// One client that waits for each batch of 1000 points.
pub const ACKNOWLEDGED: Goal =
    least("1000-point batches, acknowledged", 1_000_000.0, "points/s", "360,000, not durable");
/// How long it waits.
pub const ACKNOWLEDGED_P99: Goal = most("the same, acknowledgement p99", 5.0, "ms", "8.2");
/// From a write to the row in a query's answer.
pub const VISIBLE: Goal = most("write to visible in SQL, p50", 2.0, "ms", "4");
/// Bytes written for each byte of the log.
pub const AMPLIFICATION: Goal = most("log write amplification", 1.1, "", "-");
/// Bytes of the segments.
pub const BYTES: Goal =
    most("bytes a point after compaction", 2.5, "bytes", "2.5 in ms only, 4.3 lossless");
/// Memory of the server.
pub const MEMORY: Goal = most("memory at its peak", 400.0, "MB", "130");
/// From the start after a kill to the first answer, with 1 GiB of log.
pub const RESTART: Goal = most("restart with 1 GiB of log", 3.0, "s", "-");
/// The first answer for a year of one signal.
pub const YEAR: Goal = most("first answer, a year of one among 10 G points", 100.0, "ms", "-");

/// A figure beside its goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What was measured.
    pub row: String,
    /// What came out.
    pub figure: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// What is wanted.
    pub goal: f64,
    /// True if it is as wanted.
    pub met: bool,
    /// What the best of ten reached, in words.
    pub best: &'static str,
}

impl Goal {
    /// A figure beside this goal.
    pub fn judge(&self, figure: f64) -> Judged {
        let met = if self.more { figure >= self.goal } else { figure <= self.goal };
        let Goal { row, goal, unit, best, .. } = *self;
        Judged { row: row.to_owned(), figure, unit, goal, met, best }
    }
}

/// Prints figures beside their goals.
pub fn print(judged: &[Judged]) {
    let width = judged.iter().map(|of| of.row.chars().count()).max().unwrap_or(0);
    let (figure, goal) = ("figure", "goal");
    say(&format!("{:<width$}  {figure:>12}  {goal:>12}  {:<8}         best of ten", "", ""));
    for Judged { row, figure, unit, goal, met, best } in judged {
        let word = if *met { "met" } else { "missed" };
        let (figure, goal) = (number(*figure), number(*goal));
        say(&format!("{row:<width$}  {figure:>12}  {goal:>12}  {unit:<8}  {word:<6} {best}"));
    }
    say("the goals are for the large plant on two cores with nothing else running");
}

/// A number with as many digits as mean something.
pub fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1_000.0 => thousands(figure.round() as i64),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_meets_its_goal_from_the_right_side() {
        let table = [(FLIGHT, 6_000_000.0, true), (FLIGHT, 5_999_999.0, false)];
        let table = table.into_iter().chain([(VISIBLE, 2.0, true), (VISIBLE, 2.1, false)]);
        for (goal, figure, met) in table {
            assert_eq!(goal.judge(figure).met, met, "{} {figure}", goal.row);
        }
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let table = [
            (6_123_456.7, "6,123,457"),
            (-1_234.0, "-1,234"),
            (400.2, "400"),
            (12.34, "12.3"),
            (2.345, "2.35"),
            (0.1234, "0.123"),
        ];
        for (figure, expected) in table {
            assert_eq!(number(figure), expected);
        }
    }
}
