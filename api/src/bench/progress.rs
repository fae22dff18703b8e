//! Says on a terminal how far long work has come; elsewhere it says nothing.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often it is said.
const EVERY: Duration = Duration::from_millis(250);

/// One piece of work.
pub struct Progress {
    what: String,
    all: u64,
    next: Option<Instant>,
}

impl Progress {
    /// Work of `all` pieces; 0 if that is not known.
    pub fn new(what: &str, all: u64) -> Progress {
        let next = std::io::stderr().is_terminal().then(Instant::now);
        Progress { what: what.to_owned(), all, next }
    }

    /// So many are done.
    pub fn reach(&mut self, done: u64) {
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + EVERY);
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[K{}", words(&self.what, done, self.all));
            let _ = err.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.next.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn words(what: &str, done: u64, all: u64) -> String {
    match (done * 100).checked_div(all) {
        Some(percent) => format!("{what}: {} %", percent.min(100)),
        None => format!("{what}: {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_percent_where_the_end_is_known() {
        assert_eq!(words("feeding", 5, 20), "feeding: 25 %");
        assert_eq!(words("feeding", 21, 20), "feeding: 100 %");
        assert_eq!(words("waiting", 3, 0), "waiting: 3");
    }
}
