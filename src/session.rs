//! One peer's side of the protocol: which message may come next, and what it is: a request, or a step
//! of a login. It decides nothing about rights (see `access`) and touches neither store nor socket.

use std::borrow::Cow;

use crate::access::{Login, RequestKind};
use crate::auth::{Authenticator, Handshake, Identity, LoginFailure, Progress};
use crate::fault::Fault;
use crate::wire::control::{self, ControlCode};
use crate::wire::message::{Data, Message, MessageType};

/// Bytes of a login's message besides its token, so that empty ones count, too.
const MESSAGE_HEAD_BYTES: u64 = 16;

/// A peer's request, as it asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    pub kind: RequestKind,
    pub path: Cow<'a, str>,
    /// The pulse to store; empty unless the kind is SendPulse.
    pub details: &'a [u8],
    /// Comes back with the answer.
    pub message_id: i32,
}

/// What a message is.
#[derive(PartialEq, Eq, Debug)]
pub enum Received<'a> {
    Request(Request<'a>),
    /// A step of a login; the answer is written.
    LoginStep,
    /// The last step.
    LoggedIn(Identity),
}

/// What logins go by, and where their answers go.
#[derive(Debug)]
pub struct LoginContext<'a> {
    /// None where there is nothing to log in to.
    pub authenticator: Option<&'a Authenticator>,
    /// How large all messages of a login may be together.
    pub bytes: u64,
    /// Frames for the peer are appended here.
    pub out: &'a mut Vec<u8>,
}

/// Where one connection stands in the protocol.
#[derive(Debug)]
pub struct Session {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Without a method to log in with: any request may come at any time.
    NotRequired,
    /// Nothing has come yet.
    Fresh,
    LoggingIn(Box<LoggingIn>),
    LoggedIn,
    /// A request has come before a login: there will be none (Storm's daemon takes the handlers of
    /// the login out of the connection's pipeline then).
    Forfeited,
}

#[derive(Debug)]
struct LoggingIn {
    handshake: Handshake,
    bytes: u64,
}

impl Session {
    pub fn without_login() -> Session {
        Session {
            state: State::NotRequired,
        }
    }

    pub fn with_login() -> Session {
        Session {
            state: State::Fresh,
        }
    }

    pub fn login(&self) -> Login {
        match self.state {
            State::NotRequired => Login::NotRequired,
            State::Fresh | State::LoggingIn(_) | State::Forfeited => Login::Guest,
            State::LoggedIn => Login::User,
        }
    }

    /// Whether a login may begin, or has begun.
    pub fn may_log_in(&self) -> bool {
        matches!(self.state, State::Fresh | State::LoggingIn(_))
    }

    pub fn is_logging_in(&self) -> bool {
        matches!(self.state, State::LoggingIn(_))
    }

    /// Takes a message.
    ///
    /// # Errors
    /// The message has no place here, or the login has failed: the connection is to be ended.
    pub fn receive<'a>(
        &mut self,
        message: Message<'a>,
        login: LoginContext<'_>,
    ) -> Result<Received<'a>, Fault> {
        match message.kind {
            MessageType::ControlMessage | MessageType::SaslMessageToken => {
                self.login_step(message, login)
            }
            _ => {
                let request = request(message)?;
                match self.state {
                    State::Fresh | State::LoggingIn(_) => self.state = State::Forfeited,
                    State::NotRequired | State::LoggedIn | State::Forfeited => {}
                }
                Ok(Received::Request(request))
            }
        }
    }

    fn login_step<'a>(
        &mut self,
        message: Message<'_>,
        login: LoginContext<'_>,
    ) -> Result<Received<'a>, Fault> {
        let Some(authenticator) = login.authenticator else {
            return Err(Fault::LoginNotOffered);
        };
        let token = login_token(&message)?;
        let is_first = match &self.state {
            State::NotRequired => return Err(Fault::LoginNotOffered),
            State::LoggedIn => return Err(Fault::LoginAfterLogin),
            State::Forfeited => return Err(Fault::LoginAfterRequest),
            State::Fresh => true,
            State::LoggingIn(_) => false,
        };
        // A mechanism's first token is asked for, or comes unasked; later ones come.
        let asked = is_first && authenticator.is_server_first();
        if asked != token.is_none() {
            let why = match token {
                Some(_) => "it comes before the server's",
                None => "a token is asked for when the client has to send one",
            };
            return Err(Fault::LoginFailed(LoginFailure::OutOfOrder(why)));
        }
        let under_way = match &mut self.state {
            State::LoggingIn(under_way) => under_way,
            state => {
                let handshake = authenticator.begin();
                *state = State::LoggingIn(Box::new(LoggingIn {
                    handshake,
                    bytes: 0,
                }));
                let State::LoggingIn(under_way) = state else {
                    unreachable!("it has just been set")
                };
                under_way
            }
        };
        under_way.bytes += token.map_or(0, |token| token.len() as u64) + MESSAGE_HEAD_BYTES;
        if under_way.bytes > login.bytes {
            return Err(Fault::LoginTooLarge(login.bytes));
        }
        let mut answer = Vec::new();
        let progress = under_way
            .handshake
            .step(token, &mut answer)
            .map_err(Fault::LoginFailed)?;
        match progress {
            Progress::Continue => {
                control::encode_token(login.out, &answer);
                Ok(Received::LoginStep)
            }
            Progress::Done(identity) => {
                if !answer.is_empty() {
                    control::encode_token(login.out, &answer);
                }
                control::encode_control(login.out, ControlCode::SaslComplete);
                self.state = State::LoggedIn;
                Ok(Received::LoggedIn(identity))
            }
        }
    }
}

/// The token of a login's message; none if it asks for one.
fn login_token<'a>(message: &Message<'a>) -> Result<Option<&'a [u8]>, Fault> {
    let Some(Data::Blob(blob)) = message.data else {
        return Err(Fault::WrongData(message.kind));
    };
    if message.kind == MessageType::SaslMessageToken {
        return Ok(Some(control::decode_token(blob).map_err(Fault::Decode)?));
    }
    match control::decode_control(blob).map_err(Fault::Decode)? {
        ControlCode::SaslTokenRequest => Ok(None),
        ControlCode::Close
        | ControlCode::Ok
        | ControlCode::EndOfBatch
        | ControlCode::SaslComplete
        | ControlCode::Failure => Err(Fault::LoginFailed(LoginFailure::OutOfOrder(
            "a control message that clients do not send",
        ))),
    }
}

/// The request that a message is.
fn request(message: Message<'_>) -> Result<Request<'_>, Fault> {
    let kind = match message.kind {
        MessageType::CreatePath => RequestKind::CreatePath,
        MessageType::Exists => RequestKind::Exists,
        MessageType::SendPulse => return send_pulse(message),
        MessageType::GetAllPulseForPath => RequestKind::GetAllPulseForPath,
        MessageType::GetAllNodesForPath => RequestKind::GetAllNodesForPath,
        MessageType::GetPulse => RequestKind::GetPulse,
        MessageType::DeletePath => RequestKind::DeletePath,
        MessageType::DeletePulseId => RequestKind::DeletePulseId,
        MessageType::CreatePathResponse
        | MessageType::ExistsResponse
        | MessageType::SendPulseResponse
        | MessageType::GetAllPulseForPathResponse
        | MessageType::GetAllNodesForPathResponse
        | MessageType::GetPulseResponse
        | MessageType::DeletePathResponse
        | MessageType::DeletePulseIdResponse
        | MessageType::ControlMessage
        | MessageType::SaslMessageToken
        | MessageType::NotAuthorized => return Err(Fault::NotARequest(message.kind)),
    };
    let Some(Data::Path(path)) = message.data else {
        return Err(Fault::WrongData(message.kind));
    };
    Ok(Request {
        kind,
        path,
        details: &[],
        message_id: message.id,
    })
}

fn send_pulse(message: Message<'_>) -> Result<Request<'_>, Fault> {
    let Some(Data::Pulse(pulse)) = message.data else {
        return Err(Fault::WrongData(message.kind));
    };
    Ok(Request {
        kind: RequestKind::SendPulse,
        path: pulse.id,
        details: pulse.details.ok_or(Fault::NoDetails)?,
        message_id: message.id,
    })
}

#[cfg(test)]
mod tests;
