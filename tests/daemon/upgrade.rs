//! SIGUSR2 replaces the daemon by the program that is installed now, and clients notice nothing: no dial is refused, no
//! request meets a reset. A program that does not come to serve changes nothing, and the log says why.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::check_config::{Run, command};
use support::daemon::binary;
use support::login::DigestFiles;
use support::{Client, Daemon, PATIENCE, http, wait_until};
use tempfile::TempDir;

const PLANES: [&str; 2] = ["io_uring", "epoll"];

/// As a worker's: a drain relies on it.
const PULSE_EVERY: Duration = Duration::from_secs(3);

/// A program of its own, which a test replaces, and a configuration file.
struct Installation {
    home: TempDir,
}

impl Installation {
    fn new() -> Installation {
        let installation = Installation {
            home: TempDir::new().expect("a directory"),
        };
        installation.install(|to| assert!(fs::copy(binary(), to).is_ok()));
        installation.configure("");
        installation
    }

    fn program(&self) -> PathBuf {
        self.home.path().join("storm-pacemaker")
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("pacemaker.toml")
    }

    /// As a package manager does: the new file takes the old one's name.
    fn install(&self, make: impl FnOnce(&Path)) {
        let new = self.home.path().join("new");
        make(&new);
        fs::rename(new, self.program()).expect("a new name");
    }

    fn install_script(&self, script: &str) {
        self.install(|to| {
            fs::write(to, script).expect("a script");
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("a mode");
        });
    }

    fn configure(&self, text: &str) {
        fs::write(self.config(), text).expect("a configuration");
    }

    fn start(&self, arguments: &[&str]) -> Daemon {
        let config = self.config();
        let own = ["--config", config.to_str().expect("text")];
        Daemon::start_program(&self.program(), &[&own, arguments].concat())
    }
}

/// The process that has replaced a daemon. It ends with the test.
struct Successor(Pid);

impl Successor {
    /// Waits until a daemon's log names one more than these.
    fn after(daemon: &Daemon, earlier: usize) -> Successor {
        let named = || {
            let log = daemon.log();
            let mut names = log.split("upgrade: process ").skip(1 + earlier);
            let number = names.next()?.split(' ').next()?.parse().ok()?;
            Pid::from_raw(number)
        };
        wait_until("a new process serves", || named().is_some());
        Successor(named().expect("named"))
    }

    fn of(daemon: &Daemon) -> Successor {
        Successor::after(daemon, 0)
    }

    fn is_running(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.as_raw_nonzero()));
        // What nobody waits for stays as a zombie.
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn stop(self) {
        kill_process(self.0, Signal::TERM).expect("it runs");
        wait_until("the new process ends", || !self.is_running());
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// A client in lock-step that dials again when it is reset. A reset that meets a request fails the test.
struct Moving {
    client: Client,
    address: SocketAddr,
    moves: u32,
    logins: u32,
}

impl Moving {
    fn new(address: SocketAddr) -> Moving {
        Moving {
            client: Client::connect(address),
            address,
            moves: 0,
            logins: 0,
        }
    }

    /// As clients do after each dial.
    fn log_in_again(&mut self, log_in: fn(&mut Client)) {
        if self.logins <= self.moves {
            log_in(&mut self.client);
            self.logins = self.moves + 1;
        }
    }

    fn idle_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(rest) = until.checked_duration_since(Instant::now()) {
            let mut socket = self.client.socket();
            let rest = rest.max(Duration::from_millis(1));
            socket.set_read_timeout(Some(rest)).expect("an option");
            match socket.read(&mut [0; 16]) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    self.moves += 1;
                    self.client = Client::connect(self.address);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                other => panic!("neither a RST nor silence: {other:?}"),
            }
        }
        let socket = self.client.socket();
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    }
}

/// Workers, a reader that logs in, and clients that come and go, while a daemon is replaced.
fn assert_nobody_notices(daemon: &mut Daemon, log_in: fn(&mut Client)) -> Successor {
    let address = daemon.address();
    let keys: Vec<_> = (0..20)
        .map(|worker| format!("/workerbeats/t/{worker}"))
        .collect();
    let end = AtomicBool::new(false);
    let goes_on = || !end.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let writers: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut worker = Moving::new(address);
                worker.client.put(key, b"first");
                scope.spawn(move || {
                    while goes_on() {
                        worker.client.put(key, b"alive");
                        worker.idle_for(PULSE_EVERY);
                    }
                    // At the new process, where the reader looks for it.
                    worker.client.put(key, b"last");
                    worker.moves
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut nimbus = Moving::new(address);
            nimbus.log_in_again(log_in);
            while goes_on() {
                for key in &keys {
                    // The new process knows a key only from its worker's next pulse on.
                    let read = nimbus.client.get(key);
                    assert!(read.is_some() || nimbus.moves > 0, "{key} is missing");
                    nimbus.idle_for(Duration::from_millis(2));
                    nimbus.log_in_again(log_in);
                }
                nimbus.idle_for(Duration::from_secs(1));
                nimbus.log_in_again(log_in);
            }
            nimbus.moves
        });
        let dials = scope.spawn(|| {
            let mut dials = 0_u32;
            while goes_on() {
                Client::connect(address).put("/workerbeats/t/new", b"x");
                dials += 1;
            }
            dials
        });
        daemon.signal(Signal::USR2);
        let successor = Successor::of(daemon);
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0), "{}", daemon.log());
        end.store(true, Ordering::Relaxed);
        for worker in writers {
            // It may have come back to a shard of the old process that had not stopped accepting yet.
            assert!(worker.join().expect("a worker") >= 1, "it was not moved");
        }
        assert!(reader.join().expect("the reader") >= 1, "it was not moved");
        assert!(dials.join().expect("the dials") > 20);
        let mut nimbus = Client::connect(address);
        log_in(&mut nimbus);
        for key in &keys {
            assert!(nimbus.get(key).is_some(), "{key} is missing");
        }
        successor
    })
}

#[test]
fn nobody_notices() {
    for (plane, shards) in [
        ("io_uring", "1"),
        ("epoll", "3"),
        ("io_uring", "3"),
        ("epoll", "1"),
    ] {
        let installation = Installation::new();
        let io = format!("server.io={plane}");
        let mut daemon = installation.start(&["--shards", shards, "-c", &io]);
        let admin = daemon.admin();
        let before = http::get(admin, "/status").json()["process"].as_u64();
        assert_eq!(before, Some(daemon.pid().into()));
        let successor = assert_nobody_notices(&mut daemon, |_| ());
        // The admin endpoint's address stays as well, although its port was chosen by the kernel.
        let after = http::get(admin, "/status").json()["process"].as_u64();
        assert_eq!(
            after,
            u64::try_from(successor.0.as_raw_nonzero().get()).ok()
        );
        assert_eq!(http::get(admin, "/readyz").status, 200);
        successor.stop();
        let log = daemon.whole_log();
        assert!(!log.contains("drain_deadline passed"), "{log}");
        assert!(!log.contains("cannot accept"), "{log}");
    }
}

#[test]
fn readers_that_are_logged_in_move_as_well() {
    let installation = Installation::new();
    let files = DigestFiles::new();
    let arguments = files.arguments(&["--shards", "2"]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut daemon = installation.start(&arguments);
    assert_nobody_notices(&mut daemon, Client::log_in).stop();
}

#[test]
fn sockets_of_the_service_manager_are_handed_on() {
    for (sockets, shards) in [(1, "2"), (2, "2")] {
        let installation = Installation::new();
        let (address, sockets) = super::socket_activation::sockets_at_one_address(sockets);
        let mut daemon =
            Daemon::start_program_handed(&installation.program(), &sockets, &["--shards", shards]);
        assert_eq!(daemon.address(), address);
        let successor = assert_nobody_notices(&mut daemon, |_| ());
        successor.stop();
        let log = daemon.whole_log();
        let uneven = sockets.len() == 1;
        assert_eq!(
            log.matches("ReusePort=yes").count(),
            2 * usize::from(uneven),
            "{log}"
        );
        // They are not called the service manager's LISTEN_FDS in the new process.
        assert_eq!(log.matches("LISTEN_FDS").count(), 1, "{log}");
    }
}

#[test]
fn every_socket_is_served_by_another_number_of_shards() {
    for plane in PLANES {
        let installation = Installation::new();
        let io = format!("server.io={plane}");
        let shards = |count: u32| installation.configure(&format!("[server]\nshards = {count}\n"));
        shards(1);
        let mut daemon = installation.start(&["-c", &io]);
        let address = daemon.address();
        let mut last: Option<Successor> = None;
        for (earlier, count) in [3, 2, 1, 4].into_iter().enumerate() {
            shards(count);
            match &last {
                None => daemon.signal(Signal::USR2),
                Some(successor) => kill_process(successor.0, Signal::USR2).expect("it runs"),
            }
            let next = Successor::after(&daemon, earlier);
            match last.replace(next) {
                None => assert_eq!(daemon.wait().code(), Some(0)),
                Some(before) => wait_until("it has ended", || !before.is_running()),
            }
            // Enough that each socket has some.
            let mut clients: Vec<_> = (0..40).map(|_| Client::connect(address)).collect();
            for (client, name) in clients.iter_mut().zip(0..) {
                client.put(&format!("/w/{name}"), b"x");
            }
        }
        last.expect("four").stop();
    }
}

/// Both processes share the sockets' flags, and the planes need different ones.
#[test]
fn the_data_plane_may_change() {
    for (from, to) in [("epoll", "io_uring"), ("io_uring", "epoll")] {
        let installation = Installation::new();
        let io = |plane| installation.configure(&format!("[server]\nio = \"{plane}\"\n"));
        io(from);
        let mut daemon = installation.start(&["--shards", "2"]);
        io(to);
        assert_nobody_notices(&mut daemon, |_| ()).stop();
        let log = daemon.whole_log();
        assert!(log.contains(&format!("io={to}")), "{log}");
    }
}

/// Sends SIGUSR2, and returns what the log says of the failure.
fn failed_upgrade(daemon: &Daemon) -> String {
    let before = daemon.log().len();
    daemon.signal(Signal::USR2);
    wait_until("the upgrade fails", || {
        daemon.log()[before..].contains("upgrade failed")
    });
    let log = daemon.log();
    let line = log[before..]
        .lines()
        .find(|line| line.contains("upgrade failed"));
    line.expect("a line").to_owned()
}

#[test]
fn what_does_not_serve_changes_nothing_and_is_named() {
    let installation = Installation::new();
    let mut daemon = installation.start(&["--shards", "2"]);
    let mut worker = Client::connect(daemon.address());
    let program = installation.program();
    let program = program.to_str().expect("text");
    let assert_fails = |daemon: &Daemon, worker: &mut Client, words: &[&str]| {
        let line = failed_upgrade(daemon);
        for word in words.iter().chain([&"goes on serving", &program]) {
            assert!(line.contains(word), "{word} is missing: {line}");
        }
        worker.put("/w/1", b"x");
        assert!(Client::connect(daemon.address()).get("/w/1").is_some());
    };

    installation.configure("[server]\nnonsense = 1\n");
    assert_fails(&daemon, &mut worker, &["exit code 2", "nonsense"]);
    installation.configure("");

    installation.install_script("#!/bin/sh\necho no such luck >&2\nexit 3\n");
    assert_fails(&daemon, &mut worker, &["exit code 3", "no such luck"]);
    installation.install_script("#!/bin/sh\nkill -9 $$\n");
    assert_fails(&daemon, &mut worker, &["signal 9"]);
    // It lives on, and does not want the sockets.
    installation.install_script("#!/bin/sh\nexec sleep 1000 <&- 2>&-\n");
    assert_fails(&daemon, &mut worker, &["did not take the sockets"]);
    installation.install(|to| fs::write(to, "no program").expect("a file"));
    assert_fails(&daemon, &mut worker, &["cannot start"]);
    fs::remove_file(installation.program()).expect("the file");
    assert_fails(&daemon, &mut worker, &["cannot start", "No such file"]);

    // Nothing of all that keeps the next one from working.
    installation.install(|to| assert!(fs::copy(binary(), to).is_ok()));
    daemon.signal(Signal::USR2);
    let successor = Successor::of(&daemon);
    assert_eq!(daemon.wait().code(), Some(0));
    successor.stop();
}

#[test]
fn a_program_that_hangs_is_ended() {
    let installation = Installation::new();
    let daemon = installation.start(&["--shards", "1"]);
    installation.install_script("#!/bin/sh\necho waiting >&2\nexec sleep 1000\n");
    daemon.signal(Signal::USR2);
    wait_until("it runs", || daemon.log().contains("waiting"));
    daemon.signal(Signal::USR2);
    wait_until("the second is refused", || {
        daemon.log().contains("under way already")
    });
    let begin = Instant::now();
    while !daemon.log().contains("upgrade failed") {
        assert!(begin.elapsed() < Duration::from_secs(40));
        Client::connect(daemon.address()).put("/w/1", b"x");
        thread::sleep(Duration::from_millis(100));
    }
    let log = daemon.log();
    assert!(log.contains("did not serve within 20 s"), "{log}");
    assert!(log.contains("its last words: waiting"), "{log}");
    daemon.stop();
}

#[test]
fn a_stop_ends_the_new_process_as_well() {
    let installation = Installation::new();
    let mut daemon = installation.start(&["--shards", "1"]);
    installation.install_script("#!/bin/sh\necho I am $$ >&2\nexec sleep 1000\n");
    daemon.signal(Signal::USR2);
    wait_until("it runs", || daemon.log().contains("I am "));
    let log = daemon.log();
    let (_, number) = log.split_once("I am ").expect("its number");
    let number = number.split_whitespace().next().expect("a number").parse();
    let process = Pid::from_raw(number.expect("a number")).expect("a process");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    wait_until("it ends", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        test_kill_process(process).is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    });
}

#[test]
fn the_manager_learns_the_new_main_process() {
    let installation = Installation::new();
    let home = TempDir::new().expect("a directory");
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("an option");
    let told = || {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let environment = [("NOTIFY_SOCKET", path)];
    let program = installation.program();
    let mut daemon = Daemon::start_program_in(&program, &environment, &["--shards", "1"]);
    assert!(told().starts_with("READY=1\n"));
    daemon.signal(Signal::USR2);
    let successor = Successor::of(&daemon);
    let address = daemon.address();
    let process = successor.0.as_raw_nonzero();
    let expected = format!("MAINPID={process}\nSTATUS=listening on {address} with 1 shard\n");
    assert_eq!(told(), expected);
    assert_eq!(daemon.wait().code(), Some(0));
    // The old process has said nothing more: the manager would not have listened.
    successor.stop();
    assert_eq!(told(), "STOPPING=1\n");
}

#[test]
fn the_command_waits_and_says_what_has_become_of_it() {
    let installation = Installation::new();
    let mut daemon = installation.start(&["--shards", "2"]);
    let pid = daemon.pid().to_string();
    let good = fs::read(binary()).expect("the program");
    installation.install_script("#!/bin/sh\nexit 3\n");
    let run = Run::of(command(&["upgrade", "--pid", &pid]));
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stderr.contains(&pid), "{}", run.stderr);
    Client::connect(daemon.address()).put("/w/1", b"x");

    installation.install(|to| {
        fs::write(to, good).expect("a copy");
        fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("a mode");
    });
    let run = Run::of(command(&["upgrade", "--pid", &pid]));
    let successor = Successor::of(&daemon);
    run.succeeds();
    let next = successor.0.as_raw_nonzero().to_string();
    assert!(run.stdout.contains(&next), "{}", run.stdout);
    assert_eq!(daemon.wait().code(), Some(0));
    successor.stop();

    // This test's own process is no daemon, and must not get the signal.
    let pid = std::process::id().to_string();
    let run = Run::of(command(&["upgrade", "--pid", &pid]));
    assert_eq!(run.code, Some(1));
}
