//! A thread's part of each second of the run. Each thread sends one slice for each second, so that the
//! receiver knows when a second is complete.

use std::sync::mpsc::Sender;

use crate::record::Times;

const SECOND_US: u64 = 1_000_000;

/// What one thread has seen in one second.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    pub second: u32,
    pub pulse: Times,
    pub get: Times,
    pub acknowledged: u64,
    pub reads: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub errors: u64,
}

impl Slice {
    pub fn merge(&mut self, other: &Slice) {
        self.pulse.merge(&other.pulse);
        self.get.merge(&other.get);
        self.acknowledged += other.acknowledged;
        self.reads += other.reads;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.errors += other.errors;
    }
}

/// The current slice, and the channel for finished ones.
#[derive(Debug)]
pub struct Slices {
    pub now: Slice,
    /// The thread's errors before this slice.
    errors_before: u64,
    done: Sender<Slice>,
}

impl Slices {
    pub fn new(done: Sender<Slice>) -> Slices {
        Slices {
            now: Slice::default(),
            errors_before: 0,
            done,
        }
    }

    /// Sends the slices of past seconds. `errors` is the thread's total.
    pub fn send_finished(&mut self, now_us: u64, errors: u64) {
        while u64::from(self.now.second) < now_us / SECOND_US {
            self.send(errors);
        }
    }

    /// Sends all slices, including the last one.
    pub fn finish(mut self, now_us: u64, errors: u64) {
        self.send_finished(now_us, errors);
        self.send(errors);
    }

    fn send(&mut self, errors: u64) {
        let next = Slice {
            second: self.now.second + 1,
            ..Slice::default()
        };
        let mut over = std::mem::replace(&mut self.now, next);
        over.errors = errors - self.errors_before;
        self.errors_before = errors;
        // Without a receiver the run is being aborted.
        let _ = self.done.send(over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_is_sent_once() {
        let (done, slices) = std::sync::mpsc::channel();
        let mut mine = Slices::new(done);
        mine.now.acknowledged = 3;
        mine.send_finished(999_999, 0);
        mine.send_finished(3_000_000, 2);
        mine.now.acknowledged = 4;
        mine.finish(3_100_000, 5);
        let seen: Vec<_> = slices
            .iter()
            .map(|slice| (slice.second, slice.acknowledged, slice.errors))
            .collect();
        assert_eq!(seen, [(0, 3, 2), (1, 0, 0), (2, 0, 0), (3, 4, 3)]);
    }
}
