//! The text of `/cluster.json`: scanned keys in, JSON out. Pure. It bounds the size of the text,
//! whatever keys peers have chosen.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::Serialize;

use crate::limits::{Ageing, SHARDS};
use crate::shard::{Clients, KeyRow, ScannedKeys, WarmUpProgress};

/// Bytes of the document without its rows, at most.
const ENVELOPE_BYTES: usize = 4096;

const _: () = {
    // A shard that is missing is named with three digits and a comma.
    assert!(512 + 4 * *SHARDS.end() as usize <= ENVELOPE_BYTES);
};

/// What the document says besides the keys.
pub(super) struct Summary {
    pub(super) ageing: Ageing,
    /// Milliseconds since 1970.
    pub(super) time_ms: u64,
    pub(super) stored_keys: u64,
    pub(super) warm_up: WarmUpProgress,
    pub(super) waiting_reads: u64,
    pub(super) is_draining: bool,
    pub(super) clients_left: Option<Clients>,
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
    warm_up: WarmUp,
    /// Whether all of them are below.
    complete: bool,
    /// Shards whose keys are missing, because they did not answer in time.
    missing_shards: Vec<usize>,
    /// Whether the daemon moves its clients to another server.
    draining: bool,
    /// Whom it has not moved yet. Null: it has not counted them yet.
    writers_left: Option<u64>,
    readers_left: Option<u64>,
    topologies: Vec<Topology<'a>>,
    others: Vec<Row<'a>>,
}

/// How the warm-up is; see `/status`.
#[derive(Serialize)]
struct WarmUp {
    stage: &'static str,
    waiting_reads: u64,
    asked_keys: u64,
    found_keys: u64,
}

#[derive(Serialize)]
struct Topology<'a> {
    name: &'a str,
    workers: Vec<Row<'a>>,
}

/// One key: its name, the age of its pulse in milliseconds at the time of the scan, the bytes of its
/// details, and how often it was written, modulo 65536. The name is a worker's node and port as they
/// stand in its key, or a whole key.
#[derive(Serialize)]
struct Row<'a>(&'a str, u64, u64, u16);

/// The document, in `max_bytes` at most. `shards` has the keys of each shard, or `None` for a shard
/// that has shown none; each shard may fill an equal share of the document, so that the keys of one
/// cannot hide those of another.
pub(super) fn json(summary: &Summary, shards: &[Option<&ScannedKeys>], max_bytes: usize) -> String {
    let share = max_bytes.saturating_sub(ENVELOPE_BYTES) / shards.len().max(1);
    let mut rows = Rows::default();
    let mut complete = true;
    for shard in shards {
        complete &= shard.is_some_and(|keys| rows.add(keys, share) && keys.complete);
    }
    let millis = |time: Duration| time.as_millis() as u64;
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        time_ms: summary.time_ms,
        stale_after_ms: millis(summary.ageing.stale_after),
        expire_after_ms: millis(summary.ageing.expire_after),
        keys: summary.stored_keys,
        warm_up: WarmUp {
            stage: summary.warm_up.stage.name(),
            waiting_reads: summary.waiting_reads,
            asked_keys: summary.warm_up.asked_keys,
            found_keys: summary.warm_up.found_keys,
        },
        complete,
        missing_shards: (0..shards.len())
            .filter(|shard| shards[*shard].is_none())
            .collect(),
        draining: summary.is_draining,
        writers_left: summary.clients_left.map(|left| left.writers),
        readers_left: summary.clients_left.map(|left| left.readers),
        topologies: rows
            .topologies
            .into_iter()
            .map(|(name, workers)| Topology { name, workers })
            .collect(),
        others: rows.others,
    };
    serde_json::to_string(&document).expect("text and numbers are JSON")
}

/// The rows of the document.
#[derive(Default)]
struct Rows<'a> {
    topologies: BTreeMap<&'a str, Vec<Row<'a>>>,
    others: Vec<Row<'a>>,
}

impl<'a> Rows<'a> {
    /// Adds the keys of one shard. Returns false if they take more than `max_bytes` as JSON; then the
    /// keys that did not fit are left out.
    fn add(&mut self, keys: &'a ScannedKeys, max_bytes: usize) -> bool {
        let mut bytes = 0;
        for key in keys.slices.iter().flat_map(|slice| slice.keys()) {
            bytes += self.add_key(&key, max_bytes - bytes);
            if bytes > max_bytes {
                return false;
            }
        }
        true
    }

    /// Adds one key, unless it takes more than `max_bytes` as JSON. Returns the bytes that it takes.
    fn add_key(&mut self, key: &KeyRow<'a>, max_bytes: usize) -> usize {
        let row = |name| Row(name, key.age_ms, key.details_bytes, key.writes);
        let Some((topology, worker)) = worker(key.path) else {
            let row = row(key.path);
            let bytes = row.json_bytes();
            if bytes <= max_bytes {
                self.others.push(row);
            }
            return bytes;
        };
        let row = row(worker);
        let mut bytes = row.json_bytes();
        match self.topologies.entry(topology) {
            Entry::Occupied(mut workers) => {
                if bytes <= max_bytes {
                    workers.get_mut().push(row);
                }
            }
            Entry::Vacant(place) => {
                bytes += r#"{"name":"","workers":[]},"#.len() + text_json_bytes(topology);
                if bytes <= max_bytes {
                    place.insert(vec![row]);
                }
            }
        }
        bytes
    }
}

impl Row<'_> {
    /// Bytes of the row as JSON at most, with the comma after it.
    fn json_bytes(&self) -> usize {
        let Row(name, age_ms, details_bytes, writes) = self;
        r#"["",,,],"#.len()
            + text_json_bytes(name)
            + digits(*age_ms)
            + digits(*details_bytes)
            + digits(u64::from(*writes))
    }
}

/// Bytes of a text as JSON at most, without its quotes. A control character takes six.
fn text_json_bytes(text: &str) -> usize {
    let is_escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    text.len() + 5 * text.bytes().filter(is_escaped).count()
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The topology, and the node and port, of a worker's key: `/workerbeats/TOPOLOGY/NODE-PORT`.
fn worker(path: &str) -> Option<(&str, &str)> {
    let (topology, worker) = path.strip_prefix("/workerbeats/")?.split_once('/')?;
    let (node, port) = worker.rsplit_once('-')?;
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_worker = !topology.is_empty() && !node.is_empty() && !worker.contains('/') && is_port;
    is_worker.then_some((topology, worker))
}

#[cfg(test)]
mod tests;
