//! What goes wrong between a command and its server, as one sentence each: which server, what was
//! asked, and what to do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use super::server::Server;
use super::text::shown;
use crate::auth::LoginFailure;
use crate::config::{ConfigErrors, Time};
use crate::wire::message::MessageType;
use crate::wire::{DecodeError, FrameError};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be: a sentence.
    Usage(String),
    Configuration(ConfigErrors),
    /// The server, while this was wanted of it.
    Server {
        server: Server,
        asked: Asked,
        trouble: Trouble,
    },
    /// The answer is no, or what it holds cannot be used: a sentence.
    No(String),
    /// What was found out cannot be written.
    Output(io::Error),
}

/// What a server was asked to do, for the sentence.
#[derive(Clone, Debug)]
pub enum Asked {
    Connect,
    LogIn,
    Request { kind: MessageType, path: String },
}

#[derive(Debug)]
pub enum Trouble {
    /// Its name has no address; why.
    NoAddress(String),
    Unreachable(io::Error),
    /// No answer for this long.
    Silent(Duration),
    Closed,
    Broken(io::Error),
    BadFrame(FrameError),
    BadMessage(DecodeError),
    /// A message that does not answer what was asked.
    OtherAnswer(MessageType),
    /// NOT_AUTHORIZED; whether we had logged in.
    Refused {
        logged_in: bool,
    },
    Login(LoginFailure),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::Configuration(_) => 2,
            Failure::Server { .. } | Failure::No(_) | Failure::Output(_) => 1,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(why) | Failure::No(why) => f.write_str(why),
            Failure::Configuration(errors) => write!(f, "the configuration is wrong:\n{errors}"),
            Failure::Server {
                server,
                asked,
                trouble,
            } => sentence(f, server, asked, trouble),
            Failure::Output(error) => write!(f, "cannot write what was found: {error}"),
        }
    }
}

fn sentence(
    f: &mut fmt::Formatter<'_>,
    server: &Server,
    asked: &Asked,
    trouble: &Trouble,
) -> fmt::Result {
    let is_login = matches!(asked, Asked::LogIn);
    match trouble {
        Trouble::NoAddress(why) => {
            let host = shown(&server.host);
            write!(
                f,
                "{host:?} has no address: {why}: name another with --server HOST:PORT"
            )
        }
        Trouble::Unreachable(error) if error.kind() == io::ErrorKind::ConnectionRefused => write!(
            f,
            "nothing listens on {server} (connection refused): is the daemon running there? Name \
             another with --server HOST:PORT"
        ),
        Trouble::Unreachable(error) => {
            write!(
                f,
                "cannot connect to {server}: {error}: check address and firewalls"
            )
        }
        Trouble::Silent(time) => write!(
            f,
            "{server} has not answered within {} when asked to {asked}: it is overloaded or stuck, or \
             something else listens there; --timeout gives it longer",
            Time(*time)
        ),
        Trouble::Closed if is_login => write!(
            f,
            "{server} ended the connection during the login: user or password are others there, or it \
             has another login method (pacemaker.auth.method); its log says why"
        ),
        Trouble::Closed => write!(
            f,
            "{server} ended the connection when asked to {asked}: its log says why; something else \
             than a Pacemaker may be listening there"
        ),
        Trouble::Broken(error) => {
            write!(
                f,
                "the connection to {server} broke when asked to {asked}: {error}: try again"
            )
        }
        Trouble::BadFrame(FrameError::TooLarge { length, max }) if *length < 1 << 30 => write!(
            f,
            "{server}, asked to {asked}, begins an answer of {length} bytes, more than the {max} that \
             are allowed: raise limits.frame_size here (-c limits.frame_size=...)"
        ),
        Trouble::BadFrame(error) => not_pacemaker(f, server, asked, error),
        Trouble::BadMessage(error) => not_pacemaker(f, server, asked, error),
        Trouble::OtherAnswer(kind) => write!(
            f,
            "{server}, asked to {asked}, answered with {}: it is no Pacemaker, or a broken one",
            kind.label()
        ),
        Trouble::Refused { logged_in: false } => write!(
            f,
            "{server} refused to {asked} (NOT_AUTHORIZED): it asks for a login (--auth digest or \
             kerberos), or this address may not (access.*_from); its log says which"
        ),
        Trouble::Refused { logged_in: true } => write!(
            f,
            "{server} refused to {asked} (NOT_AUTHORIZED) even after the login: this address may not \
             (access.*_from), or a limit of the server is in the way; its log says which"
        ),
        Trouble::Login(LoginFailure::WrongPassword) => write!(
            f,
            "{server} does not know our password: user and password of section PacemakerDigest must be \
             the same here and there"
        ),
        Trouble::Login(LoginFailure::Internal(why)) => {
            write!(f, "cannot log in to {server}: {why}")?;
            f.write_str(match why.to_ascii_lowercase().contains("cache") {
                true => {
                    ": get a ticket with kinit, or name a JAAS file with a keytab (--login-config)"
                }
                false => "",
            })
        }
        Trouble::Login(failure) => write!(f, "the login to {server} failed: {failure}"),
    }
}

fn not_pacemaker(
    f: &mut fmt::Formatter<'_>,
    server: &Server,
    asked: &Asked,
    why: &dyn fmt::Display,
) -> fmt::Result {
    write!(
        f,
        "{server}, asked to {asked}, does not answer in Pacemaker's protocol ({why}): is it the right \
         port?"
    )
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path) = match self {
            Asked::Connect => return f.write_str("take a connection"),
            Asked::LogIn => return f.write_str("log us in"),
            Asked::Request { kind, path } => (kind, shown(path)),
        };
        match kind {
            MessageType::CreatePath => write!(f, "create {path}"),
            MessageType::GetAllNodesForPath => write!(f, "list {path}"),
            MessageType::GetPulse => write!(f, "get {path}"),
            MessageType::GetAllPulseForPath => write!(f, "get all below {path}"),
            other => write!(f, "{} {path}", other.label()),
        }
    }
}
