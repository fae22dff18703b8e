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
const CRASH_RETRY: Duration = Duration::from_secs(2);

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
    /// ParX has just started: what was good may have ended with the process before.
    pub(crate) resumes: bool,
}

impl Supervisor {
    /// Works until told [`Wanted::Shutdown`] and until everything collected is stored.
    pub(crate) async fn run(self, mut wanted: watch::Receiver<Wanted>) {
        let (outlet, queue) = mpsc::channel(QUEUE_MAX);
        let writer = tokio::spawn(write(self.log.clone(), self.status.clone(), queue));
        let mut memory = Memory::default();
        if let (true, Wanted::Run(plan)) = (self.resumes, &*wanted.borrow()) {
            let last = |signal| self.log.last_values().get(signal).map(|last| last.sample);
            let marks = interrupted(plan, last, self.clock.now());
            self.status.count(|counters| counters.marked += marks.len() as u64);
            // The queue is empty, so that this never has to wait.
            if !marks.is_empty() && outlet.try_send(marks).is_err() {
                tracing::error!(source = %self.status.name(), "the writer is gone; restart ParX");
            }
        }
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

/// Signals whose last sample is not bad were cut off by the end of the process before: nothing was
/// collected after the newest sample of their source. An orderly stop leaves none.
fn interrupted(
    plan: &SourcePlan,
    last: impl Fn(SignalId) -> Option<Sample>,
    now: Timestamp,
) -> Vec<Sample> {
    let known: Vec<Sample> = plan.points.iter().filter_map(|point| last(point.signal)).collect();
    let newest = known.iter().map(|sample| sample.time).filter(|time| *time <= now).max();
    let mark = |sample: Sample| Sample {
        signal: sample.signal,
        time: newest.unwrap_or(now).max(sample.time).plus(Duration::from_micros(1)),
        value: None,
        quality: Quality::BAD_NOT_CONNECTED,
    };
    known.into_iter().filter(|sample| !sample.quality.is_bad()).map(mark).collect()
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

#[cfg(test)]
mod tests {
    use parx_log::{
        Change, Sequence, Signal, SignalDefinition, SourceDefinition, Value, ValueType,
    };

    use super::*;

    fn signal(id: u32, source: Option<&str>) -> Signal {
        let definition = SignalDefinition {
            tag: format!("t{id}"),
            value_type: ValueType::Float,
            source: source.map(str::to_owned),
            ..SignalDefinition::default()
        };
        Signal { id: SignalId(id), definition, retired: false }
    }

    fn catalog(signals: &[Signal]) -> Catalog {
        let mut catalog = Catalog::default();
        for signal in signals {
            catalog.apply(Sequence(1), &Change::SignalDefined(signal.clone()));
        }
        catalog
    }

    fn plan(signals: &[Signal]) -> SourcePlan {
        let (name, driver) = ("s".to_owned(), "d".to_owned());
        let settings = serde_json::Value::Null;
        let source = SourceDefinition { name, driver, settings, enabled: true };
        SourcePlan::of(&catalog(signals), &Arc::new(source))
    }

    #[test]
    fn i2_a_crash_leaves_a_gap_and_an_orderly_stop_no_second_one() {
        let plan = plan(&[1, 2, 3, 4].map(|id| signal(id, Some("s"))));
        let at = Timestamp::from_micros;
        let last = |id: SignalId| {
            let (time, quality) = match id.0 {
                1 => (100, Quality::GOOD),
                2 => (50, Quality::UNCERTAIN),
                3 => (90, Quality::BAD_NOT_CONNECTED),
                _ => return None,
            };
            Some(Sample { signal: id, time: at(time), value: Some(Value::Float(1.0)), quality })
        };
        let marks = interrupted(&plan, last, at(1000));
        let got: Vec<_> = marks.iter().map(|mark| (mark.signal.0, mark.time.micros())).collect();
        assert_eq!(got, [(1, 101), (2, 101)], "I2");
        assert!(marks.iter().all(|mark| mark.quality == Quality::BAD_NOT_CONNECTED), "I2");
    }

    #[test]
    fn a_signal_that_nobody_reads_any_more_goes_out_of_service() {
        let old = plan(&[1, 2, 3, 4].map(|id| signal(id, Some("s"))));
        let mut retired = signal(4, None);
        retired.retired = true;
        let now = [signal(1, Some("s")), signal(2, Some("other")), signal(3, None), retired];
        assert_eq!(orphans(&catalog(&now), &old, &plan(&now[..1])), [SignalId(3)]);
    }
}
