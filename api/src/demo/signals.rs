//! The table of the demo's signals: one row each, from which everything else is made.
//!
//! Definitions, registers, messages and past samples all come from these rows, so that they cannot
//! disagree. The rows themselves stand in one file for each area of the plant.

mod boiler;
mod filling;
mod row;
mod site;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use row::TEXT_BYTES;
pub use row::{Class, Device, Kind, Row, Way};

/// Every signal of the demo.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    boiler::ROWS.iter().chain(filling::ROWS).chain(site::ROWS)
}

/// The row of a tag.
pub fn row(tag: &str) -> Option<&'static Row> {
    static BY_TAG: LazyLock<HashMap<&str, &Row>> =
        LazyLock::new(|| rows().map(|row| (row.tag, row)).collect());
    BY_TAG.get(tag).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use parx_log::{Timestamp, ValueType};

    use super::*;
    use crate::demo::plant::Plant;

    #[test]
    fn there_are_enough_signals_of_every_kind_and_none_twice() {
        let tags: HashSet<&str> = rows().map(|row| row.tag).collect();
        assert_eq!(tags.len(), rows().count());
        assert!(tags.len() >= 60, "{}", tags.len());
        let table = [ValueType::Float, ValueType::Int, ValueType::Bool, ValueType::Text];
        for wanted in table {
            assert!(rows().filter(|row| row.value_type() == wanted).count() >= 3, "{wanted:?}");
        }
    }

    #[test]
    fn every_signal_can_be_read_and_has_the_type_it_says() {
        let plant = Plant::new(1, Timestamp::from_micros(0));
        for row in rows() {
            let value = plant.read(row.tag).unwrap();
            assert_eq!(value.value_type(), row.value_type(), "{}", row.tag);
        }
    }

    #[test]
    fn places_do_not_overlap() {
        let mut taken = HashSet::new();
        for row in rows() {
            match row.way {
                Way::Register { device, place } => {
                    for number in place.number..place.number + row.span() {
                        let key = (device, place.unit, place.area, number);
                        assert!(taken.insert(format!("{key:?}")), "{}", row.tag);
                    }
                }
                Way::Message { topic, key } => {
                    assert!(taken.insert(format!("{topic} {key}")), "{}", row.tag);
                }
            }
        }
    }

    #[test]
    fn what_is_drawn_as_a_line_has_a_unit_and_a_range() {
        for row in rows().filter(|row| matches!(row.kind, Kind::Analog(_))) {
            assert!(row.unit.is_some() && row.range.is_some(), "{}", row.tag);
            assert!(row.deadband.is_some_and(|band| band > 0.0), "{}", row.tag);
            assert!(!row.description.is_empty(), "{}", row.tag);
        }
    }
}
