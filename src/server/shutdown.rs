//! How all shards end together: each stops accepting and reading, answers what it has, and stays for
//! the others' letters until all of them are done or the deadline has come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::StartError;

#[derive(Debug)]
pub(super) struct Shutdown {
    shards: usize,
    deadline_after: Duration,
    stopping: AtomicBool,
    /// Set before `stopping`.
    deadline: OnceLock<Instant>,
    settled: AtomicUsize,
    start: Mutex<Start>,
    started: Condvar,
}

/// A shard's duty to say how its start went. If it ends before it has said so, it has failed.
#[derive(Debug)]
pub(super) struct Starting {
    shutdown: Arc<Shutdown>,
    reported: bool,
}

impl Starting {
    pub(super) fn new(shutdown: Arc<Shutdown>) -> Starting {
        Starting {
            shutdown,
            reported: false,
        }
    }

    pub(super) fn report(mut self, outcome: Result<(), String>) {
        self.reported = true;
        self.shutdown.report_start(outcome);
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.reported {
            let why = "its executor did not start (no memory, no files, or its core is gone)";
            self.shutdown.report_start(Err(why.to_owned()));
        }
    }
}

#[derive(Debug, Default)]
struct Start {
    rings: usize,
    serving: usize,
    failed: Option<String>,
}

impl Shutdown {
    pub(super) fn new(shards: usize, deadline_after: Duration) -> Shutdown {
        Shutdown {
            shards,
            deadline_after,
            stopping: AtomicBool::new(false),
            deadline: OnceLock::new(),
            settled: AtomicUsize::new(0),
            start: Mutex::default(),
            started: Condvar::new(),
        }
    }

    // ── Start ────────────────────────────────────────────────────────────────────────────────────

    /// A shard serves, or says why it cannot.
    fn report_start(&self, outcome: Result<(), String>) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => start.serving += 1,
            // The first one is the reason for the others.
            Err(why) => drop(start.failed.get_or_insert(why)),
        }
        self.started.notify_all();
    }

    /// A shard has its ring; waits until all have. An error: another one could not.
    pub(super) fn wait_for_rings(&self) -> Result<(), String> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        start.rings += 1;
        self.started.notify_all();
        while start.rings < self.shards {
            if start.failed.is_some() {
                return Err("another shard could not start".to_owned());
            }
            start = self
                .started
                .wait(start)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until every shard serves.
    pub(super) fn wait_until_serving(&self) -> Result<(), StartError> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(why) = start.failed.clone() {
                return Err(StartError::Internal("starting a shard", why));
            }
            if start.serving == self.shards {
                return Ok(());
            }
            start = self
                .started
                .wait(start)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    // ── End ──────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn begin(&self) {
        let _ = self.deadline.set(Instant::now() + self.deadline_after);
        self.stopping.store(true, Ordering::Release);
    }

    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A shard owes nothing any more. It says so once.
    pub(super) fn report_settled(&self) {
        self.settled.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn all_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) == self.shards
    }

    pub(super) fn past_deadline(&self) -> bool {
        self.deadline
            .get()
            .is_some_and(|deadline| Instant::now() >= *deadline)
    }
}
