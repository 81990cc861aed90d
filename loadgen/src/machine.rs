//! What the generator takes from its host: file descriptors, cores, local ports.

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

/// Descriptors that a driving thread may be given for connections, at the most.
fn connections_of_a_thread() -> u32 {
    const BESIDES: u64 = 128;
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    hard.saturating_sub(BESIDES).clamp(1, 1_000_000) as u32
}

/// Threads that so many connections take: one a core, more where the open-file limit, which is each
/// thread's own, is too low for that.
pub fn threads_for(connections: u32, cores: usize) -> usize {
    let least = connections.div_ceil(connections_of_a_thread()) as usize;
    cores.max(least.next_multiple_of(cores))
}

/// Raises the open-file limit to `needed` if it is lower: the soft one, and the hard one too where
/// the process may.
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
            "a thread with this many connections needs {needed} open files, and the hard limit is \
             {allowed} ({error}): give it more --threads, or raise the limit (ulimit -Hn, LimitNOFILE) \
             with the right to, CAP_SYS_RESOURCE"
        )
    })
}

/// Keeps the calling thread on one core.
pub fn pin_to(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot pin a thread to core {core}: {error}"))
}

/// Lets the calling thread run before the driving ones, where the process may: what the reader
/// measures is then the server's time, not its own wait for a core that pulses keep busy.
pub fn take_precedence() {
    const NICENESS: i32 = -10;
    // Without the privilege it takes its turn like the others.
    let _ = setpriority_process(Some(gettid()), NICENESS);
}

/// Ports that the kernel gives to connections from one address.
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

/// Memory of this host.
pub fn memory_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
