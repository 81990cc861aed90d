//! The order of messages, with and without logins.

use super::*;
use crate::auth::secret::Secret;
use crate::auth::{Credentials, DigestCredentials, digest_md5};
use crate::wire::message::{Pulse, decode, encode_path};

fn receive(kind: MessageType, data: Option<Data<'_>>) -> Result<Request<'_>, Fault> {
    let message = Message { kind, data, id: 7 };
    let mut out = Vec::new();
    let login = LoginContext {
        authenticator: None,
        max_bytes: 0,
        out: &mut out,
    };
    match Session::without_login().receive(message, login)? {
        Received::Request(request) => Ok(request),
        other => panic!("{other:?}"),
    }
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
fn what_kills_storms_daemon_ends_one_connection() {
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

// ── Logins ───────────────────────────────────────────────────────────────────────────────────────

/// A session that logs in with DIGEST, and its answers.
struct Digest {
    session: Session,
    authenticator: Authenticator,
    out: Vec<u8>,
    max_bytes: u64,
}

fn credentials() -> DigestCredentials {
    DigestCredentials::of("user", &Secret::new("password".to_owned()))
}

impl Digest {
    fn new() -> Digest {
        let authenticator = Authenticator::new(&Credentials::Digest(credentials()));
        Digest {
            session: Session::with_login(),
            authenticator: authenticator.unwrap().unwrap(),
            out: Vec::new(),
            max_bytes: 64 * 1024,
        }
    }

    fn receive(&mut self, frame: &[u8]) -> Result<Received<'static>, Fault> {
        let login = LoginContext {
            authenticator: Some(&self.authenticator),
            max_bytes: self.max_bytes,
            out: &mut self.out,
        };
        let message = decode(&frame[4..]).unwrap();
        match self.session.receive(message, login)? {
            Received::Request(request) => Ok(Received::Request(Request {
                path: request.path.into_owned().into(),
                details: &[],
                ..request
            })),
            Received::LoginStep => Ok(Received::LoginStep),
            Received::LoggedIn(who) => Ok(Received::LoggedIn(who)),
        }
    }

    /// The token in the one frame that was answered.
    fn answered_token(&mut self) -> Vec<u8> {
        let frame = std::mem::take(&mut self.out);
        match decode(&frame[4..]).unwrap().data {
            Some(Data::Blob(blob)) => control::decode_token(blob).unwrap().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// Logs in up to the challenge. Returns the client's response to it.
    fn challenged(&mut self) -> Vec<u8> {
        assert_eq!(self.receive(&ask()), Ok(Received::LoginStep));
        let challenge = self.answered_token();
        let mut client = digest_md5::Client::new(&credentials(), "nimbus");
        token(&client.respond(&challenge).unwrap())
    }

    fn logged_in() -> Digest {
        let mut login = Digest::new();
        let response = login.challenged();
        assert_eq!(
            login.receive(&response),
            Ok(Received::LoggedIn("nimbus".into()))
        );
        login.out.clear();
        login
    }
}

fn ask() -> Vec<u8> {
    control_frame(ControlCode::SaslTokenRequest)
}

fn control_frame(code: ControlCode) -> Vec<u8> {
    let mut frame = Vec::new();
    control::encode_control(&mut frame, code);
    frame
}

fn token(token: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    control::encode_token(&mut frame, token);
    frame
}

fn get() -> Vec<u8> {
    let mut frame = Vec::new();
    encode_path(&mut frame, MessageType::GetPulse, "/w", 7);
    frame
}

#[test]
fn a_complete_login_is_kept() {
    let mut login = Digest::new();
    assert_eq!(login.session.login_status(), LoginStatus::NotLoggedIn);
    assert!(login.session.may_log_in());
    let response = login.challenged();
    assert!(login.session.is_logging_in());
    assert_eq!(
        login.receive(&response),
        Ok(Received::LoggedIn("nimbus".into()))
    );
    assert!(
        login
            .out
            .ends_with(&control_frame(ControlCode::SaslComplete))
    );
    assert_eq!(login.session.login_status(), LoginStatus::LoggedIn);
    assert!(matches!(login.receive(&get()), Ok(Received::Request(_))));
    assert_eq!(login.session.login_status(), LoginStatus::LoggedIn);
}

#[test]
fn a_request_before_the_login_is_complete_forfeits_it() {
    for begun in [false, true] {
        let mut login = Digest::new();
        let response = if begun { login.challenged() } else { ask() };
        assert!(matches!(login.receive(&get()), Ok(Received::Request(_))));
        assert_eq!(login.session.login_status(), LoginStatus::NotLoggedIn);
        assert!(!login.session.may_log_in());
        assert_eq!(login.receive(&response), Err(Fault::LoginAfterRequest));
    }
}

#[test]
fn login_messages_must_come_in_order() {
    let out_of_order = |outcome| match outcome {
        Err(Fault::LoginFailed(failure)) => assert_eq!(failure.label(), "login_out_of_order"),
        other => panic!("{other:?}"),
    };
    out_of_order(Digest::new().receive(&token(b"first")));
    let mut twice = Digest::new();
    twice.challenged();
    out_of_order(twice.receive(&ask()));
    for code in [
        ControlCode::SaslComplete,
        ControlCode::Close,
        ControlCode::Failure,
    ] {
        out_of_order(Digest::new().receive(&control_frame(code)));
    }
    for more in [ask(), token(b"more")] {
        assert_eq!(
            Digest::logged_in().receive(&more),
            Err(Fault::LoginAfterLogin)
        );
    }
}

#[test]
fn a_failed_login_gets_no_answer_and_no_second_try() {
    let mut login = Digest::new();
    let response = login.challenged();
    let failed = login.receive(&token(b"nonsense"));
    assert!(matches!(failed, Err(Fault::LoginFailed(_))), "{failed:?}");
    assert!(login.out.is_empty());
    assert_eq!(login.session.login_status(), LoginStatus::NotLoggedIn);
    assert!(login.receive(&response).is_err());
    assert_ne!(login.session.login_status(), LoginStatus::LoggedIn);
}

#[test]
fn the_messages_of_a_login_share_one_byte_limit() {
    let mut login = Digest::new();
    login.max_bytes = 40;
    assert_eq!(login.receive(&ask()), Ok(Received::LoginStep));
    assert_eq!(
        login.receive(&token(&[b'a'; 30])),
        Err(Fault::LoginTooLarge(40))
    );
}
