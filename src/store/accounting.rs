//! What a store holds and how much more it may hold. Must not know what a key or a pulse is.

use std::sync::Arc;

use crate::budget::{Allowance, Budget};
use crate::limits::{LEAST_SEGMENTS, SEGMENT_BYTES};

/// What one store, or several together, may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    pub keys: u64,
    /// Bytes of keys and details together, as [`Usage::bytes`] counts them. New keys are refused above
    /// 15/16 of this limit, updates of stored keys above all of it. So a cluster that outgrows the
    /// store keeps the heartbeats of the workers that it knows.
    pub bytes: u64,
}

/// What one store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub keys: u64,
    /// Bytes of the keys' text. The directory takes fewer: keys share their common segments.
    pub(crate) key_bytes: u64,
    pub details_bytes: u64,
}

impl Usage {
    pub fn bytes(&self) -> u64 {
        self.key_bytes + self.details_bytes
    }
}

/// Why a pulse was not stored: which of the [`StoreLimits`] is reached. What was stored before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFull {
    Keys,
    Bytes,
}

/// What is left for several stores that keep within common limits.
#[derive(Debug, Clone)]
pub struct StoreBudget {
    keys: Arc<Budget>,
    bytes: Arc<Budget>,
    segments: Arc<Budget>,
    /// Bytes that new keys leave to updates.
    reserve_bytes: u64,
}

impl StoreBudget {
    /// The stores meet `limits` together, however their keys are spread. A store may keep a little that it
    /// does not use: up to two percent of large limits, all together.
    pub fn new(limits: StoreLimits, stores: usize) -> Self {
        let segments = (limits.bytes / SEGMENT_BYTES).max(LEAST_SEGMENTS * stores as u64);
        Self {
            keys: Budget::new(limits.keys, stores),
            bytes: Budget::new(limits.bytes, stores),
            segments: Budget::new(segments, stores),
            reserve_bytes: limits.bytes / 16,
        }
    }
}

/// The usage of one store, kept within its part of a budget.
#[derive(Debug)]
pub(super) struct Accounting {
    usage: Usage,
    keys: Allowance,
    bytes: Allowance,
    /// Segments of all paths together, the root included.
    segments: Allowance,
    reserve_bytes: u64,
}

impl Accounting {
    pub(super) fn new(budget: &StoreBudget) -> Self {
        Self {
            usage: Usage::default(),
            keys: Allowance::new(budget.keys.clone()),
            bytes: Allowance::new(budget.bytes.clone()),
            segments: Allowance::new(budget.segments.clone()),
            reserve_bytes: budget.reserve_bytes,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Checks whether there is room for a new key of this many segments. Counts nothing.
    pub(super) fn admit_new(
        &mut self,
        key_bytes: u64,
        details_bytes: u64,
        segments: u64,
    ) -> Result<(), StoreFull> {
        let bytes = key_bytes + details_bytes;
        let result = if !self.keys.has_room_for(1) {
            Err(StoreFull::Keys)
        } else if !self.bytes.has_room_before(self.reserve_bytes, bytes)
            || !self.segments.has_room_for(segments)
        {
            Err(StoreFull::Bytes)
        } else {
            return Ok(());
        };
        // What was taken for this key is for others.
        self.segments.set(self.segments.used());
        self.settle();
        result
    }

    /// Checks whether there is room for new details of a stored key. There always is if they are not
    /// longer than the old ones. Counts nothing.
    pub(super) fn admit_update(
        &mut self,
        old_details: u64,
        new_details: u64,
    ) -> Result<(), StoreFull> {
        if new_details > old_details && !self.bytes.has_room_for(new_details - old_details) {
            return Err(StoreFull::Bytes);
        }
        Ok(())
    }

    pub(super) fn added(&mut self, key_bytes: u64, details_bytes: u64) {
        self.usage.keys += 1;
        self.usage.key_bytes += key_bytes;
        self.usage.details_bytes += details_bytes;
        self.settle();
    }

    pub(super) fn updated(&mut self, old_details: u64, new_details: u64) {
        self.usage.details_bytes = self.usage.details_bytes - old_details + new_details;
        self.bytes.set(self.usage.bytes());
    }

    pub(super) fn removed(&mut self, key_bytes: u64, details_bytes: u64) {
        self.usage.keys -= 1;
        self.usage.key_bytes -= key_bytes;
        self.usage.details_bytes -= details_bytes;
        self.settle();
    }

    /// The directory has this many segments now.
    pub(super) fn set_segments(&mut self, segments: u64) {
        self.segments.set(segments);
    }

    /// Brings what the budget knows in line with the usage.
    fn settle(&mut self) {
        self.keys.set(self.usage.keys);
        self.bytes.set(self.usage.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounting(keys: u64, bytes: u64) -> Accounting {
        Accounting::new(&StoreBudget::new(StoreLimits { keys, bytes }, 1))
    }

    #[test]
    fn keys_are_bounded() {
        let mut accounting = accounting(2, 1 << 20);
        for _ in 0..2 {
            assert_eq!(accounting.admit_new(1, 1, 1), Ok(()));
            accounting.added(1, 1);
        }
        assert_eq!(accounting.admit_new(1, 1, 1), Err(StoreFull::Keys));
        assert_eq!(accounting.admit_update(1, 100), Ok(()));
        accounting.removed(1, 1);
        assert_eq!(accounting.admit_new(1, 1, 1), Ok(()));
    }

    #[test]
    fn new_keys_stop_at_fifteen_sixteenths_and_updates_at_the_limit() {
        let mut accounting = accounting(100, 1600);
        accounting.added(100, 1300);
        assert_eq!(accounting.admit_new(40, 60, 1), Ok(()));
        assert_eq!(accounting.admit_new(40, 61, 1), Err(StoreFull::Bytes));
        assert_eq!(accounting.admit_update(1300, 1500), Ok(()));
        assert_eq!(accounting.admit_update(1300, 1501), Err(StoreFull::Bytes));
        accounting.updated(1300, 1500);
        assert_eq!(accounting.usage().bytes(), 1600);
        assert_eq!(accounting.admit_update(1500, 1500), Ok(()));
        assert_eq!(accounting.admit_update(1500, 0), Ok(()));
    }

    #[test]
    fn a_store_above_its_limit_still_takes_what_does_not_grow() {
        let mut accounting = accounting(10, 100);
        accounting.added(10, 200);
        assert_eq!(accounting.admit_update(50, 50), Ok(()));
        assert_eq!(accounting.admit_update(50, 49), Ok(()));
        assert_eq!(accounting.admit_update(50, 51), Err(StoreFull::Bytes));
    }

    /// One of several stores may use what the others do not, and gives it back.
    #[test]
    fn several_stores_share_their_limits() {
        let limits = StoreLimits {
            keys: 2_000,
            bytes: 1 << 20,
        };
        let budget = StoreBudget::new(limits, 8);
        let mut stores: Vec<_> = (0..8).map(|_| Accounting::new(&budget)).collect();
        let fill = |store: &mut Accounting, details| {
            let mut added = 0;
            while store.admit_new(10, details, 1).is_ok() {
                store.added(10, details);
                added += 1;
            }
            added
        };
        for store in &mut stores[1..] {
            store.admit_new(10, 90, 1).unwrap();
            store.added(10, 90);
        }
        let keys = 7 + fill(&mut stores[0], 90);
        assert!((1_960..=2_000).contains(&keys), "{keys} keys");
        assert_eq!(stores[0].admit_new(10, 90, 1), Err(StoreFull::Keys));
        for _ in 0..keys - 7 {
            stores[0].removed(10, 90);
        }

        let before_reserve = limits.bytes - limits.bytes / 16;
        let bytes = 700 + fill(&mut stores[1], 990) * 1_000;
        assert!(bytes <= before_reserve, "{bytes} bytes");
        assert!(bytes * 100 >= before_reserve * 98, "{bytes} bytes");
        let full = stores[2].admit_new(10, 50_000, 1);
        assert_eq!(full, Err(StoreFull::Bytes));
        assert_eq!(
            stores[2].admit_update(90, 50_000),
            Ok(()),
            "from the reserve"
        );
        stores[2].updated(90, 50_000);
        assert_eq!(stores[3].admit_update(90, 50_000), Err(StoreFull::Bytes));
        stores[2].updated(50_000, 90);
        assert_eq!(stores[3].admit_update(90, 50_000), Ok(()));
    }

    #[test]
    fn a_refused_key_keeps_nothing_from_other_stores() {
        let limits = StoreLimits {
            keys: 4,
            bytes: 1_000,
        };
        let budget = StoreBudget::new(limits, 2);
        let mut refusing = Accounting::new(&budget);
        assert_eq!(refusing.admit_new(10, 900, LEAST_SEGMENTS * 2), Ok(()));
        let mut other = Accounting::new(&budget);
        let too_deep = refusing.admit_new(10, 800, LEAST_SEGMENTS * 2 + 1);
        assert_eq!(too_deep, Err(StoreFull::Bytes));
        for _ in 0..4 {
            assert_eq!(other.admit_new(10, 90, LEAST_SEGMENTS / 2), Ok(()));
            other.added(10, 90);
        }
    }
}
