//! The store by example: Storm's paths, its limits, its memory and its speed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::key_scan::KeySummary;
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
fn a_store_that_has_lost_most_of_its_keys_frees_their_memory() {
    let mut store = roomy();
    let worker = |number: u32| format!("/workerbeats/topology-{}/worker-{number}", number / 400);
    let fill = |store: &mut Store| {
        for key in (0..20_000).map(worker) {
            assert!(put(store, &key, b"").is_ok());
        }
        store.index_bytes()
    };
    let step_to_the_end = |store: &mut Store| {
        assert!(store.is_compacting());
        while store.is_compacting() {
            store.continue_compaction(100);
        }
        store.directory.check();
    };
    let full = fill(&mut store);
    for key in (0..20_000).filter(|number| number % 50 > 0).map(worker) {
        assert!(store.remove(&key, hash(&key)));
    }
    step_to_the_end(&mut store);
    assert!(
        store.index_bytes() < full / 8,
        "a fiftieth of the keys is left: {} of {full}",
        store.index_bytes()
    );
    assert_eq!(list(&mut store, "/workerbeats/topology-0").len(), 8);
    assert_eq!(delete_path(&mut store, "/"), 400);
    compact(&mut store);
    assert_eq!(store.index_bytes(), roomy().index_bytes());
    let again = fill(&mut store);
    assert_eq!(delete_path(&mut store, "/workerbeats"), 20_000);
    step_to_the_end(&mut store);
    assert!(again <= full);
    assert_eq!(store.index_bytes(), roomy().index_bytes());
}

/// Keys come and go while nodes move.
#[test]
fn a_compaction_takes_turns_with_requests() {
    let mut store = roomy();
    let worker = |number: u32| format!("/w/t{}/{number}", number % 3);
    for number in 0..6000 {
        put_at(&mut store, &worker(number), 0);
    }
    for number in (0..6000).filter(|number| number % 4 > 0) {
        let key = worker(number);
        assert!(store.remove(&key, hash(&key)));
    }
    let mut round = 0;
    while store.is_compacting() {
        store.continue_compaction(50);
        let (gone, new) = (worker(round * 4), worker(10_000 + round));
        assert!(store.remove(&gone, hash(&gone)));
        put_at(&mut store, &new, 0);
        store.directory.check();
        round += 1;
    }
    assert!(round > 20, "{round}");
    let mut expected: Vec<String> = (round..1500).map(|number| worker(number * 4)).collect();
    expected.extend((0..round).map(|number| worker(10_000 + number)));
    expected.sort();
    assert_eq!(keys(&mut store), expected);
}

/// However a step ends, it is short: a directory with many children stays where it is.
#[test]
fn a_step_of_the_compaction_is_short() {
    let mut store = roomy();
    let key = |directory: u32, number: u32| format!("/w/{directory}/{number}");
    for number in 0..2000 {
        for directory in 0..8 {
            put_at(&mut store, &key(directory, number), 0);
        }
    }
    for number in (0..2000).filter(|number| number % 3 > 0) {
        for directory in 1..8 {
            let key = key(directory, number);
            store.remove(&key, hash(&key));
        }
    }
    store.begin_compaction();
    let mut steps = 0;
    while store.is_compacting() {
        store.continue_compaction(100);
        steps += 1;
    }
    store.directory.check();
    assert!(steps > 7000 / 100, "{steps}");
    assert_eq!(list(&mut store, "/w/0").len(), 2000);
    assert_eq!(list(&mut store, "/w/7").len(), 667);
}

#[test]
fn slots_are_reused() {
    let mut store = with_keys(&["/w/a/1", "/w/b/1", "/w/c/1"]);
    let slots = store.directory.slot_count();
    for round in 0..100 {
        let topology = format!("/w/{round}");
        let key = format!("{topology}/1");
        assert!(delete_path(&mut store, if round % 2 == 0 { "/w/a" } else { "/w/b" }) <= 1);
        assert!(put(&mut store, &key, b"").is_ok());
        assert_eq!(delete_path(&mut store, &topology), 1);
        assert!(store.directory.slot_count() <= slots);
    }
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

/// Scans to the end in slices of this many slots. Returns the keys, sorted, and how often the scan began
/// again.
fn scan(
    store: &mut Store,
    slots: usize,
    mut between: impl FnMut(&mut Store),
) -> (Vec<KeySummary>, u32) {
    let (mut position, mut seen, mut restarts) = (ScanPosition::default(), Vec::new(), 0);
    loop {
        match store.scan_keys(&mut position, slots, &mut |key| seen.push(key)) {
            ScanProgress::Ongoing => between(store),
            ScanProgress::Restarted => {
                seen.clear();
                restarts += 1;
            }
            ScanProgress::Finished => break,
        }
    }
    seen.sort_by(|one, other| one.path.cmp(&other.path));
    (seen, restarts)
}

#[test]
fn a_scan_shows_every_key_once_with_its_age_size_and_writes() {
    let mut store = roomy();
    assert_eq!(scan(&mut store, 1, |_| {}), (vec![], 0));
    for number in 0..200_u64 {
        let key = format!("/w/t{}/{number:03}", number % 7);
        let details = vec![0; number as usize];
        for now_ms in 0..=number % 3 {
            assert!(
                store
                    .put(&key, hash(&key), details.clone().into(), now_ms)
                    .is_ok()
            );
        }
    }
    let (seen, restarts) = scan(&mut store, 13, |_| {});
    assert_eq!((seen.len(), restarts), (200, 0));
    for key in &seen {
        let number: u64 = key.path.rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(key.details_bytes, number);
        assert_eq!(key.written_ms, number % 3);
        assert_eq!(u64::from(key.writes), number % 3 + 1);
    }
    assert!(seen.windows(2).all(|pair| pair[0].path < pair[1].path));
}

#[test]
fn a_scan_begins_again_when_the_keys_move() {
    let mut store = roomy();
    for number in 0..5000 {
        let key = format!("/w/{number:03}");
        assert!(store.put(&key, hash(&key), Bytes::new(), number).is_ok());
    }
    // Nearly all keys go during the scan.
    let (seen, restarts) = scan(&mut store, 1000, |store| {
        store.expire(expire_before(4990), usize::MAX);
        store.continue_compaction(usize::MAX);
    });
    assert_eq!((seen.len(), restarts), (10, 1));
}

#[test]
fn writes_are_counted_modulo_65536() {
    let mut store = roomy();
    for now_ms in 0..65_537 {
        assert!(store.put("/w", hash("/w"), Bytes::new(), now_ms).is_ok());
    }
    let (seen, _) = scan(&mut store, 10, |_| {});
    assert_eq!((seen[0].writes, seen[0].written_ms), (1, 65_536));
}
