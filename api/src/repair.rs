//! `parx repair`: says what can be done about a damaged data folder and what is lost, and with
//! `--yes` does it. Nothing is ever deleted: what is replaced is moved to `quarantine/<time>/`.
//!
//! The log plans and mends its own part; here damaged segments are set aside, and the log is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use parx_compactor::{Adoption, SegmentsRepair, inspect, verify_segments};
use parx_log::{
    Clock, Command, Log, LogOptions, LogRepair, REPAIR_AUTHOR, SegmentKind, SegmentMeta,
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
    segments: SegmentsRepair,
}

impl Repair {
    fn plan(folder: &Path) -> Result<Repair, String> {
        let Findings { log: report, segments } = examine(folder).map_err(text)?;
        let found = segments.strays.iter().filter_map(|path| inspect(folder, path).ok());
        let log = LogRepair::plan(folder, &report, &found.collect::<Vec<_>>()).map_err(text)?;
        // Which segments there are may be another thing once the log is made anew.
        let (manifest, segments) = match (&log.catalog, &report.catalog) {
            (Some(catalog), _) => {
                let manifest = catalog.manifest.clone();
                let found = verify_segments(folder, &manifest, &mut |_| ());
                (manifest, found)
            }
            (None, Some(catalog)) => (catalog.manifest.clone(), segments),
            (None, None) => Default::default(),
        };
        let mut segments = SegmentsRepair::plan(folder, &manifest, &segments);
        if log.losses.is_empty() {
            // They are what any crash leaves, and the next start removes them.
            segments.strays.clear();
        }
        Ok(Repair { log, segments })
    }

    fn is_nothing(&self) -> bool {
        let SegmentsRepair { adopt, lost, strays: _ } = &self.segments;
        self.log.actions.is_empty() && adopt.is_empty() && lost.is_empty()
    }

    fn actions(&self, quarantine: &Path) -> Vec<String> {
        let SegmentsRepair { adopt, lost, strays } = &self.segments;
        let mut actions = self.log.actions.clone();
        for Adoption { add, replaces } in adopt {
            let (path, count) = (&add.path, replaces.len());
            actions.push(format!("publish {path}, which holds the rows of {count} files"));
        }
        let files = lost.iter().map(|segment| segment.path.clone());
        let strays = strays.iter().map(|path| path.display().to_string());
        let to = quarantine.display();
        actions.extend(files.chain(strays).map(|file| format!("move {file} to {to}")));
        if !lost.is_empty() {
            actions.push("write into the log which segments are lost".into());
        }
        actions
    }

    fn losses(&self) -> Vec<String> {
        let segments = self.segments.lost.iter().map(|segment| loss(segment));
        self.log.losses.iter().cloned().chain(segments).collect()
    }

    async fn apply(self, folder: &Path, quarantine: PathBuf) -> Result<(), String> {
        let Repair { log, segments } = self;
        let aside = quarantine.clone();
        blocking(folder, move |folder| log.apply(folder, &aside).map_err(text)).await?;
        let commands = segments.commands();
        let SegmentsRepair { adopt, lost, mut strays } = segments;
        let replaced = adopt.iter().flat_map(|one| &one.replaces);
        strays.extend(replaced.chain(&lost).map(|segment| folder.join(&segment.path)));
        blocking(folder, move |folder| set_aside(folder, &strays, &quarantine)).await?;
        submit(folder, commands).await
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
        SegmentKind::Rollups => "nothing: its samples tell the same".to_owned(),
        SegmentKind::Kept => format!(
            "what samples from {} to {} came to, which had been let go",
            time(segment.times.0),
            time(segment.times.1)
        ),
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

/// Tells the log what became of the segments.
async fn submit(folder: &Path, commands: Vec<Command>) -> Result<(), String> {
    if commands.is_empty() {
        return Ok(());
    }
    let open = |folder: &Path| Log::open(LogOptions::new(folder), Arc::new(SystemClock));
    let log = blocking(folder, move |folder| open(folder).map_err(text)).await?;
    let mut done = Ok(());
    for command in commands {
        let answer = log.submit(REPAIR_AUTHOR.into(), command).await;
        done = done.and(answer.map(|_| ()).map_err(text));
    }
    blocking(folder, move |_| {
        log.close();
        Ok(())
    })
    .await?;
    done
}

/// A time as a folder's name.
fn folder_name(time: Timestamp) -> String {
    time.to_string().replace([':', '.', ' '], "-")
}

#[expect(clippy::needless_pass_by_value, reason = "this is the shape that `map_err` takes")]
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
