//! What an event belongs to, packed into the 64 bits that the kernel hands back.

use rustix::event::epoll::EventData;

use crate::connection::ConnectionId;
use crate::io::slots::{GENERATION_BITS, GENERATION_MASK};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Bell,
    Listener(usize),
    /// With its generation: an event may be under way to a connection that is gone, and another one may
    /// have its slot.
    Connection(ConnectionId),
}

const LISTENER: u64 = 1 << 62;
const BELL: u64 = 1 << 63;

// Both bits lie above slot and generation.
const _: () = assert!(u32::BITS + GENERATION_BITS <= 62);

impl From<Token> for EventData {
    fn from(token: Token) -> EventData {
        EventData::new_u64(match token {
            Token::Bell => BELL,
            Token::Listener(index) => LISTENER | index as u64,
            Token::Connection(id) => u64::from(id.generation) << u32::BITS | u64::from(id.slot),
        })
    }
}

impl From<EventData> for Token {
    fn from(data: EventData) -> Token {
        let data = data.u64();
        if data & BELL != 0 {
            Token::Bell
        } else if data & LISTENER != 0 {
            Token::Listener((data & !LISTENER) as usize)
        } else {
            Token::Connection(ConnectionId {
                slot: data as u32,
                generation: (data >> u32::BITS) as u32 & GENERATION_MASK,
            })
        }
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
        let first = ConnectionId {
            slot: 0,
            generation: 0,
        };
        for token in [
            Token::Bell,
            Token::Listener(0),
            Token::Listener(1000),
            Token::Connection(id),
            Token::Connection(first),
        ] {
            assert_eq!(Token::from(EventData::from(token)), token);
        }
    }
}
