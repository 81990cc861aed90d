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
    /// A request that was in flight on such a connection.
    Abandoned,
    /// A pulse that was overtaken by the next one before its worker had a connection.
    Unsent,
    /// Answered later than Storm's client waits before it sends again.
    OverOneSecond,
    /// Not answered within the 11 s after which Storm's client gives up.
    Unanswered,
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
    /// A list without a topology of which a pulse was acknowledged.
    ListIncomplete,
}

impl ErrorKind {
    pub const ALL: [ErrorKind; 12] = [
        ErrorKind::ConnectFailed,
        ErrorKind::ConnectionLost,
        ErrorKind::Abandoned,
        ErrorKind::Unsent,
        ErrorKind::OverOneSecond,
        ErrorKind::Unanswered,
        ErrorKind::BadAnswer,
        ErrorKind::Corrupt,
        ErrorKind::Stale,
        ErrorKind::Foreign,
        ErrorKind::Missing,
        ErrorKind::ListIncomplete,
    ];

    /// Its name in reports and in `--expect`.
    pub const fn label(self) -> &'static str {
        match self {
            ErrorKind::ConnectFailed => "connect_failed",
            ErrorKind::ConnectionLost => "connection_lost",
            ErrorKind::Abandoned => "abandoned",
            ErrorKind::Unsent => "unsent",
            ErrorKind::OverOneSecond => "over_1s",
            ErrorKind::Unanswered => "unanswered",
            ErrorKind::BadAnswer => "bad_answer",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Stale => "stale",
            ErrorKind::Foreign => "foreign",
            ErrorKind::Missing => "missing",
            ErrorKind::ListIncomplete => "list_incomplete",
        }
    }
}

/// Errors of the whole run, warm-up included.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    counts: [u64; ErrorKind::ALL.len()],
    /// Why dials failed and connections were lost: the operating system's error numbers.
    reasons: BTreeMap<i32, u64>,
}

impl Errors {
    pub fn add(&mut self, kind: ErrorKind) {
        self.counts[kind as usize] += 1;
    }

    pub fn add_with_reason(&mut self, kind: ErrorKind, os_error: i32) {
        self.add(kind);
        *self.reasons.entry(os_error).or_default() += 1;
    }

    pub fn count(&self, kind: ErrorKind) -> u64 {
        self.counts[kind as usize]
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn reasons(&self) -> &BTreeMap<i32, u64> {
        &self.reasons
    }

    fn merge(&mut self, other: &Errors) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        for (reason, more) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += more;
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

    fn merge(&mut self, other: &Times) {
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
    /// From a pulse's planned instant to its answer.
    pub pulse: Times,
    /// From a pulse's planned instant to when it was handed to the ring, where a connection stood:
    /// what the generator itself was late by.
    pub lateness: Times,
    /// From the dial to the connection, over the whole run.
    pub connect: Times,
    pub get: Times,
    pub list: Times,
    /// A whole reading pass of Nimbus.
    pub pass: Times,
    pub errors: Errors,
}

impl Record {
    pub fn merge(&mut self, other: &Record) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connected += other.connected;
        self.pulse.merge(&other.pulse);
        self.lateness.merge(&other.lateness);
        self.connect.merge(&other.connect);
        self.get.merge(&other.get);
        self.list.merge(&other.list);
        self.pass.merge(&other.pass);
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
    }

    #[test]
    fn merging_adds() {
        let mut one = Record::default();
        one.pulse.record(10);
        one.errors.add_with_reason(ErrorKind::ConnectFailed, 111);
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!(sum.pulse.histogram().len(), 2);
        assert_eq!(sum.errors.count(ErrorKind::ConnectFailed), 2);
        assert_eq!(sum.errors.reasons().get(&111), Some(&2));
    }
}
