//! The data folder's own files: its version, and whether it was ever finished being made.
//!
//! A folder is made in this order: watermark, `VERSION`, store. So a store without a version is
//! damage, and a watermark without a version is a folder that was never finished being made.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::OpenError;
use crate::chain::Head;
use crate::watermark::{Watermark, WatermarkError};

/// Version of the data folder that this ParX writes. It reads version 1 too, and makes 2 of it.
pub const FOLDER_VERSION: u32 = 2;
/// The version without watermark and chain.
const UNCHAINED: u32 = 1;
const NAME: &str = "VERSION";

/// What a data folder is before it is opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    /// Just made: nothing is in it.
    Fresh,
    /// Written by a ParX that knew no watermark.
    Unchained,
    /// As this ParX writes it. The log reaches this head at least.
    Chained(Head),
}

impl Folder {
    /// Looks at a folder and changes nothing.
    pub(crate) fn look(folder: &Path) -> Result<Folder, OpenError> {
        match version(folder)? {
            Some(UNCHAINED) => Ok(Folder::Unchained),
            Some(_) => match Watermark::read(folder)? {
                Some(head) => Ok(Folder::Chained(head)),
                None => Err(WatermarkError::Damaged(Watermark::path(folder)).into()),
            },
            None if folder.join("log").exists() => Err(OpenError::NoVersion(folder.to_owned())),
            None => Ok(Folder::Fresh),
        }
    }

    /// Looks at a folder, making it if it is not there.
    pub(crate) fn prepare(folder: &Path) -> Result<Folder, OpenError> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let found = Folder::look(folder)?;
        if found == Folder::Fresh {
            Watermark::remove(folder)?;
            Watermark::open(folder)?;
            write_version(folder).map_err(failed(folder))?;
        }
        Ok(found)
    }

    /// Opens the watermark of a folder whose log was read to `head`.
    pub(crate) fn finish(&self, folder: &Path, head: Head) -> Result<Watermark, OpenError> {
        match self {
            Folder::Fresh | Folder::Chained(_) => Ok(Watermark::open(folder)?),
            Folder::Unchained => {
                Watermark::remove(folder)?;
                let watermark = Watermark::open(folder)?;
                watermark.write_both(head)?;
                write_version(folder).map_err(failed(folder))?;
                Ok(watermark)
            }
        }
    }

    /// The head that the log must reach; nothing where none is known.
    pub(crate) fn durable(&self) -> Option<Head> {
        match self {
            Folder::Fresh | Folder::Unchained => None,
            Folder::Chained(head) => Some(*head),
        }
    }
}

/// The folder's version; nothing without one (L4).
fn version(folder: &Path) -> Result<Option<u32>, OpenError> {
    match fs::read(folder.join(NAME)) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let known = [UNCHAINED, FOLDER_VERSION];
            let found = known.into_iter().find(|version| text == format!("{version}\n"));
            found.map(Some).ok_or_else(|| OpenError::Version { found: text.trim().to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(folder)(error)),
    }
}

pub(crate) fn write_version(folder: &Path) -> io::Result<()> {
    let fresh = folder.join("VERSION.new");
    fs::write(&fresh, format!("{FOLDER_VERSION}\n"))?;
    File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, folder.join(NAME))?;
    File::open(folder)?.sync_all()
}

fn failed(folder: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let folder = folder.to_owned();
    move |error| OpenError::Folder { folder, error }
}
