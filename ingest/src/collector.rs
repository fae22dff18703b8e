//! The collector: keeps one source's session open, scans, receives, and hands admitted samples on.
//!
//! When a session ends or cannot be opened, every point of the source gets one sample of bad
//! quality at that time, and the collector tries again by itself. It measures samples, not sockets:
//! a scan that does not end in time, or a point that stays away from its scans, is bad too. It
//! knows no protocol, and it does not append: that is the writer's work behind a bounded queue.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{Clock, Quality, Sample, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::admit::{Admission, Memory, Tally};
use crate::driver::{Driver, Fault, Reading, Session};
use crate::plan::SourcePlan;
use crate::problem::{Compiled, Problem};
use crate::schedule::{Due, Schedule};
use crate::status::{SourceState, StatusCell};

/// Longest time that opening a session may take, whatever the driver's own limit.
pub const CONNECT_MAX: Duration = Duration::from_secs(15);

/// Longest time of a scan whose driver limits its requests itself.
pub const SCAN_TIME_MAX: Duration = Duration::from_secs(60);

/// How long samples may wait for the log before the time in between is marked as not recorded.
pub const STALL_MAX: Duration = Duration::from_secs(5);

/// Bad points that a status names; the others are counted.
pub const BAD_NAMED_MAX: usize = 5;

/// A collector at work. Ends when it is told to stop, with what the next one needs to know.
pub type Job = Pin<Box<dyn Future<Output = Memory> + Send>>;

/// Why a collector is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its source or signals changed; the next collector follows at once. Leaves no mark.
    Reconfigured,
    /// Its source was switched off or retired: the points become out of service.
    OutOfService,
    /// ParX stops: the points become not connected.
    Shutdown,
}

impl Stop {
    fn mark(self) -> Option<Quality> {
        match self {
            Stop::Reconfigured => None,
            Stop::OutOfService => Some(Quality::BAD_OUT_OF_SERVICE),
            Stop::Shutdown => Some(Quality::BAD_NOT_CONNECTED),
        }
    }
}

/// Everything that a collector works with.
pub struct CollectorContext {
    /// What to do.
    pub plan: SourcePlan,
    /// Becomes the reason to stop.
    pub stop: watch::Receiver<Option<Stop>>,
    /// Where samples go. A full queue makes the collector wait.
    pub outlet: mpsc::Sender<Vec<Sample>>,
    /// Where to tell how it goes.
    pub status: StatusCell,
    /// What the collector before knew.
    pub memory: Memory,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A collector that works with the driver `D`.
pub fn collect<D: Driver>(context: CollectorContext) -> Job {
    Box::pin(async move {
        let Compiled { driver, problems } = D::compile(&context.plan);
        let collector = Collector::new(context, problems);
        match driver {
            Some(driver) => collector.run(&driver).await,
            None => collector.stay_off().await,
        }
    })
}

/// A collector that cannot work: it marks its points, tells the problems and waits to be stopped.
pub fn refuse(context: CollectorContext, problems: Vec<Problem>) -> Job {
    Box::pin(async move { Collector::new(context, problems).stay_off().await })
}

enum End {
    Stopped(Stop),
    Failed(Fault),
}

struct Collector {
    plan: SourcePlan,
    stop: watch::Receiver<Option<Stop>>,
    outlet: mpsc::Sender<Vec<Sample>>,
    status: StatusCell,
    clock: Arc<dyn Clock>,
    admission: Admission,
    problems: Vec<Problem>,
    /// Sessions in a row that brought no reading.
    failures: u32,
    /// The points whose last reading of this session was bad.
    bad: BTreeMap<usize, Quality>,
    /// These points in words.
    complaint: Option<String>,
    /// Since when the log took nothing, if that was long.
    stalled: Option<Timestamp>,
}

impl Collector {
    fn new(context: CollectorContext, problems: Vec<Problem>) -> Collector {
        let CollectorContext { plan, stop, outlet, status, memory, clock } = context;
        let admission = Admission::new(Arc::clone(&plan.points), memory);
        status.change(|status| {
            status.driver = plan.source.driver.clone();
            status.points = plan.points.len();
            status.problems = problems.clone();
        });
        Collector {
            plan,
            stop,
            outlet,
            status,
            clock,
            admission,
            problems,
            failures: 0,
            bad: BTreeMap::new(),
            complaint: None,
            stalled: None,
        }
    }

    async fn run<D: Driver>(mut self, driver: &D) -> Memory {
        self.mark_problems().await;
        loop {
            let fault = match self.serve(driver).await {
                End::Stopped(stop) => return self.finish(stop).await,
                End::Failed(fault) => fault,
            };
            self.lose(fault.quality()).await;
            self.status.count(|counters| counters.faults += 1);
            let wait = fault.retry(self.failures, rand::random());
            self.failures = self.failures.saturating_add(1);
            let state = if wait.is_some() { SourceState::Waiting } else { SourceState::Off };
            if self.status.error().as_deref() != Some(&fault.to_string()) {
                let source = &self.plan.source.name;
                tracing::info!(%source, "session over: {fault}");
            }
            self.status.state(state, Some(fault.to_string()));
            tokio::select! {
                stop = stopped(&mut self.stop) => return self.finish(stop).await,
                () = sleep_or_never(wait) => {}
            }
        }
    }

    /// Opens a session and works with it until it ends.
    async fn serve<D: Driver>(&mut self, driver: &D) -> End {
        self.status.state(SourceState::Connecting, self.status.error());
        let mut session = tokio::select! {
            stop = stopped(&mut self.stop) => return End::Stopped(stop),
            session = timeout(CONNECT_MAX, driver.connect()) => match session {
                Ok(Ok(session)) => session,
                Ok(Err(fault)) => return End::Failed(fault),
                Err(_) => return End::Failed(no_session()),
            },
        };
        self.status.count(|counters| counters.sessions += 1);
        // Where points are polled, only a reading shows that the session works.
        let polls = D::POLLS && self.plan.points.iter().any(|point| point.class.is_some());
        let error = if polls { self.status.error() } else { None };
        self.bad.clear();
        self.complaint = None;
        self.status.state(SourceState::Connected, error);
        let now = self.clock.now();
        let used = |class| D::POLLS && self.plan.points_of(class).next().is_some();
        let mut schedule = Schedule::starting(&self.plan.classes, used, now);
        let mut readings = Vec::new();
        loop {
            self.mark_stall().await;
            let wait = schedule.wait(self.clock.now());
            tokio::select! {
                stop = stopped(&mut self.stop) => return End::Stopped(stop),
                received = session.receive(&mut readings) => {
                    self.take(&mut readings, self.clock.now()).await;
                    if let Err(fault) = received {
                        return End::Failed(fault);
                    }
                }
                () = sleep_or_never(wait) => {
                    for due in schedule.due(self.clock.now()) {
                        if let Some(end) = self.scan::<D>(&mut session, due, &mut readings).await {
                            return end;
                        }
                    }
                }
            }
        }
    }

    /// Reads one scan class. Its samples carry the middle of the scan, if the peer has no clock.
    async fn scan<D: Driver>(
        &mut self,
        session: &mut D::Session,
        due: Due,
        readings: &mut Vec<Reading>,
    ) -> Option<End> {
        let Due { class, missed } = due;
        let (period, limit) = self.plan.classes.get(class).map(|c| (c.period, c.time_limit()))?;
        let limit = if D::LIMITS_REQUESTS { period.max(SCAN_TIME_MAX) } else { limit };
        let begun = self.clock.now();
        let polled = tokio::select! {
            stop = stopped(&mut self.stop) => return Some(End::Stopped(stop)),
            polled = timeout(limit, session.poll(class, begun, readings)) => polled,
        };
        let ended = self.clock.now();
        let middle = begun.plus(ended.since(begun) / 2);
        self.status.count(|counters| {
            counters.scans += 1;
            counters.overruns += missed;
        });
        let mut seen = vec![false; self.plan.points.len()];
        for reading in readings.iter() {
            if let Some(seen) = seen.get_mut(reading.point) {
                *seen = true;
            }
        }
        self.take(readings, middle).await;
        match polled {
            Ok(Ok(())) => {
                let mut out = Vec::new();
                let tally = self.admission.end_scan(class, &seen, ended, &mut out);
                self.hand_on(tally, out).await;
                None
            }
            Ok(Err(fault)) => Some(End::Failed(fault)),
            Err(_) => Some(End::Failed(scan_too_long(limit, period))),
        }
    }

    /// Admits readings and hands their samples on.
    async fn take(&mut self, readings: &mut Vec<Reading>, at: Timestamp) {
        if readings.is_empty() {
            return;
        }
        self.failures = 0;
        self.note_bad(readings);
        let mut out = Vec::new();
        let tally = self.admission.admit(readings.drain(..), at, &mut out);
        self.status.change(|status| {
            status.last_reading = Some(at);
            status.error.clone_from(&self.complaint);
        });
        self.hand_on(tally, out).await;
    }

    /// Notes which points the device gives nothing good for.
    fn note_bad(&mut self, readings: &[Reading]) {
        let mut changed = false;
        for reading in readings {
            changed |= match reading.quality.is_bad() {
                true => self.bad.insert(reading.point, reading.quality) != Some(reading.quality),
                false => self.bad.remove(&reading.point).is_some(),
            };
        }
        if changed {
            self.complaint = bad_points(&self.plan, &self.bad);
        }
    }

    async fn hand_on(&mut self, tally: Tally, out: Vec<Sample>) {
        let marked = (out.len() as u64).saturating_sub(tally.recorded);
        if tally != Tally::default() || marked > 0 {
            self.status.count(|counters| {
                counters.add(tally);
                counters.marked += marked;
            });
        }
        if out.is_empty() {
            return;
        }
        let begun = self.clock.now();
        if self.outlet.send(out).await.is_err() {
            let source = &self.plan.source.name;
            tracing::error!(%source, "the writer is gone; samples are lost. Restart ParX.");
        }
        if self.clock.now().since(begun) > STALL_MAX {
            self.stalled = self.stalled.or(Some(begun));
        }
    }

    /// Marks the time in which the log took nothing: what the device said meanwhile is not known.
    async fn mark_stall(&mut self) {
        let Some(since) = self.stalled.take() else { return };
        self.status.count(|counters| counters.stalls += 1);
        let mut out = Vec::new();
        let tally = self.admission.lose(since, Quality::BAD_RESOURCE_UNAVAILABLE, &mut out);
        self.hand_on(tally, out).await;
    }

    async fn lose(&mut self, quality: Quality) {
        let mut out = Vec::new();
        let tally = self.admission.lose(self.clock.now(), quality, &mut out);
        self.hand_on(tally, out).await;
    }

    /// The points that the driver cannot read are bad from the beginning.
    async fn mark_problems(&mut self) {
        let (now, mut out) = (self.clock.now(), Vec::new());
        for index in self.problems.iter().filter_map(|problem| problem.point) {
            self.admission.reject(index, now, &mut out);
        }
        self.hand_on(Tally::default(), out).await;
    }

    async fn stay_off(mut self) -> Memory {
        self.lose(Quality::BAD_CONFIGURATION_ERROR).await;
        let first = self.problems.first().map(ToString::to_string);
        self.status.state(SourceState::Off, first);
        let stop = stopped(&mut self.stop).await;
        self.finish(stop).await
    }

    async fn finish(mut self, stop: Stop) -> Memory {
        if let Some(quality) = stop.mark() {
            let mut out = Vec::new();
            let tally = self.admission.end(self.clock.now(), quality, &mut out);
            self.hand_on(tally, out).await;
        }
        self.admission.into_memory()
    }
}

/// The bad points in words, the first few by name; nothing if there are none.
fn bad_points(plan: &SourcePlan, bad: &BTreeMap<usize, Quality>) -> Option<String> {
    let name = |(index, quality): (&usize, &Quality)| {
        let point = plan.points.get(*index)?;
        Some(format!("'{}' at '{}' is {quality}", point.tag, point.address))
    };
    let named: Vec<String> = bad.iter().take(BAD_NAMED_MAX).filter_map(name).collect();
    let more = bad.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let remedy = "check these addresses and what the device gives there";
    (!named.is_empty()).then(|| format!("{}{more}; {remedy}", named.join(", ")))
}

fn no_session() -> Fault {
    let seconds = CONNECT_MAX.as_secs();
    Fault::Link(format!("no session within {seconds} s; check host and port, and the network"))
}

fn scan_too_long(limit: Duration, period: Duration) -> Fault {
    Fault::Link(format!(
        "no answer to a scan within {} ms; the device is silent or too slow for a scan class of {} \
         ms: check the device, or give its signals a slower class",
        limit.as_millis(),
        period.as_millis()
    ))
}

async fn stopped(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => reason.unwrap_or(Stop::Shutdown),
        Err(_) => Stop::Shutdown,
    }
}

async fn sleep_or_never(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
