//! Work over many signals on blocking threads: as many at a time as there are cores, results in the
//! order of the signals.
//!
//! Whoever drops the stream ends the work; it looks up between two blocks of rows.

use std::fmt;
use std::sync::{Arc, LazyLock, Weak};

use futures::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;

use crate::{ErrorKind, QueryError};

/// Parts that each core gets of much work, so that none waits long for another.
const PARTS_PER_CORE: usize = 4;

/// The one who waits for the answer.
#[derive(Clone, Debug)]
pub(crate) struct Asker(Weak<()>);

impl Asker {
    /// An error once nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match self.0.strong_count() {
            0 => Err(QueryError::new(ErrorKind::Cancelled, "nobody waits for the answer")),
            _ => Ok(()),
        }
    }
}

/// Waits for an answer, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<()>);

impl Waiting {
    /// By whom the work can see whether somebody waits.
    pub(crate) fn asker(&self) -> Asker {
        Asker(Arc::downgrade(&self.0))
    }
}

/// What `work` makes of each of `items`, `width` at a time.
pub(crate) fn spread<I, T, W>(
    items: Vec<I>,
    width: usize,
    work: W,
) -> impl Stream<Item = Result<T, QueryError>> + Send
where
    I: Send + 'static,
    T: Send + 'static,
    W: Fn(I, &Asker) -> Result<T, QueryError> + Send + Sync + 'static,
{
    let width = width.max(1);
    let size = items.len().div_ceil(width * PARTS_PER_CORE).max(1);
    let mut items = items.into_iter();
    let parts = std::iter::from_fn(move || {
        let part: Vec<I> = items.by_ref().take(size).collect();
        (!part.is_empty()).then_some(part)
    });
    let (work, waiting) = (Arc::new(work), Waiting::default());
    let done = move |part: Vec<I>| {
        let (work, asker) = (work.clone(), waiting.asker());
        blocking(move || part.into_iter().map(|item| work(item, &asker)).collect())
    };
    let parts = stream::iter(parts).map(done).buffered(width);
    parts.flat_map(|part: Result<Vec<T>, QueryError>| {
        stream::iter(match part {
            Ok(part) => part.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    })
}

/// Threads that may read at a time for each core, of all queries together: enough that some can
/// wait for the disk, and no more, for each keeps memory of its own. Others wait their turn, which
/// comes after a block of rows.
pub const READERS_PER_CORE: usize = 2;

static READERS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Semaphore::new(cores * READERS_PER_CORE)
});

/// Does `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    let failed = |error: &dyn fmt::Display| {
        QueryError::new(ErrorKind::Internal, format!("a reading thread failed: {error}"))
    };
    let _turn = READERS.acquire().await.map_err(|error| failed(&error))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn results_come_in_the_order_of_the_items() {
        let squares = spread((0..1000_u64).collect(), 3, |item, _| Ok(item * item));
        let squares: Vec<u64> = squares.try_collect().await.unwrap();
        assert_eq!(squares, (0..1000).map(|item| item * item).collect::<Vec<_>>());
        let none: Vec<u64> =
            spread(vec![], 0, |item: u64, _| Ok(item)).try_collect().await.unwrap();
        assert!(none.is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_the_answer() {
        let fail = |item: u32, _: &Asker| match item {
            7 => Err(QueryError::new(ErrorKind::Damage, "seven")),
            item => Ok(item),
        };
        let all: Result<Vec<u32>, _> = spread((0..9).collect(), 2, fail).try_collect().await;
        assert_eq!(all.unwrap_err().message, "seven");
    }

    #[tokio::test]
    async fn work_ends_when_nobody_waits() {
        let ended = Arc::new(AtomicBool::new(false));
        let begun = Arc::new(AtomicBool::new(false));
        let (end, begin) = (ended.clone(), begun.clone());
        let endless = move |(), asker: &Asker| -> Result<(), QueryError> {
            begin.store(true, Ordering::SeqCst);
            while asker.check().is_ok() {
                std::thread::yield_now();
            }
            end.store(true, Ordering::SeqCst);
            asker.check()
        };
        let mut work = Box::pin(spread(vec![()], 1, endless));
        while !begun.load(Ordering::SeqCst) {
            let one = futures::poll!(work.next());
            assert!(one.is_pending());
            tokio::task::yield_now().await;
        }
        drop(work);
        while !ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}
