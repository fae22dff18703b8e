//! Questions through GraphQL.

use async_graphql::{Context, Object, Result};
use parx_log::{Rows, Sequence, Signal as LogSignal};
use parx_query::AsOf;

use crate::auth::Identity;
use crate::graphql::GraphqlContext;
use crate::graphql::changes::refused;
use crate::graphql::retention::{Retention, rules};
use crate::graphql::scalars::{Int64, Time};
use crate::graphql::types::{Change, Pen, ScanClass, Server, Signal, Source, Trend, User, finite};

/// Most signals in one answer.
pub const SIGNALS_MAX: usize = 10_000;
/// Most pens of one trend.
pub const PENS_MAX: usize = 64;
/// Most pixels of one trend.
pub const WIDTH_MAX: u32 = 20_000;
/// Most changes in one answer.
pub const CHANGES_MAX: usize = 1000;

pub struct Query;

fn context<'a>(ctx: &Context<'a>) -> Result<&'a GraphqlContext> {
    ctx.data::<GraphqlContext>()
}

/// The settings of a driver that are shown to nobody.
pub fn secrets(context: &GraphqlContext, driver: &str) -> Vec<&'static str> {
    let drivers = context.sources.drivers().into_iter();
    let mine = drivers.filter(|description| description.name == driver);
    let settings = mine.flat_map(|description| description.settings);
    settings.filter(|setting| setting.kind == "secret").map(|setting| setting.name).collect()
}

/// A signal with its last value.
pub fn signal_of(context: &GraphqlContext, tag: &str) -> Option<Signal> {
    let catalog = context.log.catalog();
    let signal = catalog.signal_by_tag(tag)?;
    Some(Signal::new(&catalog, signal, context.log.last_values().get(signal.id)))
}

/// True if tag or description hold every word.
fn matches(signal: &LogSignal, words: &[String]) -> bool {
    let text = format!("{} {}", signal.definition.tag, signal.definition.description);
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn words(search: Option<String>) -> Vec<String> {
    search.unwrap_or_default().to_lowercase().split_whitespace().map(str::to_owned).collect()
}

#[Object]
impl Query {
    /// The account that this request was made with.
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User { name: ctx.data::<Identity>()?.name.to_string() })
    }

    /// What this server is and how far its log has come.
    async fn server(&self, ctx: &Context<'_>) -> Result<Server> {
        let context = context(ctx)?;
        let snapshot = context.log.snapshot();
        let manifest = &snapshot.catalog.manifest;
        let hot: u64 = snapshot.tails.iter().map(|tail| tail.rows()).sum();
        Ok(Server {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: Time(context.log.now()),
            started_at: Time(context.doors.started_at),
            sequence: snapshot.sequence.into(),
            compacted_through: manifest.through.into(),
            segments: manifest.of_kind(parx_log::SegmentKind::Samples).count(),
            samples: (manifest.samples() + hot).into(),
            postgres: context.doors.postgres.clone(),
            flight: context.doors.flight.clone(),
        })
    }

    /// Signals in the order of their tags. `search` keeps those whose tag or description contains every word of it.
    async fn signals(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        #[graphql(default = 1000)] limit: usize,
        #[graphql(default = 0)] offset: usize,
    ) -> Result<Vec<Signal>> {
        let context = context(ctx)?;
        let (catalog, words) = (context.log.catalog(), words(search));
        let mut found: Vec<_> =
            catalog.live_signals().filter(|signal| matches(signal, &words)).collect();
        found.sort_by(|a, b| a.definition.tag.cmp(&b.definition.tag));
        let page = found.into_iter().skip(offset).take(limit.min(SIGNALS_MAX));
        let last = context.log.last_values();
        Ok(page.map(|signal| Signal::new(&catalog, signal, last.get(signal.id))).collect())
    }

    /// How many signals `search` matches.
    async fn signal_count(&self, ctx: &Context<'_>, search: Option<String>) -> Result<usize> {
        let (catalog, words) = (context(ctx)?.log.catalog(), words(search));
        Ok(catalog.live_signals().filter(|signal| matches(signal, &words)).count())
    }

    /// One signal by its tag; null if there is none.
    async fn signal(&self, ctx: &Context<'_>, tag: String) -> Result<Option<Signal>> {
        Ok(signal_of(context(ctx)?, &tag))
    }

    /// Configured connections to devices, servers and brokers, by name.
    async fn sources(&self, ctx: &Context<'_>) -> Result<Vec<Source>> {
        let context = context(ctx)?;
        let catalog = context.log.catalog();
        let sources = catalog.sources.values().map(|source| {
            let status = context.sources.status(&source.name);
            Source::new(&catalog, source, status.as_ref(), &secrets(context, &source.driver))
        });
        Ok(sources.collect())
    }

    /// Named periods at which points are read.
    async fn scan_classes(&self, ctx: &Context<'_>) -> Result<Vec<ScanClass>> {
        let catalog = context(ctx)?.log.catalog();
        let classes = catalog.scan_classes.values().map(|class| ScanClass {
            name: class.name.clone(),
            period_ms: class.period_ms,
            phase_ms: class.phase_ms,
        });
        Ok(classes.collect())
    }

    /// How long samples are kept, by path.
    async fn retention(&self, ctx: &Context<'_>) -> Result<Vec<Retention>> {
        Ok(rules(&context(ctx)?.log.catalog()))
    }

    /// The history of some signals, thinned to what `width` pixels can show: of each pixel's samples the
    /// first, lowest, highest and last, so that no peak is lost. The sample before `from` and the one after
    /// `to` are included where they exist, so that a line reaches both edges. With `asOf` it is what had been
    /// recorded, and was valid, at that time.
    async fn trend(
        &self,
        ctx: &Context<'_>,
        tags: Vec<String>,
        from: Time,
        to: Time,
        #[graphql(default = 1200)] width: u32,
        as_of: Option<Time>,
    ) -> Result<Trend> {
        let context = context(ctx)?;
        check_trend(&tags, from, to, width)?;
        let mut snapshot = context.log.snapshot();
        if let Some(Time(time)) = as_of {
            let past = context.engine.as_of(snapshot, AsOf::Time(time)).await;
            snapshot = past.map_err(|error| refused("FAILED", error))?;
        }
        let mut pens = Vec::with_capacity(tags.len());
        for tag in tags {
            let signal = snapshot.catalog.signal_by_tag(&tag).cloned();
            let signal =
                signal.ok_or_else(|| refused("UNKNOWN", format!("there is no signal '{tag}'")))?;
            let times = (from.0, to.0);
            let rows = context.engine.trend(snapshot.clone(), signal.id, times, width).await;
            let rows = rows.map_err(|error| refused("FAILED", error))?;
            let text = signal.definition.value_type == parx_log::ValueType::Text;
            pens.push(pen(tag, &rows, text));
        }
        Ok(Trend { sequence: snapshot.sequence.into(), from, to, pens })
    }

    /// Changes of the configuration, newest first: who, when, what.
    async fn changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100)] limit: usize,
        before: Option<Int64>,
    ) -> Result<Vec<Change>> {
        let log = context(ctx)?.log.clone();
        let before = before.map_or(Sequence(u64::MAX), |before| Sequence(before.0.max(0) as u64));
        let limit = limit.min(CHANGES_MAX);
        let read = tokio::task::spawn_blocking(move || log.changes_before(before, limit)).await?;
        let entries = read.map_err(|error| refused("DAMAGED", error))?;
        Ok(entries.iter().filter_map(Change::new).collect())
    }
}

fn check_trend(tags: &[String], from: Time, to: Time, width: u32) -> Result<()> {
    let problem = if tags.len() > PENS_MAX {
        format!("{} tags were asked for; {PENS_MAX} is the most", tags.len())
    } else if width == 0 || width > WIDTH_MAX {
        format!("width is {width}; it must be from 1 to {WIDTH_MAX}")
    } else if from.0 >= to.0 {
        format!("from {} is not before to {}", from.0, to.0)
    } else {
        return Ok(());
    };
    Err(refused("INVALID", problem))
}

fn pen(tag: String, rows: &Rows, text: bool) -> Pen {
    let severity = |quality: &u32| parx_log::Quality(*quality).severity() as i32;
    let number = |row: usize| {
        let bad = rows.qualities.get(row).is_some_and(|q| parx_log::Quality(*q).is_bad());
        if bad { None } else { finite(rows.value(row).as_ref().and_then(parx_log::Value::number)) }
    };
    let word = |row: usize| match rows.value(row) {
        Some(parx_log::Value::Text(text)) => Some(text.to_string()),
        Some(_) | None => None,
    };
    Pen {
        tag,
        times: rows.times.iter().map(|time| *time as f64 / 1e6).collect(),
        values: (0..rows.len()).map(number).collect(),
        texts: text.then(|| (0..rows.len()).map(word).collect()),
        severities: rows.qualities.iter().map(severity).collect(),
    }
}
