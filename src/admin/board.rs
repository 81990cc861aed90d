//! Where shards put what others may see: each into a place of its own, and without ever waiting. The
//! admin thread reads it. No counter is shared, so that nothing is paid on a pulse's way.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::shard::{ScannedKeys, Snapshot};

#[derive(Debug)]
pub struct Board {
    /// Where all shards' clocks begin.
    epoch: Instant,
    places: Box<[Place]>,
    stopping: AtomicBool,
    /// Until when shards show their keys, in milliseconds since the epoch.
    watched_until_ms: AtomicU64,
}

/// One shard's, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct Place {
    /// When the shard last said that it lives, in milliseconds since the epoch and one more. Zero: it
    /// has not begun.
    alive: AtomicU64,
    /// The shard's thread, as the kernel calls it.
    thread: AtomicI32,
    report: Mutex<Option<Report>>,
    keys: Mutex<Option<ScannedKeys>>,
}

/// What a shard publishes a few times a second.
#[derive(Clone, Debug)]
pub struct Report {
    pub shard: Snapshot,
    /// Doorbells rung at other shards that slept.
    pub doorbells: u64,
    /// Times at which no connection could be accepted.
    pub accept_failures: u64,
}

impl Board {
    pub fn new(shards: usize) -> Board {
        let place = || Place {
            alive: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            report: Mutex::new(None),
            keys: Mutex::new(None),
        };
        Board {
            epoch: Instant::now(),
            places: std::iter::repeat_with(place).take(shards).collect(),
            stopping: AtomicBool::new(false),
            watched_until_ms: AtomicU64::new(0),
        }
    }

    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    pub fn place(&self, shard: usize) -> &Place {
        &self.places[shard]
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The shutdown begins.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Somebody looks at the keys, for so long at least.
    pub fn watch(&self, time: Duration) {
        let until_ms = self.now_ms() + time.as_millis() as u64;
        self.watched_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    pub fn is_watched_now(&self) -> bool {
        self.is_watched(self.now_ms())
    }

    pub fn is_watched(&self, now_ms: u64) -> bool {
        now_ms < self.watched_until_ms.load(Ordering::Relaxed)
    }
}

impl Place {
    // ── The shard's side: nothing here waits ─────────────────────────────────────────────────────

    /// The shard's thread begins.
    pub fn begin(&self, thread: i32, now_ms: u64) {
        self.thread.store(thread, Ordering::Relaxed);
        self.alive(now_ms);
    }

    pub fn alive(&self, now_ms: u64) {
        self.alive.store(now_ms + 1, Ordering::Relaxed);
    }

    /// False if somebody is reading just now: to be tried again.
    pub fn try_publish(&self, report: impl FnOnce() -> Report) -> bool {
        let Ok(mut place) = self.report.try_lock() else {
            return false;
        };
        *place = Some(report());
        true
    }

    /// Gives the keys back if somebody is reading just now.
    pub fn try_show(&self, keys: ScannedKeys) -> Result<(), ScannedKeys> {
        match self.keys.try_lock() {
            Ok(mut place) => {
                *place = Some(keys);
                Ok(())
            }
            Err(_) => Err(keys),
        }
    }

    // ── The readers' side ────────────────────────────────────────────────────────────────────────

    /// How long ago the shard last said that it lives; None if it has not begun.
    pub fn silence(&self, now_ms: u64) -> Option<Duration> {
        let alive_ms = self.alive.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(now_ms.saturating_sub(alive_ms)))
    }

    /// The shard's thread, as the kernel calls it; None if it has not begun.
    pub fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|thread| *thread != 0)
    }

    /// The latest report; None if there is none yet.
    pub fn report(&self) -> Option<Report> {
        lock(&self.report).clone()
    }

    /// The keys of the latest look, once.
    pub fn take_keys(&self) -> Option<ScannedKeys> {
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
        let place = board.place(0);
        let reading = lock(&place.report);
        assert!(!place.try_publish(|| unreachable!("nobody would see it")));
        drop(reading);
        let reading = lock(&place.keys);
        let keys = place
            .try_show(ScannedKeys::default())
            .expect_err("it is being read");
        drop(reading);
        assert!(place.try_show(keys).is_ok());
        assert!(place.take_keys().is_some() && place.take_keys().is_none());
    }

    #[test]
    fn silence_begins_with_the_last_sign_of_life() {
        let board = Board::new(2);
        assert_eq!(board.place(0).silence(700), None);
        board.place(0).begin(17, 0);
        assert_eq!(
            board.place(0).silence(700),
            Some(Duration::from_millis(700))
        );
        board.place(0).alive(650);
        assert_eq!(board.place(0).silence(700), Some(Duration::from_millis(50)));
        assert_eq!(board.place(0).thread(), Some(17));
        assert_eq!(
            (board.place(1).silence(700), board.place(1).thread()),
            (None, None)
        );
    }
}
