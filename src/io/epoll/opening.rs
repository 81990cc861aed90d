//! How connections are opened: accepted, up to a limit in each turn, or dialled.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};

use super::EpollLoop;
use super::receiving::EVERYTHING;
use super::token::Token;
use crate::connection::ConnectionId;
use crate::io::plane::PlaneLoop;
use crate::io::{ACCEPT_PAUSE, Handler, socket};

/// Connections accepted from one listener in one turn: some milliseconds. After an outage all workers dial
/// at once, and those that are connected must not wait until all are. With 64, the kernel's backlog
/// (net.core.somaxconn, 4096) ran over while 12 000 dialled, and some waited a second for their next try.
const ACCEPTS_A_TURN: usize = 512;

#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    /// The service manager opened it; connections may have arrived before it had our options.
    adopted: bool,
    /// Set: do not accept before then.
    paused_until: Option<Instant>,
    /// The last turn left connections that are not accepted yet.
    has_more: bool,
}

impl Listener {
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }
}

impl EpollLoop {
    pub(in crate::io) fn listen(&mut self, socket: OwnedFd, adopted: bool) -> io::Result<()> {
        // Another shard may take the connection that we were woken for.
        socket::set_nonblocking(&socket, true)?;
        // A process on io_uring that takes the socket over clears that flag, which both share.
        socket::bound_accept(&socket)?;
        self.listeners.push(Some(Listener {
            socket,
            adopted,
            paused_until: None,
            has_more: false,
        }));
        self.watch_listener(self.listeners.len() - 1)
    }

    fn watch_listener(&mut self, index: usize) -> io::Result<()> {
        let Some(listener) = &mut self.listeners[index] else {
            return Ok(());
        };
        // Exclusive: where shards share a socket, one of them wakes for a connection, not all.
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        watch(&self.epoll, &listener.socket, Token::Listener(index), flags)?;
        listener.paused_until = None;
        Ok(())
    }

    pub(in crate::io) fn ignore_dials(&mut self) -> io::Result<()> {
        let mut listeners = self.listeners.iter().flatten();
        listeners.try_for_each(|listener| socket::ignore_dials(&listener.socket))
    }

    pub(in crate::io) fn stop_listening(&mut self) -> io::Result<()> {
        for listener in self.listeners.iter_mut().filter_map(Option::take) {
            if listener.paused_until.is_none() {
                // Closing does not end the registration of a socket that another process holds, too.
                epoll::delete(&self.epoll, &listener.socket)?;
            }
        }
        Ok(())
    }

    pub(super) fn rearm_paused_listeners(&mut self, handler: &mut impl Handler, now: Instant) {
        for index in 0..self.listeners.len() {
            if let Some(listener) = &self.listeners[index]
                && listener.paused_until.is_some_and(|then| now >= then)
                && let Err(error) = self.watch_listener(index)
            {
                self.pause_listener(handler, index, error);
            }
        }
    }

    /// Out of descriptors or memory, or worse: do not spin on it.
    fn pause_listener(&mut self, handler: &mut impl Handler, index: usize, error: io::Error) {
        let Some(listener) = &mut self.listeners[index] else {
            return;
        };
        if listener.paused_until.is_none() {
            epoll::delete(&self.epoll, &listener.socket).expect("it is watched");
        }
        listener.paused_until = Some(Instant::now() + ACCEPT_PAUSE);
        handler.accept_failed(error);
    }

    /// Accepts what is there, up to a bound, and returns how many connections came.
    pub(super) fn accept(&mut self, handler: &mut impl Handler, index: usize) -> io::Result<usize> {
        let mut accepted = 0;
        while let Some(listener) = &mut self.listeners[index] {
            listener.has_more = accepted == ACCEPTS_A_TURN;
            if listener.has_more {
                break;
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match acceptfrom_with(&listener.socket, flags) {
                Ok((socket, peer)) => {
                    accepted += 1;
                    if listener.adopted {
                        socket::complete_options(&socket, &listener.socket);
                    }
                    // A peer that is gone already has no address, and needs no service.
                    if let Some(peer) = peer.and_then(|peer| peer.try_into().ok()) {
                        match self.insert(socket) {
                            Ok(id) => self.opened(handler, id, peer)?,
                            Err(error) => {
                                self.pause_listener(handler, index, error);
                                break;
                            }
                        }
                    }
                }
                Err(Errno::AGAIN) => break,
                // A peer went away while it was being accepted.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    self.pause_listener(handler, index, error.into());
                    break;
                }
            }
        }
        Ok(accepted)
    }

    /// What is there already is told at once.
    fn insert(&mut self, socket: OwnedFd) -> io::Result<ConnectionId> {
        let connection = self.state.insert(socket);
        let id = connection.id;
        let token = Token::Connection(id);
        if let Err(error) = watch(&self.epoll, &connection.socket, token, EVERYTHING) {
            self.state.connections.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    pub(in crate::io) fn connect(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<ConnectionId> {
        let id = self.insert(socket::dial(to, from)?)?;
        if let Some(connection) = self.state.connections.get(id) {
            connection.connecting = true;
        }
        Ok(id)
    }

    /// The connect has ended, one way or the other.
    pub(super) fn connected(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
    ) -> io::Result<usize> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(0);
        };
        connection.connecting = false;
        let outcome = socket::dialled(&connection.socket)
            .and_then(|()| socket::peer_address(&connection.socket));
        self.dialled(handler, id, outcome)?;
        Ok(1)
    }
}

fn watch(epoll: &OwnedFd, socket: &OwnedFd, token: Token, flags: EventFlags) -> io::Result<()> {
    epoll::add(epoll, socket, token.into(), flags).map_err(|error| match error {
        Errno::NOSPC => io::Error::new(
            io::ErrorKind::QuotaExceeded,
            "this user has as many epoll watches as fs.epoll.max_user_watches allows",
        ),
        other => other.into(),
    })
}
