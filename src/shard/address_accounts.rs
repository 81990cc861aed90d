//! What the peers of one address have together: connections, connections that have not shown who they
//! are, buffered bytes, and failed logins. All shards count in the same accounts, so a limit is met where it is stated,
//! however the kernel spreads an address's connections.
//!
//! Accounts lie behind locks, by the address's hash. A lock is held for one look-up and one change: some
//! tens of nanoseconds for each connection opened or closed, each login, and each change of a large buffer. Nothing may wait, log or
//! call out under it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::access::account_of;
use crate::limits::{LOGIN_FORGIVEN_US, Limits};

/// Locks: enough that two shards rarely want the same one.
const STRIPES: usize = 64;

/// From this many accounts of one stripe on, those that count nothing are dropped.
const MANY_ACCOUNTS: usize = 16;

/// The accounts of a process.
#[derive(Debug)]
pub struct AddressAccounts {
    stripes: [Mutex<Stripe>; STRIPES],
    /// Chooses the stripe. Seeded anew for each process: peers cannot choose addresses that meet.
    hasher: RandomState,
    /// Addresses that have an account.
    count: AtomicUsize,
    limits: PerAddressLimits,
    /// Bits of an IPv6 address that make an account.
    ipv6_prefix: u8,
}

/// Limits for one address.
#[derive(Clone, Copy, Debug)]
struct PerAddressLimits {
    connections: u64,
    /// Connections that have neither logged in nor stored a pulse.
    unauthenticated: u64,
    /// Recent failed logins after which further logins are deferred; as many may be deferred.
    failed_logins: u64,
}

/// Some of the accounts, behind one lock. Aligned, so that no two locks share a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Stripe {
    by_address: HashMap<IpAddr, Account, RandomState>,
    prune_at: usize,
}

#[derive(Debug, Default)]
struct Account {
    connections: u64,
    unauthenticated: u64,
    /// Bytes of `limits.buffered` that its larger holders have.
    held_bytes: u64,
    /// Logins that wait for their turn, the longest waiting first.
    line: VecDeque<PlaceInLine>,
    next_place: u64,
    /// When all failed logins are forgiven, one every `LOGIN_FORGIVEN_US`: the clock of a leaky
    /// bucket.
    forgiven_us: u64,
}

/// The place of a deferred login among those of its address, on all shards. Without an order, a shard
/// that happens to look first each time would let its logins pass those of all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct PlaceInLine(u64);

/// The limit that a new connection exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Excess {
    Connections,
    Unauthenticated,
}

impl AddressAccounts {
    pub fn new(limits: &Limits) -> AddressAccounts {
        let per_address = PerAddressLimits {
            connections: limits.connections_per_address(),
            unauthenticated: limits.unauthenticated_per_address,
            failed_logins: limits.failed_logins,
        };
        AddressAccounts {
            ipv6_prefix: limits.ipv6_prefix,
            ..AddressAccounts::with_limits(per_address)
        }
    }

    fn with_limits(limits: PerAddressLimits) -> AddressAccounts {
        let stripe = |_| {
            Mutex::new(Stripe {
                by_address: HashMap::default(),
                prune_at: MANY_ACCOUNTS,
            })
        };
        AddressAccounts {
            stripes: std::array::from_fn(stripe),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            limits,
            ipv6_prefix: 64,
        }
    }

    /// Connections of all addresses that are open.
    pub fn connections(&self) -> u64 {
        let of_stripe = |stripe: &Mutex<Stripe>| {
            let stripe = lock(stripe);
            let accounts = stripe.by_address.values();
            accounts.map(|account| account.connections).sum::<u64>()
        };
        self.stripes.iter().map(of_stripe).sum()
    }

    /// Addresses that have an account.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Drops the accounts of one stripe that count nothing, and gives their memory back. Shards call it in
    /// turn for all stripes. No other thread does: one that is less important and loses its core would
    /// keep the lock.
    pub(super) fn tidy(&self, turn: usize, now_us: u64) {
        let mut stripe = lock(&self.stripes[turn % STRIPES]);
        if stripe.by_address.capacity() > 2 * MANY_ACCOUNTS {
            let dropped = stripe.drop_unused(now_us);
            self.count.fetch_sub(dropped, Ordering::Relaxed);
        }
    }

    /// Counts a new connection until `closed`, even if it is refused.
    pub(super) fn opened(
        &self,
        address: IpAddr,
        is_unauthenticated: bool,
        now_us: u64,
    ) -> Result<(), Excess> {
        let address = account_of(address, self.ipv6_prefix);
        let mut stripe = self.stripe(address);
        let dropped = stripe.prune(now_us);
        self.count.fetch_sub(dropped, Ordering::Relaxed);
        let entry = stripe.by_address.entry(address);
        if let Entry::Vacant(_) = entry {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        let account = entry.or_default();
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
    pub(super) fn closed(&self, address: IpAddr) {
        self.with(address, |account| account.connections -= 1);
    }

    /// A connection that counted as unauthenticated no longer does.
    pub(super) fn note_trusted(&self, address: IpAddr) {
        self.with(address, |account| account.unauthenticated -= 1);
    }

    /// Its larger holders have `new` bytes on some shard instead of `old`. Returns what they have on all.
    pub(super) fn held(&self, address: IpAddr, old: u64, new: u64) -> u64 {
        let address = account_of(address, self.ipv6_prefix);
        let mut stripe = self.stripe(address);
        let account = stripe.by_address.entry(address).or_default();
        account.held_bytes = account.held_bytes - old + new;
        account.held_bytes
    }

    /// Whether a new login of this address may be judged now: none that waits has a better right.
    ///
    /// Two shards that ask at the same moment may both be told yes for the last place. Both failures are
    /// charged, and later logins wait so much longer.
    pub(super) fn may_log_in(&self, address: IpAddr, now_us: u64) -> bool {
        self.with(address, |account| {
            (account.line.len() as u64) < self.limits.logins_now(account, now_us)
        })
    }

    /// Puts a login into its address's line. None if too many wait already.
    pub(super) fn try_defer(&self, address: IpAddr) -> Option<PlaceInLine> {
        self.with(address, |account| {
            if account.line.len() as u64 >= self.limits.failed_logins {
                return None;
            }
            let place = PlaceInLine(account.next_place);
            account.next_place += 1;
            account.line.push_back(place);
            Some(place)
        })
    }

    /// Whether the login at this place of the line may be judged now.
    pub(super) fn is_its_turn(&self, address: IpAddr, place: PlaceInLine, now_us: u64) -> bool {
        self.with(address, |account| {
            let before = account.line.partition_point(|other| *other < place);
            (before as u64) < self.limits.logins_now(account, now_us)
        })
    }

    /// A deferred login no longer waits.
    pub(super) fn undefer(&self, address: IpAddr, place: PlaceInLine) {
        self.with(address, |account| {
            if let Ok(index) = account.line.binary_search(&place) {
                account.line.remove(index);
            }
        });
    }

    /// A login has failed.
    pub(super) fn login_failed(&self, address: IpAddr, now_us: u64) {
        self.with(address, |account| {
            account.forgiven_us = account.forgiven_us.max(now_us) + LOGIN_FORGIVEN_US;
        });
    }

    /// Works with the account of a connection that is open.
    fn with<R>(&self, address: IpAddr, change: impl FnOnce(&mut Account) -> R) -> R {
        let address = account_of(address, self.ipv6_prefix);
        let mut stripe = self.stripe(address);
        let account = stripe.by_address.get_mut(&address);
        change(account.expect("an account stays as long as it counts something"))
    }

    fn stripe(&self, address: IpAddr) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(address);
        lock(&self.stripes[hash as usize % STRIPES])
    }
}

impl PerAddressLimits {
    /// Logins of an address that may fail now before others must wait.
    fn logins_now(&self, account: &Account, now_us: u64) -> u64 {
        let unforgiven_us = account.forgiven_us.saturating_sub(now_us);
        let unforgiven = unforgiven_us.div_ceil(LOGIN_FORGIVEN_US);
        self.failed_logins.saturating_sub(unforgiven)
    }
}

impl Stripe {
    /// Drops accounts that count nothing, once there are many. Returns how many it has dropped.
    fn prune(&mut self, now_us: u64) -> usize {
        if self.by_address.len() < self.prune_at {
            return 0;
        }
        self.drop_unused(now_us)
    }

    /// The same, however few there are, and gives their memory back.
    fn drop_unused(&mut self, now_us: u64) -> usize {
        let before = self.by_address.len();
        // A deferred login and an unauthenticated connection are connections, too.
        self.by_address.retain(|_, account| {
            account.connections > 0 || account.held_bytes > 0 || account.forgiven_us > now_us
        });
        // Doubling keeps the cost constant for each new account.
        self.prune_at = MANY_ACCOUNTS.max(self.by_address.len() * 2);
        self.by_address.shrink_to(self.prune_at);
        before - self.by_address.len()
    }
}

fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
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
        let accounts = AddressAccounts::with_limits(PerAddressLimits {
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
    fn the_prefix_says_which_addresses_share_an_account() {
        let hosts: [IpAddr; 2] = ["fd00::1", "fd00::2"].map(|host| host.parse().unwrap());
        for (ipv6_prefix, second) in [(64, Err(Excess::Connections)), (128, Ok(()))] {
            let accounts = AddressAccounts {
                ipv6_prefix,
                ..AddressAccounts::with_limits(PerAddressLimits {
                    connections: 1,
                    ..LIMITS
                })
            };
            assert_eq!(accounts.opened(hosts[0], false, 0), Ok(()));
            assert_eq!(
                accounts.opened(hosts[1], false, 0),
                second,
                "/{ipv6_prefix}"
            );
        }
    }

    #[test]
    fn unauthenticated_connections_are_bounded_by_address() {
        let accounts = AddressAccounts::with_limits(LIMITS);
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
        let accounts = AddressAccounts::with_limits(LIMITS);
        accounts.opened(address(1), false, 0).unwrap();
        accounts.opened(address(2), false, 0).unwrap();
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
        let accounts = AddressAccounts::with_limits(LIMITS);
        accounts.opened(address(1), true, 0).unwrap();
        let places: Vec<_> = (0..3)
            .map(|_| accounts.try_defer(address(1)).unwrap())
            .collect();
        assert_eq!(accounts.try_defer(address(1)), None);
        accounts.undefer(address(1), places[1]);
        assert!(accounts.try_defer(address(1)).is_some());
        assert_eq!(accounts.try_defer(address(1)), None);
    }

    #[test]
    fn deferred_logins_take_turns_and_new_ones_come_last() {
        let accounts = AddressAccounts::with_limits(LIMITS);
        accounts.opened(address(1), true, 0).unwrap();
        let at = |seconds| seconds * LOGIN_FORGIVEN_US;
        for _ in 0..3 {
            accounts.login_failed(address(1), at(0));
        }
        let first = accounts.try_defer(address(1)).unwrap();
        let second = accounts.try_defer(address(1)).unwrap();
        let is_its_turn = |place, seconds| accounts.is_its_turn(address(1), place, at(seconds));
        assert!(!is_its_turn(first, 0) && !is_its_turn(second, 0));
        assert!(is_its_turn(first, 1) && !is_its_turn(second, 1));
        assert!(!accounts.may_log_in(address(1), at(1)), "two are before it");
        assert!(is_its_turn(second, 2), "two may be judged, in any order");
        assert!(!accounts.may_log_in(address(1), at(2)));
        assert!(accounts.may_log_in(address(1), at(3)));
        accounts.undefer(address(1), first);
        assert!(is_its_turn(second, 1));
        accounts.login_failed(address(1), at(1));
        assert!(!is_its_turn(second, 1) && is_its_turn(second, 2));
    }

    /// Connections of one address on several threads, as shards have them.
    #[test]
    fn a_limit_is_exact_however_many_shards_count() {
        let limit = 1_000;
        let accounts = AddressAccounts::with_limits(PerAddressLimits {
            connections: limit,
            ..LIMITS
        });
        let opened_by_shard = || {
            let opened = |_: &u32| accounts.opened(address(1), false, 0).is_ok();
            (0..400).filter(opened).count() as u64
        };
        let opened: u64 = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(opened_by_shard)).collect();
            shards.into_iter().map(|shard| shard.join().unwrap()).sum()
        });
        assert_eq!(opened, limit);
        assert_eq!(
            accounts.connections(),
            1_600,
            "refused ones until they close"
        );
    }

    #[test]
    fn accounts_that_count_nothing_are_dropped() {
        let accounts = AddressAccounts::with_limits(LIMITS);
        for host in 0..100_000_u32 {
            let address = IpAddr::from(host.to_be_bytes());
            accounts.opened(address, true, 0).unwrap();
            accounts.note_trusted(address);
            accounts.closed(address);
        }
        let lengths = accounts
            .stripes
            .iter()
            .map(|stripe| lock(stripe).by_address.len());
        assert!(lengths.clone().max() <= Some(MANY_ACCOUNTS));
        assert_eq!(accounts.count(), lengths.sum::<usize>());
    }

    #[test]
    fn the_memory_of_many_accounts_goes_back() {
        let accounts = AddressAccounts::with_limits(LIMITS);
        let hosts = (0..100_000_u32).map(|host| IpAddr::from(host.to_be_bytes()));
        for address in hosts.clone() {
            accounts.opened(address, false, 0).unwrap();
        }
        let room = |accounts: &AddressAccounts| -> usize {
            let of_stripe = |stripe| lock(stripe).by_address.capacity();
            accounts.stripes.iter().map(of_stripe).sum()
        };
        assert!(room(&accounts) >= 100_000);
        hosts.for_each(|address| accounts.closed(address));
        (0..STRIPES).for_each(|turn| accounts.tidy(turn, 0));
        assert!(room(&accounts) <= 3 * MANY_ACCOUNTS * STRIPES);
    }
}
