//! The sockets of one event loop and what each of them has under way in the ring.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::types::Fd;

use super::operation::GENERATION_MASK;
use super::sending::Sending;
use crate::connection::{ConnectionId, Ending};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) socket: OwnedFd,
    /// Whether the logic wants bytes from it.
    pub(super) wanted: bool,
    pub(super) receive: Receive,
    /// It is in the list of outboxes to send.
    pub(super) pending_send: bool,
    /// A send that waits for room.
    pub(super) blocked: Option<Box<Sending>>,
    /// A connect is under way.
    pub(super) connecting: bool,
    /// We are done with it. It is closed when the kernel holds no request for it.
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receive {
    Idle,
    Armed,
    /// Armed, with its cancellation submitted.
    Cancelling,
}

impl Connection {
    pub(super) fn fd(&self) -> Fd {
        Fd(self.socket.as_raw_fd())
    }

    /// Whether the kernel still holds requests for it.
    pub(super) fn busy(&self) -> bool {
        self.receive != Receive::Idle || self.blocked.is_some() || self.connecting
    }
}

/// Connections by slot. A slot's generation goes up with each connection.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Connections {
    pub(super) fn insert(&mut self, socket: OwnedFd) -> &mut Connection {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                connection: None,
            });
            self.slots.len() as u32 - 1
        });
        let slot_entry = &mut self.slots[slot as usize];
        debug_assert!(slot_entry.connection.is_none());
        slot_entry.connection.insert(Box::new(Connection {
            id: ConnectionId {
                slot,
                generation: slot_entry.generation,
            },
            socket,
            wanted: true,
            receive: Receive::Idle,
            pending_send: false,
            blocked: None,
            connecting: false,
            ending: None,
        }))
    }

    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self
            .slots
            .get_mut(id.slot as usize)?
            .connection
            .as_deref_mut()?;
        (connection.id == id).then_some(connection)
    }

    /// Frees the slot, and returns its connection.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.get(id)?;
        let slot_entry = &mut self.slots[id.slot as usize];
        let connection = slot_entry.connection.take();
        slot_entry.generation = (slot_entry.generation + 1) & GENERATION_MASK;
        self.free.push(id.slot);
        connection
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots
            .iter()
            .filter_map(|slot| slot.connection.as_deref())
    }
}
