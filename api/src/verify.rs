//! `parx verify`: reads a whole data folder while ParX is off and tells everything that is wrong.
//!
//! The log looks at its part and the compactor at its own; here they are put together and printed.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use parx_compactor::{SegmentsReport, verify_segments};
use parx_log::{Fault, LogReport, VerifyError, verify_log};
use serde_json::{Value, json};

use crate::command::say;

/// Shortest time between two words of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What is known of a data folder.
pub struct Findings {
    /// The log.
    pub log: LogReport,
    /// The segments; nothing where no manifest could be read.
    pub segments: SegmentsReport,
}

impl Findings {
    /// Everything that is wrong.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.log.faults.iter().chain(&self.segments.faults)
    }
}

/// Reads and checks everything; tells its progress on standard error.
pub fn examine(folder: &Path) -> Result<Findings, VerifyError> {
    let mut progress = Progress::new();
    let log = verify_log(folder, &mut |what| progress.tell(what))?;
    let segments = match &log.catalog {
        Some(catalog) => {
            verify_segments(folder, &catalog.manifest, &mut |what| progress.tell(what))
        }
        None => SegmentsReport::default(),
    };
    Ok(Findings { log, segments })
}

/// Runs the command: 0 if all is well, 1 if not.
pub fn run(folder: &Path, as_json: bool) -> ExitCode {
    let findings = match examine(folder) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("parx: {error}");
            return ExitCode::FAILURE;
        }
    };
    match as_json {
        true => say(&report(folder, &findings).to_string()),
        false => print(folder, &findings),
    }
    match findings.faults().next() {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    }
}

fn print(folder: &Path, findings: &Findings) {
    for fault in findings.faults() {
        say(&format!("fault: {fault}"));
    }
    if let Some(torn) = &findings.log.torn {
        let (file, offset) = (torn.file.display(), torn.offset);
        say(&format!(
            "note: {file} ends at byte {offset} with a write that was not finished nor \
             acknowledged; the next start cuts it off"
        ));
    }
    for stray in &findings.segments.strays {
        say(&format!("note: {} was never published; the next start removes it", stray.display()));
    }
    say(&summary(folder, findings));
}

/// One line that says it all.
pub fn summary(folder: &Path, findings: &Findings) -> String {
    let Findings { log, segments } = findings;
    let faults = findings.faults().count();
    let verdict = match faults {
        0 => "good".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    let advice = if faults == 0 { "" } else { "; parx repair says what can be done" };
    format!(
        "{}: {verdict}; {} entries to sequence {} with {} samples, {} segments with {} samples\
         {advice}",
        folder.display(),
        log.entries,
        log.last,
        log.samples,
        segments.files,
        segments.samples,
    )
}

fn report(folder: &Path, findings: &Findings) -> Value {
    let Findings { log, segments } = findings;
    let faults: Vec<&Fault> = findings.faults().collect();
    let torn = log.torn.as_ref().map(|torn| json!({ "file": torn.file, "offset": torn.offset }));
    let strays: &[PathBuf] = &segments.strays;
    json!({
        "folder": folder,
        "good": faults.is_empty(),
        "faults": faults,
        "torn_tail": torn,
        "strays": strays,
        "log": {
            "bytes": log.bytes,
            "entries": log.entries,
            "changes": log.changes,
            "samples": log.samples,
            "last_sequence": log.last.0,
        },
        "segments": {
            "files": segments.files,
            "bytes": segments.bytes,
            "samples": segments.samples,
        },
    })
}

/// Says now and then how far it is, where somebody watches.
struct Progress {
    watched: bool,
    last: Instant,
}

impl Progress {
    fn new() -> Progress {
        Progress { watched: std::io::stderr().is_terminal(), last: Instant::now() }
    }

    fn tell(&mut self, what: &str) {
        if self.watched && self.last.elapsed() >= PROGRESS_EVERY {
            eprintln!("... {what}");
            self.last = Instant::now();
        }
    }
}
