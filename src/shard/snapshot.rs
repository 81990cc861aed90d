//! A copy of all that a shard counts, for another thread to read.

use super::Shard;
use super::counters::{Counters, PulseSizes};
use super::times::RequestTimes;
use crate::access::RequestKind;
use crate::store::Usage;

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub counters: Counters,
    /// By `RequestKind as usize`.
    pub times: [RequestTimes; RequestKind::ALL.len()],
    pub pulse_sizes: PulseSizes,
    pub usage: Usage,
    /// Memory of the index, beside the keys' text and what they hold.
    pub index_bytes: u64,
    /// Of half-received requests and unread answers.
    pub buffered_bytes: u64,
    pub mailbox_letters: u64,
}

impl Shard {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters(),
            times: self.times.by_kind().clone(),
            pulse_sizes: self.pulse_sizes.clone(),
            usage: self.store.usage(),
            index_bytes: self.store.index_bytes(),
            buffered_bytes: self.buffered_bytes as u64,
            mailbox_letters: self.mailbox.depth() as u64,
        }
    }
}
