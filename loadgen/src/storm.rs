//! The behaviour of Storm's clients in numbers. Values are Storm's defaults; each names its source.

/// `PacemakerClient.send` repeats a request that has no answer after this time. A later answer counts as
/// an error, because it doubles the load.
pub const RESEND_AFTER_US: u64 = 1_000_000;

/// The number of tries after which the request has failed.
pub const TRIES: u32 = 11;
pub const GIVE_UP_AFTER_US: u64 = TRIES as u64 * RESEND_AFTER_US;

/// `storm.messaging.netty.min_wait_ms` and `max_wait_ms`: the waits between two dials.
pub const BACK_OFF_MIN_US: u64 = 100_000;
pub const BACK_OFF_MAX_US: u64 = 1_000_000;

/// `nimbus.monitor.freq.secs`: how often Nimbus lists the topologies and reads all workers.
pub const NIMBUS_PASS_EVERY_US: u64 = 10_000_000;

/// How often a reader of the UI opens the page of a topology, which is built from the pulses of all its
/// workers.
pub const UI_PAGE_EVERY_US: u64 = 5_000_000;

/// The directory of the workers' pulses, which Nimbus lists.
pub const WORKER_BEATS: &str = "/workerbeats";

/// The first of `supervisor.slots.ports`.
pub const FIRST_SLOT_PORT: u32 = 6700;

/// `pacemaker.thrift.message.size.max`: a client refuses longer answers.
pub const FRAME_BYTES: u32 = 10 * 1024 * 1024;

/// The wait before the next dial, after this number of failures in a row.
pub fn back_off_us(failures: u32) -> u64 {
    let doubled = BACK_OFF_MIN_US << failures.saturating_sub(1).min(10);
    doubled.min(BACK_OFF_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_maximum() {
        let waits: Vec<u64> = (1..7).map(|n| back_off_us(n) / 1000).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(back_off_us(u32::MAX), BACK_OFF_MAX_US);
    }
}
