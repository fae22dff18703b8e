//! The event log that everything leans on, and the nouns that everything shares.
//!
//! Every sample and every change of the configuration is an entry with a dense sequence. One
//! committer appends; an append is acknowledged after fsync; the catalog and the hot tail are
//! folded from the same entries. It knows no SQL, no network and no protocol.

mod bytes;
mod catalog;
mod chain;
pub mod codec;
mod committer;
mod decide;
mod definition;
mod draft;
mod event;
mod fold;
mod folder;
mod full;
mod guard;
mod journal;
mod last;
mod log;
mod merge;
mod open;
mod pace;
mod quality;
mod rebuild;
mod repair;
mod request;
mod rescue;
mod retention;
mod rows;
mod salvage;
mod sample;
mod samples;
mod scratch;
mod series;
mod snapshot;
mod space;
mod state;
mod store;
mod stretches;
mod tables;
mod tail;
mod time;
mod value;
mod verify;
mod watermark;
mod writer;

pub use catalog::{Catalog, Deletion, Manifest};
pub use committer::GROUP_ROWS_MAX;
pub use decide::{
    Command, NAME_BYTES_MAX, Refusal, SCAN_PERIOD_MS_MAX, SCAN_PERIOD_MS_MIN, decide,
};
pub use definition::{
    ScanClassDefinition, SegmentKind, SegmentMeta, Signal, SignalDefinition, SourceDefinition,
    UserDefinition,
};
pub use event::{Change, Dropped, Entry, Event};
pub use folder::FOLDER_VERSION;
pub use guard::{GuardError, TornTail};
pub use last::{LastValue, LastValues};
pub use log::{Follower, Log, QUEUE_ROWS_MAX, Queued, ReadError, Subscription, SubscriptionEnd};
pub use open::OpenError;
pub use pace::{SAVED_COMMITS_MAX, WORTH_ROWS};
pub use quality::{Quality, Severity};
pub use rebuild::{LOST_ENTRIES_MAX, REPAIR_AUTHOR};
pub use repair::{LogRepair, RepairError};
pub use request::{AppendError, SubmitError, Submitted};
pub use retention::{Days, Keep, RetentionDefinition};
pub use rows::Rows;
pub use sample::{BatchId, Sample, Sequence, SignalId};
pub use samples::{Run, RunKind, Samples};
pub use space::{
    FREE_HARD_BYTES_MAX, FREE_HARD_PERCENT, FREE_SOFT_BYTES_MAX, FREE_SOFT_PERCENT, Space,
    SpaceLimits,
};
pub use state::{
    GROUPS_BUFFERED_MAX, Group, LINGER, LINGER_EDGE, LogOptions, Snapshot, TAIL_BYTES_MAX,
    TAIL_ROWS_MAX, TAIL_WAIT_MAX, TestSwitches,
};
pub use tail::Tail;
pub use time::{Clock, HandClock, NotATime, SystemClock, Timestamp};
pub use value::{Value, ValueType};
pub use verify::{Fault, LogReport, VerifyError, verify_log};
pub use watermark::WatermarkError;
