//! Limits of the whole process that all shards share. A holder takes what it needs from a common
//! atomic in lots, and gives lots back: so the limit is met where it is stated, however unevenly
//! the load is spread, and few operations touch the atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Lots in one holder's equal share of a limit.
const LOTS_IN_SHARE: u64 = 256;

/// What is left of a limit of the process.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
    /// How much a holder takes at a time.
    lot: u64,
    /// How much a holder keeps beyond what it uses, so that it does not take and give back the same
    /// lot again and again.
    kept: u64,
    /// Some holder uses more than it could be granted.
    overdrawn: AtomicBool,
}

/// One holder's part of a budget.
#[derive(Debug)]
pub(crate) struct Allowance {
    budget: Arc<Budget>,
    granted: u64,
    used: u64,
}

impl Budget {
    /// Each of `holders` keeps fewer than three lots that it does not use: little more than one
    /// percent of the limit, all together. Of a small limit they keep nothing.
    pub fn new(limit: u64, holders: usize) -> Arc<Budget> {
        let lot = limit / holders as u64 / LOTS_IN_SHARE;
        Arc::new(Budget {
            left: AtomicU64::new(limit),
            lot: lot.max(1),
            kept: if lot > 1 { 2 * lot } else { 0 },
            overdrawn: AtomicBool::new(false),
        })
    }

    fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes up to `wanted`, but at least `least` or nothing at all.
    fn take(&self, least: u64, wanted: u64) -> u64 {
        let taken = self
            .left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left >= least).then(|| left - wanted.min(left))
            });
        taken.map_or(0, |left| wanted.min(left))
    }
}

impl Allowance {
    pub(crate) fn new(budget: Arc<Budget>) -> Allowance {
        Allowance {
            budget,
            granted: 0,
            used: 0,
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Whether `more` can be used beyond what is used now. Takes a lot from the budget if needed; a
    /// caller that does not use it then calls `set` with what it uses.
    pub(crate) fn has_room_for(&mut self, more: u64) -> bool {
        let needed = self.used + more;
        if needed > self.granted {
            let least = needed - self.granted;
            self.granted += self.budget.take(least, least.max(self.budget.lot));
        }
        needed <= self.granted
    }

    /// Takes what was used without being granted, if there is room for it by now. Otherwise another holder
    /// should give something up: see `take_overdraft`.
    pub(crate) fn settle(&mut self) {
        if self.used > self.granted && !self.has_room_for(0) {
            self.budget.overdrawn.store(true, Ordering::Relaxed);
        }
    }

    /// Whether some holder has used more than it could be granted since this was last asked, by
    /// anyone: a holder that asks should give something up.
    pub(crate) fn take_overdraft(&self) -> bool {
        let overdrawn = &self.budget.overdrawn;
        overdrawn.load(Ordering::Relaxed) && overdrawn.swap(false, Ordering::Relaxed)
    }

    /// Whether `more` can be used such that `reserve` of the whole limit stays unused. What other
    /// holders were granted counts as used.
    pub(crate) fn has_room_before(&mut self, reserve: u64, more: u64) -> bool {
        let unused = self.budget.left() + self.granted.saturating_sub(self.used);
        unused >= more.saturating_add(reserve) && self.has_room_for(more)
    }

    /// Uses `used` from now on. False if that exceeds the limit; it is counted all the same.
    pub(crate) fn set(&mut self, used: u64) -> bool {
        if used > self.used {
            let fits = self.has_room_for(used - self.used);
            self.used = used;
            if !fits {
                self.budget.overdrawn.store(true, Ordering::Relaxed);
            }
            return fits;
        }
        self.used = used;
        let Budget { lot, kept, .. } = *self.budget;
        if self.granted >= used + kept + lot {
            let back = self.granted - used - kept;
            self.granted -= back;
            self.budget.left.fetch_add(back, Ordering::Relaxed);
        }
        used <= self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_may_use_nearly_all_of_a_limit() {
        let budget = Budget::new(10_000, 4);
        let mut shards: Vec<_> = (0..4).map(|_| Allowance::new(budget.clone())).collect();
        for shard in &mut shards[1..] {
            assert!(shard.set(1));
        }
        let busy = &mut shards[0];
        let mut used = 0;
        while busy.set(used + 1) {
            used += 1;
        }
        assert!((9_800..=10_000).contains(&used), "{used}");
        assert_eq!(busy.used(), used + 1, "what is held is counted");
    }

    #[test]
    fn what_is_no_longer_used_goes_back() {
        let budget = Budget::new(1 << 20, 2);
        let mut first = Allowance::new(budget.clone());
        assert!(first.set(1 << 20));
        assert_eq!(budget.left(), 0);
        let mut second = Allowance::new(budget.clone());
        assert!(!second.has_room_for(1));
        assert!(first.set(0));
        assert!(second.has_room_for(1 << 19));
        first.set(0);
        assert!(budget.left() <= 1 << 20);
    }

    /// Seeded: sums never exceed the limit, and nothing is lost.
    #[test]
    fn grants_and_what_is_left_are_the_limit() {
        let limit = 100_000;
        let budget = Budget::new(limit, 8);
        let mut shards: Vec<_> = (0..8).map(|_| Allowance::new(budget.clone())).collect();
        let mut state: u64 = 1;
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let shard = (state >> 33) as usize % 8;
            let to = (state >> 40) % 30_000;
            let before = shards[shard].used();
            if !shards[shard].set(to) {
                shards[shard].set(before.min(to));
            }
            let granted: u64 = shards.iter().map(|shard| shard.granted).sum();
            assert_eq!(granted + budget.left(), limit);
        }
    }

    #[test]
    fn all_but_two_percent_can_be_used_whatever_idle_holders_keep() {
        for (limit, holders) in [(1, 1), (10, 4), (1_000, 8), (5_000, 3), (1 << 20, 16)] {
            let budget = Budget::new(limit, holders);
            let mut shards: Vec<_> = (0..holders)
                .map(|_| Allowance::new(budget.clone()))
                .collect();
            // All have used their share, and one after the other has given it back in small steps.
            for shard in &mut shards {
                shard.set(limit / holders as u64);
            }
            for shard in &mut shards {
                for used in (0..shard.used()).rev() {
                    shard.set(used);
                }
            }
            let busy = &mut shards[0];
            let mut used = 0;
            while busy.has_room_for(1) {
                used += 1;
                busy.set(used);
            }
            assert!(used <= limit, "{used} of {limit}");
            assert!(used * 100 >= limit * 98, "{used} of {limit}");
        }
    }

    #[test]
    fn a_reserve_is_one_of_the_whole_limit() {
        let budget = Budget::new(1_600, 2);
        let mut first = Allowance::new(budget.clone());
        let mut second = Allowance::new(budget);
        assert!(first.set(1_000));
        assert!(!second.has_room_before(100, 501));
        let mut used = 0;
        while second.has_room_before(100, 1) {
            used += 1;
            second.set(used);
        }
        assert!((490..=500).contains(&used), "{used}");
        assert!(second.set(590), "the reserve itself can be used");
        assert!(!first.has_room_before(100, 1));
        second.set(0);
        assert!(first.has_room_before(100, 480));
    }
}
