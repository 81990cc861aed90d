//! A host that loses its power or its network says no goodbye. What it held is given back.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use rustix::process::Signal;
use support::frames::*;
use support::{Client, Daemon, wait_until};

/// A network namespace that this one reaches over one link. Both go when this is dropped.
struct Namespace {
    name: String,
    /// Our end of the link.
    link: String,
    /// The address at the other end.
    ip: IpAddr,
}

fn ip(arguments: &str) -> bool {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    status.expect("ip of iproute2").success()
}

impl Namespace {
    fn new() -> Namespace {
        // Of the names and networks for tests, one that nobody else has at the moment.
        let number = std::process::id() % 250;
        let ip_of = |last| Ipv4Addr::new(198, 18, number as u8, last);
        let namespace = Namespace {
            name: format!("pacemaker-test-{number}"),
            link: format!("pmtest{number}"),
            ip: ip_of(2).into(),
        };
        let Namespace { name, link, .. } = &namespace;
        let (ours, theirs) = (ip_of(1), ip_of(2));
        for step in [
            format!("netns add {name}"),
            format!("link add {link} type veth peer name eth0 netns {name}"),
            format!("address add {ours}/30 dev {link}"),
            format!("link set {link} up"),
            format!("-n {name} address add {theirs}/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        namespace
    }

    /// From now on nothing arrives here. The daemon's end keeps its link, as it would at a switch.
    fn cut(&self) {
        assert!(ip(&format!("address flush dev {}", self.link)));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.name));
    }
}

#[test]
#[ignore = "needs root, for a network namespace"]
fn a_host_that_is_lost_while_an_answer_is_unacknowledged_is_forgotten_soon() {
    let network = Namespace::new();
    let deadline = ["-c", "limits.output_deadline=1s"];
    let arguments = [&["--shards", "1"], &deadline[..]].concat();
    let daemon = Daemon::start_in_namespace(&network.name, (network.ip, 0).into(), &arguments);
    let files = daemon.open_files();
    let mut client = Client::connect(daemon.address());
    client.put("/w/t/1", &[7; 300]);
    assert!(daemon.open_files() > files);
    // The request is in the daemon's socket; the answer finds nobody.
    daemon.signal(Signal::STOP);
    client.send(&get("/w/t/1", 5));
    network.cut();
    daemon.signal(Signal::CONT);
    wait_until("its connection is gone", || daemon.open_files() <= files);
    daemon.stop();
}
