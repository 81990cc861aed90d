//! Two hosts that share an address, as `packaging/keepalived` has it: network namespaces on a bridge, each with
//! keepalived and a daemon. Clients are where the test is, on the bridge.
//!
//! All of it lives in namespaces of the test's own, processes included. So nothing is left when the test ends, even if it
//! is killed.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Daemon, repository, wait_until};

/// Set in the process that has the namespaces.
const INSIDE: &str = "STORM_PACEMAKER_TEST_INSIDE";

/// What the namespaces need: `ip netns` and keepalived write below /run, and keepalived's files belong to the test.
const PREPARE: &str = "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/keepalived && \
    ip link set lo up && exec \"$@\"";

/// Where the packaged configuration wants its files.
const ETC: &str = "/etc/keepalived";

/// The service manager of both hosts, as far as the packaged files need one. It takes its time, as on a busy host. It
/// restarts nothing: what it was told is in a file.
const SYSTEMCTL: &str = "#!/bin/sh
host=$(ip netns identify $$)
echo $* >>/run/$host-told
case $* in
stop*keepalived*) pid=$(cat /run/$host-keepalived) ;;
stop*) pid=$(cat /run/$host-daemon) ;;
*) exit ;;
esac
kill $pid
while readlink /proc/$pid/exe >/dev/null; do sleep 0.02; done
sleep 0.3
";

const STORMS_PORT: u16 = 6699;

/// Runs the body of a test in namespaces of its own for the network, mounts and processes. `test` is the test's whole
/// name: the test binary starts itself again, with that test alone.
///
/// # Panics
/// The body failed, or there is no keepalived, or the user is not root.
pub fn in_a_network_of_its_own(test: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    assert!(
        Path::new(ETC).exists(),
        "there is no keepalived: tools/setup test installs it"
    );
    let output = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "--mount",
            "--pid",
        ])
        .args([
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            PREPARE,
            "sh",
        ])
        .arg(env::current_exe().expect("the path of this test binary"))
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("setpriv of util-linux");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(
        said.contains("1 passed"),
        "no test has the name {test}: {said}"
    );
    // The figures.
    let figures = said
        .lines()
        .filter(|line| line.starts_with("high availability: "));
    figures.for_each(|line| println!("{line}"));
}

/// One of the two hosts.
pub struct Host {
    name: &'static str,
    directory: PathBuf,
    pub daemon: Option<Daemon>,
    keepalived: Option<Child>,
}

pub struct Pair {
    pub hosts: [Host; 2],
    _directory: TempDir,
}

/// The addresses that move, as the packaged configurations name them.
pub const SHARED: SocketAddr = shared(10);
pub const SECOND: SocketAddr = shared(11);

const fn shared(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), STORMS_PORT)
}

impl Pair {
    /// Starts both hosts, each with the configuration of that host, and waits until one of them has the address.
    pub fn start(configurations: [&str; 2], arguments: &[&str]) -> Pair {
        let directory = TempDir::new().expect("a directory");
        let check = "check-storm-pacemaker";
        let packaged = repository().join("packaging/keepalived").join(check);
        fs::copy(packaged, Path::new(ETC).join(check)).expect("a copy of the check");
        let systemctl = Path::new(ETC).join("systemctl");
        fs::write(&systemctl, SYSTEMCTL).expect("a script");
        fs::set_permissions(&systemctl, Permissions::from_mode(0o755)).expect("it may run");
        // A bridge without an address of its own takes one of its ports', and another one when ports come and go.
        ip("link add switch address 02:00:00:00:00:09 type bridge");
        ip("address add 192.0.2.9/24 dev switch");
        ip("link set switch up");
        let mut number = 0;
        let hosts = ["a", "b"].map(|name| {
            number += 1;
            Host::start(
                name,
                number,
                &directory.path().join(name),
                configurations[number - 1],
                arguments,
            )
        });
        let pair = Pair {
            hosts,
            _directory: directory,
        };
        wait_until("one host has the address", || {
            pair.owners(SHARED).len() == 1
        });
        pair
    }

    /// The packaged configuration for one shared address, the same on both hosts.
    pub fn of_one_address(arguments: &[&str]) -> Pair {
        let configuration = packaged("keepalived.conf");
        Self::start([&configuration; 2], arguments)
    }

    /// The packaged configuration for two addresses, one at home on each host.
    pub fn of_two_addresses(arguments: &[&str]) -> Pair {
        // The one that started first has both, until the other one's has come home.
        let first = packaged("two-addresses.conf").replace("preempt_delay 120", "preempt_delay 2");
        let second = first
            .replace("priority 150", "priority OTHER")
            .replace("priority 100", "priority 150")
            .replace("priority OTHER", "priority 100");
        let pair = Self::start([&first, &second], arguments);
        wait_until("each host has its address", || {
            pair.owners(SHARED) == [0] && pair.owners(SECOND) == [1]
        });
        pair
    }

    /// The hosts that have this address, by number. During a split there are two.
    pub fn owners(&self, address: SocketAddr) -> Vec<usize> {
        let has = |host: &Host| {
            let asked = format!("-n {} address show to {}", host.name, address.ip());
            let output = Command::new("ip").args(asked.split(' ')).output();
            !output.expect("ip of iproute2").stdout.is_empty()
        };
        (0..2).filter(|&host| has(&self.hosts[host])).collect()
    }

    /// The one host that has the address that all clients know.
    pub fn owner(&self) -> usize {
        let owners = self.owners(SHARED);
        let [owner] = owners[..] else {
            panic!("one host has the address, not {owners:?}");
        };
        owner
    }

    /// Waits until that host, and no other, has the address.
    pub fn await_owner(&self, host: usize) {
        wait_until("the address has moved", || self.owners(SHARED) == [host]);
    }
}

/// A packaged configuration.
pub fn packaged(file: &str) -> String {
    let path = repository().join("packaging/keepalived").join(file);
    fs::read_to_string(path).expect("the packaged configuration")
}

impl Host {
    fn start(
        name: &'static str,
        number: usize,
        directory: &Path,
        configuration: &str,
        arguments: &[&str],
    ) -> Host {
        fs::create_dir(directory).expect("a directory for the host");
        let configuration =
            configuration.replace("/usr/bin/systemctl", &format!("{ETC}/systemctl"));
        fs::write(directory.join("keepalived.conf"), configuration).expect("its configuration");
        for step in [
            format!("netns add {name}"),
            format!("link add port-{name} type veth peer name eth0 netns {name}"),
            format!("link set port-{name} master switch up"),
            format!("-n {name} address add 192.0.2.{number}/24 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&step);
        }
        let mut host = Host {
            name,
            directory: directory.to_owned(),
            daemon: None,
            keepalived: None,
        };
        host.start_daemon(arguments);
        host.start_keepalived();
        host
    }

    /// The daemon, where the packaged check asks for it.
    pub fn start_daemon(&mut self, arguments: &[&str]) {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, STORMS_PORT));
        let admin = ["-c", "admin.address=127.0.0.1:6698"];
        let arguments = [&admin, arguments].concat();
        let daemon = Daemon::start_in_namespace(self.name, address, &arguments);
        self.tell_pid("daemon", daemon.pid());
        self.daemon = Some(daemon);
    }

    pub fn start_keepalived(&mut self) {
        let file = |name: &str| self.directory.join(name);
        let log = File::options().append(true).create(true).open(file("log"));
        let child = Command::new("ip")
            .args(["netns", "exec", self.name, "keepalived"])
            .args(["--dont-fork", "--log-console", "--log-detail", "--vrrp"])
            .arg("--use-file")
            .arg(file("keepalived.conf"))
            .arg("--pid")
            .arg(file("pid"))
            .arg("--vrrp_pid")
            .arg(file("vrrp-pid"))
            .stdin(Stdio::null())
            .stdout(log.as_ref().expect("a log").try_clone().expect("a log"))
            .stderr(log.expect("a log"))
            .spawn();
        let child = child.expect("ip of iproute2");
        self.tell_pid("keepalived", child.id());
        self.keepalived = Some(child);
    }

    /// Where `SYSTEMCTL` looks.
    fn tell_pid(&self, service: &str, pid: u32) {
        let file = format!("/run/{}-{service}", self.name);
        fs::write(file, pid.to_string()).expect("a file below /run");
    }

    /// How often keepalived has had the daemon restarted, if it runs.
    pub fn restarts(&self) -> usize {
        let told = fs::read_to_string(format!("/run/{}-told", self.name));
        told.unwrap_or_default()
            .matches("try-restart storm-pacemaker")
            .count()
    }

    /// What keepalived has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// When each worker's pulse was stored here last, by the name that the daemon's page shows.
    pub fn stored(&self) -> BTreeMap<String, Instant> {
        let output = Command::new("ip")
            .args([
                "netns",
                "exec",
                self.name,
                "curl",
                "--silent",
                "--max-time",
                "2",
            ])
            .arg("http://127.0.0.1:6698/cluster.json")
            .output()
            .expect("ip of iproute2");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let now = Instant::now();
        let topologies = document["topologies"].as_array().into_iter().flatten();
        let workers = topologies.flat_map(|topology| topology["workers"].as_array());
        let stored = workers.flatten().filter_map(|row| {
            let age = Duration::from_millis(row[1].as_u64()?);
            Some((row[0].as_str()?.to_owned(), now.checked_sub(age)?))
        });
        stored.collect()
    }

    // ── What may happen to a host ────────────────────────────────────────────────────────────────

    /// Its cable is pulled, or it has lost its power.
    pub fn link(&self, state: &str) {
        ip(&format!("link set port-{} {state}", self.name));
    }

    /// The switch between it and all others fails, which its own link does not show.
    pub fn cut_off(&self) {
        ip(&format!("link set port-{} nomaster", self.name));
    }

    /// That switch works again.
    pub fn join(&self) {
        ip(&format!("link set port-{} master switch", self.name));
    }

    /// All that was done to it is undone.
    pub fn recover(&mut self, arguments: &[&str]) {
        self.link("up");
        if self.daemon.is_none() {
            self.start_daemon(arguments);
        }
        if self.keepalived.is_none() {
            self.start_keepalived();
        }
    }

    /// The daemon gets SIGKILL, and nobody starts it again.
    pub fn kill_daemon(&mut self) {
        drop(self.daemon.take());
    }

    /// Runs `packaging/keepalived/hand-over`.
    pub fn hand_over(&mut self) {
        let script = repository().join("packaging/keepalived/hand-over");
        let path = format!("{ETC}:{}", env::var("PATH").expect("PATH"));
        let status = Command::new("ip")
            .args(["netns", "exec", self.name])
            .arg(script)
            .env("PATH", path)
            .status()
            .expect("ip of iproute2");
        assert!(status.success(), "hand-over: {status}");
        self.daemon = None;
        self.keepalived = None;
    }
}

impl Drop for Host {
    /// The namespaces end it all, too; but this way keepalived's log is complete.
    fn drop(&mut self) {
        if let Some(keepalived) = &mut self.keepalived {
            let _ = kill_process(Pid::from_child(keepalived), Signal::TERM);
            let _ = keepalived.wait();
        }
        if std::thread::panicking() {
            eprintln!("keepalived's log of host {}:\n{}", self.name, self.log());
        }
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("ip of iproute2").success(), "ip {arguments}");
}
