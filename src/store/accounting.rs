//! What a store holds and how much more it may hold. Must not know what a key or a pulse is.

/// What one store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    pub keys: u64,
    /// Bytes of keys and details together, as [`Usage::bytes`] counts them. New keys are refused above
    /// 15/16 of this limit, updates of stored keys above all of it. So a cluster that outgrows the
    /// store keeps the heartbeats of the workers that it knows.
    pub bytes: u64,
}

impl StoreLimits {
    fn bytes_with_new_key(&self) -> u64 {
        self.bytes - self.bytes / 16
    }
}

/// What one store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub keys: u64,
    /// Bytes of the keys' text. The directory takes fewer: keys share their common segments.
    pub key_bytes: u64,
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

/// The usage of one store, kept within its limits.
#[derive(Debug)]
pub(super) struct Accounting {
    limits: StoreLimits,
    usage: Usage,
}

impl Accounting {
    pub(super) fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            usage: Usage::default(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Checks whether there is room for a new key. Counts nothing.
    pub(super) fn admit_new(&self, key_bytes: u64, details_bytes: u64) -> Result<(), StoreFull> {
        if self.usage.keys >= self.limits.keys {
            return Err(StoreFull::Keys);
        }
        let bytes = self.usage.bytes() + key_bytes + details_bytes;
        if bytes > self.limits.bytes_with_new_key() {
            return Err(StoreFull::Bytes);
        }
        Ok(())
    }

    /// Checks whether there is room for new details of a stored key. There always is if they are not
    /// longer than the old ones. Counts nothing.
    pub(super) fn admit_update(&self, old_details: u64, new_details: u64) -> Result<(), StoreFull> {
        let bytes = self.usage.bytes() - old_details + new_details;
        if new_details > old_details && bytes > self.limits.bytes {
            return Err(StoreFull::Bytes);
        }
        Ok(())
    }

    pub(super) fn added(&mut self, key_bytes: u64, details_bytes: u64) {
        self.usage.keys += 1;
        self.usage.key_bytes += key_bytes;
        self.usage.details_bytes += details_bytes;
    }

    pub(super) fn updated(&mut self, old_details: u64, new_details: u64) {
        self.usage.details_bytes = self.usage.details_bytes - old_details + new_details;
    }

    pub(super) fn removed(&mut self, key_bytes: u64, details_bytes: u64) {
        self.usage.keys -= 1;
        self.usage.key_bytes -= key_bytes;
        self.usage.details_bytes -= details_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounting(keys: u64, bytes: u64) -> Accounting {
        Accounting::new(StoreLimits { keys, bytes })
    }

    #[test]
    fn keys_are_bounded() {
        let mut accounting = accounting(2, 1 << 20);
        for _ in 0..2 {
            assert_eq!(accounting.admit_new(1, 1), Ok(()));
            accounting.added(1, 1);
        }
        assert_eq!(accounting.admit_new(1, 1), Err(StoreFull::Keys));
        assert_eq!(accounting.admit_update(1, 100), Ok(()));
        accounting.removed(1, 1);
        assert_eq!(accounting.admit_new(1, 1), Ok(()));
    }

    #[test]
    fn new_keys_stop_at_fifteen_sixteenths_and_updates_at_the_limit() {
        let mut accounting = accounting(100, 1600);
        accounting.added(100, 1300);
        assert_eq!(accounting.admit_new(40, 60), Ok(()));
        assert_eq!(accounting.admit_new(40, 61), Err(StoreFull::Bytes));
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
}
