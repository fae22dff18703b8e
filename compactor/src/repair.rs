//! `parx repair`, the segments' part: published files that are damaged or gone, and files that were
//! found and hold their rows.
//!
//! A file that the log does not name is a stray. If the log has lost the change that named it, it
//! may be the only place where its rows are: a merge whose inputs are gone. Plans only; changes
//! nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parx_log::{Command, Manifest, SegmentKind, SegmentMeta, Timestamp};

use crate::file::Positioned;
use crate::verify::survey;
use crate::{SegmentError, SegmentFile, SegmentsReport};

/// A file that was found and takes the place of published ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The file.
    pub add: SegmentMeta,
    /// Published files whose rows it holds.
    pub replaces: Vec<Arc<SegmentMeta>>,
}

/// What is to be done about the segments of a data folder.
#[derive(Debug, Default)]
pub struct SegmentsRepair {
    /// Files to be published in place of others.
    pub adopt: Vec<Adoption>,
    /// Published files whose rows are lost.
    pub lost: Vec<Arc<SegmentMeta>>,
    /// Strays that hold nothing that is known to be missing.
    pub strays: Vec<PathBuf>,
}

impl SegmentsRepair {
    /// Finds out what to do about what `report` tells of the segments of `manifest`.
    pub fn plan(root: &Path, manifest: &Manifest, report: &SegmentsReport) -> SegmentsRepair {
        let damaged = report.damaged.iter();
        let damaged: Vec<_> =
            damaged.filter_map(|path| manifest.segments.get(path).cloned()).collect();
        let found: Vec<SegmentMeta> =
            report.strays.iter().filter_map(|path| inspect(root, path).ok()).collect();
        let adopt = adoptions(manifest, &damaged, found);
        let replaced: BTreeSet<&str> =
            adopt.iter().flat_map(|one| &one.replaces).map(|meta| meta.path.as_str()).collect();
        let lost = damaged.iter().filter(|meta| !replaced.contains(meta.path.as_str()));
        let taken = |path: &&PathBuf| adopt.iter().any(|one| root.join(&one.add.path) == **path);
        let strays = report.strays.iter().filter(|path| !taken(path)).cloned().collect();
        SegmentsRepair { lost: lost.cloned().collect(), strays, adopt }
    }

    /// What the log has to be told, once the files that are replaced or lost are set aside.
    pub fn commands(&self) -> Vec<Command> {
        let path = |meta: &Arc<SegmentMeta>| meta.path.clone();
        let adopt = self.adopt.iter().map(|one| Command::MergeSegments {
            add: vec![one.add.clone()],
            remove: one.replaces.iter().map(path).collect(),
        });
        let reason = "the files were not as they had been published".to_owned();
        let lost = (!self.lost.is_empty()).then(|| Command::DeclareLost {
            segments: self.lost.iter().map(path).collect(),
            reason,
        });
        adopt.chain(lost).collect()
    }
}

/// What a file that nobody published holds; it is read whole, and must be sound.
pub fn inspect(root: &Path, path: &Path) -> Result<SegmentMeta, SegmentError> {
    let unknown = |what: &str| SegmentError::damaged(path, what);
    let below = path.strip_prefix(root).ok().and_then(|path| path.to_str());
    let below = below.ok_or_else(|| unknown("it is not in the data folder"))?;
    let kind = match below.split('/').next() {
        Some("segments") => SegmentKind::Samples,
        Some("clock") => SegmentKind::Clock,
        // A rollup comes again with its segment.
        _ => return Err(unknown("it is no segment")),
    };
    let level = level_of(path).ok_or_else(|| unknown("its name tells no level"))?;
    let file = File::open(path).map_err(SegmentError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(|error| unknown(&error.to_string()))?;
    let rows = reader.metadata().file_metadata().num_rows().cast_unsigned();
    let bytes = Positioned::open(path).map_err(SegmentError::io(path))?;
    let mut meta = SegmentMeta {
        path: below.to_owned(),
        kind,
        day: None,
        rows,
        bytes: std::fs::metadata(path).map_err(SegmentError::io(path))?.len(),
        sequences: (0, 0),
        times: (0, 0),
        blake3: bytes.blake3().map_err(SegmentError::io(path))?,
        level,
    };
    let order = survey(&SegmentFile::open(root, &Arc::new(meta.clone()), true)?, path)?;
    let (Some(times), Some(sequences)) = (order.times, order.sequences) else {
        return Err(unknown("it holds no row"));
    };
    (meta.times, meta.sequences) = (times, sequences);
    if kind == SegmentKind::Samples {
        meta.day = Some(Timestamp::from_micros(times.0).day());
    }
    Ok(meta)
}

/// The level in a name such as `L1-1-2077.parquet`.
fn level_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix('L')?.split('-').next()?.parse().ok()
}

/// The strays that take the place of published files: those that hold exactly as many rows as the
/// files of their kind and day between their first and their last sequence, of which one is
/// damaged.
fn adoptions(
    manifest: &Manifest,
    damaged: &[Arc<SegmentMeta>],
    mut found: Vec<SegmentMeta>,
) -> Vec<Adoption> {
    // The highest level first: it may hold what the lower ones hold.
    found.sort_by_key(|meta| (std::cmp::Reverse(meta.level), meta.sequences));
    let mut adopt: Vec<Adoption> = Vec::new();
    for add in found {
        let within = |meta: &&Arc<SegmentMeta>| {
            let free = !adopt.iter().any(|one| one.replaces.contains(meta));
            let inside = add.sequences.0 <= meta.sequences.0 && meta.sequences.1 <= add.sequences.1;
            free && inside && meta.kind == add.kind && meta.day == add.day && meta.path != add.path
        };
        let rows = |all: &[Arc<SegmentMeta>]| all.iter().map(|meta| meta.rows).sum::<u64>();
        let all: Vec<_> = manifest.segments.values().filter(within).cloned().collect();
        let gone: Vec<_> = damaged.iter().filter(within).cloned().collect();
        let replaces = match (gone.is_empty(), rows(&all) == add.rows, rows(&gone) == add.rows) {
            (true, _, _) | (false, false, false) => continue,
            (false, true, _) => all,
            (false, false, true) => gone,
        };
        adopt.push(Adoption { add, replaces });
    }
    adopt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(path: &str, level: u32, rows: u64, sequences: (u64, u64)) -> SegmentMeta {
        SegmentMeta {
            path: path.into(),
            kind: SegmentKind::Samples,
            day: Some(7),
            rows,
            bytes: 1,
            sequences,
            times: (0, 0),
            blake3: String::new(),
            level,
        }
    }

    #[test]
    fn a_stray_takes_the_place_of_exactly_what_it_holds() {
        let published =
            [meta("a", 0, 10, (1, 5)), meta("b", 0, 20, (6, 9)), meta("c", 1, 5, (10, 12))];
        let mut manifest = Manifest::default();
        for meta in &published {
            manifest.segments.insert(meta.path.clone(), Arc::new(meta.clone()));
        }
        let [a, b, c] = published.map(Arc::new);
        let other_day = SegmentMeta { day: Some(8), ..meta("s", 1, 30, (1, 9)) };
        // What is damaged, what was found, and what it replaces.
        let table = [
            (vec![&a, &b], meta("s", 1, 30, (1, 9)), vec!["a", "b"]),
            (vec![&a], meta("s", 1, 30, (1, 9)), vec!["a", "b"]),
            (vec![&a], meta("s", 1, 10, (1, 9)), vec!["a"]),
            (vec![&a, &b], meta("s", 1, 29, (1, 9)), vec![]),
            (vec![], meta("s", 1, 30, (1, 9)), vec![]),
            (vec![&c], meta("s", 1, 30, (1, 9)), vec![]),
            (vec![&a, &b], other_day, vec![]),
        ];
        for (number, (damaged, found, wanted)) in table.into_iter().enumerate() {
            let damaged: Vec<_> = damaged.into_iter().cloned().collect();
            let adopt = adoptions(&manifest, &damaged, vec![found]);
            let replaced = adopt.iter().flat_map(|one| &one.replaces);
            let replaced: Vec<&str> = replaced.map(|meta| meta.path.as_str()).collect();
            assert_eq!(replaced, wanted, "C1: case {number}");
        }
    }

    #[test]
    fn a_level_is_in_the_name() {
        assert_eq!(level_of(Path::new("x/L12-1-2.parquet")), Some(12));
        assert_eq!(level_of(Path::new("x/M1-1-2.parquet")), None);
    }
}
