//! What stands before the values of a line, recognised by its bytes.
//!
//! Lines come in rounds: after a measurement with its tags comes mostly the one that came after it
//! the last time, and so do fields. So the bytes are first compared with that one; only where they
//! differ are they hashed, and only where they are new taken apart. What is known is kept from one
//! text to the next (`Pool`), within bounds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use parx_ingest::Series;

use super::{LineError, Parser};

/// Bytes of names that are kept from one text to the next; who knows more is forgotten.
pub const KNOWN_BYTES_MAX: usize = 8 << 20;
/// How many are kept, for texts that are read at once.
pub const KNOWN_KEPT_MAX: usize = 4;
/// Longest text of a field that is kept to be shared with the next one that is alike.
const SHARED_TEXT_BYTES_MAX: usize = 64;

/// A measurement with its tags, as it stands in the text.
struct Head {
    raw: Arc<str>,
    /// Its measurement and the tags' values, as signals are called.
    prefix: String,
    labels: BTreeMap<String, String>,
    fields: HashMap<Arc<str>, u32>,
    /// The field that begins its lines.
    first: Option<u32>,
    /// The head that came after it.
    next: Option<u32>,
}

/// A field of a head, as it stands in the text.
struct Field {
    raw: Arc<str>,
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
pub(super) struct Heads {
    heads: Vec<Head>,
    fields: Vec<Field>,
    by_bytes: HashMap<Arc<str>, u32>,
    pub(super) series: Arc<Vec<Series>>,
    series_by_tag: HashMap<String, u32>,
    /// The head of the line before.
    last: Option<u32>,
    /// Bytes of all the names, about.
    bytes: usize,
}

/// What was known after the texts before, for those to come.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Heads>>);

impl Pool {
    pub(super) fn take(&self) -> Heads {
        self.0.lock().pop().unwrap_or_default()
    }

    pub(super) fn give(&self, heads: Heads) {
        let mut kept = self.0.lock();
        if heads.bytes <= KNOWN_BYTES_MAX && kept.len() < KNOWN_KEPT_MAX {
            kept.push(heads);
        }
    }
}

/// Where in a line the reading is: its head, and the field before.
#[derive(Clone, Copy)]
pub(super) struct Place {
    head: u32,
    field: Option<u32>,
}

impl Heads {
    /// The key of a field.
    pub(super) fn key(&self, field: u32) -> &str {
        self.fields.get(field as usize).map_or("", |field| &field.key)
    }

    /// A text of a field; the one before it, if they are alike.
    pub(super) fn text(&mut self, field: u32, text: &str) -> Arc<str> {
        let field = self.fields.get_mut(field as usize);
        match field.filter(|_| text.len() <= SHARED_TEXT_BYTES_MAX) {
            None => text.into(),
            Some(field) => match &field.text {
                Some(last) if **last == *text => last.clone(),
                Some(_) | None => field.text.insert(text.into()).clone(),
            },
        }
    }

    /// Remembers that `head` came after the one before it.
    fn came(&mut self, head: u32) {
        if let Some(last) = self.last.and_then(|last| self.heads.get_mut(last as usize)) {
            last.next = Some(head);
        }
        self.last = Some(head);
    }

    fn add_head(&mut self, raw: &str, measurement: &str, labels: BTreeMap<String, String>) -> u32 {
        let values: Vec<&str> = labels.values().map(String::as_str).collect();
        let prefix = [&[measurement], values.as_slice()].concat().join("/");
        let (raw, head): (Arc<str>, _) = (raw.into(), self.heads.len() as u32);
        self.by_bytes.insert(raw.clone(), head);
        self.bytes += size_of::<Head>() + 3 * raw.len();
        let (fields, first, next) = (HashMap::new(), None, None);
        self.heads.push(Head { raw, prefix, labels, fields, first, next });
        head
    }

    fn add_field(&mut self, head: u32, raw: &str, key: String) -> u32 {
        let field = self.fields.len() as u32;
        let Some(head) = self.heads.get_mut(head as usize) else { return field };
        let raw: Arc<str> = raw.into();
        head.fields.insert(raw.clone(), field);
        let tag = format!("{}/{key}", head.prefix);
        self.bytes += size_of::<Field>() + 2 * raw.len();
        // Heads that are written in another way may be of the same signal.
        let series = match self.series_by_tag.get(&tag) {
            Some(series) => *series,
            None => {
                let series = self.series.len() as u32;
                self.bytes += size_of::<Series>() + 2 * tag.len() + head.raw.len();
                self.series_by_tag.insert(tag.clone(), series);
                let labels = head.labels.clone();
                Arc::make_mut(&mut self.series).push(Series { tag, labels });
                series
            }
        };
        self.fields.push(Field { raw, key, series, next: None, text: None });
        field
    }
}

impl Parser<'_> {
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
            && self.is_next(&known.raw, b' ')
        {
            self.at += known.raw.len();
            self.heads.last = guess;
            return Ok(Place { head, field: None });
        }
        // Without a backslash, the first space ends a head that is in order.
        let raw = self.until(|byte| matches!(byte, b' ' | b'\n' | b'\\'));
        let known = self.heads.by_bytes.get(raw).copied();
        if let Some(head) = known.filter(|_| self.is_next(raw, b' ')) {
            self.at += raw.len();
            self.heads.came(head);
            return Ok(Place { head, field: None });
        }
        self.other_head()
    }

    /// A head that is taken apart.
    fn other_head(&mut self) -> Result<Place, LineError> {
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
        let head = match self.heads.by_bytes.get(raw) {
            Some(head) => *head,
            None => self.heads.add_head(raw, &measurement, labels),
        };
        self.heads.came(head);
        Ok(Place { head, field: None })
    }

    /// One field with its value.
    pub(super) fn field(&mut self, place: Place) -> Result<Place, LineError> {
        let guess = match place.field {
            Some(before) => self.heads.fields.get(before as usize).and_then(|field| field.next),
            None => self.heads.heads.get(place.head as usize).and_then(|head| head.first),
        };
        let known = guess.and_then(|field| self.heads.fields.get(field as usize));
        let field = match (guess, known) {
            (Some(field), Some(known)) if self.is_next(&known.raw, b'=') => {
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
        let head = self.heads.heads.get(place.head as usize);
        let field = match head.and_then(|head| head.fields.get(raw)) {
            Some(field) => *field,
            None => self.heads.add_field(place.head, raw, key),
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
}
