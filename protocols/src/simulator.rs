//! Values without a device: for demonstrations, for benchmarks and for trying ParX out.
//!
//! A simulated value is a function of time and of its signal's tag, so that two runs agree. It
//! opens no network.

mod address;
mod decode;
mod session;
mod settings;

use parx_ingest::{Compiled, Driver, DriverDescription, Fault, SourcePlan};

pub use address::{Address, Shape};
pub use decode::value_at;
pub use session::SimulatorSession;
pub use settings::{SETTINGS, Settings};

use crate::settings as common;

/// What forms and documents show.
pub const DESCRIPTION: DriverDescription = DriverDescription {
    name: "simulator",
    summary: "Values without a device: waves, walks, counters, states",
    addresses: "shape(name=value,…), such as sine(period=60,low=0,high=100), walk(low=20,high=30), \
                counter(rate=1), states(period=60,list=idle|running|fault); faults=0.01 makes a \
                hundredth of the time bad. With a scan class it is polled, without one it sends by \
                itself every push_ms",
    polled: false,
    settings: SETTINGS,
};

/// The simulator.
#[derive(Clone, Debug)]
pub struct Simulator {
    settings: Settings,
    points: Vec<SimulatedPoint>,
}

/// A point with its address read.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedPoint {
    index: usize,
    class: Option<usize>,
    address: Address,
    seed: u64,
}

impl Driver for Simulator {
    const NAME: &'static str = DESCRIPTION.name;
    type Session = SimulatorSession;

    fn compile(plan: &SourcePlan) -> Compiled<Simulator> {
        let settings: Settings = match common::read(plan) {
            Ok(settings) => settings,
            Err(problem) => return Compiled { driver: None, problems: vec![problem] },
        };
        let mut problems = settings.problems();
        let sound = problems.is_empty();
        let mut points = Vec::new();
        for (index, point) in plan.points.iter().enumerate() {
            match point.address.parse::<Address>() {
                Err(text) => problems.push(common::bad_address(index, point, text)),
                Ok(address) => match common::unfit(index, point, address.shape().gives()) {
                    Some(problem) => problems.push(problem),
                    None => points.push(SimulatedPoint {
                        index,
                        class: point.class,
                        address,
                        seed: decode::seed(&point.tag) ^ settings.seed,
                    }),
                },
            }
        }
        let driver = Simulator { settings, points };
        Compiled { driver: sound.then_some(driver), problems }
    }

    async fn connect(&self) -> Result<SimulatorSession, Fault> {
        Ok(SimulatorSession::new(self.clone()))
    }
}
