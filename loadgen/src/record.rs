//! What one thread has seen: counts, errors by kind, and HdrHistograms of microseconds. Merged when
//! the threads are done.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Longer than any request lives (see `storm::GIVE_UP_AFTER_US`).
const LONGEST_US: u64 = 600_000_000;

/// What can go wrong, from the cluster's point of view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ErrorKind {
    /// A dial that did not become a connection.
    ConnectFailed,
    /// A standing connection that the server or the network ended.
    ConnectionLost,
    /// A login that the server refused, or that took longer than Storm's client waits. Its connection
    /// is closed.
    LoginFailed,
    /// A request that was in flight on such a connection.
    Abandoned,
    /// A pulse that could not be sent: its worker had no connection, or still waited for the answer
    /// to the one before, until the next one was due or the request had failed.
    Unsent,
    /// Answered later than Storm's client waits before it sends again.
    OverOneSecond,
    /// Not answered within the 11 s after which Storm's client gives up.
    Unanswered,
    /// An answer that says no: NOT_AUTHORIZED, which is also how a full server refuses.
    Refused,
    /// An answer that is no message, of the wrong type, or for a request that nobody made.
    BadAnswer,
    /// A read pulse that is not as it was sent.
    Corrupt,
    /// A read pulse that is older than the last one acknowledged before the read.
    Stale,
    /// A read pulse of another worker.
    Foreign,
    /// A read that found nothing where a pulse was acknowledged.
    Missing,
    /// A read that found a pulse whose deletion was acknowledged.
    Undead,
    /// A list without a topology of which a pulse was acknowledged.
    ListIncomplete,
    /// A list with a topology whose deletion was acknowledged.
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
    /// What was wrong with a login. The texts are few: none holds anything of a single connection.
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

    fn merge(&mut self, other: &Errors) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        for (reason, more) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += more;
        }
    }
}

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timed {
    /// From a pulse's planned instant to its answer.
    Pulse,
    /// One read of Nimbus.
    Get,
    List,
    /// A whole reading pass of Nimbus.
    Pass,
    /// One read for a page of the UI, and the whole page.
    UiGet,
    Page,
    /// A deletion: of a worker's own key as it exits, or of a topology's directory.
    Delete,
    /// From the dial to the connection, over the whole run.
    Connect,
    /// From the connection to the end of its login, over the whole run.
    Login,
    /// From a pulse's planned instant to when the generator got to it, whether its connection stood then
    /// or not: what the generator itself was late by.
    Lateness,
}

impl Timed {
    pub const ALL: [Timed; 10] = [
        Timed::Pulse,
        Timed::Get,
        Timed::List,
        Timed::Pass,
        Timed::UiGet,
        Timed::Page,
        Timed::Delete,
        Timed::Connect,
        Timed::Login,
        Timed::Lateness,
    ];

    /// Its name in reports and in `--expect`.
    pub const fn label(self) -> &'static str {
        match self {
            Timed::Pulse => "pulse",
            Timed::Get => "get",
            Timed::List => "list",
            Timed::Pass => "pass",
            Timed::UiGet => "ui_get",
            Timed::Page => "page",
            Timed::Delete => "delete",
            Timed::Connect => "connect",
            Timed::Login => "login",
            Timed::Lateness => "lateness",
        }
    }
}

/// A histogram of microseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub fn merge(&mut self, other: &Times) {
        self.0.add(&other.0).expect("all histograms have one range");
    }
}

impl Default for Times {
    fn default() -> Times {
        Times(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are valid"))
    }
}

/// Counts and times are those of the measured window, unless they say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Pulses due in the window, and what became of them.
    pub planned: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Connections that stood, over the whole run.
    pub connected: u64,
    /// Requests that were written again after a second without an answer, and the further answers
    /// that this brought.
    pub resent: u64,
    pub answered_twice: u64,
    times: [Times; Timed::ALL.len()],
    pub errors: Errors,
}

impl Record {
    pub fn time(&mut self, timed: Timed, us: u64) {
        self.times[timed as usize].record(us);
    }

    pub fn times(&self, timed: Timed) -> &Times {
        &self.times[timed as usize]
    }

    pub fn merge(&mut self, other: &Record) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connected += other.connected;
        self.resent += other.resent;
        self.answered_twice += other.answered_twice;
        for (times, more) in self.times.iter_mut().zip(&other.times) {
            times.merge(more);
        }
        self.errors.merge(&other.errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
        for (index, timed) in Timed::ALL.iter().enumerate() {
            assert_eq!(*timed as usize, index);
        }
    }

    #[test]
    fn merging_adds() {
        let mut one = Record::default();
        one.time(Timed::Pulse, 10);
        let refused = Reason::Os(111);
        one.errors
            .add_with_reason(ErrorKind::ConnectFailed, refused.clone());
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!(sum.times(Timed::Pulse).histogram().len(), 2);
        assert_eq!(sum.errors.count(ErrorKind::ConnectFailed), 2);
        assert_eq!(sum.errors.reasons().get(&refused), Some(&2));
    }
}
