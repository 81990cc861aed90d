//! Names like Storm's, so that keys are 80 to 110 bytes long, as in real clusters.

use crate::random::Random;

const TOPOLOGY_NAMES: [&str; 8] = [
    "clickstream-sessions",
    "payment-risk-scoring",
    "sensor-aggregation",
    "ad-impression-join",
    "log-enrichment-europe",
    "order-event-fanout",
    "fraud-feature-build",
    "search-index-updates",
];

/// Topologies were started in the ten weeks before this instant (seconds since 1970).
const LATEST_START_S: u64 = 1_700_000_000;
const STARTED_WITHIN_S: u64 = 6_000_000;

/// `<name>-<n>-<epoch seconds>`, as Nimbus names them.
pub fn topology_id(index: usize, random: &mut Random) -> String {
    let name = TOPOLOGY_NAMES[index % TOPOLOGY_NAMES.len()];
    let started = LATEST_START_S - random.below(STARTED_WITHIN_S);
    format!("{name}-{}-{started}", index + 1)
}

/// A version 4 UUID.
pub fn supervisor_id(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
