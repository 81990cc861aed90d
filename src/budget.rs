//! Limits of the whole process that all shards share. A holder takes what it needs from a common
//! atomic in lots, and gives lots back: so the limit is met where it is stated, however unevenly
//! the load is spread, and few operations touch the atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Lots in one holder's equal share of a limit.
const LOTS_IN_SHARE: u64 = 256;

/// What is left of a limit of the process.
#[derive(Debug)]
pub struct Budget {
    /// Below zero: holders use that much more than the limit.
    left: AtomicI64,
    /// How much a holder takes at a time.
    lot: u64,
    /// How much a holder keeps beyond what it uses, so that it does not take and give back the same
    /// lot again and again.
    kept: u64,
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
            left: AtomicI64::new(i64::try_from(limit).unwrap_or(i64::MAX)),
            lot: lot.max(1),
            kept: if lot > 1 { 2 * lot } else { 0 },
        })
    }

    fn left(&self) -> u64 {
        u64::try_from(self.left.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Takes up to `wanted`, but at least `least` or nothing at all.
    fn take(&self, least: u64, wanted: u64) -> u64 {
        let granted = |left: i64| {
            let left = u64::try_from(left).ok().filter(|left| *left >= least)?;
            Some(wanted.min(left))
        };
        let taken = self
            .left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left - granted(left)? as i64)
            });
        taken.ok().and_then(granted).unwrap_or(0)
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

    /// How much more all holders use than the limit allows.
    pub(crate) fn overdraft(&self) -> u64 {
        let left = self.budget.left.load(Ordering::Relaxed);
        u64::try_from(left.saturating_neg()).unwrap_or(0)
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
                let missing = used - self.granted;
                self.granted = used;
                self.budget
                    .left
                    .fetch_sub(missing as i64, Ordering::Relaxed);
            }
            return fits;
        }
        self.used = used;
        let Budget { lot, kept, .. } = *self.budget;
        let unused = self.granted - used;
        let back = if self.overdraft() > 0 {
            unused // others are owed all of it
        } else if unused >= kept + lot {
            unused - kept
        } else {
            0
        };
        if back > 0 {
            self.granted -= back;
            self.budget.left.fetch_add(back as i64, Ordering::Relaxed);
        }
        true
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
        assert!(busy.set(used), "and given back first");
        assert_eq!(busy.overdraft(), 0);
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
            assert_eq!(granted + budget.left(), limit + shards[0].overdraft());
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
