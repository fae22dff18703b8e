//! The compactor: log to segments, segments to fewer segments, and how a segment is read.
//!
//! A segment is an immutable Parquet file, sorted by signal, time and sequence; `DESIGN.md` beside
//! this folder's manifest describes it for readers from outside. This crate knows no SQL, no
//! protocol and no network, and is the only one that names `parquet`.

mod clock;
mod contents;
mod cost;
mod directory;
mod edge;
mod error;
mod file;
mod fold;
mod history;
mod lattice;
mod merge;
mod pieces;
mod plan;
mod read;
mod repair;
mod retention;
mod rollup;
mod rows;
mod run;
mod schema;
mod store;
mod tier;
mod total;
mod trust;
mod verify;
mod write;

pub use clock::ClockBook;
pub use cost::{Costs, costs};
pub use directory::Span;
pub use edge::{first_from, last_until};
pub use error::SegmentError;
pub use fold::{Between, Carried, Fold, Point, State, Taking};
pub use history::{RowBlocks, Versions, blocks, deletions_in, hidden_by, segments_of};
pub use merge::{Merge, Source};
pub use pieces::{Folded, Piece, Pieces, Stand};
pub use plan::{Limits, Merging, plan_merge, should_seal};
pub use read::{Blocks, SegmentFile, Wanted};
pub use repair::{Adoption, SegmentsRepair, inspect};
pub use rows::{append_range, newest_only, reversed};
pub use run::{CompactError, Compactor};
pub use schema::SEGMENT_VERSION;
pub use store::{FOLDS_CACHED_MAX, OPEN_FILES_MAX, SegmentStore};
pub use tier::Tier;
pub use total::Total;
pub use verify::{SegmentsReport, verify_segments};
pub use write::{DAYS_OPEN_MAX, merge_segments, write_clock, write_tail};
