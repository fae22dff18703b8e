//! The machine that a figure was taken on.
//!
//! A figure without these facts says nothing: they stand beside every report.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::figures::Spread;
use crate::bench::process::machine_memory;

/// How often the disk is asked.
const SYNCS: usize = 200;
/// Bytes that are written before each sync.
const SYNC_BYTES: usize = 4 << 10;

/// What was measured on and with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub cpu: String,
    /// Memory, in GiB.
    pub memory_gib: f64,
    /// The system and its version.
    pub kernel: String,
    /// ParX's version.
    pub version: &'static str,
    /// True for a build with optimisation only where it matters, as `cargo build` makes it.
    pub debug_build: bool,
}

/// The disk below a folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disk {
    /// File system and device, as the system names them.
    pub file_system: String,
    /// Appending 4 KiB and waiting until they are durable, in milliseconds.
    pub sync_ms: Spread,
}

impl Machine {
    /// This machine and this build.
    pub fn here() -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        let memory = machine_memory().map_or(0, |(all, _)| all);
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu_name(&read("/proc/cpuinfo")),
            memory_gib: (memory as f64 / (1 << 30) as f64 * 10.0).round() / 10.0,
            kernel: format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            debug_build: cfg!(debug_assertions),
        }
    }

    /// The line that stands below figures.
    pub fn line(&self) -> String {
        let build = if self.debug_build { "a debug build, so slower than released" } else { "" };
        let Machine { version, cores, cpu, memory_gib, kernel, .. } = self;
        let line = format!("ParX {version}; {cores} x {cpu}, {memory_gib} GiB, {kernel}");
        if build.is_empty() { line } else { format!("{line}; {build}") }
    }
}

impl Disk {
    /// The disk below `folder`, after some syncs in a file that is removed again.
    pub fn below(folder: &Path) -> Result<Disk, String> {
        let file = folder.join("sync-test");
        let durations = time_syncs(&file);
        let _ = std::fs::remove_file(&file);
        let durations = durations.map_err(|error| format!("{}: {error}", file.display()))?;
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Ok(Disk {
            file_system: file_system(&mounts, &folder),
            sync_ms: Spread::of(durations).unwrap_or_default(),
        })
    }

    /// The line that stands below figures.
    pub fn line(&self) -> String {
        let Spread { p50, p99, .. } = self.sync_ms;
        format!("{}; 4 KiB durable in {p50:.2} ms, p99 {p99:.2} ms", self.file_system)
    }
}

fn time_syncs(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = std::fs::File::create(path)?;
    let block = [7_u8; SYNC_BYTES];
    let one = |_| {
        let begun = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        Ok(begun.elapsed())
    };
    (0..SYNCS).map(one).collect()
}

/// The file system that holds `folder`: the longest mount point above it.
fn file_system(mounts: &str, folder: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(point).then(|| (point.len(), format!("{kind} on {device}")))
    });
    mounts.max_by_key(|(length, _)| *length).map_or("unknown".to_owned(), |(_, name)| name)
}

/// The processor's name out of what Linux tells about it.
fn cpu_name(cpuinfo: &str) -> String {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let name = lines.filter(|(key, _)| key.trim() == "model name").map(|(_, name)| name.trim());
    name.into_iter().next().unwrap_or(std::env::consts::ARCH).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_found_among_its_facts() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags: a\n";
        assert_eq!(cpu_name(text), "Some CPU @ 2.00GHz");
        assert_eq!(cpu_name("Hardware: x\n"), std::env::consts::ARCH);
    }

    #[test]
    fn a_folder_lies_on_the_nearest_mount_above_it() {
        let mounts =
            "overlay / overlay rw 0 0\n/dev/vdb /data ext4 rw 0 0\ntmpfs /d tmpfs rw 0 0\n";
        let table = [("/data/x", "ext4 on /dev/vdb"), ("/database", "overlay on overlay")];
        for (folder, expected) in table {
            assert_eq!(file_system(mounts, Path::new(folder)), expected);
        }
    }
}
