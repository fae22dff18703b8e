//! The threads on which queries run, apart from those that serve sockets.
//!
//! A login or a small query never waits for an aggregate this way. Batches come back over a bounded
//! channel; whoever drops the receiving end stops the work.

use std::future::Future;
use std::sync::Arc;

use futures::StreamExt;
use parx_query::arrow::array::RecordBatch;
use parx_query::{QueryError, READERS_PER_CORE, RowStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that wait for a slow reader of one result.
pub const BATCHES_AHEAD_MAX: usize = 2;
/// Threads that wait for the disk, for each core: those that read (see `parx_query`), and some for
/// what the engine itself writes away. Each keeps some memory.
pub const BLOCKING_PER_CORE: usize = READERS_PER_CORE + 1;
/// Stack of a worker; deep expressions are walked on it.
pub const STACK_BYTES: usize = 8 << 20;

/// The workers of a process. Cheap to clone; they end with the last clone.
#[derive(Clone)]
pub struct Workers {
    handle: Handle,
    _runtime: Arc<Owned>,
}

struct Owned(Option<Runtime>);

impl Drop for Owned {
    /// A runtime must not wait for its threads where this may run on another one's.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Workers {
    /// Starts one worker for each core.
    pub fn start() -> std::io::Result<Workers> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .max_blocking_threads(cores * BLOCKING_PER_CORE)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Workers { handle, _runtime: Arc::new(Owned(Some(runtime))) })
    }

    /// Runs something there; none if it panicked. Dropping the future stops it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Stopping(self.handle.spawn(work));
        (&mut task.0).await.ok()
    }

    /// Pulls a result there. Dropping the batches stops it.
    pub fn pull(&self, mut rows: RowStream) -> Batches {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
        let task = self.handle.spawn(async move {
            while let Some(batch) = rows.next().await {
                let failed = batch.is_err();
                if sender.send(Some(batch)).await.is_err() || failed {
                    return;
                }
            }
            // Said aloud, so that a worker's panic is not taken for the end of the rows.
            let _ = sender.send(None).await;
        });
        Batches { receiver, _task: Stopping(task) }
    }
}

/// A task that ends when this is dropped.
struct Stopping<T>(JoinHandle<T>);

impl<T> Drop for Stopping<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The batches of one result.
pub struct Batches {
    receiver: mpsc::Receiver<Option<Result<RecordBatch, QueryError>>>,
    _task: Stopping<()>,
}

/// The worker of a result is gone without having said why.
#[derive(Debug, thiserror::Error)]
#[error("the query ended without a result")]
pub struct Vanished;

impl Batches {
    /// The next batch; none at the end. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Result<Option<Result<RecordBatch, QueryError>>, Vanished> {
        self.receiver.recv().await.ok_or(Vanished)
    }
}
