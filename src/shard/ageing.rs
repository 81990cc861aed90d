//! Keys that are not refreshed: they count as stale first, and are deleted later. A worker that is
//! killed deletes nothing, and Nimbus deletes only the keys of topologies that end.

use std::time::Duration;

use super::{Context, Shard};
use crate::limits::{Ageing, LEAST_EXPIRE_AFTER};
use crate::store::AgeCutoffs;

/// A tick looks at this share of the store's slots, within the bounds below: a pass takes 5 s or more.
const TICKS_A_PASS: usize = 20;

/// Slots to look at in one tick. `MOST_SLOTS` take about a millisecond.
const LEAST_SLOTS: usize = 256;
const MOST_SLOTS: usize = 16 * 1024;

/// Ticks come several times a second. After a longer gap the process was stopped or starved, and the pulses
/// that refresh its keys still wait in sockets.
const GAP_US: u64 = 1_000_000;

/// No key ages for so long after a gap: clients come back, and every worker sends a pulse.
const GRACE_US: u64 = LEAST_EXPIRE_AFTER.as_micros() as u64;

/// When keys may age.
#[derive(Debug, Default)]
pub(super) struct AgeingClock {
    last_tick_us: u64,
    resumes_us: u64,
}

impl AgeingClock {
    /// Whether keys age at this tick.
    fn tick(&mut self, now_us: u64) -> bool {
        let last_us = std::mem::replace(&mut self.last_tick_us, now_us);
        if now_us.saturating_sub(last_us) > GAP_US {
            self.resumes_us = now_us + GRACE_US;
        }
        now_us >= self.resumes_us
    }
}

impl Shard {
    pub(super) fn tick_ageing(&mut self, cx: &Context<'_>) {
        if !self.engine.ageing_clock.tick(cx.now_us) {
            return;
        }
        let Ageing {
            stale_after,
            expire_after,
        } = self.engine.ageing;
        let now_ms = cx.now_us / 1000;
        let ago = |age: Duration| now_ms.saturating_sub(age.as_millis() as u64);
        let cutoffs = AgeCutoffs {
            stale_before_ms: ago(stale_after),
            expired_before_ms: if expire_after.is_zero() {
                0
            } else {
                ago(expire_after)
            },
        };
        let slots = (self.engine.store.slot_count() / TICKS_A_PASS).clamp(LEAST_SLOTS, MOST_SLOTS);
        self.engine.counters.expired_keys += self.engine.store.expire(cutoffs, slots).removed_keys;
        self.engine.counters.stale_keys = self.engine.store.stale_keys();
    }
}
