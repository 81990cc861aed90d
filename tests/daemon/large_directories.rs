//! What a peer can make the daemon do about a large directory is bounded: requests that cost more
//! than one key are done one after another, and paths cannot fill the memory beside the bound.

use std::fs;

use support::frames::*;
use support::{Client, Daemon};

/// The most memory that it ever had.
fn peak_bytes(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    let status = status.expect("the daemon's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0_u64) * 1024
}

#[test]
fn many_lists_of_many_names_are_made_one_after_another() {
    const NAMES: i32 = 20_000;
    const LISTS: i32 = 200;
    for shards in ["1", "2"] {
        let daemon = Daemon::start(&["--shards", shards]);
        let mut client = Client::connect(daemon.address());
        for from in (0..NAMES).step_by(1_000) {
            let pulses = (from..from + 1_000).flat_map(|id| {
                send(
                    format!("/large/a-name-of-about-forty-characters-{id:08}"),
                    "",
                    id,
                )
            });
            client.send(&pulses.collect::<Vec<_>>());
            client.read_frames(1_000);
        }
        let before = peak_bytes(&daemon);
        // 1 MB each. The names of all of them at once would take more than twice the bound below.
        let lists = (0..LISTS).flat_map(|id| about(GET_ALL_NODES, "/large", id));
        client.send(&lists.collect::<Vec<_>>());
        for _ in 0..LISTS {
            assert_eq!(names_of(&client.read_frame()).len(), NAMES as usize);
        }
        let grew = peak_bytes(&daemon) - before;
        assert!(grew < 64 << 20, "{shards} shards: {grew} bytes");
        daemon.stop();
    }
}

#[test]
fn deep_paths_do_not_take_more_than_is_allowed() {
    // Keys of 30 segments of one character each: the directory takes far more than their text.
    let bound = [
        "-c",
        "limits.stored_bytes=4MiB",
        "-c",
        "access.deletes_below=",
    ];
    let daemon = Daemon::start(&[&["--shards", "1"], &bound[..]].concat());
    let mut client = Client::connect(daemon.address());
    let deep = "/a".repeat(28);
    let mut refused = 0;
    for from in (0..20_000).step_by(1_000) {
        let pulses = (from..from + 1_000).flat_map(|id| send(format!("/{id:x}{deep}"), "", id));
        client.send(&pulses.collect::<Vec<_>>());
        let answers = client.read_frames(1_000);
        refused += answers
            .iter()
            .filter(|answer| kind_of(answer) == NOT_AUTHORIZED)
            .count();
    }
    assert!(refused > 10_000, "{refused} refused");
    let peak = peak_bytes(&daemon);
    assert!(peak < 48 << 20, "{peak} bytes");
    client.delete_path("/");
    client.put("/w/t/1", b"there is room again");
    let log = daemon.stop();
    assert!(log.contains("limits.stored_bytes"), "{log}");
}
