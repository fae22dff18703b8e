//! What Linux tells about a process and about the machine: processor time, memory, bytes written.
//!
//! Reading is in thin shells round pure parsers. Where there is no `/proc` there is no figure.

use std::collections::HashMap;
use std::time::Duration;

/// Ticks of a second in `/proc/PID/stat`: the same on every Linux.
const TICKS: u64 = 100;

/// What a process has used since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time of all its threads, also those that have ended; exact to 10 ms.
    pub cpu: Duration,
    /// Memory in use now, in bytes.
    pub memory: u64,
    /// The most memory that was in use, in bytes.
    pub memory_peak: u64,
    /// Bytes that it made the disk write.
    pub written: u64,
}

/// What the process `pid` has used; none if it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let status = read("status")?;
    Some(Usage {
        cpu: cpu(&read("stat")?)?,
        memory: kibibytes(&status, "VmRSS:").unwrap_or(0),
        memory_peak: kibibytes(&status, "VmHWM:").unwrap_or(0),
        written: read("io").and_then(|io| number(&io, "write_bytes:")).unwrap_or(0),
    })
}

/// Forgets the most memory that a process has had in use, so that the next peak can be seen. Where
/// the system does not allow it the old peak stays.
pub fn forget_peak(pid: u32) {
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Processor time out of `/proc/PID/stat`.
fn cpu(stat: &str) -> Option<Duration> {
    // The name in brackets may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 1_000 / TICKS))
}

fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    number(text, key).map(|kibibytes| kibibytes << 10)
}

/// Processor time of each living thread of a process, to the nanosecond.
#[derive(Clone, Debug, Default)]
pub struct Threads(HashMap<u64, u64>);

impl Threads {
    /// The threads of `pid` as they are now.
    pub fn of(pid: u32) -> Threads {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        let time = |task: std::io::Result<std::fs::DirEntry>| {
            let task = task.ok()?;
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            let time = text.split_whitespace().next()?.parse().ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, time))
        };
        Threads(tasks.filter_map(time).collect())
    }

    /// Processor time since `before`; what a thread used that ended in between is not in it.
    pub fn since(&self, before: &Threads) -> Duration {
        let used = |(thread, time): (&u64, &u64)| {
            time.saturating_sub(before.0.get(thread).copied().unwrap_or(0))
        };
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// Processor time that the whole machine has been busy for.
pub fn machine_busy() -> Option<Duration> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

fn busy(stat: &str) -> Option<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // User, nice, system, then idle and waiting for the disk, then interrupts and what was stolen.
    let (work, rest) = fields.split_at_checked(3)?;
    let interrupts = rest.iter().skip(2).take(3);
    Some(Duration::from_millis(work.iter().chain(interrupts).sum::<u64>() * 1_000 / TICKS))
}

/// Bytes of memory that the machine has, and how many of them can be had.
pub fn machine_memory() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some((kibibytes(&text, "MemTotal:")?, kibibytes(&text, "MemAvailable:")?))
}

/// Sees how busy others keep the machine while something is measured.
pub struct Watch {
    begun: std::time::Instant,
    busy: Option<Duration>,
    ours: Vec<(u32, Duration)>,
}

impl Watch {
    /// Begins to watch; `ours` are the processes that belong to the measurement.
    pub fn begin(ours: &[u32]) -> Watch {
        let cpu = |pid: &u32| (*pid, usage(*pid).map_or(Duration::ZERO, |usage| usage.cpu));
        Watch {
            begun: std::time::Instant::now(),
            busy: machine_busy(),
            ours: ours.iter().map(cpu).collect(),
        }
    }

    /// Cores that others have used on average since it began.
    pub fn others(&self) -> Option<f64> {
        let busy = machine_busy()?.checked_sub(self.busy?)?;
        let used = |(pid, before): &(u32, Duration)| {
            usage(*pid).map_or(Duration::ZERO, |usage| usage.cpu.saturating_sub(*before))
        };
        let ours: Duration = self.ours.iter().map(used).sum();
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        Some(busy.saturating_sub(ours).as_secs_f64() / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_linux_writes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 9 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        let status = "Name:\tparx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        let machine = "cpu  100 10 90 5000 400 3 7 90 0 0\ncpu0 1 2 3 4\n";
        assert_eq!(busy(machine), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_peak_that_was_forgotten_is_not_told_again() {
        let pid = std::process::id();
        let memory = vec![7_u8; 200 << 20];
        assert!(std::hint::black_box(&memory).iter().all(|byte| *byte == 7));
        let high = usage(pid).unwrap().memory_peak;
        drop(memory);
        forget_peak(pid);
        let low = usage(pid).unwrap().memory_peak;
        assert!(low < high, "{low} {high}");
    }

    #[test]
    fn this_process_has_used_something() {
        let before = Threads::of(std::process::id());
        let mut sum = 0_u64;
        while Threads::of(std::process::id()).since(&before).is_zero() {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.memory > 0 && usage.memory_peak >= usage.memory, "{usage:?}");
    }
}
