//! The writer: one source's way into the log, a bounded queue and numbered batches.
//!
//! Nothing is dropped. While the log is slow or refuses, the queue fills and the collector waits; a
//! refused batch is sent again under the same number, so that it is stored once (I3).

use std::sync::Arc;
use std::time::Duration;

use parx_log::{AppendError, BatchId, Log, Sample};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::status::StatusCell;

/// Lists of samples that may wait for the log; a collector with more to say waits itself.
pub const QUEUE_MAX: usize = 64;
/// Samples from which on no further list joins a batch.
pub const BATCH_SAMPLES: usize = 10_000;
/// First wait after a refused append.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest wait after a refused append.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Appends what comes through `queue` until it is closed and empty.
pub(crate) async fn write(log: Log, status: StatusCell, mut queue: mpsc::Receiver<Vec<Sample>>) {
    let author: Arc<str> = format!("source/{}", status.name()).into();
    // Larger than any epoch before, also if the machine's clock was set back in between.
    let newest = log.now().max(log.snapshot().recorded_at).micros().saturating_add(1);
    let epoch = u64::try_from(newest).unwrap_or(0);
    let mut sequence = 0;
    while let Some(mut samples) = queue.recv().await {
        while samples.len() < BATCH_SAMPLES
            && let Ok(more) = queue.try_recv()
        {
            samples.extend(more);
        }
        sequence += 1;
        let batch = BatchId { producer: author.to_string(), epoch, sequence };
        append(&log, &status, &author, batch, samples).await;
    }
}

async fn append(
    log: &Log,
    status: &StatusCell,
    author: &Arc<str>,
    batch: BatchId,
    mut samples: Vec<Sample>,
) {
    let mut wait = RETRY_FIRST;
    loop {
        let count = samples.len() as u64;
        match log.append(Arc::clone(author), Some(batch.clone()), samples.clone()).await {
            Ok(_) => return status.count(|counters| counters.stored += count),
            Err(error @ AppendError::UnknownSignal(signal)) => {
                tracing::error!(%author, "a sample cannot be stored: {error}");
                samples.retain(|sample| sample.signal != signal);
                let lost = count - samples.len() as u64;
                status.count(|counters| counters.lost += lost);
            }
            Err(error @ (AppendError::Stopped(_) | AppendError::Uneven)) => {
                tracing::error!(%author, samples = count, "samples are lost: {error}");
                return status.count(|counters| counters.lost += count);
            }
            Err(error @ (AppendError::TailFull { .. } | AppendError::DiskFull { .. })) => {
                if wait == RETRY_FIRST {
                    tracing::warn!(%author, samples = count, "{error}; samples wait meanwhile");
                }
                status.count(|counters| counters.append_retries += 1);
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}
