//! A session of the simulator: it answers at once, and sends by itself where there is no scan
//! class.

use std::time::Duration;

use parx_ingest::{Fault, Reading, Session};
use parx_log::{Clock, SystemClock, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::decode::value_at;
use super::{SimulatedPoint, Simulator};

/// An open session.
#[derive(Debug)]
pub struct SimulatorSession {
    simulator: Simulator,
    next_push: Instant,
}

impl SimulatorSession {
    pub(crate) fn new(simulator: Simulator) -> SimulatorSession {
        SimulatorSession { simulator, next_push: Instant::now() }
    }

    /// A simulated loss of the link, if one is due.
    fn outage(&self, now: Timestamp) -> Result<(), Fault> {
        let every = self.simulator.settings.outage_every_s as f64;
        let length = self.simulator.settings.outage_s as f64;
        if every > 0.0 && now.seconds().rem_euclid(every) < length {
            let text = "simulated loss of the link; set outage_every_s to 0 to have none";
            return Err(Fault::Link(text.to_owned()));
        }
        Ok(())
    }

    fn read(&self, class: Option<usize>, now: Timestamp, into: &mut Vec<Reading>) {
        let wanted = |point: &&SimulatedPoint| point.class == class;
        for point in self.simulator.points.iter().filter(wanted) {
            let (value, quality) = value_at(&point.address, point.seed, now);
            into.push(Reading { point: point.index, value, quality, source_time: None });
        }
    }
}

impl Session for SimulatorSession {
    async fn poll(
        &mut self,
        class: usize,
        now: Timestamp,
        into: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        self.outage(now)?;
        self.read(Some(class), now, into);
        Ok(())
    }

    async fn receive(&mut self, into: &mut Vec<Reading>) -> Result<(), Fault> {
        if self.simulator.points.iter().all(|point| point.class.is_some()) {
            return std::future::pending().await;
        }
        sleep_until(self.next_push).await;
        let period = Duration::from_millis(self.simulator.settings.push_ms);
        self.next_push = (self.next_push + period).max(Instant::now());
        let now = SystemClock.now();
        self.outage(now)?;
        self.read(None, now, into);
        Ok(())
    }
}
