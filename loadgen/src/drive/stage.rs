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
    acknowledged: Box<[AtomicU32]>,
    abort: AtomicBool,
    /// Threads that have driven their part to its end.
    finished: AtomicUsize,
    pub progress: Progress,
}

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
            acknowledged: plan.workers.iter().map(|_| AtomicU32::new(0)).collect(),
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
        self.acknowledged[worker as usize].fetch_max(sequence, Ordering::AcqRel);
    }

    /// The last sequence number acknowledged; 0 is none.
    pub fn acknowledged(&self, worker: u32) -> u32 {
        self.acknowledged[worker as usize].load(Ordering::Acquire)
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
