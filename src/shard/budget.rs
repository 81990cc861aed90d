//! Limits of the whole process that all shards share. A shard takes what it needs from a common
//! atomic in lots, and gives lots back: so the limit is met where it is stated, however unevenly
//! the load is spread, and few operations touch the atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of a limit of the process.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
    /// How much a shard takes at a time.
    lot: u64,
}

/// One shard's part of a budget.
#[derive(Debug)]
pub(crate) struct Allowance {
    budget: Arc<Budget>,
    granted: u64,
    used: u64,
}

impl Budget {
    /// Lots are a 64th of each shard's equal share, so that idle shards keep a few percent at most.
    pub fn new(limit: u64, shards: usize) -> Arc<Budget> {
        Arc::new(Budget {
            left: AtomicU64::new(limit),
            lot: (limit / shards as u64 / 64).max(1),
        })
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

    /// Whether `more` can be used beyond what is used now. Takes a lot from the budget if needed.
    pub(crate) fn has_room_for(&mut self, more: u64) -> bool {
        let needed = self.used + more;
        if needed > self.granted {
            let least = needed - self.granted;
            self.granted += self.budget.take(least, least.max(self.budget.lot));
        }
        needed <= self.granted
    }

    /// Uses `used` from now on. False if that exceeds the limit; it is counted all the same.
    pub(crate) fn set(&mut self, used: u64) -> bool {
        if used > self.used {
            let fits = self.has_room_for(used - self.used);
            self.used = used;
            return fits;
        }
        self.used = used;
        // Two lots stay, so that a shard does not take and give back the same lot again and again.
        let lot = self.budget.lot;
        if self.granted >= used + 3 * lot {
            let back = self.granted - used - 2 * lot;
            self.granted -= back;
            self.budget.left.fetch_add(back, Ordering::Relaxed);
        }
        used <= self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(budget: &Budget) -> u64 {
        budget.left.load(Ordering::Relaxed)
    }

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
        assert_eq!(left(&budget), 0);
        let mut second = Allowance::new(budget.clone());
        assert!(!second.has_room_for(1));
        assert!(first.set(0));
        assert!(second.has_room_for(1 << 19));
        first.set(0);
        assert!(left(&budget) <= 1 << 20);
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
            assert_eq!(granted + left(&budget), limit);
        }
    }
}
