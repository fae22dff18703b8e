//! How long samples are kept, in GraphQL.

use async_graphql::{InputObject, SimpleObject};
use parx_log::{Catalog, Keep, RetentionDefinition};

/// How long the samples of a path are kept, in whole days of UTC; null means for ever.
#[derive(SimpleObject)]
pub struct Retention {
    /// A signal's tag, or the beginning of tags up to a `/`; empty for every signal. The longest path counts.
    pub path: String,
    /// The samples themselves.
    pub raw_days: Option<u32>,
    /// What they come to by minute.
    pub minute_days: Option<u32>,
    /// What they come to by hour.
    pub hour_days: Option<u32>,
    /// What they come to by day.
    pub day_days: Option<u32>,
}

/// A rule for a path. A wider tier is kept at least as long as a narrower one; null means for ever.
#[derive(InputObject)]
pub struct RetentionInput {
    pub path: String,
    pub raw_days: Option<u32>,
    pub minute_days: Option<u32>,
    pub hour_days: Option<u32>,
    pub day_days: Option<u32>,
}

impl From<RetentionInput> for RetentionDefinition {
    fn from(input: RetentionInput) -> RetentionDefinition {
        let RetentionInput { path, raw_days, minute_days, hour_days, day_days } = input;
        let keep = Keep { raw: raw_days, minute: minute_days, hour: hour_days, day: day_days };
        RetentionDefinition { path, keep }
    }
}

/// All rules, in the order of their paths.
pub fn rules(catalog: &Catalog) -> Vec<Retention> {
    let rule = |RetentionDefinition { path, keep }| Retention {
        path,
        raw_days: keep.raw,
        minute_days: keep.minute,
        hour_days: keep.hour,
        day_days: keep.day,
    };
    catalog.rules().map(rule).collect()
}
