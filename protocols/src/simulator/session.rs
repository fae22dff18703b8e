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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parx_ingest::{Driver, Point, SourcePlan};
    use parx_log::{Catalog, SignalId, SourceDefinition, ValueType};
    use serde_json::json;

    use super::*;

    fn point(address: &str, class: Option<usize>) -> Point {
        Point {
            signal: SignalId(1),
            tag: "t".into(),
            address: address.into(),
            value_type: ValueType::Float,
            stepped: false,
            deadband: None,
            class,
        }
    }

    #[tokio::test]
    async fn polled_points_answer_and_the_others_send_by_themselves() {
        let (name, driver) = ("s".to_owned(), "simulator".to_owned());
        let settings = json!({ "push_ms": 1, "outage_every_s": 100, "outage_s": 1 });
        let source = Arc::new(SourceDefinition { name, driver, settings, enabled: true });
        let points = [point("constant(value=1)", Some(0)), point("constant(value=2)", None)];
        let mut plan = SourcePlan::of(&Catalog::default(), &source);
        plan.points = points.into();
        let simulator = Simulator::compile(&plan).driver.unwrap();
        let mut session = simulator.connect().await.unwrap();
        let mut polled = vec![];
        session.poll(0, Timestamp::from_seconds(50.0), &mut polled).await.unwrap();
        assert_eq!(polled, [Reading::good(0, parx_log::Value::Float(1.0))]);
        let mut sent = vec![];
        while sent.len() < 2 {
            // Now and then the played outage is on.
            let _ = session.receive(&mut sent).await;
        }
        assert_eq!(sent[0], Reading::good(1, parx_log::Value::Float(2.0)));
        assert!(session.poll(0, Timestamp::from_seconds(100.5), &mut polled).await.is_err());
    }
}
