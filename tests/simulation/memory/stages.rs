//! One kind of memory at a time, from its beginning to its end, so that nothing else hides what is not counted.

use std::time::Duration;

use bytes::Bytes;
use storm_pacemaker::limits::{Limits, SEGMENT_BYTES};
use storm_pacemaker::store::{Store, StoreLimits};
use storm_pacemaker::wire::message::{MessageType, encode_path, encode_pulse};
use support::{Random, login};

use super::Siege;

const WARM_UP: Duration = Duration::from_secs(20);

/// A siege in which a test says what happens.
fn quiet(shards: usize, has_login: bool) -> Siege {
    let limits = Limits {
        frame_bytes: 4 << 20,
        ..Limits::wide()
    };
    Siege::of(Random(1), limits, shards, 4096, has_login, WARM_UP)
}

impl Siege {
    /// The last peer to connect sends this.
    fn receive(&mut self, bytes: &[u8]) {
        let peer = self.attackers.last().expect("a peer");
        let (shard, id) = (peer.shard, peer.id);
        self.call(shard, |shard, cx| shard.received(id, bytes, cx));
        self.check().unwrap();
    }

    /// Every shard works, one after another.
    fn exchange(&mut self) {
        for shard in 0..self.shards.len() {
            self.call(shard, |shard, cx| shard.exchange_messages(cx));
            self.check().unwrap();
        }
    }

    /// The peers take all answers.
    fn take_all(&mut self) {
        for index in 0..self.attackers.len() {
            let (shard, id) = (self.attackers[index].shard, self.attackers[index].id);
            let mut bytes = 0;
            self.counted(|siege| bytes = siege.shards[shard].take_outbox(id).len());
            self.call(shard, |shard, cx| shard.sent(id, bytes, 0, cx));
        }
    }
}

/// Lists and records are on an account while they are made, on their way, merged, and answered.
#[test]
fn a_scan_counts_at_every_stage() {
    let mut siege = quiet(2, false);
    siege.connect_to(0);
    for number in 0..8000 {
        let mut bytes = Vec::new();
        let path = format!("/d/{number:0>100}");
        encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b""), 1);
        siege.receive(&bytes);
        siege.exchange();
        siege.take_all();
    }
    use MessageType::{GetAllNodesForPath, GetAllPulseForPath};
    for kind in [GetAllNodesForPath, GetAllPulseForPath] {
        let mut bytes = Vec::new();
        encode_path(&mut bytes, kind, "/d", 1);
        siege.receive(&bytes);
        for _ in 0..100 {
            siege.exchange();
        }
        assert!(
            siege.accounts().buffered > 800_000,
            "{:?}",
            siege.accounts()
        );
        siege.take_all();
        assert_eq!(siege.accounts().buffered, 0);
    }
}

#[test]
fn unfinished_logins_and_frames_count() {
    let mut siege = quiet(1, true);
    for _ in 0..900 {
        siege.connect_to(0);
        siege.receive(&login::ask_for_token());
    }
    siege.take_all();
    siege.check().unwrap();
    let mut siege = quiet(1, false);
    for _ in 0..20 {
        siege.connect_to(0);
        siege.receive(&100_000_u32.to_be_bytes());
        // The memory for it grows by doubling.
        siege.receive(&[b'x'; 50_000]);
        siege.receive(&[b'x'; 300]);
    }
}

/// An answer with a pulse that has been replaced counts until the event loop has sent it, or has let go of it
/// after the connection's end.
#[test]
fn an_answer_under_way_counts_until_it_is_gone() {
    for closes in [false, true] {
        let mut siege = quiet(1, false);
        siege.connect_to(0);
        let mut bytes = Vec::new();
        for details in [vec![1; 200_000], Vec::new()] {
            encode_pulse(
                &mut bytes,
                MessageType::SendPulse,
                "/d/key",
                Some(&details),
                1,
            );
            encode_path(&mut bytes, MessageType::GetPulse, "/d/key", 1);
        }
        siege.receive(&bytes);
        let (shard, id) = (0, siege.attackers[0].id);
        siege.counted(|siege| {
            let outbox = siege.shards[shard].take_outbox(id);
            siege.attackers[0].sending = Some((outbox, 0));
        });
        // Another request has the peer counted anew.
        let mut bytes = Vec::new();
        encode_path(&mut bytes, MessageType::Exists, "/d/key", 1);
        siege.receive(&bytes);
        if closes {
            siege.close(0);
            siege.check().unwrap();
            assert!(siege.accounts().buffered > 200_000);
            siege.free();
            siege.check().unwrap();
            assert_eq!(siege.accounts().buffered, 0);
        }
    }
}

/// A read that waits counts with its path in both of its shards, whether it is answered, given up, or its peer goes.
#[test]
fn reads_that_wait_count_until_they_end() {
    for shards in [1, 2, 3] {
        for end in 0..3 {
            let mut siege = quiet(shards, false);
            siege.connect_to(0);
            siege.connect_to(0);
            let before = siege.accounts().buffered;
            let mut bytes = Vec::new();
            for number in 0..1000 {
                let path = format!("/d/{number:0>100}");
                encode_path(&mut bytes, MessageType::GetPulse, &path, number);
            }
            for piece in bytes.chunks(8192) {
                siege.receive(piece);
                siege.exchange();
            }
            assert!(siege.accounts().buffered > before + 1000 * 500);
            match end {
                0 => siege.close(1),
                1 => {
                    siege.now_us += 11_000_000;
                    for shard in 0..shards {
                        siege.call(shard, |shard, cx| shard.tick(cx, |_| 0));
                    }
                }
                _ => {
                    siege.connect_to(0);
                    for number in 0..1000 {
                        let mut bytes = Vec::new();
                        let path = format!("/d/{number:0>100}");
                        encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b""), 1);
                        siege.receive(&bytes);
                        siege.exchange();
                    }
                }
            }
            for _ in 0..10 {
                siege.exchange();
                siege.attackers.retain(|peer| !peer.closed);
                siege.take_all();
            }
            siege.check().unwrap();
            assert_eq!(siege.accounts().buffered, before);
        }
    }
}

/// What an allocator adds to a small piece of memory, on average.
const ALLOCATION_BYTES: i64 = 24;

/// A store without keys: its tables are empty, and its nodes are allocated a thousand at a time.
const STORE_BYTES: i64 = 128 * 1024;

/// The directory is limited by its segments, so they must not cost more than they count.
#[test]
fn a_segment_costs_no_more_than_it_counts() {
    let shapes: [fn(u64) -> String; 3] = [
        |number| format!("{number:x}"),
        |number| format!("{number:x}/"),
        |number| format!("{number:x}/////////"),
    ];
    // Of the parts of a table some have just doubled, whatever the size.
    let sizes = [8 << 20, 10 << 20, 12 << 20, 14 << 20];
    for (bytes, key) in sizes
        .into_iter()
        .flat_map(|bytes| shapes.map(|shape| (bytes, shape)))
    {
        let limits = StoreLimits {
            keys: u64::MAX,
            bytes,
        };
        let mut stored = 0;
        let mut store = None;
        let info = allocation_counter::measure(|| {
            let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
            let mut full = Store::new(limits, hasher.clone());
            for number in 0.. {
                let key = key(number);
                let hash = hasher.hash_one(&key);
                if full.put(&key, hash, Bytes::from(vec![1]), 1).is_err() {
                    break;
                }
                // Being read, it gets its counter of references.
                drop(full.get(&key, hash).cloned());
            }
            stored = full.usage().bytes();
            store = Some(full);
        });
        let counted = stored + limits.bytes / SEGMENT_BYTES * SEGMENT_BYTES;
        let heap = info.bytes_current - STORE_BYTES;
        let resident = heap + ALLOCATION_BYTES * info.count_current;
        let example = key(1);
        println!(
            "{example} {bytes}: heap {heap}, with the allocator's part {resident}, of {counted}"
        );
        assert!(heap <= counted as i64, "{example}: {heap} of {counted}");
        assert!(
            resident <= (counted + counted / 4) as i64,
            "{example}: {resident} of {counted}"
        );
    }
}
