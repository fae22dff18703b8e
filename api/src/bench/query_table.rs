//! Prints what `parx bench query` found.

use super::goals;
use super::ingest::PlantFacts;
use super::query::{Asked, Measured, Report};
use crate::command::say;

/// Prints a report as a table.
pub fn print(report: &Report) {
    let PlantFacts { signals, hours, seed } = report.plant;
    say(&format!(
        "{} samples: a plant of {signals} signals for {hours} h, seed {seed}; warm, every run \
         another signal or window",
        goals::number(report.points as f64)
    ));
    say("milliseconds; CPU of one who answers; 'same' means: the rows and sums of DuckDB\n");
    say(&format!(
        "{:<44}{:>9}{:>9}{:>9}{:>9}{:>7}{:>9}  same",
        "", "min", "median", "p99", "CPU", "runs", "rows"
    ));
    report.questions.iter().for_each(question);
    say("");
    goals::print(&report.goals);
    match &report.duckdb {
        Some(version) => say(&format!("\nbeside it DuckDB {version} on the same segments")),
        None => say("\nno DuckDB: no Python here has the module; name one with --duckdb PYTHON"),
    }
    if let Some(others) = report.others_cores {
        say(&format!("others used {others:.2} cores meanwhile"));
    }
    say(&format!("{}\n{}", report.machine.line(), report.disk.line()));
}

fn question(asked: &Asked) {
    let ratio = |times: Option<f64>| times.map_or("-".to_owned(), |times| format!("{times:.1}"));
    say(&format!(
        "{} {}: {} times as fast as DuckDB, {} times less CPU",
        asked.name,
        asked.words,
        ratio(asked.times_faster),
        ratio(asked.times_less_cpu)
    ));
    asked.ways.iter().chain(&asked.duckdb).for_each(line);
    for (way, said) in &asked.unknown {
        say(&format!("  {way}: not known to this build: {said}"));
    }
}

fn line(measured: &Measured) {
    let Measured { way, runs, min_ms, median_ms, p99_ms, cpu_ms, rows, same } = measured;
    let rows = rows.map_or("-".to_owned(), |rows| rows.to_string());
    let same = match same {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    say(&format!(
        "  {way:<42}{min_ms:>9.2}{median_ms:>9.2}{p99_ms:>9.2}{cpu_ms:>9.2}{runs:>7}{rows:>9}  {same}"
    ));
}
