//! What is in a process's memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// How often bytes occur in what a process can write to: its heap, stacks and data.
pub fn places_of(pid: u32, what: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its mappings");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let writable = maps.lines().filter(|line| line.contains(" rw"));
    writable
        .filter_map(|line| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            let from = u64::from_str_radix(from, 16).ok()?;
            let to = u64::from_str_radix(to, 16).ok()?;
            let mut bytes = vec![0; (to - from) as usize];
            // Some of the kernel's own pages cannot be read.
            memory.read_exact_at(&mut bytes, from).ok()?;
            Some(
                bytes
                    .windows(what.len())
                    .filter(|part| *part == what)
                    .count(),
            )
        })
        .sum()
}
