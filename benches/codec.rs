//! What a pulse and a read cost in the codec alone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use storm_pacemaker::wire::message::{self, decode};
use storm_pacemaker::wire::{FrameReader, MessageType};

const KEY: &str =
    "/workerbeats/wordcount-17-1795449600/0b6f1f9e-6d3c-4f5e-9d5a-3f2b7c1d9e0a-10.0.0.1-6700";

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    for details_bytes in [600, 4 * 1024, 60 * 1024] {
        let details = vec![0xa5; details_bytes];
        let mut frame = Vec::new();
        message::encode_pulse(&mut frame, MessageType::SendPulse, KEY, Some(&details), 7);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("decode a pulse of {details_bytes} B"), |bencher| {
            bencher.iter(|| decode(black_box(&frame[4..])).is_ok());
        });
        group.bench_function(format!("cut out a frame of {details_bytes} B"), |bencher| {
            let mut reader = FrameReader::new(1 << 20);
            bencher.iter(|| {
                let mut chunk = black_box(&frame[..]);
                black_box(reader.next_from(&mut chunk)).is_some()
            });
        });
    }
    let mut get = Vec::new();
    message::encode_path(&mut get, MessageType::GetPulse, KEY, 7);
    group.bench_function("decode a read", |bencher| {
        bencher.iter(|| decode(black_box(&get[4..])).is_ok());
    });
    let mut out = Vec::with_capacity(64);
    group.bench_function("encode an acknowledgement", |bencher| {
        bencher.iter(|| {
            out.clear();
            message::encode_plain(&mut out, MessageType::SendPulseResponse, black_box(7));
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
