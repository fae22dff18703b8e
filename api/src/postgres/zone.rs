//! The session's time zone: names, offsets, and how far from UTC it is at a time.
//!
//! The rules of the zones come with arrow. It writes no times; that is the encoder's.

use std::str::FromStr;

use chrono::{DateTime, Offset, TimeZone};
use parx_query::arrow::array::timezone::Tz;

/// A time zone with the name under which it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    name: String,
    /// None is UTC, which needs no looking up.
    rules: Option<Tz>,
}

impl Default for Zone {
    fn default() -> Zone {
        Zone { name: "UTC".into(), rules: None }
    }
}

impl Zone {
    /// Reads a name in any case, or hours east of UTC.
    pub(crate) fn read(text: &str) -> Option<Zone> {
        let text = text.trim();
        if ["utc", "gmt", "etc/utc", "z", "zulu"].iter().any(|name| text.eq_ignore_ascii_case(name))
        {
            let name = if text.len() == 3 { text.to_uppercase() } else { "UTC".into() };
            return Some(Zone { name, rules: None });
        }
        if let Some(zone) = offset(text) {
            return Some(zone);
        }
        // No further digits or signs are offsets: arrow would read them the other way around.
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        [text.to_owned(), capitalised(text), text.to_uppercase()].into_iter().find_map(|name| {
            let rules = Tz::from_str(&name).ok()?;
            Some(Zone { name, rules: Some(rules) })
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC at a time.
    pub(crate) fn offset_at(&self, unix_seconds: i64) -> i32 {
        let Some(rules) = &self.rules else { return 0 };
        let Some(time) = DateTime::from_timestamp(unix_seconds, 0) else { return 0 };
        rules.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc()
    }

    /// Seconds east of UTC for a clock on the wall there; the earlier where it shows a time twice,
    /// the offset before where it skips it.
    pub(crate) fn offset_of_local(&self, local_seconds: i64) -> i32 {
        let before =
            self.offset_at(local_seconds - i64::from(self.offset_at(local_seconds)) - 7200);
        let by_before = self.offset_at(local_seconds - i64::from(before));
        let after = self.offset_at(local_seconds - i64::from(self.offset_at(local_seconds)) + 7200);
        if by_before == before {
            before
        } else if self.offset_at(local_seconds - i64::from(after)) == after {
            after
        } else {
            before
        }
    }
}

/// `+02`, `-5`, `5.5`, `+05:30`: hours east of UTC.
fn offset(text: &str) -> Option<Zone> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?),
        None => {
            let hours: f64 =
                digits.parse().ok().filter(|hours: &f64| (0.0..16.0).contains(hours))?;
            (hours as u32, (hours.fract() * 60.0).round() as u32)
        }
    };
    if hours > 15 || minutes > 59 {
        return None;
    }
    let sign = if sign < 0 { '-' } else { '+' };
    let rules = Tz::from_str(&format!("{sign}{hours:02}:{minutes:02}")).ok()?;
    let minutes = if minutes == 0 { String::new() } else { format!(":{minutes:02}") };
    Some(Zone { name: format!("{sign}{hours:02}{minutes}"), rules: Some(rules) })
}

/// `europe/berlin` as `Europe/Berlin`.
fn capitalised(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .map(|c| {
            let c = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            begins = matches!(c, '/' | '_' | '-');
            c
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_in_any_case() {
        let cases = [
            ("utc", Some(("UTC", 0))),
            ("GMT", Some(("GMT", 0))),
            ("Europe/Berlin", Some(("Europe/Berlin", 3600))),
            ("america/new_york", Some(("America/New_York", -18000))),
            ("+02", Some(("+02", 7200))),
            ("-5", Some(("-05", -18000))),
            ("5.5", Some(("+05:30", 19800))),
            ("+05:45", Some(("+05:45", 20700))),
            ("nowhere", None),
            ("+99", None),
            ("", None),
            ("+05:xx", None),
        ];
        for (text, expected) in cases {
            let zone = Zone::read(text);
            // 2026-01-15
            let found = zone.as_ref().map(|zone| (zone.name(), zone.offset_at(1_768_435_200)));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn walls_clocks_are_read_through_the_change_of_summer_time() {
        let berlin = Zone::read("Europe/Berlin").unwrap();
        let cases = [
            ("2026-01-15T12:00:00", 3600),
            ("2026-07-15T12:00:00", 7200),
            ("2026-03-29T01:59:59", 3600),
            ("2026-03-29T03:00:00", 7200),
            ("2026-10-25T01:59:59", 7200),
            ("2026-10-25T02:30:00", 7200), // twice: the earlier
            ("2026-10-25T03:00:00", 3600),
        ];
        for (text, expected) in cases {
            let local = chrono::NaiveDateTime::from_str(text).unwrap().and_utc().timestamp();
            assert_eq!(berlin.offset_of_local(local), expected, "{text}");
        }
    }
}
