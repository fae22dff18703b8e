//! The supervisor: one task for each source, which starts, restarts and stops its collector.
//!
//! It does what it is told through a channel that always holds the newest wish, so that ten changes
//! in a row make one restart. What a source shall do is decided in `sources`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{Catalog, Clock, Log, Quality, Sample, SignalId, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::admit::{Admission, Memory};
use crate::collector::{CollectorContext, Stop};
use crate::plan::SourcePlan;
use crate::sources::Drivers;
use crate::status::{SourceState, StatusCell};
use crate::writer::{QUEUE_MAX, write};

/// Wait before a collector that crashed is started again.
const CRASH_RETRY: Duration = Duration::from_secs(5);

/// What a source shall do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Collect.
    Run(SourcePlan),
    /// Rest, because it is switched off or retired.
    Off,
    /// End, because ParX does.
    Shutdown,
}

/// One source's supervisor.
pub(crate) struct Supervisor {
    pub(crate) log: Log,
    pub(crate) drivers: Arc<dyn Drivers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) status: StatusCell,
}

impl Supervisor {
    /// Works until told [`Wanted::Shutdown`] and until everything collected is stored.
    pub(crate) async fn run(self, mut wanted: watch::Receiver<Wanted>) {
        let (outlet, queue) = mpsc::channel(QUEUE_MAX);
        let writer = tokio::spawn(write(self.log.clone(), self.status.clone(), queue));
        let mut memory = Memory::default();
        loop {
            let now = wanted.borrow_and_update().clone();
            match now {
                Wanted::Run(plan) => {
                    memory = self.collect(&plan, memory, &outlet, &mut wanted).await;
                    let next = wanted.borrow().clone();
                    if let Wanted::Run(next) = next {
                        self.mark_orphans(&plan, &next, &outlet).await;
                    }
                }
                Wanted::Off => {
                    self.status.state(SourceState::Off, None);
                    if wanted.changed().await.is_err() {
                        break;
                    }
                }
                Wanted::Shutdown => break,
            }
        }
        self.status.state(SourceState::Off, None);
        drop(outlet);
        if let Err(error) = writer.await {
            tracing::error!(source = %self.status.name(), "the writer crashed: {error}");
        }
    }

    /// Runs a collector until something else is wanted.
    async fn collect(
        &self,
        plan: &SourcePlan,
        memory: Memory,
        outlet: &mpsc::Sender<Vec<Sample>>,
        wanted: &mut watch::Receiver<Wanted>,
    ) -> Memory {
        let (stop, stopped) = watch::channel(None);
        let mut job = tokio::spawn(self.drivers.start(CollectorContext {
            plan: plan.clone(),
            stop: stopped,
            outlet: outlet.clone(),
            status: self.status.clone(),
            memory,
            clock: Arc::clone(&self.clock),
        }));
        let ended = tokio::select! {
            ended = &mut job => ended,
            changed = wanted.changed() => {
                let reason = match changed {
                    Ok(()) => reason_to_stop(&wanted.borrow()),
                    Err(_) => Stop::Shutdown,
                };
                stop.send_replace(Some(reason));
                job.await
            }
        };
        match ended {
            Ok(memory) => memory,
            Err(error) => self.after_crash(plan, &error, outlet, wanted).await,
        }
    }

    /// A defect in a driver costs its own source a gap, and no other one anything.
    async fn after_crash(
        &self,
        plan: &SourcePlan,
        error: &tokio::task::JoinError,
        outlet: &mpsc::Sender<Vec<Sample>>,
        wanted: &mut watch::Receiver<Wanted>,
    ) -> Memory {
        let text = format!("the collector crashed and starts again: {error}; please report this");
        tracing::error!(source = %self.status.name(), "{text}");
        let mut admission = Admission::new(Arc::clone(&plan.points), Memory::default());
        let mut out = Vec::new();
        admission.lose(self.clock.now(), Quality::BAD_COMMUNICATION_ERROR, &mut out);
        self.send(outlet, out).await;
        self.status.count(|counters| counters.faults += 1);
        self.status.state(SourceState::Waiting, Some(text));
        tokio::select! {
            () = sleep(CRASH_RETRY) => {}
            _ = wanted.changed() => wanted.mark_changed(),
        }
        admission.into_memory()
    }

    /// Signals that this source no longer reads, and no other one either, go out of service.
    async fn mark_orphans(
        &self,
        old: &SourcePlan,
        new: &SourcePlan,
        outlet: &mpsc::Sender<Vec<Sample>>,
    ) {
        let out: Vec<Sample> = orphans(&self.log.catalog(), old, new)
            .into_iter()
            .map(|signal| out_of_service(signal, self.clock.now()))
            .collect();
        if !out.is_empty() {
            self.send(outlet, out).await;
        }
    }

    async fn send(&self, outlet: &mpsc::Sender<Vec<Sample>>, out: Vec<Sample>) {
        self.status.count(|counters| counters.marked += out.len() as u64);
        if outlet.send(out).await.is_err() {
            tracing::error!(source = %self.status.name(), "the writer is gone; restart ParX");
        }
    }
}

fn reason_to_stop(wanted: &Wanted) -> Stop {
    match wanted {
        Wanted::Run(_) => Stop::Reconfigured,
        Wanted::Off => Stop::OutOfService,
        Wanted::Shutdown => Stop::Shutdown,
    }
}

fn out_of_service(signal: SignalId, time: Timestamp) -> Sample {
    Sample { signal, time, value: None, quality: Quality::BAD_OUT_OF_SERVICE }
}

/// Live signals of `old` that neither `new` nor another source reads.
fn orphans(catalog: &Catalog, old: &SourcePlan, new: &SourcePlan) -> Vec<SignalId> {
    let kept: HashSet<SignalId> = new.points.iter().map(|point| point.signal).collect();
    let unread = |id: &SignalId| {
        let signal = catalog.signal(*id);
        signal.is_some_and(|signal| !signal.retired && signal.definition.source.is_none())
    };
    let gone = old.points.iter().map(|point| point.signal).filter(|id| !kept.contains(id));
    gone.filter(unread).collect()
}
