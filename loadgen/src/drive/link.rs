//! One connection of the cluster to a server: whether it is open and logged in, and what is queued for it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use storm_pacemaker::client_login::{ClientLogin, ClientMethod};
use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::io::EventLoop;
use storm_pacemaker::wire::{MessageType, decode};

use crate::record::{ErrorKind, Reason, Record, Timed};
use crate::storm;

/// Reasons of failed logins without a message. Servers refuse a login by ending the connection.
pub(super) const ENDED: &str = "the server ended the connection";
pub(super) const NO_FRAME: &str = "a frame with an invalid length";
pub(super) const TOO_LONG: &str = "it took longer than 11 s, after which Storm's client gives up";

#[derive(Debug, Default)]
pub(super) struct Link {
    pub state: LinkState,
    pub outbox: Outbox,
    /// Failed dials and lost connections since the last answer.
    failures: u32,
    /// Set while the state is `LoggingIn`.
    login: Option<Box<ClientLogin>>,
    /// No frame has come since the login.
    just_logged_in: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum LinkState {
    #[default]
    Down,
    Dialling {
        id: ConnectionId,
        since_us: u64,
    },
    /// Connected, but no request may be written yet.
    LoggingIn {
        id: ConnectionId,
        since_us: u64,
    },
    Up(ConnectionId),
    /// The server has sent a FIN or refused the dial. Storm's 2.x client does not notice this until a request
    /// has failed.
    Deaf,
}

/// The progress of a connection that opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    /// Requests may be written.
    Up,
    LoggingIn,
    /// The login failed, which has been counted. Dial again after this wait.
    Failed {
        wait_us: u64,
    },
}

impl Link {
    pub(super) fn up(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Up(id) => Some(id),
            LinkState::Down
            | LinkState::Dialling { .. }
            | LinkState::LoggingIn { .. }
            | LinkState::Deaf => None,
        }
    }

    pub(super) fn id(&self) -> Option<ConnectionId> {
        match self.state {
            LinkState::Down | LinkState::Deaf => None,
            LinkState::Dialling { id, .. }
            | LinkState::LoggingIn { id, .. }
            | LinkState::Up(id) => Some(id),
        }
    }

    pub(super) fn is_logging_in(&self) -> bool {
        matches!(self.state, LinkState::LoggingIn { .. })
    }

    /// Dials. If this fails at once, returns the wait before the next attempt, in microseconds.
    pub(super) fn dial(
        &mut self,
        event_loop: &mut EventLoop,
        to: SocketAddr,
        from: Option<IpAddr>,
        now_us: u64,
        record: &mut Record,
    ) -> Result<ConnectionId, u64> {
        match event_loop.connect(to, from) {
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

    /// The connection is established. Begins the login if there is a method.
    pub(super) fn opened(
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

    /// Takes a frame of the login.
    pub(super) fn log_in(
        &mut self,
        body: &[u8],
        now_us: u64,
        record: &mut Record,
        commands: &mut Commands,
    ) -> Opening {
        let (LinkState::LoggingIn { id, since_us }, Some(mut login)) =
            (self.state, self.login.take())
        else {
            unreachable!("no login is under way");
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

    /// Counts a failed login and closes its connection.
    pub(super) fn fail_login(
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

    /// Skips a second end of the login, which Storm's daemon sends with Kerberos. Returns whether the frame
    /// was one.
    pub(super) fn skip_second_end_of_login(&mut self, body: &[u8]) -> bool {
        std::mem::take(&mut self.just_logged_in)
            && decode(body).is_ok_and(|message| message.kind == MessageType::ControlMessage)
    }

    /// The server has sent a FIN.
    pub(super) fn finished(&mut self, record: &mut Record) {
        record.errors.add(ErrorKind::ConnectionLost);
        self.state = LinkState::Deaf;
    }

    /// Counts the end of the connection, and returns the wait before dialling again, in microseconds. `None`:
    /// Storm's client does not notice the end. `is_move`: a RST is no error.
    pub(super) fn closed(
        &mut self,
        why: Closed,
        is_move: bool,
        record: &mut Record,
    ) -> Option<u64> {
        match why {
            // The reason has been counted.
            Closed::ByUs if self.state == LinkState::Deaf => return None,
            Closed::ByUs => {}
            Closed::Error(reason) if self.is_logging_in() => {
                let why = format!("{ENDED}: {}", io::Error::from_raw_os_error(reason));
                record
                    .errors
                    .add_with_reason(ErrorKind::LoginFailed, Reason::Login(why));
            }
            Closed::Error(_) if is_move => record.moved += 1,
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

    /// The client drops the connection, for instance after a failed request. Returns the connection to close.
    pub(super) fn abandon(&mut self) -> Option<ConnectionId> {
        let id = self.id();
        self.state = LinkState::Down;
        self.login = None;
        id
    }

    /// An answer has come, so the server works.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    fn back_off_us(&mut self) -> u64 {
        self.failures = self.failures.saturating_add(1);
        storm::back_off_us(self.failures)
    }
}

#[cfg(test)]
mod tests {
    use storm_pacemaker::wire::control::{ControlCode, encode_control};
    use storm_pacemaker::wire::message::{FRAME_PREFIX_BYTES, encode_plain};

    use super::*;

    #[test]
    fn the_end_of_a_login_may_come_twice() {
        let mut link = Link {
            just_logged_in: true,
            ..Link::default()
        };
        let mut end = Vec::new();
        encode_control(&mut end, ControlCode::SaslComplete);
        assert!(link.skip_second_end_of_login(&end[FRAME_PREFIX_BYTES..]));
        assert!(!link.skip_second_end_of_login(&end[FRAME_PREFIX_BYTES..]));
        let mut answer = Vec::new();
        encode_plain(&mut answer, MessageType::SendPulseResponse, 1);
        link.just_logged_in = true;
        assert!(!link.skip_second_end_of_login(&answer[FRAME_PREFIX_BYTES..]));
        assert!(!link.skip_second_end_of_login(&end[FRAME_PREFIX_BYTES..]));
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
