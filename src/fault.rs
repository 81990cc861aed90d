//! What peers do wrong, sorted by consequence: a [`Fault`] ends the peer's connection, a [`Refusal`]
//! answers one request. Each has one label, its name in metrics and logs. Errors of the daemon itself
//! are not here: they end the process.

use std::fmt;
use std::time::Duration;

use crate::access::{Denial, Right};
use crate::auth::LoginFailure;
use crate::store::StoreFull;
use crate::wire::frame::FrameError;
use crate::wire::message::{DecodeError, MessageType};

/// Why a connection ends. It ends with a RST, after which Storm's clients reconnect at once.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    Frame(FrameError),
    Decode(DecodeError),
    /// The peer sent a message that only servers send.
    NotARequest(MessageType),
    /// The peer sent a request without its data, or with data of another request.
    WrongData(MessageType),
    /// The peer sent a pulse to be stored that has an id and no details.
    NoDetails,
    /// The peer sent a control or SASL message, and the server has no login method.
    LoginNotOffered,
    /// The peer read no byte of its answers for this long (`limits.output_deadline`).
    SlowReader(Duration),
    /// A frame is not whole after 10 s, and arrives at fewer bytes a second than this.
    FrameTooSlow(u64),
    /// Half-received requests and unread answers fill `limits.buffered`, or the part of it that one address
    /// may have, and this connection held most for longest.
    BuffersFull,
    /// This many connections are open, as many as `limits.connections` allows.
    TooManyConnections(u64),
    /// `access.connect_from` does not list the peer's address.
    AddressNotListed,
    LoginFailed(LoginFailure),
    /// The peer sent a login message after a request. A request forfeits the login.
    LoginAfterRequest,
    /// The peer sent a login message after it had logged in.
    LoginAfterLogin,
    /// The messages of a login exceed this many bytes (`limits.handshake_size`).
    LoginTooLarge(u64),
    /// A login took longer than this (`limits.handshake_deadline`).
    LoginTooSlow(Duration),
    /// This many logins of the peer's address have failed (`limits.failed_logins`), so its login had
    /// to wait. It waited too long, or as many others were waiting already.
    LoginThrottled(u64),
    /// This many connections of the peer's address are open, as many as
    /// `limits.connections_per_address` allows.
    TooManyOfAddress(u64),
    /// This many connections of the peer's address have neither logged in nor sent an allowed pulse, as many
    /// as `limits.unauthenticated_per_address` allows.
    TooManyUnauthenticated(u64),
}

impl Fault {
    /// All labels. The metrics list each from the start, at zero.
    pub(crate) const LABELS: [&str; 27] = [
        "bad_frame",
        "bad_message",
        "not_a_request",
        "wrong_data",
        "no_details",
        "login_not_offered",
        "slow_reader",
        "frame_too_slow",
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

    /// The labels of logins that were judged and failed.
    pub(crate) const FAILED_LOGINS: [&str; 10] = [
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
            Fault::FrameTooSlow(_) => "frame_too_slow",
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
            Fault::Frame(error @ FrameError::Negative(_)) => write!(f, "{error}"),
            Fault::Frame(error @ FrameError::TooLarge { .. }) => {
                write!(f, "{error} (limits.frame_size)")
            }
            Fault::Decode(error) => write!(f, "{error}"),
            Fault::NotARequest(kind) => {
                write!(f, "the peer sent {kind:?}, which only a server sends")
            }
            Fault::WrongData(kind) => {
                write!(f, "the peer sent {kind:?} without the data that it needs")
            }
            Fault::NoDetails => write!(f, "the peer sent SendPulse without details"),
            Fault::LoginNotOffered => write!(
                f,
                "the peer tried to log in, but pacemaker.auth.method is NONE here; set the same \
                 method on both sides"
            ),
            Fault::SlowReader(time) => write!(
                f,
                "the peer read none of its answers for {} s (limits.output_deadline)",
                time.as_secs()
            ),
            Fault::FrameTooSlow(rate) => write!(
                f,
                "after 10 s a frame of the peer was not whole, and it arrived at less than {rate} bytes \
                 a second (limits.receive_rate)"
            ),
            Fault::BuffersFull => write!(
                f,
                "half-received requests and unread answers fill limits.buffered, or the half of it \
                 that one address may have, and this connection held most for longest"
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
                "the peer tried to log in after a request; a login must come first"
            ),
            Fault::LoginAfterLogin => write!(f, "the peer tried to log in twice"),
            Fault::LoginTooLarge(limit) => write!(
                f,
                "the messages of its login exceed {limit} bytes (limits.handshake_size)"
            ),
            Fault::LoginTooSlow(time) => write!(
                f,
                "its login took longer than {} s (limits.handshake_deadline)",
                time.as_secs()
            ),
            Fault::LoginThrottled(limit) => write!(
                f,
                "{limit} recent logins of its address have failed (limits.failed_logins), so its \
                 login had to wait; it waited too long, or too many others were waiting"
            ),
            Fault::TooManyOfAddress(limit) => write!(
                f,
                "{limit} connections of its address are open (limits.connections_per_address)"
            ),
            Fault::TooManyUnauthenticated(limit) => write!(
                f,
                "{limit} connections of its address have neither logged in nor sent an allowed pulse \
                 (limits.unauthenticated_per_address)"
            ),
        }
    }
}

/// Why a request is not carried out. The answer is NOT_AUTHORIZED, the protocol's only refusal. What is
/// stored does not change, and the connection stays open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Access(Denial),
    /// In bytes (`limits.path_length`).
    PathTooLong {
        bytes: usize,
        limit: u64,
    },
    /// In segments (`limits.path_depth`).
    PathTooDeep {
        limit: u64,
    },
    Store(StoreFull),
    /// The answer would exceed `limits.frame_size`, the bytes of the largest frame that clients accept.
    AnswerTooLarge {
        bytes: u64,
        limit: u64,
    },
    /// All pulses of a path would exceed `limits.frame_size` bytes. The answer is an empty
    /// GET_ALL_PULSE_FOR_PATH_RESPONSE, as Storm's daemon always answers this request.
    RecordsTooLarge {
        limit: u64,
    },
    /// The scans under way hold more than this many bytes on one shard.
    ScansFull {
        limit: u64,
    },
}

impl Refusal {
    /// All labels. The metrics list each from the start, at zero.
    pub(crate) const LABELS: [&str; 10] = [
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

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Refusal::Access(Denial::LoginNeeded(_)) => "not_authorized",
            Refusal::Access(Denial::MayNotConnect) => "address_not_listed",
            Refusal::Access(Denial::AddressNotListed(_)) => "address_not_listed",
            Refusal::Access(Denial::DeletesTooHigh) => "deletes_too_high",
            Refusal::PathTooLong { .. } => "path_too_long",
            Refusal::PathTooDeep { .. } => "path_too_deep",
            Refusal::Store(StoreFull::Keys) => "keys_full",
            Refusal::Store(StoreFull::Bytes) => "bytes_full",
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
                let (action, key) = match right {
                    Right::Read => ("reading", "auth.method"),
                    Right::Write => ("writing", "access.writes"),
                    Right::Delete => ("deleting", "access.deletes"),
                };
                write!(f, "{action} needs a login ({key})")
            }
            Refusal::Access(Denial::MayNotConnect) => {
                write!(f, "its address may no longer connect (access.connect_from)")
            }
            Refusal::Access(Denial::AddressNotListed(right)) => {
                let (action, key) = match right {
                    Right::Read => ("read", "access.reads_from"),
                    Right::Write => ("write", "access.writes_from"),
                    Right::Delete => ("delete", "access.deletes_from"),
                };
                write!(f, "its address may not {action} ({key})")
            }
            Refusal::Access(Denial::DeletesTooHigh) => write!(
                f,
                "only what is below a certain directory may be deleted (access.deletes_below)"
            ),
            Refusal::PathTooLong { bytes, limit } => write!(
                f,
                "the path has {bytes} bytes; at most {limit} are allowed (limits.path_length)"
            ),
            Refusal::PathTooDeep { limit } => write!(
                f,
                "the path has more than {limit} segments (limits.path_depth)"
            ),
            Refusal::Store(StoreFull::Keys) => write!(
                f,
                "the store is full; raise limits.stored_keys or delete dead topologies"
            ),
            Refusal::Store(StoreFull::Bytes) => write!(
                f,
                "the store is full; raise limits.stored_bytes or delete dead topologies"
            ),
            Refusal::AnswerTooLarge { bytes, limit } => write!(
                f,
                "the answer would have {bytes} bytes, and clients accept {limit} \
                 (limits.frame_size)"
            ),
            Refusal::RecordsTooLarge { limit } => write!(
                f,
                "all pulses of the path have more than {limit} bytes together, the most that \
                 clients accept (limits.frame_size)"
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

    /// The labels in the source of a `label` function, so that none is missing from the lists.
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
