//! The memory that peers make a shard hold besides what it stores: half-received requests, unread
//! answers, forwarded pulses, deferred logins and scans.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use hashbrown::HashMap;

use super::mailbox::ReplyTarget;
use super::peer::{Peer, Slot};
use super::peers::is_mostly_empty;
use super::{AddressAccounts, Settings};
use crate::access::account_of;
use crate::budget::Allowance;
use crate::connection::ConnectionId;
use crate::limits::{Limits, TINY_BUFFER_BYTES};

/// How many of the largest and of the oldest holders are looked at to choose the one that is ended.
const CANDIDATES: usize = 64;

#[derive(Debug)]
pub(super) struct BufferAccount {
    /// Our part of `limits.buffered`.
    allowance: Allowance,
    /// Peers that hold more than a tiny buffer, by what they hold, and by since when.
    by_size: BTreeSet<(usize, ConnectionId)>,
    by_age: BTreeSet<(u64, ConnectionId)>,
    /// Peers that are gone, and what other shards still hold for them.
    orphans: HashMap<ConnectionId, Orphan, RandomState>,
    /// What that is in all, and how much it may be before peers must wait.
    orphaned_bytes: usize,
    orphaned_limit_bytes: usize,
    /// What the holders of an address hold together.
    by_address: HashMap<IpAddr, usize, RandomState>,
    /// The same for all shards.
    accounts: Arc<AddressAccounts>,
    /// What the holders of one address may hold on all shards together: half of `limits.buffered`, and at
    /// least two frames.
    address_limit_bytes: u64,
    /// What they may hold on this shard however much they do on the others: its equal share of that.
    address_guaranteed_bytes: usize,
    /// What peers hold that are being ended or are gone: it is about to be free.
    leaving_bytes: u64,
    /// The same of all shards.
    leaving_everywhere_bytes: Arc<AtomicU64>,
    /// How much it may be here before peers must wait.
    leaving_limit_bytes: u64,
    /// What this shard may use however much the others do. It then overdraws the limit, and a shard that
    /// uses more than its own gives way.
    guaranteed_bytes: u64,
    /// Bits of an IPv6 address that make an account.
    ipv6_prefix: u8,
}

/// What a peer that is gone has left in other shards' mailboxes.
#[derive(Debug)]
struct Orphan {
    address: IpAddr,
    bytes: usize,
}

/// What is full when a peer asks for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// `limits.buffered`.
    All,
    /// The part of it that one address may have.
    Address(IpAddr),
}

impl BufferAccount {
    pub(super) fn new(settings: &Settings, limits: &Arc<Limits>) -> BufferAccount {
        let half_of_share = limits.buffered_bytes / 2 / settings.shards as u64;
        let frames = 2 * u64::from(limits.frame_bytes);
        BufferAccount {
            allowance: Allowance::new(settings.common.buffers.clone()),
            by_size: BTreeSet::new(),
            by_age: BTreeSet::new(),
            orphans: HashMap::default(),
            orphaned_bytes: 0,
            orphaned_limit_bytes: limits.left_behind_bytes() as usize,
            by_address: HashMap::default(),
            leaving_bytes: 0,
            leaving_everywhere_bytes: settings.common.leaving_bytes.clone(),
            leaving_limit_bytes: limits.leaving_bytes(settings.shards),
            accounts: settings.common.accounts.clone(),
            address_limit_bytes: (limits.buffered_bytes / 2).max(frames),
            address_guaranteed_bytes: half_of_share.max(frames) as usize,
            guaranteed_bytes: limits.guaranteed_bytes(settings.shards),
            ipv6_prefix: limits.ipv6_prefix,
        }
    }

    /// The address under which a peer's buffers count.
    pub(super) fn account_of(&self, peer: &Peer) -> IpAddr {
        account_of(peer.address.ip(), self.ipv6_prefix)
    }

    pub(super) fn bytes(&self) -> usize {
        self.allowance.used() as usize
    }

    /// Counts what a peer makes us hold now.
    ///
    /// # Errors
    /// The peer holds more than before, and more than a tiny buffer, and what it names is full.
    pub(super) fn recount(&mut self, slot: &mut Slot, now_us: u64) -> Result<(), Full> {
        let bytes = slot.reader.memory_bytes() + slot.peer.held_bytes();
        let old_bytes = std::mem::replace(&mut slot.peer.counted_bytes, bytes);
        if bytes == old_bytes {
            return Ok(());
        }
        let fits = self.set_total(old_bytes, bytes);
        if slot.peer.is_being_ended {
            self.set_leaving(old_bytes, bytes);
            return Ok(());
        }
        let address_fits = self.watch(&mut slot.peer, old_bytes, bytes, now_us);
        if bytes < old_bytes || bytes <= TINY_BUFFER_BYTES {
            Ok(())
        } else if !address_fits {
            Err(Full::Address(self.account_of(&slot.peer)))
        } else if fits || !self.is_full(Full::All) {
            Ok(())
        } else {
            Err(Full::All)
        }
    }

    /// Whether this is full, even without what is about to be free.
    pub(super) fn is_full(&self, full: Full) -> bool {
        match full {
            Full::All => self.bytes_to_give_up() > 0,
            Full::Address(address) => {
                let here = self.by_address.get(&address).copied().unwrap_or(0);
                !self.address_fits(here, self.accounts.held(address, 0, 0))
            }
        }
    }

    fn address_fits(&self, here: usize, everywhere: u64) -> bool {
        here <= self.address_guaranteed_bytes || everywhere <= self.address_limit_bytes
    }

    /// Gives memory back that many addresses needed.
    pub(super) fn shrink(&mut self) {
        if is_mostly_empty(self.by_address.len(), self.by_address.capacity()) {
            self.by_address.shrink_to_fit();
        }
    }

    /// What this shard should give up, because all of them together exceed the limit and this one uses more
    /// than it is guaranteed.
    ///
    /// What is about to be free does not count. Ending others for it would free nothing sooner, and would in the
    /// end reach everyone who holds anything. If it is much, peers wait instead: see `is_congested`.
    pub(super) fn bytes_to_give_up(&self) -> usize {
        let staying = self.allowance.used() - self.leaving_bytes;
        let spare = staying.saturating_sub(self.guaranteed_bytes);
        let leaving = self.leaving_everywhere_bytes.load(Ordering::Relaxed);
        let excess = self.allowance.overdraft().saturating_sub(leaving);
        excess.min(spare) as usize
    }

    /// The peer is gone. What other shards have of its requests counts until they reply, and `held_bytes`
    /// until they are `freed`.
    pub(super) fn release(&mut self, peer: &mut Peer, held_bytes: usize) {
        let bytes = std::mem::take(&mut peer.counted_bytes);
        let forwarded_bytes = peer.forwarded_bytes;
        let left_bytes = forwarded_bytes + held_bytes;
        self.set_total(bytes, left_bytes);
        if peer.is_being_ended {
            self.set_leaving(bytes, left_bytes);
        } else {
            self.watch(peer, bytes, 0, 0);
            self.set_leaving(0, left_bytes);
        }
        if forwarded_bytes > 0 {
            let address = self.account_of(peer);
            self.set_address(address, 0, forwarded_bytes);
            let bytes = forwarded_bytes;
            self.orphaned_bytes += bytes;
            self.orphans.insert(peer.id, Orphan { address, bytes });
        }
    }

    /// Whether so much is held for peers that are being ended or are gone, here or in other shards' mailboxes, that all
    /// others must wait until it is free: nobody can be ended for it.
    pub(super) fn is_congested(&self) -> bool {
        let orphaned = self.orphaned_bytes;
        orphaned > self.orphaned_limit_bytes
            || self.leaving_bytes - orphaned as u64 > self.leaving_limit_bytes
    }

    /// The event loop has let go of what it held of the answers of a peer that is gone.
    pub(super) fn freed(&mut self, bytes: usize) {
        self.set_total(bytes, 0);
        self.set_leaving(bytes, 0);
    }

    /// Another shard has replied to a peer that is gone.
    pub(super) fn replied_to_orphan(&mut self, target: &ReplyTarget) {
        let Some(orphan) = self.orphans.get_mut(&target.id) else {
            return;
        };
        let Orphan { address, bytes } = *orphan;
        let left = bytes - target.forwarded_bytes;
        orphan.bytes = left;
        self.orphaned_bytes -= target.forwarded_bytes;
        if left == 0 {
            self.orphans.remove(&target.id);
        }
        self.set_total(bytes, left);
        self.set_leaving(bytes, left);
        self.set_address(address, bytes, left);
    }

    fn set_leaving(&mut self, old_bytes: usize, bytes: usize) {
        self.leaving_bytes = self.leaving_bytes - old_bytes as u64 + bytes as u64;
        // In two's complement, also where it becomes less.
        let change = (bytes as u64).wrapping_sub(old_bytes as u64);
        self.leaving_everywhere_bytes
            .fetch_add(change, Ordering::Relaxed);
    }

    fn set_total(&mut self, old_bytes: usize, bytes: usize) -> bool {
        let total = self.allowance.used() - old_bytes as u64 + bytes as u64;
        self.allowance.set(total)
    }

    /// Keeps the peers that hold much in order. Returns whether those of its address keep within their limit.
    fn watch(&mut self, peer: &mut Peer, old: usize, new: usize, now_us: u64) -> bool {
        let counted = |bytes: usize| if bytes > TINY_BUFFER_BYTES { bytes } else { 0 };
        let (old, new) = (counted(old), counted(new));
        if old == 0 && new == 0 {
            return true;
        }
        self.by_size.remove(&(old, peer.id));
        if new == 0 {
            if let Some(since_us) = peer.holds_since_us.take() {
                self.by_age.remove(&(since_us, peer.id));
            }
        } else {
            self.by_size.insert((new, peer.id));
            let since_us = *peer.holds_since_us.get_or_insert(now_us);
            self.by_age.insert((since_us, peer.id));
        }
        self.set_address(self.account_of(peer), old, new)
    }

    /// A holder of this address holds `new` bytes instead of `old`. Returns whether all of them together keep
    /// within their limit.
    fn set_address(&mut self, address: IpAddr, old: usize, new: usize) -> bool {
        let of_address = self.by_address.entry(address).or_default();
        *of_address = *of_address - old + new;
        let here = *of_address;
        if here == 0 {
            self.by_address.remove(&address);
        }
        let everywhere = self.accounts.held(address, old as u64, new as u64);
        self.address_fits(here, everywhere)
    }

    /// An address whose holders have more than their limit, and here more than they are guaranteed.
    pub(super) fn address_beyond_limit(&self) -> Option<IpAddr> {
        let much = |(_, bytes): &(&IpAddr, &usize)| **bytes > self.address_guaranteed_bytes;
        let addresses = self.by_address.iter().filter(much);
        let mut addresses = addresses.map(|(address, _)| *address);
        addresses.find(|address| self.is_full(Full::Address(*address)))
    }

    /// The peers among which the one is that holds most for longest, besides `asking`: the largest
    /// and the oldest ones.
    pub(super) fn candidates(
        &self,
        asking: Option<ConnectionId>,
    ) -> impl Iterator<Item = ConnectionId> {
        let by_size = self.by_size.iter().rev().take(CANDIDATES);
        let by_age = self.by_age.iter().take(CANDIDATES);
        let ids = by_size.map(|(_, id)| *id).chain(by_age.map(|(_, id)| *id));
        ids.filter(move |id| Some(*id) != asking)
    }

    /// The peer is about to be closed: it is not chosen again meanwhile.
    pub(super) fn note_ending(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.is_being_ended, true) {
            self.watch(peer, peer.counted_bytes, 0, 0);
            self.set_leaving(0, peer.counted_bytes);
        }
    }
}
