//! Several sorted runs of one signal's rows into one: by time, then by sequence.
//!
//! A run is begun only when its turn comes, so that a day file far ahead costs nothing yet. Keeps
//! every row; leaving only the newest of each time is `newest`'s.

use parx_log::Rows;

use crate::rows::{newest_only, slice};
use crate::{SegmentError, append_range};

/// About how many rows a block of the merge has.
const BLOCK_ROWS: usize = 16 << 10;

type BlockIterator = Box<dyn Iterator<Item = Result<Rows, SegmentError>> + Send>;

/// Time, sequence, and the place of the source.
type Key = (i64, u64, usize);

/// One sorted run, in blocks, and a time that none of its rows is before.
pub struct Source {
    from: i64,
    blocks: BlockIterator,
}

impl Source {
    /// A run that is read block by block; no row of it is before `from`.
    pub fn new(
        from: i64,
        blocks: impl Iterator<Item = Result<Rows, SegmentError>> + Send + 'static,
    ) -> Source {
        Source { from, blocks: Box::new(blocks) }
    }

    /// A run that is opened when its turn comes and may turn out to be empty.
    pub fn lazy(
        from: i64,
        open: impl FnOnce() -> Result<Option<Source>, SegmentError> + Send + 'static,
    ) -> Source {
        let opened = std::iter::once_with(open).flat_map(|opened| match opened {
            Ok(Some(source)) => source.blocks,
            Ok(None) => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        Source::new(from, opened)
    }

    /// The same run with each block changed; no row may come before the run's beginning.
    pub fn mapped(self, change: impl Fn(Rows) -> Rows + Send + 'static) -> Source {
        let Source { from, blocks } = self;
        Source::new(from, blocks.map(move |block| block.map(&change)))
    }

    /// A run that is in memory; nothing if it is empty.
    pub fn rows(rows: Rows) -> Option<Source> {
        let from = *rows.times.first()?;
        Some(Source::new(from, std::iter::once(Ok(rows))))
    }
}

/// A source and how far it has been taken.
struct Head {
    source: Source,
    block: Rows,
    at: usize,
    /// No row of it comes before this (time, sequence).
    key: (i64, u64),
}

impl Head {
    /// Reads the next block if this one is used up. False at the end.
    fn fill(&mut self) -> Result<bool, SegmentError> {
        while self.at >= self.block.len() {
            match self.source.blocks.next() {
                Some(block) => (self.block, self.at) = (block?, 0),
                None => return Ok(false),
            }
        }
        self.key = key(&self.block, self.at);
        Ok(true)
    }
}

fn key(rows: &Rows, row: usize) -> (i64, u64) {
    let time = rows.times.get(row).copied().unwrap_or(i64::MAX);
    (time, rows.sequences.get(row).copied().unwrap_or(u64::MAX))
}

/// The merge of sorted runs, in blocks.
pub struct Merge {
    heads: Vec<Head>,
    failed: bool,
}

impl Merge {
    /// Merges `sources`; where time and sequence are alike, the earlier source comes first.
    pub fn new(sources: Vec<Source>) -> Merge {
        let head = |source: Source| {
            let key = (source.from, 0);
            Head { source, block: Rows::default(), at: 0, key }
        };
        Merge { heads: sources.into_iter().map(head).collect(), failed: false }
    }

    /// Leaves of each time only the row with the highest sequence.
    pub fn newest(self) -> impl Iterator<Item = Result<Rows, SegmentError>> + Send {
        Newest { merge: self, pending: None }
    }

    /// The place of the head with the lowest key, and the lowest key of the others.
    fn lowest(&self) -> Option<(usize, Option<Key>)> {
        let mut keys: Vec<Key> =
            self.heads.iter().enumerate().map(|(i, head)| (head.key.0, head.key.1, i)).collect();
        let two = keys.len().min(2);
        if keys.len() > 2 {
            keys.select_nth_unstable(1);
        }
        keys.get_mut(..two)?.sort_unstable();
        Some((keys.first()?.2, keys.get(1).copied()))
    }

    fn block(&mut self) -> Result<Option<Rows>, SegmentError> {
        let mut merged = Rows::default();
        while merged.len() < BLOCK_ROWS {
            let Some((place, bound)) = self.lowest() else { break };
            let Some(head) = self.heads.get_mut(place) else { break };
            if head.at >= head.block.len() {
                if !head.fill()? {
                    self.heads.remove(place);
                }
                continue; // Its true key may not be the lowest any more.
            }
            let end = match bound {
                None => head.block.len(),
                Some(bound) => reach(&head.block, head.at, place, bound),
            };
            if merged.is_empty() && head.at == 0 && end == head.block.len() {
                merged = std::mem::take(&mut head.block);
            } else {
                append_range(&mut merged, &head.block, head.at..end);
                head.at = end;
            }
            // Until the next block is read, no row of it is before the one just taken.
            head.key = if head.at < head.block.len() {
                key(&head.block, head.at)
            } else {
                (merged.times.last().copied().unwrap_or(i64::MIN), 0)
            };
        }
        Ok((!merged.is_empty()).then_some(merged))
    }
}

/// How far the rows of `block` from `at` on come before `bound`: one row at least.
fn reach(block: &Rows, at: usize, place: usize, bound: Key) -> usize {
    let times = block.times.get(at..).unwrap_or_default();
    let sequences = block.sequences.get(at..).unwrap_or_default();
    let mut end = at + times.partition_point(|time| *time < bound.0);
    let before = |row: usize| {
        let time = block.times.get(row).copied();
        let sequence = sequences.get(row - at).copied();
        time == Some(bound.0) && sequence.is_some_and(|s| (s, place) < (bound.1, bound.2))
    };
    while before(end) {
        end += 1;
    }
    end.max(at + 1)
}

impl Iterator for Merge {
    type Item = Result<Rows, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let block = self.block();
        self.failed = block.is_err();
        block.transpose()
    }
}

/// The newest of each time, also where a time goes on from one block into the next.
struct Newest {
    merge: Merge,
    pending: Option<Rows>,
}

impl Iterator for Newest {
    type Item = Result<Rows, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let block = match self.merge.next() {
                Some(Ok(block)) => block,
                Some(Err(error)) => return Some(Err(error)),
                None => return self.pending.take().map(|rows| Ok(newest_only(rows))),
            };
            let first = block.times.first().copied();
            let Some(before) = self.pending.replace(block) else { continue };
            let whole = before.times.partition_point(|time| Some(*time) < first);
            let rows = if whole < before.len() { slice(&before, 0..whole) } else { before };
            if !rows.is_empty() {
                return Some(Ok(newest_only(rows)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parx_log::RunKind;

    fn rows(pairs: &[(i64, u64)]) -> Rows {
        Rows {
            times: pairs.iter().map(|pair| pair.0).collect(),
            sequences: pairs.iter().map(|pair| pair.1).collect(),
            qualities: vec![0; pairs.len()],
            kinds: vec![RunKind::Float; pairs.len()],
            bits: vec![0; pairs.len()],
            texts: vec![],
        }
    }

    fn source(blocks: &[&[(i64, u64)]]) -> Source {
        let blocks: Vec<_> = blocks.iter().map(|block| Ok(rows(block))).collect();
        Source::new(i64::MIN, blocks.into_iter())
    }

    fn pairs(blocks: impl Iterator<Item = Result<Rows, SegmentError>>) -> Vec<(i64, u64)> {
        let blocks = blocks.map(Result::unwrap);
        blocks.flat_map(|r| r.times.into_iter().zip(r.sequences).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn runs_come_together_by_time_then_by_sequence() {
        let sources = || {
            vec![
                source(&[&[(1, 1), (3, 1)], &[(3, 2), (9, 3)]]),
                source(&[&[(2, 4), (3, 4)], &[], &[(3, 4)]]),
                source(&[]),
                source(&[&[(0, 9), (3, 3), (9, 2)]]),
            ]
        };
        let all = [(0, 9), (1, 1), (2, 4), (3, 1), (3, 2), (3, 3), (3, 4), (3, 4), (9, 2), (9, 3)];
        assert_eq!(pairs(Merge::new(sources())), all, "C1");
        let newest = [(0, 9), (1, 1), (2, 4), (3, 4), (9, 3)];
        assert_eq!(pairs(Merge::new(sources()).newest()), newest);
    }
}
