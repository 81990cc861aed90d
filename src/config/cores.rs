//! The cores that this process may use, as the kernel reports them.

use std::num::NonZeroUsize;

use rustix::thread::{CpuSet, sched_getaffinity};

/// The cores on which the scheduler lets this process run, and how many of them it can keep busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Cores' worth of CPU time, by the affinity mask and the cgroup's CPU quota.
    pub usable: NonZeroUsize,
    /// Kernel numbers of the cores in the affinity mask, ascending; never empty.
    pub ids: Vec<usize>,
}

impl Cores {
    /// Asks the kernel. Without an answer, assumes one core, or the first ones.
    pub fn of_this_process() -> Self {
        let usable = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut ids: Vec<usize> = match sched_getaffinity(None) {
            Ok(set) => (0..CpuSet::MAX_CPU)
                .filter(|core| set.is_set(*core))
                .collect(),
            // More than `MAX_CPU` cores: the call does not fit the mask.
            Err(_) => Vec::new(),
        };
        if ids.is_empty() {
            ids = (0..usable.get()).collect();
        }
        Cores { usable, ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores() {
        let cores = Cores::of_this_process();
        assert!(!cores.ids.is_empty());
        assert!(cores.usable.get() <= cores.ids.len());
        assert!(cores.ids.is_sorted());
    }
}
