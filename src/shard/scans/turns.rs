//! Whose scan begins next. Addresses take turns, so that the scans of one that asks for many, or of several
//! such, do not stand before those of one that asks for few.

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::connection::ConnectionId;
use crate::shard::peers::is_mostly_empty;

/// Peers whose scans have not begun. Some may be gone.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// In the order in which they asked. No queue is empty.
    by_address: HashMap<IpAddr, VecDeque<ConnectionId>, RandomState>,
    /// Every address that waits, once. The first one has waited longest for its turn.
    order: VecDeque<IpAddr>,
    count: usize,
}

impl Turns {
    pub(super) fn push(&mut self, id: ConnectionId, address: IpAddr) {
        let queue = self.by_address.entry(address).or_insert_with(|| {
            self.order.push_back(address);
            VecDeque::new()
        });
        queue.push_back(id);
        self.count += 1;
    }

    /// Takes the first peer of the first address that may have a turn. That address is the last one then.
    pub(super) fn take(
        &mut self,
        may: impl FnMut(&IpAddr) -> bool,
    ) -> Option<(ConnectionId, IpAddr)> {
        let index = self.order.iter().position(may)?;
        let address = self.order.remove(index)?;
        let queue = self.by_address.get_mut(&address)?;
        let id = queue.pop_front()?;
        self.count -= 1;
        if queue.is_empty() {
            self.by_address.remove(&address);
        } else {
            self.order.push_back(address);
        }
        Some((id, address))
    }

    /// Drops the peers that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(ConnectionId) -> bool) {
        self.by_address.retain(|_, queue| {
            queue.retain(|id| exists(*id));
            !queue.is_empty()
        });
        let by_address = &self.by_address;
        self.order
            .retain(|address| by_address.contains_key(address));
        self.count = by_address.values().map(VecDeque::len).sum();
    }

    /// Gives back what a burst has left.
    pub(super) fn shrink(&mut self) {
        if is_mostly_empty(self.order.len(), self.order.capacity()) {
            self.order.shrink_to_fit();
            self.by_address.shrink_to_fit();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> ConnectionId {
        ConnectionId {
            slot,
            generation: 0,
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn addresses_take_turns() {
        let mut turns = Turns::default();
        for slot in 0..6 {
            turns.push(id(slot), address(1));
        }
        turns.push(id(6), address(2));
        turns.push(id(7), address(2));
        let taken = |turns: &mut Turns| turns.take(|_| true).map(|(id, _)| id.slot);
        let order: Vec<_> = (0..4).map(|_| taken(&mut turns)).collect();
        assert_eq!(order, [0, 6, 1, 7].map(Some));
        // One that asks anew is behind one that has waited, not behind all that it waits for.
        turns.push(id(8), address(3));
        let order: Vec<_> = (0..3).map(|_| taken(&mut turns)).collect();
        assert_eq!(order, [2, 8, 3].map(Some));
        assert_eq!(turns.len(), 2);
        turns.retain(|id| id.slot == 5);
        assert_eq!(taken(&mut turns), Some(5));
        assert!(turns.is_empty());
        assert_eq!(taken(&mut turns), None);
    }

    #[test]
    fn an_address_that_may_not_have_a_turn_keeps_its_place() {
        let mut turns = Turns::default();
        turns.push(id(0), address(1));
        turns.push(id(1), address(2));
        let other = turns.take(|address| address.to_string() != "10.0.0.1");
        assert_eq!(other, Some((id(1), address(2))));
        assert_eq!(turns.take(|_| false), None);
        assert_eq!(turns.take(|_| true), Some((id(0), address(1))));
    }
}
