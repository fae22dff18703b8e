//! What can go wrong with a segment file. Damage names the file, and the place where it is known.

use std::io;
use std::path::PathBuf;

/// Why a segment could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file system refuses: look at the path, its owner and the free space.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's complaint.
        source: io::Error,
    },
    /// The file is not what was published: restore it from a backup (L6).
    #[error("the segment {} is damaged{}: {what}", path.display(), place(*offset))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, if that is known.
        offset: Option<u64>,
        /// What is wrong there.
        what: String,
    },
    /// Written by another version of ParX: read it with that version (L4).
    #[error(
        "the segment {} has format version '{found}'; this ParX reads up to {}",
        path.display(),
        crate::SEGMENT_VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What its metadata say.
        found: String,
    },
    /// The encoder refused rows; a fault of ParX.
    #[error("cannot encode {}: {what}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's complaint.
        what: String,
    },
}

fn place(offset: Option<u64>) -> String {
    offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
}

impl SegmentError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SegmentError {
        let path = path.into();
        move |source| SegmentError::Io { path, source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> SegmentError {
        SegmentError::Damaged { path: path.into(), offset: None, what: what.into() }
    }

    pub(crate) fn encode<E: ToString>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> SegmentError {
        let path = path.into();
        move |error| SegmentError::Encode { path, what: error.to_string() }
    }

    /// True if what was published cannot be read as published.
    pub fn is_damage(&self) -> bool {
        match self {
            SegmentError::Damaged { .. } | SegmentError::Version { .. } => true,
            SegmentError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            SegmentError::Encode { .. } => false,
        }
    }
}
