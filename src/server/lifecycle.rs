//! How all shards start together and stop together.
//!
//! At a shutdown each shard stops accepting and reading, and answers the requests that it has read. Then
//! it stays, because other shards may still need it for their answers, until all shards are done or the
//! deadline has passed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::StartError;

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
    pub(super) fn send(mut self, outcome: Result<(), String>) {
        self.is_sent = true;
        self.lifecycle.report_start(outcome);
    }
}

impl Drop for StartReport {
    fn drop(&mut self) {
        if !self.is_sent {
            let why = "its executor did not start (out of memory, out of file descriptors, or its core \
                       is offline)";
            self.lifecycle.report_start(Err(why.to_owned()));
        }
    }
}

/// How far the shards have started.
#[derive(Debug, Default)]
struct StartProgress {
    rings: usize,
    serving: usize,
    /// Why the first shard that failed did not start.
    failure: Option<String>,
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
        }
    }

    // ── Start ────────────────────────────────────────────────────────────────────────────────────

    /// A shard serves, or why it cannot.
    fn report_start(&self, outcome: Result<(), String>) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => start.serving += 1,
            // Others may fail because the first one did.
            Err(why) => drop(start.failure.get_or_insert(why)),
        }
        self.start_changed.notify_all();
    }

    /// Waits until every shard has its ring. The calling shard has its own.
    ///
    /// # Errors
    /// Another shard did not start.
    pub(super) fn wait_for_all_rings(&self) -> Result<(), String> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        start.rings += 1;
        self.start_changed.notify_all();
        while start.rings < self.shards {
            if start.failure.is_some() {
                return Err("another shard could not start".to_owned());
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
    pub(super) fn wait_until_serving(&self) -> Result<(), StartError> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(why) = start.failure.clone() {
                return Err(StartError::Internal("starting a shard", why));
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
