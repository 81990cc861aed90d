//! Why a login failed. The peer learns nothing: its connection ends. The reason goes to the log and to
//! the metrics, and never contains a secret.

use std::fmt;

use rsasl::mechanism::{MechanismError, MechanismErrorKind};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoginFailure {
    /// The token violates the mechanism's syntax or rules: what was expected.
    Malformed(&'static str),
    /// The exchange expects no token, or another one, at this point.
    OutOfOrder(&'static str),
    WrongPassword,
    /// The ticket is not valid, or not for this server: the GSS library's message.
    BadTicket(String),
    /// A valid ticket for another service: the principal of that service.
    OtherService(String),
    /// The ticket belongs to one user and the client asks to log in as another.
    OtherIdentity {
        ticket: String,
        wanted: String,
    },
    /// A valid ticket of a principal that is not among the users that may log in.
    NotAUser(String),
    /// A valid ticket of a user that may log in, but from a realm that is not trusted.
    ForeignRealm(String),
    /// The login could not be judged, and the peer is not at fault: why.
    Internal(String),
}

impl LoginFailure {
    /// Its label in metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            LoginFailure::Malformed(_) => "login_malformed",
            LoginFailure::OutOfOrder(_) => "login_out_of_order",
            LoginFailure::WrongPassword => "login_wrong_password",
            LoginFailure::BadTicket(_) => "login_bad_ticket",
            LoginFailure::OtherService(_) => "login_other_service",
            LoginFailure::OtherIdentity { .. } => "login_other_identity",
            LoginFailure::NotAUser(_) => "login_not_a_user",
            LoginFailure::ForeignRealm(_) => "login_foreign_realm",
            LoginFailure::Internal(_) => "login_not_judged",
        }
    }
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoginFailure::Malformed(what) => write!(f, "malformed token: {what}"),
            LoginFailure::OutOfOrder(what) => write!(f, "token out of order: {what}"),
            LoginFailure::WrongPassword => f.write_str(
                "wrong password: user and password in section PacemakerDigest must be the same on \
                 both sides",
            ),
            LoginFailure::BadTicket(why) => {
                write!(f, "the ticket was not accepted: {}", clip_for_log(why))
            }
            LoginFailure::OtherService(name) => {
                let name = clip_for_log(name);
                write!(f, "the ticket is for another service: {name:?}")
            }
            LoginFailure::OtherIdentity { ticket, wanted } => {
                let (ticket, wanted) = (clip_for_log(ticket), clip_for_log(wanted));
                write!(
                    f,
                    "the ticket belongs to {ticket:?}, but the client asks to log in as {wanted:?}"
                )
            }
            LoginFailure::NotAUser(name) => write!(
                f,
                "{:?} may not log in: nimbus.daemon.user and kerberos.users list the users that may",
                clip_for_log(name)
            ),
            LoginFailure::ForeignRealm(name) => write!(
                f,
                "{:?} is from another realm: kerberos.realms lists further realms that are trusted",
                clip_for_log(name)
            ),
            LoginFailure::Internal(why) => {
                write!(f, "the login could not be judged: {}", clip_for_log(why))
            }
        }
    }
}

/// The start of a peer's text, short enough for one line of the log.
pub(crate) fn clip_for_log(text: &str) -> &str {
    const MAX_BYTES: usize = 256;
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

impl std::error::Error for LoginFailure {}

impl MechanismError for LoginFailure {
    fn kind(&self) -> MechanismErrorKind {
        match self {
            LoginFailure::Malformed(_) => MechanismErrorKind::Parse,
            LoginFailure::OutOfOrder(_) | LoginFailure::Internal(_) => MechanismErrorKind::Protocol,
            LoginFailure::WrongPassword
            | LoginFailure::BadTicket(_)
            | LoginFailure::OtherService(_)
            | LoginFailure::OtherIdentity { .. }
            | LoginFailure::NotAUser(_)
            | LoginFailure::ForeignRealm(_) => MechanismErrorKind::Outcome,
        }
    }
}
