//! The cores that this process may use, as the kernel reports them.

use std::fs;
use std::num::NonZeroUsize;

use rustix::thread::{CpuSet, sched_getaffinity};

/// The cores on which the scheduler lets this process run, and how many of them it can keep busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Cores' worth of CPU time, by the affinity mask and the cgroup's CPU quota.
    pub usable: NonZeroUsize,
    /// Kernel numbers of the cores in the affinity mask, ascending; never empty.
    pub ids: Vec<usize>,
    /// Somebody has set these cores aside: the mask has fewer cores than the machine. Without that, other
    /// processes use the same cores, and each of them may believe that core 0 is its own.
    pub are_ours: bool,
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
        let online = fs::read_to_string("/sys/devices/system/cpu/online");
        let of_machine = online.ok().and_then(|list| count(&list));
        let are_ours = !ids.is_empty() && of_machine.is_some_and(|cores| ids.len() < cores);
        if ids.is_empty() {
            ids = (0..usable.get()).collect();
        }
        Cores {
            usable,
            ids,
            are_ours,
        }
    }
}

/// The number of cores in a list such as `0-3,8,10-11`. None: it is not such a list.
fn count(list: &str) -> Option<usize> {
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    });
    ranges.sum()
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

    #[test]
    fn the_kernels_lists_are_counted() {
        assert_eq!(count("0-3,8,10-11\n"), Some(7));
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count(""), None);
        assert_eq!(count("3-0"), None);
    }
}
