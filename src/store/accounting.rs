//! What a store holds and how much more it may take. Must not know what a key or a pulse is.

/// What one store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    pub keys: u64,
    /// Bytes of keys and details together, as [`Usage::bytes`] counts them. New keys are refused
    /// when they would take it past 15/16 of this, updates of known keys only past all of it: a
    /// cluster that grows too large keeps the heartbeats that it has.
    pub bytes: u64,
}

impl StoreLimits {
    fn bytes_for_new_keys(&self) -> u64 {
        self.bytes - self.bytes / 16
    }
}

/// What one store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub keys: u64,
    /// Bytes of the keys' text. The directory holds less: it shares what keys have in common.
    pub key_bytes: u64,
    pub details_bytes: u64,
}

impl Usage {
    pub fn bytes(&self) -> u64 {
        self.key_bytes + self.details_bytes
    }
}

/// Why a pulse is not taken. Nothing stored is lost by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Keys,
    Bytes,
}

/// Usage under limits.
#[derive(Debug)]
pub(super) struct Accounting {
    limits: StoreLimits,
    usage: Usage,
}

impl Accounting {
    pub fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            usage: Usage::default(),
        }
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether there is room for a new key.
    pub fn admit_new(&self, key_bytes: u64, details_bytes: u64) -> Result<(), Full> {
        if self.usage.keys >= self.limits.keys {
            return Err(Full::Keys);
        }
        let bytes = self.usage.bytes() + key_bytes + details_bytes;
        if bytes > self.limits.bytes_for_new_keys() {
            return Err(Full::Bytes);
        }
        Ok(())
    }

    /// Whether there is room for a known key's new details. What does not grow is always taken.
    pub fn admit_update(&self, old_details: u64, new_details: u64) -> Result<(), Full> {
        let bytes = self.usage.bytes() - old_details + new_details;
        if new_details > old_details && bytes > self.limits.bytes {
            return Err(Full::Bytes);
        }
        Ok(())
    }

    pub fn added(&mut self, key_bytes: u64, details_bytes: u64) {
        self.usage.keys += 1;
        self.usage.key_bytes += key_bytes;
        self.usage.details_bytes += details_bytes;
    }

    pub fn updated(&mut self, old_details: u64, new_details: u64) {
        self.usage.details_bytes = self.usage.details_bytes - old_details + new_details;
    }

    pub fn removed(&mut self, key_bytes: u64, details_bytes: u64) {
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
        assert_eq!(accounting.admit_new(1, 1), Err(Full::Keys));
        assert_eq!(accounting.admit_update(1, 100), Ok(()));
        accounting.removed(1, 1);
        assert_eq!(accounting.admit_new(1, 1), Ok(()));
    }

    #[test]
    fn new_keys_stop_at_fifteen_sixteenths_and_updates_at_the_limit() {
        let mut accounting = accounting(100, 1600);
        accounting.added(100, 1300);
        assert_eq!(accounting.admit_new(40, 60), Ok(()));
        assert_eq!(accounting.admit_new(40, 61), Err(Full::Bytes));
        assert_eq!(accounting.admit_update(1300, 1500), Ok(()));
        assert_eq!(accounting.admit_update(1300, 1501), Err(Full::Bytes));
        accounting.updated(1300, 1500);
        assert_eq!(accounting.usage().bytes(), 1600);
        assert_eq!(accounting.admit_update(1500, 1500), Ok(()));
        assert_eq!(accounting.admit_update(1500, 0), Ok(()));
    }

    #[test]
    fn a_store_past_its_limit_still_takes_what_does_not_grow() {
        let mut accounting = accounting(10, 100);
        accounting.added(10, 200);
        assert_eq!(accounting.admit_update(50, 50), Ok(()));
        assert_eq!(accounting.admit_update(50, 49), Ok(()));
        assert_eq!(accounting.admit_update(50, 51), Err(Full::Bytes));
    }
}
