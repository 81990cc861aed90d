//! The cluster's heartbeats as JSON: topologies with their workers, and all other keys. Shards scan
//! their keys only on demand, so the first request waits until a scan is done.

mod document;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::time::{Instant, sleep};

use super::board::{Board, ShardEntry};
use super::cache::Cache;
use crate::limits::Ageing;
use crate::shard::ScannedKeys;
use document::Summary;

/// How long shards go on scanning after a request.
const WATCHED_FOR: Duration = Duration::from_secs(10);

/// How long a request waits for the keys of all shards, and how often it checks for them.
const PATIENCE: Duration = Duration::from_secs(3);
const CHECK_EVERY: Duration = Duration::from_millis(25);

/// The age up to which an answer is used again. Shards scan once a second.
const MAX_AGE: Duration = Duration::from_millis(500);

/// The age from which keys are dropped, because there was no request for a while.
const TOO_OLD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Cluster {
    ageing: Ageing,
    /// Bytes of the answer.
    most_bytes: usize,
    board: Arc<Board>,
    /// The latest keys of each shard, and when they came.
    scanned: Mutex<Vec<Option<(Instant, ScannedKeys)>>>,
    json: Cache,
}

impl Cluster {
    pub(super) fn new(ageing: Ageing, most_bytes: usize, board: Arc<Board>) -> Cluster {
        Cluster {
            ageing,
            most_bytes,
            scanned: Mutex::new(board.entries().iter().map(|_| None).collect()),
            board,
            json: Cache::default(),
        }
    }

    pub(super) async fn json(&self) -> Bytes {
        self.board.watch(WATCHED_FOR);
        let deadline = Instant::now() + PATIENCE;
        while !self.take_scanned() && Instant::now() < deadline {
            sleep(CHECK_EVERY).await;
        }
        self.json.get(MAX_AGE, || self.document().into())
    }

    /// Frees what is kept for the page if nobody watches it. Call it every few seconds.
    pub(super) fn free_unless_watched(&self) {
        if self.board.is_watched_now() {
            return;
        }
        let mut scanned = self.lock();
        for (scanned, entry) in scanned.iter_mut().zip(self.board.entries()) {
            drop(entry.take_keys());
            *scanned = None;
        }
        self.json.clear();
    }

    /// Takes the keys that shards have put on the board. Returns whether it has recent ones of all
    /// shards.
    fn take_scanned(&self) -> bool {
        let mut scanned = self.lock();
        for (scanned, entry) in scanned.iter_mut().zip(self.board.entries()) {
            if let Some(keys) = entry.take_keys() {
                *scanned = Some((Instant::now(), keys));
            }
            if scanned
                .as_ref()
                .is_some_and(|(at, _)| at.elapsed() > TOO_OLD)
            {
                *scanned = None;
            }
        }
        scanned.iter().all(Option::is_some)
    }

    fn document(&self) -> String {
        let scanned = self.lock();
        let keys: Vec<Option<&ScannedKeys>> = scanned
            .iter()
            .map(|scanned| scanned.as_ref().map(|(_, keys)| keys))
            .collect();
        let reports = self.board.entries().iter().filter_map(ShardEntry::report);
        let reports: Vec<_> = reports.map(|report| report.shard).collect();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let summary = Summary {
            ageing: self.ageing,
            time_ms: since_1970.unwrap_or_default().as_millis() as u64,
            stored_keys: reports.iter().map(|shard| shard.usage.keys).sum(),
            warm_up: reports.iter().map(|shard| shard.warm_up).sum(),
            waiting_reads: reports.iter().map(|shard| shard.kept_reads).sum(),
            is_draining: self.board.is_draining(),
            clients_left: self.board.clients_left(),
        };
        document::json(&summary, &keys, self.most_bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<(Instant, ScannedKeys)>>> {
        self.scanned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
