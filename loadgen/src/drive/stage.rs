//! What all driving threads share: the plan to read, and a few counters to write.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use crate::plan::Plan;
use crate::random::mix;
use crate::settings::Settings;

#[derive(Debug)]
pub struct Stage {
    pub settings: Settings,
    pub plan: Plan,
    /// Stamped into every pulse of this run. From the clock, not from the seed: the server may still
    /// hold the pulses of a run with the same seed.
    pub run: u64,
    /// Of each worker: the last sequence number acknowledged, or what follows it.
    known: Box<[AtomicU32]>,
    abort: AtomicBool,
    /// Threads that have driven their part to its end.
    finished: AtomicUsize,
    pub progress: Progress,
}

/// What all threads know of a worker's key. Its own thread alone changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// No pulse has been acknowledged yet.
    Nothing,
    /// The last sequence number that was.
    Acknowledged(u32),
    /// The worker is on its way out.
    Leaving,
    /// The worker is gone; its key may still be there.
    Left,
    /// The worker is gone, and the deletion of its key was acknowledged.
    Deleted,
}

/// Sequence numbers that no worker lives to reach.
const LEAVING: u32 = u32::MAX - 2;
const LEFT: u32 = u32::MAX - 1;
const DELETED: u32 = u32::MAX;

/// What the progress line shows. Threads add to it once a wake.
#[derive(Debug, Default)]
pub struct Progress {
    pub acknowledged: AtomicU64,
    pub reads: AtomicU64,
    pub errors: AtomicU64,
    pub connections: AtomicU64,
    /// The longest response since the last look, in microseconds.
    pub worst_us: AtomicU64,
}

impl Stage {
    pub fn new(settings: Settings, plan: Plan) -> Stage {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64);
        Stage {
            known: plan.workers.iter().map(|_| AtomicU32::new(0)).collect(),
            settings,
            plan,
            run: mix(since_1970),
            abort: AtomicBool::new(false),
            finished: AtomicUsize::new(0),
            progress: Progress::default(),
        }
    }

    /// A worker's pulse has been acknowledged: from here on no read may return an older one.
    pub fn acknowledge(&self, worker: u32, sequence: u32) {
        debug_assert!(sequence < LEAVING);
        self.known[worker as usize].store(sequence, Ordering::Release);
    }

    /// A worker is about to exit: its key may vanish, but a pulse of it may still be on its way.
    pub fn begin_leaving(&self, worker: u32) {
        self.known[worker as usize].store(LEAVING, Ordering::Release);
    }

    /// A worker has exited and writes no more.
    pub fn leave(&self, worker: u32, key_deleted: bool) {
        let known = if key_deleted { DELETED } else { LEFT };
        self.known[worker as usize].store(known, Ordering::Release);
    }

    /// What a read of a worker's key may return.
    pub fn known(&self, worker: u32) -> Known {
        match self.known[worker as usize].load(Ordering::Acquire) {
            0 => Known::Nothing,
            LEAVING => Known::Leaving,
            LEFT => Known::Left,
            DELETED => Known::Deleted,
            sequence => Known::Acknowledged(sequence),
        }
    }

    /// Ends the run early.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    pub fn aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    pub fn finish_one(&self) {
        self.finished.fetch_add(1, Ordering::AcqRel);
    }

    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::Acquire)
    }
}
