//! Reads that wait. For `server.warm_up` after a start, a GET_PULSE for a key that no pulse has touched since
//! is kept, and answered when its pulse comes, or as missing at the end. Nimbus takes a worker for dead if a
//! read finds nothing 30 s after the worker's last change: after an outage it must not read before the workers
//! have come back.
//!
//! The shard that owns the key keeps the read ([`KeptReads`]). The shard of its peer knows which reads of its
//! connections may be kept ([`OpenReads`]): a repeat of one is not asked again, and nothing stays of a peer
//! that is gone.

mod asked;
mod kept;
mod open;
mod pass;
mod serve;

use std::time::Duration;

use asked::AskedKeys;
use kept::KeptReads;
use open::OpenReads;

use crate::limits::UNUSED_TIME;

pub(super) use kept::KEPT_BYTES;
pub(super) use pass::Pass;

/// Tells the reads of a shard's peers apart, whatever message ids they choose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ticket(std::num::NonZeroU64);

/// How far the warm-up is, of one shard or of the process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WarmUpProgress {
    pub stage: WarmUpStage,
    /// Keys that reads have asked for in this warm-up, or in the last one. `limits::ASKED_KEYS` of the process are
    /// counted at most.
    pub asked_keys: u64,
    /// Those of them that had a pulse when they were read, or got one later.
    pub found_keys: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum WarmUpStage {
    #[default]
    Off,
    Over,
    /// It begins with the first client.
    Ready,
    On,
}

impl WarmUpStage {
    pub fn name(self) -> &'static str {
        match self {
            WarmUpStage::Off => "off",
            WarmUpStage::Over => "over",
            WarmUpStage::Ready => "ready",
            WarmUpStage::On => "on",
        }
    }
}

impl std::iter::Sum for WarmUpProgress {
    /// It is on as long as it is on anywhere.
    fn sum<I: Iterator<Item = WarmUpProgress>>(all: I) -> WarmUpProgress {
        all.fold(WarmUpProgress::default(), |sum, one| WarmUpProgress {
            stage: sum.stage.max(one.stage),
            asked_keys: sum.asked_keys + one.asked_keys,
            found_keys: sum.found_keys + one.found_keys,
        })
    }
}

const UNUSED_US: u64 = UNUSED_TIME.as_micros() as u64;

#[derive(Debug)]
pub(super) struct WarmUp {
    /// Zero: off.
    window_us: u64,
    phase: Phase,
    kept: KeptReads,
    open: OpenReads,
    asked: AskedKeys,
    /// Since when nobody is connected and nothing is stored.
    unused_since_us: Option<u64>,
    /// Keys asked for and found in the warm-up that is over.
    last: (u64, u64),
}

/// Where the warm-up is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It begins with the first client. A daemon that stands by for another one may wait for that for days.
    Ready,
    Since(u64),
    Over,
    /// The daemon stops in the warm-up: what would wait is dropped. An answer that nothing is stored could cost
    /// a worker.
    Stopping,
}

impl WarmUp {
    pub(super) fn new(window: Duration, shards: usize) -> WarmUp {
        WarmUp {
            window_us: window.as_micros() as u64,
            phase: if window.is_zero() {
                Phase::Over
            } else {
                Phase::Ready
            },
            kept: KeptReads::default(),
            open: OpenReads::default(),
            asked: AskedKeys::new(shards),
            unused_since_us: None,
            last: (0, 0),
        }
    }

    /// Whether reads of keys without a pulse wait.
    pub(super) fn is_on(&self) -> bool {
        self.phase != Phase::Over
    }

    /// To be called a few times a second. `connections` are those of the process, `keys` those of this shard.
    fn tick(&mut self, now_us: u64, connections: u64, keys: u64) {
        if self.window_us == 0 || self.phase == Phase::Stopping {
            return;
        }
        if connections == 0 && keys == 0 {
            let since_us = *self.unused_since_us.get_or_insert(now_us);
            if now_us - since_us >= UNUSED_US {
                // As after a start: the clients that come next may have been away.
                self.phase = Phase::Ready;
                self.asked.clear();
                return;
            }
        } else {
            self.unused_since_us = None;
        }
        match self.phase {
            Phase::Ready if connections > 0 => self.phase = Phase::Since(now_us),
            Phase::Since(begun_us) if now_us >= begun_us + self.window_us => {
                self.phase = Phase::Over;
                self.last = self.asked.count();
                self.asked.clear();
            }
            _ => {}
        }
        self.kept.shrink();
    }

    fn stop(&mut self) {
        if self.is_on() {
            self.phase = Phase::Stopping;
        }
    }

    /// Whether reads that were kept are to be answered or dropped at the next wake.
    pub(super) fn has_work(&self) -> bool {
        match self.phase {
            Phase::Ready | Phase::Since(_) => self.kept.has_due(),
            Phase::Over | Phase::Stopping => self.kept.count() > 0,
        }
    }

    pub(super) fn kept_reads(&self) -> u64 {
        self.kept.count() as u64
    }

    /// Memory of what is on no peer's account.
    pub(super) fn asked_bytes(&self) -> u64 {
        self.asked.bytes()
    }

    pub(super) fn progress(&self) -> WarmUpProgress {
        let stage = match self.phase {
            _ if self.window_us == 0 => WarmUpStage::Off,
            Phase::Ready => WarmUpStage::Ready,
            Phase::Since(_) | Phase::Stopping => WarmUpStage::On,
            Phase::Over => WarmUpStage::Over,
        };
        let (asked_keys, found_keys) = if self.is_on() {
            self.asked.count()
        } else {
            self.last
        };
        WarmUpProgress {
            stage,
            asked_keys,
            found_keys,
        }
    }
}

#[cfg(test)]
mod tests;
