//! Files as the Parquet reader and writer want them: reads by position, writes that are hashed.
//!
//! Knows nothing of what is inside.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::SegmentError;

/// An open file that many can read at once, for no reader moves a common position.
#[derive(Clone, Debug)]
pub(crate) struct Positioned {
    file: Arc<File>,
    length: u64,
}

impl Positioned {
    pub(crate) fn open(path: &Path) -> io::Result<Positioned> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Positioned { file: Arc::new(file), length })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&*self.file, buffer, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, offset);
    }

    /// BLAKE3 of the whole file, in hexadecimal.
    pub(crate) fn blake3(&self) -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        let mut offset = 0;
        loop {
            let read = self.read_at(&mut buffer, offset)?;
            if read == 0 {
                return Ok(hasher.finalize().to_hex().to_string());
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            offset += read as u64;
        }
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.length
    }
}

/// Reads on from a position of its own.
pub(crate) struct From {
    file: Positioned,
    offset: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From { file: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A damaged length must not ask for more memory than the file could fill.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            let what = format!("{length} bytes at {start} reach beyond the end {}", self.length);
            return Err(ParquetError::EOF(what));
        }
        let mut buffer = vec![0; length];
        From { file: self.clone(), offset: start }.read_exact(&mut buffer)?;
        Ok(buffer.into())
    }
}

/// A new file under a temporary name, hashed while it is written.
pub(crate) struct Fresh {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
    root: PathBuf,
    path: PathBuf,
}

/// The ending of files that are not complete.
pub(crate) const TEMPORARY: &str = "tmp";

impl Fresh {
    /// Begins the file that `publish` will call `name` below `root`.
    pub(crate) fn create(root: &Path, name: &str) -> Result<Fresh, SegmentError> {
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(SegmentError::io(folder))?;
        }
        let temporary = temporary(&path);
        let file = File::create(&temporary).map_err(SegmentError::io(&temporary))?;
        let file = BufWriter::with_capacity(256 << 10, file);
        Ok(Fresh { file, hasher: blake3::Hasher::new(), bytes: 0, root: root.to_owned(), path })
    }

    /// Makes the file durable under its name. Answers with its size and its BLAKE3.
    pub(crate) fn publish(self) -> Result<(u64, String), SegmentError> {
        let temporary = temporary(&self.path);
        let file = self.file.into_inner().map_err(|error| error.into_error());
        let file = file.map_err(SegmentError::io(&temporary))?;
        file.sync_all().map_err(SegmentError::io(&temporary))?;
        fs::rename(&temporary, &self.path).map_err(SegmentError::io(&self.path))?;
        // The name is durable once its folder is; the folder's own name, once its parent is.
        for folder in self.path.ancestors().skip(1).take_while(|at| at.starts_with(&self.root)) {
            sync_folder(folder).map_err(SegmentError::io(folder))?;
        }
        Ok((self.bytes, self.hasher.finalize().to_hex().to_string()))
    }
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension(TEMPORARY)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(windows)]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Write for Fresh {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(buffer.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
