//! Prints what `parx bench query` found.

use crate::bench::goals;
use crate::bench::ingest::PlantFacts;
use crate::bench::query::answer::Measured;
use crate::bench::query::year::{POINTS_OF_GOAL, Year, YearWay};
use crate::bench::query::{Asked, Report};
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
        "{:<34}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>9}  same",
        "", "min", "median", "p99", "CPU", "MB", "runs", "rows"
    ));
    report.questions.iter().for_each(question);
    report.year.iter().for_each(year);
    say("");
    goals::print(&report.goals);
    match &report.duckdb {
        Some(version) => say(&format!("\nbeside it DuckDB {version} on the same segments")),
        None => say("\nno DuckDB: no Python here has the module; name one with --python PYTHON"),
    }
    for taken in &report.beside {
        let bytes = taken
            .bytes_per_point
            .map_or(String::new(), |bytes| format!(", {bytes:.1} bytes a point"));
        say(&format!(
            "{} took {} points at {} a second{bytes}",
            taken.engine,
            goals::number(taken.points as f64),
            goals::number(taken.points_per_second)
        ));
    }
    if let Some(others) = report.others_cores {
        say(&format!("others used {others:.2} cores meanwhile"));
    }
    say(&format!("{}\n{}", report.machine.line(), report.disk.line()));
}

fn year(year: &Year) {
    let Year { points, signals, bytes, ready_s, ways } = year;
    let share = *points as f64 / POINTS_OF_GOAL as f64;
    say(&format!(
        "\na year of one signal among {} points of {signals} signals, {share:.3} of what the goal \
        is for; {} bytes; ready after {ready_s:.2} s",
        goals::number(*points as f64),
        goals::number(*bytes as f64),
    ));
    for YearWay { way, first_ms, second_ms, rows } in ways {
        say(&format!(
            "  {way:<20} first answer {first_ms:.1} ms, about another signal {second_ms:.1} ms, \
             {rows} rows"
        ));
    }
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
    asked.ways.iter().chain(&asked.duckdb).chain(&asked.beside).for_each(line);
    for (way, said) in &asked.refused {
        say(&format!("  {way}: refused: {said}"));
    }
}

fn line(measured: &Measured) {
    let Measured { way, runs, min_ms, median_ms, p99_ms, cpu_ms, memory_mb, rows, same } = measured;
    let cpu = cpu_ms.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
    let memory = memory_mb.map_or("-".to_owned(), |mb| format!("{mb:.0}"));
    let rows = rows.map_or("-".to_owned(), |rows| rows.to_string());
    let same = match same {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    say(&format!(
        "  {way:<32}{min_ms:>9.2}{median_ms:>9.2}{p99_ms:>9.2}{cpu:>9}{memory:>7}{runs:>7}\
         {rows:>9}  {same}"
    ));
}
