//! The catalog: what is defined now, folded from the changes of the log (L3).
//!
//! `apply` is the whole fold. It never refuses: what stands in the log has been decided before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::{
    Change, Keep, RetentionDefinition, ScanClassDefinition, SegmentKind, SegmentMeta, Sequence,
    Signal, SignalId, SourceDefinition, Timestamp, UserDefinition,
};

/// Everything defined, as of `sequence`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// The newest change that is folded in.
    pub sequence: Sequence,
    signals: BTreeMap<SignalId, Arc<Signal>>,
    by_tag: HashMap<String, SignalId>,
    /// Sources by name.
    pub sources: BTreeMap<String, Arc<SourceDefinition>>,
    /// Scan classes by name.
    pub scan_classes: BTreeMap<String, ScanClassDefinition>,
    /// Accounts by name.
    pub users: BTreeMap<String, UserDefinition>,
    /// How long samples are kept, by path.
    pub retention: BTreeMap<String, Keep>,
    deletions: Arc<BTreeMap<SignalId, Vec<Deletion>>>,
    /// The live segments and how far they reach.
    pub manifest: Arc<Manifest>,
}

/// Times for which the samples of a signal that came before `sequence` are not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Where in the log it was deleted.
    pub sequence: Sequence,
    /// The first time, in microseconds since 1970.
    pub from: i64,
    /// The last time.
    pub to: i64,
}

impl Deletion {
    /// True for a sample of `time` that came with `sequence`.
    pub fn hides(&self, time: i64, sequence: u64) -> bool {
        (self.from..=self.to).contains(&time) && sequence < self.sequence.0
    }
}

/// The live segments and the sequence they reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Samples up to here are in segments, later ones in the log (C2).
    pub through: Sequence,
    /// Published files by path.
    pub segments: BTreeMap<String, Arc<SegmentMeta>>,
}

impl Manifest {
    /// The segments of one kind.
    pub fn of_kind(&self, kind: SegmentKind) -> impl Iterator<Item = &Arc<SegmentMeta>> {
        self.segments.values().filter(move |segment| segment.kind == kind)
    }

    /// Samples in segments.
    pub fn samples(&self) -> u64 {
        self.of_kind(SegmentKind::Samples).map(|segment| segment.rows).sum()
    }
}

impl Catalog {
    /// Folds one change in.
    pub fn apply(&mut self, sequence: Sequence, change: &Change) {
        self.sequence = sequence;
        match change {
            Change::SignalDefined(signal)
            | Change::SignalChanged(signal)
            | Change::SignalRetired(signal) => self.put_signal(signal),
            Change::SourceDefined(source) | Change::SourceChanged(source) => {
                self.sources.insert(source.name.clone(), Arc::new(source.clone()));
            }
            Change::SourceRetired { name } => {
                self.sources.remove(name);
            }
            Change::ScanClassDefined(class) => {
                self.scan_classes.insert(class.name.clone(), class.clone());
            }
            Change::UserDefined(user) | Change::UserPasswordChanged(user) => {
                self.users.insert(user.name.clone(), user.clone());
            }
            Change::SamplesDeleted { signal, from, to, .. } => {
                let (from, to) = (from.micros(), to.micros());
                let deletions = Arc::make_mut(&mut self.deletions).entry(*signal).or_default();
                deletions.push(Deletion { sequence, from, to });
            }
            Change::SamplesRestored { signal, deletion, .. } => {
                if let Some(all) = Arc::make_mut(&mut self.deletions).get_mut(signal) {
                    all.retain(|known| known.sequence != *deletion);
                }
            }
            Change::SegmentsCommitted { add, through } => {
                let manifest = Arc::make_mut(&mut self.manifest);
                manifest.through = *through;
                insert_all(manifest, add);
            }
            Change::RetentionDefined(rule) => {
                self.retention.insert(rule.path.clone(), rule.keep);
            }
            Change::RetentionRetired { path } => {
                self.retention.remove(path);
            }
            Change::SegmentsMerged { add, remove } | Change::SamplesExpired { add, remove, .. } => {
                let manifest = Arc::make_mut(&mut self.manifest);
                for path in remove {
                    manifest.segments.remove(path);
                }
                insert_all(manifest, add);
            }
            Change::DataLost { segments, .. } => {
                let manifest = Arc::make_mut(&mut self.manifest);
                for segment in segments {
                    manifest.segments.remove(&segment.path);
                }
            }
        }
    }

    fn put_signal(&mut self, signal: &Signal) {
        if let Some(old) = self.signals.get(&signal.id)
            && self.by_tag.get(&old.definition.tag) == Some(&signal.id)
        {
            self.by_tag.remove(&old.definition.tag);
        }
        if !signal.retired {
            self.by_tag.insert(signal.definition.tag.clone(), signal.id);
        }
        self.signals.insert(signal.id, Arc::new(signal.clone()));
    }

    /// The fewest changes that fold to this catalog, each with the sequence to fold it at: what a
    /// snapshot of it holds.
    pub fn changes(&self) -> Vec<(Sequence, Change)> {
        let now = self.definitions().into_iter().map(|change| (self.sequence, change));
        now.chain(self.deleted()).collect()
    }

    fn deleted(&self) -> impl Iterator<Item = (Sequence, Change)> {
        let one = |(signal, deletion): (SignalId, &Deletion)| {
            let Deletion { sequence, from, to } = *deletion;
            let tag = self.signal(signal).map(|signal| signal.definition.tag.clone());
            let change = Change::SamplesDeleted {
                signal,
                tag: tag.unwrap_or_default(),
                from: Timestamp::from_micros(from),
                to: Timestamp::from_micros(to),
                reason: String::new(),
            };
            (sequence, change)
        };
        self.deletions().flat_map(|(id, all)| all.iter().map(move |one| (id, one))).map(one)
    }

    fn definitions(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let retired = |signal: &Signal| match signal.retired {
            true => Change::SignalRetired(signal.clone()),
            false => Change::SignalDefined(signal.clone()),
        };
        changes.extend(self.users.values().cloned().map(Change::UserDefined));
        changes.extend(self.scan_classes.values().cloned().map(Change::ScanClassDefined));
        let sources = self.sources.values();
        changes.extend(sources.map(|source| Change::SourceDefined((**source).clone())));
        changes.extend(self.signals.values().map(|signal| retired(signal)));
        changes.extend(self.rules().map(Change::RetentionDefined));
        let add = self.manifest.segments.values().map(|segment| (**segment).clone()).collect();
        changes.push(Change::SegmentsCommitted { add, through: self.manifest.through });
        changes
    }

    /// How long samples are kept, in the order of the paths.
    pub fn rules(&self) -> impl Iterator<Item = RetentionDefinition> {
        let rule = |(path, keep): (&String, &Keep)| RetentionDefinition {
            path: path.clone(),
            keep: *keep,
        };
        self.retention.iter().map(rule)
    }

    /// How long the samples of a tag are kept: what the longest path says that it is at or below.
    pub fn keep(&self, tag: &str) -> Keep {
        let ends = tag.char_indices().rev().filter(|(_, c)| *c == '/').map(|(end, _)| end);
        let mut paths = std::iter::once(tag.len()).chain(ends).chain([0]);
        paths.find_map(|end| self.retention.get(tag.get(..end)?)).copied().unwrap_or_default()
    }

    /// A signal by its id, retired or not.
    pub fn signal(&self, id: SignalId) -> Option<&Arc<Signal>> {
        self.signals.get(&id)
    }

    /// What is deleted of each signal.
    pub fn deletions(&self) -> impl Iterator<Item = (SignalId, &Vec<Deletion>)> {
        self.deletions.iter().map(|(id, deletions)| (*id, deletions))
    }

    /// What is deleted of one signal, in the order of the log.
    pub fn deletions_of(&self, signal: SignalId) -> &[Deletion] {
        self.deletions.get(&signal).map_or(&[], Vec::as_slice)
    }

    /// A live signal by its tag.
    pub fn signal_by_tag(&self, tag: &str) -> Option<&Arc<Signal>> {
        self.signals.get(self.by_tag.get(tag)?)
    }

    /// All signals, retired ones too, in the order of their ids.
    pub fn signals(&self) -> impl Iterator<Item = &Arc<Signal>> {
        self.signals.values()
    }

    /// The signals that are not retired, in the order of their ids.
    pub fn live_signals(&self) -> impl Iterator<Item = &Arc<Signal>> {
        self.signals.values().filter(|signal| !signal.retired)
    }

    /// The id that the next new signal gets.
    pub fn next_signal_id(&self) -> SignalId {
        self.signals.last_key_value().map_or(SignalId(1), |(id, _)| SignalId(id.0 + 1))
    }
}

fn insert_all(manifest: &mut Manifest, add: &[SegmentMeta]) {
    for segment in add {
        manifest.segments.insert(segment.path.clone(), Arc::new(segment.clone()));
    }
}
