//! The list of drivers, and the choice of one by its name.
//!
//! A new protocol is one line in the list.

use parx_ingest::{
    CollectorContext, Driver, DriverDescription, Drivers, Job, Problem, SourcePlan, collect, refuse,
};

use crate::modbus::{self, Modbus};
use crate::mqtt::{self, Mqtt};
use crate::simulator::{self, Simulator};

/// All drivers of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllDrivers;

struct Row {
    description: DriverDescription,
    check: fn(&SourcePlan) -> Vec<Problem>,
    start: fn(CollectorContext) -> Job,
}

static ROWS: [Row; 3] = [
    row::<Modbus>(modbus::DESCRIPTION),
    row::<Mqtt>(mqtt::DESCRIPTION),
    row::<Simulator>(simulator::DESCRIPTION),
];

const fn row<D: Driver>(description: DriverDescription) -> Row {
    Row { description, check: |plan| D::compile(plan).problems, start: collect::<D> }
}

fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.description.name == name)
}

fn unknown(name: &str) -> Vec<Problem> {
    let names: Vec<_> = ROWS.iter().map(|row| row.description.name).collect();
    let text = format!("there is no driver '{name}'; the drivers are {}", names.join(", "));
    vec![Problem::of_source("driver", text)]
}

impl Drivers for AllDrivers {
    fn describe(&self) -> Vec<DriverDescription> {
        ROWS.iter().map(|row| row.description.clone()).collect()
    }

    fn check(&self, plan: &SourcePlan) -> Vec<Problem> {
        let name = plan.source.driver.as_str();
        find(name).map_or_else(|| unknown(name), |row| (row.check)(plan))
    }

    fn start(&self, context: CollectorContext) -> Job {
        let name = context.plan.source.driver.clone();
        match find(&name) {
            Some(row) => (row.start)(context),
            None => refuse(context, unknown(&name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parx_log::{Catalog, SourceDefinition};
    use serde_json::json;

    use super::*;

    fn check(driver: &str, settings: serde_json::Value) -> Vec<String> {
        let (name, driver) = ("s".to_owned(), driver.to_owned());
        let source = SourceDefinition { name, driver, settings, enabled: true };
        let plan = SourcePlan::of(&Catalog::default(), &Arc::new(source));
        AllDrivers.check(&plan).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_would_be_right() {
        let table = [
            ("modbsu", json!({}), "there is no driver 'modbsu'; the drivers are modbus, mqtt"),
            ("modbus", json!({}), "missing field `host`"),
            ("modbus", json!({"host": "h", "prot": 1}), "unknown field `prot`"),
            ("modbus", json!({"host": "h", "max_registers": 126}), "settings.max_registers"),
            ("mqtt", json!({"host": "", "qos": 3}), "settings.qos"),
            ("simulator", json!({"push_ms": 0}), "settings.push_ms"),
        ];
        for (driver, settings, expected) in table {
            let got = check(driver, settings.clone());
            let found = got.iter().any(|text| text.contains(expected));
            assert!(found, "{driver} {settings}: {got:?} lacks {expected:?}");
        }
    }

    #[test]
    fn the_described_defaults_are_the_ones_that_the_code_uses() {
        for description in AllDrivers.describe() {
            let mut given = serde_json::Map::new();
            for setting in description.settings {
                let value = match setting.default {
                    Some(default) => serde_json::from_str(default).unwrap(),
                    None => json!("here"),
                };
                given.insert(setting.name.to_owned(), value);
            }
            let got = check(description.name, given.into());
            assert_eq!(got, Vec::<String>::new(), "{}", description.name);
        }
    }
}
