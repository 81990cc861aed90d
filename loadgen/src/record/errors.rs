//! What went wrong in a run: counts by kind, and the reasons of failed dials and lost connections.

use std::collections::BTreeMap;

/// What can go wrong, as the cluster sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ErrorKind {
    /// A dial failed.
    ConnectFailed,
    /// The server or the network ended a connection.
    ConnectionLost,
    /// The server refused a login, or it took longer than Storm's client waits. The connection is closed.
    LoginFailed,
    /// A request was in flight on a connection that ended.
    Abandoned,
    /// A pulse could not be sent: until the next one was due or the request had failed, its worker had no
    /// connection or waited for the answer to the previous pulse.
    Unsent,
    /// Answered after the time at which Storm's client repeats the request.
    OverOneSecond,
    /// Not answered within the 11 s after which Storm's client gives up.
    Unanswered,
    /// The answer NOT_AUTHORIZED, with which a full server refuses, too.
    Refused,
    /// An answer that is not a message, has the wrong type, or belongs to no request.
    BadAnswer,
    /// A read returned a pulse that differs from what was sent.
    Corrupt,
    /// A read returned a pulse older than the last one acknowledged before the read.
    Stale,
    /// A read returned a pulse of another worker.
    Foreign,
    /// A read found nothing although a pulse was acknowledged.
    Missing,
    /// A read found a pulse whose deletion was acknowledged.
    Undead,
    /// A list lacks a topology of which a pulse was acknowledged.
    ListIncomplete,
    /// A list has a topology whose deletion was acknowledged.
    ListStale,
}

impl ErrorKind {
    pub const ALL: [ErrorKind; 16] = [
        ErrorKind::ConnectFailed,
        ErrorKind::ConnectionLost,
        ErrorKind::LoginFailed,
        ErrorKind::Abandoned,
        ErrorKind::Unsent,
        ErrorKind::OverOneSecond,
        ErrorKind::Unanswered,
        ErrorKind::Refused,
        ErrorKind::BadAnswer,
        ErrorKind::Corrupt,
        ErrorKind::Stale,
        ErrorKind::Foreign,
        ErrorKind::Missing,
        ErrorKind::Undead,
        ErrorKind::ListIncomplete,
        ErrorKind::ListStale,
    ];

    /// Its name in reports and in `--expect`.
    pub const fn label(self) -> &'static str {
        match self {
            ErrorKind::ConnectFailed => "connect_failed",
            ErrorKind::ConnectionLost => "connection_lost",
            ErrorKind::LoginFailed => "login_failed",
            ErrorKind::Abandoned => "abandoned",
            ErrorKind::Unsent => "unsent",
            ErrorKind::OverOneSecond => "over_1s",
            ErrorKind::Unanswered => "unanswered",
            ErrorKind::Refused => "refused",
            ErrorKind::BadAnswer => "bad_answer",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Stale => "stale",
            ErrorKind::Foreign => "foreign",
            ErrorKind::Missing => "missing",
            ErrorKind::Undead => "undead",
            ErrorKind::ListIncomplete => "list_incomplete",
            ErrorKind::ListStale => "list_stale",
        }
    }
}

/// Errors of the whole run, warm-up included.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    counts: [u64; ErrorKind::ALL.len()],
    reasons: BTreeMap<Reason, u64>,
}

/// Why a dial or a login failed, or a connection was lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The operating system's error number.
    Os(i32),
    /// What was wrong with a login. There are few texts, as none names a single connection.
    Login(String),
}

impl Errors {
    pub fn add(&mut self, kind: ErrorKind) {
        self.counts[kind as usize] += 1;
    }

    pub fn add_with_reason(&mut self, kind: ErrorKind, reason: Reason) {
        self.add(kind);
        *self.reasons.entry(reason).or_default() += 1;
    }

    pub fn count(&self, kind: ErrorKind) -> u64 {
        self.counts[kind as usize]
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn reasons(&self) -> &BTreeMap<Reason, u64> {
        &self.reasons
    }

    pub fn merge(&mut self, other: &Errors) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        for (reason, more) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_in_the_order_of_the_list() {
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }
}
