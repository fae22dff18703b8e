//! The event log that everything leans on, and the nouns that everything shares.
//!
//! Every sample and every change of the configuration is an entry with a dense sequence. One
//! committer appends; an append is acknowledged after fsync; the catalog and the hot tail are folded
//! from the same entries. It knows no SQL, no network and no protocol.

mod bytes;
mod catalog;
pub mod codec;
mod decide;
mod definition;
mod event;
mod quality;
mod sample;
mod samples;
mod time;
mod value;

pub use catalog::{Catalog, Manifest};
pub use decide::{
    Command, NAME_BYTES_MAX, Refusal, SCAN_PERIOD_MS_MAX, SCAN_PERIOD_MS_MIN, decide,
};
pub use definition::{
    ScanClassDefinition, SegmentKind, SegmentMeta, Signal, SignalDefinition, SourceDefinition,
    UserDefinition,
};
pub use event::{Change, Entry, Event};
pub use quality::{Quality, Severity};
pub use sample::{BatchId, Sample, Sequence, SignalId};
pub use samples::{Run, RunKind, Samples};
pub use time::{Clock, HandClock, NotATime, SystemClock, Timestamp};
pub use value::{Value, ValueType};
