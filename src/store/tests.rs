//! The store by example: Storm's paths, its limits, age and speed.

mod key_scans;
mod memory;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;

pub(super) fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

pub(super) fn hash(key: &str) -> u64 {
    hasher().hash_one(key)
}

fn store(keys: u64, bytes: u64) -> Store {
    Store::new(StoreLimits { keys, bytes }, hasher())
}

fn roomy() -> Store {
    store(u64::MAX, u64::MAX)
}

fn put(store: &mut Store, key: &str, details: &'static [u8]) -> Result<PutOutcome, StoreFull> {
    store.put(key, hash(key), Bytes::from_static(details), 0)
}

pub(super) fn put_at(store: &mut Store, key: &str, now_ms: u64) {
    let put = store.put(key, hash(key), Bytes::from_static(b"xyz"), now_ms);
    assert!(put.is_ok());
}

/// Nodes of one slice: few, so that lists, records and deletions take several.
const SLICE: usize = 5;

/// A whole list, sorted.
pub(super) fn list(store: &mut Store, path: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut scan = store.begin_list(path);
    while store.continue_list(&mut scan, SLICE, &mut |name| {
        names.insert(name.to_owned());
    }) {}
    store.end_list(scan);
    names.into_iter().collect()
}

/// All records, sorted.
pub(super) fn records(store: &mut Store, path: &str) -> Vec<(String, Bytes)> {
    let mut records = Vec::new();
    let mut scan = store.begin_records(path);
    while store.continue_records(&mut scan, SLICE, &mut |key, details| {
        records.push((key, details.clone()));
        true
    }) {}
    store.end_records(scan);
    records.sort();
    records
}

/// Returns how many keys there were. Each slice begins at the top again, so it is longer for deep trees.
pub(super) fn delete_path(store: &mut Store, path: &str) -> u64 {
    let keys_before = store.usage().keys;
    let slice = SLICE.max(store.slot_count() / 10);
    while store.delete_below(path, slice) {}
    keys_before - store.usage().keys
}

/// A whole pass of the compaction.
pub(super) fn compact(store: &mut Store) {
    store.begin_compaction();
    while store.is_compacting() {
        store.continue_compaction(SLICE);
    }
    store.directory.check();
}

pub(super) fn keys(store: &mut Store) -> Vec<String> {
    let records = records(store, "").into_iter();
    records.map(|(key, _)| key).collect()
}

fn with_keys(keys: &[&str]) -> Store {
    let mut store = roomy();
    for key in keys {
        assert_eq!(put(&mut store, key, b"xyz"), Ok(PutOutcome::Inserted));
    }
    store
}

// ── Storm's paths ────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_stored_pulse_is_read_until_it_is_removed() {
    let mut store = with_keys(&["/w/t1/n-1"]);
    let key = "/w/t1/n-1";
    assert_eq!(store.get(key, hash(key)), Some(&Bytes::from_static(b"xyz")));
    assert_eq!(put(&mut store, key, b""), Ok(PutOutcome::Replaced));
    assert_eq!(store.get(key, hash(key)), Some(&Bytes::new()));
    assert!(store.contains(key, hash(key)));
    for other in [
        "/w/t1",
        "/w/t1/",
        "/w/t1/n-1/",
        "w/t1/n-1",
        "/w//t1/n-1",
        "/w/t1/n-11",
        "",
    ] {
        assert!(!store.contains(other, hash(other)), "{other:?}");
        assert_eq!(store.get(other, hash(other)), None);
    }
    assert!(store.remove(key, hash(key)));
    assert!(!store.remove(key, hash(key)));
    assert_eq!(store.usage(), Usage::default());
    assert_eq!(list(&mut store, ""), [""; 0]);
}

#[test]
fn a_list_has_the_next_segments_that_are_not_empty() {
    let mut store = with_keys(&[
        "/w/t1/a", "/w/t1/b", "/w/t11/a", "/w//t2/a", "/w//t1", "rel/x", "/w/",
    ]);
    assert_eq!(list(&mut store, ""), ["rel", "w"]);
    assert_eq!(list(&mut store, "/"), ["w"]);
    assert_eq!(list(&mut store, "/w"), ["t1", "t11", "t2"]);
    assert_eq!(list(&mut store, "/w/"), ["t1", "t11", "t2"]);
    assert_eq!(list(&mut store, "/w//"), ["t1", "t2"]);
    assert_eq!(list(&mut store, "/w/t1"), ["a", "b"]);
    assert_eq!(list(&mut store, "rel"), ["x"]);
    for nothing in ["/w/t1/a", "/w/t", "w", "//", "/w/t1//", "/rel"] {
        assert_eq!(list(&mut store, nothing), [""; 0], "{nothing:?}");
    }
}

#[test]
fn a_deletion_stops_at_the_directory() {
    let every = [
        "/w", "/w/", "/w/t1", "/w/t1/a", "/w/t11/a", "/x", "", "/", "w/t1",
    ];
    let left_by = |path: &str| {
        let mut store = with_keys(&every);
        let removed = delete_path(&mut store, path);
        let left = keys(&mut store);
        assert_eq!(removed as usize, every.len() - left.len());
        store.directory.check();
        left
    };
    assert_eq!(
        left_by("/w/t1"),
        ["", "/", "/w", "/w/", "/w/t11/a", "/x", "w/t1"]
    );
    assert_eq!(left_by("/w/t1/"), left_by("/w/t1"));
    assert_eq!(left_by("/w"), ["", "/", "/x", "w/t1"]);
    assert_eq!(left_by("/w/"), left_by("/w"));
    assert_eq!(left_by("/"), ["w/t1"]);
    assert_eq!(left_by(""), ["w/t1"]);
    assert_eq!(left_by("/t"), keys(&mut with_keys(&every)));
}

#[test]
fn records_stop_when_they_are_told_to() {
    let mut store = with_keys(&["/w/a", "/w/b", "/w/c"]);
    let mut scan = store.begin_records("/w");
    let mut found = 0;
    assert!(store.continue_records(&mut scan, 100, &mut |_, _| {
        found += 1;
        found < 2
    }));
    assert_eq!(found, 2);
    store.end_records(scan);
    assert_eq!(records(&mut store, "/x"), []);
}

#[test]
fn depth_costs_no_stack() {
    let key = "/".repeat(100_000) + "a";
    let mut store = roomy();
    assert_eq!(put(&mut store, &key, b"xyz"), Ok(PutOutcome::Inserted));
    assert!(store.contains(&key, hash(&key)));
    assert_eq!(list(&mut store, ""), ["a"]);
    assert_eq!(keys(&mut store), [key.as_str()]);
    assert_eq!(delete_path(&mut store, "/"), 1);
    compact(&mut store);
    assert_eq!(store.index_bytes(), roomy().index_bytes());
}

// ── Limits, age and memory ───────────────────────────────────────────────────────────────────────

#[test]
fn a_full_store_loses_nothing() {
    let mut store = store(2, 160);
    assert_eq!(put(&mut store, "/a", b"1234"), Ok(PutOutcome::Inserted));
    assert_eq!(put(&mut store, "/b", &[0; 150]), Err(StoreFull::Bytes));
    assert_eq!(
        put(&mut store, "/b", &[0; 142]),
        Ok(PutOutcome::Inserted),
        "150 bytes of 160"
    );
    assert_eq!(put(&mut store, "/c", b""), Err(StoreFull::Keys));
    assert_eq!(put(&mut store, "/a", &[0; 14]), Ok(PutOutcome::Replaced));
    assert_eq!(put(&mut store, "/a", &[0; 15]), Err(StoreFull::Bytes));
    let expected = Usage {
        keys: 2,
        key_bytes: 4,
        details_bytes: 156,
    };
    assert_eq!(store.usage(), expected);
    assert_eq!(store.get("/a", hash("/a")).map(Bytes::len), Some(14));
    assert_eq!(keys(&mut store), ["/a", "/b"]);
    store.directory.check();
}

/// Cutoffs by which keys expire that were written before this time, and none is stale.
fn expire_before(expired_before_ms: u64) -> AgeCutoffs {
    AgeCutoffs {
        expired_before_ms,
        stale_before_ms: 0,
    }
}

#[test]
fn stale_keys_are_counted_before_they_expire() {
    let mut store = roomy();
    for number in 0..100 {
        let key = format!("/w/{number}");
        assert!(store.put(&key, hash(&key), Bytes::new(), number).is_ok());
    }
    let pass = |store: &mut Store, expired_before_ms, stale_before_ms| {
        let cutoffs = AgeCutoffs {
            expired_before_ms,
            stale_before_ms,
        };
        while !store.expire(cutoffs, 7).finished {}
        (store.stale_keys(), store.usage().keys)
    };
    assert_eq!(pass(&mut store, 0, 0), (0, 100));
    assert_eq!(pass(&mut store, 0, 40), (40, 100));
    assert_eq!(pass(&mut store, 10, 40), (30, 90));
    // Nearly all keys expire.
    assert_eq!(pass(&mut store, 98, u64::MAX).1, 2);
    assert_eq!(pass(&mut store, 98, u64::MAX), (2, 2));
    assert!(
        store
            .put("/w/99", hash("/w/99"), Bytes::new(), 1000)
            .is_ok()
    );
    assert_eq!(pass(&mut store, 98, 500), (1, 2));
}

#[test]
fn keys_expire_slice_by_slice_and_updates_keep_them() {
    let mut store = roomy();
    for number in 0..1000 {
        let key = format!("/w/t{}/{number}", number / 10);
        assert!(store.put(&key, hash(&key), Bytes::new(), number).is_ok());
    }
    assert!(
        store
            .put("/w/t0/0", hash("/w/t0/0"), Bytes::new(), 5000)
            .is_ok()
    );
    let mut removed = 0;
    for call in 1.. {
        let expired = store.expire(expire_before(500), 64);
        store.directory.check();
        removed += expired.removed_keys;
        if expired.finished {
            assert!(call > 10, "64 slots a call");
            break;
        }
    }
    assert_eq!((removed, store.usage().keys), (499, 501));
    assert_eq!(list(&mut store, "/w/t0"), ["0"]);
    assert_eq!(list(&mut store, "/w").len(), 51);
    let nothing = ExpireProgress {
        removed_keys: 0,
        finished: true,
    };
    assert_eq!(store.expire(expire_before(500), usize::MAX), nothing);
    assert_eq!(
        store
            .expire(expire_before(u64::MAX), usize::MAX)
            .removed_keys,
        501
    );
    compact(&mut store);
    assert_eq!(store.index_bytes(), roomy().index_bytes());
}

#[test]
fn one_call_removes_so_many_keys_and_no_more() {
    let mut store = roomy();
    let most = MOST_REMOVALS;
    for number in 0..2 * most {
        let key = number.to_string();
        assert!(store.put(&key, hash(&key), Bytes::new(), number).is_ok());
    }
    for keys in [most, 0] {
        let expired = store.expire(expire_before(u64::MAX), usize::MAX);
        assert_eq!((expired.removed_keys, store.usage().keys), (most, keys));
    }
}

#[test]
fn an_expiry_pass_misses_no_key_when_nodes_move_meanwhile() {
    let mut store = roomy();
    for number in 0..4000u64 {
        let key = number.to_string();
        let written_ms = if (3900..3999).contains(&number) {
            1000
        } else {
            0
        };
        assert!(
            store
                .put(&key, hash(&key), Bytes::new(), written_ms)
                .is_ok()
        );
    }
    let slots = store.slot_count();
    assert_eq!(store.expire(expire_before(500), 3901).removed_keys, 3900);
    let moves = store.moves;
    compact(&mut store);
    assert!(store.moves > moves && store.slot_count() < slots / 3);
    let rest = ExpireProgress {
        removed_keys: 1,
        finished: true,
    };
    assert_eq!(store.expire(expire_before(500), 3901), rest);
}

#[test]
#[ignore = "a measurement; run it in release, on an idle machine"]
fn measure_that_a_directory_of_400_among_100_000_keys_lists_in_100_us() {
    let worker = |number: u32| format!("/workerbeats/topology-{}/worker-{number}", number / 400);
    let mut store = roomy();
    for key in (0..100_000).map(worker) {
        assert!(put(&mut store, &key, b"").is_ok());
    }
    let mut fastest = Duration::MAX;
    for topology in 0..250 {
        let path = format!("/workerbeats/topology-{topology}");
        let start = Instant::now();
        let mut bytes = 0;
        let mut scan = store.begin_list(&path);
        assert!(!store.continue_list(&mut scan, 1000, &mut |name| bytes += name.len()));
        store.end_list(scan);
        fastest = fastest.min(start.elapsed());
        assert!(bytes > 400 * 7);
    }
    assert!(fastest < Duration::from_micros(100), "{fastest:?}");
}
