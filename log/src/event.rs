//! The facts of the log: samples and changes, with place, time and author.
//!
//! Changes are JSON inside, tagged by `kind`; the encoding of entries is in `codec`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    RetentionDefinition, Samples, ScanClassDefinition, SegmentMeta, Sequence, Signal, SignalId,
    SourceDefinition, Timestamp, UserDefinition,
};

/// A fact with its place in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place.
    pub sequence: Sequence,
    /// When it was appended, by the server's clock; never runs backwards along the log.
    pub recorded_at: Timestamp,
    /// Who caused it: a user, a source, or ParX itself.
    pub author: Arc<str>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Samples of one commit group were recorded.
    Samples(Arc<Samples>),
    /// Something of the configuration or of the store changed.
    Change(Arc<Change>),
}

/// What was let go of one tier of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The day of UTC, counted from 1970-01-01.
    pub day: i64,
    /// `raw`, `minute`, `hour` or `day`.
    pub tier: String,
    /// Ids of the signals.
    pub signals: Vec<SignalId>,
    /// Samples, with all their versions, or folds.
    pub rows: u64,
}

/// A change, in the past tense. Kept for ever (L5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Change {
    /// A signal began.
    SignalDefined(Signal),
    /// A signal's definition was replaced, its tag perhaps too.
    SignalChanged(Signal),
    /// A signal ended; its history stays.
    SignalRetired(Signal),
    /// A source began.
    SourceDefined(SourceDefinition),
    /// A source's definition was replaced.
    SourceChanged(SourceDefinition),
    /// A source ended.
    SourceRetired {
        /// Its name.
        name: String,
    },
    /// A scan class began or was replaced.
    ScanClassDefined(ScanClassDefinition),
    /// An account began.
    UserDefined(UserDefinition),
    /// An account got a new password.
    UserPasswordChanged(UserDefinition),
    /// What was recorded of a signal until now is no longer valid for these times. The samples stay
    /// and are seen as of a time before.
    SamplesDeleted {
        /// The signal.
        signal: SignalId,
        /// Its tag then, for people to read.
        tag: String,
        /// The first time that is deleted.
        from: Timestamp,
        /// The last time that is deleted.
        to: Timestamp,
        /// Why, in somebody's words.
        #[serde(default)]
        reason: String,
    },
    /// A deletion was taken back.
    SamplesRestored {
        /// The signal.
        signal: SignalId,
        /// Its tag then, for people to read.
        tag: String,
        /// The sequence of the deletion.
        deletion: Sequence,
    },
    /// How long the samples of a path are kept was said, or said anew.
    RetentionDefined(RetentionDefinition),
    /// What was said of a path holds no more.
    RetentionRetired {
        /// The path.
        path: String,
    },
    /// Samples and rollups that were older than they are kept were let go.
    SamplesExpired {
        /// Files that came: what is left of the removed ones.
        add: Vec<SegmentMeta>,
        /// Paths of the files that are gone.
        remove: Vec<String>,
        /// What was let go.
        dropped: Vec<Dropped>,
    },
    /// Segments were published: they hold every sample through `through`.
    SegmentsCommitted {
        /// Files that came.
        add: Vec<SegmentMeta>,
        /// Samples up to here are in segments, later ones in the log.
        through: Sequence,
    },
    /// Segments were merged into fewer, with the same rows.
    SegmentsMerged {
        /// Files that came.
        add: Vec<SegmentMeta>,
        /// Paths of the files that they replace.
        remove: Vec<String>,
    },
    /// A repair of the data folder could not save this.
    DataLost {
        /// In words.
        reason: String,
        /// The sequences of entries that are gone, the first and the last.
        #[serde(default)]
        entries: Option<(Sequence, Sequence)>,
        /// Segments that are gone, with what was known of them.
        #[serde(default)]
        segments: Vec<SegmentMeta>,
    },
}

impl Change {
    /// The kind in words, such as `SignalDefined`.
    pub fn kind(&self) -> &'static str {
        match self {
            Change::SignalDefined(_) => "SignalDefined",
            Change::SignalChanged(_) => "SignalChanged",
            Change::SignalRetired(_) => "SignalRetired",
            Change::SourceDefined(_) => "SourceDefined",
            Change::SourceChanged(_) => "SourceChanged",
            Change::SourceRetired { .. } => "SourceRetired",
            Change::ScanClassDefined(_) => "ScanClassDefined",
            Change::UserDefined(_) => "UserDefined",
            Change::UserPasswordChanged(_) => "UserPasswordChanged",
            Change::SamplesDeleted { .. } => "SamplesDeleted",
            Change::SamplesRestored { .. } => "SamplesRestored",
            Change::RetentionDefined(_) => "RetentionDefined",
            Change::RetentionRetired { .. } => "RetentionRetired",
            Change::SamplesExpired { .. } => "SamplesExpired",
            Change::SegmentsCommitted { .. } => "SegmentsCommitted",
            Change::SegmentsMerged { .. } => "SegmentsMerged",
            Change::DataLost { .. } => "DataLost",
        }
    }

    /// What it happened to: a tag, a name, or `segments`.
    pub fn subject(&self) -> &str {
        match self {
            Change::SignalDefined(signal)
            | Change::SignalChanged(signal)
            | Change::SignalRetired(signal) => &signal.definition.tag,
            Change::SourceDefined(source) | Change::SourceChanged(source) => &source.name,
            Change::SourceRetired { name } => name,
            Change::ScanClassDefined(class) => &class.name,
            Change::UserDefined(user) | Change::UserPasswordChanged(user) => &user.name,
            Change::SamplesDeleted { tag, .. } | Change::SamplesRestored { tag, .. } => tag,
            Change::RetentionDefined(rule) => &rule.path,
            Change::RetentionRetired { path } => path,
            Change::SegmentsCommitted { .. }
            | Change::SegmentsMerged { .. }
            | Change::SamplesExpired { .. } => "segments",
            Change::DataLost { .. } => "data",
        }
    }

    /// The change as JSON for people to read, without what checks a password.
    pub fn detail(&self) -> serde_json::Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            object.remove("kind");
            object.remove("password_hash");
            object.remove("scram_verifier");
        }
        json
    }
}
