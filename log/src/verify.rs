//! `parx verify`, the log's part: everything in the store is read and checked, and nothing changed.
//!
//! It tells every fault, not only the first. Segments are not its business, nor is mending.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::chain::{self, Head};
use crate::folder::Folder;
use crate::guard::{Guard, GuardError, TornTail, journals};
use crate::last::{LAST_VALUES, LastValues};
use crate::salvage::salvage;
use crate::scratch::Scratch;
use crate::snapshot::CATALOG;
use crate::store::Store;
use crate::tables::failed;
use crate::{Catalog, Event, OpenError, Sequence, codec, snapshot};

/// Folder beside the store in which it is looked at.
const SCRATCH: &str = "verify.tmp";
/// Entries between two words of progress.
const PROGRESS_ENTRIES: u64 = 50_000;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file or folder.
    pub file: PathBuf,
    /// Where in the file, if that is known.
    pub offset: Option<u64>,
    /// What is wrong there.
    pub what: String,
}

impl Fault {
    /// A fault of a file as a whole.
    pub fn new(file: impl Into<PathBuf>, what: impl fmt::Display) -> Fault {
        Fault { file: file.into(), offset: None, what: what.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, offset, what } = self;
        match offset {
            Some(offset) => write!(f, "{} at byte {offset}: {what}", file.display()),
            None => write!(f, "{}: {what}", file.display()),
        }
    }
}

/// What was found in a log.
#[derive(Debug, Default)]
pub struct LogReport {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// How many of them are of the folder's own files, `VERSION` and `watermark`.
    pub folder_faults: u64,
    /// An unfinished write at the end, which is no fault: the next start cuts it off.
    pub torn: Option<TornTail>,
    /// Bytes of journals and tables.
    pub bytes: u64,
    /// Entries that were read, changes of any age among them.
    pub entries: u64,
    /// Changes.
    pub changes: u64,
    /// Samples that are still in the log.
    pub samples: u64,
    /// The last entry.
    pub last: Sequence,
    /// What is defined, if that could be read.
    pub catalog: Option<Catalog>,
}

/// Why a log could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Name a data folder.
    #[error("{} holds no ParX data", .0.display())]
    NoData(PathBuf),
    /// Stop the server first.
    #[error("the data folder {} is in use; stop ParX first", .0.display())]
    InUse(PathBuf),
    /// Use the ParX that wrote it, or a newer one.
    #[error(transparent)]
    Version(OpenError),
    /// Look at the path, its rights and the free space.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

/// Reads and checks all of the log in a data folder. `progress` hears how far it is.
pub fn verify_log(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<LogReport, VerifyError> {
    let log = folder.join("log");
    if !log.is_dir() {
        return Err(VerifyError::NoData(folder.to_owned()));
    }
    let guard = Guard::lock(&log).map_err(|error| match error {
        GuardError::InUse => VerifyError::InUse(folder.to_owned()),
        error @ (GuardError::Io { .. } | GuardError::Damaged { .. }) => error.into(),
    })?;
    let mut report = LogReport::default();
    let durable = match Folder::look(folder) {
        Ok(found) => found.durable(),
        Err(error @ OpenError::Version { .. }) => return Err(VerifyError::Version(error)),
        Err(error) => {
            report.faults.push(Fault::new(folder, error));
            report.folder_faults = 1;
            None
        }
    };
    progress("journals and tables");
    let found = guard.examine(durable.map(|head| head.sequence))?;
    report.faults.extend(found.damage.iter().map(fault));
    if !found.damage.is_empty() {
        further(&log, &mut report.faults)?;
    }
    (report.torn, report.bytes) = (found.torn, found.bytes);
    if found.unmade {
        return Ok(report);
    }
    let scratch = Scratch::copy(&log, folder.join(SCRATCH))?;
    match Store::open(scratch.folder(), false) {
        Ok(store) => Walk { log: &log, report: &mut report, durable, progress }.all(&store),
        Err(error) => report.faults.push(Fault::new(&log, error)),
    }
    Ok(report)
}

/// Adds the bad batches of the journals behind the first of each.
fn further(log: &Path, faults: &mut Vec<Fault>) -> Result<(), GuardError> {
    for path in journals(log, &mut vec![])? {
        let file = File::open(&path).map_err(failed(&path))?;
        for (offset, what) in salvage(file).map_err(failed(&path))?.bad {
            let fault = GuardError::Damaged { file: path.clone(), offset, what };
            let fault = self::fault(&fault);
            if !faults
                .iter()
                .any(|known| (&known.file, known.offset) == (&fault.file, fault.offset))
            {
                faults.push(fault);
            }
        }
    }
    Ok(())
}

pub(crate) fn fault(error: &GuardError) -> Fault {
    match error {
        GuardError::Damaged { file, offset, what } => {
            Fault { file: file.clone(), offset: Some(*offset), what: (*what).to_owned() }
        }
        GuardError::Io { path, error } => Fault::new(path, error),
        GuardError::InUse => Fault::new("", error),
    }
}

/// A walk through a store.
struct Walk<'a> {
    log: &'a Path,
    report: &'a mut LogReport,
    durable: Option<Head>,
    progress: &'a mut dyn FnMut(&str),
}

impl Walk<'_> {
    fn all(&mut self, store: &Store) {
        if let Err(error) = self.changes(store).and_then(|()| self.entries(store)) {
            self.fault(error);
        }
    }

    fn fault(&mut self, what: impl fmt::Display) {
        self.report.faults.push(Fault::new(self.log, what));
    }

    fn count(&mut self) {
        self.report.entries += 1;
        if self.report.entries.is_multiple_of(PROGRESS_ENTRIES) {
            (self.progress)(&format!("{} entries of the log", self.report.entries));
        }
    }

    /// Every change since the beginning: its checksum, its place in the chain of changes, and that
    /// the fold from zero gives what the snapshot says.
    fn changes(&mut self, store: &Store) -> Result<(), fjall::Error> {
        let stored = store.snapshot(CATALOG)?;
        let kept = stored.as_deref().and_then(snapshot::decode);
        if stored.is_some() && kept.is_none() {
            self.fault("the catalog's snapshot cannot be read");
        }
        let (mut catalog, mut head) = (Catalog::default(), Head::default());
        let mut compared = kept.is_none();
        for stored in store.changes_after(Sequence::ZERO) {
            let (sequence, record) = stored?;
            if let Some(kept) = kept.as_deref().filter(|kept| !compared && kept.sequence < sequence)
            {
                self.compare(&catalog, kept);
                compared = true;
            }
            self.count();
            self.report.changes += 1;
            // Only the chain of changes: the entries between them may have left the log.
            head.hash = Head::default().hash;
            if let Err(error) = head.follow(sequence, &record) {
                self.fault(error);
                head.skip_to(sequence, &record);
            }
            match chain::decode(sequence, &record).map(|entry| entry.event) {
                Ok(Event::Change(change)) => catalog.apply(sequence, &change),
                Ok(Event::Samples(_)) => self.fault(format!("entry {sequence} is no change")),
                Err(error) => self.fault(error),
            }
        }
        if let Some(kept) = kept.as_deref().filter(|_| !compared) {
            self.compare(&catalog, kept);
        }
        self.report.catalog = Some(catalog);
        Ok(())
    }

    fn compare(&mut self, folded: &Catalog, kept: &Catalog) {
        if folded != kept {
            self.fault(format!(
                "the catalog's snapshot at sequence {} is not what the changes fold to",
                kept.sequence
            ));
        }
    }

    /// Every entry behind what segments hold, in order: dense, chained, whole, up to the watermark.
    fn entries(&mut self, store: &Store) -> Result<(), fjall::Error> {
        let through = self.report.catalog.as_ref().map_or(Sequence::ZERO, |c| c.manifest.through);
        let mut head = Head { sequence: through, ..Head::default() };
        let mut changes = store.changes_after(through).peekable();
        for epoch in store.epochs() {
            for stored in store.samples_after(epoch, through) {
                let (sequence, record) = stored?;
                while let Some(change) =
                    changes.next_if(|change| change.as_ref().map_or(true, |(at, _)| *at < sequence))
                {
                    let (sequence, record) = change?;
                    self.follow(&mut head, sequence, &record);
                }
                self.count();
                self.follow(&mut head, sequence, &record);
                let entry = chain::split(sequence, &record).map(|parts| parts.entry);
                match entry.and_then(|entry| codec::decode(sequence, entry)).map(|e| e.event) {
                    Ok(Event::Samples(samples)) => self.report.samples += samples.len() as u64,
                    Ok(Event::Change(_)) => self.fault(format!("entry {sequence} is no sample")),
                    Err(error) => self.fault(error),
                }
            }
        }
        for change in changes {
            let (sequence, record) = change?;
            self.follow(&mut head, sequence, &record);
        }
        self.report.last = head.sequence;
        self.end(store, &head)
    }

    fn follow(&mut self, head: &mut Head, sequence: Sequence, record: &[u8]) {
        let expected = head.sequence.next();
        if sequence != expected {
            let last = sequence.0.saturating_sub(1);
            self.fault(format!("entries {expected} to {last} are missing"));
            head.hash = Head::default().hash;
        }
        // The chain of changes was followed before.
        head.change_hash = Head::default().hash;
        if let Err(error) = head.follow(sequence, record) {
            self.fault(error);
            head.skip_to(sequence, record);
        }
        let durable = self.durable.filter(|durable| durable.sequence == sequence);
        if durable.is_some_and(|durable| durable.hash != head.hash) {
            self.fault(OpenError::Replaced(sequence));
        }
    }

    /// The watermark must be reached, and what is kept beside the entries must be readable.
    fn end(&mut self, store: &Store, head: &Head) -> Result<(), fjall::Error> {
        if let Some(durable) = self.durable {
            if head.sequence < durable.sequence {
                let (last, watermark) = (head.sequence, durable.sequence);
                self.fault(OpenError::Short { last, watermark });
            }
            let change = store.change(durable.change)?;
            let hash = change.map(|record| chain::hash(durable.change, &record));
            if durable.change > Sequence::ZERO && hash != Some(durable.change_hash) {
                self.fault(OpenError::Replaced(durable.change));
            }
        }
        store.batches()?;
        if let Some(bytes) = store.snapshot(LAST_VALUES)?
            && let Some((at, bytes)) = bytes.split_first_chunk::<8>()
        {
            let at = Sequence(u64::from_be_bytes(*at));
            if let Err(error) = LastValues::default().restore(at, bytes) {
                self.fault(format!("the last values' snapshot cannot be read: {error}"));
            }
        }
        Ok(())
    }
}
