//! How long requests are in the server: from the wake that brought the last of a request's bytes to
//! the moment at which its answer is handed over to be sent, journeys to other shards included. The
//! clock is read once a wake, not once a request. What a request waits in its socket before the wake
//! is not in it: while pulses gather that is up to `server.minimum_wait`.

use super::histogram::Histogram;
use super::letters::Asked;
use crate::access::RequestKind;

/// Three bounds a decade, from 10 µs to 10 s, in microseconds.
pub static BOUNDS_US: [u64; 19] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// In microseconds.
pub type RequestTimes = Histogram<{ BOUNDS_US.len() }>;

const KINDS: usize = RequestKind::ALL.len();

#[derive(Clone, Debug)]
pub(super) struct Times {
    by_kind: [RequestTimes; KINDS],
    /// Answered since the clock was last read, of those that came with this wake: they all have the
    /// same time.
    of_this_wake: [u32; KINDS],
    /// The others, with the time at which they came.
    of_earlier_wakes: Vec<(RequestKind, u64)>,
    any: bool,
}

impl Times {
    pub(super) fn new() -> Times {
        Times {
            by_kind: std::array::from_fn(|_| Histogram::new(&BOUNDS_US)),
            of_this_wake: [0; KINDS],
            of_earlier_wakes: Vec::new(),
            any: false,
        }
    }

    pub(super) fn answered(&mut self, asked: Asked, wake_us: u64) {
        self.any = true;
        if asked.received_us == wake_us {
            self.of_this_wake[asked.kind as usize] += 1;
        } else {
            self.of_earlier_wakes.push((asked.kind, asked.received_us));
        }
    }

    /// Whether something was answered since `handed_over`.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// The answers of the wake that began at `wake_us` go out now.
    pub(super) fn handed_over(&mut self, wake_us: u64, now_us: u64) {
        self.any = false;
        let took_us = now_us.saturating_sub(wake_us);
        for (times, count) in self.by_kind.iter_mut().zip(&mut self.of_this_wake) {
            if *count > 0 {
                times.note(took_us, std::mem::take(count).into());
            }
        }
        for (kind, received_us) in self.of_earlier_wakes.drain(..) {
            self.by_kind[kind as usize].note(now_us.saturating_sub(received_us), 1);
        }
    }

    pub(super) fn by_kind(&self) -> &[RequestTimes; KINDS] {
        &self.by_kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_from_the_wake_that_brought_it() {
        let asked = |kind, received_us| Asked {
            message_id: 1,
            kind,
            received_us,
        };
        let mut times = Times::new();
        assert!(!times.any());
        times.answered(asked(RequestKind::SendPulse, 1000), 1000);
        times.answered(asked(RequestKind::SendPulse, 1000), 1000);
        // One that another shard has answered.
        times.answered(asked(RequestKind::GetPulse, 400), 1000);
        assert!(times.any());
        times.handed_over(1000, 1030);
        assert!(!times.any());
        times.handed_over(2000, 3000);
        let of = |kind: RequestKind| &times.by_kind()[kind as usize];
        let pulses = of(RequestKind::SendPulse);
        assert_eq!((pulses.count(), pulses.sum()), (2, 60));
        let gets = of(RequestKind::GetPulse);
        assert_eq!((gets.count(), gets.sum()), (1, 630));
        assert_eq!(of(RequestKind::DeletePath).count(), 0);
    }
}
