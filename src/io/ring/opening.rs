//! How connections are opened: the event loop accepts them with one multishot accept, which pauses
//! while descriptors or memory run short, or it dials.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use io_uring::opcode;
use io_uring::types::Fd;

use super::RingLoop;
use super::operation::{Operation, UserData};
use crate::connection::ConnectionId;
use crate::io::plane::{PlaneLoop, PlaneState};
use crate::io::{ACCEPT_PAUSE, Handler, socket};

#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    /// The service manager opened it; connections may have arrived before it had our options.
    adopted: bool,
    state: Accept,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Accept {
    Armed,
    /// Try again then.
    PausedUntil(Instant),
    /// The armed accept is being cancelled; what it has accepted meanwhile is reset.
    Stopping,
    /// As `Stopping`, and what it has accepted meanwhile is served.
    HandingOver,
}

impl Listener {
    /// Whether a connection that the kernel has accepted is served.
    fn is_wanted(&self) -> bool {
        matches!(self.state, Accept::Armed | Accept::HandingOver)
    }
}

impl RingLoop {
    pub(in crate::io) fn listen(&mut self, socket: OwnedFd, adopted: bool) -> io::Result<()> {
        self.listeners.push(Some(Listener {
            socket,
            adopted,
            state: Accept::Armed,
        }));
        self.arm_accept(self.listeners.len() - 1)
    }

    pub(in crate::io) fn ignore_dials(&mut self) -> io::Result<()> {
        let mut listeners = self.listeners.iter().flatten();
        listeners.try_for_each(|listener| socket::ignore_dials(&listener.socket))
    }

    pub(in crate::io) fn stop_listening(&mut self) -> io::Result<()> {
        self.end_listening(Accept::Stopping)
    }

    pub(in crate::io) fn hand_over_listeners(&mut self) -> io::Result<()> {
        self.end_listening(Accept::HandingOver)
    }

    fn end_listening(&mut self, state: Accept) -> io::Result<()> {
        for index in 0..self.listeners.len() {
            let entry = &mut self.listeners[index];
            let Some(listener) = entry else { continue };
            match listener.state {
                Accept::Armed => {
                    listener.state = state;
                    self.cancel(accept_of(index))?;
                }
                Accept::PausedUntil(_) => *entry = None,
                Accept::Stopping | Accept::HandingOver => listener.state = state,
            }
        }
        Ok(())
    }

    pub(in crate::io) fn connect(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<ConnectionId> {
        let socket = socket::dial(to, from)?;
        let connection = self.state.insert(socket);
        connection.connecting = true;
        let id = connection.id;
        let entry = opcode::PollAdd::new(connection.fd(), libc::POLLOUT as u32)
            .build()
            .user_data(UserData::of(Operation::Connect, id).into());
        self.push(&entry)?;
        Ok(id)
    }

    fn arm_accept(&mut self, index: usize) -> io::Result<()> {
        let Some(listener) = &mut self.listeners[index] else {
            return Ok(());
        };
        listener.state = Accept::Armed;
        // The ring waits itself; with O_NONBLOCK it would not. Another process that has the socket may have set it.
        socket::set_nonblocking(&listener.socket, false)?;
        let entry = opcode::AcceptMulti::new(Fd(listener.socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(accept_of(index).into());
        self.push(&entry)
    }

    pub(super) fn rearm_paused_accepts(&mut self, now: Instant) -> io::Result<()> {
        for index in 0..self.listeners.len() {
            if let Some(listener) = &self.listeners[index]
                && let Accept::PausedUntil(then) = listener.state
                && now >= then
            {
                self.arm_accept(index)?;
            }
        }
        Ok(())
    }

    #[allow(unsafe_code)] // a completion's descriptor becomes an owned one
    pub(super) fn accepted(
        &mut self,
        handler: &mut impl Handler,
        index: usize,
        result: i32,
        more: bool,
    ) -> io::Result<()> {
        if result >= 0 {
            // SAFETY: the kernel has just made this descriptor for us, and reports it only once.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            let wanted = match &self.listeners[index] {
                Some(listener) if listener.adopted => {
                    socket::complete_options(&socket, &listener.socket);
                    listener.is_wanted()
                }
                Some(listener) => listener.is_wanted(),
                None => false,
            };
            // A peer that is gone already has no address, and needs no service. A peer that arrives
            // while we stop is reset.
            if wanted && let Ok(peer) = socket::peer_address(&socket) {
                let id = self.state.insert(socket).id;
                self.opened(handler, id, peer)?;
            }
        }
        if more {
            return Ok(());
        }
        let entry = &mut self.listeners[index];
        let Some(listener) = entry else {
            return Ok(());
        };
        if matches!(listener.state, Accept::Stopping | Accept::HandingOver) {
            *entry = None;
            return Ok(());
        }
        match -result {
            // The completion queue was full, or a peer went away while it was being accepted.
            ..=0 | libc::ECONNABORTED | libc::EINTR | libc::ECANCELED => self.arm_accept(index),
            // Out of descriptors or memory, or worse: do not spin on it.
            error => {
                listener.state = Accept::PausedUntil(Instant::now() + ACCEPT_PAUSE);
                handler.accept_failed(io::Error::from_raw_os_error(error));
                Ok(())
            }
        }
    }

    pub(super) fn connected(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
    ) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        connection.connecting = false;
        if connection.plane.is_ending() {
            return self.release(id);
        }
        let outcome = match result {
            0.. => socket::set_nonblocking(&connection.socket, false)
                .and_then(|()| socket::dialled(&connection.socket))
                .and_then(|()| socket::peer_address(&connection.socket)),
            error => Err(io::Error::from_raw_os_error(-error)),
        };
        self.dialled(handler, id, outcome)
    }
}

fn accept_of(listener: usize) -> UserData {
    UserData::new(Operation::Accept, listener as u32, 0)
}
