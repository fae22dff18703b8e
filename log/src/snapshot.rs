//! Snapshots of the catalog: the changes that fold to it, so that a start need not fold them all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Catalog, Change, Sequence};

/// Name of the catalog's snapshot.
pub(crate) const CATALOG: &str = "catalog";
/// Version of the snapshot that is written. Any other is passed over: the fold starts from zero.
const SNAPSHOT_VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    sequence: Sequence,
    changes: Vec<(Sequence, Change)>,
}

/// Bytes: CRC-32 of the rest, then JSON.
pub(crate) fn encode(catalog: &Catalog) -> Result<Vec<u8>, serde_json::Error> {
    let document = Document {
        version: SNAPSHOT_VERSION,
        sequence: catalog.sequence,
        changes: catalog.changes(),
    };
    let json = serde_json::to_vec(&document)?;
    Ok([crc32fast::hash(&json).to_le_bytes().as_slice(), &json].concat())
}

/// The catalog in `bytes`, or nothing if they are not a snapshot that this version writes.
pub(crate) fn decode(bytes: &[u8]) -> Option<Arc<Catalog>> {
    let (sum, json) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(json) != u32::from_le_bytes(*sum) {
        return None;
    }
    let document: Document = serde_json::from_slice(json).ok()?;
    if document.version != SNAPSHOT_VERSION {
        return None;
    }
    let mut catalog = Catalog::default();
    for (sequence, change) in &document.changes {
        catalog.apply(*sequence, change);
    }
    catalog.sequence = document.sequence;
    Some(Arc::new(catalog))
}
