//! A service manager may open the listening sockets and keep them (`LISTEN_FDS`): clients that dial while
//! the daemon restarts then wait for it, and are not refused. It is told when the daemon serves.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use rustix::process::Signal;
use support::client::assert_good_client_is_served;
use support::frames::{SEND_PULSE, answer_to, plain, send};
use support::{Client, Daemon, Ended, PATIENCE};
use tempfile::TempDir;

/// Listening sockets at one address, as systemd's ReusePort=yes opens them.
pub(super) fn sockets_at_one_address(count: usize) -> (SocketAddr, Vec<OwnedFd>) {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut open = || {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseport(&socket, true).expect("an option");
        bind(&socket, &address).expect("an address");
        listen(&socket, 128).expect("it listens");
        let listener = TcpListener::from(socket);
        // systemd's are so.
        listener.set_nonblocking(true).expect("a flag");
        address = listener.local_addr().expect("an address");
        OwnedFd::from(listener)
    };
    let sockets = (0..count).map(|_| open()).collect();
    (address, sockets)
}

#[test]
fn a_client_that_dials_between_two_daemons_waits_and_is_served() {
    for (sockets, shards, signal) in [
        (1, "1", Signal::TERM),
        (1, "2", Signal::KILL),
        (2, "2", Signal::TERM),
        (2, "1", Signal::KILL),
        (3, "4", Signal::TERM),
    ] {
        let (address, sockets) = sockets_at_one_address(sockets);
        let mut first = Daemon::start_handed(&sockets, &["--shards", shards]);
        assert_eq!(first.address(), address);
        assert_good_client_is_served(address);
        let mut idle = Client::connect(address);
        assert!(idle.list("/").is_empty());
        first.signal(signal);
        let status = first.wait();
        assert_eq!(status.code(), (signal == Signal::TERM).then_some(0));
        idle.expect_reset();

        // Enough that each socket has some.
        let mut waiting: Vec<_> = (0..20).map(|_| Client::connect(address)).collect();
        let ids = 0..;
        for (client, id) in waiting.iter_mut().zip(ids) {
            client.send(&send(format!("/w/{id}"), b"while nobody was there", id));
        }
        let second = Daemon::start_handed(&sockets, &["--shards", shards]);
        for (client, id) in waiting.iter_mut().zip(0..) {
            assert_eq!(client.read_frame(), plain(answer_to(SEND_PULSE), id));
        }
        assert_eq!(Client::connect(address).list("/w").len(), waiting.len());
        let log = second.stop();
        assert!(log.contains("LISTEN_FDS"), "{log}");
        // It waits in the kernel for connections; it does not ask again and again.
        assert!(!log.contains("cannot accept connections"), "{log}");
    }
}

#[test]
fn every_socket_is_served_by_any_number_of_shards() {
    for (sockets, shards) in [(1, "3"), (3, "1"), (3, "2"), (2, "4"), (4, "4")] {
        let (address, sockets) = sockets_at_one_address(sockets);
        let daemon = Daemon::start_handed(&sockets, &["--shards", shards]);
        let mut clients: Vec<_> = (0..40).map(|_| Client::connect(address)).collect();
        for (client, name) in clients.iter_mut().zip(0..) {
            client.put(&format!("/w/{name}"), b"x");
        }
        let log = daemon.stop();
        let uneven = sockets.len() < shards.parse().expect("a number");
        assert_eq!(log.contains("ReusePort=yes"), uneven, "{log}");
    }
}

#[test]
fn sockets_may_have_different_addresses() {
    let [one, two] = ["127.0.0.1:0", "127.0.0.2:0"]
        .map(|address| TcpListener::bind(address).expect("an address of this machine"));
    let daemon = Daemon::start_handed(&[&one, &two, &one], &["--shards", "2"]);
    for listener in [&one, &two] {
        let address = listener.local_addr().expect("an address");
        (0..4).for_each(|_| assert_good_client_is_served(address));
    }
    let log = daemon.stop();
    let [one, two] = [one, two].map(|listener| listener.local_addr().expect("an address"));
    assert!(log.contains(&format!("serves on {one} and {two}")), "{log}");
}

/// The socket did not have the daemon's options yet when they came. Storm's clients come back at once on a
/// RST, and sleep on a FIN.
#[test]
fn clients_that_came_before_the_first_daemon_are_reset_in_the_end() {
    let (address, sockets) = sockets_at_one_address(1);
    let mut early = Client::connect(address);
    let daemon = Daemon::start_handed(&sockets, &[]);
    early.put("/w/early", b"x");
    daemon.stop();
    assert_eq!(early.read_to_end(), (vec![], Ended::Reset));
}

#[test]
fn what_is_no_listening_socket_is_named() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let silent = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let file = tempfile::tempfile().expect("a file");
    let good = TcpListener::bind("127.0.0.1:0").expect("a socket");
    for bad in [udp.as_fd(), silent.as_fd(), file.as_fd()] {
        let output = Daemon::run_handed(&[good.as_fd(), bad], &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let expected = "descriptor 4 (LISTEN_FDS) is not a listening TCP socket";
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn sockets_of_another_process_are_not_taken() {
    let one = || PathBuf::from("1");
    let daemon = Daemon::start_in(&[("LISTEN_PID", one()), ("LISTEN_FDS", one())], &[]);
    assert_good_client_is_served(daemon.address());
    let log = daemon.stop();
    assert!(!log.contains("LISTEN_FDS"), "{log}");
}

#[test]
fn the_manager_is_told_what_the_daemon_does() {
    let home = TempDir::new().expect("a directory");
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("an option");
    let told = || {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let daemon = Daemon::start_in(&[("NOTIFY_SOCKET", path)], &["--shards", "1"]);
    let address = daemon.address();
    let ready = format!("READY=1\nSTATUS=listening on {address} with 1 shard\n");
    assert_eq!(told(), ready);
    daemon.signal(Signal::HUP);
    let reloading = told();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told(), ready);
    daemon.stop();
    assert_eq!(told(), "STOPPING=1\n");
}
