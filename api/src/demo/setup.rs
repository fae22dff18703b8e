//! The demo's configuration: scan classes, sources and signals as commands to the log.
//!
//! It may be done at every start: what is there already stays as it is, only the sources learn the
//! ports that their devices got this time.

use parx_log::{Command, Log, ScanClassDefinition, SubmitError};

use super::devices::Ports;
use super::history::AUTHOR;
use super::memory;
use super::signals::{Class, rows};

/// Defines what is missing, and points the sources at the devices.
pub async fn setup(log: &Log, ports: Ports) -> Result<(), SubmitError> {
    let known = log.catalog();
    let classes = Class::SCANNED.iter().filter_map(|(_, name, period_ms)| {
        let (name, period_ms) = ((*name).to_owned(), *period_ms);
        // A period that was changed by hand stays.
        let missing = !known.scan_classes.contains_key(&name);
        let class = ScanClassDefinition { name, period_ms, phase_ms: 0 };
        missing.then_some(Command::DefineScanClass(class))
    });
    let sources =
        ports.sources().into_iter().map(|mut source| match known.sources.get(&source.name) {
            Some(before) => {
                source.enabled = before.enabled;
                Command::ChangeSource(source)
            }
            None => Command::DefineSource(source),
        });
    let signals = rows().map(|row| row.definition()).chain([memory::definition()]).collect();
    let commands = classes.chain(sources).chain([Command::EnsureSignals(signals)]);
    for command in commands.collect::<Vec<_>>() {
        log.submit(AUTHOR.into(), command).await?;
    }
    Ok(())
}
