//! What the peers of one address have together: connections, connections that have not shown who they
//! are, and failed logins.
//!
//! The counts are this shard's. The kernel spreads an address's connections over all shards, so each
//! shard enforces an equal share of a limit.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::access::account_of;
use crate::limits::LOGIN_FORGIVEN_US;

/// From this many accounts on, those that count nothing are dropped.
const MANY_ACCOUNTS: usize = 1024;

#[derive(Debug)]
pub(super) struct AddressAccounts {
    by_address: HashMap<IpAddr, Account, RandomState>,
    limits: PerAddressLimits,
    prune_at: usize,
}

/// Limits for one address on this shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerAddressLimits {
    pub(super) connections: u64,
    /// Connections that have neither logged in nor stored a pulse.
    pub(super) unauthenticated: u64,
    /// Recent failed logins after which further logins are deferred; as many may be deferred.
    pub(super) failed_logins: u64,
}

#[derive(Debug, Default)]
struct Account {
    connections: u64,
    unauthenticated: u64,
    /// Logins that wait for their turn.
    deferred: u64,
    /// When all failed logins are forgiven, one every `LOGIN_FORGIVEN_US`: the clock of a leaky
    /// bucket.
    forgiven_us: u64,
}

/// The limit that a new connection exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Excess {
    Connections,
    Unauthenticated,
}

impl AddressAccounts {
    pub(super) fn new(limits: PerAddressLimits) -> AddressAccounts {
        AddressAccounts {
            by_address: HashMap::default(),
            limits,
            prune_at: MANY_ACCOUNTS,
        }
    }

    /// Counts a new connection until `closed`, even if it is refused.
    pub(super) fn opened(
        &mut self,
        address: IpAddr,
        is_unauthenticated: bool,
        now_us: u64,
    ) -> Result<(), Excess> {
        self.prune(now_us);
        let account = self.by_address.entry(account_of(address)).or_default();
        account.connections += 1;
        account.unauthenticated += u64::from(is_unauthenticated);
        if account.connections > self.limits.connections {
            return Err(Excess::Connections);
        }
        if is_unauthenticated && account.unauthenticated > self.limits.unauthenticated {
            return Err(Excess::Unauthenticated);
        }
        Ok(())
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, address: IpAddr) {
        self.with(address, |account| account.connections -= 1);
    }

    /// A connection that counted as unauthenticated no longer does.
    pub(super) fn note_trusted(&mut self, address: IpAddr) {
        self.with(address, |account| account.unauthenticated -= 1);
    }

    /// Whether a login of this address may be judged now.
    pub(super) fn may_log_in(&self, address: IpAddr, now_us: u64) -> bool {
        let Some(account) = self.by_address.get(&account_of(address)) else {
            return true;
        };
        let unforgiven_us = account.forgiven_us.saturating_sub(now_us);
        unforgiven_us.div_ceil(LOGIN_FORGIVEN_US) < self.limits.failed_logins
    }

    /// Counts a login that is to wait. False if too many wait already.
    pub(super) fn try_defer(&mut self, address: IpAddr) -> bool {
        let limit = self.limits.failed_logins;
        let account = self.by_address.entry(account_of(address)).or_default();
        let has_room = account.deferred < limit;
        account.deferred += u64::from(has_room);
        has_room
    }

    /// A deferred login no longer waits.
    pub(super) fn undefer(&mut self, address: IpAddr) {
        self.with(address, |account| account.deferred -= 1);
    }

    /// A login has failed.
    pub(super) fn login_failed(&mut self, address: IpAddr, now_us: u64) {
        let account = self.by_address.entry(account_of(address)).or_default();
        account.forgiven_us = account.forgiven_us.max(now_us) + LOGIN_FORGIVEN_US;
    }

    fn with(&mut self, address: IpAddr, change: impl FnOnce(&mut Account)) {
        let account = self.by_address.get_mut(&account_of(address));
        change(account.expect("an account stays as long as it counts something"));
    }

    fn prune(&mut self, now_us: u64) {
        if self.by_address.len() < self.prune_at {
            return;
        }
        // A deferred login and an unauthenticated connection are connections, too.
        self.by_address
            .retain(|_, account| account.connections > 0 || account.forgiven_us > now_us);
        // Doubling keeps the cost constant for each new account.
        self.prune_at = MANY_ACCOUNTS.max(self.by_address.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PerAddressLimits = PerAddressLimits {
        connections: 100,
        unauthenticated: 2,
        failed_logins: 3,
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn connections_are_bounded_by_address() {
        let mut accounts = AddressAccounts::new(PerAddressLimits {
            connections: 2,
            ..LIMITS
        });
        for _ in 0..2 {
            assert_eq!(accounts.opened(address(1), false, 0), Ok(()));
        }
        assert_eq!(
            accounts.opened(address(1), false, 0),
            Err(Excess::Connections)
        );
        assert_eq!(accounts.opened(address(2), false, 0), Ok(()));
        accounts.closed(address(1));
        accounts.closed(address(1));
        assert_eq!(accounts.opened(address(1), false, 0), Ok(()));
    }

    #[test]
    fn unauthenticated_connections_are_bounded_by_address() {
        let mut accounts = AddressAccounts::new(LIMITS);
        for _ in 0..2 {
            assert_eq!(accounts.opened(address(1), true, 0), Ok(()));
        }
        let third = accounts.opened(address(1), true, 0);
        assert_eq!(third, Err(Excess::Unauthenticated));
        assert_eq!(accounts.opened(address(1), false, 0), Ok(()));
        accounts.note_trusted(address(1));
        accounts.note_trusted(address(1));
        assert_eq!(accounts.opened(address(1), true, 0), Ok(()));
    }

    #[test]
    fn only_failures_defer_logins_and_one_is_forgiven_each_second() {
        let mut accounts = AddressAccounts::new(LIMITS);
        let at = |seconds| seconds * LOGIN_FORGIVEN_US;
        for _ in 0..1000 {
            assert!(accounts.may_log_in(address(1), at(0)), "nothing has failed");
        }
        for _ in 0..3 {
            assert!(accounts.may_log_in(address(1), at(0)));
            accounts.login_failed(address(1), at(0));
        }
        assert!(!accounts.may_log_in(address(1), at(0)));
        assert!(accounts.may_log_in(address(2), at(0)));
        assert!(accounts.may_log_in(address(1), at(1)));
        accounts.login_failed(address(1), at(1));
        assert!(!accounts.may_log_in(address(1), at(1)));
        assert!(accounts.may_log_in(address(1), at(2)));
        for _ in 0..3 {
            accounts.login_failed(address(1), at(60));
        }
        assert!(!accounts.may_log_in(address(1), at(60)));
        assert!(accounts.may_log_in(address(1), at(61)));
    }

    #[test]
    fn as_many_logins_may_be_deferred_as_may_fail() {
        let mut accounts = AddressAccounts::new(LIMITS);
        accounts.opened(address(1), true, 0).unwrap();
        for _ in 0..3 {
            assert!(accounts.try_defer(address(1)));
        }
        assert!(!accounts.try_defer(address(1)));
        accounts.undefer(address(1));
        assert!(accounts.try_defer(address(1)));
    }

    #[test]
    fn accounts_that_count_nothing_are_dropped() {
        let mut accounts = AddressAccounts::new(LIMITS);
        for host in 0..100_000_u32 {
            let address = IpAddr::from(host.to_be_bytes());
            accounts.opened(address, true, 0).unwrap();
            accounts.note_trusted(address);
            accounts.closed(address);
        }
        assert!(accounts.by_address.len() <= MANY_ACCOUNTS);
    }
}
