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

/// Packs the slab to the end. Nothing is lost meanwhile.
fn pack(store: &mut Store) {
    while store.is_packing() {
        store.pack(7);
    }
    store.directory.check();
}

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
    pack(&mut store);
    assert!(store.index_bytes() < 8192, "{} bytes", store.index_bytes());
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
    // Nearly all keys expire, and the slab is packed during the pass.
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
    pack(&mut store);
    assert!(store.index_bytes() < 8192, "{} bytes", store.index_bytes());
}

#[test]
fn an_expiry_pass_misses_no_key_when_the_slab_is_packed_meanwhile() {
    let mut store = roomy();
    for number in 0..400u64 {
        let key = number.to_string();
        let fresh = (390..399).contains(&number);
        assert!(
            store
                .put(&key, hash(&key), Bytes::new(), if fresh { 1000 } else { 0 })
                .is_ok()
        );
    }
    let full = store.index_bytes();
    assert_eq!(store.expire(expire_before(500), 391).removed_keys, 390);
    pack(&mut store);
    assert!(store.index_bytes() < full / 10, "it was packed");
    let rest = ExpireProgress {
        removed_keys: 1,
        finished: true,
    };
    assert_eq!(store.expire(expire_before(500), 391), rest);
}

#[test]
fn an_emptied_store_frees_its_memory() {
    let mut store = roomy();
    let worker = |number: u32| format!("/workerbeats/topology-{}/worker-{number}", number / 400);
    let fill = |store: &mut Store| {
        for key in (0..20_000).map(worker) {
            assert!(put(store, &key, b"").is_ok());
        }
        store.index_bytes()
    };
    let full = fill(&mut store);
    for key in (400..20_000).map(worker) {
        assert!(store.remove(&key, hash(&key)));
    }
    store.directory.check();
    pack(&mut store);
    assert!(
        store.index_bytes() < full / 10,
        "a fiftieth of the keys is left"
    );
    assert_eq!(list(&mut store, "/workerbeats/topology-0").len(), 400);
    assert_eq!(delete_path(&mut store, "/"), 400);
    pack(&mut store);
    assert!(store.index_bytes() < 8192, "{} bytes", store.index_bytes());
    let again = fill(&mut store);
    assert_eq!(delete_path(&mut store, "/workerbeats"), 20_000);
    pack(&mut store);
    assert!(again <= full && store.index_bytes() < 8192);
}

#[test]
fn a_directory_of_many_keys_is_moved_in_steps() {
    let mut store = roomy();
    let early = |number: u32| format!("/early/{number}");
    let late = |number: u32| format!("/late/many/{number}");
    (0..3_000).for_each(|number| put_at(&mut store, &early(number), 0));
    (0..500).for_each(|number| put_at(&mut store, &late(number), 0));
    // Its keys go to slots before it, so that it comes to be last.
    assert_eq!(delete_path(&mut store, "/early"), 3_000);
    (0..500).for_each(|number| assert!(store.remove(&late(number), hash(&late(number)))));
    (0..500).for_each(|number| put_at(&mut store, &early(number), 0));
    put_at(&mut store, "/late/many/more", 0);
    let mut lists = store.begin_list("/early");
    let mut listed = 0;
    let mut was_moving = 0;
    for round in 500.. {
        store.directory.begin_packing();
        store.pack(40);
        store.directory.check();
        was_moving += u32::from(store.directory.is_moving());
        // Keys come and go, are found and listed.
        put_at(&mut store, &early(round), 0);
        assert!(store.remove(&early(round - 500), hash(&early(round - 500))));
        assert!(store.contains(&early(round - 1), hash(&early(round - 1))));
        store.continue_list(&mut lists, 3, &mut |_| listed += 1);
        if round == 1_000 {
            break;
        }
    }
    assert!(was_moving > 0);
    store.end_list(lists);
    assert_eq!(list(&mut store, "/early").len(), 500);
    while store.directory.is_moving() {
        store.pack(1);
    }
    assert_eq!(delete_path(&mut store, "/early"), 500);
    assert_eq!(list(&mut store, "/late/many"), ["more"]);
    pack(&mut store);
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
    for number in 0..500 {
        let key = format!("/w/{number:03}");
        assert!(store.put(&key, hash(&key), Bytes::new(), number).is_ok());
    }
    // Nearly all keys go during the scan.
    let (seen, restarts) = scan(&mut store, 100, |store| {
        store.expire(expire_before(490), usize::MAX);
        pack(store);
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
