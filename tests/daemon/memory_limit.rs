//! A daemon in a container: its defaults follow the memory of its cgroup, so it refuses pulses and is not
//! killed.

use std::process::Output;

use support::cgroup::Cgroup;
use support::daemon::binary;
use support::frames::*;
use support::{Client, Daemon};

const MIB: u64 = 1 << 20;

fn check_config(cgroup: &Cgroup, arguments: &[&str]) -> Output {
    let mut command = cgroup.command(binary());
    command.arg("check-config").args(arguments);
    command.output().expect("it runs")
}

#[test]
#[ignore = "needs root and a memory cgroup"]
fn with_its_defaults_it_refuses_what_does_not_fit() {
    const KEYS: usize = 100_000;
    const LOT: usize = 200;
    let cgroup = Cgroup::with_memory(256 * MIB);
    let mut daemon = Daemon::start_in_cgroup(&cgroup, &["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    let details = vec![b'x'; 4096];
    let mut refused = 0;
    for from in (0..KEYS).step_by(LOT) {
        let keys = (from..from + LOT).map(|number| format!("/workerbeats/topology/{number:040}"));
        let frames: Vec<u8> = keys.flat_map(|key| send(key, &details, 1)).collect();
        client.send(&frames);
        let answers = client.read_frames(LOT);
        let is_refused = |answer: &&Vec<u8>| kind_of(answer) == NOT_AUTHORIZED;
        refused += answers.iter().filter(is_refused).count();
    }
    assert!(
        (1_000..KEYS - 1_000).contains(&refused),
        "{refused} refused"
    );
    assert!(daemon.is_running() && cgroup.killed() == 0);
    // What was stored is still there.
    assert_eq!(
        client.get(&format!("/workerbeats/topology/{:040}", 0)),
        Some(details)
    );
    let log = daemon.stop();
    assert!(log.contains("limits.stored_bytes"), "{log}");
}

#[test]
#[ignore = "needs root and a memory cgroup"]
fn it_names_the_limit_that_its_defaults_follow() {
    let cgroup = Cgroup::with_memory(256 * MIB);
    let file = cgroup.limit_file().display().to_string();
    let output = check_config(&cgroup, &[]);
    let report = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success() && !report.contains("warning"),
        "{report}"
    );
    let lines = report.lines();
    let stored: Vec<&str> = lines
        .filter(|line| line.starts_with("limits.stored_bytes"))
        .collect();
    assert!(
        stored[0].contains(&file) && stored[0].contains("256 MiB"),
        "{stored:?}"
    );

    // What is configured stays, and is warned about, here and at the start.
    let configured = ["-c", "limits.stored_bytes=1GiB"];
    let report = check_config(&cgroup, &configured).stdout;
    let report = String::from_utf8(report).expect("text");
    let log = Daemon::start_in_cgroup(&cgroup, &configured).stop();
    for text in [report, log] {
        for fact in [
            "limits.stored_bytes (1GiB)",
            "limits.buffered",
            "256 MiB",
            &file,
        ] {
            assert!(text.contains(fact), "no {fact} in {text}");
        }
    }
}
