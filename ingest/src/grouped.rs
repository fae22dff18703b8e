//! From points to samples: the rows of a series together, and each value of its signal's type.
//!
//! Points come in any order; the log wants the rows of a signal together. They are ordered by
//! counting, so that no row is hashed or compared, and types are looked at run by run. It decides
//! nothing about which signals there are; that is the catalog's.

use std::sync::Arc;

use parx_log::{Catalog, Run, RunKind, Samples, SignalDefinition, SignalId, Value, ValueType};

use crate::admit::TEXT_BYTES_MAX;
use crate::intake::{IntakeError, WRITE_NEW_SIGNALS_MAX};
use crate::points::{Points, Series};

/// Points whose rows lie together by series. Until `settle` has said which signals these are, the
/// signal of a run is the place of its series.
pub(crate) struct Grouped {
    series: Arc<Vec<Series>>,
    /// As they came, to say where a point stood.
    keys: Vec<u32>,
    samples: Samples,
    /// The signals of the series that have points, once they are known.
    ids: Vec<Option<SignalId>>,
}

/// A point that does not fit its signal.
struct Misfit {
    series: u32,
    /// Which of the series' points, from 0.
    nth: usize,
    wanted: ValueType,
    value: Value,
}

impl Grouped {
    /// The points, those of each series together and in their order.
    pub(crate) fn of(points: Points) -> Grouped {
        let Points { series, keys, times, kinds, bits, mut qualities, texts } = points;
        qualities.resize(if qualities.is_empty() { keys.len() } else { qualities.len() }, 0);
        let mut samples = Samples { texts, ..Samples::default() };
        let mut counts = vec![0_usize; series.len()];
        for key in &keys {
            if let Some(count) = counts.get_mut(*key as usize) {
                *count += 1;
            }
        }
        let kinds = match order(&keys, &counts) {
            None => {
                (samples.times, samples.bits, samples.qualities) = (times, bits, qualities);
                kinds
            }
            Some(order) => {
                samples.times = take(&order, &times);
                samples.bits = take(&order, &bits);
                samples.qualities = take(&order, &qualities);
                match kinds.first().is_some_and(|first| kinds.iter().all(|kind| kind == first)) {
                    true => kinds,
                    false => take(&order, &kinds),
                }
            }
        };
        let mut first = 0;
        for (place, count) in (0..).zip(counts) {
            let of = kinds.get(first..first + count).unwrap_or_default();
            for same in of.chunk_by(|a, b| a == b) {
                let kind = same.first().copied().unwrap_or(RunKind::None);
                samples.runs.push(Run { signal: SignalId(place), kind, count: same.len() });
            }
            first += count;
        }
        Grouped { series, keys, samples, ids: Vec::new() }
    }

    /// Brings every value to the type of its signal, and answers with the signals that have to
    /// begin first. The second time there are none, unless one was retired in between.
    pub(crate) fn fit(&mut self, catalog: &Catalog) -> Result<Vec<SignalDefinition>, IntakeError> {
        let mut fresh = Vec::new();
        let mut misfits = Vec::new();
        let mut runs = Vec::with_capacity(self.samples.runs.len());
        let mut first = 0;
        self.ids.clear();
        let old = std::mem::take(&mut self.samples.runs);
        for own in old.chunk_by(|a, b| a.signal == b.signal) {
            let place = own.first().map_or(0, |run| run.signal.0);
            let Some(series) = self.series.get(place as usize) else { continue };
            let signal = catalog.signal_by_tag(&series.tag);
            self.ids.push(signal.map(|signal| signal.id));
            let wanted = match signal {
                Some(signal) => signal.definition.value_type,
                None => {
                    let wanted = own.iter().filter_map(|run| value_type(run.kind)).reduce(wider);
                    fresh.push(define(series, wanted.unwrap_or_default()));
                    wanted.unwrap_or_default()
                }
            };
            let start = first;
            for run in own {
                match coerce(&mut self.samples, *run, first, wanted) {
                    Ok(run) => runs.push(run),
                    Err((row, value)) => {
                        runs.push(*run);
                        misfits.push(Misfit { series: place, nth: row - start, wanted, value });
                    }
                }
                first += run.count;
            }
        }
        self.samples.runs = runs;
        let (signals, max) = (fresh.len(), WRITE_NEW_SIGNALS_MAX);
        if signals > max {
            return Err(IntakeError::TooManySignals { signals, max });
        }
        let first =
            misfits.into_iter().map(|misfit| (self.index(misfit.series, misfit.nth), misfit));
        if let Some((index, misfit)) = first.min_by_key(|(index, _)| *index) {
            return Err(self.refusal(index, misfit));
        }
        fresh.sort_by(|a, b| a.tag.cmp(&b.tag));
        Ok(fresh)
    }

    /// The samples, each with the id that its signal had when `fit` looked last.
    pub(crate) fn settle(mut self) -> Result<Samples, IntakeError> {
        let mut runs = std::mem::take(&mut self.samples.runs);
        let series = runs.chunk_by_mut(|a, b| a.signal == b.signal);
        for (own, id) in series.zip(&self.ids) {
            let Some(id) = *id else {
                let place = own.first().map_or(0, |run| run.signal.0);
                let tag = self.series.get(place as usize).map(|series| series.tag.clone());
                let (index, tag) = (self.index(place, 0), tag.unwrap_or_default());
                return Err(IntakeError::Vanished { index, tag });
            };
            own.iter_mut().for_each(|run| run.signal = id);
        }
        Ok(Samples { runs, ..self.samples })
    }

    /// Where the `nth` point of a series stood in the write.
    fn index(&self, series: u32, nth: usize) -> usize {
        let own = self.keys.iter().enumerate().filter(|(_, key)| **key == series);
        own.map(|(index, _)| index).nth(nth).unwrap_or_default()
    }

    fn refusal(&self, index: usize, misfit: Misfit) -> IntakeError {
        let Misfit { series, wanted, value, .. } = misfit;
        let tag = self.series.get(series as usize).map(|series| series.tag.clone());
        let tag = tag.unwrap_or_default();
        match &value {
            Value::Text(text) if text.len() > TEXT_BYTES_MAX => {
                let (bytes, max) = (text.len(), TEXT_BYTES_MAX);
                IntakeError::TextTooLong { index, tag, bytes, max }
            }
            _ => {
                let (wanted, got) = (wanted.word(), value.value_type().word());
                IntakeError::Type { index, tag, wanted, got, value }
            }
        }
    }
}

/// The points' places, series by series; nothing if they lie so already.
fn order(keys: &[u32], counts: &[usize]) -> Option<Vec<u32>> {
    if keys.is_sorted() {
        return None;
    }
    let mut next = Vec::with_capacity(counts.len());
    let mut first = 0;
    for count in counts {
        next.push(first);
        first += count;
    }
    let mut order = vec![0; keys.len()];
    for (row, key) in (0..).zip(keys) {
        if let Some(next) = next.get_mut(*key as usize) {
            if let Some(place) = order.get_mut(*next) {
                *place = row;
            }
            *next += 1;
        }
    }
    Some(order)
}

fn take<T: Copy + Default>(order: &[u32], column: &[T]) -> Vec<T> {
    order.iter().map(|row| column.get(*row as usize).copied().unwrap_or_default()).collect()
}

fn define(series: &Series, value_type: ValueType) -> SignalDefinition {
    SignalDefinition {
        tag: series.tag.clone(),
        value_type,
        stepped: value_type != ValueType::Float,
        labels: series.labels.clone(),
        ..SignalDefinition::default()
    }
}

/// Whole and broken numbers of one new signal make it a float; other types do not mix.
fn wider(a: ValueType, b: ValueType) -> ValueType {
    match (a, b) {
        (ValueType::Int, ValueType::Float) | (ValueType::Float, ValueType::Int) => ValueType::Float,
        (ValueType::Float | ValueType::Int | ValueType::Bool | ValueType::Text, _) => a,
    }
}

fn value_type(kind: RunKind) -> Option<ValueType> {
    match kind {
        RunKind::None => None,
        RunKind::Float => Some(ValueType::Float),
        RunKind::Int => Some(ValueType::Int),
        RunKind::Bool => Some(ValueType::Bool),
        RunKind::Text => Some(ValueType::Text),
    }
}

/// The run that begins at row `first` with its values as ones of type `wanted`, or the row and the
/// value that cannot be one.
fn coerce(
    samples: &mut Samples,
    run: Run,
    first: usize,
    wanted: ValueType,
) -> Result<Run, (usize, Value)> {
    let Some(own) = value_type(run.kind) else { return Ok(run) };
    let rows = first..first + run.count;
    if own == ValueType::Text {
        for row in rows.clone() {
            let value = samples.value(row, run.kind).unwrap_or(Value::Text("".into()));
            let long = matches!(&value, Value::Text(text) if text.len() > TEXT_BYTES_MAX);
            if long || wanted != ValueType::Text {
                return Err((row, value));
            }
        }
    }
    if own == wanted {
        return Ok(run);
    }
    let mut kind = run.kind;
    for row in rows {
        let Some(value) = samples.value(row, run.kind) else { continue };
        let Some(fitting) = value.clone().into_type(wanted) else { return Err((row, value)) };
        kind = RunKind::of(Some(&fitting));
        if let (Some(place), Some(bits)) = (samples.bits.get_mut(row), number_bits(&fitting)) {
            *place = bits;
        }
    }
    Ok(Run { kind, ..run })
}

/// The bits of what is not text.
fn number_bits(value: &Value) -> Option<u64> {
    match value {
        Value::Float(x) => Some(x.to_bits()),
        Value::Int(x) => Some(x.cast_unsigned()),
        Value::Bool(x) => Some(u64::from(*x)),
        Value::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parx_log::{Change, Quality, Sample, Sequence, Signal, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::intake::NamedPoint;

    fn value() -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            Just(None),
            prop_oneof![Just(0.5), Just(1.0), Just(f64::NAN)].prop_map(|x| Some(Value::Float(x))),
            prop_oneof![Just(1), Just(i64::MAX)].prop_map(|x| Some(Value::Int(x))),
            any::<bool>().prop_map(|x| Some(Value::Bool(x))),
            prop_oneof![Just(""), Just("on")].prop_map(|x| Some(Value::Text(x.into()))),
        ]
    }

    /// Of one kind mostly, so that not every write is refused.
    fn points() -> impl Strategy<Value = Vec<NamedPoint>> {
        prop::collection::vec((value(), 0..6_usize), 1..4).prop_flat_map(|kinds| {
            let kind = prop::sample::select(kinds);
            let point = (kind, 0..3_usize, 0_i64..5, 0_u32..2);
            let point = point.prop_map(|((value, tag), other, time, quality)| NamedPoint {
                tag: format!("t{}", if other == 0 { tag } else { other }),
                labels: BTreeMap::new(),
                time: Timestamp::from_micros(time),
                value,
                quality: Quality(quality),
            });
            prop::collection::vec(point, 0..40)
        })
    }

    fn catalog(types: &[Option<ValueType>]) -> Catalog {
        let mut catalog = Catalog::default();
        for (number, value_type) in (0..).zip(types) {
            if let Some(value_type) = *value_type {
                define_in(&mut catalog, number + 10, &format!("t{number}"), value_type);
            }
        }
        catalog
    }

    fn define_in(catalog: &mut Catalog, id: u32, tag: &str, value_type: ValueType) {
        let series = Series { tag: tag.to_owned(), ..Series::default() };
        let definition = define(&series, value_type);
        let signal = Signal { id: SignalId(id), definition, retired: false };
        catalog.apply(Sequence(u64::from(id)), &Change::SignalDefined(signal));
    }

    /// Point by point: the samples in the order of their signals, or the first point that is wrong.
    fn slowly(catalog: &Catalog, points: &[NamedPoint]) -> Result<Vec<Sample>, usize> {
        let mut rows = Vec::new();
        for (index, point) in points.iter().enumerate() {
            let signal = catalog.signal_by_tag(&point.tag).ok_or(index)?;
            let wanted = signal.definition.value_type;
            let value = match point.value.clone() {
                None => None,
                Some(value) => Some(value.into_type(wanted).ok_or(index)?),
            };
            let (signal, time, quality) = (signal.id, point.time, point.quality);
            rows.push(Sample { signal, time, value, quality });
        }
        rows.sort_by_key(|row| row.signal);
        Ok(rows)
    }

    fn told(mut rows: Vec<Sample>) -> Vec<String> {
        rows.sort_by_key(|row| row.signal);
        rows.iter().map(|row| format!("{row:?}")).collect()
    }

    proptest! {
        #[test]
        fn columns_become_what_the_points_would_one_by_one(
            points in points(),
            types in prop::collection::vec(prop::option::of(prop::sample::select(vec![
                ValueType::Float, ValueType::Int, ValueType::Bool, ValueType::Text,
            ])), 6),
        ) {
            let mut catalog = catalog(&types);
            let mut grouped = Grouped::of(Points::named(points.clone()));
            let fitted = grouped.fit(&catalog);
            // What is new begins with the type that its first value, and a float among them, gives.
            let mut id = 100;
            for point in &points {
                if catalog.signal_by_tag(&point.tag).is_none() {
                    let own = points.iter().filter(|other| other.tag == point.tag);
                    let types = own.filter_map(|other| Some(other.value.as_ref()?.value_type()));
                    let wanted = types.reduce(wider).unwrap_or_default();
                    define_in(&mut catalog, id, &point.tag, wanted);
                    id += 1;
                }
            }
            match slowly(&catalog, &points) {
                Ok(rows) => {
                    prop_assert_eq!(fitted.unwrap().len() as u32, id - 100);
                    prop_assert!(grouped.fit(&catalog).unwrap().is_empty());
                    let samples = grouped.settle().unwrap();
                    prop_assert_eq!(told(samples.rows().collect()), told(rows));
                }
                Err(wrong) => match fitted.unwrap_err() {
                    IntakeError::Type { index, .. } => prop_assert_eq!(index, wrong),
                    other => prop_assert!(false, "{}", other),
                },
            }
        }
    }

    #[test]
    fn a_signal_that_is_not_there_in_the_end_is_named_with_its_first_point() {
        let point = |tag: &str| NamedPoint {
            tag: tag.to_owned(),
            labels: BTreeMap::new(),
            time: Timestamp::from_micros(0),
            value: None,
            quality: Quality::GOOD,
        };
        let points = vec![point("t0"), point("gone"), point("t0")];
        let mut grouped = Grouped::of(Points::named(points));
        assert_eq!(grouped.fit(&catalog(&[Some(ValueType::Float)])).unwrap().len(), 1);
        let error = grouped.settle().unwrap_err();
        assert!(matches!(error, IntakeError::Vanished { index: 1, .. }), "{error}");
    }
}
