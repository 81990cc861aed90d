//! One connection of the cluster to a server: whether it stands and has logged in, what is queued for
//! it, what of an answer has come. And whose connection is whose.

use std::io;
use std::net::{IpAddr, SocketAddr};

use storm_pacemaker::client_login::{ClientLogin, ClientMethod};
use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::{EventLoop, Handler};
use storm_pacemaker::wire::{FrameReader, MessageType, decode};

use super::clock::Clock;
use crate::record::{ErrorKind, Reason, Record, Timed};
use crate::storm;

/// How long closing all connections may take.
const CLOSE_WITHIN_US: u64 = 2_000_000;

/// Why logins fail that no message ends. A refused login is answered by nothing else.
pub const ENDED: &str = "the server ended the connection";
pub const NO_FRAME: &str = "a frame of an impossible length";
pub const TOO_LONG: &str = "it took longer than the 11 s that Storm's client waits";

#[derive(Debug)]
pub struct Link {
    pub state: LinkState,
    pub outbox: Outbox,
    pub frames: FrameReader,
    /// Dials that failed, or connections that were lost, since one stood that was of use.
    failures: u32,
    /// There while the state is `LoggingIn`.
    login: Option<Box<ClientLogin>>,
    /// Nothing has come since the login.
    just_logged_in: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    Down,
    Dialling {
        id: ConnectionId,
        since_us: u64,
    },
    /// It stands, and no request may be written yet.
    LoggingIn {
        id: ConnectionId,
        since_us: u64,
    },
    Up(ConnectionId),
    /// The server has sent a FIN, or refused the dial. Storm's 2.x client does not notice, and goes on
    /// writing to nowhere until a request has failed.
    Deaf,
}

/// What has become of a connection that opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Requests may be written.
    Up,
    LoggingIn,
    /// It does not log in, which has been counted. It is to be dialled again so much later.
    Failed {
        wait_us: u64,
    },
}

impl Default for Link {
    fn default() -> Link {
        Link {
            state: LinkState::Down,
            outbox: Outbox::default(),
            frames: FrameReader::new(storm::FRAME_BYTES),
            failures: 0,
            login: None,
            just_logged_in: false,
        }
    }
}

impl Link {
    pub fn up(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Up(id) => Some(id),
            LinkState::Down
            | LinkState::Dialling { .. }
            | LinkState::LoggingIn { .. }
            | LinkState::Deaf => None,
        }
    }

    pub fn id(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Down | LinkState::Deaf => None,
            LinkState::Dialling { id, .. }
            | LinkState::LoggingIn { id, .. }
            | LinkState::Up(id) => Some(id),
        }
    }

    pub fn is_logging_in(&self) -> bool {
        matches!(self.state, LinkState::LoggingIn { .. })
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
                let reason = Reason::Os(error.raw_os_error().unwrap_or_default());
                record
                    .errors
                    .add_with_reason(ErrorKind::ConnectFailed, reason);
                Err(self.back_off_us())
            }
        }
    }

    /// The dial has become a connection; it logs in where there is a method to do so.
    pub fn opened(
        &mut self,
        id: ConnectionId,
        method: Option<&ClientMethod>,
        now_us: u64,
        record: &mut Record,
        commands: &mut Commands,
    ) -> Opening {
        if let LinkState::Dialling { since_us, .. } = self.state {
            record.time(Timed::Connect, now_us - since_us);
        }
        record.connected += 1;
        self.outbox = Outbox::default();
        self.frames = FrameReader::new(storm::FRAME_BYTES);
        self.just_logged_in = false;
        let Some(method) = method else {
            self.state = LinkState::Up(id);
            return Opening::Up;
        };
        self.state = LinkState::LoggingIn {
            id,
            since_us: now_us,
        };
        match ClientLogin::begin(method, self.outbox.text()) {
            Ok(login) => {
                self.login = Some(Box::new(login));
                commands.push(Command::Send(id));
                Opening::LoggingIn
            }
            Err(failure) => self.fail_login(failure.to_string(), record, commands),
        }
    }

    /// Takes a frame that has come before the login is complete.
    pub fn log_in(
        &mut self,
        body: &[u8],
        now_us: u64,
        record: &mut Record,
        commands: &mut Commands,
    ) -> Opening {
        let (LinkState::LoggingIn { id, since_us }, Some(mut login)) =
            (self.state, self.login.take())
        else {
            unreachable!("there is no login under way");
        };
        match login.receive(body, self.outbox.text()) {
            Ok(true) => {
                record.time(Timed::Login, now_us.saturating_sub(since_us));
                self.state = LinkState::Up(id);
                self.just_logged_in = true;
                Opening::Up
            }
            Ok(false) => {
                self.login = Some(login);
                if !self.outbox.is_empty() {
                    commands.push(Command::Send(id));
                }
                Opening::LoggingIn
            }
            Err(failure) => self.fail_login(failure.to_string(), record, commands),
        }
    }

    /// Counts a login that has failed, and closes its connection.
    pub fn fail_login(
        &mut self,
        why: String,
        record: &mut Record,
        commands: &mut Commands,
    ) -> Opening {
        record
            .errors
            .add_with_reason(ErrorKind::LoginFailed, Reason::Login(why));
        if let Some(id) = self.abandon() {
            commands.push(Command::Close(id, Ending::Reset));
        }
        Opening::Failed {
            wait_us: self.back_off_us(),
        }
    }

    /// Whether a frame is the end of the login once more: Storm's daemon sends that twice with
    /// Kerberos.
    pub fn repeats_end_of_login(&mut self, body: &[u8]) -> bool {
        std::mem::take(&mut self.just_logged_in)
            && decode(body).is_ok_and(|message| message.kind == MessageType::ControlMessage)
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
            Closed::Error(reason) if self.is_logging_in() => {
                let why = format!("{ENDED}: {}", io::Error::from_raw_os_error(reason));
                record
                    .errors
                    .add_with_reason(ErrorKind::LoginFailed, Reason::Login(why));
            }
            Closed::Error(reason) => record
                .errors
                .add_with_reason(ErrorKind::ConnectionLost, Reason::Os(reason)),
            Closed::NotConnected(reason) => {
                record
                    .errors
                    .add_with_reason(ErrorKind::ConnectFailed, Reason::Os(reason));
                self.state = LinkState::Deaf;
                return None;
            }
        }
        self.state = LinkState::Down;
        self.login = None;
        Some(self.back_off_us())
    }

    /// A request has failed: the client throws the connection away and makes another one. Returns
    /// what there is to close.
    pub fn abandon(&mut self) -> Option<ConnectionId> {
        let id = self.id();
        self.state = LinkState::Down;
        self.login = None;
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
    ring.apply_commands(handler, &mut commands)?;
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

#[cfg(test)]
mod tests {
    use storm_pacemaker::wire::control::{ControlCode, encode_control};
    use storm_pacemaker::wire::message::{FRAME_PREFIX_BYTES, encode_plain};

    use super::*;

    #[test]
    fn the_end_of_a_login_may_come_once_more_and_nothing_else_is_taken_for_it() {
        let mut link = Link {
            just_logged_in: true,
            ..Link::default()
        };
        let mut end = Vec::new();
        encode_control(&mut end, ControlCode::SaslComplete);
        assert!(link.repeats_end_of_login(&end[FRAME_PREFIX_BYTES..]));
        assert!(!link.repeats_end_of_login(&end[FRAME_PREFIX_BYTES..]));
        let mut answer = Vec::new();
        encode_plain(&mut answer, MessageType::SendPulseResponse, 1);
        link.just_logged_in = true;
        assert!(!link.repeats_end_of_login(&answer[FRAME_PREFIX_BYTES..]));
        assert!(!link.repeats_end_of_login(&end[FRAME_PREFIX_BYTES..]));
    }

    #[test]
    fn failed_logins_back_off_like_lost_connections() {
        let (mut link, mut record) = (Link::default(), Record::default());
        let mut commands = Commands::default();
        let waits: Vec<Opening> = (0..3)
            .map(|_| link.fail_login("no".to_owned(), &mut record, &mut commands))
            .collect();
        let expected = [100_000, 200_000, 400_000].map(|wait_us| Opening::Failed { wait_us });
        assert_eq!(waits, expected);
        assert_eq!(record.errors.count(ErrorKind::LoginFailed), 3);
        assert!(commands.is_empty(), "there is nothing to close");
    }
}
