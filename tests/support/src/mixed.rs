//! One conformance script that no hand writes: a thousand random requests in one pipeline, and a map
//! that says what each must be answered.

use std::collections::BTreeMap;

use super::Random;
use super::frames::*;
use super::script::Script;

pub fn mixed_thousand() -> Script {
    let mut script = Script::new("a pipeline of 1 000 mixed requests");
    let mut random = Random(3);
    let mut stored = BTreeMap::new();
    for _ in 0..1_000 {
        let topology = format!("/c16/t{}", random.below(4));
        let key = format!("{topology}/{}", random.below(20));
        let details = format!("{:x}", random.next_u64()).repeat(1 + random.below(40));
        let below = |stored: &BTreeMap<String, String>| {
            let prefix = format!("{topology}/");
            let keys = stored.iter().filter(|(key, _)| key.starts_with(&prefix));
            keys.map(|(key, details)| (key.clone(), details.clone()))
                .collect::<Vec<_>>()
        };
        match random.below(20) {
            0..=7 => {
                script.put(&key, &details);
                stored.insert(key, details);
            }
            8..=13 => {
                script.get(&key, stored.get(&key).map(String::as_str));
            }
            14 | 15 => {
                script.exists(&key, stored.contains_key(&key));
            }
            16 => {
                let mut names: Vec<_> = below(&stored);
                names
                    .iter_mut()
                    .for_each(|(key, _)| *key = key[topology.len() + 1..].to_owned());
                let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
                script.list(&topology, &names);
            }
            17 => {
                let found = below(&stored);
                let found: Vec<_> = found
                    .iter()
                    .map(|(a, b)| (a.as_str(), b.as_str()))
                    .collect();
                script.records(&topology, &found);
            }
            18 => {
                script.delete(&key);
                stored.remove(&key);
            }
            _ if random.below(3) == 0 => {
                for (key, _) in below(&stored) {
                    stored.remove(&key);
                }
                script.delete_path(&topology);
            }
            _ => {
                script.act(CREATE_PATH, &topology);
            }
        }
    }
    script.delete_path("/c16");
    script
}
