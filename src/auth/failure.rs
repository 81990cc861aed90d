//! Why a login failed. The peer is told nothing: its connection ends. The reason is for the log and
//! for metrics, and holds no secret.

use std::fmt;

use rsasl::mechanism::{MechanismError, MechanismErrorKind};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoginFailure {
    /// A token that is none: what is wrong with it.
    Malformed(&'static str),
    /// A token that the mechanism's exchange has no place for.
    OutOfOrder(&'static str),
    WrongPassword,
    /// The ticket is not valid, or not for us; the GSS library's own words.
    BadTicket(String),
    /// A valid ticket for another service.
    OtherService(String),
    /// The ticket is one user's and the client wants to be another.
    OtherIdentity {
        ticket: String,
        asked: String,
    },
    /// A valid login of somebody who is not among the users that may read.
    NotAUser(String),
    /// A user of the right name, from a realm that is not ours.
    ForeignRealm(String),
    /// The login could not be judged for a reason on our side.
    Ours(String),
}

impl LoginFailure {
    /// Its name in metrics and logs.
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
            LoginFailure::Ours(_) => "login_not_judged",
        }
    }
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoginFailure::Malformed(what) => write!(f, "a malformed token: {what}"),
            LoginFailure::OutOfOrder(what) => write!(f, "a token out of order: {what}"),
            LoginFailure::WrongPassword => f.write_str(
                "wrong password (user and password of PacemakerDigest must be the same here and at \
                 the client)",
            ),
            LoginFailure::BadTicket(why) => {
                write!(f, "the ticket was not accepted: {}", shown(why))
            }
            LoginFailure::OtherService(name) => write!(f, "its ticket is for {:?}", shown(name)),
            LoginFailure::OtherIdentity { ticket, asked } => {
                let (ticket, asked) = (shown(ticket), shown(asked));
                write!(
                    f,
                    "it has the ticket of {ticket:?} and wants to be {asked:?}"
                )
            }
            LoginFailure::NotAUser(name) => write!(
                f,
                "{:?} may not read (nimbus.daemon.user and kerberos.users name who may)",
                shown(name)
            ),
            LoginFailure::ForeignRealm(name) => write!(
                f,
                "{:?} is of another realm (kerberos.realms names further ones)",
                shown(name)
            ),
            LoginFailure::Ours(why) => write!(f, "it could not be judged: {}", shown(why)),
        }
    }
}

/// As much of a peer's text as a line of the log may hold.
pub fn shown(text: &str) -> &str {
    const SHOWN_BYTES: usize = 256;
    match text.len() > SHOWN_BYTES {
        true => &text[..text.floor_char_boundary(SHOWN_BYTES)],
        false => text,
    }
}

impl std::error::Error for LoginFailure {}

impl MechanismError for LoginFailure {
    fn kind(&self) -> MechanismErrorKind {
        match self {
            LoginFailure::Malformed(_) => MechanismErrorKind::Parse,
            LoginFailure::OutOfOrder(_) | LoginFailure::Ours(_) => MechanismErrorKind::Protocol,
            LoginFailure::WrongPassword
            | LoginFailure::BadTicket(_)
            | LoginFailure::OtherService(_)
            | LoginFailure::OtherIdentity { .. }
            | LoginFailure::NotAUser(_)
            | LoginFailure::ForeignRealm(_) => MechanismErrorKind::Outcome,
        }
    }
}
