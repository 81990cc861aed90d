//! Compares the store with a plain map over random steps: every answer, the usage, and that the store's
//! parts agree. The map's rules compare text, as Storm's daemon does, and share no code with the store.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{compact, delete_path, hash, hasher, keys, list, records};
use super::*;

/// Each key with its details and the time of its last write.
#[derive(Debug, Default)]
struct Model {
    keys: BTreeMap<String, (Vec<u8>, u64)>,
}

impl Model {
    fn usage(&self) -> Usage {
        Usage {
            keys: self.keys.len() as u64,
            key_bytes: self.keys.keys().map(|key| key.len() as u64).sum(),
            details_bytes: self
                .keys
                .values()
                .map(|(details, _)| details.len() as u64)
                .sum(),
        }
    }

    fn put(
        &mut self,
        limits: StoreLimits,
        key: &str,
        details: &[u8],
        now: u64,
    ) -> Result<PutOutcome, StoreFull> {
        let usage = self.usage();
        let (bytes, grown) = (usage.bytes(), details.len() as u64);
        let put = match self.keys.get(key) {
            Some((old, _)) => {
                let old = old.len() as u64;
                if grown > old && bytes + grown - old > limits.bytes {
                    return Err(StoreFull::Bytes);
                }
                PutOutcome::Replaced
            }
            None if usage.keys == limits.keys => return Err(StoreFull::Keys),
            None if (bytes + key.len() as u64 + grown) > limits.bytes - limits.bytes / 16 => {
                return Err(StoreFull::Bytes);
            }
            None => PutOutcome::Inserted,
        };
        self.keys.insert(key.into(), (details.into(), now));
        Ok(put)
    }

    fn list(&self, path: &str) -> Vec<String> {
        let heads = self.heads(path);
        let names: BTreeSet<_> = heads.iter().map(|head| name_of(head)).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// What each name in a list comes from: the part of a key below the path that ends with it. One name may come
    /// from several, because empty segments do not count.
    fn heads(&self, path: &str) -> BTreeSet<String> {
        let base = path.strip_suffix('/').unwrap_or(path).to_owned() + "/";
        let below = self.keys.keys().filter_map(|key| match path {
            "" => Some(key.as_str()),
            _ => key.strip_prefix(&base),
        });
        let heads = below.filter_map(|rest| {
            let start = rest.find(|letter| letter != '/')?;
            let end = rest[start..]
                .find('/')
                .map_or(rest.len(), |len| start + len);
            Some(rest[..end].to_owned())
        });
        heads.collect()
    }

    fn is_under(key: &str, path: &str) -> bool {
        let prefix = path.strip_suffix('/').unwrap_or(path).to_owned() + "/";
        format!("{key}/").starts_with(&prefix)
    }

    fn remove_if(&mut self, mut condition: impl FnMut(&str, u64) -> bool) -> u64 {
        let before = self.keys.len();
        self.keys
            .retain(|key, (_, written)| !condition(key, *written));
        (before - self.keys.len()) as u64
    }

    fn records(&self, path: &str) -> Vec<(String, Bytes)> {
        let under = |key: &str| path.is_empty() || Self::is_under(key, path);
        let keys = self.keys.iter().filter(|(key, _)| under(key));
        keys.map(|(key, (details, _))| (key.clone(), Bytes::copy_from_slice(details)))
            .collect()
    }
}

fn name_of(head: &str) -> &str {
    head.trim_start_matches('/')
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, Vec<u8>),
    Get(String),
    Remove(String),
    List(String),
    DeletePath(String),
    Records(String),
    Expire(u64, usize),
    Compact,
    /// A list and a collection of records of this path, with these changes between their slices.
    Scans(String, Vec<Change>),
}

/// What may happen between two slices of a scan.
#[derive(Debug, Clone)]
enum Change {
    Put(String),
    Remove(String),
    /// Removes up to this number of nodes below the path.
    DeleteSlice(String, usize),
    /// Goes on with a compaction, or begins one.
    CompactSlice,
}

/// Paths of few distinct names, so that keys collide; some names are empty, so that slashes repeat, lead
/// and trail.
fn any_path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => Just(""), 3 => Just("w"), 2 => Just("t1"), 2 => Just("t11"), 1 => Just("é"), 1 => Just("日本"),
    ];
    let nasty = prop_oneof![
        Just(""),
        Just("/"),
        Just("//"),
        Just("///"),
        Just("w"),
        Just("/w"),
        Just("/w/"),
        Just("/w//t1"),
    ];
    prop_oneof![
        6 => vec(name, 1..6).prop_map(|names| names.join("/")),
        1 => nasty.prop_map(str::to_owned),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let path = any_path;
    prop_oneof![
        16 => (path(), vec(any::<u8>(), 0..20)).prop_map(|(key, details)| Step::Put(key, details)),
        2 => path().prop_map(Step::Get),
        3 => path().prop_map(Step::Remove),
        4 => path().prop_map(Step::List),
        1 => path().prop_map(Step::DeletePath),
        2 => path().prop_map(Step::Records),
        1 => (0u64..200, 0usize..100).prop_map(|(age, slots)| Step::Expire(age, slots)),
        1 => Just(Step::Compact),
        2 => (path(), vec(any_change(), 0..12)).prop_map(|(path, changes)| Step::Scans(path, changes)),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let path = any_path;
    prop_oneof![
        4 => path().prop_map(Change::Put),
        4 => path().prop_map(Change::Remove),
        1 => (path(), 1usize..4).prop_map(|(path, most)| Change::DeleteSlice(path, most)),
        4 => Just(Change::CompactSlice),
    ]
}

fn any_limits() -> impl Strategy<Value = StoreLimits> {
    let keys = prop_oneof![Just(u64::MAX), 0u64..20];
    let bytes = prop_oneof![Just(u64::MAX), 0u64..500];
    (keys, bytes).prop_map(|(keys, bytes)| StoreLimits { keys, bytes })
}

/// Only two hashes, so that every look-up meets other keys first.
fn colliding_hash(key: &str) -> u64 {
    key.len() as u64 % 2
}

/// What two scans have found, and what they must find or may find.
struct Found {
    names: Vec<String>,
    keys: Vec<String>,
    /// Heads of names, and keys, that were there all the time. A name whose key goes while another key brings
    /// it back elsewhere may be missed.
    stayed: (BTreeSet<String>, BTreeSet<String>),
    /// Those that were there at some time.
    ever: (BTreeSet<String>, BTreeSet<String>),
}

impl Found {
    fn note(&mut self, model: &Model, path: &str) {
        let heads = model.heads(path);
        let keys = BTreeSet::from_iter(model.records(path).into_iter().map(|(key, _)| key));
        self.stayed.0.retain(|head| heads.contains(head));
        self.stayed.1.retain(|key| keys.contains(key));
        self.ever.0.extend(heads);
        self.ever.1.extend(keys);
    }
}

/// Scans a path while keys come and go and nodes move. What stays is found; a key, once.
fn scan_during(
    store: &mut Store,
    model: &mut Model,
    path: &str,
    changes: &[Change],
    (hash, limits, now): (fn(&str) -> u64, StoreLimits, u64),
) -> Result<(), TestCaseError> {
    let mut found = Found {
        names: Vec::new(),
        keys: Vec::new(),
        stayed: Default::default(),
        ever: Default::default(),
    };
    found.note(model, path);
    found.stayed = found.ever.clone();
    let (mut names, mut keys) = (store.begin_list(path), store.begin_records(path));
    let mut left = changes.iter();
    loop {
        let change = left.next();
        let most = if change.is_some() { 1 } else { usize::MAX };
        store.continue_list(&mut names, most, &mut |name| found.names.push(name.into()));
        store.continue_records(&mut keys, most, &mut |key, _| {
            found.keys.push(key);
            true
        });
        match change {
            None => break,
            Some(Change::Put(key)) => {
                let ours = store.put(key, hash(key), Bytes::new(), now);
                prop_assert_eq!(ours, model.put(limits, key, b"", now));
            }
            Some(Change::Remove(key)) => {
                let expected = model.keys.remove(key).is_some();
                prop_assert_eq!(store.remove(key, hash(key)), expected);
            }
            Some(Change::DeleteSlice(path, most)) => {
                store.delete_below(path, *most);
                model.remove_if(|key, _| !store.contains(key, hash(key)));
            }
            Some(Change::CompactSlice) => {
                store.begin_compaction();
                store.continue_compaction(5);
            }
        }
        store.directory.check();
        found.note(model, path);
    }
    store.end_list(names);
    store.end_records(keys);
    let found_keys = BTreeSet::from_iter(found.keys.iter().cloned());
    let found_names = BTreeSet::from_iter(found.names.iter().map(String::as_str));
    let stayed = found.stayed.0.iter().map(|head| name_of(head));
    let ever = found.ever.0.iter().map(|head| name_of(head));
    prop_assert!(found_names.is_superset(&stayed.collect()));
    prop_assert!(found_names.is_subset(&ever.collect()));
    prop_assert!(found_keys.is_superset(&found.stayed.1));
    prop_assert!(found_keys.is_subset(&found.ever.1));
    let twice = |key: &&String| found.keys.iter().filter(|other| other == key).count() > 1;
    prop_assert_eq!(found.stayed.1.iter().find(twice), None);
    Ok(())
}

/// Runs the steps on both and compares every answer and the state of the store.
fn run(limits: StoreLimits, steps: Vec<Step>, hash: fn(&str) -> u64) -> Result<(), TestCaseError> {
    let mut store = Store::new(limits, hasher());
    let mut model = Model::default();
    for (now, step) in (0u64..).zip(steps) {
        match &step {
            Step::Put(key, details) => {
                let ours = store.put(key, hash(key), Bytes::copy_from_slice(details), now);
                prop_assert_eq!(ours, model.put(limits, key, details, now));
            }
            Step::Get(key) => {
                let ours = store.get(key, hash(key)).map(|details| details.to_vec());
                let expected = model.keys.get(key).map(|(details, _)| details.clone());
                prop_assert_eq!(store.contains(key, hash(key)), ours.is_some());
                prop_assert_eq!(ours, expected);
            }
            Step::Remove(key) => {
                let expected = model.keys.remove(key).is_some();
                prop_assert_eq!(store.remove(key, hash(key)), expected);
            }
            Step::List(path) => prop_assert_eq!(list(&mut store, path), model.list(path)),
            Step::DeletePath(path) => {
                let expected = model.remove_if(|key, _| Model::is_under(key, path));
                prop_assert_eq!(delete_path(&mut store, path), expected);
            }
            Step::Records(path) => {
                prop_assert_eq!(records(&mut store, path), model.records(path));
            }
            Step::Expire(age, slots) => {
                let expired_before_ms = now.saturating_sub(*age);
                let cutoffs = AgeCutoffs {
                    expired_before_ms,
                    stale_before_ms: u64::MAX,
                };
                while !store.expire(cutoffs, slots + 1).finished {}
                while !store.expire(cutoffs, slots + 1).finished {}
                model.remove_if(|_, written| written < expired_before_ms);
                prop_assert_eq!(store.stale_keys(), model.usage().keys);
            }
            Step::Compact => compact(&mut store),
            Step::Scans(path, changes) => {
                scan_during(&mut store, &mut model, path, changes, (hash, limits, now))?;
            }
        }
        prop_assert_eq!(store.usage(), model.usage(), "after {:?}", step);
        store.directory.check();
    }
    prop_assert_eq!(keys(&mut store), model.keys.into_keys().collect::<Vec<_>>());
    Ok(())
}

proptest! {
    #[test]
    fn answers_as_a_plain_map_does(limits in any_limits(), steps in vec(any_step(), 0..120)) {
        run(limits, steps, hash)?;
    }

    #[test]
    fn colliding_hashes_change_nothing(steps in vec(any_step(), 0..60)) {
        run(StoreLimits { keys: u64::MAX, bytes: u64::MAX }, steps, colliding_hash)?;
    }
}
