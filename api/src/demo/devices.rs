//! The demo's devices: what the plant is, as registers and messages on real sockets.
//!
//! Two Modbus controllers and an MQTT gateway listen on loopback at ports that the system chooses.
//! One task moves the plant along with the clock and brings the devices up to date.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use parx_log::{SourceDefinition, Timestamp, Value};
use parx_protocols::device::image::{Image, WordOrder};
use parx_protocols::device::modbus::{Device as Controller, Fault};
use parx_protocols::device::mqtt::Gateway;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::memory::Keeper;
use super::plant::Plant;
use super::signals::{Class, Device, Kind, Row, TEXT_BYTES, Way, rows};

/// How often the devices learn what the plant is.
const TICK: Duration = Duration::from_millis(100);
/// Longest time that the plant makes up for after the machine slept; beyond it time jumps.
const CATCH_UP_MAX: Duration = Duration::from_secs(3_600);

/// How often the gateway sends a topic at least; at once if something in it switched.
const TOPICS: [(&str, Duration); 7] = [
    ("site/power", Duration::from_secs(1)),
    ("site/water", Duration::from_secs(2)),
    ("site/air", Duration::from_secs(1)),
    ("site/weather", Duration::from_secs(30)),
    ("filling/batch", Duration::from_secs(10)),
    ("filling/line", Duration::from_secs(5)),
    ("filling/operator", Duration::from_secs(60)),
];

/// Where the devices listen, on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The controller of the boiler house.
    pub boiler: u16,
    /// The controller of tank and line.
    pub filling: u16,
    /// The gateway.
    pub gateway: u16,
}

impl Ports {
    /// The sources that read the devices.
    pub fn sources(&self) -> Vec<SourceDefinition> {
        let source = |device: Device, driver: &str, settings| SourceDefinition {
            name: device.source().to_owned(),
            driver: driver.to_owned(),
            settings,
            enabled: true,
        };
        let host = "127.0.0.1";
        let order = "cdab";
        vec![
            source(Device::Boiler, "modbus", json!({"host": host, "port": self.boiler})),
            source(
                Device::Filling,
                "modbus",
                json!({"host": host, "port": self.filling, "byte_order": order}),
            ),
            source(Device::Gateway, "mqtt", json!({"host": host, "port": self.gateway})),
        ]
    }
}

/// Devices that listen and do not answer yet.
pub struct Devices {
    boiler: TcpListener,
    filling: TcpListener,
    gateway: TcpListener,
    ports: Ports,
}

impl Devices {
    /// Takes three free ports.
    pub async fn bind() -> io::Result<Devices> {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (boiler, filling, gateway) = (bind().await?, bind().await?, bind().await?);
        let ports = Ports {
            boiler: boiler.local_addr()?.port(),
            filling: filling.local_addr()?.port(),
            gateway: gateway.local_addr()?.port(),
        };
        Ok(Devices { boiler, filling, gateway, ports })
    }

    /// Where they listen.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Answers until `stop`, with the plant moving along with the log's clock. The keeper is told
    /// the plant now and then and at the end.
    pub(super) async fn run(self, mut plant: Plant, keeper: Keeper, stop: CancellationToken) {
        let front = Front::default();
        front.show(&plant);
        let serving = async {
            tokio::join!(
                serve("boiler", front.boiler.serve(self.boiler)),
                serve("filling", front.filling.serve(self.filling)),
                serve("gateway", front.gateway.serve(self.gateway)),
            )
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = serving => {}
            () = live(&mut plant, &front, &keeper) => {}
        }
        keeper.keep(&plant).await;
    }
}

/// How often the state is kept.
const KEEP_EVERY: Duration = Duration::from_secs(300);

async fn live(plant: &mut Plant, front: &Front, keeper: &Keeper) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut post = Post::default();
    let mut kept = keeper.log.now();
    loop {
        ticks.tick().await;
        let passed = keeper.log.now().since(plant.now());
        if passed > CATCH_UP_MAX {
            plant.skip(passed - CATCH_UP_MAX);
        }
        plant.step(passed.min(CATCH_UP_MAX));
        front.show(plant);
        post.send(plant, &front.gateway);
        if plant.now().since(kept) >= KEEP_EVERY {
            kept = plant.now();
            keeper.keep(plant).await;
        }
    }
}

async fn serve(name: &str, serving: impl Future<Output = io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, device = name, "a device of the demo stopped; start it again");
    }
    // The others go on.
    std::future::pending::<()>().await;
}

/// What the devices show.
#[derive(Default)]
struct Front {
    boiler: Controller,
    filling: Controller,
    gateway: Gateway,
}

impl Front {
    fn show(&self, plant: &Plant) {
        let controllers = [
            (Device::Boiler, &self.boiler, WordOrder::HighFirst),
            (Device::Filling, &self.filling, WordOrder::LowFirst),
        ];
        for (device, controller, order) in controllers {
            let online = plant.is_online(device);
            controller.set_fault(if online { Fault::None } else { Fault::Gone });
            controller.update(|image| {
                for row in rows().filter(|row| row.device() == device) {
                    write(image, row, plant, order);
                }
            });
        }
    }
}

/// Puts a signal's value where its row says.
fn write(image: &mut Image, row: &Row, plant: &Plant, order: WordOrder) {
    let Way::Register { place, .. } = row.way else { return };
    match (row.kind, row.value(plant)) {
        (_, Value::Float(x)) => image.set_f32(place, x as f32, order),
        (Kind::State(..), Value::Int(x)) => image.set(place, x as u16),
        (_, Value::Int(x)) => image.set_u32(place, x as u32, order),
        (_, Value::Bool(x)) => image.set_bit(place, x),
        (_, Value::Text(x)) => image.set_text(place, &x, TEXT_BYTES),
    }
}

/// What the gateway has sent and when.
#[derive(Default)]
struct Post {
    sent: BTreeMap<&'static str, (Timestamp, Vec<Value>)>,
}

impl Post {
    /// Sends the topics that are due.
    fn send(&mut self, plant: &Plant, gateway: &Gateway) {
        for (topic, period) in TOPICS {
            let switched = switches(topic, plant);
            let due = self.sent.get(topic).is_none_or(|(time, before)| {
                plant.now().since(*time) >= period || *before != switched
            });
            if due {
                gateway.publish(topic, message(topic, plant).to_string().as_bytes(), true);
                self.sent.insert(topic, (plant.now(), switched));
            }
        }
    }
}

fn members(topic: &str) -> impl Iterator<Item = (&'static str, &'static Row)> {
    rows().filter_map(move |row| match row.way {
        Way::Message { topic: of, key } if of == topic => Some((key, row)),
        Way::Message { .. } | Way::Register { .. } => None,
    })
}

/// What of a topic is told at once: everything that is no number.
fn switches(topic: &str, plant: &Plant) -> Vec<Value> {
    let told = |row: &&Row| matches!(row.kind, Kind::Flag(_) | Kind::State(..) | Kind::Text(_));
    members(topic).map(|(_, row)| row).filter(told).map(|row| row.value(plant)).collect()
}

/// A topic's message.
fn message(topic: &str, plant: &Plant) -> serde_json::Value {
    let mut message = serde_json::Map::new();
    message.insert("time".to_owned(), json!(plant.now().to_string()));
    for (key, row) in members(topic) {
        let value = match row.value(plant) {
            // JSON has no word for what is no number, so that it becomes null.
            Value::Float(x) => json!(x),
            Value::Int(x) => json!(x),
            Value::Bool(x) => json!(x),
            Value::Text(x) => json!(&*x),
        };
        message.insert(key.to_owned(), value);
    }
    message.into()
}

/// How often a signal is seen at most, by its class.
pub(super) fn period(row: &Row) -> Duration {
    let scanned = Class::SCANNED.iter().find(|(class, _, _)| *class == row.class);
    let sent = || match row.way {
        Way::Message { topic, .. } => TOPICS.iter().find(|(of, _)| *of == topic).map(|t| t.1),
        Way::Register { .. } => None,
    };
    let scanned = scanned.map(|(_, _, millis)| Duration::from_millis(*millis));
    scanned.or_else(sent).unwrap_or(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parx_ingest::{Drivers, SourcePlan};
    use parx_log::{Catalog, Change, ScanClassDefinition, Sequence, Signal, SignalId};

    use super::*;

    #[test]
    fn the_drivers_have_nothing_to_say_against_sources_and_addresses() {
        let mut catalog = Catalog::default();
        for (_, name, period_ms) in Class::SCANNED {
            let class = ScanClassDefinition { name: name.to_owned(), period_ms, phase_ms: 0 };
            catalog.apply(Sequence(1), &Change::ScanClassDefined(class));
        }
        for (id, row) in (1..).zip(rows()) {
            let signal = Signal { id: SignalId(id), definition: row.definition(), retired: false };
            catalog.apply(Sequence(1), &Change::SignalDefined(signal));
        }
        let ports = Ports { boiler: 1, filling: 2, gateway: 3 };
        for source in ports.sources() {
            let plan = SourcePlan::of(&catalog, &Arc::new(source));
            let problems = parx_protocols::AllDrivers.check(&plan);
            assert!(problems.is_empty(), "{problems:?}");
            assert!(plan.points.len() > 5, "{:?}", plan.source);
        }
    }

    #[test]
    fn every_message_has_a_period_and_every_topic_a_member() {
        for row in rows() {
            if let Way::Message { topic, .. } = row.way {
                assert!(TOPICS.iter().any(|(of, _)| *of == topic), "{topic}");
            }
        }
        for (topic, _) in TOPICS {
            assert!(members(topic).next().is_some(), "{topic}");
        }
    }

    #[test]
    fn a_message_names_its_time_and_has_null_for_what_is_no_number() {
        let mut plant = Plant::new(1, Timestamp::from_micros(0));
        while !plant.probed(1.0).is_nan() {
            plant.step(Duration::from_secs(1));
        }
        let message = message("filling/batch", &plant);
        assert_eq!(message["time"], plant.now().to_string());
        assert!(message["acidity"].is_null());
        assert!(message["id"].as_str().is_some_and(|id| id.starts_with('B')));
    }
}
