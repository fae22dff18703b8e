//! Commands and what becomes of them: changes to append, or a refusal that says why.
//!
//! `decide` is pure. It looks at the catalog and at the command, and nowhere else; the committer
//! calls it, so that a decision and its append cannot be parted by another change.

use crate::{
    Catalog, Change, Deletion, Dropped, RetentionDefinition, ScanClassDefinition, SegmentMeta,
    Sequence, Signal, SignalDefinition, SourceDefinition, Timestamp, UserDefinition,
};

/// A wish that becomes changes or is refused.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin a signal; its tag must be free.
    DefineSignal(SignalDefinition),
    /// Begin those of these signals whose tags are free; leave the others as they are.
    EnsureSignals(Vec<SignalDefinition>),
    /// Replace the definition of the signal `tag`.
    ChangeSignal {
        /// Its tag now.
        tag: String,
        /// What it shall be.
        definition: SignalDefinition,
    },
    /// End a signal.
    RetireSignal {
        /// Its tag.
        tag: String,
    },
    /// Begin a source.
    DefineSource(SourceDefinition),
    /// Replace a source's definition.
    ChangeSource(SourceDefinition),
    /// End a source.
    RetireSource {
        /// Its name.
        name: String,
    },
    /// Begin or replace a scan class.
    DefineScanClass(ScanClassDefinition),
    /// Begin an account.
    DefineUser(UserDefinition),
    /// Replace what checks an account's password.
    ChangeUserPassword(UserDefinition),
    /// Take what is recorded of a signal from one time to another, both included, as not valid.
    DeleteSamples {
        /// The signal's tag.
        tag: String,
        /// The first time.
        from: Timestamp,
        /// The last time.
        to: Timestamp,
        /// Why.
        reason: String,
    },
    /// Take a deletion back.
    RestoreSamples {
        /// The sequence of the deletion.
        deletion: Sequence,
    },
    /// Say how long the samples of a path are kept.
    DefineRetention(RetentionDefinition),
    /// Take back what was said of a path.
    RetireRetention {
        /// The path.
        path: String,
    },
    /// Replace segments by what is left of them once samples and rollups are let go.
    ExpireSamples {
        /// Files, already durable.
        add: Vec<SegmentMeta>,
        /// Paths of the files that are gone.
        remove: Vec<String>,
        /// What was let go.
        dropped: Vec<Dropped>,
    },
    /// Publish segments that hold every sample through a sequence.
    CommitSegments {
        /// Files, already durable.
        add: Vec<SegmentMeta>,
        /// What they reach.
        through: Sequence,
    },
    /// Replace segments by others with the same rows.
    MergeSegments {
        /// Files, already durable.
        add: Vec<SegmentMeta>,
        /// Paths of the replaced ones.
        remove: Vec<String>,
    },
    /// Take segments that are damaged out of the history, and say so in it.
    DeclareLost {
        /// Paths of the files.
        segments: Vec<String>,
        /// Why, in words.
        reason: String,
    },
}

/// Why a command was refused. Nothing was recorded.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum Refusal {
    /// Choose another name, or change the one that is there.
    #[error("the {what} '{name}' exists already; choose another name or change that one")]
    Exists {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Check the spelling.
    #[error("there is no {what} '{name}'")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// Correct the field.
    #[error("{what} '{name}': {field} {problem}")]
    Invalid {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
}

/// Longest tag or name, in bytes.
pub const NAME_BYTES_MAX: usize = 512;
/// Shortest period of a scan class, in milliseconds.
pub const SCAN_PERIOD_MS_MIN: u64 = 1;
/// Longest period of a scan class, in milliseconds: a day.
pub const SCAN_PERIOD_MS_MAX: u64 = 86_400_000;

/// What `command` does to `catalog`. No changes means that everything is as wished already.
pub fn decide(catalog: &Catalog, command: Command) -> Result<Vec<Change>, Refusal> {
    match command {
        Command::DefineSignal(definition) => {
            if catalog.signal_by_tag(&definition.tag).is_some() {
                return Err(Refusal::Exists { what: "signal", name: definition.tag });
            }
            ensure_signals(catalog, vec![definition])
        }
        Command::EnsureSignals(definitions) => ensure_signals(catalog, definitions),
        Command::ChangeSignal { tag, definition } => change_signal(catalog, &tag, definition),
        Command::RetireSignal { tag } => {
            let signal = known_signal(catalog, &tag)?;
            Ok(vec![Change::SignalRetired(Signal { retired: true, ..signal })])
        }
        Command::DefineSource(source) => {
            if catalog.sources.contains_key(&source.name) {
                return Err(Refusal::Exists { what: "source", name: source.name });
            }
            check_name("source", "name", &source.name)?;
            Ok(vec![Change::SourceDefined(source)])
        }
        Command::ChangeSource(source) => match catalog.sources.get(&source.name) {
            None => Err(Refusal::Unknown { what: "source", name: source.name }),
            Some(old) if **old == source => Ok(vec![]),
            Some(_) => Ok(vec![Change::SourceChanged(source)]),
        },
        Command::RetireSource { name } => match catalog.sources.get(&name) {
            None => Err(Refusal::Unknown { what: "source", name }),
            Some(_) => Ok(vec![Change::SourceRetired { name }]),
        },
        Command::DefineScanClass(class) => define_scan_class(catalog, class),
        Command::DefineUser(user) => {
            if catalog.users.contains_key(&user.name) {
                return Err(Refusal::Exists { what: "user", name: user.name });
            }
            check_name("user", "name", &user.name)?;
            Ok(vec![Change::UserDefined(user)])
        }
        Command::ChangeUserPassword(user) => {
            if !catalog.users.contains_key(&user.name) {
                return Err(Refusal::Unknown { what: "user", name: user.name });
            }
            Ok(vec![Change::UserPasswordChanged(user)])
        }
        Command::DeleteSamples { tag, from, to, reason } => {
            let signal = known_signal(catalog, &tag)?;
            if to < from {
                let problem = format!("is {to}, which is before {from}");
                return Err(Refusal::Invalid { what: "deletion", name: tag, field: "to", problem });
            }
            Ok(vec![Change::SamplesDeleted { signal: signal.id, tag, from, to, reason }])
        }
        Command::RestoreSamples { deletion } => restore_samples(catalog, deletion),
        Command::CommitSegments { add, through } => {
            if through <= catalog.manifest.through {
                return Err(Refusal::Invalid {
                    what: "segments",
                    name: through.to_string(),
                    field: "through",
                    problem: format!("is not beyond {}", catalog.manifest.through),
                });
            }
            Ok(vec![Change::SegmentsCommitted { add, through }])
        }
        Command::DefineRetention(rule) => {
            rule.check()?;
            let known = catalog.retention.get(&rule.path) == Some(&rule.keep);
            Ok(if known { vec![] } else { vec![Change::RetentionDefined(rule)] })
        }
        Command::RetireRetention { path } => match catalog.retention.contains_key(&path) {
            true => Ok(vec![Change::RetentionRetired { path }]),
            false => Err(Refusal::Unknown { what: "retention", name: path }),
        },
        Command::ExpireSamples { add, remove, dropped } => {
            check_published(catalog, &remove)?;
            Ok(vec![Change::SamplesExpired { add, remove, dropped }])
        }
        Command::MergeSegments { add, remove } => {
            check_published(catalog, &remove)?;
            Ok(vec![Change::SegmentsMerged { add, remove }])
        }
        Command::DeclareLost { segments, reason } => {
            let known = &catalog.manifest.segments;
            let find = |path: String| match known.get(&path) {
                Some(segment) => Ok((**segment).clone()),
                None => Err(Refusal::Unknown { what: "segment", name: path }),
            };
            let segments = segments.into_iter().map(find).collect::<Result<_, _>>()?;
            Ok(vec![Change::DataLost { reason, entries: None, segments }])
        }
    }
}

/// Only what is published can be replaced.
fn check_published(catalog: &Catalog, remove: &[String]) -> Result<(), Refusal> {
    match remove.iter().find(|path| !catalog.manifest.segments.contains_key(*path)) {
        Some(path) => Err(Refusal::Unknown { what: "segment", name: path.clone() }),
        None => Ok(()),
    }
}

fn restore_samples(catalog: &Catalog, deletion: Sequence) -> Result<Vec<Change>, Refusal> {
    let known = |(id, all): (_, &Vec<Deletion>)| {
        all.iter().any(|known| known.sequence == deletion).then_some(id)
    };
    let id = catalog.deletions().find_map(known);
    let Some(signal) = id.and_then(|id| catalog.signal(id)) else {
        return Err(Refusal::Unknown { what: "deletion", name: deletion.to_string() });
    };
    let tag = signal.definition.tag.clone();
    Ok(vec![Change::SamplesRestored { signal: signal.id, tag, deletion }])
}

fn ensure_signals(
    catalog: &Catalog,
    definitions: Vec<SignalDefinition>,
) -> Result<Vec<Change>, Refusal> {
    let mut next = catalog.next_signal_id();
    let mut fresh = std::collections::HashSet::new();
    let mut changes = Vec::new();
    for definition in definitions {
        let known = catalog.signal_by_tag(&definition.tag).is_some();
        if known || !fresh.insert(definition.tag.clone()) {
            continue;
        }
        check_signal(catalog, &definition)?;
        changes.push(Change::SignalDefined(Signal { id: next, definition, retired: false }));
        next.0 += 1;
    }
    Ok(changes)
}

fn change_signal(
    catalog: &Catalog,
    tag: &str,
    definition: SignalDefinition,
) -> Result<Vec<Change>, Refusal> {
    let old = known_signal(catalog, tag)?;
    if definition.tag != tag && catalog.signal_by_tag(&definition.tag).is_some() {
        return Err(Refusal::Exists { what: "signal", name: definition.tag });
    }
    check_signal(catalog, &definition)?;
    if definition == old.definition {
        return Ok(vec![]);
    }
    Ok(vec![Change::SignalChanged(Signal { id: old.id, definition, retired: false })])
}

fn define_scan_class(
    catalog: &Catalog,
    class: ScanClassDefinition,
) -> Result<Vec<Change>, Refusal> {
    check_name("scan class", "name", &class.name)?;
    if !(SCAN_PERIOD_MS_MIN..=SCAN_PERIOD_MS_MAX).contains(&class.period_ms) {
        return Err(Refusal::Invalid {
            what: "scan class",
            name: class.name,
            field: "period_ms",
            problem: format!(
                "is {}; it must be from {SCAN_PERIOD_MS_MIN} to {SCAN_PERIOD_MS_MAX}",
                class.period_ms
            ),
        });
    }
    if class.phase_ms >= class.period_ms {
        return Err(Refusal::Invalid {
            what: "scan class",
            name: class.name,
            field: "phase_ms",
            problem: format!(
                "is {}; it must be less than the period {}",
                class.phase_ms, class.period_ms
            ),
        });
    }
    if catalog.scan_classes.get(&class.name) == Some(&class) {
        return Ok(vec![]);
    }
    Ok(vec![Change::ScanClassDefined(class)])
}

fn known_signal(catalog: &Catalog, tag: &str) -> Result<Signal, Refusal> {
    match catalog.signal_by_tag(tag) {
        Some(signal) => Ok((**signal).clone()),
        None => Err(Refusal::Unknown { what: "signal", name: tag.to_owned() }),
    }
}

fn check_signal(catalog: &Catalog, definition: &SignalDefinition) -> Result<(), Refusal> {
    check_name("signal", "tag", &definition.tag)?;
    let invalid = |field, problem| {
        Err(Refusal::Invalid { what: "signal", name: definition.tag.clone(), field, problem })
    };
    if let Some(source) = &definition.source
        && !catalog.sources.contains_key(source)
    {
        return invalid("source", format!("names '{source}', which is not defined"));
    }
    if let Some(class) = &definition.scan_class
        && !catalog.scan_classes.contains_key(class)
    {
        return invalid("scan_class", format!("names '{class}', which is not defined"));
    }
    if definition.deadband.is_some_and(|band| !band.is_finite() || band < 0.0) {
        return invalid("deadband", "must be zero or a positive number".to_owned());
    }
    if let (Some(low), Some(high)) = (definition.low, definition.high)
        && (low.is_nan() || high.is_nan() || low >= high)
    {
        return invalid("low", format!("is {low}; it must be below high, which is {high}"));
    }
    Ok(())
}

fn check_name(what: &'static str, field: &'static str, name: &str) -> Result<(), Refusal> {
    let problem = if name.is_empty() {
        "is empty; give it a name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("has {} bytes; {NAME_BYTES_MAX} is the most", name.len())
    } else if name.chars().any(char::is_control) {
        "holds a control character; use printable ones".to_owned()
    } else if name.trim() != name {
        "begins or ends with a space; remove it".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::Invalid { what, name: name.to_owned(), field, problem })
}
