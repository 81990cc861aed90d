//! A drain for an address that another host takes over: clients that dial meanwhile are neither refused nor served,
//! Nimbus goes first, and the daemon is ready until nobody is left.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::client::wait_until_served;
use support::{Daemon, http, wait_until};

/// How long a dial waits for an answer.
const DIAL: Duration = Duration::from_millis(300);

fn assert_dial_gets_no_answer(to: SocketAddr) {
    match TcpStream::connect_timeout(&to, DIAL) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn the_address_moves_while_nobody_is_connected() {
    for plane in ["io_uring", "epoll"] {
        let io = format!("server.io={plane}");
        let settings = ["--shards", "2", "-c", &io, "-c", "server.drain_for=vip"];
        let mut daemon = Daemon::start(&settings);
        let (address, admin) = (daemon.address(), daemon.admin());
        let mut worker = wait_until_served(address);
        let mut nimbus = wait_until_served(address);
        worker.put("/workerbeats/t/1", b"alive");
        assert!(nimbus.get("/workerbeats/t/1").is_some());
        daemon.signal(Signal::USR1);
        wait_until("every shard drains", || {
            nimbus.get("/workerbeats/t/1"); // it is in a pass
            let status = http::get(admin, "/status").json();
            status["clients_left"]["writers"].as_u64() == Some(1)
        });
        assert_dial_gets_no_answer(address);
        // As long as Nimbus is in a pass, workers are served as before.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1_500) {
            assert!(nimbus.get("/workerbeats/t/1").is_some());
            worker.put("/workerbeats/t/1", b"still");
            thread::sleep(Duration::from_millis(50));
        }
        let status = http::get(admin, "/status").json();
        let left = &status["clients_left"]["writers"];
        assert_eq!(left.as_u64(), Some(1), "{status}");
        assert_eq!(http::get(admin, "/readyz").status, 200);
        nimbus.expect_reset();
        worker.expect_reset();
        wait_until("the address may move", || {
            http::get(admin, "/readyz").status == 503
        });
        let left = Instant::now();
        assert_dial_gets_no_answer(address);
        assert_eq!(daemon.wait().code(), Some(0));
        let stayed = left.elapsed();
        assert!(stayed > Duration::from_secs(4), "{stayed:?}");
        let log = daemon.whole_log();
        assert!(log.contains("drained: moved 2 clients"), "{log}");
    }
}
