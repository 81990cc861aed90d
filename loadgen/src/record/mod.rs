//! What one thread has seen: counts, errors by kind, and HdrHistograms of microseconds. Merged when
//! the threads are done.

mod errors;
mod second;
mod times;

pub(crate) use errors::{ErrorKind, Errors, Reason};
pub(crate) use second::{Second, ServerSecond};
pub(crate) use times::{Summary, Timed, Times};

/// Counts and times of the measured window, except where they say otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Pulses due in the window; next, those of them that were sent, and acknowledged.
    pub planned: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Connections established, over the whole run.
    pub connected: u64,
    /// Connections that a draining server reset while no request was under way.
    pub moved: u64,
    /// Requests repeated after a second without an answer, and the additional answers to them.
    pub resent: u64,
    pub answered_twice: u64,
    times: [Times; Timed::ALL.len()],
    pub errors: Errors,
}

impl Record {
    pub(crate) fn time(&mut self, timed: Timed, us: u64) {
        self.times[timed as usize].record(us);
    }

    pub(crate) fn times(&self, timed: Timed) -> &Times {
        &self.times[timed as usize]
    }

    pub(crate) fn merge(&mut self, other: &Record) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connected += other.connected;
        self.moved += other.moved;
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
