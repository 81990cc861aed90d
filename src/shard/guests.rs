//! What peers of one address may do: how many connections they may have, how many of those before they
//! have shown who they are, and how fast they may fail to log in.
//!
//! Counts are this shard's alone. The kernel spreads an address's connections over all shards, so
//! each polices an equal share. What is slow here is slow for one address and nobody else.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::access::account_of;
use crate::limits::LOGIN_FORGIVEN_US;

/// Entries from which on those that no longer say anything are looked for and dropped.
const MANY_ENTRIES: usize = 1024;

#[derive(Debug)]
pub(super) struct Guests {
    entries: HashMap<IpAddr, Entry, RandomState>,
    may: May,
    prune_at: usize,
}

/// What one address may have on this shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct May {
    pub(super) connections: u64,
    /// Connections that have neither logged in nor done anything that they may.
    pub(super) unauthenticated: u64,
    /// Logins that have failed of late, before further ones wait. As many may wait.
    pub(super) failed_logins: u64,
}

#[derive(Debug, Default)]
struct Entry {
    connections: u64,
    unauthenticated: u64,
    /// Logins that wait for their turn.
    waiting: u64,
    /// When all failed logins are forgiven, one in each `LOGIN_FORGIVEN_US`: the clock of a leaky
    /// bucket.
    forgiven_us: u64,
}

/// What a new connection is one too many of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Excess {
    Connections,
    Unauthenticated,
}

impl Guests {
    pub(super) fn new(may: May) -> Guests {
        Guests {
            entries: HashMap::default(),
            may,
            prune_at: MANY_ENTRIES,
        }
    }

    /// Counts a new connection, also one that is then refused: it counts until it has `left`.
    pub(super) fn arrived(
        &mut self,
        address: IpAddr,
        is_guest: bool,
        now_us: u64,
    ) -> Result<(), Excess> {
        self.prune(now_us);
        let entry = self.entries.entry(account_of(address)).or_default();
        entry.connections += 1;
        entry.unauthenticated += u64::from(is_guest);
        if entry.connections > self.may.connections {
            return Err(Excess::Connections);
        }
        if is_guest && entry.unauthenticated > self.may.unauthenticated {
            return Err(Excess::Unauthenticated);
        }
        Ok(())
    }

    /// A connection is gone.
    pub(super) fn left(&mut self, address: IpAddr) {
        self.with(address, |entry| entry.connections -= 1);
    }

    /// A connection that counted as unauthenticated no longer does.
    pub(super) fn known(&mut self, address: IpAddr) {
        self.with(address, |entry| entry.unauthenticated -= 1);
    }

    /// Whether a login of this address may be judged now, rather than wait.
    pub(super) fn may_try(&self, address: IpAddr, now_us: u64) -> bool {
        let Some(entry) = self.entries.get(&account_of(address)) else {
            return true;
        };
        let unforgiven_us = entry.forgiven_us.saturating_sub(now_us);
        unforgiven_us.div_ceil(LOGIN_FORGIVEN_US) < self.may.failed_logins
    }

    /// Counts a login that waits. False if too many do already.
    pub(super) fn waits(&mut self, address: IpAddr) -> bool {
        let most = self.may.failed_logins;
        let entry = self.entries.entry(account_of(address)).or_default();
        let has_room = entry.waiting < most;
        entry.waiting += u64::from(has_room);
        has_room
    }

    /// A login that waited does so no longer.
    pub(super) fn waits_no_more(&mut self, address: IpAddr) {
        self.with(address, |entry| entry.waiting -= 1);
    }

    /// A login has failed.
    pub(super) fn failed(&mut self, address: IpAddr, now_us: u64) {
        let entry = self.entries.entry(account_of(address)).or_default();
        entry.forgiven_us = entry.forgiven_us.max(now_us) + LOGIN_FORGIVEN_US;
    }

    fn with(&mut self, address: IpAddr, change: impl FnOnce(&mut Entry)) {
        let entry = self.entries.get_mut(&account_of(address));
        change(entry.expect("an entry stays as long as it counts something"));
    }

    fn prune(&mut self, now_us: u64) {
        if self.entries.len() < self.prune_at {
            return;
        }
        // Who waits or is unauthenticated has a connection.
        self.entries
            .retain(|_, entry| entry.connections > 0 || entry.forgiven_us > now_us);
        // Doubling keeps the price of looking constant for each new entry.
        self.prune_at = MANY_ENTRIES.max(self.entries.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAY: May = May {
        connections: 100,
        unauthenticated: 2,
        failed_logins: 3,
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn connections_are_bounded_by_address() {
        let mut guests = Guests::new(May {
            connections: 2,
            ..MAY
        });
        for _ in 0..2 {
            assert_eq!(guests.arrived(address(1), false, 0), Ok(()));
        }
        assert_eq!(
            guests.arrived(address(1), false, 0),
            Err(Excess::Connections)
        );
        assert_eq!(guests.arrived(address(2), false, 0), Ok(()));
        guests.left(address(1));
        guests.left(address(1));
        assert_eq!(guests.arrived(address(1), false, 0), Ok(()));
    }

    #[test]
    fn unauthenticated_connections_are_bounded_by_address() {
        let mut guests = Guests::new(MAY);
        for _ in 0..2 {
            assert_eq!(guests.arrived(address(1), true, 0), Ok(()));
        }
        let third = guests.arrived(address(1), true, 0);
        assert_eq!(third, Err(Excess::Unauthenticated));
        assert_eq!(guests.arrived(address(1), false, 0), Ok(()));
        guests.known(address(1));
        guests.known(address(1));
        assert_eq!(guests.arrived(address(1), true, 0), Ok(()));
    }

    #[test]
    fn only_failures_make_others_wait_and_one_is_forgiven_each_second() {
        let mut guests = Guests::new(MAY);
        let at = |seconds| seconds * LOGIN_FORGIVEN_US;
        for _ in 0..1000 {
            assert!(guests.may_try(address(1), at(0)), "nothing has failed");
        }
        for _ in 0..3 {
            assert!(guests.may_try(address(1), at(0)));
            guests.failed(address(1), at(0));
        }
        assert!(!guests.may_try(address(1), at(0)));
        assert!(guests.may_try(address(2), at(0)));
        assert!(guests.may_try(address(1), at(1)));
        guests.failed(address(1), at(1));
        assert!(!guests.may_try(address(1), at(1)));
        assert!(guests.may_try(address(1), at(2)));
        for _ in 0..3 {
            guests.failed(address(1), at(60));
        }
        assert!(!guests.may_try(address(1), at(60)));
        assert!(guests.may_try(address(1), at(61)));
    }

    #[test]
    fn as_many_may_wait_as_may_fail() {
        let mut guests = Guests::new(MAY);
        guests.arrived(address(1), true, 0).unwrap();
        for _ in 0..3 {
            assert!(guests.waits(address(1)));
        }
        assert!(!guests.waits(address(1)));
        guests.waits_no_more(address(1));
        assert!(guests.waits(address(1)));
    }

    #[test]
    fn entries_go_when_they_say_nothing_any_more() {
        let mut guests = Guests::new(MAY);
        for host in 0..100_000_u32 {
            let address = IpAddr::from(host.to_be_bytes());
            guests.arrived(address, true, 0).unwrap();
            guests.known(address);
            guests.left(address);
        }
        assert!(guests.entries.len() <= MANY_ENTRIES);
    }
}
