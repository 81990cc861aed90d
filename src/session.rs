//! One peer's side of the protocol: which message may come next, and what request it is. It decides
//! nothing about rights (see `access`) and touches neither store nor socket.

use std::borrow::Cow;

use crate::access::{Login, RequestKind};
use crate::fault::Fault;
use crate::wire::message::{Data, Message, MessageType};

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

/// Where one connection stands in the protocol. Without a method to log in with there is one state:
/// any request may come at any time.
#[derive(Debug)]
pub struct Session {
    login: Login,
}

impl Session {
    pub fn without_login() -> Session {
        Session {
            login: Login::NotRequired,
        }
    }

    pub fn login(&self) -> Login {
        self.login
    }

    /// The request that a message is.
    pub fn receive<'a>(&mut self, message: Message<'a>) -> Result<Request<'a>, Fault> {
        let kind = match message.kind {
            MessageType::CreatePath => RequestKind::CreatePath,
            MessageType::Exists => RequestKind::Exists,
            MessageType::SendPulse => return send_pulse(message),
            MessageType::GetAllPulseForPath => RequestKind::GetAllPulseForPath,
            MessageType::GetAllNodesForPath => RequestKind::GetAllNodesForPath,
            MessageType::GetPulse => RequestKind::GetPulse,
            MessageType::DeletePath => RequestKind::DeletePath,
            MessageType::DeletePulseId => RequestKind::DeletePulseId,
            MessageType::ControlMessage | MessageType::SaslMessageToken => {
                return Err(Fault::LoginNotOffered);
            }
            MessageType::CreatePathResponse
            | MessageType::ExistsResponse
            | MessageType::SendPulseResponse
            | MessageType::GetAllPulseForPathResponse
            | MessageType::GetAllNodesForPathResponse
            | MessageType::GetPulseResponse
            | MessageType::DeletePathResponse
            | MessageType::DeletePulseIdResponse
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
mod tests {
    use super::*;
    use crate::wire::message::Pulse;

    fn receive(kind: MessageType, data: Option<Data<'_>>) -> Result<Request<'_>, Fault> {
        let message = Message { kind, data, id: 7 };
        Session::without_login().receive(message)
    }

    fn path() -> Option<Data<'static>> {
        Some(Data::Path("/w".into()))
    }

    fn pulse(details: Option<&[u8]>) -> Option<Data<'_>> {
        Some(Data::Pulse(Pulse {
            id: "/w".into(),
            details,
        }))
    }

    #[test]
    fn requests_carry_their_data_and_id() {
        let get = receive(MessageType::GetPulse, path()).unwrap();
        assert_eq!((get.kind, &*get.path), (RequestKind::GetPulse, "/w"));
        let put = receive(MessageType::SendPulse, pulse(Some(b"x"))).unwrap();
        assert_eq!((put.details, put.message_id), (&b"x"[..], 7));
        let empty = receive(MessageType::SendPulse, pulse(Some(b""))).unwrap();
        assert_eq!(empty.details, b"");
    }

    #[test]
    fn what_kills_java_ends_one_connection() {
        use MessageType as T;
        let login = Err(Fault::LoginNotOffered);
        assert_eq!(receive(T::ControlMessage, Some(Data::Blob(b""))), login);
        assert_eq!(receive(T::SaslMessageToken, None), login);
        assert_eq!(receive(T::SendPulse, pulse(None)), Err(Fault::NoDetails));
        for (kind, data) in [
            (T::SendPulse, None),
            (T::SendPulse, path()),
            (T::GetPulse, pulse(Some(b"x"))),
            (T::GetPulse, None),
            (T::CreatePath, Some(Data::Bool(true))),
        ] {
            assert_eq!(receive(kind, data), Err(Fault::WrongData(kind)));
        }
        for kind in [T::SendPulseResponse, T::NotAuthorized] {
            assert_eq!(receive(kind, path()), Err(Fault::NotARequest(kind)));
        }
    }
}
