//! Memory comes back after a burst, a step at a time, and slots are used again.

use super::*;

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

/// A pass does not come back to a node that it has left where it was.
#[test]
fn what_goes_behind_a_pass_is_freed_by_another() {
    const KEYS: u32 = 40_000;
    let mut store = roomy();
    let worker = |number: u32| format!("/workerbeats/topology-{}/worker-{number}", number / 400);
    for number in 0..KEYS {
        put_at(&mut store, &worker(number), 0);
    }
    let full = store.index_bytes();
    let keep = |store: &mut Store, stays: fn(u32) -> bool| {
        for key in (0..KEYS).filter(|number| !stays(*number)).map(worker) {
            store.remove(&key, hash(&key));
        }
    };
    keep(&mut store, |number| number % 5 >= 3);
    // All who must move have moved; the rest of the pass meets nodes that stay.
    for _ in 0..48 {
        store.continue_compaction(1024);
    }
    assert!(store.is_compacting());
    keep(&mut store, |number| number % 50 == 4);
    while store.is_compacting() {
        store.continue_compaction(1024);
    }
    store.directory.check();
    let left = store.index_bytes();
    assert!(
        left < full / 8,
        "a fiftieth of the keys is left: {left} of {full}"
    );
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

/// A step is short even where a directory has many children, because that directory stays where it is.
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
