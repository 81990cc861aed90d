//! What peers of one address may do before they have shown who they are: how many of their
//! connections may be unauthenticated at a time, and how fast they may try to log in.
//!
//! Counts are this shard's alone. The kernel spreads an address's connections over all shards, so
//! each polices an equal share, and a slow login is slow for one address and nobody else.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

/// Once an address has used up what may fail, one attempt may begin in this time.
const SLOWED_US: u64 = 1_000_000;

/// Entries from which on those that no longer say anything are looked for and dropped.
const MANY_ENTRIES: usize = 1024;

#[derive(Debug)]
pub(super) struct Guests {
    entries: HashMap<IpAddr, Entry, RandomState>,
    /// Connections of one address that may be unauthenticated.
    connections: u64,
    /// Attempts of one address that may have failed, or be under way, before further ones wait.
    attempts: u64,
    /// The longest that an attempt may wait.
    patience_us: u64,
    prune_at: usize,
}

#[derive(Debug, Default)]
struct Entry {
    unauthenticated: u64,
    /// The time at which all attempts so far are forgiven, one in each `SLOWED_US`: the virtual
    /// clock of a leaky bucket.
    forgiven_us: u64,
}

/// When an attempt to log in may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    Now,
    /// Microseconds, as `now_us`.
    At(u64),
    /// So many attempts wait already that this one's turn is too far off.
    Never,
}

impl Guests {
    pub(super) fn new(connections: u64, attempts: u64, patience_us: u64) -> Guests {
        Guests {
            entries: HashMap::default(),
            connections,
            attempts,
            patience_us,
            prune_at: MANY_ENTRIES,
        }
    }

    /// Counts a new connection. False if its address has too many already; it counts all the same.
    pub(super) fn arrived(&mut self, address: IpAddr, now_us: u64) -> bool {
        self.prune(now_us);
        let entry = self.entries.entry(key(address)).or_default();
        entry.unauthenticated += 1;
        entry.unauthenticated <= self.connections
    }

    /// A connection that counted is gone, or has shown that it may be here.
    pub(super) fn left(&mut self, address: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&key(address)) {
            entry.unauthenticated = entry.unauthenticated.saturating_sub(1);
        }
    }

    /// Takes account of an attempt to log in, as if it would fail, and tells when it may begin.
    pub(super) fn attempt(&mut self, address: IpAddr, now_us: u64) -> Admission {
        let entry = self.entries.entry(key(address)).or_default();
        let forgiven_us = entry.forgiven_us.max(now_us) + SLOWED_US;
        let begins_us = forgiven_us.saturating_sub(self.attempts * SLOWED_US);
        if begins_us > now_us + self.patience_us {
            return Admission::Never;
        }
        entry.forgiven_us = forgiven_us;
        if begins_us > now_us {
            Admission::At(begins_us)
        } else {
            Admission::Now
        }
    }

    /// The attempt has succeeded: it is no longer on the address's account.
    pub(super) fn succeeded(&mut self, address: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&key(address)) {
            entry.forgiven_us = entry.forgiven_us.saturating_sub(SLOWED_US);
        }
    }

    fn prune(&mut self, now_us: u64) {
        if self.entries.len() < self.prune_at {
            return;
        }
        self.entries
            .retain(|_, entry| entry.unauthenticated > 0 || entry.forgiven_us > now_us);
        // Doubling keeps the price of looking constant for each new entry.
        self.prune_at = MANY_ENTRIES.max(self.entries.len() * 2);
    }
}

/// Whose account it is: an IPv4 address, or the /64 that one IPv6 host can choose addresses from.
fn key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn unauthenticated_connections_are_bounded_by_address() {
        let mut guests = Guests::new(2, 1, 0);
        assert!(guests.arrived(address(1), 0));
        assert!(guests.arrived(address(1), 0));
        assert!(!guests.arrived(address(1), 0));
        assert!(guests.arrived(address(2), 0));
        guests.left(address(1));
        guests.left(address(1));
        assert!(guests.arrived(address(1), 0));
    }

    #[test]
    fn attempts_past_the_first_few_begin_one_a_second() {
        let mut guests = Guests::new(9, 3, 2 * SECOND);
        let mut begins = |now_us| guests.attempt(address(1), now_us);
        for _ in 0..3 {
            assert_eq!(begins(0), Admission::Now);
        }
        assert_eq!(begins(0), Admission::At(SECOND));
        assert_eq!(begins(0), Admission::At(2 * SECOND));
        assert_eq!(begins(0), Admission::Never);
        assert_eq!(begins(SECOND), Admission::At(3 * SECOND));
        // All five are forgiven by now, and so is the one refused.
        assert_eq!(begins(60 * SECOND), Admission::Now);
        assert_eq!(guests.attempt(address(2), 0), Admission::Now);
    }

    #[test]
    fn logins_that_succeed_are_never_slowed() {
        let mut guests = Guests::new(9, 1, 0);
        for _ in 0..1000 {
            assert_eq!(guests.attempt(address(1), 0), Admission::Now);
            guests.succeeded(address(1));
        }
    }

    #[test]
    fn entries_go_when_they_say_nothing_any_more() {
        let mut guests = Guests::new(9, 1, 0);
        for host in 0..100_000_u32 {
            let address = IpAddr::from(host.to_be_bytes());
            guests.arrived(address, 0);
            guests.left(address);
        }
        assert!(guests.entries.len() <= MANY_ENTRIES);
    }

    #[test]
    fn a_host_cannot_choose_another_account() {
        let mut guests = Guests::new(1, 1, 0);
        assert!(guests.arrived("2001:db8::1".parse().unwrap(), 0));
        assert!(!guests.arrived("2001:db8::2".parse().unwrap(), 0));
        assert!(guests.arrived("2001:db8:0:1::1".parse().unwrap(), 0));
    }
}
