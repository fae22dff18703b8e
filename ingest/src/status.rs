//! How a source is doing: state, error and counters, for people and for metrics.
//!
//! One task writes a status, everyone may read it. Nothing here decides anything.

use std::sync::Arc;

use parx_log::{Clock, Timestamp};
use serde::Serialize;
use tokio::sync::watch;

use crate::admit::Tally;
use crate::problem::Problem;

/// What a source's collector is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Switched off, or its settings cannot work; see the problems.
    #[default]
    Off,
    /// Opening a session.
    Connecting,
    /// A session is open.
    Connected,
    /// The last session failed; waiting before the next attempt.
    Waiting,
}

impl SourceState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            SourceState::Off => "off",
            SourceState::Connecting => "connecting",
            SourceState::Connected => "connected",
            SourceState::Waiting => "waiting",
        }
    }
}

/// What has happened since ParX started. Readings are recorded, or counted as unchanged, within the
/// deadband or refused, or among the few held back just now (I1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Readings that came from the driver.
    pub readings: u64,
    /// Readings that were recorded.
    pub recorded: u64,
    /// Readings equal to what was recorded last.
    pub unchanged: u64,
    /// Readings that changed by no more than the deadband.
    pub within_deadband: u64,
    /// Readings of points that the plan does not have.
    pub refused: u64,
    /// Samples that ParX added to mark a gap.
    pub marked: u64,
    /// Scans that were made.
    pub scans: u64,
    /// Scans that were due and not made, because an earlier one took too long.
    pub overruns: u64,
    /// Gaps because the log took nothing for long, each marked in the history.
    pub stalls: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Sessions that failed or could not be opened.
    pub faults: u64,
    /// Samples that the log has made durable.
    pub stored: u64,
    /// Appends that the log refused and that were tried again.
    pub append_retries: u64,
    /// Samples that the log can never take, because it has stopped.
    pub lost: u64,
}

impl Counters {
    /// Readings that are held back: the last unchanged one of each point, which may still be
    /// recorded as the point where a line bends.
    pub fn held(&self) -> u64 {
        let decided = self.recorded + self.unchanged + self.within_deadband + self.refused;
        self.readings.saturating_sub(decided)
    }

    pub(crate) fn add(&mut self, tally: Tally) {
        self.readings += tally.readings;
        self.recorded += tally.recorded;
        self.unchanged += tally.unchanged;
        self.within_deadband += tally.within_deadband;
        self.refused += tally.refused;
    }
}

/// A source at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its driver's name.
    pub driver: String,
    /// What its collector is doing.
    pub state: SourceState,
    /// Since when.
    pub since: Timestamp,
    /// Why the last session failed; none once a session delivers.
    pub error: Option<String>,
    /// What is wrong with its settings and addresses.
    pub problems: Vec<Problem>,
    /// How many points it has.
    pub points: usize,
    /// When the last reading came.
    pub last_reading: Option<Timestamp>,
    /// What has happened.
    pub counters: Counters,
}

/// The writing end of a source's status.
#[derive(Clone)]
pub struct StatusCell {
    status: Arc<watch::Sender<SourceStatus>>,
    clock: Arc<dyn Clock>,
}

impl StatusCell {
    /// The status of a source that has done nothing yet.
    pub fn new(name: &str, driver: &str, clock: Arc<dyn Clock>) -> StatusCell {
        let status = SourceStatus {
            name: name.to_owned(),
            driver: driver.to_owned(),
            state: SourceState::Off,
            since: clock.now(),
            error: None,
            problems: vec![],
            points: 0,
            last_reading: None,
            counters: Counters::default(),
        };
        StatusCell { status: Arc::new(watch::Sender::new(status)), clock }
    }

    /// The reading end.
    pub fn reader(&self) -> watch::Receiver<SourceStatus> {
        self.status.subscribe()
    }

    /// The source's name.
    pub(crate) fn name(&self) -> String {
        self.status.borrow().name.clone()
    }

    /// Sets state and error; `since` moves only if the state changes.
    pub(crate) fn state(&self, state: SourceState, error: Option<String>) {
        let now = self.clock.now();
        self.status.send_modify(|status| {
            if status.state != state {
                status.since = now;
            }
            status.state = state;
            status.error = error;
        });
    }

    /// Changes anything else.
    pub(crate) fn change(&self, change: impl FnOnce(&mut SourceStatus)) {
        self.status.send_modify(change);
    }

    /// Changes the counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        self.status.send_modify(|status| change(&mut status.counters));
    }

    /// The error of the last session, if there is one.
    pub(crate) fn error(&self) -> Option<String> {
        self.status.borrow().error.clone()
    }
}
