//! MQTT 3.1.1: values from a broker's topics, in JSON or as plain text.
//!
//! It subscribes and never publishes. One signal is one place in one topic's payload.

mod address;
mod decode;
mod session;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use parx_ingest::{Compiled, Driver, DriverDescription, Fault, SourcePlan};

pub use address::{Address, Path, Payload, Step};
pub use decode::{decode, time_of};
pub use session::{MESSAGES_MAX, MqttSession};
pub use settings::{SETTINGS, Settings};

use crate::settings as common;

/// What forms and documents show.
pub const DESCRIPTION: DriverDescription = DriverDescription {
    name: "mqtt",
    summary: "Topics of an MQTT broker, with JSON or plain payloads",
    addresses: "topic:path[@path of the time], such as plant/p1/state:$.temp@$.ts or \
                plant/p1/state:$.motors[0][\"speed (rpm)\"]; or topic:type for a plain payload, \
                such as plant/p1/speed:float64. Types: float64 int64 bool text. A time is RFC 3339, or \
                seconds, ms, µs or ns since 1970",
    polled: false,
    settings: SETTINGS,
};

/// The driver of one broker.
#[derive(Clone, Debug)]
pub struct Mqtt(Arc<Shared>);

/// What all sessions of a source share.
#[derive(Debug)]
pub(crate) struct Shared {
    source: String,
    settings: Settings,
    topics: BTreeMap<String, Vec<Target>>,
}

/// A point of a topic.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its place in the source's plan.
    pub point: usize,
    /// Where its value is in the payload.
    pub payload: Payload,
}

impl Driver for Mqtt {
    const NAME: &'static str = DESCRIPTION.name;
    const POLLS: bool = false;
    type Session = MqttSession;

    fn compile(plan: &SourcePlan) -> Compiled<Mqtt> {
        let settings: Settings = match common::read(plan) {
            Ok(settings) => settings,
            Err(problem) => return Compiled { driver: None, problems: vec![problem] },
        };
        let mut problems = settings.problems();
        let sound = problems.is_empty();
        let mut topics: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        for (index, point) in plan.points.iter().enumerate() {
            let address = match point.address.parse::<Address>() {
                Ok(address) => address,
                Err(text) => {
                    problems.push(common::bad_address(index, point, text));
                    continue;
                }
            };
            let complaint = match &address.payload {
                Payload::Json { .. } => None,
                Payload::Plain(gives) => common::unfit(index, point, *gives),
            };
            match complaint {
                Some(problem) => problems.push(problem),
                None => {
                    let target = Target { point: index, payload: address.payload };
                    topics.entry(address.topic).or_default().push(target);
                }
            }
        }
        let source = plan.source.name.clone();
        let driver = sound.then(|| Mqtt(Arc::new(Shared { source, settings, topics })));
        Compiled { driver, problems }
    }

    async fn connect(&self) -> Result<MqttSession, Fault> {
        MqttSession::open(Arc::clone(&self.0)).await
    }
}
