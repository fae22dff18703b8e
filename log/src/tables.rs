//! The store's tables and their lists, checked before the store reads them.
//!
//! fjall writes a checksum of every list of tables and of every table, but does not compare them
//! when it opens, and removes what a list does not name. Here they are compared. Reads only.
//!
//! `keyspaces/<id>/current` names the list: number u64, XXH3-128 of the list, type u8 (0).
//! `keyspaces/<id>/v<number>` is the list, an archive with a table of contents at its end; its
//! section `tables` names the tables of `keyspaces/<id>/tables/` with an XXH3-128 each.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::bytes::Reader;
use crate::guard::GuardError;

/// Keyspace of fjall's own, with the names of the others.
const META: u64 = 0;
/// Bytes of the file that names the list.
const CURRENT_BYTES: usize = 25;
/// Bytes at the end of a list: magic, version, type, sum u128, place u64, length u64.
const TRAILER_BYTES: usize = 38;
const READ_BYTES: usize = 256 << 10;

/// Checks every keyspace below `folder`; those of `needed` must be there, and fjall's own if the
/// journals are `filled`. Adds the damage to `damage` and answers with the bytes read.
pub(crate) fn check(
    folder: &Path,
    filled: bool,
    needed: u64,
    damage: &mut Vec<GuardError>,
) -> Result<u64, GuardError> {
    let keyspaces = folder.join("keyspaces");
    let (mut there, mut bytes) = (BTreeSet::new(), 0);
    for path in list(&keyspaces)? {
        if path.is_file() {
            continue;
        }
        let Some(id) = number(&path) else {
            damage.push(damaged(&path, "its name is not a number"));
            continue;
        };
        let before = damage.len();
        let found = keyspace(&path, damage);
        if let Some(read) = note(found, damage)?.flatten() {
            bytes += read;
            there.insert(id);
        } else if damage.len() > before {
            there.insert(id);
        }
    }
    let meta = (filled || !there.is_empty()).then_some(META);
    for id in meta.into_iter().chain(1..=needed) {
        if !there.contains(&id) {
            let current = keyspaces.join(id.to_string()).join("current");
            damage.push(damaged(&current, "it is missing"));
        }
    }
    Ok(bytes)
}

/// Adds damage to the list, and gives what is no damage.
fn note<T>(
    found: Result<T, GuardError>,
    damage: &mut Vec<GuardError>,
) -> Result<Option<T>, GuardError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error @ GuardError::Damaged { .. }) => {
            damage.push(error);
            Ok(None)
        }
        Err(error @ (GuardError::Io { .. } | GuardError::InUse)) => Err(error),
    }
}

/// Checks one keyspace and answers with the bytes read; nothing if it has no list, as one that is
/// being made or removed.
fn keyspace(folder: &Path, damage: &mut Vec<GuardError>) -> Result<Option<u64>, GuardError> {
    let current = folder.join("current");
    let tables = folder.join("tables");
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match list(&tables)?.is_empty() {
                true => Ok(None),
                false => Err(damaged(&current, "it is missing, but there are tables")),
            };
        }
        Err(error) => return Err(failed(&current)(error)),
    };
    let (number, sum) = current_of(&bytes).ok_or_else(|| damaged(&current, "it is cut off"))?;
    let list_file = folder.join(format!("v{number}"));
    let bytes = match fs::read(&list_file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(&current, "the list of tables that it names is not there"));
        }
        bytes => bytes.map_err(failed(&list_file))?,
    };
    if xxh3_128(&bytes) != sum {
        return Err(damaged(&list_file, "its checksum does not match"));
    }
    let named = tables_of(&bytes).ok_or_else(|| damaged(&list_file, "it cannot be read"))?;
    let mut read = bytes.len() as u64;
    for (table, sum) in named {
        let found = check_table(&tables.join(table.to_string()), sum);
        read += note(found, damage)?.unwrap_or_default();
    }
    for path in list(&tables)? {
        if self::number(&path).is_none() {
            damage.push(damaged(&path, "it does not belong there"));
        }
    }
    Ok(Some(read))
}

fn check_table(path: &Path, sum: u128) -> Result<u64, GuardError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(path, "it is missing"));
        }
        file => file.map_err(failed(path))?,
    };
    let (mut hasher, mut buffer, mut total) = (Xxh3Default::new(), vec![0; READ_BYTES], 0);
    loop {
        match file.read(&mut buffer).map_err(failed(path))? {
            0 => break,
            read => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                total += read as u64;
            }
        }
    }
    match hasher.digest128() == sum {
        true => Ok(total),
        false => Err(damaged(path, "its checksum does not match")),
    }
}

/// Number and checksum of the list that `current` names.
fn current_of(bytes: &[u8]) -> Option<(u64, u128)> {
    let mut reader = Reader::new(bytes);
    let number = reader.u64_le()?;
    let sum = reader.u128_le()?;
    (bytes.len() == CURRENT_BYTES && reader.u8()? == 0).then_some((number, sum))
}

/// The tables that a list names, each with its checksum.
fn tables_of(bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let trailer = bytes.get(bytes.len().checked_sub(TRAILER_BYTES)?..)?;
    let mut reader = Reader::new(trailer);
    if reader.take(4)? != b"SFA!" || reader.take(2)? != [1, 0] {
        return None;
    }
    let _sum = reader.u128_le()?;
    let place = usize::try_from(reader.u64_le()?).ok()?;
    let mut reader = Reader::new(bytes.get(place..)?);
    if reader.take(4)? != b"TOC!" {
        return None;
    }
    for _ in 0..reader.u32_le()? {
        let start = usize::try_from(reader.u64_le()?).ok()?;
        let length = usize::try_from(reader.u64_le()?).ok()?;
        let name = usize::from(u16::from_le_bytes(reader.take(2)?.try_into().ok()?));
        if reader.take(name)? == b"tables" {
            return section_of(bytes.get(start..start.checked_add(length)?)?);
        }
    }
    None
}

fn section_of(bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut reader = Reader::new(bytes);
    let mut tables = Vec::new();
    for _level in 0..reader.u8()? {
        for _run in 0..reader.u8()? {
            for _table in 0..reader.u32_le()? {
                let id = reader.u64_le()?;
                if reader.u8()? != 0 {
                    return None;
                }
                tables.push((id, reader.u128_le()?));
                let _number = reader.u64_le()?;
            }
        }
    }
    reader.rest().is_empty().then_some(tables)
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

/// What is in a folder, in the order of the names; nothing if the folder is not there.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, GuardError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(folder))?,
    };
    let path = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.map(path).collect::<io::Result<_>>().map_err(failed(folder))?;
    paths.sort();
    Ok(paths)
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> GuardError {
    let path = path.to_owned();
    move |error| GuardError::Io { path, error }
}

pub(crate) fn damaged(file: &Path, what: &'static str) -> GuardError {
    GuardError::Damaged { file: file.to_owned(), offset: 0, what }
}
