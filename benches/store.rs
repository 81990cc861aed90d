//! What the store costs: a pulse written over, a pulse read, a directory listed.

use ahash::RandomState;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use storm_pacemaker::store::{Store, StoreLimits};

const CHILDREN: usize = 400;

fn key(number: usize) -> String {
    let (topology, worker) = (number / CHILDREN, number % CHILDREN);
    format!(
        "/workerbeats/wordcount-{topology}-1795449600/0b6f1f9e-6d3c-4f5e-9d5a-{worker:012}-10.0.0.1-6700"
    )
}

fn store(criterion: &mut Criterion) {
    for count in [12_000, 100_000] {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let limits = StoreLimits {
            keys: u64::MAX,
            bytes: u64::MAX,
        };
        let mut store = Store::new(limits, hasher.clone());
        let keys: Vec<(String, u64)> = (0..count)
            .map(key)
            .map(|key| {
                let hash = hasher.hash_one(key.as_str());
                (key, hash)
            })
            .collect();
        let details = Bytes::from(vec![0xa5; 600]);
        for (key, hash) in &keys {
            let stored = store.put(key, *hash, details.clone(), 0);
            assert!(stored.is_ok(), "without limits everything is stored");
        }
        let mut group = criterion.benchmark_group(format!("store of {count} keys"));
        // Steps that are coprime to the count: every key in turn, none in order.
        let mut at = 0;
        let mut next = || {
            at = (at + 7_919) % keys.len();
            &keys[at]
        };
        group.bench_function("write over", |bencher| {
            bencher.iter(|| {
                let (key, hash) = next();
                store.put(key, *hash, details.clone(), 1).is_ok()
            });
        });
        group.bench_function("read", |bencher| {
            bencher.iter(|| {
                let (key, hash) = next();
                store.get(black_box(key), *hash).is_some()
            });
        });
        group.bench_function("list 400 children", |bencher| {
            bencher.iter(|| {
                let mut names = Vec::new();
                let mut scan = store.begin_list("/workerbeats/wordcount-7-1795449600");
                while store.continue_list(&mut scan, 1024, &mut |name| names.push(name.to_owned()))
                {
                }
                store.end_list(scan);
                names.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, store);
criterion_main!(benches);
