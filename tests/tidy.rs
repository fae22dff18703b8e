//! Keeps the architecture true: who depends on whom, who names what, how long lines and files are.
//!
//! The table is the one of ARCHITECTURE.md. It reads files only; nothing is built or run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder, what of ParX it may depend on, and the outside crates that it alone may name.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("log", &[], &["fjall"]),
    ("ingest", &["log"], &[]),
    ("protocols", &["ingest", "log"], &["tokio-modbus", "async-opcua", "rumqttc"]),
    ("compactor", &["log"], &["parquet"]),
    ("query", &["compactor", "log"], &["datafusion"]),
    (
        "api",
        &["query", "ingest", "log", "protocols", "compactor"],
        &["axum", "tonic", "arrow-flight", "pgwire", "async-graphql"],
    ),
];
/// Files of `api` that may name protocols and compactor: where ParX is put together, the demo's
/// devices, the checks of configuration and data folder, the benches and tests that put a server
/// together.
const ROOTS: &[&str] =
    &["run.rs", "check.rs", "verify.rs", "repair.rs", "demo.rs", "demo/", "bench.rs", "bench/"];
const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names under `[dependencies]`.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = read(&root().join(folder).join("Cargo.toml"));
    let section = manifest.split("\n[").find(|part| part.starts_with("dependencies]"));
    let lines = section.unwrap_or_default().lines().skip(1);
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    rust_files(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "no Rust file below {folder}");
    found
}

#[test]
fn every_package_depends_only_on_what_the_table_allows() {
    for (folder, allowed, alone) in TABLE {
        for name in dependencies(folder) {
            if let Some(of_parx) = name.strip_prefix("parx-") {
                assert!(allowed.contains(&of_parx), "{folder} must not depend on {of_parx}");
            }
            for (other, _, theirs) in TABLE {
                let foreign = other != folder && theirs.contains(&name.as_str());
                assert!(!foreign, "{folder} names {name}, which belongs to {other} alone");
            }
        }
        for name in *alone {
            let there = dependencies(folder).contains(*name);
            assert!(there || *name == "async-opcua", "{folder} no longer names {name}");
        }
    }
}

#[test]
fn only_the_composition_root_names_protocols_and_compactor() {
    let source = root().join("api/src");
    for file in sources("api/src") {
        let name = file.strip_prefix(&source).unwrap_or(&file).to_string_lossy().into_owned();
        let text = read(&file);
        let names = text.contains("parx_protocols") || text.contains("parx_compactor");
        let root = ROOTS.iter().any(|root| name.starts_with(root));
        let allowed = root || name.ends_with("/tests.rs");
        assert!(allowed || !names, "api/src/{name} names protocols or compactor");
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_of_a_size_to_hold_in_the_head() {
    for folder in ["log", "ingest", "protocols", "compactor", "query", "api", "tests"] {
        for file in sources(folder) {
            let text = read(&file);
            let name = file.display();
            let opens = text.starts_with("//!") || text.starts_with("#![");
            assert!(opens, "{name} does not open with what it is for");
            let lines = text.lines().count();
            assert!(lines <= FILE_LINES_MAX, "{name} has {lines} lines; part it");
            for (number, line) in text.lines().enumerate() {
                let long = line.chars().count() > LINE_CHARS_MAX;
                // What GraphQL shows to clients is one line each, whatever its length.
                let doc =
                    line.trim_start().starts_with("///") && name.to_string().contains("graphql");
                assert!(!long || doc, "{name}:{} is longer than {LINE_CHARS_MAX}", number + 1);
            }
            assert!(!file.ends_with("mod.rs"), "{name}: name the file after its module");
        }
    }
}
