//! How long samples and their rollups are kept: rules by path, the most specific one first.
//!
//! Pure. Who lets go is the compactor.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Whole days of UTC that something is kept behind the present one; nothing means for ever.
pub type Days = Option<u32>;

/// How long each tier is kept. A wider tier is kept at least as long as a narrower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keep {
    /// The samples themselves.
    #[serde(default)]
    pub raw: Days,
    /// What they come to by minute.
    #[serde(default)]
    pub minute: Days,
    /// By hour.
    #[serde(default)]
    pub hour: Days,
    /// By day.
    #[serde(default)]
    pub day: Days,
}

impl Keep {
    /// The tiers from the narrowest to the widest, with their names.
    pub fn tiers(&self) -> [(&'static str, Days); 4] {
        [("raw", self.raw), ("minute", self.minute), ("hour", self.hour), ("day", self.day)]
    }
}

/// What is kept of the signals at or below a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionDefinition {
    /// A signal's tag, or the beginning of tags up to a `/`; empty for every signal.
    pub path: String,
    /// How long.
    pub keep: Keep,
}

impl RetentionDefinition {
    /// True if the rule is about the signal `tag`.
    pub fn concerns(&self, tag: &str) -> bool {
        let below = tag.strip_prefix(self.path.as_str());
        self.path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Says what is wrong with the rule.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let refuse = |field: &'static str, problem: String| Refusal::Invalid {
            what: "retention",
            name: self.path.clone(),
            field,
            problem,
        };
        if self.path.starts_with('/') || self.path.ends_with('/') {
            return Err(refuse("path", "must not begin or end with '/'".into()));
        }
        let mut before = ("", Some(0));
        for (name, days) in self.keep.tiers() {
            if days == Some(0) {
                return Err(refuse(name, "must be at least 1 day, or left out to keep all".into()));
            }
            let shorter = match (before.1, days) {
                (None, Some(_)) => true,
                (Some(narrow), Some(wide)) => wide < narrow,
                (_, None) => false,
            };
            if shorter {
                let problem = format!("must be kept at least as long as {}", before.0);
                return Err(refuse(name, problem));
            }
            before = (name, days);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, raw: Days, minute: Days, hour: Days, day: Days) -> RetentionDefinition {
        RetentionDefinition { path: path.into(), keep: Keep { raw, minute, hour, day } }
    }

    #[test]
    fn a_rule_is_about_the_signals_at_and_below_its_path() {
        let rule = rule("plant/line1", None, None, None, None);
        let table = [
            ("plant/line1", true),
            ("plant/line1/temperature", true),
            ("plant/line10/temperature", false),
            ("plant", false),
        ];
        for (tag, expected) in table {
            assert_eq!(rule.concerns(tag), expected, "{tag}");
        }
        assert!(RetentionDefinition { path: String::new(), ..rule }.concerns("anything"));
    }

    #[test]
    fn a_wider_tier_is_kept_at_least_as_long_as_a_narrower_one() {
        let table = [
            (rule("", Some(30), Some(30), Some(400), None), None),
            (rule("", Some(30), None, None, None), None),
            (rule("", None, Some(30), None, None), Some("minute")),
            (rule("", Some(30), Some(7), None, None), Some("minute")),
            (rule("", Some(0), None, None, None), Some("raw")),
            (rule("plant/", None, None, None, None), Some("path")),
        ];
        for (rule, expected) in table {
            let field = match rule.check() {
                Err(Refusal::Invalid { field, .. }) => Some(field),
                _ => None,
            };
            assert_eq!(field, expected, "{rule:?}");
        }
    }
}
