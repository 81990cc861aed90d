//! The board: each shard puts its counters and keys into its own entry and never waits, and the admin
//! thread reads them. Shards share no counter, so a pulse pays nothing for being observed.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::shard::{Clients, ScannedKeys, Snapshot};

#[derive(Debug)]
pub(crate) struct Board {
    /// Time zero of all shards' clocks.
    epoch: Instant,
    entries: Box<[ShardEntry]>,
    stopping: AtomicBool,
    draining: AtomicBool,
    /// Another server may take the address.
    leaving: AtomicBool,
    /// Clients that a drain has not moved yet.
    clients_left: Mutex<Option<Clients>>,
    /// Shards scan their keys until then, in milliseconds since the epoch.
    watched_until_ms: AtomicU64,
}

/// The entry of one shard, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ShardEntry {
    /// When the shard last reported that it is alive, in milliseconds since the epoch plus one. Zero: it
    /// has not started.
    alive: AtomicU64,
    /// The thread id of the shard's thread. Zero: it has not started.
    thread: AtomicI32,
    report: Mutex<Option<Report>>,
    keys: Mutex<Option<ScannedKeys>>,
}

/// What a shard publishes four times a second.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) shard: Snapshot,
    /// How often the shard has woken another shard that slept.
    pub(crate) doorbells: u64,
    /// How often a connection could not be accepted.
    pub(crate) accept_failures: u64,
}

impl Board {
    pub(crate) fn new(shards: usize) -> Board {
        let entry = || ShardEntry {
            alive: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            report: Mutex::new(None),
            keys: Mutex::new(None),
        };
        Board {
            epoch: Instant::now(),
            entries: std::iter::repeat_with(entry).take(shards).collect(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            clients_left: Mutex::new(None),
            watched_until_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    pub(crate) fn entry(&self, shard: usize) -> &ShardEntry {
        &self.entries[shard]
    }

    pub(crate) fn entries(&self) -> &[ShardEntry] {
        &self.entries
    }

    /// Records that the shutdown has begun.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Records that clients are being moved to another server.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Records that another server may take the address now.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Records whom a drain has not moved yet. None: it has not counted them yet.
    pub(crate) fn set_clients_left(&self, left: Option<Clients>) {
        *lock(&self.clients_left) = left;
    }

    pub(crate) fn clients_left(&self) -> Option<Clients> {
        *lock(&self.clients_left)
    }

    /// Makes shards scan their keys for at least `time`.
    pub(crate) fn watch(&self, time: Duration) {
        let until_ms = self.now_ms() + time.as_millis() as u64;
        self.watched_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    pub(crate) fn is_watched_now(&self) -> bool {
        self.is_watched(self.now_ms())
    }

    pub(crate) fn is_watched(&self, now_ms: u64) -> bool {
        now_ms < self.watched_until_ms.load(Ordering::Relaxed)
    }
}

impl ShardEntry {
    // ── The shard's side: nothing here waits ─────────────────────────────────────────────────────

    /// Records that the shard's thread has started.
    pub(crate) fn begin(&self, thread: i32, now_ms: u64) {
        self.thread.store(thread, Ordering::Relaxed);
        self.set_alive(now_ms);
    }

    /// Records that the shard is alive.
    pub(crate) fn set_alive(&self, now_ms: u64) {
        self.alive.store(now_ms + 1, Ordering::Relaxed);
    }

    /// Publishes the report. Returns false if a reader holds the entry: try again later.
    pub(crate) fn try_publish(&self, report: impl FnOnce() -> Report) -> bool {
        let Ok(mut entry) = self.report.try_lock() else {
            return false;
        };
        *entry = Some(report());
        true
    }

    /// Publishes the keys.
    ///
    /// # Errors
    /// Returns the keys if a reader holds the entry: try again later.
    pub(crate) fn try_publish_keys(&self, keys: ScannedKeys) -> Result<(), ScannedKeys> {
        match self.keys.try_lock() {
            Ok(mut entry) => {
                *entry = Some(keys);
                Ok(())
            }
            Err(_) => Err(keys),
        }
    }

    // ── The readers' side ────────────────────────────────────────────────────────────────────────

    /// How long ago the shard last reported that it is alive; `None` if it has not started.
    pub(crate) fn silence(&self, now_ms: u64) -> Option<Duration> {
        let alive_ms = self.alive.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(now_ms.saturating_sub(alive_ms)))
    }

    /// The thread id of the shard's thread; `None` if it has not started.
    pub(crate) fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|thread| *thread != 0)
    }

    /// The latest report; `None` if there is none yet.
    pub(crate) fn report(&self) -> Option<Report> {
        lock(&self.report).clone()
    }

    /// Takes the keys of the latest scan.
    pub(crate) fn take_keys(&self) -> Option<ScannedKeys> {
        lock(&self.keys).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_never_waits_for_a_reader() {
        let board = Board::new(1);
        let entry = board.entry(0);
        let reading = lock(&entry.report);
        assert!(!entry.try_publish(|| unreachable!("the entry is held")));
        drop(reading);
        let reading = lock(&entry.keys);
        let keys = entry
            .try_publish_keys(ScannedKeys::default())
            .expect_err("a reader holds the entry");
        drop(reading);
        assert!(entry.try_publish_keys(keys).is_ok());
        assert!(entry.take_keys().is_some() && entry.take_keys().is_none());
    }

    #[test]
    fn silence_counts_from_the_last_report_of_life() {
        let board = Board::new(2);
        assert_eq!(board.entry(0).silence(700), None);
        board.entry(0).begin(17, 0);
        assert_eq!(
            board.entry(0).silence(700),
            Some(Duration::from_millis(700))
        );
        board.entry(0).set_alive(650);
        assert_eq!(board.entry(0).silence(700), Some(Duration::from_millis(50)));
        assert_eq!(board.entry(0).thread(), Some(17));
        assert_eq!(
            (board.entry(1).silence(700), board.entry(1).thread()),
            (None, None)
        );
    }
}
