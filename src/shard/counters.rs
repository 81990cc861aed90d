//! What a shard counts: plain numbers that one thread writes. Snapshots are copies.

use std::collections::BTreeMap;

use super::histogram::Histogram;
use crate::access::RequestKind;

/// Powers of two from 256 bytes to 16 MiB. Storm's own heartbeats have 200 bytes to 62 KB.
pub(crate) static PULSE_SIZE_BOUNDS: [u64; 17] = {
    let mut bounds = [256; 17];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = bounds[index - 1] * 2;
        index += 1;
    }
    bounds
};

/// Sizes of stored pulses, in bytes of their details.
pub(crate) type PulseSizes = Histogram<{ PULSE_SIZE_BOUNDS.len() }>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received by kind, carried out or refused.
    pub requests: BTreeMap<&'static str, u64>,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) connections_opened: u64,
    pub(crate) connections_closed: u64,
    /// The largest stored pulse, in bytes of its details.
    pub(crate) largest_pulse_bytes: u64,
    /// Bytes of details in answers to GET_PULSE.
    pub(crate) read_pulse_bytes: u64,
    /// GET_PULSE requests for keys that do not exist.
    pub(crate) get_pulse_misses: u64,
    /// GET_PULSE requests that were kept until their pulses come, and what became of them: those that wait are the
    /// rest.
    pub kept_reads: u64,
    /// Their pulses came.
    pub kept_reads_found: u64,
    /// The warm-up ended, or a client deleted their keys.
    pub kept_reads_missing: u64,
    /// They waited too long, their clients asked for something else or went away, or the daemon stopped.
    pub kept_reads_given_up: u64,
    /// Wakes of the event loop, and those of them that waited for a batch.
    pub wakes: u64,
    pub(crate) batched_wakes: u64,
    /// Requests sent to other shards.
    pub(crate) forwarded_requests: u64,
    pub logins: u64,
    /// Logins that had to wait, because others of their address had failed.
    pub(crate) logins_deferred: u64,
    /// Keys deleted because they were not refreshed.
    pub expired_keys: u64,
    /// Keys not refreshed for a while, as of the last pass over all keys.
    pub stale_keys: u64,
    /// By label of `fault::Fault`.
    pub faults: BTreeMap<&'static str, u64>,
    /// By label of `fault::Refusal`.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(super) fn fault(&mut self, label: &'static str) {
        *self.faults.entry(label).or_default() += 1;
    }

    pub(super) fn refusal(&mut self, label: &'static str) {
        *self.refusals.entry(label).or_default() += 1;
    }
}

/// Requests by kind. Every pulse is counted here, so this is an array.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestCounts([u64; RequestKind::ALL.len()]);

impl RequestCounts {
    pub(super) fn count(&mut self, kind: RequestKind) {
        self.0[kind as usize] += 1;
    }

    pub(super) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        RequestKind::ALL
            .iter()
            .map(|kind| (kind.label(), self.0[*kind as usize]))
            .collect()
    }
}
