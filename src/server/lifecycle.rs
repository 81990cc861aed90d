//! How all shards start together and stop together.
//!
//! At a shutdown each shard stops accepting and reading, and answers the requests that it has read. Then
//! it stays, because other shards may still need it for their answers, until all shards are done or the
//! deadline has passed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::drain::{DrainState, Successor};
use super::shards::StartFailure;

#[derive(Debug)]
pub(super) struct Lifecycle {
    shards: usize,
    deadline_after: Duration,
    has_begun: AtomicBool,
    /// Set before `has_begun`.
    deadline: OnceLock<Instant>,
    shards_done: AtomicUsize,
    start: Mutex<StartProgress>,
    start_changed: Condvar,
    drain: DrainState,
}

/// A shard's report of how its start went. A shard that drops it unsent has failed to start.
#[derive(Debug)]
pub(super) struct StartReport {
    lifecycle: Arc<Lifecycle>,
    is_sent: bool,
}

impl StartReport {
    pub(super) fn new(lifecycle: Arc<Lifecycle>) -> StartReport {
        StartReport {
            lifecycle,
            is_sent: false,
        }
    }

    /// The shard serves, or why it cannot.
    pub(super) fn send(mut self, outcome: Result<(), ShardFailure>) {
        self.is_sent = true;
        self.lifecycle.report_start(outcome);
    }
}

impl Drop for StartReport {
    fn drop(&mut self) {
        if !self.is_sent {
            let why = "its executor did not start (out of memory, out of file descriptors, or its core \
                       is offline)";
            self.lifecycle.fail(why.to_owned(), None);
        }
    }
}

/// Why a shard does not start.
#[derive(Clone, Debug)]
pub(super) struct ShardFailure {
    pub(super) why: String,
    /// The operating system's error, if it was one.
    pub(super) errno: Option<Errno>,
}

impl From<io::Error> for ShardFailure {
    fn from(error: io::Error) -> ShardFailure {
        ShardFailure {
            why: error.to_string(),
            errno: error.raw_os_error().map(Errno::from_raw_os_error),
        }
    }
}

/// How far the shards have started.
#[derive(Debug, Default)]
struct StartProgress {
    event_loops: usize,
    serving: usize,
    /// Why the first shard that failed did not start.
    failure: Option<ShardFailure>,
}

impl Lifecycle {
    pub(super) fn new(shards: usize, deadline_after: Duration) -> Lifecycle {
        Lifecycle {
            shards,
            deadline_after,
            has_begun: AtomicBool::new(false),
            deadline: OnceLock::new(),
            shards_done: AtomicUsize::new(0),
            start: Mutex::default(),
            start_changed: Condvar::new(),
            drain: DrainState::new(shards),
        }
    }

    // ── Start ────────────────────────────────────────────────────────────────────────────────────

    /// A shard cannot start.
    pub(super) fn fail(&self, why: String, errno: Option<Errno>) {
        self.report_start(Err(ShardFailure { why, errno }));
    }

    /// A shard serves, or why it cannot.
    fn report_start(&self, outcome: Result<(), ShardFailure>) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => start.serving += 1,
            // Others may fail because the first one did.
            Err(why) => drop(start.failure.get_or_insert(why)),
        }
        self.start_changed.notify_all();
    }

    /// Waits until every shard has its event loop. The calling shard has its own.
    ///
    /// # Errors
    /// Another shard did not start.
    pub(super) fn wait_for_all_event_loops(&self) -> Result<(), ShardFailure> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        start.event_loops += 1;
        self.start_changed.notify_all();
        while start.event_loops < self.shards {
            if start.failure.is_some() {
                return Err(ShardFailure {
                    why: "another shard could not start".to_owned(),
                    errno: None,
                });
            }
            start = self
                .start_changed
                .wait(start)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until every shard serves.
    ///
    /// # Errors
    /// A shard did not start: why.
    pub(super) fn wait_until_serving(&self) -> Result<(), StartFailure> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(ShardFailure { why, errno }) = start.failure.clone() {
                // A shard without an event loop keeps all others from serving.
                let is_clean = start.event_loops < self.shards;
                return Err(StartFailure::new(why, errno, is_clean));
            }
            if start.serving == self.shards {
                return Ok(());
            }
            start = self
                .start_changed
                .wait(start)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    // ── Drain ────────────────────────────────────────────────────────────────────────────────────

    /// Makes all shards move their clients away. They serve on, until `begin`.
    pub(super) fn begin_drain(&self, successor: Successor) {
        self.drain.begin(successor);
    }

    pub(super) fn drain(&self) -> &DrainState {
        &self.drain
    }

    // ── Shutdown ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn begin(&self) {
        let _ = self.deadline.set(Instant::now() + self.deadline_after);
        self.has_begun.store(true, Ordering::Release);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// A shard owes no more answers, neither to peers nor to other shards. Each shard reports once.
    pub(super) fn report_shard_done(&self) {
        self.shards_done.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn all_shards_done(&self) -> bool {
        self.shards_done.load(Ordering::Acquire) == self.shards
    }

    pub(super) fn is_past_deadline(&self) -> bool {
        self.deadline
            .get()
            .is_some_and(|deadline| Instant::now() >= *deadline)
    }
}
