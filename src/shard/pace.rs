//! The server's interrupt moderation: when to answer at once, and when to wait for a batch, so that
//! one wake serves many pulses. Pure; time is passed in.
//!
//! Nimbus reads one key after another over one connection, so each read must be fast: a read makes
//! the shard immediate for a while. A pulse may take a second, so pulses may wait for a batch. But
//! only where one forms: a lone writer that waits for each answer would be slowed for nothing.

use std::time::Duration;

/// How long reads keep the shard immediate.
const IMMEDIATE_AFTER_READ_US: u64 = 50_000;

/// Completions that end the wait for a batch: enough to make the cost of a wake small.
pub const BATCH_FULL: u32 = 64;

/// A batch of fewer completions was not worth the wait.
const MIN_USEFUL_BATCH: usize = 4;

/// How long batching stays off after a batch that was too small; doubles while that repeats.
const FIRST_PENALTY_US: u64 = 50_000;
const MAX_PENALTY_US: u64 = 1_600_000;

/// Time over which the rate of completions is averaged.
const WINDOW_US: u64 = 10_000;

#[derive(Debug)]
pub struct Pace {
    minimum_wait: Duration,
    immediate_until_us: u64,
    penalty_us: u64,
    window_start_us: u64,
    window_completions: u64,
    /// Completions a second in the last full window.
    rate: u64,
}

impl Pace {
    /// Never waits if `minimum_wait` is zero.
    pub fn new(minimum_wait: Duration) -> Pace {
        Pace {
            minimum_wait,
            immediate_until_us: 0,
            penalty_us: FIRST_PENALTY_US,
            window_start_us: 0,
            window_completions: 0,
            rate: 0,
        }
    }

    /// Somebody waits for an answer.
    pub(crate) fn note_read(&mut self, now_us: u64) {
        self.immediate_until_us = self
            .immediate_until_us
            .max(now_us + IMMEDIATE_AFTER_READ_US);
    }

    /// A wake has brought `completions`; `batched` tells whether it waited for a batch.
    pub fn note_wake(&mut self, completions: usize, batched: bool, now_us: u64) {
        self.window_completions += completions as u64;
        let elapsed_us = now_us.saturating_sub(self.window_start_us);
        if elapsed_us >= WINDOW_US {
            self.rate = self.window_completions * 1_000_000 / elapsed_us;
            self.window_start_us = now_us;
            self.window_completions = 0;
        }
        if !batched {
            return;
        }
        if completions < MIN_USEFUL_BATCH {
            self.immediate_until_us = self.immediate_until_us.max(now_us + self.penalty_us);
            self.penalty_us = (self.penalty_us * 2).min(MAX_PENALTY_US);
        } else {
            self.penalty_us = FIRST_PENALTY_US;
        }
    }

    /// How long the next wake should wait for a batch; None to be woken by the first completion.
    pub fn minimum_wait(&self, now_us: u64) -> Option<Duration> {
        let wait_us = self.minimum_wait.as_micros() as u64;
        let expected = self.rate * wait_us / 1_000_000;
        (now_us >= self.immediate_until_us && expected >= MIN_USEFUL_BATCH as u64)
            .then_some(self.minimum_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(2);

    /// 100 ms of `per_second` completions a second, one wake each.
    fn traffic(pace: &mut Pace, start_us: u64, per_second: u64) -> u64 {
        let mut now_us = start_us;
        while now_us < start_us + 100_000 {
            now_us += 1_000_000 / per_second;
            pace.note_wake(1, false, now_us);
        }
        now_us
    }

    #[test]
    fn batches_under_load_only() {
        let mut pace = Pace::new(WAIT);
        let now_us = traffic(&mut pace, 0, 4_000);
        assert_eq!(pace.minimum_wait(now_us), Some(WAIT));
        let now_us = traffic(&mut pace, now_us, 500);
        assert_eq!(pace.minimum_wait(now_us), None);
    }

    #[test]
    fn a_read_ends_batching_for_a_while() {
        let mut pace = Pace::new(WAIT);
        let now_us = traffic(&mut pace, 0, 4_000);
        pace.note_read(now_us);
        assert_eq!(pace.minimum_wait(now_us + 49_999), None);
        assert_eq!(pace.minimum_wait(now_us + 50_000), Some(WAIT));
    }

    #[test]
    fn a_lone_writer_is_not_slowed() {
        let mut pace = Pace::new(WAIT);
        let mut now_us = traffic(&mut pace, 0, 20_000);
        let (mut fast, mut slow) = (0_u32, 0_u32);
        // Each answer brings the next request: 50 µs where it is sent at once, 2 ms where it waits.
        while now_us < 10_000_000 {
            let batched = pace.minimum_wait(now_us).is_some();
            now_us += if batched { 2_000 } else { 50 };
            *(if batched { &mut slow } else { &mut fast }) += 1;
            pace.note_wake(1, batched, now_us);
        }
        assert!(slow * 1_000 < fast, "{slow} slow, {fast} fast");
    }

    #[test]
    fn zero_is_off() {
        let mut pace = Pace::new(Duration::ZERO);
        let now_us = traffic(&mut pace, 0, 100_000);
        assert_eq!(pace.minimum_wait(now_us), None);
    }
}
