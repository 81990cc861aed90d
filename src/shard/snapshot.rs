//! A copy of everything that a shard counts, for another thread to read.

use super::Shard;
use super::counters::{Counters, PulseSizes};
use super::latencies::RequestTimes;
use crate::access::RequestKind;
use crate::store::Usage;

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub counters: Counters,
    /// By `RequestKind as usize`.
    pub times: [RequestTimes; RequestKind::ALL.len()],
    pub(crate) pulse_sizes: PulseSizes,
    pub usage: Usage,
    /// Memory of the index, without the text of the keys and what they hold.
    pub(crate) index_bytes: u64,
    /// Half-received requests and unread answers.
    pub buffered_bytes: u64,
    pub(crate) mailbox_messages: u64,
}

impl Shard {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters(),
            times: self.engine.latencies.by_kind().clone(),
            pulse_sizes: self.engine.pulse_sizes.clone(),
            usage: self.engine.store.usage(),
            index_bytes: self.engine.store.index_bytes(),
            buffered_bytes: self.peers.buffers.bytes() as u64,
            mailbox_messages: self.engine.mailbox.depth() as u64,
        }
    }
}
