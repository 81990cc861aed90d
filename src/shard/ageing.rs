//! Keys that nobody refreshes: counted as stale first, forgotten after that, some at every tick. A
//! worker that was killed hard deletes nothing, and Nimbus deletes only what a topology leaves.

use std::time::Duration;

use super::{Context, Shard};
use crate::limits::Ageing;
use crate::store::Before;

/// A tick looks at this share of the store's slots, within the bounds below: a pass takes 5 s or longer.
const TICKS_A_PASS: usize = 20;

/// Slots to look at in one tick. The most take about a millisecond.
const LEAST_SLOTS: usize = 256;
const MOST_SLOTS: usize = 16 * 1024;

impl Shard {
    pub(super) fn tick_ageing(&mut self, cx: &Context<'_>) {
        let Ageing {
            stale_after,
            expire_after,
        } = self.settings.ageing;
        let now_ms = cx.now_us / 1000;
        let ago = |age: Duration| now_ms.saturating_sub(age.as_millis() as u64);
        let before = Before {
            stale_ms: ago(stale_after),
            expired_ms: match expire_after.is_zero() {
                true => 0,
                false => ago(expire_after),
            },
        };
        let slots = (self.store.slots() / TICKS_A_PASS).clamp(LEAST_SLOTS, MOST_SLOTS);
        self.counters.expired_keys += self.store.expire(before, slots).keys;
        self.counters.stale_keys = self.store.stale();
    }
}
