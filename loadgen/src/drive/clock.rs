//! The time of the run: microseconds since the start of the plan, the same on all threads.

use std::time::{Duration, Instant};

use storm_pacemaker::connection::{Batching, SleepPlan};

use crate::settings::Settings;

/// The longest sleep of a driving thread, so that it soon sees an aborted run.
const LONGEST_SLEEP_US: u64 = 100_000;

/// How long answers may wait for others. Response times are too long by this much at most.
const BATCH_WAIT: Duration = Duration::from_micros(500);

/// This many completions end the wait.
const BATCH_FULL: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Clock {
        Clock { start }
    }

    /// 0 until the start.
    pub(super) fn now_us(self) -> u64 {
        let since = Instant::now().saturating_duration_since(self.start);
        since.as_micros() as u64
    }

    /// How the event loop sleeps until `due_us`. To the nanosecond, because rounding would add lateness.
    pub(super) fn sleep_until(self, due_us: u64) -> SleepPlan {
        let now = Instant::now();
        let due = self.start + Duration::from_micros(due_us);
        let longest = Duration::from_micros(LONGEST_SLEEP_US);
        SleepPlan {
            at_most: due.saturating_duration_since(now).min(longest),
            batching: None,
        }
    }

    /// The same for a thread with many workers: answers wait a moment for others, so that they do not wake
    /// the thread one by one. On loopback the kernel does the work of such a wake while the server sends,
    /// and counts it as the server's CPU time.
    pub(super) fn batch_until(self, due_us: u64) -> SleepPlan {
        let plan = self.sleep_until(due_us);
        SleepPlan {
            batching: Some(Batching {
                completions: BATCH_FULL,
                at_least: plan.at_most.min(BATCH_WAIT),
            }),
            ..plan
        }
    }
}

/// The measured window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub begin_us: u64,
    /// Also the end of the plan.
    pub end_us: u64,
}

impl Window {
    pub(super) fn of(settings: &Settings) -> Window {
        Window {
            begin_us: settings.warmup_us,
            end_us: settings.end_us(),
        }
    }

    pub(super) fn contains(self, us: u64) -> bool {
        (self.begin_us..self.end_us).contains(&us)
    }
}
