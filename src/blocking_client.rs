//! One connection to a server over a blocking socket: connects, logs in, sends, receives whole frames.
//! Every call ends by its deadline, whatever the server does. Knows frames and logins, no requests.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use crate::auth::LoginFailure;
use crate::client_login::{ClientLogin, ClientMethod};
use crate::limits;
use crate::wire::{FrameError, FrameReader};

/// A connection. It closes when it is dropped.
#[derive(Debug)]
pub struct BlockingClient {
    socket: TcpStream,
    reader: FrameReader,
    chunk: Box<[u8]>,
    /// The part of the chunk that nobody has asked for yet.
    unread: Range<usize>,
    received_bytes: u64,
}

impl BlockingClient {
    /// Connects to the first of these addresses that answers. Each gets an equal share of the time that
    /// is left, so that an address which swallows packets does not take the time of the others.
    ///
    /// `max_body_bytes` bounds the frames that are received.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] or [`ClientError::Unreachable`], as for the last address tried.
    pub fn connect(
        addresses: &[SocketAddr],
        deadline: Instant,
        max_body_bytes: u32,
    ) -> Result<Self, ClientError> {
        let mut last = ClientError::TimedOut;
        for (tried, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / (addresses.len() - tried) as u32;
            if share.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(address, share) {
                Ok(socket) => {
                    return Self::of(socket, max_body_bytes).map_err(ClientError::Unreachable);
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => last = ClientError::TimedOut,
                Err(error) => last = ClientError::Unreachable(error),
            }
        }
        Err(last)
    }

    /// Connects from a given address of this machine, such as 127.0.0.2. IPv4 only; waits as long as
    /// the kernel does.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub fn connect_from(
        source: IpAddr,
        server: SocketAddr,
        max_body_bytes: u32,
    ) -> Result<Self, ClientError> {
        let connected = || -> io::Result<Self> {
            let socket = net::socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                SocketFlags::CLOEXEC, // a process started meanwhile does not inherit it
                None,
            )?;
            net::bind(&socket, &SocketAddr::new(source, 0))?;
            net::connect(&socket, &server)?;
            Self::of(socket.into(), max_body_bytes)
        };
        connected().map_err(ClientError::Unreachable)
    }

    fn of(socket: TcpStream, max_body_bytes: u32) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            reader: FrameReader::new(max_body_bytes),
            chunk: vec![0; limits::COMMAND_RECEIVE_BYTES].into(),
            unread: 0..0,
            received_bytes: 0,
        })
    }

    /// Logs in. The deadline is that of the whole login.
    ///
    /// # Errors
    /// The login failed, or the connection did.
    pub fn log_in(&mut self, method: &ClientMethod, deadline: Instant) -> Result<(), ClientError> {
        let mut out = Vec::new();
        let mut login = ClientLogin::begin(method, &mut out).map_err(ClientError::Login)?;
        loop {
            self.send(&out, deadline)?;
            out.clear();
            let body = self.receive(deadline)?;
            if login.receive(&body, &mut out).map_err(ClientError::Login)? {
                return Ok(());
            }
        }
    }

    // ── Bytes and frames ─────────────────────────────────────────────────────────────────────────

    /// Sends all of these bytes, whatever they are.
    ///
    /// # Errors
    /// The connection ended, or the server takes too long to read.
    pub fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        let mut unsent = bytes;
        while !unsent.is_empty() {
            let left = time_left(deadline)?;
            let timed = self.socket.set_write_timeout(Some(left));
            timed.map_err(ClientError::Broken)?;
            match self.socket.write(unsent) {
                Ok(count) => unsent = &unsent[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The body of the next frame.
    ///
    /// # Errors
    /// The connection ended, no whole frame came in time, or what came is not a frame. The bytes of an
    /// incomplete frame are kept for the next call.
    pub fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, ClientError> {
        loop {
            let mut rest = &self.chunk[self.unread.clone()];
            let frame = self.reader.next_from(&mut rest);
            let frame = frame.map(|frame| frame.map(<[u8]>::to_vec));
            self.unread.start = self.unread.end - rest.len();
            if let Some(frame) = frame {
                return frame.map_err(ClientError::BadFrame);
            }
            self.fill(deadline)?;
        }
    }

    /// Copies the next bytes as they come, at least one and at most as many as fit. Bytes of an
    /// incomplete frame that [`receive`](Self::receive) has kept are not among them.
    ///
    /// # Errors
    /// The connection ended, or nothing came in time.
    pub fn receive_bytes(
        &mut self,
        bytes: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, ClientError> {
        if self.unread.is_empty() {
            self.fill(deadline)?;
        }
        let count = self.unread.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.chunk[self.unread.start..][..count]);
        self.unread.start += count;
        Ok(count)
    }

    /// Waits for bytes and puts them into the chunk, which must have been read.
    fn fill(&mut self, deadline: Instant) -> Result<(), ClientError> {
        debug_assert!(self.unread.is_empty());
        loop {
            let left = time_left(deadline)?;
            let timed = self.socket.set_read_timeout(Some(left));
            timed.map_err(ClientError::Broken)?;
            match self.socket.read(&mut self.chunk) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => {
                    self.received_bytes += count as u64;
                    self.unread = 0..count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    // ── The connection ───────────────────────────────────────────────────────────────────────────

    /// All bytes that have come on this connection.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Sends a FIN: nothing more will be sent, answers may still come.
    ///
    /// # Errors
    /// The connection has ended before.
    pub fn finish(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Makes the connection end with a RST when it is dropped, so that its port does not stay in
    /// TIME_WAIT.
    ///
    /// # Errors
    /// The kernel refuses the option.
    pub fn reset_on_drop(&self) -> io::Result<()> {
        Ok(set_socket_linger(&self.socket, Some(Duration::ZERO))?)
    }
}

fn time_left(deadline: Instant) -> Result<Duration, ClientError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ClientError::TimedOut);
    }
    Ok(left)
}

/// Why a connection could not be made, or is of no more use.
#[derive(Debug)]
pub enum ClientError {
    /// No connection was made.
    Unreachable(io::Error),
    /// Nothing came, or nothing could be sent, until the deadline.
    TimedOut,
    /// The server closed the connection, with a FIN.
    Closed,
    /// The server ended the connection with a RST.
    Reset,
    /// The connection failed in another way.
    Broken(io::Error),
    /// A length that no frame can have.
    BadFrame(FrameError),
    Login(LoginFailure),
}

/// What reading or writing a connected socket failed with.
impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                Self::Reset
            }
            _ => Self::Broken(error),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::TimedOut => f.write_str("the server does not answer in time"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Reset => f.write_str("the server reset the connection"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::BadFrame(error) => write!(f, "the answer is not a frame: {error}"),
            Self::Login(failure) => write!(f, "the login failed: {failure}"),
        }
    }
}

impl std::error::Error for ClientError {}
