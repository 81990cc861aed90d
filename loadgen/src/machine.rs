//! What the generator needs of its host: file descriptors, cores, local ports.

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

/// The most connections that the open-file limit allows a driving thread.
fn connections_per_thread() -> u32 {
    const OTHER_FILES: u64 = 128;
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    hard.saturating_sub(OTHER_FILES).clamp(1, 1_000_000) as u32
}

/// The number of threads for this number of connections: one per core, more if the open-file limit of a
/// thread is too low.
pub fn threads_for(connections: u32, cores: usize) -> usize {
    let least = connections.div_ceil(connections_per_thread()) as usize;
    cores.max(least.next_multiple_of(cores))
}

/// Raises the soft open-file limit to `needed` if it is lower, and the hard limit if the process has the
/// right to.
pub fn raise_open_files(needed: u64) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: if enough(limit.maximum) {
            limit.maximum
        } else {
            Some(needed)
        },
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| {
        let allowed = limit.maximum.unwrap_or_default();
        format!(
            "a thread with this many connections needs {needed} open files, but the hard limit is \
             {allowed} ({error}); use more --threads, or raise the limit (ulimit -Hn, LimitNOFILE), \
             which needs CAP_SYS_RESOURCE"
        )
    })
}

/// Pins the calling thread to a core.
pub fn pin_to(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot pin a thread to core {core}: {error}"))
}

/// Gives the calling thread a higher priority than the workers' threads, if the process has the right to.
/// Nimbus's reads then measure the server and not the wait for a core that pulses keep busy.
pub fn raise_priority() {
    const NICENESS: i32 = -10;
    // Without the right, it has the same priority as the others.
    let _ = setpriority_process(Some(gettid()), NICENESS);
}

/// The number of local ports for connections from one address.
pub fn local_ports() -> u32 {
    const LINUX_DEFAULT: u32 = 60_999 - 32_768 + 1;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ports = range.ok().and_then(|range| {
        let mut ends = range.split_whitespace().map(|end| end.parse::<u32>().ok());
        let (first, last) = (ends.next()??, ends.next()??);
        Some(last.checked_sub(first)? + 1)
    });
    ports.unwrap_or(LINUX_DEFAULT)
}

/// The memory of this host.
pub fn memory_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
