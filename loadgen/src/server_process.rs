//! CPU time and memory of a process on this host, from /proc. CPU times come from `schedstat`: the ticks of
//! `stat` are too coarse for a server that wakes thousands of times a second.

use std::collections::HashMap;
use std::fs;

/// What the scheduler has counted for one thread, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub on_cpu_ns: u64,
    /// Ready to run while something else had the core.
    pub waiting_ns: u64,
}

impl CpuTime {
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            on_cpu_ns: self.on_cpu_ns.saturating_sub(earlier.on_cpu_ns),
            waiting_ns: self.waiting_ns.saturating_sub(earlier.waiting_ns),
        }
    }

    fn plus(self, other: CpuTime) -> CpuTime {
        CpuTime {
            on_cpu_ns: self.on_cpu_ns + other.on_cpu_ns,
            waiting_ns: self.waiting_ns + other.waiting_ns,
        }
    }
}

/// All threads of a process, by thread id.
#[derive(Clone, Debug, Default)]
pub struct ProcessSample {
    threads: HashMap<u32, CpuTime>,
}

impl ProcessSample {
    /// `None` if the process is gone.
    pub fn of(pid: u32) -> Option<ProcessSample> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let Some(id) = task.ok().and_then(|t| t.file_name().to_str()?.parse().ok()) else {
                continue;
            };
            // A thread that has just ended is left out.
            if let Some(time) = thread_time(pid, id) {
                threads.insert(id, time);
            }
        }
        Some(ProcessSample { threads })
    }

    /// CPU time of all threads since an earlier sample. A thread that has ended in between is missing.
    pub fn since(&self, earlier: &ProcessSample) -> CpuTime {
        self.threads
            .iter()
            .map(|(id, now)| now.since(earlier.threads.get(id).copied().unwrap_or_default()))
            .fold(CpuTime::default(), CpuTime::plus)
    }

    /// CPU time of one thread since an earlier sample.
    pub fn thread_since(&self, earlier: &ProcessSample, id: u32) -> CpuTime {
        let of = |sample: &ProcessSample| sample.threads.get(&id).copied().unwrap_or_default();
        of(self).since(of(earlier))
    }
}

/// Resident memory in bytes, and its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub resident_bytes: u64,
    pub peak_bytes: u64,
}

/// `None` if the process is gone.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Memory {
        resident_bytes: kilobytes(&status, "VmRSS:")? * 1024,
        peak_bytes: kilobytes(&status, "VmHWM:")? * 1024,
    })
}

/// Cores that the process may use.
pub fn cores(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = field(&status, "Cpus_allowed:")?;
    Some(
        mask.chars()
            .filter_map(|c| c.to_digit(16))
            .map(u32::count_ones)
            .sum(),
    )
}

fn thread_time(pid: u32, id: u32) -> Option<CpuTime> {
    parse_schedstat(&fs::read_to_string(format!("/proc/{pid}/task/{id}/schedstat")).ok()?)
}

fn parse_schedstat(text: &str) -> Option<CpuTime> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(CpuTime {
        on_cpu_ns: numbers.next()??,
        waiting_ns: numbers.next()??,
    })
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    field(status, name)?.split_whitespace().next()?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_this_process() {
        let me = std::process::id();
        let before = ProcessSample::of(me).unwrap();
        let started = std::time::Instant::now();
        let mut sum = 0u64;
        while started.elapsed().as_millis() < 20 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let used = ProcessSample::of(me).unwrap().since(&before);
        assert!(used.on_cpu_ns > 1_000_000, "{used:?}");
        let memory = memory(me).unwrap();
        assert!(memory.resident_bytes > 100_000 && memory.peak_bytes >= memory.resident_bytes);
        assert!(cores(me).unwrap() >= 1);
    }

    #[test]
    fn a_process_that_is_gone_has_no_sample() {
        assert!(ProcessSample::of(u32::MAX).is_none());
        assert!(memory(u32::MAX).is_none());
    }
}
