//! Storm's clients in numbers: what the simulated cluster does because the real one does it. Values
//! are Storm's defaults; the source of each stands beside it.

/// `PacemakerClient.send` waits this long for an answer before it sends the request again. An answer
/// later than this is an error: it doubles the load.
pub const RESEND_AFTER_US: u64 = 1_000_000;

/// It tries so often in all, then the request has failed.
pub const TRIES: u32 = 11;
pub const GIVE_UP_AFTER_US: u64 = TRIES as u64 * RESEND_AFTER_US;

/// `storm.messaging.netty.min_wait_ms` and `max_wait_ms`: the waits between two dials.
pub const BACK_OFF_MIN_US: u64 = 100_000;
pub const BACK_OFF_MAX_US: u64 = 1_000_000;

/// `nimbus.monitor.freq.secs`: Nimbus reads all workers, and lists the topologies.
pub const NIMBUS_PASS_EVERY_US: u64 = 10_000_000;

/// A person looks at a topology's page, and then at the next one; the page is built from the pulses
/// of all its workers.
pub const UI_PAGE_EVERY_US: u64 = 5_000_000;

/// Where workers' pulses live; what Nimbus lists.
pub const WORKER_BEATS: &str = "/workerbeats";

/// `supervisor.slots.ports` begin here.
pub const FIRST_SLOT_PORT: u32 = 6700;

/// `pacemaker.thrift.message.size.max`: a client refuses longer answers.
pub const FRAME_BYTES: u32 = 10 * 1024 * 1024;

/// The wait before the next dial, after so many failed ones.
pub fn back_off_us(failures: u32) -> u64 {
    let doubled = BACK_OFF_MIN_US << failures.saturating_sub(1).min(10);
    doubled.min(BACK_OFF_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_bound() {
        let waits: Vec<u64> = (1..7).map(|n| back_off_us(n) / 1000).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(back_off_us(u32::MAX), BACK_OFF_MAX_US);
    }
}
