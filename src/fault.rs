//! What goes wrong on a peer's account, sorted by what follows: a [`Fault`] ends the peer's
//! connection, a [`Refusal`] is the answer to one request. Each has one label, which is its name in
//! metrics and logs. Our own faults are not here: they end the process.

use std::fmt;
use std::time::Duration;

use crate::access::{Denial, Right};
use crate::auth::LoginFailure;
use crate::store::Full;
use crate::wire::frame::FrameError;
use crate::wire::message::{DecodeError, MessageType};

/// Ends the connection, with a RST: Storm's clients come back at once.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    Frame(FrameError),
    Decode(DecodeError),
    /// A message that only servers send.
    NotARequest(MessageType),
    /// A request without the data that it is about, or with another request's.
    WrongData(MessageType),
    /// A pulse that has an id and nothing else.
    NoDetails,
    /// A control or SASL message, and there is nothing to log in to.
    LoginNotOffered,
    /// The peer took no byte of its answers for this long.
    SlowReader(Duration),
    /// Half-received requests and unread answers of all connections have reached the bound, and
    /// this connection asked for more.
    BuffersFull,
    TooManyConnections(u64),
    /// The peer's address is in none of the networks that may connect.
    AddressNotListed,
    LoginFailed(LoginFailure),
    /// A login message of a peer that has given up its login by sending a request.
    LoginAfterRequest,
    /// A login message of a peer that has logged in.
    LoginAfterLogin,
    /// The messages of a login have more bytes than this.
    LoginTooLarge(u64),
    /// A login has taken longer than this.
    LoginTooSlow(Duration),
    /// More logins of the peer's address have failed than may, and too many others wait already, or
    /// this one has waited too long.
    LoginThrottled(u64),
    /// Connections of the peer's address, more than it may have.
    TooManyOfAddress(u64),
    /// Connections of the peer's address that have neither logged in nor done anything they may,
    /// more than it may have.
    TooManyUnauthenticated(u64),
}

impl Fault {
    /// All labels: a metric has each from the start.
    pub const LABELS: [&str; 26] = [
        "bad_frame",
        "bad_message",
        "not_a_request",
        "wrong_data",
        "no_details",
        "login_not_offered",
        "slow_reader",
        "buffers_full",
        "too_many_connections",
        "address_not_listed",
        "login_malformed",
        "login_out_of_order",
        "login_wrong_password",
        "login_bad_ticket",
        "login_other_service",
        "login_other_identity",
        "login_not_a_user",
        "login_foreign_realm",
        "login_not_judged",
        "login_after_request",
        "login_after_login",
        "login_too_large",
        "login_too_slow",
        "login_throttled",
        "too_many_of_address",
        "too_many_unauthenticated",
    ];

    /// Those of a login that was judged and did not succeed.
    pub const FAILED_LOGINS: [&str; 10] = [
        "login_malformed",
        "login_out_of_order",
        "login_wrong_password",
        "login_bad_ticket",
        "login_other_service",
        "login_other_identity",
        "login_not_a_user",
        "login_foreign_realm",
        "login_not_judged",
        "login_too_large",
    ];

    pub fn label(&self) -> &'static str {
        match self {
            Fault::Frame(_) => "bad_frame",
            Fault::Decode(_) => "bad_message",
            Fault::NotARequest(_) => "not_a_request",
            Fault::WrongData(_) => "wrong_data",
            Fault::NoDetails => "no_details",
            Fault::LoginNotOffered => "login_not_offered",
            Fault::SlowReader(_) => "slow_reader",
            Fault::BuffersFull => "buffers_full",
            Fault::TooManyConnections(_) => "too_many_connections",
            Fault::AddressNotListed => "address_not_listed",
            Fault::LoginFailed(failure) => failure.label(),
            Fault::LoginAfterRequest => "login_after_request",
            Fault::LoginAfterLogin => "login_after_login",
            Fault::LoginTooLarge(_) => "login_too_large",
            Fault::LoginTooSlow(_) => "login_too_slow",
            Fault::LoginThrottled(_) => "login_throttled",
            Fault::TooManyOfAddress(_) => "too_many_of_address",
            Fault::TooManyUnauthenticated(_) => "too_many_unauthenticated",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Frame(error) => write!(f, "{error}"),
            Fault::Decode(error) => write!(f, "{error}"),
            Fault::NotARequest(kind) => {
                write!(f, "it sent {kind:?}, which only a server sends")
            }
            Fault::WrongData(kind) => write!(f, "its {kind:?} lacks the data that belongs to it"),
            Fault::NoDetails => write!(f, "its SendPulse has no details"),
            Fault::LoginNotOffered => write!(
                f,
                "it tried to log in, but pacemaker.auth.method is NONE here: set it to NONE at \
                 the client, too"
            ),
            Fault::SlowReader(time) => write!(
                f,
                "it took no byte of its answers for {} s (limits.output_deadline)",
                time.as_secs()
            ),
            Fault::BuffersFull => write!(
                f,
                "half-received requests and unread answers have reached limits.buffered, and it \
                 asked for more"
            ),
            Fault::TooManyConnections(limit) => {
                write!(f, "{limit} connections are open (limits.connections)")
            }
            Fault::AddressNotListed => {
                write!(f, "its address may not connect (access.connect_from)")
            }
            Fault::LoginFailed(failure) => write!(f, "its login failed: {failure}"),
            Fault::LoginAfterRequest => write!(
                f,
                "it tried to log in after a request: whoever begins with one stays a guest"
            ),
            Fault::LoginAfterLogin => write!(f, "it tried to log in twice"),
            Fault::LoginTooLarge(limit) => write!(
                f,
                "its login has more than {limit} bytes (limits.handshake_size)"
            ),
            Fault::LoginTooSlow(time) => write!(
                f,
                "its login took longer than {} s (limits.handshake_deadline)",
                time.as_secs()
            ),
            Fault::LoginThrottled(limit) => write!(
                f,
                "{limit} logins of its address have failed of late, and too many wait for their turn \
                 (limits.failed_logins)"
            ),
            Fault::TooManyOfAddress(limit) => write!(
                f,
                "{limit} connections of its address are open (limits.connections_per_address)"
            ),
            Fault::TooManyUnauthenticated(limit) => write!(
                f,
                "{limit} connections of its address have not logged in \
                 (limits.unauthenticated_per_address)"
            ),
        }
    }
}

/// The answer to one request that is not carried out: NOT_AUTHORIZED, the only refusal that the
/// protocol has. Nothing stored is touched, the connection stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Access(Denial),
    PathTooLong {
        bytes: usize,
        limit: u64,
    },
    PathTooDeep {
        limit: u64,
    },
    Store(Full),
    /// A list that would not fit into a frame that clients accept.
    AnswerTooLarge {
        bytes: u64,
        limit: u64,
    },
    /// Records that would not fit. The one refusal that is answered without data, as Java answers
    /// this request always.
    RecordsTooLarge {
        limit: u64,
    },
    /// The scans under way hold more than this many bytes on one shard.
    ScansFull {
        limit: u64,
    },
}

impl Refusal {
    /// All labels: a metric has each from the start.
    pub const LABELS: [&str; 10] = [
        "not_authorized",
        "address_not_listed",
        "deletes_too_high",
        "path_too_long",
        "path_too_deep",
        "keys_full",
        "bytes_full",
        "answer_too_large",
        "records_too_large",
        "scans_full",
    ];

    pub fn label(&self) -> &'static str {
        match self {
            Refusal::Access(Denial::LoginNeeded(_)) => "not_authorized",
            Refusal::Access(Denial::MayNotConnect) => "address_not_listed",
            Refusal::Access(Denial::AddressNotListed(_)) => "address_not_listed",
            Refusal::Access(Denial::DeletesTooHigh) => "deletes_too_high",
            Refusal::PathTooLong { .. } => "path_too_long",
            Refusal::PathTooDeep { .. } => "path_too_deep",
            Refusal::Store(Full::Keys) => "keys_full",
            Refusal::Store(Full::Bytes) => "bytes_full",
            Refusal::AnswerTooLarge { .. } => "answer_too_large",
            Refusal::RecordsTooLarge { .. } => "records_too_large",
            Refusal::ScansFull { .. } => "scans_full",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Access(Denial::LoginNeeded(right)) => {
                let (what, why) = match right {
                    Right::Read => ("reads need", "auth.method"),
                    Right::Write => ("writes need", "access.writes"),
                    Right::Delete => ("deletions need", "access.deletes"),
                };
                write!(f, "{what} a login ({why})")
            }
            Refusal::Access(Denial::MayNotConnect) => {
                write!(
                    f,
                    "its address may not connect any more (access.connect_from)"
                )
            }
            Refusal::Access(Denial::AddressNotListed(right)) => {
                let (what, why) = match right {
                    Right::Read => ("read", "access.reads_from"),
                    Right::Write => ("write", "access.writes_from"),
                    Right::Delete => ("delete", "access.deletes_from"),
                };
                write!(f, "its address may not {what} ({why})")
            }
            Refusal::Access(Denial::DeletesTooHigh) => write!(
                f,
                "the deletion reaches beyond what deletions are confined to (access.deletes_below)"
            ),
            Refusal::PathTooLong { bytes, limit } => write!(
                f,
                "the path has {bytes} bytes, {limit} are allowed (limits.path_length)"
            ),
            Refusal::PathTooDeep { limit } => write!(
                f,
                "the path has more than {limit} segments (limits.path_depth)"
            ),
            Refusal::Store(Full::Keys) => write!(f, "the store is full (limits.stored_keys)"),
            Refusal::Store(Full::Bytes) => write!(f, "the store is full (limits.stored_bytes)"),
            Refusal::AnswerTooLarge { bytes, limit } => write!(
                f,
                "the answer has {bytes} bytes, clients accept {limit} (limits.frame_size)"
            ),
            Refusal::RecordsTooLarge { limit } => write!(
                f,
                "all pulses of the path have more than {limit} bytes, which clients do not accept \
                 (limits.frame_size)"
            ),
            Refusal::ScansFull { limit } => write!(
                f,
                "the lists under way hold more than {limit} bytes (limits.buffered); try again"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The text behind `=> "` in the functions that give labels: a new label must be in the lists.
    fn labels_in(source: &str) -> BTreeSet<&str> {
        let arms = source.lines().filter_map(|line| line.split_once(" => \""));
        let labels = arms.filter_map(|(_, rest)| rest.strip_suffix("\","));
        labels.collect()
    }

    #[test]
    fn the_lists_have_every_label() {
        let faults = labels_in(include_str!("fault.rs").split("impl fmt").next().unwrap());
        let refusals = include_str!("fault.rs")
            .split("impl Refusal")
            .nth(1)
            .unwrap();
        let refusals = labels_in(refusals.split("impl fmt").next().unwrap());
        let failures = labels_in(
            include_str!("auth/failure.rs")
                .split("impl fmt")
                .next()
                .unwrap(),
        );
        assert!(failures.len() >= 9 && faults.len() >= 16);
        assert_eq!(
            BTreeSet::from(Fault::LABELS),
            faults.union(&failures).copied().collect()
        );
        assert_eq!(BTreeSet::from(Refusal::LABELS), refusals);
        for label in failures.iter().chain(&Fault::FAILED_LOGINS) {
            assert!(Fault::LABELS.contains(label) && Fault::FAILED_LOGINS.contains(label));
        }
    }
}
