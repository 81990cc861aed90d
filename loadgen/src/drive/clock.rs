//! The run's time: microseconds since the plan's zero, the same on all threads.

use std::time::{Duration, Instant};

use storm_pacemaker::connection::{Batching, SleepPlan};

use crate::settings::Settings;

/// The longest sleep of a driving thread: how late it may see that the run is cut short.
const LONGEST_SLEEP_US: u64 = 100_000;

/// How long answers may wait for others: by so much at most a response time is told too long.
const GATHER: Duration = Duration::from_micros(500);

/// Completions that are worth a wake at once.
const ENOUGH: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn new(start: Instant) -> Clock {
        Clock { start }
    }

    /// 0 until the start.
    pub fn now_us(self) -> u64 {
        let since = Instant::now().saturating_duration_since(self.start);
        since.as_micros() as u64
    }

    /// How the ring may sleep until `due_us`. To the nanosecond: rounding would be lateness.
    pub fn rest_until(self, due_us: u64) -> SleepPlan {
        let now = Instant::now();
        let due = self.start + Duration::from_micros(due_us);
        let longest = Duration::from_micros(LONGEST_SLEEP_US);
        SleepPlan {
            at_most: due.saturating_duration_since(now).min(longest),
            batching: None,
        }
    }

    /// The same for a thread that plays many workers: what comes may wait for more of its kind for a
    /// moment, so that it does not wake us one by one. On loopback a wake of ours is work that the
    /// kernel does while the server sends, and would be counted as the server's.
    pub fn gather_until(self, due_us: u64) -> SleepPlan {
        let rest = self.rest_until(due_us);
        SleepPlan {
            batching: Some(Batching {
                completions: ENOUGH,
                at_least: rest.at_most.min(GATHER),
            }),
            ..rest
        }
    }
}

/// The measured window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub begin_us: u64,
    /// Also the end of the plan.
    pub end_us: u64,
}

impl Window {
    pub fn of(settings: &Settings) -> Window {
        Window {
            begin_us: settings.warmup_us,
            end_us: settings.end_us(),
        }
    }

    pub fn contains(self, us: u64) -> bool {
        (self.begin_us..self.end_us).contains(&us)
    }
}
