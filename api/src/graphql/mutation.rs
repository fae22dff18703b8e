//! Commands through GraphQL: checked, decided by the log, durable once answered.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use parx_ingest::{IntakeError, NamedPoint, Problem};
use parx_log::{
    AppendError, Catalog, Command, Quality, ScanClassDefinition, Sequence, SignalDefinition,
    SourceDefinition, SubmitError, Value,
};

use crate::auth::Identity;
use crate::graphql::GraphqlContext;
use crate::graphql::changes::{SampleInput, SignalInput, SourceInput, refused};
use crate::graphql::query::{secrets, signal_of};
use crate::graphql::retention::{Retention, RetentionInput, rules};
use crate::graphql::scalars::{Int64, Time};
use crate::graphql::types::{ScanClass, Signal, Source};

pub struct Mutation;

fn context<'a>(ctx: &Context<'a>) -> Result<(&'a GraphqlContext, Arc<str>)> {
    Ok((ctx.data::<GraphqlContext>()?, ctx.data::<Identity>()?.name.clone()))
}

/// Submits a command for the account that asks; answers with the catalog behind it.
async fn submit(ctx: &Context<'_>, command: Command) -> Result<Arc<Catalog>> {
    submitted(ctx, command).await?;
    Ok(context(ctx)?.0.log.catalog())
}

/// Submits a command for the account that asks; answers with its sequence.
async fn submitted(ctx: &Context<'_>, command: Command) -> Result<Sequence> {
    let (context, author) = context(ctx)?;
    match context.log.submit(author, command).await {
        Ok(submitted) => Ok(submitted.sequence),
        Err(error @ SubmitError::Refused(_)) => Err(refused("REFUSED", error)),
        Err(error @ SubmitError::DiskFull { .. }) => Err(refused("DISK_FULL", error)),
        Err(error @ SubmitError::Stopped(_)) => Err(refused("UNAVAILABLE", error)),
    }
}

fn no_problems(problems: &[Problem]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(refused("INVALID", lines.join("; ")))
}

#[Object]
impl Mutation {
    /// Adds a connection. Its driver is checked against the drivers' settings before anything is recorded.
    async fn define_source(&self, ctx: &Context<'_>, input: SourceInput) -> Result<Source> {
        put_source(ctx, input.into(), Command::DefineSource).await
    }

    /// Replaces the definition of the connection of that name.
    async fn change_source(&self, ctx: &Context<'_>, input: SourceInput) -> Result<Source> {
        put_source(ctx, input.into(), Command::ChangeSource).await
    }

    /// Ends a connection. Its signals stay, and so does their history.
    async fn retire_source(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        submit(ctx, Command::RetireSource { name }).await?;
        Ok(true)
    }

    /// Adds a signal; its tag must be free.
    async fn define_signal(&self, ctx: &Context<'_>, input: SignalInput) -> Result<Signal> {
        let definition: SignalDefinition = input.into();
        let tag = definition.tag.clone();
        no_problems(&context(ctx)?.0.sources.check_signal(&definition))?;
        submit(ctx, Command::DefineSignal(definition)).await?;
        defined(ctx, &tag)
    }

    /// Replaces the definition of the signal `tag`; `input.tag` may be a new name.
    async fn change_signal(
        &self,
        ctx: &Context<'_>,
        tag: String,
        input: SignalInput,
    ) -> Result<Signal> {
        let mut definition: SignalDefinition = input.into();
        let context = context(ctx)?.0;
        if let Some(signal) = context.log.catalog().signal_by_tag(&tag) {
            definition.labels = signal.definition.labels.clone();
        }
        no_problems(&context.sources.check_signal(&definition))?;
        let new = definition.tag.clone();
        submit(ctx, Command::ChangeSignal { tag, definition }).await?;
        defined(ctx, &new)
    }

    /// Ends a signal. Its history stays.
    async fn retire_signal(&self, ctx: &Context<'_>, tag: String) -> Result<bool> {
        submit(ctx, Command::RetireSignal { tag }).await?;
        Ok(true)
    }

    /// Adds or replaces a scan class.
    async fn define_scan_class(
        &self,
        ctx: &Context<'_>,
        name: String,
        period_ms: u64,
        #[graphql(default = 0)] phase_ms: u64,
    ) -> Result<ScanClass> {
        let class = ScanClassDefinition { name: name.clone(), period_ms, phase_ms };
        submit(ctx, Command::DefineScanClass(class)).await?;
        Ok(ScanClass { name, period_ms, phase_ms })
    }

    /// Records samples by hand. Answers with the sequence of the log once they are durable.
    async fn write(&self, ctx: &Context<'_>, samples: Vec<SampleInput>) -> Result<Int64> {
        let (context, author) = context(ctx)?;
        let now = context.log.now();
        let points: Result<Vec<NamedPoint>> =
            samples.into_iter().map(|sample| point(sample, now)).collect();
        let written = context.intake.write(author, None, points?).await;
        written.map(Int64::from).map_err(|error| match error {
            IntakeError::Append(AppendError::DiskFull { .. }) => refused("DISK_FULL", error),
            error => refused("REFUSED", error),
        })
    }

    /// Takes what is recorded of a signal from `from` to `to`, both included, as not valid. The samples stay
    /// and are seen by queries of the past. Answers with the sequence of the deletion, which `restoreSamples` takes.
    async fn delete_samples(
        &self,
        ctx: &Context<'_>,
        tag: String,
        from: Time,
        to: Time,
        #[graphql(default)] reason: String,
    ) -> Result<Int64> {
        let command = Command::DeleteSamples { tag, from: from.0, to: to.0, reason };
        submitted(ctx, command).await.map(Int64::from)
    }

    /// Takes a deletion back. `deletion` is its sequence.
    async fn restore_samples(&self, ctx: &Context<'_>, deletion: Int64) -> Result<Int64> {
        let deletion = Sequence(deletion.0.max(0).cast_unsigned());
        submitted(ctx, Command::RestoreSamples { deletion }).await.map(Int64::from)
    }

    /// Says how long the samples of a path are kept; in place of what was said of that path. What is older goes
    /// within ten minutes and does not come back. Answers with all rules.
    async fn set_retention(
        &self,
        ctx: &Context<'_>,
        rule: RetentionInput,
    ) -> Result<Vec<Retention>> {
        let catalog = submit(ctx, Command::DefineRetention(rule.into())).await?;
        Ok(rules(&catalog))
    }

    /// Takes back what was said of a path. Answers with all rules that are left.
    async fn remove_retention(&self, ctx: &Context<'_>, path: String) -> Result<Vec<Retention>> {
        let catalog = submit(ctx, Command::RetireRetention { path }).await?;
        Ok(rules(&catalog))
    }

    /// Sets a new password for the account that asks.
    async fn change_password(&self, ctx: &Context<'_>, old: String, new: String) -> Result<bool> {
        let identity = ctx.data::<Identity>()?;
        let accounts = &context(ctx)?.0.accounts;
        let changed = accounts.change_password(identity, &old, &new).await;
        changed.map(|()| true).map_err(|error| refused("REFUSED", error))
    }
}

async fn put_source(
    ctx: &Context<'_>,
    mut source: SourceDefinition,
    command: fn(SourceDefinition) -> Command,
) -> Result<Source> {
    let context = context(ctx)?.0;
    keep_secrets(context, &mut source);
    no_problems(&context.sources.check_source(&source))?;
    let name = source.name.clone();
    let catalog = submit(ctx, command(source)).await?;
    let source = catalog.sources.get(&name);
    let source = source.ok_or_else(|| refused("GONE", format!("'{name}' was retired just now")))?;
    let status = context.sources.status(&name);
    Ok(Source::new(&catalog, source, status.as_ref(), &secrets(context, &source.driver)))
}

/// A secret that comes back as it was shown, `…`, is the one that is stored.
fn keep_secrets(context: &GraphqlContext, source: &mut SourceDefinition) {
    let catalog = context.log.catalog();
    let Some(old) = catalog.sources.get(&source.name) else { return };
    for name in secrets(context, &source.driver) {
        if let (Some(new), Some(old)) = (source.settings.get_mut(name), old.settings.get(name))
            && *new == "…"
        {
            *new = old.clone();
        }
    }
}

fn defined(ctx: &Context<'_>, tag: &str) -> Result<Signal> {
    let signal = signal_of(context(ctx)?.0, tag);
    signal.ok_or_else(|| refused("GONE", format!("'{tag}' was retired just now")))
}

fn point(sample: SampleInput, now: parx_log::Timestamp) -> Result<NamedPoint> {
    let SampleInput { tag, time, value, value_int, value_text, quality } = sample;
    let values = [
        value.map(Value::Float),
        value_int.map(|number| Value::Int(number.0)),
        value_text.map(|text| Value::Text(text.into())),
    ];
    let mut values = values.into_iter().flatten();
    let value = values.next();
    if values.next().is_some() {
        let message = format!("'{tag}' has several values; give value, valueInt or valueText");
        return Err(refused("INVALID", message));
    }
    let code = quality.map_or(Ok(0), |quality| u32::try_from(quality.0));
    let problem = |_| refused("INVALID", format!("'{tag}': the quality is no status code"));
    let quality = Quality(code.map_err(problem)?);
    let time = time.map_or(now, |time| time.0);
    Ok(NamedPoint { tag, labels: Default::default(), time, value, quality })
}
