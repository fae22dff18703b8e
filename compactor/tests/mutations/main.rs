//! Damage of every kind to every kind of file of a data folder: what is answered afterwards is
//! right, or refused, or repaired, and never wrong, silent, a panic or without an end (L6).
//!
//! `PARX_MUTATIONS` and `PARX_SEED` say how many and which; `make chaos` runs ten thousand.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first thing that is not as it should be, and says so"
)]

mod answers;
mod base;
mod chance;
mod mutate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use parx_compactor::{SegmentsRepair, SegmentsReport, inspect, verify_segments};
use parx_log::{LogRepair, LogReport, Manifest, verify_log};

use crate::answers::{Answers, ask};
use crate::base::{Base, close, copy, open};
use crate::chance::Chance;
use crate::mutate::mutate;

/// Mutations in an ordinary run.
const USUAL: u64 = 300;
/// Ends what hangs.
const HANG_MAX: Duration = Duration::from_secs(60);
/// Of so many folders that are refused one is looked at and repaired.
const REPAIRED: u64 = 10;

/// What came of a mutation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything is answered as before.
    Intact,
    /// Opening or reading was refused, with these words.
    Refused(String),
    /// It was refused, and what a repair saved is right and what it lost was told.
    Repaired,
    /// Something else was answered, and nobody was told.
    Wrong(String),
    /// Somebody panicked.
    Panicked(String),
    /// It did not end.
    Hung,
}

/// The tests count the panics of the whole process, so each runs alone.
static ALONE: Mutex<()> = Mutex::new(());
static PANICS: AtomicU64 = AtomicU64::new(0);
static WORDS: Mutex<String> = Mutex::new(String::new());

/// Counts panics of any thread, and keeps the last one's words.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            *WORDS.lock().unwrap() = info.to_string();
            eprintln!("{info}");
        }));
    });
}

/// Asks a mutated folder everything, in a thread that may hang.
fn outcome(folder: &Path, expected: &Answers, repair: bool, trusting: bool) -> Outcome {
    let before = PANICS.load(Ordering::SeqCst);
    let (sender, answer) = mpsc::channel();
    let (folder, wanted) = (folder.to_owned(), expected.clone());
    std::thread::spawn(move || {
        let found = match ask(&folder, trusting) {
            Ok(found) if found == wanted => Outcome::Intact,
            Ok(found) => Outcome::Wrong(found.differs(&wanted)),
            Err(words) if repair => repaired(&folder, &wanted, &words),
            Err(words) => Outcome::Refused(words),
        };
        let _ = sender.send(found);
    });
    let found = answer.recv_timeout(HANG_MAX);
    match (PANICS.load(Ordering::SeqCst) > before, found) {
        (true, _) => Outcome::Panicked(WORDS.lock().unwrap().clone()),
        (false, Ok(found)) => found,
        (false, Err(_)) => Outcome::Hung,
    }
}

/// Repairs a folder that was refused: verify must tell why, and what is there afterwards must have
/// been there before. If anything is missing, it must have been told.
fn repaired(folder: &Path, wanted: &Answers, words: &str) -> Outcome {
    let wrong = |what: String| Outcome::Wrong(format!("{what}; it was refused with: {words}"));
    let report = match verify_log(folder, &mut |_| ()) {
        Ok(report) => report,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let manifest = report.catalog.as_ref().map(|catalog| catalog.manifest.clone());
    let segments = verify_segments(folder, &manifest.clone().unwrap_or_default(), &mut |_| ());
    if report.faults.is_empty() && segments.faults.is_empty() {
        return wrong("verify finds nothing wrong".into());
    }
    let told = match mend(folder, &report, manifest, segments) {
        Ok(losses) => !losses.is_empty(),
        Err(error) => return wrong(format!("the repair failed: {error}")),
    };
    match ask(folder, false) {
        Err(error) => wrong(format!("after the repair: {error}")),
        Ok(found) => match found.is_part_of(wanted) {
            Err(what) => wrong(format!("after the repair: {what}")),
            Ok(whole) if !whole && !told => wrong("a loss was not told".into()),
            Ok(_) => Outcome::Repaired,
        },
    }
}

/// Repairs log and segments, as `parx repair --yes` does; answers with what was told to be lost.
fn mend(
    folder: &Path,
    report: &LogReport,
    manifest: Option<Arc<Manifest>>,
    segments: SegmentsReport,
) -> Result<Vec<String>, String> {
    let quarantine = folder.join("quarantine/now");
    let found = segments.strays.iter().filter_map(|path| inspect(folder, path).ok());
    let found: Vec<_> = found.collect();
    let plan = LogRepair::plan(folder, report, &found).map_err(|error| error.to_string())?;
    let (manifest, segments) = match &plan.catalog {
        Some(catalog) => {
            let found = verify_segments(folder, &catalog.manifest, &mut |_| ());
            (catalog.manifest.clone(), found)
        }
        None => (manifest.unwrap_or_default(), segments),
    };
    let repair = SegmentsRepair::plan(folder, &manifest, &segments);
    let mut losses = plan.losses.clone();
    losses.extend(repair.lost.iter().map(|segment| segment.path.clone()));
    plan.apply(folder, &quarantine).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = open(folder, false).map_err(|error| error.to_string())?;
        for command in repair.commands() {
            let done = log.submit("parx repair".into(), command).await;
            done.map_err(|error| error.to_string())?;
        }
        close(log).await;
        Ok(losses)
    })
}

/// Runs many mutations; answers with how often what came, and with what must never come.
fn run(count: u64, seed: u64, trusting: bool) -> (BTreeMap<&'static str, u64>, Vec<String>) {
    count_panics();
    let base = Base::build();
    let mut chance = Chance::new(seed);
    let (mut counts, mut bad) = (BTreeMap::new(), Vec::new());
    let mut refused = 0;
    for number in 0..count {
        let folder = tempfile::TempDir::new().unwrap();
        let (state, expected) = base.state(&mut chance);
        copy(state, folder.path());
        let what = mutate(&mut chance, folder.path(), base.old());
        let repair = refused % REPAIRED == 0 && !trusting;
        let found = outcome(folder.path(), expected, repair, trusting);
        refused += u64::from(matches!(found, Outcome::Refused(_) | Outcome::Repaired));
        let kind = match &found {
            Outcome::Intact => "intact",
            Outcome::Refused(words) if names(words) => "refused",
            Outcome::Refused(_) => "refused without a place",
            Outcome::Repaired => "repaired",
            Outcome::Wrong(_) => "wrong",
            Outcome::Panicked(_) => "panicked",
            Outcome::Hung => "hung",
        };
        *counts.entry(kind).or_default() += 1;
        if !["intact", "refused", "repaired"].contains(&kind) {
            bad.push(format!("{number}: {what}: {found:?}"));
        }
    }
    (counts, bad)
}

/// True if a refusal says where.
fn names(words: &str) -> bool {
    ["/", "sequence", "entry ", "keyspace", "version"].iter().any(|word| words.contains(word))
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn l6_no_damage_is_silent() {
    let _alone = ALONE.lock();
    let (count, seed) = (number("PARX_MUTATIONS", USUAL), number("PARX_SEED", 1));
    let (counts, bad) = run(count, seed, false);
    eprintln!("seed {seed}: {counts:?}");
    assert!(bad.is_empty(), "L6: {} of {count}: {bad:#?}", bad.len());
    assert!(counts.contains_key("intact") && counts.contains_key("refused"), "{counts:?}");
}

#[test]
fn l6_without_the_checks_damage_would_be_silent() {
    let _alone = ALONE.lock();
    let (counts, bad) = run(150, 2, true);
    assert!(counts.contains_key("wrong"), "the suite must be able to fail: {counts:?} {bad:#?}");
}
