//! The owner of each connection, by the event loop's slots.

use storm_pacemaker::connection::ConnectionId;

#[derive(Debug, Default)]
pub(super) struct Owners {
    slots: Vec<Option<(ConnectionId, u32)>>,
}

impl Owners {
    pub(super) fn set(&mut self, id: ConnectionId, owner: u32) {
        let slot = id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some((id, owner));
    }

    pub(super) fn of(&self, id: ConnectionId) -> u32 {
        match self.slots.get(id.slot as usize) {
            Some(Some((current, owner))) if *current == id => *owner,
            _ => unreachable!("the event loop reports a connection that was never dialled"),
        }
    }
}
