//! What all driving threads share: the plan, which they read, and a few counters, which they write.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use crate::plan::Plan;
use crate::random::mix;
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct SharedRun {
    pub settings: Settings,
    pub plan: Plan,
    /// Stamped into every pulse of this run. From the clock, because the server may still hold pulses of
    /// an earlier run with the same seed.
    pub run_id: u64,
    /// For each worker: the last acknowledged sequence number, or one of the special values below.
    known: Box<[AtomicU32]>,
    abort: AtomicBool,
    /// Threads that are done.
    finished: AtomicUsize,
    pub progress: Progress,
}

/// What all threads know about a worker's key. Only the worker's own thread changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// No pulse has been acknowledged yet.
    Nothing,
    /// The last acknowledged sequence number.
    Acknowledged(u32),
    /// The worker is exiting.
    Leaving,
    /// The worker is gone; its key may still be there.
    Left,
    /// The worker is gone, and the deletion of its key was acknowledged.
    Deleted,
}

/// Values that no sequence number reaches.
const LEAVING: u32 = u32::MAX - 2;
const LEFT: u32 = u32::MAX - 1;
const DELETED: u32 = u32::MAX;

/// What the progress line shows. Threads update it once per wake.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub acknowledged: AtomicU64,
    pub reads: AtomicU64,
    pub errors: AtomicU64,
    pub connections: AtomicU64,
    /// The longest response time since the line was last shown, in microseconds.
    pub worst_us: AtomicU64,
}

impl SharedRun {
    pub(crate) fn new(settings: Settings, plan: Plan) -> SharedRun {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64);
        SharedRun {
            known: plan.workers.iter().map(|_| AtomicU32::new(0)).collect(),
            settings,
            plan,
            run_id: mix(since_1970),
            abort: AtomicBool::new(false),
            finished: AtomicUsize::new(0),
            progress: Progress::default(),
        }
    }

    /// A worker's pulse has been acknowledged: from now on no read may return an older one.
    pub(crate) fn acknowledge(&self, worker: u32, sequence: u32) {
        debug_assert!(sequence < LEAVING);
        self.known[worker as usize].store(sequence, Ordering::Release);
    }

    /// A worker exits: its key may vanish, but one of its pulses may still be on its way.
    pub(crate) fn begin_leaving(&self, worker: u32) {
        self.known[worker as usize].store(LEAVING, Ordering::Release);
    }

    /// A worker has exited.
    pub(crate) fn leave(&self, worker: u32, key_deleted: bool) {
        let known = if key_deleted { DELETED } else { LEFT };
        self.known[worker as usize].store(known, Ordering::Release);
    }

    /// What a read of a worker's key may return.
    pub(crate) fn known(&self, worker: u32) -> Known {
        match self.known[worker as usize].load(Ordering::Acquire) {
            0 => Known::Nothing,
            LEAVING => Known::Leaving,
            LEFT => Known::Left,
            DELETED => Known::Deleted,
            sequence => Known::Acknowledged(sequence),
        }
    }

    /// Ends the run early.
    pub(crate) fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    pub(crate) fn aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    pub(crate) fn finish_one(&self) {
        self.finished.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::Acquire)
    }
}
