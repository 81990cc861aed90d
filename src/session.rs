//! One connection's side of the protocol: which message may come next, and whether it is a request or
//! a step of a login. A session decides nothing about rights (see [`crate::access`]) and touches neither
//! store nor socket.

use std::borrow::Cow;

use crate::access::{LoginStatus, RequestKind};
use crate::auth::{Authenticator, Handshake, Identity, LoginFailure, Progress};
use crate::fault::Fault;
use crate::wire::control::{self, ControlCode};
use crate::wire::message::{Data, Message, MessageType};

/// Bytes that a login message counts besides its token, so that empty messages are not free.
const MESSAGE_OVERHEAD_BYTES: u64 = 16;

/// A peer's request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) path: Cow<'a, str>,
    /// The pulse to store; empty unless the kind is SendPulse.
    pub(crate) details: &'a [u8],
    /// The answer carries the same id.
    pub(crate) message_id: i32,
}

/// What a message turned out to be.
#[derive(PartialEq, Eq, Debug)]
pub enum Received<'a> {
    Request(Request<'a>),
    /// A step of a login. Its answer is in [`LoginContext::out`].
    LoginStep,
    /// The last step of a login.
    LoggedIn(Identity),
}

/// What a session needs for a login.
#[derive(Debug)]
pub struct LoginContext<'a> {
    /// `None`: the server has no login method.
    pub authenticator: Option<&'a Authenticator>,
    /// Bytes of all messages of one login (`limits.handshake_size`).
    pub max_bytes: u64,
    /// Whole frames for the peer are appended here.
    pub out: &'a mut Vec<u8>,
}

/// Where one connection stands in the protocol.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The server had no login method when the peer connected: any request may come at any time.
    LoginNotRequired,
    /// Neither a request nor a complete login has come. `None`: nothing has come.
    LoginPossible(Option<Box<UnfinishedLogin>>),
    LoggedIn,
    /// A request came before a complete login, so there will be none: Storm's daemon then removes the
    /// login handlers from the connection's pipeline.
    LoginForfeited,
}

#[derive(Debug)]
struct UnfinishedLogin {
    handshake: Handshake,
    /// Of its messages so far.
    bytes: u64,
}

impl UnfinishedLogin {
    fn begin(authenticator: &Authenticator) -> Box<UnfinishedLogin> {
        Box::new(UnfinishedLogin {
            handshake: authenticator.begin(),
            bytes: 0,
        })
    }
}

impl Session {
    /// A session for a server without a login method.
    pub fn without_login() -> Session {
        Session {
            phase: Phase::LoginNotRequired,
        }
    }

    /// A session for a server with a login method.
    pub fn with_login() -> Session {
        Session {
            phase: Phase::LoginPossible(None),
        }
    }

    pub fn login_status(&self) -> LoginStatus {
        match self.phase {
            Phase::LoginNotRequired => LoginStatus::NotRequired,
            Phase::LoginPossible(_) | Phase::LoginForfeited => LoginStatus::NotLoggedIn,
            Phase::LoggedIn => LoginStatus::LoggedIn,
        }
    }

    /// Whether a login may begin or continue.
    pub(crate) fn may_log_in(&self) -> bool {
        matches!(self.phase, Phase::LoginPossible(_))
    }

    /// Whether a login has begun and is not complete.
    pub(crate) fn is_logging_in(&self) -> bool {
        matches!(self.phase, Phase::LoginPossible(Some(_)))
    }

    /// Bytes of memory that an unfinished login takes, besides the session itself.
    pub(crate) fn login_bytes(&self) -> usize {
        match &self.phase {
            Phase::LoginPossible(Some(login)) => {
                size_of::<UnfinishedLogin>() + login.handshake.memory_bytes(login.bytes as usize)
            }
            Phase::LoginNotRequired
            | Phase::LoginPossible(None)
            | Phase::LoggedIn
            | Phase::LoginForfeited => 0,
        }
    }

    /// Takes the connection's next message.
    ///
    /// # Errors
    /// The message may not come now, or the login failed. The caller must end the connection.
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
                match self.phase {
                    Phase::LoginPossible(_) => self.phase = Phase::LoginForfeited,
                    Phase::LoginNotRequired | Phase::LoggedIn | Phase::LoginForfeited => {}
                }
                Ok(Received::Request(request))
            }
        }
    }

    fn login_step<'a>(
        &mut self,
        message: Message<'_>,
        context: LoginContext<'_>,
    ) -> Result<Received<'a>, Fault> {
        let Some(authenticator) = context.authenticator else {
            return Err(Fault::LoginNotOffered);
        };
        let token = login_token(&message)?;
        let unfinished = match &mut self.phase {
            Phase::LoginPossible(unfinished) => unfinished,
            Phase::LoginNotRequired => return Err(Fault::LoginNotOffered),
            Phase::LoggedIn => return Err(Fault::LoginAfterLogin),
            Phase::LoginForfeited => return Err(Fault::LoginAfterRequest),
        };
        // A mechanism that begins with the server's token begins with a request for it. All other
        // messages of a login carry a token.
        let requests_token = unfinished.is_none() && authenticator.is_server_first();
        if requests_token != token.is_none() {
            return Err(Fault::LoginFailed(LoginFailure::OutOfOrder(
                if token.is_some() {
                    "the client sent a token before it asked for the server's"
                } else {
                    "the client asked for a token when it had to send one"
                },
            )));
        }
        let login = unfinished.get_or_insert_with(|| UnfinishedLogin::begin(authenticator));
        login.bytes += token.map_or(0, |token| token.len() as u64) + MESSAGE_OVERHEAD_BYTES;
        if login.bytes > context.max_bytes {
            return Err(Fault::LoginTooLarge(context.max_bytes));
        }
        let mut answer = Vec::new();
        let progress = login
            .handshake
            .step(token, &mut answer)
            .map_err(Fault::LoginFailed)?;
        match progress {
            Progress::Continue => {
                control::encode_token(context.out, &answer);
                Ok(Received::LoginStep)
            }
            Progress::Done(identity) => {
                if !answer.is_empty() {
                    control::encode_token(context.out, &answer);
                }
                control::encode_control(context.out, ControlCode::SaslComplete);
                self.phase = Phase::LoggedIn;
                Ok(Received::LoggedIn(identity))
            }
        }
    }
}

/// The token of a login message. `None`: the message asks the server for one.
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
            "the client sent a control message that only a server sends",
        ))),
    }
}

/// Turns a message into a request.
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
