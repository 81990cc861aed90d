//! Many connections in one thread: non-blocking sockets that are tried in turn. One that ends is dialled again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use storm_pacemaker::blocking_client::BlockingClient;

use super::{Attack, PAUSE, Tally};
use crate::Client;
use crate::login::PASSWORD;

/// A login that takes longer has failed.
const LOGIN_TIME: Duration = Duration::from_secs(2);

/// One connection.
pub(super) struct Peer {
    socket: TcpStream,
    /// What is being sent, and how much of it is gone.
    sending: Rc<[u8]>,
    sent: usize,
    pub since: Instant,
}

impl Peer {
    /// Whether all was sent that was asked for.
    pub fn has_sent(&self) -> bool {
        self.sent == self.sending.len()
    }

    /// Sends these bytes after those that are under way, which must be gone.
    pub fn send(&mut self, bytes: &Rc<[u8]>) {
        assert!(self.has_sent(), "one after another");
        self.sending = bytes.clone();
        self.sent = 0;
    }

    /// Sends as many bytes as the kernel takes, `most` at most. Returns their number.
    pub fn push(&mut self, most: usize, tally: &mut Tally) -> io::Result<usize> {
        let end = self.sending.len().min(self.sent.saturating_add(most));
        let mut count = 0;
        while self.sent < end {
            match self.socket.write(&self.sending[self.sent..end]) {
                Ok(written) => {
                    self.sent += written;
                    count += written;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        tally.bytes_sent += count as u64;
        Ok(count)
    }

    /// Reads what is there, as far as it fits. An end is an error.
    pub fn pull(&mut self, bytes: &mut [u8], tally: &mut Tally) -> io::Result<usize> {
        match self.socket.read(bytes) {
            Ok(0) if !bytes.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                tally.bytes_received += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// How connections are made.
#[derive(Clone, Copy, Default)]
pub(super) struct Dial {
    pub logs_in: bool,
    /// Of the kernel, for a reader that reads nothing.
    pub receive_buffer_bytes: Option<usize>,
}

/// Connects, and logs in if that is asked for.
pub(super) fn dial(from: IpAddr, to: SocketAddr, how: Dial) -> io::Result<Peer> {
    let socket = if how.logs_in {
        let mut client = Client::of(
            BlockingClient::connect_from(from, to, u32::MAX >> 1).map_err(io::Error::other)?,
        );
        client.socket().set_read_timeout(Some(LOGIN_TIME))?;
        client
            .try_log_in(PASSWORD)
            .map_err(|_| ErrorKind::ConnectionReset)?;
        client.socket().try_clone()?
    } else {
        // A connection that is still being made takes no bytes yet, and is tried again.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &SocketAddr::new(from, 0))?;
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        socket.into()
    };
    if let Some(bytes) = how.receive_buffer_bytes {
        set_socket_recv_buffer_size(&socket, bytes)?;
    }
    set_tcp_nodelay(&socket, true)?;
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    socket.set_nonblocking(true)?;
    Ok(Peer {
        socket,
        sending: Rc::from([]),
        sent: 0,
        since: Instant::now(),
    })
}

/// What came of a connection's turn.
pub(super) enum Turn {
    /// Bytes were sent or read.
    Moved,
    Idle,
    /// The attacker resets it and dials again.
    Redial,
}

impl Turn {
    pub fn that_moved(bytes: usize) -> Turn {
        if bytes > 0 { Turn::Moved } else { Turn::Idle }
    }
}

/// Keeps `count` connections until the attack is over. `begin` says what a new one begins with; `turn` gives each
/// connection its turn.
pub(super) fn crowd<S>(
    attack: &Attack,
    tally: &mut Tally,
    count: usize,
    how: Dial,
    mut begin: impl FnMut(usize, &mut Peer) -> S,
    mut turn: impl FnMut(&mut Peer, &mut S, &mut Tally) -> io::Result<Turn>,
) {
    let mut peers: Vec<Option<(Peer, S)>> = (0..count).map(|_| None).collect();
    while !attack.is_over() {
        let mut moved = false;
        for (index, slot) in peers.iter_mut().enumerate() {
            let Some((peer, state)) = slot else {
                tally.dialled += 1;
                match dial(attack.address(index), attack.target, how) {
                    Ok(mut peer) => {
                        let state = begin(index, &mut peer);
                        *slot = Some((peer, state));
                        moved = true;
                    }
                    Err(_) => tally.ended += 1,
                }
                if attack.is_over() {
                    return;
                }
                continue;
            };
            match turn(peer, state, tally) {
                Ok(Turn::Moved) => moved = true,
                Ok(Turn::Idle) => {}
                Ok(Turn::Redial) => *slot = None,
                Err(_) => {
                    tally.ended += 1;
                    *slot = None;
                }
            }
        }
        if !moved {
            thread::sleep(PAUSE);
        }
    }
}

/// A [`crowd`] of as many as the attack's scale makes of `count`, without logins.
pub(super) fn strangers<S>(
    attack: &Attack,
    tally: &mut Tally,
    count: usize,
    begin: impl FnMut(usize, &mut Peer) -> S,
    turn: impl FnMut(&mut Peer, &mut S, &mut Tally) -> io::Result<Turn>,
) {
    let count = attack.scaled(count);
    crowd(attack, tally, count, Dial::default(), begin, turn);
}

/// Sends the same bytes again and again, and reads all answers.
pub(super) fn repeat(
    peer: &mut Peer,
    bytes: &Rc<[u8]>,
    requests: u64,
    tally: &mut Tally,
) -> io::Result<Turn> {
    if peer.has_sent() {
        peer.send(bytes);
        tally.requests += requests;
    }
    let sent = peer.push(usize::MAX, tally)?;
    let read = drain(peer, tally)?;
    Ok(Turn::that_moved(sent + read))
}

/// Reads and drops what is there, a megabyte at most.
pub(super) fn drain(peer: &mut Peer, tally: &mut Tally) -> io::Result<usize> {
    let mut bytes = [0; 64 * 1024];
    let mut all = 0;
    for _ in 0..16 {
        let count = peer.pull(&mut bytes, tally)?;
        all += count;
        if count < bytes.len() {
            break;
        }
    }
    Ok(all)
}
