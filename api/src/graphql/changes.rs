//! Inputs of the mutations, and their errors.

use async_graphql::{Error, ErrorExtensions, InputObject, Json};
use parx_log::{SignalDefinition, SourceDefinition};

use crate::graphql::scalars::{Int64, Time};
use crate::graphql::types::Type;

#[derive(InputObject)]
pub struct SourceInput {
    pub name: String,
    pub driver: String,
    pub settings: Json<serde_json::Value>,
    #[graphql(default = true)]
    pub enabled: bool,
}

impl From<SourceInput> for SourceDefinition {
    fn from(input: SourceInput) -> SourceDefinition {
        let SourceInput { name, driver, settings: Json(settings), enabled } = input;
        SourceDefinition { name, driver, settings, enabled }
    }
}

#[derive(InputObject)]
pub struct SignalInput {
    pub tag: String,
    #[graphql(default)]
    pub description: String,
    pub unit: Option<String>,
    #[graphql(default_with = "Type::Float")]
    pub value_type: Type,
    #[graphql(default)]
    pub states: Vec<StateInput>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub stepped: Option<bool>,
    pub source: Option<String>,
    pub address: Option<String>,
    pub scan_class: Option<String>,
    /// Smallest change that is recorded, in the signal's unit.
    pub deadband: Option<f64>,
}

#[derive(InputObject)]
pub struct StateInput {
    pub number: i32,
    pub name: String,
}

impl From<SignalInput> for SignalDefinition {
    fn from(input: SignalInput) -> SignalDefinition {
        let states = input.states.into_iter();
        SignalDefinition {
            tag: input.tag,
            description: input.description,
            unit: input.unit,
            value_type: input.value_type.into(),
            states: states.map(|state| (i64::from(state.number), state.name)).collect(),
            low: input.low,
            high: input.high,
            stepped: input.stepped.unwrap_or(input.value_type != Type::Float),
            labels: Default::default(),
            source: input.source,
            address: input.address,
            scan_class: input.scan_class,
            deadband: input.deadband,
        }
    }
}

#[derive(InputObject)]
pub struct SampleInput {
    pub tag: String,
    /// Now, where it is left out.
    pub time: Option<Time>,
    pub value: Option<f64>,
    pub value_int: Option<Int64>,
    pub value_text: Option<String>,
    /// OPC UA status code; good where it is left out.
    pub quality: Option<Int64>,
}

/// An error with a code that a program can look at.
pub fn refused(code: &'static str, message: impl std::fmt::Display) -> Error {
    Error::new(message.to_string()).extend_with(|_, extensions| extensions.set("code", code))
}
