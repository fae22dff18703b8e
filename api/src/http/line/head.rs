//! What stands before the values of a line, recognised by its bytes.
//!
//! Lines come in rounds: after a measurement with its tags comes mostly the one that came after it
//! the last time, and so do fields. So the bytes are first compared with that one; only where they
//! differ are they hashed, and only where they are new taken apart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parx_ingest::Series;

use super::{LineError, Parser};

/// A measurement with its tags, as it stands in the text.
struct Head<'a> {
    raw: &'a str,
    /// Its measurement and the tags' values, as signals are called.
    prefix: String,
    labels: BTreeMap<String, String>,
    /// The field that begins its lines.
    first: Option<u32>,
    /// The head that came after it.
    next: Option<u32>,
}

/// A field of a head, as it stands in the text.
struct Field<'a> {
    raw: &'a str,
    key: String,
    /// Place among the points' series.
    series: u32,
    /// The field that came after it in its line.
    next: Option<u32>,
    /// Its last text; states are told again and again.
    text: Option<Arc<str>>,
}

/// What has been met so far.
#[derive(Default)]
pub(super) struct Heads<'a> {
    heads: Vec<Head<'a>>,
    fields: Vec<Field<'a>>,
    heads_by_bytes: HashMap<&'a str, u32>,
    fields_by_bytes: HashMap<(u32, &'a str), u32>,
    series_by_tag: HashMap<String, u32>,
    /// The head of the line before.
    last: Option<u32>,
}

/// Where in a line the reading is: its head, and the field before.
#[derive(Clone, Copy)]
pub(super) struct Place {
    head: u32,
    field: Option<u32>,
}

impl Heads<'_> {
    /// The key of a field.
    pub(super) fn key(&self, field: u32) -> &str {
        self.fields.get(field as usize).map_or("", |field| &field.key)
    }

    /// A text of a field; the one before it, if they are alike.
    pub(super) fn text(&mut self, field: u32, text: &str) -> Arc<str> {
        let Some(field) = self.fields.get_mut(field as usize) else { return text.into() };
        match &field.text {
            Some(last) if **last == *text => last.clone(),
            Some(_) | None => field.text.insert(text.into()).clone(),
        }
    }

    /// Remembers that `head` came after the one before it.
    fn came(&mut self, head: u32) {
        if let Some(last) = self.last.and_then(|last| self.heads.get_mut(last as usize)) {
            last.next = Some(head);
        }
        self.last = Some(head);
    }
}

impl<'a> Parser<'a> {
    /// Whether `raw` is what comes next, up to `end`.
    fn is_next(&self, raw: &str, end: u8) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        rest.strip_prefix(raw.as_bytes()).is_some_and(|rest| rest.first() == Some(&end))
    }

    /// The head of a line.
    pub(super) fn head(&mut self) -> Result<Place, LineError> {
        let of = |place: Option<u32>| place.and_then(|place| self.heads.heads.get(place as usize));
        let guess = of(self.heads.last).and_then(|last| last.next);
        if let (Some(head), Some(known)) = (guess, of(guess))
            && self.is_next(known.raw, b' ')
        {
            self.at += known.raw.len();
            self.heads.last = guess;
            return Ok(Place { head, field: None });
        }
        // Without a backslash, the first space ends a head that is in order.
        let raw = self.until(|byte| matches!(byte, b' ' | b'\n' | b'\\'));
        let known = self.heads.heads_by_bytes.get(raw).copied();
        if let Some(head) = known.filter(|_| self.is_next(raw, b' ')) {
            self.at += raw.len();
            self.heads.came(head);
            return Ok(Place { head, field: None });
        }
        self.new_head()
    }

    fn new_head(&mut self) -> Result<Place, LineError> {
        let from = self.at;
        let measurement = self.name(b", ", "the measurement")?;
        let mut labels = BTreeMap::new();
        while self.take(b',') {
            let key = self.name(b"=, ", "a tag's key")?;
            if !self.take(b'=') {
                return self.error(format!("the tag '{key}' has no value; write {key}=value"));
            }
            let value = self.name(b", =", "a tag's value")?;
            if labels.insert(key.clone(), value).is_some() {
                return self.error(format!("the tag '{key}' is there twice"));
            }
        }
        let raw = self.text.get(from..self.at).unwrap_or_default();
        let head = match self.heads.heads_by_bytes.get(raw) {
            Some(head) => *head,
            None => {
                let values: Vec<&str> = labels.values().map(String::as_str).collect();
                let prefix = [&[measurement.as_str()], values.as_slice()].concat().join("/");
                let head = self.heads.heads.len() as u32;
                self.heads.heads.push(Head { raw, prefix, labels, first: None, next: None });
                self.heads.heads_by_bytes.insert(raw, head);
                head
            }
        };
        self.heads.came(head);
        Ok(Place { head, field: None })
    }

    /// One field with its value.
    pub(super) fn field(&mut self, place: Place) -> Result<Place, LineError> {
        let before = place.field.and_then(|field| self.heads.fields.get(field as usize));
        let head = self.heads.heads.get(place.head as usize);
        let guess = match place.field {
            Some(_) => before.and_then(|field| field.next),
            None => head.and_then(|head| head.first),
        };
        let known = guess.and_then(|field| self.heads.fields.get(field as usize));
        let field = match (guess, known) {
            (Some(field), Some(known)) if self.is_next(known.raw, b'=') => {
                self.at += known.raw.len();
                field
            }
            _ => self.other_field(place)?,
        };
        self.take(b'=');
        let value = self.value(field)?;
        let series = self.heads.fields.get(field as usize).map_or(0, |field| field.series);
        self.push(series, value);
        Ok(Place { field: Some(field), ..place })
    }

    /// A field that is not the one that came here the last time.
    fn other_field(&mut self, place: Place) -> Result<u32, LineError> {
        let from = self.at;
        let key = self.name(b"=, ", "a field's key")?;
        if self.next() != Some(b'=') {
            return self.error(format!("the field '{key}' has no value; write {key}=value"));
        }
        let raw = self.text.get(from..self.at).unwrap_or_default();
        let field = match self.heads.fields_by_bytes.get(&(place.head, raw)) {
            Some(field) => *field,
            None => self.new_field(place.head, raw, key),
        };
        let heads = &mut self.heads;
        let before = match place.field {
            Some(before) => heads.fields.get_mut(before as usize).map(|before| &mut before.next),
            None => heads.heads.get_mut(place.head as usize).map(|head| &mut head.first),
        };
        if let Some(before) = before {
            *before = Some(field);
        }
        Ok(field)
    }

    fn new_field(&mut self, head: u32, raw: &'a str, key: String) -> u32 {
        let heads = &mut self.heads;
        let (prefix, labels) = match heads.heads.get(head as usize) {
            Some(head) => (head.prefix.as_str(), head.labels.clone()),
            None => ("", BTreeMap::new()),
        };
        let tag = format!("{prefix}/{key}");
        // Heads that are written in another way may be of the same signal.
        let series = match heads.series_by_tag.get(&tag) {
            Some(series) => *series,
            None => {
                let series = self.series.len() as u32;
                heads.series_by_tag.insert(tag.clone(), series);
                self.series.push(Series { tag, labels });
                series
            }
        };
        let field = heads.fields.len() as u32;
        heads.fields.push(Field { raw, key, series, next: None, text: None });
        heads.fields_by_bytes.insert((head, raw), field);
        field
    }
}
