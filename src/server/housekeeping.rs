//! Gives memory back to the system when a burst is over, without anyone sending anything. A thread looks
//! once a second whether the process has far more memory than what it keeps. It runs beside the shards and
//! takes nothing that they wait for: the allocator frees pages on its own, and a shard compacts its store
//! between requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tracing::debug;

use crate::admin::board::{Board, ShardEntry};
use crate::limits::{KIB, MIB};
use crate::shard::Snapshot;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shards that want the core of this thread get it.
const NICENESS: i32 = 10;

/// Memory that the process may have beside what it keeps before something is done about it: a quarter of
/// what it keeps, and for the program, its threads and each shard's buffers.
const BASE_BYTES: u64 = 16 * MIB;
const SHARD_BYTES: u64 = 5 * MIB;
const CONNECTION_BYTES: u64 = 2 * KIB;

/// Bytes of a stored key besides its text, its details and its part of the index: what an allocator
/// rounds up.
const KEY_BYTES: u64 = 32;

/// Looks after which something is done. A burst is not over at its first pause.
const LOOKS_BEFORE_FREEING: u32 = 2;

/// Looks after which stores are compacted: by then the allocator has freed what it can by itself.
const LOOKS_BEFORE_COMPACTING: u32 = 12;

/// Looks between a compaction and the freeing of the pages that it has emptied.
const LOOKS_AFTER_COMPACTING: u32 = 3;

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
    /// Open connections.
    pub(super) connections: Arc<AtomicU64>,
    pub(super) requests: CompactionRequests,
    /// Makes the allocator give free pages to the system.
    pub(super) free_pages: fn(),
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
        loop {
            thread::sleep(LOOK_EVERY);
            let Some(resident) = resident_bytes() else {
                continue;
            };
            let expected = self.expected_bytes();
            let action = watch.look(resident > expected);
            if action != Action::Nothing {
                debug!(resident, expected, ?action, "housekeeping");
            }
            match action {
                Action::Nothing => {}
                Action::FreePages => (self.free_pages)(),
                Action::Compact => {
                    self.requests.0.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// The memory that what is kept explains.
    fn expected_bytes(&self) -> u64 {
        let slots = self.board.entries();
        let shards = slots.iter().filter_map(ShardEntry::report);
        let kept: u64 = shards.map(|report| kept_bytes(&report.shard)).sum();
        let connections = self.connections.load(Ordering::Relaxed) * CONNECTION_BYTES;
        kept + kept / 4 + connections + BASE_BYTES + SHARD_BYTES * slots.len() as u64
    }
}

fn kept_bytes(shard: &Snapshot) -> u64 {
    let keys = shard.usage.keys * KEY_BYTES;
    shard.usage.bytes() + keys + shard.index_bytes + shard.buffered_bytes
}

/// Resident memory of this process; proc(5).
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Nothing,
    FreePages,
    Compact,
}

/// Decides by what the last looks have found.
#[derive(Debug)]
struct Watch {
    /// Looks since the memory was last as expected.
    looks: u32,
    /// At which look stores are compacted next, and how long it was until then.
    compact_at: u32,
    interval: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            looks: 0,
            compact_at: LOOKS_BEFORE_COMPACTING,
            interval: LOOKS_BEFORE_COMPACTING,
        }
    }
}

impl Watch {
    /// `too_much`: the process has more memory than expected.
    fn look(&mut self, too_much: bool) -> Action {
        if !too_much {
            *self = Watch::default();
            return Action::Nothing;
        }
        self.looks += 1;
        if self.looks == LOOKS_BEFORE_FREEING || self.is_after_compaction() {
            return Action::FreePages;
        }
        if self.looks < self.compact_at {
            return Action::Nothing;
        }
        // If that did not help, it will not soon: the next one comes after twice the time.
        self.interval = (2 * self.interval).min(MOST_LOOKS);
        self.looks = LOOKS_BEFORE_FREEING;
        self.compact_at = self.looks + self.interval;
        Action::Compact
    }

    fn is_after_compaction(&self) -> bool {
        self.interval > LOOKS_BEFORE_COMPACTING
            && self.looks == LOOKS_BEFORE_FREEING + LOOKS_AFTER_COMPACTING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(looks: impl IntoIterator<Item = bool>) -> Vec<(usize, Action)> {
        let mut watch = Watch::default();
        let actions = looks.into_iter().map(|look| watch.look(look)).enumerate();
        let actions = actions.filter(|(_, action)| *action != Action::Nothing);
        actions.map(|(look, action)| (look + 1, action)).collect()
    }

    #[test]
    fn what_the_allocator_keeps_is_freed_before_stores_are_compacted() {
        use Action::{Compact, FreePages};

        let expected = [(2, FreePages), (12, Compact), (15, FreePages)];
        assert_eq!(actions([true; 30]), expected);
        assert_eq!(actions([true, false, true, false]), []);
    }

    #[test]
    fn a_compaction_that_does_not_help_is_repeated_ever_more_rarely() {
        let compactions = actions([true; 40_000]);
        let compactions = compactions
            .iter()
            .filter(|(_, action)| *action == Action::Compact);
        let looks: Vec<usize> = compactions.map(|(look, _)| *look).collect();
        assert_eq!(looks[..3], [12, 36, 84]);
        let last = looks[looks.len() - 2..].iter().copied();
        assert_eq!(
            last.reduce(|one, other| other - one),
            Some(MOST_LOOKS as usize)
        );
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > MIB));
    }
}
