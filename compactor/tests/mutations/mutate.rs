//! One mutation of one file of a data folder: flipped bits, cut, zeroed and swapped pages, stale
//! and missing files. The kind of file is drawn first, so that every kind has its turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::chance::Chance;

/// Bytes of a sector and of a page.
const PAGES: [usize; 2] = [512, 4096];

/// What a file is.
fn kind(path: &str) -> &'static str {
    let ends = |end: &str| path.ends_with(end);
    match () {
        () if ends(".jnl") => "journal",
        () if path.contains("/tables/") => "table",
        () if ends("/current") => "current",
        () if path.contains("/keyspaces/") => "list of tables",
        () if ends("log/version") => "the store's version",
        () if path.starts_with("segments/") => "segment",
        () if path.contains("/K") => "kept folds",
        () if path.starts_with("rollups/") => "rollups",
        () if path.starts_with("clock/") => "clock",
        () if ends("watermark") => "watermark",
        () if ends("VERSION") => "version",
        () => "other",
    }
}

/// Mutates a folder and says how. `old` is the same folder at an earlier time.
pub(crate) fn mutate(chance: &mut Chance, folder: &Path, old: &Path) -> String {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files(folder).into_iter().filter(|file| !file.ends_with("lock")) {
        kinds.entry(kind(&file)).or_default().push(file);
    }
    let names: Vec<&str> = kinds.keys().copied().collect();
    loop {
        let group = &kinds[chance.of(&names)];
        let file = chance.of(group);
        let path = folder.join(file);
        let before = fs::read(&path).unwrap();
        let other = folder.join(chance.of(group));
        let how = change(chance, &path, &other, &old.join(file), &before);
        let after = fs::read(&path).ok();
        if after.as_ref() != Some(&before) {
            return format!("{file}: {how}");
        }
    }
}

fn change(chance: &mut Chance, path: &PathBuf, other: &Path, old: &Path, before: &[u8]) -> String {
    let mut bytes = before.to_vec();
    let length = bytes.len();
    let page = *chance.of(&PAGES);
    let place = chance.below(length);
    let aligned = place / page * page;
    let end = (aligned + page).min(length);
    let how = match chance.below(20) {
        0..=7 => {
            let flips = [1, 1, 1, 3][chance.below(4)];
            for _ in 0..flips.min(length) {
                bytes[chance.below(length)] ^= 1 << chance.below(8);
            }
            format!("{flips} bits flipped")
        }
        8..=9 => {
            bytes.truncate(place);
            format!("cut at {place}")
        }
        10 => {
            bytes[aligned..end].fill(0);
            format!("{aligned}..{end} zeroed")
        }
        11 => {
            bytes[place..].fill(0);
            format!("zeroed from {place} on")
        }
        12..=13 => {
            let from = chance.below(length) / page * page;
            let size = page.min(length - from).min(length - aligned);
            let (a, b) =
                (bytes[aligned..aligned + size].to_vec(), bytes[from..from + size].to_vec());
            bytes[from..from + size].copy_from_slice(&a);
            bytes[aligned..aligned + size].copy_from_slice(&b);
            format!("{size} bytes at {aligned} and {from} swapped")
        }
        14 => {
            let from = chance.below(length) / page * page;
            let size = page.min(length - from).min(length - aligned);
            bytes.copy_within(from..from + size, aligned);
            format!("{size} bytes from {from} written to {aligned}")
        }
        15 => {
            bytes.drain(aligned..end);
            format!("{aligned}..{end} taken out")
        }
        16 => {
            bytes.extend((0..chance.below(9000)).map(|_| 1));
            "made longer".to_owned()
        }
        17 => {
            fs::remove_file(path).unwrap();
            return "removed".to_owned();
        }
        18 => {
            bytes = fs::read(old).unwrap_or_default();
            "an older copy put in its place".to_owned()
        }
        _ => {
            let theirs = fs::read(other).unwrap();
            fs::write(other, before).unwrap();
            bytes = theirs;
            format!("swapped with {}", other.display())
        }
    };
    fs::write(path, bytes).unwrap();
    how
}
