//! Subscriptions: samples and changes as they become durable.
//!
//! A subscriber follows the log by sequence, so nothing falls between its first message and the
//! next. When it is too slow only the newest value of each signal is kept, and it is told.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, Result, Subscription as GraphqlSubscription};
use futures::Stream;
use parx_log::{Event, Follower, LastValue, Log, ReadError, Sample, Sequence, SignalId, Value};
use tokio::time::{Instant, sleep_until};

use crate::graphql::GraphqlContext;
use crate::graphql::scalars::Int64;
use crate::graphql::types::{Change, SampleBatch, finite};

/// Samples that may wait for one subscriber; beyond that only the newest of each signal stay.
pub const SAMPLES_WAITING_MAX: usize = 20_000;
/// Fewest milliseconds between two messages.
pub const EVERY_MS_MIN: u32 = 5;
/// Most milliseconds between two messages.
pub const EVERY_MS_MAX: u32 = 60_000;

pub struct Subscription;

#[GraphqlSubscription]
impl Subscription {
    /// Samples as they are recorded. The first message holds the last value of each signal (`snapshot` true),
    /// the following ones what came after it, without a gap. Without `tags` it is every signal. At most one
    /// message in `everyMs` milliseconds; when a client is too slow for its signals only the newest value of
    /// each is kept and `skipped` counts the rest. Tags that are not there are left out.
    async fn samples(
        &self,
        ctx: &Context<'_>,
        tags: Option<Vec<String>>,
        #[graphql(default = 50)] every_ms: u32,
    ) -> Result<impl Stream<Item = SampleBatch> + use<>> {
        let log = ctx.data::<GraphqlContext>()?.log.clone();
        let catalog = log.catalog();
        let wanted = tags.map(|tags| {
            let signals = tags.iter().filter_map(|tag| catalog.signal_by_tag(tag));
            signals.map(|signal| signal.id).collect::<HashSet<SignalId>>()
        });
        let every = Duration::from_millis(every_ms.clamp(EVERY_MS_MIN, EVERY_MS_MAX).into());
        Ok(batches(log, wanted, every))
    }

    /// Changes of the configuration as they are recorded.
    async fn changes(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Change> + use<>> {
        let log = ctx.data::<GraphqlContext>()?.log.clone();
        let mut follower = log.tail(log.snapshot().sequence);
        Ok(async_stream::stream! {
            while let Ok(Some(entry)) = follower.next().await {
                if let Some(change) = Change::new(&entry) {
                    yield change;
                }
            }
        })
    }
}

fn batches(
    log: Log,
    wanted: Option<HashSet<SignalId>>,
    every: Duration,
) -> impl Stream<Item = SampleBatch> {
    async_stream::stream! {
        let mut names = Names::default();
        let (mut waiting, mut follower) = begin(&log, wanted.as_ref());
        yield waiting.batch(&log, &mut names);
        let mut sent = Instant::now();
        loop {
            let due = sent + every;
            let entry = tokio::select! {
                biased;
                () = sleep_until(due), if !waiting.samples.is_empty() => None,
                entry = follower.next() => Some(entry),
            };
            match entry {
                None => {
                    // Takes as long as the client's socket does; meanwhile the log goes on.
                    yield waiting.batch(&log, &mut names);
                    sent = Instant::now();
                }
                Some(Ok(Some(entry))) => {
                    if let Event::Samples(samples) = &entry.event {
                        let rows = samples.rows();
                        let mine = rows.filter(|s| is_wanted(wanted.as_ref(), s.signal));
                        waiting.add(entry.sequence, mine);
                    } else {
                        names = Names::default();
                    }
                }
                Some(Err(ReadError::Compacted { .. })) => {
                    // So far behind that the log has let go of it: begin again.
                    (waiting, follower) = begin(&log, wanted.as_ref());
                    yield waiting.batch(&log, &mut names);
                }
                Some(Ok(None)) => return,
                Some(Err(error @ (ReadError::Entry(_) | ReadError::Store(_)))) => {
                    tracing::error!(%error, "a subscription ended because the log cannot be read");
                    return;
                }
            }
        }
    }
}

fn is_wanted(wanted: Option<&HashSet<SignalId>>, signal: SignalId) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(&signal))
}

/// The last values as the first message, and a follower from there on.
fn begin(log: &Log, wanted: Option<&HashSet<SignalId>>) -> (Waiting, Follower) {
    let sequence = log.snapshot().sequence;
    let follower = log.tail(sequence);
    let all = log.last_values().all().into_iter();
    let mine = all.filter(|last| is_wanted(wanted, last.sample.signal));
    let samples = mine.map(|LastValue { sample, .. }| sample).collect();
    (Waiting { snapshot: true, sequence, samples, skipped: 0 }, follower)
}

/// Samples that wait for the next message.
struct Waiting {
    snapshot: bool,
    sequence: Sequence,
    samples: Vec<Sample>,
    skipped: usize,
}

impl Waiting {
    fn add(&mut self, sequence: Sequence, samples: impl Iterator<Item = Sample>) {
        self.sequence = sequence;
        self.samples.extend(samples);
        if self.samples.len() > SAMPLES_WAITING_MAX {
            let before = self.samples.len();
            self.samples = newest(std::mem::take(&mut self.samples));
            self.skipped += before - self.samples.len();
        }
    }

    /// What waits, as a message; nothing waits afterwards.
    fn batch(&mut self, log: &Log, names: &mut Names) -> SampleBatch {
        let samples = std::mem::take(&mut self.samples);
        let tags = samples.iter().map(|sample| names.of(log, sample.signal)).collect();
        SampleBatch {
            snapshot: std::mem::take(&mut self.snapshot),
            sequence: Int64::from(self.sequence),
            sent_at: log.now().seconds(),
            skipped: std::mem::take(&mut self.skipped),
            tags,
            times: samples.iter().map(|sample| sample.time.seconds()).collect(),
            values: samples
                .iter()
                .map(|sample| finite(sample.value.as_ref().and_then(Value::number)))
                .collect(),
            texts: samples
                .iter()
                .map(|sample| match &sample.value {
                    Some(Value::Text(text)) => Some(text.to_string()),
                    Some(Value::Float(_) | Value::Int(_) | Value::Bool(_)) | None => None,
                })
                .collect(),
            qualities: samples.iter().map(|sample| f64::from(sample.quality.0)).collect(),
        }
    }
}

/// The newest sample of each signal, in the order in which they came.
fn newest(samples: Vec<Sample>) -> Vec<Sample> {
    let mut last = HashMap::new();
    for (place, sample) in samples.iter().enumerate() {
        let newer = |kept: &usize| samples.get(*kept).is_none_or(|kept| kept.time <= sample.time);
        if last.get(&sample.signal).is_none_or(newer) {
            last.insert(sample.signal, place);
        }
    }
    let kept: HashSet<usize> = last.into_values().collect();
    let samples = samples.into_iter().enumerate();
    samples.filter_map(|(place, sample)| kept.contains(&place).then_some(sample)).collect()
}

/// Tags by id, so that a message does not make them anew.
#[derive(Default)]
struct Names(HashMap<SignalId, Arc<str>>);

impl Names {
    fn of(&mut self, log: &Log, signal: SignalId) -> Arc<str> {
        let name = self.0.entry(signal).or_insert_with(|| {
            let catalog = log.catalog();
            catalog.signal(signal).map_or("", |signal| &signal.definition.tag).into()
        });
        name.clone()
    }
}

#[cfg(test)]
mod tests {
    use parx_log::{Quality, Timestamp};

    use super::*;

    #[test]
    fn of_what_is_too_much_the_newest_of_each_signal_stays() {
        let sample = |signal, time| Sample {
            signal: SignalId(signal),
            time: Timestamp::from_micros(time),
            value: None,
            quality: Quality::GOOD,
        };
        let all = vec![sample(1, 5), sample(2, 1), sample(1, 9), sample(1, 7), sample(2, 3)];
        let kept: Vec<_> = newest(all).into_iter().map(|s| (s.signal.0, s.time.micros())).collect();
        assert_eq!(kept, [(1, 9), (2, 3)]);
    }
}
