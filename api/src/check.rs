//! `parx check`: everything that is wrong with a configuration, by file and line.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use parx_ingest::{Drivers, SourcePlan};
use parx_log::Catalog;

use crate::command::say;
use crate::config::{self, DriverProblem, Reading};

/// Prints the problems of a file; fails if there are any.
pub fn run(file: &Path) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("parx: cannot read {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let reading = read(&text, &parx_protocols::AllDrivers);
    for problem in &reading.problems {
        let (line, column) = (problem.line, problem.column);
        say(&format!("{}:{line}:{column}: {}", file.display(), problem.message));
    }
    if !reading.problems.is_empty() {
        return ExitCode::FAILURE;
    }
    let config = &reading.config;
    say(&format!(
        "{}: good; {} sources, {} signals, {} scan classes",
        file.display(),
        config.sources.len(),
        config.signals.len(),
        config.scan_classes.len()
    ));
    ExitCode::SUCCESS
}

/// Reads a configuration and has the drivers look at their part of it.
pub fn read(text: &str, drivers: &dyn Drivers) -> Reading {
    let mut reading = config::read(text);
    let mut catalog = Catalog::default();
    for command in reading.config.commands() {
        for change in parx_log::decide(&catalog, command).unwrap_or_default() {
            let sequence = catalog.sequence.next();
            catalog.apply(sequence, &change);
        }
    }
    for source in catalog.sources.values() {
        for problem in drivers.check(&SourcePlan::of(&catalog, &Arc::clone(source))) {
            let field = problem.field.rsplit('.').next().unwrap_or_default().to_owned();
            let message = match &problem.tag {
                Some(tag) => format!("signal '{tag}': {}", problem.text),
                None => format!("source '{}': {}", source.name, problem.text),
            };
            let problem = DriverProblem { tag: problem.tag, field, message };
            reading.add_driver_problem(&source.name, &problem);
        }
    }
    reading
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_drivers_complaint_has_a_line() {
        let text = "[[scan_class]]\nname = \"fast\"\nperiod_ms = 100\n\n\
                    [[source]]\nname = \"plc\"\ndriver = \"modbus\"\n\
                    settings = { host = \"127.0.0.1\", prot = 502 }\n\n\
                    [[signal]]\ntag = \"a\"\nsource = \"plc\"\nscan_class = \"fast\"\n\
                    address = \"holding:0:flaot32\"\n";
        let reading = super::read(text, &parx_protocols::AllDrivers);
        let lines: Vec<usize> = reading.problems.iter().map(|problem| problem.line).collect();
        assert!(lines.contains(&8), "the setting 'prot': {:?}", reading.problems);
    }

    #[test]
    fn a_wrong_address_has_a_line() {
        let text = "[[scan_class]]\nname = \"fast\"\nperiod_ms = 100\n\n\
                    [[source]]\nname = \"plc\"\ndriver = \"modbus\"\n\
                    settings = { host = \"127.0.0.1\" }\n\n\
                    [[signal]]\ntag = \"a\"\nsource = \"plc\"\nscan_class = \"fast\"\n\
                    address = \"holding:0:flaot32\"\n";
        let reading = super::read(text, &parx_protocols::AllDrivers);
        let lines: Vec<usize> = reading.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [14], "{:?}", reading.problems);
    }
}
