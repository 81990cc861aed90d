//! A copy of everything that a shard counts, for another thread to read.

use super::Shard;
use super::counters::{Counters, PulseSizes};
use super::latencies::RequestTimes;
use super::warm_up::WarmUpProgress;
use crate::access::RequestKind;
use crate::footprint::Accounts;
use crate::store::Usage;

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub counters: Counters,
    /// By `RequestKind as usize`.
    pub times: [RequestTimes; RequestKind::ALL.len()],
    pub(crate) pulse_sizes: PulseSizes,
    pub usage: Usage,
    pub(crate) accounts: Accounts,
    pub(crate) mailbox_messages: u64,
    pub(crate) warm_up: WarmUpProgress,
    /// Reads that wait for their pulses.
    pub(crate) kept_reads: u64,
}

impl Shard {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters(),
            times: self.engine.latencies.by_kind().clone(),
            pulse_sizes: self.engine.pulse_sizes.clone(),
            usage: self.engine.store.usage(),
            accounts: self.accounts(),
            mailbox_messages: self.engine.mailbox.depth() as u64,
            warm_up: self.engine.warm_up.progress(),
            kept_reads: self.engine.warm_up.kept_reads(),
        }
    }

    /// What this shard's accounts say that it holds. Addresses have accounts for all shards together.
    pub fn accounts(&self) -> Accounts {
        let Shard { peers, engine } = self;
        let usage = engine.store.usage();
        Accounts {
            stored: usage.bytes(),
            keys: usage.keys,
            index: engine.store.index_bytes() + engine.warm_up.asked_bytes(),
            buffered: peers.buffers.bytes() as u64,
            parts: engine.part_bytes() as u64,
            connections: engine.counters.connections_opened - engine.counters.connections_closed,
            addresses: 0,
        }
    }
}
