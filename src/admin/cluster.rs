//! The cluster's heartbeats as JSON: topologies with their workers, and all other keys. Shards show
//! their keys on demand only, so the first who asks waits for a look to be done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::board::Board;
use super::cache::Cache;
use crate::limits::Ageing;
use crate::shard::{KeyRow, Keys};

/// How long shards go on looking after somebody has asked.
const WATCHED_FOR: Duration = Duration::from_secs(10);

/// How long the first who asks waits for all shards' keys, and how often he looks.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Shards look once a second.
const MOST_AGE: Duration = Duration::from_millis(500);

/// Keys older than this are no answer: nobody has watched for a while.
const LONG_AGO: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Cluster {
    ageing: Ageing,
    board: Arc<Board>,
    /// What each shard has shown, and when.
    shown: Mutex<Vec<Option<(Instant, Keys)>>>,
    json: Cache,
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    /// Milliseconds since 1970.
    time_ms: u64,
    stale_after_ms: u64,
    /// 0: never.
    expire_after_ms: u64,
    /// Keys that are stored.
    keys: u64,
    /// Whether all of them are below.
    complete: bool,
    /// Shards whose keys are missing, because they did not answer in time.
    missing_shards: Vec<usize>,
    topologies: Vec<Topology<'a>>,
    others: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Topology<'a> {
    name: &'a str,
    workers: Vec<Row<'a>>,
}

/// A worker's node and port as they are in its key, or a whole key; how many milliseconds old its pulse
/// was when the shard looked, which it does every second; bytes; pulses so far modulo 65536.
#[derive(Serialize)]
struct Row<'a>(&'a str, u64, u64, u16);

impl Cluster {
    pub(super) fn new(ageing: Ageing, board: Arc<Board>) -> Cluster {
        Cluster {
            ageing,
            shown: Mutex::new(board.places().iter().map(|_| None).collect()),
            board,
            json: Cache::default(),
        }
    }

    pub(super) async fn json(&self) -> Bytes {
        self.board.watch(WATCHED_FOR);
        let deadline = Instant::now() + PATIENCE;
        while !self.take() && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        self.json.get(MOST_AGE, || self.document().into())
    }

    /// Gives back what was kept for lookers, if there is none any more. To be called now and then.
    pub(super) fn forget_unless_watched(&self) {
        if self.board.is_watched_now() {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (shown, place) in shown.iter_mut().zip(self.board.places()) {
            drop(place.take_keys());
            *shown = None;
        }
        self.json.clear();
    }

    /// Takes what shards have shown since the last time. Whether all have, of late.
    fn take(&self) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (shown, place) in shown.iter_mut().zip(self.board.places()) {
            if let Some(keys) = place.take_keys() {
                *shown = Some((Instant::now(), keys));
            }
            if shown
                .as_ref()
                .is_some_and(|(at, _)| at.elapsed() > LONG_AGO)
            {
                *shown = None;
            }
        }
        shown.iter().all(Option::is_some)
    }

    fn document(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut topologies: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
        let mut others = Vec::new();
        for (_, keys) in shown.iter().flatten() {
            for key in keys.slices.iter().flat_map(|slice| slice.keys()) {
                match worker(key.path) {
                    Some((topology, worker)) => {
                        topologies
                            .entry(topology)
                            .or_default()
                            .push(row(worker, &key));
                    }
                    None => others.push(row(key.path, &key)),
                }
            }
        }
        let shards = self.board.places().iter();
        let keys = shards
            .filter_map(|place| Some(place.report()?.shard.usage.keys))
            .sum();
        let millis = |time: Duration| time.as_millis() as u64;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let document = Document {
            version: env!("CARGO_PKG_VERSION"),
            time_ms: millis(since_1970.unwrap_or_default()),
            stale_after_ms: millis(self.ageing.stale_after),
            expire_after_ms: millis(self.ageing.expire_after),
            keys,
            complete: shown
                .iter()
                .all(|shown| matches!(shown, Some((_, keys)) if keys.complete)),
            missing_shards: (0..shown.len())
                .filter(|shard| shown[*shard].is_none())
                .collect(),
            topologies: topologies
                .into_iter()
                .map(|(name, workers)| Topology { name, workers })
                .collect(),
            others,
        };
        serde_json::to_string(&document).expect("text and numbers are JSON")
    }
}

fn row<'a>(name: &'a str, key: &KeyRow<'_>) -> Row<'a> {
    Row(name, key.age_ms, key.details_bytes, key.writes)
}

/// The topology, and the node and port, if it is a worker's key: /workerbeats/TOPOLOGY/NODE-PORT.
fn worker(path: &str) -> Option<(&str, &str)> {
    let (topology, worker) = path.strip_prefix("/workerbeats/")?.split_once('/')?;
    let (node, port) = worker.rsplit_once('-')?;
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_worker = !topology.is_empty() && !node.is_empty() && !worker.contains('/') && is_port;
    is_worker.then_some((topology, worker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_told_from_other_keys() {
        assert_eq!(
            worker("/workerbeats/words-1-1795449600/0b6f-6d3c-6700"),
            Some(("words-1-1795449600", "0b6f-6d3c-6700"))
        );
        for other in [
            "",
            "/",
            "/workerbeats",
            "/workerbeats/t",
            "/workerbeats/t/node",
            "/workerbeats/t/node-",
            "/workerbeats/t/-6700",
            "/workerbeats/t/node-x6700",
            "/workerbeats/t/node-670000",
            "/workerbeats//node-6700",
            "/workerbeats/t/u/node-6700",
            "workerbeats/t/node-6700",
            "/other/t/node-6700",
        ] {
            assert_eq!(worker(other), None, "{other}");
        }
    }
}
