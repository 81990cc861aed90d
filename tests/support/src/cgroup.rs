//! A cgroup of a test's own, with a limit on its memory or its time. It needs root, and a hierarchy with the
//! controller in which groups can be made: cgroup version 1, or version 2 below the system's root.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{PATIENCE, holds_within};

#[derive(Debug)]
pub struct Cgroup {
    directory: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    V1,
    V2,
}

impl Cgroup {
    /// A group whose processes have so much memory, in all.
    pub fn with_memory(bytes: u64) -> Cgroup {
        let cgroup = Cgroup::with("memory");
        fs::write(cgroup.limit_file(), bytes.to_string()).expect("its memory can be limited");
        // Where there is swap, it is part of the limit.
        let swap = match cgroup.version {
            Version::V1 => ("memory.memsw.limit_in_bytes", bytes),
            Version::V2 => ("memory.swap.max", 0),
        };
        let _ = fs::write(cgroup.directory.join(swap.0), swap.1.to_string());
        cgroup
    }

    /// A group whose processes together have the time of this number of cores, on any cores.
    pub fn with_time_of(cores: u32) -> Cgroup {
        let cgroup = Cgroup::with("cpu");
        // Microseconds in 100 ms.
        let quota = 100_000 * cores;
        let (file, limit) = match cgroup.version {
            Version::V1 => ("cpu.cfs_quota_us", quota.to_string()),
            Version::V2 => ("cpu.max", format!("{quota} 100000")),
        };
        fs::write(cgroup.directory.join(file), limit).expect("its time can be limited");
        cgroup
    }

    fn with(controller: &str) -> Cgroup {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pacemaker-test-{}-{count}", std::process::id());
        let (root, version) = hierarchy(controller).unwrap_or_else(|| {
            panic!(
                "no cgroup hierarchy has the controller {controller}: neither /sys/fs/cgroup/{controller} \
                 nor cgroup.subtree_control in /sys/fs/cgroup"
            )
        });
        let directory = root.join(name);
        fs::create_dir(&directory).expect("a cgroup can be made, by root");
        Cgroup { directory, version }
    }

    /// The file that limits it.
    pub fn limit_file(&self) -> PathBuf {
        self.directory.join(match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        })
    }

    /// A command that runs a program in the group; arguments can be added.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ > "$0/cgroup.procs"; exec "$@""#])
            .arg(&self.directory)
            .arg(program);
        command
    }

    /// Processes that were killed because the group had no memory left.
    pub fn killed(&self) -> u64 {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(self.directory.join(file)).expect("its events");
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.parse().ok()).expect("a count")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that was killed leaves its group a moment later.
        holds_within(PATIENCE, || fs::remove_dir(&self.directory).is_ok());
    }
}

fn hierarchy(controller: &str) -> Option<(PathBuf, Version)> {
    let v1 = Path::new("/sys/fs/cgroup").join(controller);
    // In version 2 this would be a group of that name.
    if v1.join("cgroup.procs").exists() && !v1.join("cgroup.controllers").exists() {
        return Some((v1, Version::V1));
    }
    let v2 = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_to_string(v2.join("cgroup.subtree_control")).ok()?;
    let has_it = controllers
        .split_whitespace()
        .any(|name| name == controller);
    has_it.then(|| (v2.to_owned(), Version::V2))
}
