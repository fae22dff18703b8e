//! `parx repair`: says what can be done about a damaged data folder and what is lost, and with
//! `--yes` does it. Nothing is ever deleted: what is replaced is moved to `quarantine/<time>/`.
//!
//! The log plans and mends its own part; here damaged segments are set aside, and the log is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use parx_compactor::{SegmentsReport, verify_segments};
use parx_log::{
    Catalog, Clock, Command, Log, LogOptions, LogRepair, REPAIR_AUTHOR, SegmentKind, SegmentMeta,
    SystemClock, Timestamp,
};

use crate::command::say;
use crate::verify::{Findings, examine, summary};

/// Runs the command: 0 if nothing is to be done or all was done, 1 if something is to be done.
pub async fn run(folder: PathBuf, yes: bool) -> ExitCode {
    match repair(&folder, yes).await {
        Ok(code) => code,
        Err(message) => {
            eprintln!("parx: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn repair(folder: &Path, yes: bool) -> Result<ExitCode, String> {
    let now = SystemClock.now();
    let quarantine = folder.join("quarantine").join(folder_name(now));
    let plan = blocking(folder, Repair::plan).await?;
    for line in plan.actions(&quarantine) {
        say(&format!("{} {line}", if yes { "do:  " } else { "would:" }));
    }
    for line in plan.losses() {
        say(&format!("lost: {line}"));
    }
    if plan.is_nothing() {
        say(&format!("{}: good; there is nothing to repair", folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if plan.losses().is_empty() {
        say("lost: nothing that was recorded");
    }
    if !yes {
        say("nothing was changed; parx repair --yes does it");
        return Ok(ExitCode::FAILURE);
    }
    plan.apply(folder, quarantine).await?;
    let findings = blocking(folder, |folder| examine(folder).map_err(text)).await?;
    say(&summary(folder, &findings));
    match findings.faults().next() {
        None => Ok(ExitCode::SUCCESS),
        Some(fault) => Err(format!("the folder is not good yet: {fault}")),
    }
}

/// What is to be done to a data folder.
struct Repair {
    log: LogRepair,
    /// Damaged files that the manifest names.
    segments: Vec<Arc<SegmentMeta>>,
    /// Files that the manifest may have named before it lost changes.
    strays: Vec<PathBuf>,
}

impl Repair {
    fn plan(folder: &Path) -> Result<Repair, String> {
        let Findings { log: report, segments } = examine(folder).map_err(text)?;
        let log = LogRepair::plan(folder, &report).map_err(text)?;
        // Which segments there are may be another thing once the log is made anew.
        let (catalog, segments) = match (&log.catalog, &report.catalog) {
            (Some(catalog), _) => {
                let found = verify_segments(folder, &catalog.manifest, &mut |_| ());
                (catalog, found)
            }
            (None, Some(catalog)) => (catalog, segments),
            (None, None) => (&Catalog::default(), SegmentsReport::default()),
        };
        let damaged = segments.damaged.iter();
        let damaged = damaged.filter_map(|path| catalog.manifest.segments.get(path).cloned());
        let strays = if log.losses.is_empty() { vec![] } else { segments.strays };
        Ok(Repair { segments: damaged.collect(), strays, log })
    }

    fn is_nothing(&self) -> bool {
        self.log.actions.is_empty() && self.segments.is_empty()
    }

    fn actions(&self, quarantine: &Path) -> Vec<String> {
        let mut actions = self.log.actions.clone();
        let files = self.segments.iter().map(|segment| segment.path.clone());
        let strays = self.strays.iter().map(|path| path.display().to_string());
        let to = quarantine.display();
        actions.extend(files.chain(strays).map(|file| format!("move {file} to {to}")));
        if !self.segments.is_empty() {
            actions.push("write into the log which segments are lost".into());
        }
        actions
    }

    fn losses(&self) -> Vec<String> {
        let segments = self.segments.iter().map(|segment| loss(segment));
        self.log.losses.iter().cloned().chain(segments).collect()
    }

    async fn apply(self, folder: &Path, quarantine: PathBuf) -> Result<(), String> {
        let Repair { log, segments, strays } = self;
        let aside = quarantine.clone();
        blocking(folder, move |folder| log.apply(folder, &aside).map_err(text)).await?;
        let paths: Vec<String> = segments.iter().map(|segment| segment.path.clone()).collect();
        let mut files: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        files.extend(strays);
        blocking(folder, move |folder| set_aside(folder, &files, &quarantine)).await?;
        if !paths.is_empty() {
            declare_lost(folder, paths).await?;
        }
        Ok(())
    }
}

/// What is lost with a segment.
fn loss(segment: &SegmentMeta) -> String {
    let time = |micros| Timestamp::from_micros(micros).to_string();
    let (first, last) = segment.sequences;
    match segment.kind {
        SegmentKind::Samples => format!(
            "{} samples from {} to {}, of sequences {first} to {last}",
            segment.rows,
            time(segment.times.0),
            time(segment.times.1)
        ),
        SegmentKind::Clock => {
            format!("when sequences {first} to {last} were recorded; their samples are kept")
        }
    }
}

/// Moves files below `folder` to the same places below `quarantine`. One that is missing stays so.
fn set_aside(folder: &Path, files: &[PathBuf], quarantine: &Path) -> Result<(), String> {
    for file in files.iter().filter(|file| file.exists()) {
        let below = file.strip_prefix(folder).unwrap_or(file);
        let to = quarantine.join(below);
        let parent = to.parent().unwrap_or(quarantine);
        fs::create_dir_all(parent).and_then(|()| fs::rename(file, &to)).map_err(|error| {
            format!("cannot move {} to {}: {error}", file.display(), to.display())
        })?;
    }
    Ok(())
}

/// Takes segments out of the manifest with a change that says so.
async fn declare_lost(folder: &Path, segments: Vec<String>) -> Result<(), String> {
    let open = |folder: &Path| Log::open(LogOptions::new(folder), Arc::new(SystemClock));
    let log = blocking(folder, move |folder| open(folder).map_err(text)).await?;
    let reason = "the files were not as they had been published".to_owned();
    let command = Command::DeclareLost { segments, reason };
    let done = log.submit(REPAIR_AUTHOR.into(), command).await.map_err(text);
    blocking(folder, move |_| {
        log.close();
        Ok(())
    })
    .await?;
    done.map(|_| ())
}

/// A time as a folder's name.
fn folder_name(time: Timestamp) -> String {
    time.to_string().replace([':', '.', ' '], "-")
}

fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

/// Runs work that blocks where it disturbs nobody.
async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let folder = folder.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&folder)).await;
    done.map_err(|error| error.to_string())?
}
