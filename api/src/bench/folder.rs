//! The folder of a measurement: the server's data, its configuration, its password, what it says.
//!
//! A temporary one goes when the measurement ends; one that was named stays, so that a second
//! measurement can use what the first has written.

use std::path::{Path, PathBuf};

use parx_log::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::auth::generate_password;
use crate::bench::plant::PlantOptions;

/// Where a measurement happens.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    temporary: bool,
}

/// What a folder was fed with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fed {
    /// How many signals.
    pub signals: u32,
    /// How many scans of half a second.
    pub ticks: u64,
    /// What chance began with.
    pub seed: u64,
    /// Points that were stored.
    pub points: u64,
}

impl Fed {
    /// The plant that it was fed with.
    pub fn plant(&self) -> PlantOptions {
        PlantOptions { signals: self.signals, ticks: self.ticks, seed: self.seed }
    }
}

impl Folder {
    /// A folder of its own below the system's for temporary files.
    pub fn temporary() -> Result<Folder, String> {
        let name = format!("parx-bench-{}-{}", std::process::id(), SystemClock.now().micros());
        let root = std::env::temp_dir().join(name);
        let made = std::fs::create_dir(&root);
        made.map_err(|error| format!("cannot make {}: {error}", root.display()))?;
        Ok(Folder { root, temporary: true })
    }

    /// The folder `root`, made if it is not there, or a temporary one.
    pub fn at(root: Option<&Path>) -> Result<Folder, String> {
        let Some(root) = root else { return Folder::temporary() };
        let made = std::fs::create_dir_all(root);
        made.map_err(|error| format!("cannot make {}: {error}", root.display()))?;
        Ok(Folder { root: root.to_owned(), temporary: false })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// True if a server has been here.
    pub fn is_used(&self) -> bool {
        self.data().join("VERSION").is_file()
    }

    /// The file with the password of the first account, made at the first call.
    pub fn password_file(&self) -> Result<PathBuf, String> {
        let file = self.root.join("password");
        if !file.is_file() {
            write_private(&file, &generate_password())?;
        }
        Ok(file)
    }

    /// Writes the server's configuration.
    pub fn configure(&self, text: &str) -> Result<PathBuf, String> {
        let file = self.root.join("parx.toml");
        let written = std::fs::write(&file, text);
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(file)
    }

    /// Remembers what was fed.
    pub fn remember(&self, fed: &Fed) -> Result<(), String> {
        let text = serde_json::to_string_pretty(fed).map_err(|error| error.to_string())?;
        let file = self.root.join("plant.json");
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// What was fed; none if nothing was.
    pub fn recall(&self) -> Option<Fed> {
        let text = std::fs::read_to_string(self.root.join("plant.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.root)
        {
            eprintln!("parx: {} could not be removed: {error}", self.root.display());
        }
    }
}

/// Writes a file that only this user may read.
fn write_private(file: &Path, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut open| writeln!(open, "{text}"));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_place_goes_and_a_named_one_stays() {
        let (root, fed) = {
            let folder = Folder::temporary().unwrap();
            let fed = Fed { signals: 3, ticks: 4, seed: 5, points: 6 };
            assert_eq!(folder.recall(), None);
            folder.remember(&fed).unwrap();
            assert_eq!(folder.recall(), Some(fed));
            let file = folder.password_file().unwrap();
            let password = std::fs::read(&file).unwrap();
            assert_eq!(std::fs::read(folder.password_file().unwrap()).unwrap(), password);
            (folder.root().to_owned(), fed)
        };
        assert!(!root.exists());
        drop(Folder::at(Some(&root)).unwrap());
        assert!(root.exists(), "{fed:?}");
        std::fs::remove_dir(root).unwrap();
    }
}
