//! One blocking connection to a server: connects, logs in, asks. Requests go out in batches, answers
//! are matched by their ids. Whatever the server does, every call ends within its time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::server::Server;
use super::trouble::{Asked, Failure, Trouble};
use crate::client_login::{ClientLogin, ClientMethod};
use crate::limits;
use crate::wire::message::{self, Message, MessageType};
use crate::wire::{Data, FrameReader};

/// How to reach a server and what to expect of it.
#[derive(Clone, Debug)]
pub struct Target {
    pub server: Server,
    pub login: Option<ClientMethod>,
    /// For the connection, for the login, and between two answers.
    pub timeout: Duration,
    /// The timeout is for all of these together, and for all answers.
    pub in_all: bool,
    /// Bytes of the largest answer's body.
    pub frame_bytes: u32,
}

#[derive(Debug)]
pub struct Client {
    target: Target,
    stream: TcpStream,
    reader: FrameReader,
    chunk: Box<[u8]>,
    next_id: i32,
    received_bytes: u64,
    /// When all must be over.
    end: Option<Instant>,
}

impl Client {
    /// Connects and logs in, if there is a method.
    ///
    /// # Errors
    /// The server is not there, or does not want us.
    pub fn connect(target: Target) -> Result<Client, Failure> {
        let deadline = Instant::now() + target.timeout;
        let stream = match connect(&target, deadline) {
            Ok(stream) => stream,
            Err(trouble) => return Err(failure(&target, Asked::Connect, trouble)),
        };
        let mut client = Client {
            end: target.in_all.then_some(deadline),
            reader: FrameReader::new(target.frame_bytes),
            target,
            stream,
            chunk: vec![0; limits::COMMAND_RECEIVE_BYTES].into(),
            next_id: 0,
            received_bytes: 0,
        };
        if let Some(method) = client.target.login.clone() {
            client
                .log_in(&method)
                .map_err(|trouble| failure(&client.target, Asked::LogIn, trouble))?;
        }
        Ok(client)
    }

    pub fn server(&self) -> &Server {
        &self.target.server
    }

    /// All that has come on this connection.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    // ── Requests ─────────────────────────────────────────────────────────────────────────────────

    /// Asks the same about every path. `each` takes an answer's data, and says None to data that this
    /// request's answer cannot have.
    pub(super) fn ask(
        &mut self,
        kind: MessageType,
        paths: &[&str],
        each: &mut dyn FnMut(usize, Option<Data<'_>>) -> Option<()>,
    ) -> Result<(), Failure> {
        let mut first = 0;
        while first < paths.len() {
            let batch = &paths[first..][..batch_len(&paths[first..])];
            let mut about = 0;
            self.ask_batch(kind, batch, &mut about, &mut |index, data| {
                each(first + index, data)
            })
            .map_err(|trouble| {
                let path = batch[about].to_owned();
                failure(&self.target, Asked::Request { kind, path }, trouble)
            })?;
            first += batch.len();
        }
        Ok(())
    }

    /// One batch. `about` says which of its paths trouble is about.
    fn ask_batch(
        &mut self,
        kind: MessageType,
        paths: &[&str],
        about: &mut usize,
        each: &mut dyn FnMut(usize, Option<Data<'_>>) -> Option<()>,
    ) -> Result<(), Trouble> {
        let base = self.next_id;
        self.next_id = (base + paths.len() as i32) & (i32::MAX >> 1);
        let mut out = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            message::encode_path(&mut out, kind, path, base + index as i32);
        }
        let mut deadline = self.deadline();
        self.send(&out, deadline)?;
        let mut open = vec![true; paths.len()];
        while let Some(oldest) = open.iter().position(|open| *open) {
            *about = oldest;
            let body = self.receive(deadline)?;
            let Message {
                kind: got,
                data,
                id,
            } = message::decode(&body).map_err(Trouble::BadMessage)?;
            // Not ours: Storm's daemon ends a login twice.
            if matches!(
                got,
                MessageType::ControlMessage | MessageType::SaslMessageToken
            ) {
                continue;
            }
            let index = usize::try_from(id.wrapping_sub(base)).ok();
            let Some(index) = index.filter(|index| open.get(*index) == Some(&true)) else {
                return Err(Trouble::OtherAnswer(got));
            };
            *about = index;
            if got == MessageType::NotAuthorized {
                let logged_in = self.target.login.is_some();
                return Err(Trouble::Refused { logged_in });
            }
            if got as i32 != kind as i32 + 1 || each(index, data).is_none() {
                return Err(Trouble::OtherAnswer(got));
            }
            open[index] = false;
            deadline = self.deadline();
        }
        Ok(())
    }

    // ── The login ────────────────────────────────────────────────────────────────────────────────

    fn log_in(&mut self, method: &ClientMethod) -> Result<(), Trouble> {
        let mut out = Vec::new();
        let mut login = ClientLogin::begin(method, &mut out).map_err(Trouble::Login)?;
        let deadline = self.deadline();
        loop {
            self.send(&out, deadline)?;
            out.clear();
            let body = self.receive(deadline)?;
            if login.receive(&body, &mut out).map_err(Trouble::Login)? {
                return Ok(());
            }
        }
    }

    // ── Bytes ────────────────────────────────────────────────────────────────────────────────────

    fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Trouble> {
        let left = self.left(deadline)?;
        self.stream
            .set_write_timeout(Some(left))
            .map_err(Trouble::Broken)?;
        self.stream
            .write_all(bytes)
            .map_err(|error| self.told(error))
    }

    /// The next frame's body.
    fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(frame) = self.reader.next() {
                return frame.map(<[u8]>::to_vec).map_err(Trouble::BadFrame);
            }
            let left = self.left(deadline)?;
            self.stream
                .set_read_timeout(Some(left))
                .map_err(Trouble::Broken)?;
            let count = match self.stream.read(&mut self.chunk) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.told(error)),
            };
            self.received_bytes += count as u64;
            self.reader.push(&self.chunk[..count]);
        }
    }

    fn deadline(&self) -> Instant {
        self.end
            .unwrap_or_else(|| Instant::now() + self.target.timeout)
    }

    fn left(&self, deadline: Instant) -> Result<Duration, Trouble> {
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(Trouble::Silent(self.target.timeout)),
            false => Ok(left),
        }
    }

    fn told(&self, error: std::io::Error) -> Trouble {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::Silent(self.target.timeout),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                Trouble::Closed
            }
            _ => Trouble::Broken(error),
        }
    }
}

/// Tries the addresses of the server's name one after another.
fn connect(target: &Target, deadline: Instant) -> Result<TcpStream, Trouble> {
    let addresses = target.server.resolve(target.timeout)?;
    let mut last = Trouble::Silent(target.timeout);
    let count = addresses.len() as u32;
    for (tried, address) in addresses.iter().enumerate() {
        // An address that swallows packets must not take the time of those after it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (count - tried as u32);
        if share.is_zero() {
            break;
        }
        match connect_one(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                last = Trouble::Silent(target.timeout);
            }
            Err(error) => last = Trouble::Unreachable(error),
        }
    }
    Err(last)
}

fn connect_one(address: &SocketAddr, within: Duration) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, within)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How many of the paths make the next batch: few enough that the server takes all before it must
/// have sent any answer.
fn batch_len(paths: &[&str]) -> usize {
    let mut bytes = 0;
    let fits = |path: &&&str| {
        bytes += path.len();
        bytes <= limits::COMMAND_BATCH_BYTES
    };
    let fitting = paths.iter().take_while(fits).count();
    fitting.clamp(1, limits::COMMAND_BATCH)
}

fn failure(target: &Target, asked: Asked, trouble: Trouble) -> Failure {
    Failure::Server {
        server: target.server.clone(),
        asked,
        trouble,
    }
}
