//! How long requests are in the server: from the wake that brought the last of a request's bytes to
//! the moment at which its answer is handed over to be sent, visits to other shards included. The
//! clock is read once per wake, not per request. The time that a request waits in its socket before
//! the wake is not counted: up to `server.minimum_wait` while pulses are batched.

use super::histogram::Histogram;
use super::mailbox::RequestMeta;
use crate::access::RequestKind;

/// Three bounds a decade, from 10 µs to 10 s, in microseconds.
pub(crate) static BOUNDS_US: [u64; 19] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// In microseconds.
pub(crate) type RequestTimes = Histogram<{ BOUNDS_US.len() }>;

const KINDS: usize = RequestKind::ALL.len();

#[derive(Clone, Debug)]
pub(super) struct Latencies {
    by_kind: [RequestTimes; KINDS],
    /// Requests that arrived with this wake and are answered: they all get the same latency.
    of_this_wake: [u32; KINDS],
    /// Answered requests of earlier wakes, with the time of their arrival.
    of_earlier_wakes: Vec<(RequestKind, u64)>,
    any: bool,
}

impl Latencies {
    pub(super) fn new() -> Latencies {
        Latencies {
            by_kind: std::array::from_fn(|_| Histogram::new(&BOUNDS_US)),
            of_this_wake: [0; KINDS],
            of_earlier_wakes: Vec::new(),
            any: false,
        }
    }

    pub(super) fn answered(&mut self, meta: RequestMeta, wake_us: u64) {
        self.any = true;
        if meta.received_us == wake_us {
            self.of_this_wake[meta.kind as usize] += 1;
        } else {
            self.of_earlier_wakes.push((meta.kind, meta.received_us));
        }
    }

    /// Whether something was answered since the last `record`.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// The answers of the wake that began at `wake_us` are sent now.
    pub(super) fn record(&mut self, wake_us: u64, now_us: u64) {
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
        let meta = |kind, received_us| RequestMeta {
            message_id: 1,
            kind,
            received_us,
        };
        let mut latencies = Latencies::new();
        assert!(!latencies.any());
        latencies.answered(meta(RequestKind::SendPulse, 1000), 1000);
        latencies.answered(meta(RequestKind::SendPulse, 1000), 1000);
        // Another shard has answered this one.
        latencies.answered(meta(RequestKind::GetPulse, 400), 1000);
        assert!(latencies.any());
        latencies.record(1000, 1030);
        assert!(!latencies.any());
        latencies.record(2000, 3000);
        let of = |kind: RequestKind| &latencies.by_kind()[kind as usize];
        let pulses = of(RequestKind::SendPulse);
        assert_eq!((pulses.count(), pulses.sum()), (2, 60));
        let gets = of(RequestKind::GetPulse);
        assert_eq!((gets.count(), gets.sum()), (1, 630));
        assert_eq!(of(RequestKind::DeletePath).count(), 0);
    }
}
