//! What the doors that take samples have in common.

use parx_log::BatchId;

/// The number that a client gives a batch. Every door numbers alike, so that a batch may be sent
/// again through another one.
pub(crate) fn client_batch(producer: &str, epoch: u64, sequence: u64) -> BatchId {
    BatchId { producer: format!("client/{producer}"), epoch, sequence }
}
