//! From devices to the log: sources, scans, admission and writes from outside.
//!
//! It decides when to read, what of it is recorded and with which quality, and keeps every source's
//! collector running. It knows no protocol (drivers come in through a port), no SQL and no Parquet.

mod admit;
mod collector;
mod driver;
mod grouped;
mod intake;
mod plan;
mod points;
mod problem;
mod schedule;
mod sources;
mod status;
mod supervisor;
mod writer;

pub use admit::{
    Admission, HOLD_MAX, Memory, SILENT_SCANS, TEXT_BYTES_MAX, Tally, Verdict, passes, sample_of,
};
pub use collector::{
    BAD_NAMED_MAX, CONNECT_MAX, CollectorContext, Job, SCAN_TIME_MAX, Stop, collect, refuse,
};
pub use driver::{Driver, Fault, LINK_RETRY_MAX, Point, Reading, SESSION_RETRY_MAX, Session};
pub use intake::{
    Intake, IntakeError, NamedPoint, POINTS_MAX, WRITE_NEW_SIGNALS_MAX, WRITE_POINTS_MAX,
};
pub use plan::{SCAN_TIME_MIN, ScanClass, SourcePlan};
pub use points::{Points, Series};
pub use problem::{Compiled, Problem};
pub use schedule::{Due, Schedule, next_scan};
pub use sources::{DriverDescription, Drivers, STOP_MAX, SettingDescription, Sources};
pub use status::{Counters, SourceState, SourceStatus, StatusCell};
pub use writer::{BATCH_SAMPLES, QUEUE_MAX};
