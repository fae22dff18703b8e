//! The watermark: a file of its own that says how far the log is known to be durable.
//!
//! It is what tells a log that lost its end from one that ends there. Two pages are written in
//! turn, so that one of them is whole whatever happens. `log/DESIGN.md` says what it can notice.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use crate::Sequence;
use crate::bytes::Reader;
use crate::chain::{Hash, Head};

/// Name of the file in the data folder.
const NAME: &str = "watermark";
/// How far the watermark may be behind the log.
pub(crate) const MARK_EVERY: Duration = Duration::from_millis(100);

const MAGIC: &[u8; 8] = b"PARXMARK";
const MARK_VERSION: u32 = 1;
/// Bytes of one of the two pages.
const PAGE_BYTES: usize = 4096;
/// Bytes before the checksum at a page's end.
const SUMMED_BYTES: usize = PAGE_BYTES - 4;

/// Why the watermark could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WatermarkError {
    /// Look at the path, its owner and its rights.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The log may have lost its end: let `parx repair` look and make a new watermark.
    #[error(
        "{} is missing or damaged, so that nothing tells whether the log is whole; let `parx \
         repair` check it and make a new one",
        .0.display()
    )]
    Damaged(PathBuf),
    /// Use the ParX that wrote it, or a newer one.
    #[error("{} has format version {version}; this ParX reads {MARK_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// What stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    /// Grows by one with every page that is written.
    counter: u64,
    head: Head,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Watermark {
    path: PathBuf,
    file: File,
    last: Mutex<Mark>,
}

impl Watermark {
    /// Where the file is in the data folder.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// The head that the file in `folder` tells; nothing without a file.
    pub(crate) fn read(folder: &Path) -> Result<Option<Head>, WatermarkError> {
        Ok(read(&Watermark::path(folder))?.map(|mark| mark.head))
    }

    /// Opens the file, making it if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Watermark, WatermarkError> {
        let path = Watermark::path(folder);
        let failed = |error| WatermarkError::Io { path: path.clone(), error };
        let found = read(&path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed)?;
        let mark = found.unwrap_or_default();
        let watermark = Watermark { path: path.clone(), file, last: Mutex::new(mark) };
        if found.is_none() {
            watermark.write_both(mark.head)?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(watermark)
    }

    /// Throws the file away, so that `open` makes a new one.
    pub(crate) fn remove(folder: &Path) -> Result<(), WatermarkError> {
        let path = Watermark::path(folder);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(WatermarkError::Io { path, error })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a head durably, over the older of the two pages.
    pub(crate) fn write(&self, head: Head) -> Result<(), WatermarkError> {
        let mut last = self.last.lock();
        if last.head == head {
            return Ok(());
        }
        self.put(&mut last, head)
    }

    /// Writes a head durably into both pages: then no damage to one of them takes anything away.
    pub(crate) fn write_both(&self, head: Head) -> Result<(), WatermarkError> {
        let mut last = self.last.lock();
        self.put(&mut last, head)?;
        self.put(&mut last, head)
    }

    fn put(&self, last: &mut Mark, head: Head) -> Result<(), WatermarkError> {
        let mark = Mark { counter: last.counter + 1, head };
        let place = (mark.counter % 2) * PAGE_BYTES as u64;
        write_at(&self.file, &encode(&mark), place)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| WatermarkError::Io { path: self.path.clone(), error })?;
        *last = mark;
        Ok(())
    }
}

fn write_at(file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, place);
    #[cfg(windows)]
    return match std::os::windows::fs::FileExt::seek_write(file, bytes, place)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    };
}

fn read(path: &Path) -> Result<Option<Mark>, WatermarkError> {
    let failed = |error| WatermarkError::Io { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?.take(2 * PAGE_BYTES as u64).read_to_end(&mut bytes),
    }
    .map_err(failed)?;
    let pages = bytes.chunks(PAGE_BYTES).filter_map(decode);
    match pages.max_by_key(|(_, mark)| mark.counter) {
        None => Err(WatermarkError::Damaged(path.to_owned())),
        Some((MARK_VERSION, mark)) => Ok(Some(mark)),
        Some((version, _)) => Err(WatermarkError::Version { path: path.to_owned(), version }),
    }
}

fn encode(mark: &Mark) -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE_BYTES);
    page.extend(MAGIC);
    page.extend(MARK_VERSION.to_le_bytes());
    page.extend([0; 4]);
    page.extend(mark.counter.to_le_bytes());
    page.extend(mark.head.sequence.0.to_le_bytes());
    page.extend(mark.head.hash);
    page.extend(mark.head.change.0.to_le_bytes());
    page.extend(mark.head.change_hash);
    page.resize(SUMMED_BYTES, 0);
    page.extend(crc32fast::hash(&page).to_le_bytes());
    page
}

/// The version of a page and what it says, if it is whole.
fn decode(page: &[u8]) -> Option<(u32, Mark)> {
    let (summed, sum) = page.split_at_checked(SUMMED_BYTES)?;
    let whole = sum == crc32fast::hash(summed).to_le_bytes();
    let mut reader = Reader::new(summed);
    if !whole || reader.take(8)? != MAGIC {
        return None;
    }
    let version = reader.u32_le()?;
    let _unused = reader.u32_le()?;
    let counter = reader.u64_le()?;
    let sequence = Sequence(reader.u64_le()?);
    let hash = Hash::try_from(reader.take(32)?).ok()?;
    let change = Sequence(reader.u64_le()?);
    let change_hash = Hash::try_from(reader.take(32)?).ok()?;
    Some((version, Mark { counter, head: Head { sequence, hash, change, change_hash } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(number: u64) -> Head {
        Head {
            sequence: Sequence(number),
            hash: [number as u8; 32],
            change: Sequence(number / 2),
            change_hash: [1; 32],
        }
    }

    #[test]
    fn l6_one_damaged_page_leaves_the_other() {
        let folder = tempfile::TempDir::new().unwrap();
        assert!(Watermark::read(folder.path()).unwrap().is_none());
        let watermark = Watermark::open(folder.path()).unwrap();
        assert_eq!(Watermark::read(folder.path()).unwrap(), Some(Head::default()));
        for number in 1..=3 {
            watermark.write(head(number)).unwrap();
            assert_eq!(Watermark::read(folder.path()).unwrap(), Some(head(number)));
        }
        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len(), 2 * PAGE_BYTES);
        for place in (0..whole.len()).step_by(17) {
            let mut bytes = whole.clone();
            bytes[place] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            let found = Watermark::read(folder.path()).unwrap().unwrap();
            assert!(found == head(3) || found == head(2), "L6: byte {place}");
            bytes[(place + PAGE_BYTES) % (2 * PAGE_BYTES)] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            let error = Watermark::read(folder.path()).unwrap_err();
            assert!(matches!(error, WatermarkError::Damaged(_)), "L6: {error}");
        }
        std::fs::write(&path, &whole).unwrap();
        let watermark = Watermark::open(folder.path()).unwrap();
        watermark.write_both(head(4)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..PAGE_BYTES].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Watermark::read(folder.path()).unwrap(), Some(head(4)), "L6: both are written");
    }

    #[test]
    fn l4_a_newer_watermark_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut page = encode(&Mark { counter: 9, head: head(1) });
        page[8] = 2;
        let sum = crc32fast::hash(&page[..SUMMED_BYTES]);
        page[SUMMED_BYTES..].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(folder.path().join(NAME), &page).unwrap();
        let error = Watermark::read(folder.path()).unwrap_err();
        assert!(matches!(error, WatermarkError::Version { version: 2, .. }), "L4: {error}");
    }
}
