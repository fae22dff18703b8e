//! What the compactor does next. Pure: facts in, a decision out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parx_log::{Manifest, SegmentKind, SegmentMeta, Timestamp};

/// When the compactor seals and merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the active tail at which it is sealed.
    pub seal_rows: u64,
    /// Bytes of its entries in the log at which it is sealed.
    pub seal_bytes: u64,
    /// Its age at which it is sealed.
    pub seal_age: Duration,
    /// Files of one day and level at which they are merged.
    pub merge_files: usize,
    /// Size above which a file is not made by merging.
    pub segment_bytes_max: u64,
    /// How long after its end a day is taken to be complete and becomes one file.
    pub day_closed_after: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            seal_rows: 2 << 20,
            seal_bytes: 32 << 20,
            seal_age: Duration::from_secs(600),
            merge_files: 8,
            segment_bytes_max: 1 << 30,
            day_closed_after: Duration::from_secs(3600),
        }
    }
}

/// Whether a tail with these many rows and bytes and this age is to be sealed.
pub fn should_seal(rows: u64, log_bytes: u64, age: Duration, limits: &Limits) -> bool {
    let full = rows >= limits.seal_rows || log_bytes >= limits.seal_bytes;
    rows > 0 && (full || age >= limits.seal_age)
}

/// Segments to be made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merging {
    /// What they hold.
    pub kind: SegmentKind,
    /// The segments, in the order of their sequences.
    pub segments: Vec<Arc<SegmentMeta>>,
    /// The level of what comes out.
    pub level: u32,
}

/// How many times the rest of a closed day may be smaller than its largest file and still be merged
/// with it: late samples that trickle in must not rewrite a large file each time.
const CLOSED_DAY_RATIO: u64 = 8;

/// Rows that come from the log at a time up to which they get rollups at once.
pub(crate) const FOLDED_ROWS_MAX: u64 = 1 << 19;

/// The merge that is due at `now`, or none.
pub fn plan_merge(manifest: &Manifest, now: Timestamp, limits: &Limits) -> Option<Merging> {
    plan_levels(manifest, limits).or_else(|| plan_closed_days(manifest, now, limits))
}

/// A day that is over becomes one file, with rollups beside it.
fn plan_closed_days(manifest: &Manifest, now: Timestamp, limits: &Limits) -> Option<Merging> {
    let open = now.minus(limits.day_closed_after).day();
    let mut days: BTreeMap<i64, Vec<&Arc<SegmentMeta>>> = BTreeMap::new();
    for meta in manifest.of_kind(SegmentKind::Samples) {
        if let Some(day) = meta.day.filter(|day| *day < open) {
            days.entry(day).or_default().push(meta);
        }
    }
    let due = |segments: &Vec<&Arc<SegmentMeta>>| {
        let total: u64 = segments.iter().map(|meta| meta.bytes).sum();
        let largest = segments.iter().map(|meta| meta.bytes).max().unwrap_or_default();
        let company = (total - largest).saturating_mul(CLOSED_DAY_RATIO) >= largest;
        // Many rows without rollups are no crumbs: whoever asks about the day reads them all.
        let unfolded = |meta: &&Arc<SegmentMeta>| meta.level == 0 && meta.rows > FOLDED_ROWS_MAX;
        let raw = segments.iter().all(|meta| meta.level == 0);
        let several = segments.len() >= 2 && (company || segments.iter().any(unfolded));
        (several || raw) && total <= limits.segment_bytes_max
    };
    let mut segments: Vec<_> = days.into_values().find(due)?.into_iter().map(Arc::clone).collect();
    segments.sort_by_key(|meta| meta.sequences);
    let level = segments.iter().map(|meta| meta.level).max().unwrap_or_default() + 1;
    Some(Merging { kind: SegmentKind::Samples, segments, level })
}

/// Lowest level first: the oldest files of one day and level, once there are `merge_files` of them.
/// Each row is so rewritten once for each level.
fn plan_levels(manifest: &Manifest, limits: &Limits) -> Option<Merging> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for meta in manifest.segments.values() {
        let clock = match meta.kind {
            SegmentKind::Samples => false,
            SegmentKind::Clock => true,
            // They go with their segments.
            SegmentKind::Rollups | SegmentKind::Kept => continue,
        };
        groups.entry((meta.level, clock, meta.day)).or_default().push(meta);
    }
    for ((level, clock, _), mut segments) in groups {
        if segments.len() < limits.merge_files.max(2) {
            continue;
        }
        segments.sort_by_key(|meta| meta.sequences);
        let mut bytes = 0;
        let fitting = segments.iter().take(limits.merge_files.max(2)).take_while(|meta| {
            bytes += meta.bytes;
            bytes <= limits.segment_bytes_max
        });
        let segments: Vec<_> = fitting.map(|meta| Arc::clone(meta)).collect();
        if segments.len() >= 2 {
            let kind = if clock { SegmentKind::Clock } else { SegmentKind::Samples };
            return Some(Merging { kind, segments, level: level + 1 });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_sealed_when_it_is_large_or_old_and_not_empty() {
        let limits = Limits::default();
        let age = limits.seal_age;
        let zero = Duration::ZERO;
        let table = [
            (0, 0, age, false),
            (1, 0, zero, false),
            (1, 0, age, true),
            (limits.seal_rows, 0, zero, true),
            (1, limits.seal_bytes, zero, true),
        ];
        for (rows, bytes, age, expected) in table {
            assert_eq!(should_seal(rows, bytes, age, &limits), expected, "{rows} {bytes} {age:?}");
        }
    }

    fn meta(day: Option<i64>, level: u32, low: u64, bytes: u64) -> SegmentMeta {
        SegmentMeta {
            path: format!("{day:?}/L{level}-{low}"),
            kind: if day.is_some() { SegmentKind::Samples } else { SegmentKind::Clock },
            day,
            rows: 1,
            bytes,
            sequences: (low, low + 9),
            times: (0, 0),
            blake3: String::new(),
            level,
        }
    }

    fn planned(segments: &[SegmentMeta]) -> Option<(u32, Vec<u64>)> {
        planned_on(0, segments)
    }

    fn planned_on(day: i64, segments: &[SegmentMeta]) -> Option<(u32, Vec<u64>)> {
        let mut manifest = Manifest::default();
        for meta in segments {
            manifest.segments.insert(meta.path.clone(), Arc::new(meta.clone()));
        }
        let limits = Limits { merge_files: 3, segment_bytes_max: 100, ..Limits::default() };
        let noon = Timestamp::from_micros(day * 86_400_000_000 + 43_200_000_000);
        let merging = plan_merge(&manifest, noon, &limits)?;
        Some((merging.level, merging.segments.iter().map(|meta| meta.sequences.0).collect()))
    }

    #[test]
    fn files_of_one_day_and_level_are_merged_once_there_are_enough() {
        let day = |day, level, low| meta(Some(day), level, low, 10);
        assert_eq!(planned(&[day(1, 0, 10), day(1, 0, 20), day(2, 0, 30), day(1, 1, 0)]), None);
        let three = [day(1, 0, 120), day(1, 0, 20), day(1, 0, 30), day(1, 0, 140)];
        assert_eq!(planned(&three), Some((1, vec![20, 30, 120])), "the oldest first");
        let clocks = [10, 20, 30].map(|low| meta(None, 1, low, 10));
        assert_eq!(planned(&clocks), Some((2, vec![10, 20, 30])), "clocks too");
        let large = [10, 20, 30].map(|low| meta(Some(1), 0, low, 60));
        assert_eq!(planned(&large), None, "not beyond the largest size");
    }

    #[test]
    fn a_day_that_is_over_becomes_one_file_unless_only_crumbs_came() {
        let two = [meta(Some(1), 1, 10, 60), meta(Some(1), 0, 30, 10)];
        assert_eq!(planned_on(1, &two), None, "the day goes on");
        assert_eq!(planned_on(2, &two), Some((2, vec![10, 30])));
        let crumbs = [meta(Some(1), 1, 10, 90), meta(Some(1), 0, 30, 1)];
        assert_eq!(planned_on(2, &crumbs), None, "crumbs wait for company");
        let rows = FOLDED_ROWS_MAX + 1;
        let many = [crumbs[0].clone(), SegmentMeta { rows, ..crumbs[1].clone() }];
        assert_eq!(planned_on(2, &many), Some((2, vec![10, 30])), "these have no rollups yet");
        let large = [meta(Some(1), 1, 10, 60), meta(Some(1), 0, 30, 60)];
        assert_eq!(planned_on(2, &large), None, "not beyond the largest size");
        assert_eq!(planned_on(2, &two[..1]), None, "one file is one file");
        let straight = [meta(Some(1), 0, 10, 60)];
        assert_eq!(planned_on(2, &straight), Some((1, vec![10])), "but it gets rollups");
    }
}
