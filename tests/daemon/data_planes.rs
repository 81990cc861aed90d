//! Which data plane the daemon uses, why, and where it says so. What clients see of it is the matter of all other
//! tests, which run on either (STORM_PACEMAKER_TEST_IO).

use std::fs;
use std::process::Command;

use support::cgroup::Cgroup;
use support::check_config::check;
use support::client::assert_good_client_is_served;
use support::daemon::binary;
use support::metrics::Scrape;
use support::sandbox::{Forbidden, spawn_without};
use support::{Daemon, http};

/// The data plane by /status, by the metrics and by the start line, which agree.
fn plane_of(daemon: &Daemon) -> String {
    let status = http::get(daemon.admin(), "/status").json();
    let plane = status["io"].as_str().expect("a name").to_owned();
    let labels = [("io", plane.as_str())];
    let scrape = Scrape::of(daemon.admin());
    assert_eq!(scrape.sum("pacemaker_build_info", &labels), 1.0);
    let log = daemon.log();
    assert!(log.contains(&format!("io={plane}")), "{log}");
    plane
}

#[test]
fn the_data_plane_in_force_is_named() {
    for plane in ["io_uring", "epoll"] {
        let setting = format!("server.io={plane}");
        let daemon = Daemon::start(&["-c", &setting]);
        assert_eq!(plane_of(&daemon), plane);
        assert_good_client_is_served(daemon.address());
        daemon.stop();
        let run = check(&["-c", &setting]);
        run.succeeds();
        let note = format!("the data plane here is {plane}");
        assert!(run.stdout.contains(&note), "{}", run.stdout);
    }
}

/// As in a container under Docker's default profile.
#[test]
fn where_io_uring_is_forbidden_the_daemon_serves_with_epoll_and_says_why() {
    let auto = ["-c", "server.io=auto"];
    let daemon = spawn_without(Forbidden::IoUring, || Daemon::start(&auto));
    assert_eq!(plane_of(&daemon), "epoll");
    assert_good_client_is_served(daemon.address());
    let log = daemon.stop();
    let reasons: Vec<_> = log
        .lines()
        .filter(|line| line.contains("using epoll"))
        .collect();
    assert_eq!(reasons.len(), 1, "{log}");
    assert!(reasons[0].contains("seccomp"), "{}", reasons[0]);

    let insisted = ["-c", "server.io=io_uring"];
    let output = spawn_without(Forbidden::IoUring, || Daemon::run(0, &insisted));
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("seccomp"), "{error}");

    // Without asking the kernel for a ring even once.
    let chosen = ["-c", "server.io=epoll"];
    let daemon = spawn_without(Forbidden::IoUringOnPainOfDeath, || Daemon::start(&chosen));
    assert_good_client_is_served(daemon.address());
    daemon.stop();
}

/// Kernels before 5.9, and sandboxes, keep all threads in one table of descriptors.
#[test]
fn without_descriptor_tables_of_their_own_shards_share_one() {
    for plane in ["io_uring", "epoll"] {
        let setting = format!("server.io={plane}");
        let arguments = ["--shards", "4", "-c", &setting];
        let daemon = spawn_without(Forbidden::OwnDescriptors, || Daemon::start(&arguments));
        for _ in 0..20 {
            assert_good_client_is_served(daemon.address());
        }
        daemon.stop();
    }
}

/// The version check of earlier times refused a ring that works.
#[test]
fn the_kernels_version_does_not_decide() {
    let mut command = Command::new("setarch");
    command
        .args([std::env::consts::ARCH, "--uname-2.6"])
        .arg(binary());
    let daemon = Daemon::start_by(command, &["-c", "server.io=io_uring"]);
    let status = http::get(daemon.admin(), "/status").json();
    let kernel = status["kernel"].as_str().expect("a release");
    assert!(kernel.starts_with("2.6."), "{kernel}");
    assert_eq!(plane_of(&daemon), "io_uring");
    assert_good_client_is_served(daemon.address());
    daemon.stop();
}

/// A user without rights, and the limit on locked memory that most systems set. Since Linux 6.14 the memory
/// of rings counts against it.
#[test]
#[ignore = "needs root"]
fn many_shards_without_rights_start_or_say_which_limit_to_set() {
    const MEMLOCK: &str = "--memlock=8388608:8388608";
    // The daemon's program must be where that user may read it.
    let place = tempfile::Builder::new()
        .prefix("pacemaker-")
        .tempdir_in("/tmp")
        .expect("a directory");
    let program = place.path().join("storm-pacemaker");
    fs::copy(binary(), &program).expect("a copy");
    Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(place.path())
        .status()
        .expect("chmod runs");
    let unprivileged = || {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "6699", "--regid", "6699", "--clear-groups"])
            .args(["--inh-caps=-all", "--bounding-set=-all"])
            .args(["prlimit", MEMLOCK])
            .arg(&program);
        command
    };
    for shards in ["16", "64"] {
        let arguments = ["--shards", shards, "-c", "limits.connections=200"];
        let auto = [&arguments[..], &["-c", "server.io=auto"]].concat();
        let daemon = Daemon::start_by(unprivileged(), &auto);
        assert_good_client_is_served(daemon.address());
        let plane = plane_of(&daemon);
        let log = daemon.stop();
        if plane == "epoll" {
            assert!(log.contains("LimitMEMLOCK="), "{log}");
        }

        let insisted = [&arguments[..], &["-c", "server.io=io_uring"]].concat();
        if plane == "epoll" {
            let output = Daemon::run_by(unprivileged(), &insisted);
            assert_eq!(output.status.code(), Some(1));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("LimitMEMLOCK="), "{error}");
        }
    }
}

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────

/// The cores that each shard may run on.
fn cores_of_shards(daemon: &Daemon) -> Vec<String> {
    let status = http::get(daemon.admin(), "/status").json();
    let shards = status["shards"].as_array().expect("a list");
    let allowed = shards.iter().map(|shard| {
        let thread = &shard["thread"];
        allowed_cores(&format!("/proc/{}/task/{thread}/status", daemon.pid()))
    });
    allowed.collect()
}

fn allowed_cores(status: &str) -> String {
    let status = fs::read_to_string(status).expect("a status");
    let mut lines = status.lines();
    let cores = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores.expect("a list of cores").trim().to_owned()
}

fn online_cores() -> String {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").expect("the cores");
    online.trim().to_owned()
}

/// Lets the command become a daemon on all cores of the machine, and says whether this process may use them.
fn on_all_cores(mut command: Command) -> (Command, bool) {
    let all = online_cores();
    let may_use_them = allowed_cores("/proc/self/status") == all;
    command.args(["--cpu-list", &all]).arg(binary());
    (command, may_use_them)
}

#[test]
fn shards_are_pinned_only_to_cores_that_were_set_aside() {
    for plane in ["io_uring", "epoll"] {
        let setting = format!("server.io={plane}");
        let start = |pin: &str| {
            let pin = format!("server.pin={pin}");
            let (command, has_all) = on_all_cores(Command::new("taskset"));
            let arguments = ["--shards", "2", "-c", &setting, "-c", &pin];
            (Daemon::start_by(command, &arguments), has_all)
        };
        let all = online_cores();
        let two_daemons = [start("auto"), start("auto")];
        for (daemon, has_all) in two_daemons {
            if has_all {
                assert_eq!(cores_of_shards(&daemon), [&*all, &*all], "{plane}");
            }
            daemon.stop();
        }
        let (off, on) = (start("off").0, start("on").0);
        let of_off = cores_of_shards(&off);
        assert_eq!(of_off[0], of_off[1]);
        for cores in cores_of_shards(&on) {
            assert!(cores.parse::<usize>().is_ok(), "{cores} is one core");
        }
        off.stop();
        on.stop();
    }
}

/// As in a container with a limit on its CPU time and none on its cores.
#[test]
#[ignore = "needs root and a cpu cgroup"]
fn a_quota_sets_the_number_of_shards_and_pins_none() {
    for plane in ["io_uring", "epoll"] {
        let setting = format!("server.io={plane}");
        let cgroup = Cgroup::with_time_of(1);
        let (command, has_all) = on_all_cores(cgroup.command("taskset"));
        let daemon = Daemon::start_by(command, &["-c", &setting]);
        let cores = cores_of_shards(&daemon);
        assert_eq!(cores.len(), 1, "{plane}");
        if has_all {
            assert_eq!(cores, [online_cores()], "{plane}");
        }
        daemon.stop();
    }
}
