//! What routing costs, from a frame to its queued answer, without a socket: a pulse for the shard that
//! has received it, and one for another shard, which crosses over and comes back.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use storm_pacemaker::limits::Limits;
use storm_pacemaker::wire::MessageType;
use storm_pacemaker::wire::message::encode_pulse;
use support::shards::Shards;

const DETAILS_BYTES: usize = 4096;

/// Hands shard 0 a frame, and returns the bytes of the answer if it has the key itself.
fn receive(shards: &mut Shards, frame: &[u8]) -> usize {
    shards.receive(frame);
    shards.take_answers()
}

/// The other shard takes the request, and shard 0 the reply.
fn deliver(shards: &mut Shards) -> usize {
    for shard in [1, 0] {
        shards.call(shard, |shard, cx| shard.exchange_messages(cx));
    }
    shards.take_answers()
}

fn pulse(number: usize) -> Vec<u8> {
    let key =
        format!("/workerbeats/wordcount-1-1795449600/0b6f1f9e-6d3c-4f5e-9d5a-{number:012}-6700");
    let mut frame = Vec::new();
    let details = vec![0xa5; DETAILS_BYTES];
    encode_pulse(&mut frame, MessageType::SendPulse, &key, Some(&details), 7);
    frame
}

fn routing(criterion: &mut Criterion) {
    let shards = &mut Shards::new(2, Limits::wide(), Duration::ZERO);
    let (own, foreign): (Vec<_>, Vec<_>) = (0..2000).map(pulse).partition(|frame| {
        let is_own = receive(shards, frame) > 0;
        assert!(is_own || deliver(shards) > 0, "every pulse is answered");
        is_own
    });
    let mut group = criterion.benchmark_group("a pulse of 4 KiB, from frame to answer");
    let mut at = 0;
    group.bench_function("of the shard itself", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % own.len();
            receive(shards, black_box(&own[at]))
        });
    });
    group.bench_function("of another shard", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % foreign.len();
            receive(shards, black_box(&foreign[at])) + deliver(shards)
        });
    });
    group.finish();
}

criterion_group!(benches, routing);
criterion_main!(benches);
