//! By default the daemon answers at every address of the host, of both families if it has both, as Storm's
//! does; and `healthcheck` finds it there, whatever its options were.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Output};

use rustix::process::Signal;
use support::check_config::command;
use support::{Client, Daemon, daemon, wait_until};

#[test]
fn every_address_of_both_families_answers() {
    let daemon = Daemon::start_on(
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        &["--shards", "2"],
    );
    let port = daemon.address().port();
    for ip in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let mut client = Client::connect((ip, port).into());
        client.put("/workerbeats/t/w", b"beat");
    }
    let log = daemon.stop();
    assert!(!log.contains("no IPv6"), "{log}");
}

/// Runs a daemon and what comes then in a network namespace of its own, with loopback only. `$S` is the
/// program; `prepare` comes before, `ask` when it listens.
fn alone(prepare: &str, options: &str, ask: &str) -> String {
    let script = format!(
        r#"set -eu
        ip link set lo up
        {prepare}
        cd "$(mktemp -d)"
        trap 'kill $pid 2>&- || true; wait; rm -r "$PWD"' EXIT
        $S serve --shards 1 -c limits.connections=100 {options} >out 2>log & pid=$!
        until grep -q ^listening out; do kill -0 $pid || {{ cat log; exit 1; }}; sleep 0.01; done
        head -1 out
        answers() {{ $S healthcheck --server "$1" >/dev/null 2>&1 && echo "$1 answers" || echo "$1 refuses"; }}
        {ask}"#
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "bash", "-c", &script]);
    command.env("S", daemon::binary());
    for name in ["STORM_CONF_DIR", "STORM_HOME", "JAVA_OPTS"] {
        command.env_remove(name);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("unshare runs");
    let told = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{told}");
    told
}

#[test]
#[ignore = "needs network namespaces: root, or user namespaces"]
fn whatever_families_the_host_has() {
    let both =
        "answers 127.0.0.1:7000; answers [::1]:7000; answers 127.0.0.1:6698; answers [::1]:6698";
    let admin = r#"--port 7000 --admin """#;
    let told = alone("", admin, both);
    assert!(told.contains("127.0.0.1:7000 answers"), "{told}");
    assert!(told.contains("[::1]:7000 answers"), "{told}");
    // The kernel's own default for new sockets does not matter.
    let told = alone("echo 1 >/proc/sys/net/ipv6/bindv6only", admin, both);
    assert!(told.contains("127.0.0.1:7000 answers"), "{told}");
    assert!(told.contains("[::1]:7000 answers"), "{told}");
    let told = alone("ip addr del 127.0.0.1/8 dev lo", admin, both);
    assert!(told.contains("[::1]:7000 answers"), "{told}");
    let told = alone(
        "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6",
        admin,
        both,
    );
    assert!(told.contains("127.0.0.1:7000 answers"), "{told}");
}

/// As the check of an image does: it gets none of the daemon's options.
#[test]
#[ignore = "needs network namespaces: root, or user namespaces"]
fn healthcheck_finds_the_address_in_force() {
    for (prepare, options, server) in [
        ("", "--port 7000", "127.0.0.1:7000"),
        ("", "--port 0 --bind 127.0.0.9", "127.0.0.9:"),
        (
            "ip addr del 127.0.0.1/8 dev lo",
            "-c pacemaker.port=7001",
            "127.0.0.1:7001",
        ),
        ("", "--bind ::1 --port 7002", "[::1]:7002"),
    ] {
        let options = format!("{options} --admin ''");
        let told = alone(prepare, &options, "$S healthcheck");
        assert!(told.contains(server), "{told}");
        assert!(told.contains("is healthy"), "{told}");
    }
    // What is asked for by name is asked, and of several daemons the configured one.
    let told = alone(
        "",
        "--port 7000 --admin ''",
        "$S healthcheck --port 7001 || true",
    );
    assert!(
        told.contains("127.0.0.1:7001") && !told.contains("is healthy"),
        "{told}"
    );
    let second = r#"$S serve --shards 1 -c limits.connections=100 --port 6699 --admin '' >out2 2>&1 & second=$!
        until grep -q ^listening out2; do sleep 0.01; done
        $S healthcheck; kill $second; wait $second"#;
    let told = alone("", "--port 7000 --admin ''", second);
    assert!(told.contains("127.0.0.1:6699 is healthy"), "{told}");
}

/// The pods of a node often share a /64: whether they share the limits for one address is a setting.
#[test]
#[ignore = "needs network namespaces: root, or user namespaces"]
fn addresses_of_one_ipv6_network_share_limits_as_configured() {
    // The kernel makes the routes of an address a little later.
    let prepare = "for pod in 1 2; do
        ip addr add fd00::$pod/64 dev lo nodad
        until ip -6 route get fd00::$pod >/dev/null 2>&1; do sleep 0.01; done
    done";
    // Who asks an address of this host asks from the same one.
    let ask = "exec 3<>/dev/tcp/fd00::1/7000; answers [fd00::2]:7000";
    for (prefix, outcome) in [(64, "refuses"), (128, "answers")] {
        let options = format!(
            "--port 7000 --admin '' -c limits.connections_per_address=1 -c limits.ipv6_prefix={prefix}"
        );
        let told = alone(prepare, &options, ask);
        assert!(
            told.contains(&format!("7000 {outcome}")),
            "{prefix}: {told}"
        );
    }
}

/// A process that died leaves nothing behind that could be taken for it.
#[test]
#[ignore = "needs network namespaces: root, or user namespaces"]
fn a_killed_daemon_is_not_found() {
    let ask = "kill -9 $pid; wait $pid || true; $S healthcheck || true";
    let told = alone("", "--port 7000 --admin ''", ask);
    assert!(told.contains("nothing listens on 127.0.0.1:6699"), "{told}");
}

/// Whatever the log's level is: somebody has asked.
#[test]
fn sigquit_logs_the_status_and_the_daemon_lives() {
    let log = ["-c", "log.format=json", "-c", "log.level=error"];
    let mut daemon = Daemon::start(&[&["--shards", "2", "--admin", ""], &log[..]].concat());
    let mut client = Client::connect(daemon.address());
    client.put("/workerbeats/t/w", b"beat");
    for count in 1..=2 {
        daemon.signal(Signal::QUIT);
        let lines = |log: &str| log.matches("status: ").count();
        wait_until("the status is logged", || lines(&daemon.log()) == count);
    }
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("status: ")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let text = line["fields"]["message"]
        .as_str()
        .or(line["message"].as_str());
    let status = text.unwrap().strip_prefix("status: ").expect("the status");
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON as of /status");
    assert_eq!(status["address"], daemon.address().to_string());
    assert_eq!(status["shards"].as_array().unwrap().len(), 2);
    assert!(status["settings"]["server.bind"].is_string());
    assert!(daemon.is_running());
    assert_eq!(
        client.get("/workerbeats/t/w").as_deref(),
        Some(&b"beat"[..])
    );
    daemon.stop();
}

/// Of daemons that a test did not start nothing is asked.
#[test]
fn several_daemons_are_told_apart() {
    let one = Daemon::start(&[]);
    let other = Daemon::start(&[]);
    let port = other.address().port().to_string();
    let mut check = command(&["healthcheck", "--bind", "127.0.0.1", "--port", &port]);
    let output = check.output().expect("it runs");
    assert!(output.status.success());
    one.stop();
    other.stop();
}
