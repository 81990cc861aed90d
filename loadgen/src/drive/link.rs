//! One connection of the cluster to a server: whether it stands, what is queued for it, what of an
//! answer has come. And whose connection is whose.

use std::io;
use std::net::{IpAddr, SocketAddr};

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::{EventLoop, Handler};
use storm_pacemaker::wire::FrameReader;

use super::clock::Clock;

use crate::record::{ErrorKind, Record, Timed};
use crate::storm;

/// How long closing all connections may take.
const CLOSE_WITHIN_US: u64 = 2_000_000;

#[derive(Debug)]
pub struct Link {
    pub state: LinkState,
    pub outbox: Outbox,
    pub frames: FrameReader,
    /// Dials that failed, or connections that were lost, since one stood that was of use.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    Down,
    Dialling {
        id: ConnectionId,
        since_us: u64,
    },
    Up(ConnectionId),
    /// The server has sent a FIN, or refused the dial. Storm's 2.x client does not notice, and goes on
    /// writing to nowhere until a request has failed.
    Deaf,
}

impl Default for Link {
    fn default() -> Link {
        Link {
            state: LinkState::Down,
            outbox: Outbox::default(),
            frames: FrameReader::new(storm::FRAME_BYTES),
            failures: 0,
        }
    }
}

impl Link {
    pub fn up(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Up(id) => Some(id),
            LinkState::Down | LinkState::Dialling { .. } | LinkState::Deaf => None,
        }
    }

    pub fn id(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Down | LinkState::Deaf => None,
            LinkState::Dialling { id, .. } | LinkState::Up(id) => Some(id),
        }
    }

    /// Dials. Where that fails at once, returns how long to wait before the next attempt.
    pub fn dial(
        &mut self,
        ring: &mut EventLoop,
        to: SocketAddr,
        from: Option<IpAddr>,
        now_us: u64,
        record: &mut Record,
    ) -> Result<ConnectionId, u64> {
        match ring.connect(to, from) {
            Ok(id) => {
                self.state = LinkState::Dialling {
                    id,
                    since_us: now_us,
                };
                Ok(id)
            }
            Err(error) => {
                let reason = error.raw_os_error().unwrap_or_default();
                record
                    .errors
                    .add_with_reason(ErrorKind::ConnectFailed, reason);
                Err(self.back_off_us())
            }
        }
    }

    /// The dial has become a connection.
    pub fn opened(&mut self, id: ConnectionId, now_us: u64, record: &mut Record) {
        if let LinkState::Dialling { since_us, .. } = self.state {
            record.time(Timed::Connect, now_us - since_us);
        }
        record.connected += 1;
        self.state = LinkState::Up(id);
        self.outbox = Outbox::default();
        self.frames = FrameReader::new(storm::FRAME_BYTES);
    }

    /// The server has said that it will send no more.
    pub fn finished(&mut self, record: &mut Record) {
        record.errors.add(ErrorKind::ConnectionLost);
        self.state = LinkState::Deaf;
    }

    /// Counts the end of the connection, and returns how long to wait before dialling again; `None`
    /// where Storm's client does not notice the end.
    pub fn closed(&mut self, why: Closed, record: &mut Record) -> Option<u64> {
        match why {
            // We had a reason, which has been counted.
            Closed::ByUs if self.state == LinkState::Deaf => return None,
            Closed::ByUs => {}
            Closed::Error(reason) => record
                .errors
                .add_with_reason(ErrorKind::ConnectionLost, reason),
            Closed::NotConnected(reason) => {
                record
                    .errors
                    .add_with_reason(ErrorKind::ConnectFailed, reason);
                self.state = LinkState::Deaf;
                return None;
            }
        }
        self.state = LinkState::Down;
        Some(self.back_off_us())
    }

    /// A request has failed: the client throws the connection away and makes another one. Returns
    /// what there is to close.
    pub fn abandon(&mut self) -> Option<ConnectionId> {
        let id = self.id();
        self.state = LinkState::Down;
        id
    }

    /// An answer has come: the server is alive.
    pub fn answered(&mut self) {
        self.failures = 0;
    }

    fn back_off_us(&mut self) -> u64 {
        self.failures = self.failures.saturating_add(1);
        storm::back_off_us(self.failures)
    }
}

/// Resets connections, so that no port of ours stays in TIME_WAIT, and waits until they are gone.
pub fn close_all(
    ids: Vec<ConnectionId>,
    ring: &mut EventLoop,
    handler: &mut impl Handler,
    clock: Clock,
) -> io::Result<()> {
    let mut commands = Commands::default();
    for id in ids {
        commands.push(Command::Close(id, Ending::Reset));
    }
    let deadline_us = clock.now_us() + CLOSE_WITHIN_US;
    ring.carry_out(handler, &mut commands)?;
    while ring.connections() > 0 && clock.now_us() < deadline_us {
        ring.turn(handler, clock.rest_until(deadline_us))?;
    }
    Ok(())
}

/// Connections' owners, by the ring's slots.
#[derive(Debug, Default)]
pub struct Owners {
    slots: Vec<Option<(ConnectionId, u32)>>,
}

impl Owners {
    pub fn set(&mut self, id: ConnectionId, owner: u32) {
        let slot = id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some((id, owner));
    }

    pub fn of(&self, id: ConnectionId) -> u32 {
        match self.slots.get(id.slot as usize) {
            Some(Some((current, owner))) if *current == id => *owner,
            _ => unreachable!("the ring tells of a connection that nobody dialled"),
        }
    }
}
