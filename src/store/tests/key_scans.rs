//! The walk over all keys that the table of workers is made of.

use super::*;
use crate::store::key_scan::KeySummary;

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
        while !store.expire(expire_before(4990), usize::MAX).finished {}
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
