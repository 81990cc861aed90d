//! Which cores this process may use. Reads the machine; decides nothing.

use std::num::NonZeroUsize;

use rustix::thread::{CpuSet, sched_getaffinity};

/// The cores that the scheduler lets this process run on, and how many of them it may keep busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// How many cores' worth of time there is: the affinity mask and the cgroup's CPU quota count.
    pub usable: NonZeroUsize,
    /// The kernel's numbers of the cores in the affinity mask, ascending; never empty.
    pub ids: Vec<usize>,
}

impl Cores {
    /// Asks the kernel. What it does not tell is assumed to be one core, or the first ones.
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
