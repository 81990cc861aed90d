//! What is looked after once a second: memory is given back, and the end of the warm-up is logged.
//!
//! Gives memory back to the system when a burst is over, without anyone sending anything. A thread looks
//! once a second whether the process has far more memory than what it keeps. It runs beside the shards and
//! takes nothing that they wait for: the allocator frees pages on its own, and a shard compacts its store
//! between requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tracing::{debug, info};

use crate::admin::board::{Board, ShardEntry};
use crate::footprint::Accounts;
use crate::shard::{AddressAccounts, WarmUpProgress, WarmUpStage};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shards that want the core of this thread get it.
const NICENESS: i32 = 10;

/// Looks after which stores are compacted: by then the burst is over, and the allocator has freed what it can by
/// itself.
const LOOKS_BEFORE_COMPACTING: u32 = 12;

/// The most looks until the next compaction, if memory stays what it is all the same.
const MOST_LOOKS: u32 = 3600;

/// How often shards were asked to compact their stores.
#[derive(Clone, Debug, Default)]
pub(super) struct CompactionRequests(Arc<AtomicU64>);

impl CompactionRequests {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Housekeeping {
    pub(super) board: Arc<Board>,
    pub(super) addresses: Arc<AddressAccounts>,
    pub(super) requests: CompactionRequests,
}

impl Housekeeping {
    /// Starts the thread. It ends with the process.
    pub(super) fn start(self) -> io::Result<()> {
        thread::Builder::new()
            .name("housekeeping".to_owned())
            .spawn(move || self.work())?;
        Ok(())
    }

    fn work(self) {
        // If it may not be nice, it works all the same.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut watch = Watch::default();
        let mut warm_up = WarmUpStage::Ready;
        loop {
            thread::sleep(LOOK_EVERY);
            self.watch_warm_up(&mut warm_up);
            let Some(resident) = resident_bytes() else {
                continue;
            };
            let expected = self.expected_bytes();
            if watch.is_time_to_compact(resident > expected) {
                debug!(resident, expected, "stores are compacted");
                self.requests.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Logs what came back by the end of the warm-up.
    fn watch_warm_up(&self, stage: &mut WarmUpStage) {
        let shards = self.board.entries().iter().filter_map(ShardEntry::report);
        let now: WarmUpProgress = shards.map(|report| report.shard.warm_up).sum();
        let before = std::mem::replace(stage, now.stage);
        let has_ended = before == WarmUpStage::On && now.stage == WarmUpStage::Over;
        if has_ended && now.asked_keys > 0 {
            let WarmUpProgress {
                asked_keys,
                found_keys,
                ..
            } = now;
            info!(
                "the warm-up is over: {found_keys} of {asked_keys} keys that were asked for came back"
            );
        }
    }

    /// The memory that what is kept explains.
    fn expected_bytes(&self) -> u64 {
        let slots = self.board.entries();
        let shards = slots.iter().filter_map(ShardEntry::report);
        let of_shards: Accounts = shards.map(|report| report.shard.accounts).sum();
        let accounts = Accounts {
            addresses: self.addresses.count() as u64,
            ..of_shards
        };
        accounts.resident_bytes(slots.len())
    }
}

/// Resident memory of this process; proc(5).
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Decides by what the last looks have found.
#[derive(Debug)]
struct Watch {
    /// Looks since the memory was last as expected, or stores were compacted.
    looks: u32,
    /// How many of them come before the next compaction.
    interval: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            looks: 0,
            interval: LOOKS_BEFORE_COMPACTING,
        }
    }
}

impl Watch {
    /// `too_much`: the process has more memory than expected.
    fn is_time_to_compact(&mut self, too_much: bool) -> bool {
        if !too_much {
            *self = Watch::default();
            return false;
        }
        self.looks += 1;
        if self.looks < self.interval {
            return false;
        }
        // If this does not help, it will not soon: the next one comes after twice the time.
        self.looks = 0;
        self.interval = (2 * self.interval).min(MOST_LOOKS);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which looks stores are compacted.
    fn compactions(looks: impl IntoIterator<Item = bool>) -> Vec<u32> {
        let mut watch = Watch::default();
        let looks = (1..).zip(looks);
        let compacted = looks.filter(|(_, too_much)| watch.is_time_to_compact(*too_much));
        compacted.map(|(look, _)| look).collect()
    }

    #[test]
    fn stores_are_compacted_once_the_allocator_had_time() {
        assert_eq!(compactions([true; 20]), [12]);
        let short_burst = [[true; 11].as_slice(), &[false], &[true; 11]].concat();
        assert!(compactions(short_burst).is_empty());
    }

    #[test]
    fn a_compaction_that_does_not_help_is_repeated_ever_more_rarely() {
        let looks = compactions([true; 40_000]);
        assert_eq!(looks[..3], [12, 36, 84]);
        let last = &looks[looks.len() - 2..];
        assert_eq!(last[1] - last[0], MOST_LOOKS);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
