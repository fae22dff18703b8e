//! The demo: a plant with devices on this machine, so that ParX can be seen at work without any.
//!
//! The plant is a model, the devices speak the real protocols over real sockets, and the past is
//! written by the same model. Nothing here is used by a server that serves a real plant.

mod batch;
mod boiler;
pub mod devices;
mod filler;
pub mod history;
mod memory;
mod noise;
pub mod plant;
mod setup;
pub mod signals;
mod site;

use std::path::PathBuf;
use std::time::Duration;

use parx_log::Log;
use tokio_util::sync::CancellationToken;

use devices::Devices;
use history::{HISTORY_MAX, Span};
use memory::{Keeper, Recollection};
use plant::Plant;

pub use devices::Ports;
pub use setup::setup;

/// The plant's fate.
const SEED: u64 = 20_251_125;

/// What the demo is started with.
#[derive(Clone, Copy, Debug, Default)]
pub struct DemoOptions {
    /// How long a past to write first; none writes none.
    pub history: Option<Duration>,
}

/// Where the demo's data is kept if nothing else is said.
pub fn default_folder() -> Result<PathBuf, String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let data =
        data.ok_or("neither XDG_DATA_HOME nor HOME is set; name a folder with --data DIR")?;
    Ok(data.join("parx/demo"))
}

/// Defines the demo's sources and signals, writes the past that was asked for, and leaves the
/// devices running until `stop`.
pub async fn start(log: &Log, options: DemoOptions, stop: CancellationToken) -> Result<(), String> {
    let devices = Devices::bind().await.map_err(|error| {
        format!("the simulated devices got no port of 127.0.0.1 to listen at: {error}")
    })?;
    setup(log, devices.ports()).await.map_err(|error| error.to_string())?;
    let (plant, keeper) = past(log, options.history).await?;
    tokio::spawn(devices.run(plant, keeper, stop));
    Ok(())
}

/// The plant as it is now: after the past that was asked for, as remembered, or new.
async fn past(log: &Log, wanted: Option<Duration>) -> Result<(Plant, Keeper), String> {
    let now = log.now();
    let known = Recollection::of(log);
    let span = match (wanted, &known) {
        (None, _) => None,
        (Some(wanted), None) => Some(Span { from: now.minus(wanted.min(HISTORY_MAX)), to: now }),
        (Some(_), Some(known)) => known.unfinished(),
    };
    if let Some(span) = span {
        let begun = known.unwrap_or_else(|| Recollection::of_span(span));
        let keeper = Keeper { log: log.clone(), begun };
        let written = history::write(&keeper, Plant::new(SEED, span.from), span).await;
        return Ok((written.map_err(|error| error.to_string())?, keeper));
    }
    if let (Some(_), Some(known)) = (wanted, &known) {
        tracing::info!(
            since = %known.since(),
            "the demo has a past already; --fresh throws it away and makes a new one"
        );
    }
    let mut plant = Plant::new(SEED ^ now.micros().unsigned_abs(), now);
    if let Some(known) = &known {
        plant.resume(|tag| known.number(tag));
    }
    let begun = known.unwrap_or_else(|| Recollection::of_span(Span { from: now, to: now }));
    Ok((plant, Keeper { log: log.clone(), begun }))
}
