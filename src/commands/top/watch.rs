//! When each key's bytes last changed. The protocol has no ages, so keys are watched: a key's age counts
//! from its last observed change or, before the first one, from the time in its heartbeat, by the worker's
//! clock. Pure: time is passed in. Keeps hashes of the bytes, never the bytes.

use std::collections::HashMap;

use ahash::RandomState;

use super::super::heartbeat;
use crate::limits;

/// Milliseconds since the watch began, and seconds since 1970, by this machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub ms: i64,
    pub(crate) unix_secs: i64,
}

#[derive(Debug, Default)]
pub(super) struct Watch {
    keys: HashMap<Box<str>, WatchedKey>,
    hasher: RandomState,
    poll: u64,
    /// There are more keys than can be watched.
    is_full: bool,
}

#[derive(Debug)]
struct WatchedKey {
    hash: u64,
    bytes: usize,
    /// In milliseconds since the watch began; negative if the worker's clock says so.
    changed: i64,
    /// `changed` is by the worker's clock.
    is_by_worker_clock: bool,
    first_seen: i64,
    changes: u32,
    poll: u64,
}

/// A key to show.
#[derive(Debug, PartialEq)]
pub(super) struct WorkerRow<'a> {
    pub topology: &'a str,
    pub worker: &'a str,
    pub(crate) age_ms: u64,
    /// The age is by the worker's clock.
    pub(crate) is_by_worker_clock: bool,
    pub bytes: usize,
    /// `None` until the key has been watched for long enough.
    pub(crate) changes_a_second: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub workers: usize,
    pub topologies: usize,
    pub stale: usize,
    pub bytes: u64,
    pub(crate) is_full: bool,
}

impl Watch {
    /// Notes what is stored under a key now.
    pub(super) fn see(&mut self, key: &str, details: &[u8], now: Now) {
        let hash = self.hasher.hash_one(details);
        let poll = self.poll;
        if let Some(seen) = self.keys.get_mut(key) {
            seen.poll = poll;
            if seen.hash != hash {
                seen.hash = hash;
                seen.bytes = details.len();
                seen.changed = now.ms;
                seen.is_by_worker_clock = false;
                seen.changes = seen.changes.saturating_add(1);
            }
            return;
        }
        if self.keys.len() >= limits::WATCHED_KEYS {
            self.is_full = true;
            return;
        }
        let claimed = heartbeat::time_secs(details).map(|made| made_ms(made, now));
        let seen = WatchedKey {
            hash,
            bytes: details.len(),
            changed: claimed.unwrap_or(now.ms),
            is_by_worker_clock: claimed.is_some(),
            first_seen: now.ms,
            changes: 0,
            poll,
        };
        self.keys.insert(key.into(), seen);
    }

    /// Ends a poll of all keys: those that it has not seen are gone.
    pub(super) fn end_poll(&mut self) {
        let poll = self.poll;
        self.keys.retain(|_, seen| seen.poll == poll);
        self.is_full &= self.keys.len() >= limits::WATCHED_KEYS;
        self.poll += 1;
    }

    /// The oldest first, and by name where the seconds are equal, so that lines keep their places.
    pub(super) fn rows(&self, now: Now) -> Vec<WorkerRow<'_>> {
        let mut rows: Vec<WorkerRow<'_>> = self
            .keys
            .iter()
            .map(|(key, seen)| seen.row(key, now))
            .collect();
        rows.sort_by(|a, b| {
            let by_name = || (a.topology, a.worker).cmp(&(b.topology, b.worker));
            let (a_secs, b_secs) = (a.age_ms / 1000, b.age_ms / 1000);
            b_secs.cmp(&a_secs).then_with(by_name)
        });
        rows
    }

    pub(super) fn totals(&self, now: Now, stale_ms: u64) -> Totals {
        let mut topologies: Vec<&str> = self.keys.keys().map(|key| split(key).0).collect();
        topologies.sort_unstable();
        topologies.dedup();
        let is_stale = |seen: &&WatchedKey| seen.age_ms(now) > stale_ms;
        Totals {
            workers: self.keys.len(),
            topologies: topologies.len(),
            stale: self.keys.values().filter(is_stale).count(),
            bytes: self.keys.values().map(|seen| seen.bytes as u64).sum(),
            is_full: self.is_full,
        }
    }
}

impl WatchedKey {
    fn age_ms(&self, now: Now) -> u64 {
        u64::try_from(now.ms - self.changed).unwrap_or(0)
    }

    fn row<'a>(&self, key: &'a str, now: Now) -> WorkerRow<'a> {
        let (topology, worker) = split(key);
        let watched_ms = now.ms - self.first_seen;
        let per_second = || f64::from(self.changes) * 1000.0 / watched_ms as f64;
        WorkerRow {
            topology,
            worker,
            age_ms: self.age_ms(now),
            is_by_worker_clock: self.is_by_worker_clock,
            bytes: self.bytes,
            changes_a_second: (watched_ms >= LEAST_WATCHED_MS).then(per_second),
        }
    }
}

/// Before this a rate says more about the polls than about the key.
const LEAST_WATCHED_MS: i64 = 1000;

/// When a heartbeat was made, in milliseconds since the watch began. A clock that is ahead of ours or was
/// never set tells nothing, so its heartbeat was made now.
fn made_ms(made_unix_secs: i64, now: Now) -> i64 {
    const TEN_YEARS_SECS: i64 = 10 * 365 * 24 * 60 * 60;
    match now.unix_secs - made_unix_secs {
        ago @ 0..=TEN_YEARS_SECS => now.ms - ago * 1000,
        _ => now.ms,
    }
}

/// Topology and worker of `/workerbeats/TOPOLOGY/WORKER`.
fn split(key: &str) -> (&str, &str) {
    let below = key.strip_prefix(super::WORKERBEATS).unwrap_or(key);
    let below = below.trim_start_matches('/');
    below.split_once('/').unwrap_or((below, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: &[u8] = include_bytes!("../../../tests/heartbeats/storm-2.8.3.gz");
    const MADE: i64 = 1_764_119_999;

    fn at(ms: i64) -> Now {
        Now {
            ms,
            unix_secs: MADE + 7 + ms / 1000,
        }
    }

    fn shown(watch: &Watch, now: Now) -> Vec<(&str, u64, bool, usize, Option<f64>)> {
        let rows = watch.rows(now).into_iter();
        rows.map(|row| {
            (
                row.worker,
                row.age_ms,
                row.is_by_worker_clock,
                row.bytes,
                row.changes_a_second,
            )
        })
        .collect()
    }

    #[test]
    fn a_key_is_as_old_as_its_last_change() {
        let mut watch = Watch::default();
        watch.see("/workerbeats/t/a", b"1", at(0));
        watch.see("/workerbeats/t/b", b"1", at(500));
        assert_eq!(
            shown(&watch, at(900)),
            [("a", 900, false, 1, None), ("b", 400, false, 1, None)]
        );
        watch.end_poll();
        watch.see("/workerbeats/t/a", b"22", at(2000));
        watch.see("/workerbeats/t/b", b"1", at(2000));
        assert_eq!(
            shown(&watch, at(4000)),
            [
                ("b", 3500, false, 1, Some(0.0)),
                ("a", 2000, false, 2, Some(0.25))
            ]
        );
    }

    #[test]
    fn until_it_changes_a_heartbeat_is_as_old_as_it_says() {
        let mut watch = Watch::default();
        watch.see("/workerbeats/t/a", BEAT, at(0));
        assert_eq!(shown(&watch, at(0)), [("a", 7000, true, 445, None)]);
        assert_eq!(watch.totals(at(0), 6999).stale, 1);
        assert_eq!(watch.totals(at(0), 7000).stale, 0);
        watch.see("/workerbeats/t/a", b"other", at(2000));
        assert_eq!(
            shown(&watch, at(3000)),
            [("a", 1000, false, 5, Some(1.0 / 3.0))]
        );
        // Clocks that cannot be right.
        for unix_secs in [MADE - 1, MADE + 400_000_000] {
            let mut watch = Watch::default();
            watch.see("/workerbeats/t/a", BEAT, Now { ms: 5, unix_secs });
            assert_eq!(watch.rows(at(5))[0].age_ms, 0);
        }
    }

    #[test]
    fn keys_go_with_a_round_that_does_not_see_them() {
        let mut watch = Watch::default();
        for key in ["/workerbeats/t/a", "/workerbeats/u/b", "/workerbeats/v"] {
            watch.see(key, b"1", at(0));
        }
        watch.end_poll();
        let totals = watch.totals(at(0), 0);
        assert_eq!((totals.workers, totals.topologies, totals.bytes), (3, 3, 3));
        watch.see("/workerbeats/u/b", b"1", at(1));
        watch.end_poll();
        assert_eq!(watch.totals(at(0), 0).workers, 1);
        assert_eq!(watch.rows(at(0))[0].topology, "u");
    }

    #[test]
    fn no_more_keys_are_watched_than_memory_is_set_aside_for() {
        let mut watch = Watch::default();
        for key in 0..=limits::WATCHED_KEYS {
            watch.see(&format!("/workerbeats/t/{key}"), b"", at(0));
        }
        watch.end_poll();
        let totals = watch.totals(at(0), 0);
        assert_eq!(
            (totals.workers, totals.is_full),
            (limits::WATCHED_KEYS, true)
        );
        watch.see("/workerbeats/t/1", b"", at(0));
        watch.end_poll();
        assert!(!watch.totals(at(0), 0).is_full);
    }
}
