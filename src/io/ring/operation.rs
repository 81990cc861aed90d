//! What a completion belongs to, packed into the 64 bits that the kernel hands back.

use crate::connection::ConnectionId;
use crate::io::slots::GENERATION_MASK;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Operation {
    Accept = 1,
    Connect,
    Receive,
    /// A send that completes while it is submitted, or fails then; its slot is an index into the
    /// submission's sends. Only failures are reported.
    SendNow,
    /// A send that waits for the peer to make room.
    SendLater,
    Cancel,
    /// Somebody rang us.
    Rung,
    /// We rang somebody; its slot is the owner of the bell. Only failures are reported.
    Ring,
    /// A poll for the end of a connection that is not read.
    Watch,
}

/// Operation, generation and slot: 4, 28 and 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct UserData(u64);

impl UserData {
    pub(super) fn new(operation: Operation, slot: u32, generation: u32) -> UserData {
        assert!(generation <= GENERATION_MASK);
        UserData((operation as u64) << 60 | u64::from(generation) << 32 | u64::from(slot))
    }

    pub(super) fn of(operation: Operation, id: ConnectionId) -> UserData {
        UserData::new(operation, id.slot, id.generation)
    }

    pub(super) fn operation(self) -> Operation {
        match self.0 >> 60 {
            1 => Operation::Accept,
            2 => Operation::Connect,
            3 => Operation::Receive,
            4 => Operation::SendNow,
            5 => Operation::SendLater,
            6 => Operation::Cancel,
            7 => Operation::Rung,
            8 => Operation::Ring,
            9 => Operation::Watch,
            other => unreachable!("a completion of operation {other}, which nobody submits"),
        }
    }

    pub(super) fn id(self) -> ConnectionId {
        ConnectionId {
            slot: self.0 as u32,
            generation: (self.0 >> 32) as u32 & GENERATION_MASK,
        }
    }

    pub(super) fn slot(self) -> u32 {
        self.0 as u32
    }
}

impl From<u64> for UserData {
    fn from(raw: u64) -> UserData {
        UserData(raw)
    }
}

impl From<UserData> for u64 {
    fn from(data: UserData) -> u64 {
        data.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let id = ConnectionId {
            slot: u32::MAX,
            generation: GENERATION_MASK,
        };
        for operation in [
            Operation::Accept,
            Operation::Connect,
            Operation::Receive,
            Operation::SendNow,
            Operation::SendLater,
            Operation::Cancel,
            Operation::Rung,
            Operation::Ring,
            Operation::Watch,
        ] {
            let data = UserData::of(operation, id);
            assert_eq!((data.operation(), data.id()), (operation, id));
            assert_eq!(UserData::from(u64::from(data)), data);
        }
    }
}
