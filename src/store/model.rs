//! Compares the store with a plain map over random steps: every answer, the usage, and that the store's
//! parts agree. The map's rules compare text, as Storm's daemon does, and share no code with the store.

use std::collections::BTreeMap;

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
        let base = path.strip_suffix('/').unwrap_or(path).to_owned() + "/";
        let below = self.keys.keys().filter_map(|key| match path {
            "" => Some(key.as_str()),
            _ => key.strip_prefix(&base),
        });
        let names = below.filter_map(|rest| rest.split('/').find(|segment| !segment.is_empty()));
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
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
