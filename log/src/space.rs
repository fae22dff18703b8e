//! Free space of the disk: from which mark on the log takes no more, and when it does again.
//!
//! A disk that is full breaks more than a log that says no: compaction, which makes room, needs
//! some too. So samples are refused at the soft mark and everything at the hard one; reads go on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Part of the disk that is kept free of samples, in percent.
pub const FREE_SOFT_PERCENT: u64 = 10;
/// Part of the disk that is kept free of everything, in percent.
pub const FREE_HARD_PERCENT: u64 = 5;
/// The most that is kept free of samples, however large the disk is.
pub const FREE_SOFT_BYTES_MAX: u64 = 1 << 30;
/// The most that is kept free of everything, however large the disk is.
pub const FREE_HARD_BYTES_MAX: u64 = 512 << 20;
/// How long the log refuses at least, so that those who wait for it hear it before it takes again.
const REFUSE_MIN: Duration = Duration::from_secs(1);

/// How much of the disk is kept free. Of percent and bytes the smaller counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceLimits {
    /// Below it samples are refused.
    pub soft_percent: u64,
    /// Below it everything is refused, and compaction waits.
    pub hard_percent: u64,
    /// The soft mark is never above it.
    pub soft_bytes_max: u64,
    /// The hard mark is never above it.
    pub hard_bytes_max: u64,
}

impl Default for SpaceLimits {
    fn default() -> SpaceLimits {
        SpaceLimits {
            soft_percent: FREE_SOFT_PERCENT,
            hard_percent: FREE_HARD_PERCENT,
            soft_bytes_max: FREE_SOFT_BYTES_MAX,
            hard_bytes_max: FREE_HARD_BYTES_MAX,
        }
    }
}

impl SpaceLimits {
    fn soft(&self, total: u64) -> u64 {
        (total / 100).saturating_mul(self.soft_percent).min(self.soft_bytes_max)
    }

    fn hard(&self, total: u64) -> u64 {
        (total / 100).saturating_mul(self.hard_percent).min(self.hard_bytes_max)
    }
}

/// What the disk's free space allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Everything.
    Enough,
    /// No samples: compaction goes on and makes room.
    Low {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        needed: u64,
    },
    /// Nothing but reading.
    Critical {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        needed: u64,
    },
}

impl Space {
    /// Free and needed bytes, where samples are refused.
    pub fn low(self) -> Option<(u64, u64)> {
        match self {
            Space::Enough => None,
            Space::Low { free, needed } | Space::Critical { free, needed } => Some((free, needed)),
        }
    }

    /// Free and needed bytes, where everything is refused.
    pub fn critical(self) -> Option<(u64, u64)> {
        match self {
            Space::Enough | Space::Low { .. } => None,
            Space::Critical { free, needed } => Some((free, needed)),
        }
    }
}

/// What `free` of `total` bytes allow. What was refused before is allowed again a tenth above the
/// mark, so that it does not change with every sample.
fn judge(free: u64, total: u64, limits: &SpaceLimits, before: Space) -> Space {
    let above =
        |mark: u64, refused: bool| if refused { mark.saturating_add(mark / 10) } else { mark };
    let hard = above(limits.hard(total), before.critical().is_some());
    let soft = above(limits.soft(total), before.low().is_some());
    if free < hard {
        return Space::Critical { free, needed: hard };
    }
    match free < soft {
        true => Space::Low { free, needed: soft },
        false => Space::Enough,
    }
}

/// The disk that a data folder is on.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    limits: SpaceLimits,
    last: Mutex<(Space, Instant)>,
}

impl Disk {
    pub(crate) fn new(folder: PathBuf, limits: SpaceLimits) -> Disk {
        Disk { folder, limits, last: Mutex::new((Space::Enough, Instant::now())) }
    }

    /// What the free space allows now.
    pub(crate) fn space(&self) -> Space {
        let Some((free, total)) = free_and_total(&self.folder) else { return Space::Enough };
        let mut last = self.last.lock();
        let (before, since) = *last;
        let found = judge(free, total, &self.limits, before);
        match (before.low(), found.low()) {
            (Some(_), None) if since.elapsed() < REFUSE_MIN => return before,
            (None, Some((free, needed))) => {
                tracing::warn!(free, needed, "the disk is nearly full; no more samples are taken");
                *last = (found, Instant::now());
            }
            (Some(_), None) => {
                tracing::info!(free, "the disk has room again; samples are taken");
                *last = (found, Instant::now());
            }
            (Some(_), Some(_)) => last.0 = found,
            (None, None) => {}
        }
        found
    }
}

/// Free and all bytes of the disk a folder is on; nothing where the system does not say.
#[cfg(unix)]
fn free_and_total(folder: &std::path::Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some((bytes(stat.f_bavail), bytes(stat.f_blocks)))
}

#[cfg(not(unix))]
fn free_and_total(_: &std::path::Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_the_smaller_of_percent_and_bytes() {
        let limits = SpaceLimits::default();
        let (mib, gib) = (1 << 20, 1_u64 << 30);
        let small = 1000 * mib;
        let large = 1000 * gib;
        let low = |free, needed| Space::Low { free, needed };
        let critical = |free, needed| Space::Critical { free, needed };
        let table = [
            (101 * mib, small, Space::Enough, Space::Enough),
            (99 * mib, small, Space::Enough, low(99 * mib, 100 * mib)),
            (49 * mib, small, Space::Enough, critical(49 * mib, 50 * mib)),
            // What was refused needs a tenth more.
            (105 * mib, small, low(0, 0), low(105 * mib, 110 * mib)),
            (111 * mib, small, low(0, 0), Space::Enough),
            (52 * mib, small, critical(0, 0), critical(52 * mib, 55 * mib)),
            (56 * mib, small, critical(0, 0), low(56 * mib, 110 * mib)),
            // Of a large disk not more is kept than anybody needs.
            (gib, large, Space::Enough, Space::Enough),
            (900 * mib, large, Space::Enough, low(900 * mib, gib)),
            (400 * mib, large, Space::Enough, critical(400 * mib, 512 * mib)),
        ];
        for (number, (free, total, before, wanted)) in table.into_iter().enumerate() {
            assert_eq!(judge(free, total, &limits, before), wanted, "A2: case {number}");
        }
    }

    #[test]
    fn a_disk_tells_its_space() {
        let folder = tempfile::TempDir::new().unwrap();
        let limits = |soft_percent, hard_percent| SpaceLimits {
            soft_percent,
            hard_percent,
            soft_bytes_max: u64::MAX,
            hard_bytes_max: u64::MAX,
        };
        let space = |limits| Disk::new(folder.path().to_owned(), limits).space();
        assert_eq!(space(limits(0, 0)), Space::Enough);
        assert!(matches!(space(limits(101, 0)), Space::Low { .. }));
        assert!(matches!(space(limits(101, 101)), Space::Critical { .. }));
    }
}
