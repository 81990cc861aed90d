//! When the clients of this process last asked for something, and when they began to after a pause. All shards share it:
//! the kernel may give all clients to one of them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::QUIET_TIME;

const QUIET_US: u64 = QUIET_TIME.as_micros() as u64;

/// Times are in microseconds of the shards' clock plus one. Zero: never.
#[derive(Debug)]
pub struct Activity {
    began: AtomicU64,
    last: Box<[Line]>,
}

/// The last request that a shard has noted, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Activity {
    pub(in crate::shard) fn new(shards: usize) -> Activity {
        Activity {
            began: AtomicU64::new(0),
            last: std::iter::repeat_with(Line::default).take(shards).collect(),
        }
    }

    /// A client asks for something.
    pub(super) fn note(&self, shard: usize, now_us: u64) {
        let began = self.began.load(Ordering::Acquire);
        if self.is_quiet(now_us) {
            // If another shard does so at the same moment, either time is right.
            let _ =
                self.began
                    .compare_exchange(began, now_us + 1, Ordering::AcqRel, Ordering::Relaxed);
        }
        self.last[shard].0.store(now_us + 1, Ordering::Release);
    }

    /// Whether no client has asked for anything for a while.
    pub(super) fn is_quiet(&self, now_us: u64) -> bool {
        self.last.iter().all(|line| {
            let last = line.0.load(Ordering::Acquire);
            last == 0 || now_us.saturating_sub(last) > QUIET_US
        })
    }

    /// When clients began to ask, in microseconds.
    pub(super) fn began_us(&self) -> Option<u64> {
        self.began.load(Ordering::Acquire).checked_sub(1)
    }
}
