//! The minimum wait where the kernel has none: sleep, then take what has arrived meanwhile. The logic
//! decides when to wait for a batch (`shard::pace`); this decides how long.
//!
//! A kernel that has the minimum wait ends it when enough completions are there. A plain sleep cannot be
//! ended like that, so it must not be longer than they take to arrive. Otherwise clients that
//! wait for each answer would get one batch per minimum wait, however many they are.

use std::time::{Duration, Instant};

use crate::connection::Batching;

/// A shorter sleep gathers less than it costs: the kernel's timers alone add 50 µs (timer slack).
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);

/// How fast completions arrive, by the last turn.
#[derive(Debug)]
pub(super) struct Gathering {
    turn_began: Instant,
    completions: usize,
}

impl Gathering {
    pub(super) fn new() -> Gathering {
        Gathering {
            turn_began: Instant::now(),
            completions: 0,
        }
    }

    /// A turn that began then has brought that many completions.
    pub(super) fn note_turn(&mut self, began: Instant, completions: usize) {
        self.turn_began = began;
        self.completions = completions;
    }

    /// How long the turn that begins now should sleep before it takes completions, if at all: the minimum
    /// wait, or the time in which all completions of the batch arrive.
    pub(super) fn sleep(&self, batching: Batching, now: Instant) -> Option<Duration> {
        let turn = now.saturating_duration_since(self.turn_began);
        let all_arrived = match self.completions as u32 {
            0 => batching.at_least,
            completions => turn * batching.completions / completions,
        };
        let sleep = batching.at_least.min(all_arrived);
        (sleep >= SHORTEST_SLEEP).then_some(sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCHING: Batching = Batching {
        completions: 64,
        at_least: Duration::from_millis(5),
    };

    fn sleep_after(turn: Duration, completions: usize) -> Option<Duration> {
        let began = Instant::now();
        let mut gathering = Gathering::new();
        gathering.note_turn(began, completions);
        gathering.sleep(BATCHING, began + turn)
    }

    #[test]
    fn few_completions_are_waited_for_as_long_as_asked() {
        let millisecond = Duration::from_millis(1);
        assert_eq!(sleep_after(millisecond, 0), Some(BATCHING.at_least));
        assert_eq!(sleep_after(5 * millisecond, 20), Some(BATCHING.at_least));
    }

    #[test]
    fn the_sleep_ends_when_the_batch_is_expected_to_be_full() {
        let turn = Duration::from_millis(5);
        assert_eq!(sleep_after(turn, 128), Some(turn / 2));
        assert_eq!(sleep_after(turn, 64 * 100), None);
    }
}
