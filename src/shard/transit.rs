//! What a shard has made for others and they have not taken yet: parts of scans, and pulses that were read.
//! It is on the account of the shard that made it until it arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account of one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Transit(Arc<AtomicUsize>);

/// Bytes on their way: off the account when this is dropped.
#[derive(Debug)]
pub(super) struct InTransit {
    account: Arc<AtomicUsize>,
    bytes: usize,
}

impl Transit {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Puts bytes on the account.
    pub(super) fn charge(&self, bytes: usize) -> InTransit {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        InTransit {
            account: self.0.clone(),
            bytes,
        }
    }
}

impl Drop for InTransit {
    fn drop(&mut self) {
        self.account.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
