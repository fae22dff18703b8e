//! What the drivers' settings and points share: reading them, and complaining about them.

use parx_ingest::{Point, Problem, SourcePlan};
use parx_log::ValueType;
use serde::de::DeserializeOwned;

/// The settings of a source as a driver's struct.
pub(crate) fn read<T: DeserializeOwned>(plan: &SourcePlan) -> Result<T, Problem> {
    let settings = match &plan.source.settings {
        serde_json::Value::Null => serde_json::json!({}),
        settings => settings.clone(),
    };
    serde_json::from_value(settings).map_err(|error| {
        let text = error.to_string();
        // serde names an unknown field between backticks; the place of that one is what helps.
        let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
        let field = unknown.map_or("settings".to_owned(), |(name, _)| format!("settings.{name}"));
        Problem::of_source(field, text)
    })
}

/// A complaint if `value` is not from `low` to `high`.
pub(crate) fn range(field: &str, value: u64, low: u64, high: u64) -> Option<Problem> {
    let text = || format!("is {value}; it must be from {low} to {high}");
    let outside = !(low..=high).contains(&value);
    outside.then(|| Problem::of_source(format!("settings.{field}"), text()))
}

/// A complaint if `value` is empty.
pub(crate) fn filled(field: &str, value: &str) -> Option<Problem> {
    let text = "is empty; name the machine, such as 192.168.0.10 or plc7.plant.local";
    value.trim().is_empty().then(|| Problem::of_source(format!("settings.{field}"), text))
}

/// A complaint about a point's address.
pub(crate) fn bad_address(index: usize, point: &Point, text: impl std::fmt::Display) -> Problem {
    Problem::of_point(index, &point.tag, "address", format!("'{}': {text}", point.address))
}

/// A complaint if a point that has to be polled has no scan class.
pub(crate) fn unscanned(index: usize, point: &Point) -> Option<Problem> {
    let text = "is missing; name the scan class that says how often it is read";
    let missing = point.class.is_none();
    missing.then(|| Problem::of_point(index, &point.tag, "scan_class", text))
}

/// A complaint if what an address gives can never be a value of the signal.
pub(crate) fn unfit(index: usize, point: &Point, gives: ValueType) -> Option<Problem> {
    use ValueType::{Bool, Float, Int, Text};
    let fits = match (gives, point.value_type) {
        (Text, Text) | (Float, Float) => true,
        (Int | Bool, Float | Int | Bool) => true,
        (Text, Float | Int | Bool) | (Float, Int | Bool | Text) | (Int | Bool, Text) => false,
    };
    let (gives, wanted) = (gives.word(), point.value_type.word());
    let text = format!(
        "is {wanted}, and the address '{}' gives {gives}; make the signal {gives}, or correct the \
         address's type",
        point.address
    );
    (!fits).then(|| Problem::of_point(index, &point.tag, "value_type", text))
}
