//! Modbus TCP: registers and coils, read in as few requests as the device allows.
//!
//! It reads and never writes. RTU lines are reached through a gateway, by unit id.

mod address;
mod decode;
mod plan;
mod session;
mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parx_ingest::{Compiled, Driver, DriverDescription, Fault, SourcePlan};
use tokio::time::Instant;

pub use address::{Address, Area, Kind, Order, STRING_BYTES_MAX};
pub use decode::{decode_bits, decode_words, quality_of_exception};
pub use plan::{BITS_MAX, Field, Limits, REGISTERS_MAX, Read, Target, plan, split};
pub use session::{ModbusSession, PROBE_EVERY};
pub use settings::{SETTINGS, Settings};

use crate::settings as common;

/// What forms and documents show.
pub const DESCRIPTION: DriverDescription = DriverDescription {
    name: "modbus",
    summary: "Modbus TCP devices, and RTU devices behind a gateway",
    addresses: "[unit!]area:number[.bit][:type[:order]] with area coil, discrete, input or holding \
                and number from 0, such as holding:0:float32:cdab, 3!input:12, holding:7.3; or the \
                classic reference from 1, such as 40001:float32. Types: bool int16 uint16 int32 \
                uint32 int64 uint64 float32 float64 bcd16 bcd32 string[n]. Orders: abcd cdab badc \
                dcba",
    polled: true,
    settings: SETTINGS,
};

/// First time that a silent unit is left alone, when other units share the connection.
const REST_FIRST: Duration = Duration::from_secs(1);
/// Longest time that a silent unit is left alone.
const REST_MAX: Duration = Duration::from_secs(15);

/// The driver of one Modbus connection.
#[derive(Clone, Debug)]
pub struct Modbus(Arc<Shared>);

/// What all sessions of a source share.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: Settings,
    targets: Vec<Target>,
    reads: Vec<Read>,
    /// How long a request of each scan class may take.
    patience: Vec<Duration>,
    /// More than one device answers on this connection.
    shared_link: bool,
    resting: Mutex<HashMap<u8, Rest>>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    length: Duration,
}

impl Shared {
    /// Whether `unit` was silent so recently that it is not asked now.
    fn rests(&self, unit: u8, now: Instant) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(&unit).is_some_and(|rest| now < rest.until)
    }

    /// Lets `unit` rest, each time twice as long.
    fn rest(&self, unit: u8, now: Instant) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let length = resting.get(&unit).map_or(REST_FIRST, |rest| (rest.length * 2).min(REST_MAX));
        resting.insert(unit, Rest { until: now + length, length });
    }

    /// Notes that `unit` has answered.
    fn wake(&self, unit: u8) {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&unit);
    }
}

impl Driver for Modbus {
    const NAME: &'static str = DESCRIPTION.name;
    const LIMITS_REQUESTS: bool = true;
    type Session = ModbusSession;

    fn compile(plan: &SourcePlan) -> Compiled<Modbus> {
        let settings: Settings = match common::read(plan) {
            Ok(settings) => settings,
            Err(problem) => return Compiled { driver: None, problems: vec![problem] },
        };
        let mut problems = settings.problems();
        let sound = problems.is_empty();
        let mut targets = Vec::new();
        for (index, point) in plan.points.iter().enumerate() {
            let address = match point.address.parse::<Address>() {
                Ok(address) => address,
                Err(text) => {
                    problems.push(common::bad_address(index, point, text));
                    continue;
                }
            };
            let complaints = [
                common::unscanned(index, point),
                common::unfit(index, point, address.kind.gives()),
            ];
            let found = problems.len();
            problems.extend(complaints.into_iter().flatten());
            if let (true, Some(class)) = (found == problems.len(), point.class) {
                let unit = address.unit.unwrap_or(settings.unit);
                let order = address.order.unwrap_or(settings.byte_order);
                targets.push(Target { point: index, class, unit, order, address });
            }
        }
        let driver = sound.then(|| Modbus(Arc::new(shared(settings, targets, plan))));
        Compiled { driver, problems }
    }

    async fn connect(&self) -> Result<ModbusSession, Fault> {
        ModbusSession::open(Arc::clone(&self.0)).await
    }
}

fn shared(settings: Settings, targets: Vec<Target>, plan: &SourcePlan) -> Shared {
    let reads = self::plan(&targets, &settings.limits());
    let first = targets.first().map(|target| target.unit);
    let shared_link = targets.iter().any(|target| Some(target.unit) != first);
    let timeout = Duration::from_millis(settings.timeout_ms);
    // A silent device has to be found out before the supervisor gives the scan up; where units
    // share the connection, with time left for the others.
    let part = if shared_link { 0.4 } else { 0.8 };
    let patience = plan.classes.iter().map(|class| timeout.min(class.time_limit().mul_f64(part)));
    let patience = patience.collect();
    let resting = Mutex::default();
    Shared { settings, targets, reads, patience, shared_link, resting }
}
