//! Why a command failed, as one sentence each: which server, what was asked of it, and what to do.

use std::fmt;
use std::io;
use std::time::Duration;

use super::server::ServerName;
use super::text::shown;
use crate::auth::LoginFailure;
use crate::blocking_client::ClientError;
use crate::config::ConfigErrors;
use crate::units::Time;
use crate::wire::message::MessageType;
use crate::wire::{DecodeError, FrameError};

#[derive(Debug)]
pub(crate) enum CommandError {
    /// The command line is wrong: a sentence.
    Usage(String),
    Configuration(ConfigErrors),
    /// The server did not do what was asked of it.
    Request(Box<FailedRequest>),
    /// The answer is no, or cannot be used: a sentence.
    No(String),
    /// The result cannot be written.
    Output(io::Error),
}

#[derive(Debug)]
pub(crate) struct FailedRequest {
    pub server: ServerName,
    pub attempt: Attempt,
    /// How long the command waited at most.
    pub timeout: Duration,
    pub error: RequestError,
}

/// What was asked of a server.
#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    Connect,
    LogIn,
    Request { kind: MessageType, path: String },
}

#[derive(Debug)]
pub(crate) enum RequestError {
    /// The server's name has no address: why.
    NoAddress(String),
    Connection(ClientError),
    BadMessage(DecodeError),
    /// A message that does not answer the request.
    WrongAnswer(MessageType),
    /// NOT_AUTHORIZED.
    Refused {
        /// The command had logged in.
        logged_in: bool,
    },
}

impl CommandError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CommandError::Usage(_) | CommandError::Configuration(_) => 2,
            CommandError::Request(_) | CommandError::No(_) | CommandError::Output(_) => 1,
        }
    }
}

impl Attempt {
    fn is_deletion(&self) -> bool {
        use MessageType::{DeletePath, DeletePulseId};
        matches!(self, Attempt::Request { kind, .. } if matches!(kind, DeletePath | DeletePulseId))
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> CommandError {
        CommandError::Output(error)
    }
}

impl From<ClientError> for RequestError {
    fn from(error: ClientError) -> RequestError {
        RequestError::Connection(error)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Usage(why) | CommandError::No(why) => f.write_str(why),
            CommandError::Configuration(errors) => {
                write!(f, "the configuration is wrong:\n{errors}")
            }
            CommandError::Request(failed) => write!(f, "{failed}"),
            CommandError::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl fmt::Display for FailedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, attempt) = (&self.server, &self.attempt);
        match &self.error {
            RequestError::Connection(error) => {
                write_connection(f, server, attempt, self.timeout, error)
            }
            RequestError::Refused { .. } if attempt.is_deletion() => write!(
                f,
                "{server} refused to {attempt} (NOT_AUTHORIZED): it wants a login for deletions \
                 (access.deletes; --auth digest or kerberos), does not allow this address \
                 (access.deletes_from), or nothing so high up (access.deletes_below); its log says which"
            ),
            RequestError::NoAddress(why) => {
                let host = shown(&server.host);
                write!(
                    f,
                    "{host:?} has no address: {why}: name another server with --server HOST:PORT"
                )
            }
            RequestError::BadMessage(error) => write_not_pacemaker(f, server, attempt, error),
            RequestError::WrongAnswer(kind) => write!(
                f,
                "{server}, asked to {attempt}, answered with {}: it is not a working Pacemaker",
                kind.label()
            ),
            RequestError::Refused { logged_in: false } => write!(
                f,
                "{server} refused to {attempt} (NOT_AUTHORIZED): it wants a login (--auth digest or \
                 kerberos), or does not allow this address (access.*_from); its log says which"
            ),
            RequestError::Refused { logged_in: true } => write!(
                f,
                "{server} refused to {attempt} (NOT_AUTHORIZED) after a login: it does not allow this \
                 address (access.*_from), or one of its limits is reached; its log says which"
            ),
        }
    }
}

fn write_connection(
    f: &mut fmt::Formatter<'_>,
    server: &ServerName,
    attempt: &Attempt,
    timeout: Duration,
    error: &ClientError,
) -> fmt::Result {
    let is_login = matches!(attempt, Attempt::LogIn);
    match error {
        ClientError::Unreachable(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            write!(
                f,
                "nothing listens on {server} (connection refused): is the daemon running there? Name \
                 another server with --server HOST:PORT"
            )
        }
        ClientError::Unreachable(error) => write!(
            f,
            "cannot connect to {server}: {error}: check the address and the firewalls"
        ),
        ClientError::TimedOut => write!(
            f,
            "{server} has not answered within {} when asked to {attempt}: it is overloaded or stuck, \
             or something else listens there; --timeout waits longer",
            Time(timeout)
        ),
        ClientError::Closed | ClientError::Reset if is_login => write!(
            f,
            "{server} ended the connection during the login: the server has another user or password, \
             or another login method (pacemaker.auth.method); its log says why"
        ),
        ClientError::Closed | ClientError::Reset => write!(
            f,
            "{server} ended the connection when asked to {attempt}: its log says why; perhaps it is \
             not a Pacemaker"
        ),
        ClientError::Broken(error) => write!(
            f,
            "the connection to {server} broke when asked to {attempt}: {error}: try again"
        ),
        ClientError::BadFrame(FrameError::TooLarge { length, max }) if *length < 1 << 30 => write!(
            f,
            "{server}, asked to {attempt}, begins an answer of {length} bytes, but {max} are \
             allowed: raise limits.frame_size here (-c limits.frame_size=...)"
        ),
        ClientError::BadFrame(error) => write_not_pacemaker(f, server, attempt, error),
        ClientError::Login(failure) => write_login(f, server, failure),
    }
}

fn write_login(
    f: &mut fmt::Formatter<'_>,
    server: &ServerName,
    failure: &LoginFailure,
) -> fmt::Result {
    match failure {
        LoginFailure::WrongPassword => write!(
            f,
            "{server} does not know our password: section PacemakerDigest needs the same user and \
             password here and on the server"
        ),
        LoginFailure::Internal(why) => {
            write!(f, "cannot log in to {server}: {why}")?;
            if why.to_ascii_lowercase().contains("cache") {
                f.write_str(
                    ": get a ticket with kinit, or name a JAAS file with a keytab (--login-config)",
                )?;
            }
            Ok(())
        }
        failure => write!(f, "the login to {server} failed: {failure}"),
    }
}

fn write_not_pacemaker(
    f: &mut fmt::Formatter<'_>,
    server: &ServerName,
    attempt: &Attempt,
    why: &dyn fmt::Display,
) -> fmt::Result {
    write!(
        f,
        "{server}, asked to {attempt}, does not answer in Pacemaker's protocol ({why}): is the port \
         right?"
    )
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path) = match self {
            Attempt::Connect => return f.write_str("take a connection"),
            Attempt::LogIn => return f.write_str("log us in"),
            Attempt::Request { kind, path } => (kind, shown(path)),
        };
        match kind {
            MessageType::CreatePath => write!(f, "create {path}"),
            MessageType::GetAllNodesForPath => write!(f, "list {path}"),
            MessageType::GetPulse => write!(f, "get {path}"),
            MessageType::Exists => write!(f, "look for {path}"),
            MessageType::DeletePulseId => write!(f, "delete {path}"),
            MessageType::DeletePath => write!(f, "delete {path} and all below it"),
            MessageType::GetAllPulseForPath => write!(f, "get all below {path}"),
            other => write!(f, "{} {path}", other.label()),
        }
    }
}
