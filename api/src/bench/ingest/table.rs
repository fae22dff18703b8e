//! Prints what `parx bench ingest` found.

use std::collections::BTreeMap;

use crate::bench::figures::Spread;
use crate::bench::goals::{self, number};
use crate::bench::ingest::settle::Size;
use crate::bench::ingest::{PlantFacts, Report, Run};
use crate::command::say;

/// Prints a report as a table.
pub fn print(report: &Report) {
    let PlantFacts { signals, hours, seed } = report.plant;
    say(&format!("a plant of {signals} signals for {hours} h, seed {seed}\n"));
    report.runs.iter().for_each(print_run);
    if let Some(restart) = &report.restart {
        let mib = |bytes: u64| number(bytes as f64 / f64::from(1 << 20));
        say(&format!(
            "restart after kill -9 with {} points, {} MiB of log: ready in {:.2} s, first answer \
             after {:.2} s, {} MB; the disk wrote {} MiB\n",
            number(restart.points as f64),
            mib(restart.log_bytes),
            restart.ready_s,
            restart.answered_s,
            number(restart.memory_mb),
            mib(restart.written_bytes),
        ));
    }
    goals::print(&report.goals);
    say(&format!("\n{}\n{}", report.machine.line(), report.disk.line()));
}

fn print_run(run: &Run) {
    let Run { door, connections, batch, .. } = run;
    say(&format!("{door}: {connections} connection(s), {batch} points a batch"));
    let line = |name: &str, figure: String| say(&format!("  {name:<44}{figure:>16}"));
    line("points", number(run.points as f64));
    line("points/s until the last acknowledgement", number(run.points_per_second));
    line("server CPU, µs a point, until then", format!("{:.3}", run.cpu_us_per_point));
    line("the same, compaction included", format!("{:.3}", run.cpu_us_per_point_compacted));
    line("compaction ends after, s", format!("{:.1}", run.compaction_s));
    if run.behind > 0 {
        line("refused for a while, compaction behind", number(run.behind as f64));
    }
    line("memory at its peak, MB", number(run.memory_mb));
    line("bytes written a point, log and segments", format!("{:.2}", run.written_bytes_per_point));
    if let Some(Spread { p50, p99, .. }) = run.ack_ms {
        line("acknowledgement, ms, p50 / p99", format!("{p50:.2} / {p99:.2}"));
    }
    let Spread { p50, p99, .. } = run.visible_ms;
    line("write to visible in SQL, ms, p50 / p99", format!("{p50:.2} / {p99:.2}"));
    if let Some(others) = run.others_cores {
        line("cores that others used meanwhile", format!("{others:.2}"));
    }
    print_size(&run.size);
}

fn print_size(size: &Size) {
    say(&format!(
        "  {} points in {} files, {} bytes, {:.3} bytes a point",
        number(size.points as f64),
        size.files,
        number(size.bytes as f64),
        size.bytes_per_point
    ));
    let cells = |columns: &BTreeMap<String, f64>| {
        let cell = |name: &String| columns.get(name).map_or(0.0, |bytes| *bytes);
        let cells = size.columns.keys().map(|name| format!("{:>11.3}", cell(name)));
        cells.collect::<String>()
    };
    let heads: String = size.columns.keys().map(|name| format!("{name:>11}")).collect();
    say(&format!("  {:<10}{:>7}{:>9}{heads}", "bytes", "share", "all"));
    say(&format!("  {:<10}{:>7}{:>9.3}{}", "all", "", size.bytes_per_point, cells(&size.columns)));
    for (class, of) in &size.classes {
        let share = format!("{:.1} %", of.share * 100.0);
        let all = of.bytes_per_point;
        say(&format!("  {class:<10}{share:>7}{all:>9.3}{}", cells(&of.columns)));
    }
    say("");
}
