//! The connections of one event loop by slot. A slot is small and reused; its generation goes up with
//! each connection, so that an id is never used twice.

use crate::connection::ConnectionId;

/// The bits of a generation, in what the kernel hands back with a completion. After 268 million
/// connections in one slot, ids repeat.
pub(super) const GENERATION_BITS: u32 = 28;
pub(super) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

#[derive(Debug)]
pub(super) struct Slots<C> {
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<C> {
    generation: u32,
    // Boxed: a peak of connections leaves small slots behind.
    connection: Option<Box<C>>,
}

impl<C> Slots<C> {
    /// Puts a connection into a free slot. `make` gets its id.
    pub(super) fn insert(&mut self, make: impl FnOnce(ConnectionId) -> C) -> &mut C {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                connection: None,
            });
            self.slots.len() as u32 - 1
        });
        let entry = &mut self.slots[slot as usize];
        debug_assert!(entry.connection.is_none());
        let id = ConnectionId {
            slot,
            generation: entry.generation,
        };
        entry.connection.insert(Box::new(make(id)))
    }

    /// None: the connection is gone, and its slot free or another's.
    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut C> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.connection.as_deref_mut()
    }

    /// Frees the slot, and returns its connection.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<C>> {
        self.get(id)?;
        let slot = &mut self.slots[id.slot as usize];
        let connection = slot.connection.take();
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push(id.slot);
        connection
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.connection.as_deref_mut())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        self.slots
            .iter()
            .filter_map(|slot| slot.connection.as_deref())
    }
}

impl<C> Default for Slots<C> {
    fn default() -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_slot_has_another_id() {
        let mut slots = Slots::default();
        let first = *slots.insert(|id| id);
        assert_eq!(slots.remove(first).as_deref(), Some(&first));
        let second = *slots.insert(|id| id);
        assert_eq!(second.slot, first.slot);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&mut second.clone()));
        assert_eq!(slots.len(), 1);
    }
}
