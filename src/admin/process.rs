//! What the kernel reports about this process and its threads, from /proc. A number that cannot be read
//! is left out.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, getrlimit};

/// Resource use of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) threads: u64,
}

impl Process {
    pub(super) fn read() -> Option<Process> {
        Process::parse(
            &fs::read_to_string("/proc/self/stat").ok()?,
            rustix::param::clock_ticks_per_second(),
            rustix::param::page_size() as u64,
        )
    }

    /// Parses the text of /proc/PID/stat; see proc(5).
    fn parse(stat: &str, ticks_a_second: u64, page_bytes: u64) -> Option<Process> {
        // The name of the program is in parentheses, and may contain anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // proc(5) numbers the fields from 1; the first one after the name is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Process {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks_a_second as f64,
            resident_bytes: field(24)? * page_bytes,
            virtual_bytes: field(23)?,
            threads: field(20)?,
        })
    }
}

/// CPU seconds that a thread of this process has used.
pub(super) fn thread_cpu_seconds(thread: i32) -> Option<f64> {
    let path = format!("/proc/self/task/{thread}/schedstat");
    let text = fs::read_to_string(path).ok()?;
    let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Open files in the descriptor table of a thread, or of the main thread. Each shard has its own table.
pub(super) fn open_files(thread: Option<i32>) -> Option<u64> {
    let directory = match thread {
        Some(thread) => format!("/proc/self/task/{thread}/fd"),
        None => "/proc/self/fd".to_owned(),
    };
    // Since Linux 6.2 the size of the directory is the number of files; before, it is 0.
    match fs::metadata(&directory).ok()?.size() {
        0 => Some(fs::read_dir(&directory).ok()?.count() as u64),
        files => Some(files),
    }
}

/// The soft limit on open files, which holds for each table; `None` if there is no limit.
pub(super) fn max_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_after_any_name() {
        let stat =
            "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 900 4096 3 18446744";
        let process = Process::parse(stat, 100, 4096).unwrap();
        assert_eq!(process.cpu_seconds, 3.0);
        assert_eq!(process.threads, 5);
        assert_eq!(process.virtual_bytes, 4096);
        assert_eq!(process.resident_bytes, 3 * 4096);
        assert!(Process::parse("7 (a) S 1", 100, 4096).is_none());
    }

    #[test]
    fn this_process_can_be_read() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 100_000 && process.threads >= 1);
        let this = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(thread_cpu_seconds(this).is_some());
        assert!(open_files(Some(this)).unwrap() >= 3);
        assert!(open_files(None).unwrap() >= 3);
    }
}
