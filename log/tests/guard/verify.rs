//! `verify_log`: good folders are told good, every fault is told, and nothing is changed.

use std::fs;
use std::path::Path;

use parx_log::{LogReport, Sequence, VerifyError, verify_log};
use tempfile::TempDir;

use crate::written::{
    GROUPS, ROWS, batches, close, files, journal, killed, rows, try_open, written,
};

/// Looks at a folder, which must not change by it.
fn look(folder: &Path) -> LogReport {
    let before = files(folder);
    let report = verify_log(folder, &mut |_| ()).unwrap();
    assert!(files(folder) == before, "looking changes nothing");
    report
}

fn told(report: &LogReport) -> Vec<String> {
    report.faults.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_good_folder_is_told_good_with_its_figures() {
    let folder = written().await;
    let report = look(folder.path());
    assert_eq!(told(&report), [""; 0]);
    assert_eq!((report.samples, report.changes), ((GROUPS * ROWS) as u64, 1));
    assert_eq!((report.entries, report.last), (GROUPS as u64 + 1, Sequence(GROUPS as u64 + 1)));
    assert!(report.bytes > 100_000, "{}", report.bytes);
    assert_eq!(report.catalog.unwrap().signals().count(), 1);
    assert_eq!(rows(&try_open(folder.path()).unwrap()), GROUPS * ROWS);
}

#[tokio::test]
async fn an_unfinished_write_is_told_and_is_no_fault() {
    let folder = written().await;
    let bytes = fs::read(journal(folder.path())).unwrap();
    let starts = batches(&bytes);
    let last = starts[starts.len() - 3];
    fs::write(journal(folder.path()), &bytes[..last + 6000]).unwrap();
    assert_eq!(told(&look(folder.path())).len(), 2, "L6: the watermark knows it; and it is short");
    killed(folder.path());
    let report = look(folder.path());
    assert_eq!(told(&report), [""; 0]);
    assert_eq!(report.torn.unwrap().offset, last as u64);
    assert_eq!(report.samples, ((GROUPS - 1) * ROWS) as u64);
}

#[tokio::test]
async fn l6_every_fault_is_told_with_its_place() {
    let folder = written().await;
    let path = journal(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let starts = batches(&bytes);
    let (fifth, tenth) = (starts[5], starts[10]);
    bytes[fifth + 3000] ^= 1;
    bytes[tenth + 3000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let table = folder.path().join("log/keyspaces/0/tables");
    let table = fs::read_dir(table).unwrap().next().unwrap().unwrap().path();
    let mut page = fs::read(&table).unwrap();
    page[10] ^= 1;
    fs::write(&table, page).unwrap();
    fs::write(folder.path().join("watermark"), "").unwrap();
    let told = told(&look(folder.path()));
    let place = |file: &Path, offset: usize| format!("{} at byte {offset}: ", file.display());
    for wanted in [place(&path, fifth), place(&path, tenth), place(&table, 0)] {
        assert!(told.iter().any(|told| told.starts_with(&wanted)), "L6: {wanted} in {told:#?}");
    }
    assert!(told.iter().any(|told| told.contains("watermark")), "L6: {told:#?}");
}

#[tokio::test]
async fn l6_entries_that_are_missing_are_told_by_their_sequences() {
    let folder = written().await;
    let path = journal(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let starts = batches(&bytes);
    bytes.drain(starts[5]..starts[7]);
    fs::write(&path, &bytes).unwrap();
    let told = told(&look(folder.path()));
    assert!(told.iter().any(|told| told.contains("are missing")), "L6: {told:#?}");
}

#[tokio::test]
async fn what_is_no_data_folder_or_is_in_use_cannot_be_looked_at() {
    let empty = TempDir::new().unwrap();
    let error = verify_log(empty.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, VerifyError::NoData(_)), "{error}");
    let folder = written().await;
    let log = try_open(folder.path()).unwrap();
    let error = verify_log(folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, VerifyError::InUse(_)), "{error}");
    close(log).await;
    fs::write(folder.path().join("VERSION"), "9\n").unwrap();
    let error = verify_log(folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, VerifyError::Version(_)), "L4: {error}");
}
