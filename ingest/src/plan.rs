//! What a source shall do: its definition, points and scan classes, taken from the catalog.
//!
//! Two equal plans need no restart. Whether settings and addresses make sense is for a driver to
//! say.

use std::sync::Arc;
use std::time::Duration;

use parx_log::{Catalog, Signal, SourceDefinition};

use crate::driver::Point;

/// A named period and phase at which points are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanClass {
    /// Its name.
    pub name: Arc<str>,
    /// Time from one scan to the next.
    pub period: Duration,
    /// Offset from the whole multiples of the period since 1970.
    pub phase: Duration,
}

/// Everything that a driver needs to know about its source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// Name, driver and settings.
    pub source: Arc<SourceDefinition>,
    /// Its points, in the order of their signals.
    pub points: Arc<[Point]>,
    /// The scan classes that its points use.
    pub classes: Arc<[ScanClass]>,
}

/// Shortest time that a scan may take before its session is given up.
pub const SCAN_TIME_MIN: Duration = Duration::from_millis(500);

impl ScanClass {
    /// How long a scan may take before its session is given up: the period, so that a silent device
    /// is known within two scans, but never less than [`SCAN_TIME_MIN`].
    pub fn time_limit(&self) -> Duration {
        self.period.max(SCAN_TIME_MIN)
    }
}

impl SourcePlan {
    /// What `source` shall do according to `catalog`, which need not hold the source itself.
    pub fn of(catalog: &Catalog, source: &Arc<SourceDefinition>) -> SourcePlan {
        let name = source.name.as_str();
        let mine = |signal: &&Arc<Signal>| signal.definition.source.as_deref() == Some(name);
        SourcePlan::of_signals(catalog, source, catalog.live_signals().filter(mine))
    }

    /// What `source` shall do if `signals` are all it has to read.
    pub fn of_signals<'a>(
        catalog: &Catalog,
        source: &Arc<SourceDefinition>,
        signals: impl Iterator<Item = &'a Arc<Signal>>,
    ) -> SourcePlan {
        let mut classes: Vec<ScanClass> = Vec::new();
        let points = signals
            .map(|signal| {
                let name = signal.definition.scan_class.as_deref();
                point(signal, name.and_then(|name| class_index(catalog, name, &mut classes)))
            })
            .collect();
        SourcePlan { source: Arc::clone(source), points, classes: classes.into() }
    }

    /// The points of the scan class at `class`, with their places.
    pub fn points_of(&self, class: usize) -> impl Iterator<Item = (usize, &Point)> {
        self.points.iter().enumerate().filter(move |(_, point)| point.class == Some(class))
    }
}

fn point(signal: &Signal, class: Option<usize>) -> Point {
    let definition = &signal.definition;
    Point {
        signal: signal.id,
        tag: definition.tag.as_str().into(),
        address: definition.address.as_deref().unwrap_or_default().into(),
        value_type: definition.value_type,
        stepped: definition.stepped,
        deadband: definition.deadband,
        class,
    }
}

fn class_index(catalog: &Catalog, name: &str, classes: &mut Vec<ScanClass>) -> Option<usize> {
    if let Some(index) = classes.iter().position(|class| *class.name == *name) {
        return Some(index);
    }
    let class = catalog.scan_classes.get(name)?;
    classes.push(ScanClass {
        name: name.into(),
        period: Duration::from_millis(class.period_ms.max(1)),
        phase: Duration::from_millis(class.phase_ms),
    });
    Some(classes.len() - 1)
}
