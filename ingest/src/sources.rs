//! The sources: keeps what runs in agreement with what the catalog defines.
//!
//! It follows the log, works out what each source shall do, and tells the supervisors. Drivers come
//! in through the port [`Drivers`], chosen by name where ParX is put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{
    Catalog, Change, Clock, Event, Group, Log, Signal, SignalDefinition, SignalId,
    SourceDefinition, Subscription, SubscriptionEnd, Timestamp,
};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::collector::{CollectorContext, Job};
use crate::plan::SourcePlan;
use crate::problem::Problem;
use crate::status::{SourceStatus, StatusCell};
use crate::supervisor::{Supervisor, Wanted};

/// Quiet time after a change of the configuration before sources restart.
const SETTLE: Duration = Duration::from_millis(50);
/// Longest time that changes without a pause put off a restart.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// Longest time that an orderly stop waits for sources to store what they have.
pub const STOP_MAX: Duration = Duration::from_secs(10);

/// The drivers that there are.
pub trait Drivers: Send + Sync + 'static {
    /// What they are called and what they need.
    fn describe(&self) -> Vec<DriverDescription>;

    /// Everything that is wrong with a plan. Touches no network.
    fn check(&self, plan: &SourcePlan) -> Vec<Problem>;

    /// A collector for the plan of `context`.
    fn start(&self, context: CollectorContext) -> Job;
}

/// A driver as a form or a page of documentation shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverDescription {
    /// The name by which a source asks for it.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// How an address is written, with examples.
    pub addresses: &'static str,
    /// Whether its points need a scan class.
    pub polled: bool,
    /// Its settings.
    pub settings: &'static [SettingDescription],
}

/// One setting of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SettingDescription {
    /// Its name in the settings.
    pub name: &'static str,
    /// `text`, `secret`, `int`, `bool`, or words to choose from, separated by `|`.
    pub kind: &'static str,
    /// Its default as JSON; none where it has to be given.
    pub default: Option<&'static str>,
    /// What it is, in a sentence.
    pub description: &'static str,
}

type Readers = BTreeMap<Arc<str>, watch::Receiver<SourceStatus>>;

/// All sources of this ParX. Cheap to clone; they run until [`Sources::stop`].
#[derive(Clone)]
pub struct Sources {
    log: Log,
    drivers: Arc<dyn Drivers>,
    readers: watch::Receiver<Readers>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sources {
    /// Starts what the catalog defines, and follows its changes.
    pub fn start(log: Log, drivers: Arc<dyn Drivers>) -> Sources {
        let (publish, readers) = watch::channel(Readers::new());
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let manager = Manager {
            log: log.clone(),
            drivers: Arc::clone(&drivers),
            clock: Arc::new(LogClock(log.clone())),
            publish,
            running: BTreeMap::new(),
            resumes: true,
            tasks: tasks.clone(),
        };
        tasks.spawn(manager.run(stop.clone()));
        Sources { log, drivers, readers, stop, tasks }
    }

    /// How each source is doing, in the order of their names.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        self.readers.borrow().values().map(|reader| reader.borrow().clone()).collect()
    }

    /// How one source is doing.
    pub fn status(&self, name: &str) -> Option<SourceStatus> {
        self.readers.borrow().get(name).map(|reader| reader.borrow().clone())
    }

    /// The drivers that there are.
    pub fn drivers(&self) -> Vec<DriverDescription> {
        self.drivers.describe()
    }

    /// What is wrong with a source as defined here, together with the signals it already has.
    pub fn check_source(&self, source: &SourceDefinition) -> Vec<Problem> {
        self.drivers.check(&SourcePlan::of(&self.log.catalog(), &Arc::new(source.clone())))
    }

    /// What is wrong with the address of a signal as defined here. Says nothing about signals
    /// without a source, or of a source that is not defined.
    pub fn check_signal(&self, definition: &SignalDefinition) -> Vec<Problem> {
        let catalog = self.log.catalog();
        let name = definition.source.as_deref().unwrap_or_default();
        let Some(source) = catalog.sources.get(name) else { return vec![] };
        let signal = Signal { id: SignalId(0), definition: definition.clone(), retired: false };
        let signal = Arc::new(signal);
        let plan = SourcePlan::of_signals(&catalog, source, std::iter::once(&signal));
        let problems = self.drivers.check(&plan);
        problems.into_iter().filter(|problem| problem.point.is_some()).collect()
    }

    /// Stops all sources: marks their signals as not connected and waits until everything is
    /// stored, at most [`STOP_MAX`].
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_MAX, self.tasks.wait()).await.is_err() {
            let seconds = STOP_MAX.as_secs();
            tracing::error!("sources did not stop within {seconds} s; their last samples are lost");
        }
    }
}

/// The log's clock as a port.
struct LogClock(Log);

impl Clock for LogClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }
}

struct Manager {
    log: Log,
    drivers: Arc<dyn Drivers>,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Readers>,
    running: BTreeMap<Arc<str>, Running>,
    /// Until the catalog has been looked at once.
    resumes: bool,
    tasks: TaskTracker,
}

struct Running {
    wanted: watch::Sender<Wanted>,
    reader: watch::Receiver<SourceStatus>,
}

impl Manager {
    async fn run(mut self, stop: CancellationToken) {
        let follow = async {
            // Subscribed before the catalog is read, so that no change falls in between.
            let mut subscription = self.log.subscribe();
            loop {
                self.agree(&self.log.catalog().clone());
                if changed(&self.log, &mut subscription).await.is_none() {
                    return;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow => {}
        }
        for running in self.running.values() {
            running.wanted.send_replace(Wanted::Shutdown);
        }
    }

    /// Tells every supervisor what its source shall do now.
    fn agree(&mut self, catalog: &Catalog) {
        let wanted = wanted(catalog);
        for (name, running) in &self.running {
            if !wanted.contains_key(&**name) {
                tell(running, Wanted::Off);
            }
        }
        for (name, wish) in wanted {
            match self.running.get(name) {
                Some(running) => tell(running, wish),
                None => {
                    let driver = catalog.sources.get(name).map_or("", |source| &source.driver);
                    self.begin(name.into(), driver, wish);
                }
            }
        }
        let defined =
            self.running.iter().filter(|(name, _)| catalog.sources.contains_key(&***name));
        let readers = defined.map(|(name, it)| (Arc::clone(name), it.reader.clone())).collect();
        self.publish.send_replace(readers);
        self.resumes = false;
    }

    fn begin(&mut self, name: Arc<str>, driver: &str, wish: Wanted) {
        let status = StatusCell::new(&name, driver, Arc::clone(&self.clock));
        let reader = status.reader();
        let (wanted, wishes) = watch::channel(wish);
        let supervisor = Supervisor {
            log: self.log.clone(),
            drivers: Arc::clone(&self.drivers),
            clock: Arc::clone(&self.clock),
            status,
            resumes: self.resumes,
        };
        self.tasks.spawn(supervisor.run(wishes));
        self.running.insert(name, Running { wanted, reader });
    }
}

fn tell(running: &Running, wish: Wanted) {
    running.wanted.send_if_modified(|old| {
        let differs = *old != wish;
        if differs {
            *old = wish;
        }
        differs
    });
}

/// What each defined source shall do.
fn wanted(catalog: &Catalog) -> BTreeMap<&str, Wanted> {
    let mut signals: BTreeMap<&str, Vec<&Arc<Signal>>> = BTreeMap::new();
    for signal in catalog.live_signals() {
        if let Some(source) = signal.definition.source.as_deref() {
            signals.entry(source).or_default().push(signal);
        }
    }
    let wish = |(name, source): (&'_ String, &Arc<SourceDefinition>)| {
        let mine = signals.remove(name.as_str()).unwrap_or_default();
        if source.enabled {
            Wanted::Run(SourcePlan::of_signals(catalog, source, mine.into_iter()))
        } else {
            Wanted::Off
        }
    };
    let names = catalog.sources.keys().map(String::as_str);
    names.zip(catalog.sources.iter().map(wish)).collect()
}

/// Waits until something that concerns sources has changed and settled. None: the log is closed.
async fn changed(log: &Log, subscription: &mut Subscription) -> Option<()> {
    loop {
        match subscription.next().await {
            Ok(group) if concerns_sources(&group) => break,
            Ok(_) => {}
            Err(SubscriptionEnd::Lagged(_)) => {
                *subscription = log.subscribe();
                break;
            }
            Err(SubscriptionEnd::Closed) => return None,
        }
    }
    let latest = Instant::now() + SETTLE_MAX;
    let mut until = Instant::now() + SETTLE;
    while let Ok(next) = timeout_at(until.min(latest), subscription.next()).await {
        match next {
            Ok(group) if concerns_sources(&group) => until = Instant::now() + SETTLE,
            Ok(_) => {}
            Err(SubscriptionEnd::Lagged(_)) => *subscription = log.subscribe(),
            Err(SubscriptionEnd::Closed) => return None,
        }
    }
    Some(())
}

fn concerns_sources(group: &Group) -> bool {
    group.entries.iter().any(|entry| match &entry.event {
        Event::Samples(_) => false,
        Event::Change(change) => change_concerns_sources(change),
    })
}

fn change_concerns_sources(change: &Change) -> bool {
    match change {
        Change::SignalDefined(signal) => signal.definition.source.is_some(),
        Change::SignalChanged(_) | Change::SignalRetired(_) => true,
        Change::SourceDefined(_) | Change::SourceChanged(_) => true,
        Change::SourceRetired { .. } | Change::ScanClassDefined(_) => true,
        Change::UserDefined(_) | Change::UserPasswordChanged(_) => false,
        Change::SamplesDeleted { .. } | Change::SamplesRestored { .. } => false,
        Change::RetentionDefined(_)
        | Change::RetentionRetired { .. }
        | Change::SamplesExpired { .. }
        | Change::SegmentsCommitted { .. }
        | Change::SegmentsMerged { .. }
        | Change::DataLost { .. } => false,
    }
}
