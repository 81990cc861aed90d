//! The size of the document, and which keys are workers.

use serde_json::Value;

use super::*;
use crate::limits::{PAGE_BYTES, SCANNED_KEYS};
use crate::shard::{KeySlice, WarmUpStage};

const MOST_BYTES: usize = PAGE_BYTES as usize;

const SUMMARY: Summary = Summary {
    ageing: Ageing {
        stale_after: Duration::MAX,
        expire_after: Duration::MAX,
    },
    time_ms: u64::MAX,
    stored_keys: u64::MAX,
    warm_up: WarmUpProgress {
        stage: WarmUpStage::Ready,
        asked_keys: u64::MAX,
        found_keys: u64::MAX,
    },
    waiting_reads: u64::MAX,
    is_draining: false,
    clients_left: Some(Clients {
        writers: u64::MAX,
        readers: u64::MAX,
        reading: 0,
    }),
};

/// The keys of one shard: all that a scan may have collected of these paths.
fn scanned(paths: impl Iterator<Item = String>, age_ms: u64, max_bytes: usize) -> ScannedKeys {
    let mut slice = KeySlice::new(age_ms);
    let mut bytes = 0;
    for path in paths {
        bytes += path.len();
        if bytes > max_bytes {
            break;
        }
        slice.push(&path, 60_000, 0, u16::MAX);
    }
    ScannedKeys {
        slices: vec![slice],
        complete: true,
    }
}

fn document(keys: &[ScannedKeys], max_bytes: usize) -> (usize, Value) {
    let shards: Vec<_> = keys.iter().map(Some).collect();
    let json = json(&SUMMARY, &shards, max_bytes);
    (json.len(), serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn hostile_keys_do_not_make_it_larger_than_its_bound() {
    let control = "\u{1}".repeat(1000);
    let keys = ["a", "b"].map(|shard| {
        let paths = (0..).map(|number| format!("/{shard}{number}{control}"));
        scanned(paths, u64::MAX, MOST_BYTES / 2)
    });
    let (bytes, document) = document(&keys, MOST_BYTES);
    assert!(bytes <= MOST_BYTES, "{bytes}");
    assert!(bytes > MOST_BYTES / 10 * 9, "{bytes}");
    assert_eq!(document["complete"], false);
    // Neither shard has hidden the other.
    let others = document["others"].as_array().unwrap();
    let of_first = |row: &&Value| row[0].as_str().unwrap().starts_with("/a");
    let first = others.iter().filter(of_first).count();
    assert!(
        first.abs_diff(others.len() - first) < 10,
        "{first} of {}",
        others.len()
    );
}

/// Paths of every kind, each in a document with room for some of them only.
#[test]
fn no_kind_of_key_makes_it_larger_than_its_bound() {
    const MAX_BYTES: usize = 64 << 10;
    let kinds: [fn(u32) -> String; 6] = [
        |number| format!("/workerbeats/{number}/n-1"),
        |number| format!("/workerbeats/\u{1f}{number}/\u{2}-1"),
        |number| format!("/workerbeats/t/\"\\\"{number}-6700"),
        |number| format!("/workerbeats/t/node{number}-6700"),
        |number| format!("/{}{number}", "\n".repeat(number as usize % 99)),
        |number| format!("/ö\u{2028}\u{7f}{number}"),
    ];
    for kind in kinds {
        for age_ms in [0, 29_999, u64::MAX] {
            let keys = [scanned((0..).map(kind), age_ms, 128 << 10)];
            let (bytes, document) = document(&keys, MAX_BYTES);
            let path = kind(1);
            assert!(bytes <= MAX_BYTES, "{path:?}: {bytes}");
            // Some escapes take two bytes and are counted as six.
            assert!(bytes > MAX_BYTES / 3, "{path:?}: {bytes}");
            assert_eq!(document["complete"], false, "{path:?}");
        }
    }
}

#[test]
fn the_largest_cluster_fits() {
    let worker = "0b6f7c1e-6d3c-4a8e-9b1d-2f4c6a8e0b1d-10.20.30.40";
    let paths = (0..SCANNED_KEYS).map(|number| {
        let topology = format!("a-topology-of-usual-length-{}-1795449600", number / 400);
        format!("/workerbeats/{topology}/{worker}-{}", 6700 + number % 400)
    });
    let keys = [scanned(paths, 29_999, MOST_BYTES)];
    let (_, document) = document(&keys, MOST_BYTES);
    assert_eq!(document["complete"], true);
    let topologies = document["topologies"].as_array().unwrap();
    assert_eq!(topologies.len(), SCANNED_KEYS / 400);
}

#[test]
fn a_shard_without_keys_is_named() {
    let keys = scanned(["/a".to_owned()].into_iter(), 7, 100);
    let json = json(&SUMMARY, &[Some(&keys), None], MOST_BYTES);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["missing_shards"], serde_json::json!([1]));
    assert_eq!(document["complete"], false);
    assert_eq!(
        document["others"],
        serde_json::json!([["/a", 7, 60_000, 65_535]])
    );
}

#[test]
fn the_envelope_is_within_its_bound() {
    let shards = vec![None; *SHARDS.end() as usize];
    let bytes = json(&SUMMARY, &shards, 0).len();
    assert!(bytes <= ENVELOPE_BYTES, "{bytes}");
}

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
