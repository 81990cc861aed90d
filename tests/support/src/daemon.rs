//! The daemon as a child process on a port of its own. Its log is kept, its end is checked, and it
//! never outlives its test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::cgroup::Cgroup;
use super::machine::{self, Rings};
use super::{patience, wait_until};

pub struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    rings: Option<Rings>,
    home: Option<TempDir>,
}

impl Daemon {
    /// Starts on a free port of 127.0.0.1 and waits until it listens.
    pub fn start(arguments: &[&str]) -> Daemon {
        Self::start_at(0, arguments)
    }

    pub fn start_at(port: u16, arguments: &[&str]) -> Daemon {
        Self::start_on(loopback(port), arguments)
    }

    pub fn start_on(address: SocketAddr, arguments: &[&str]) -> Daemon {
        Self::spawn(Command::new(binary()), address, arguments)
    }

    /// Starts another build of the daemon.
    pub fn start_program(program: &Path, arguments: &[&str]) -> Daemon {
        Self::spawn(Command::new(program), loopback(0), arguments)
    }

    /// Starts in a network namespace, which has this address.
    pub fn start_in_namespace(name: &str, address: SocketAddr, arguments: &[&str]) -> Daemon {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]).arg(binary());
        Self::spawn(command, address, arguments)
    }

    /// Starts another program that is the daemon, with variables of the environment.
    pub fn start_program_in(
        program: &Path,
        environment: &[(&str, PathBuf)],
        arguments: &[&str],
    ) -> Daemon {
        let mut command = Command::new(program);
        command.envs(environment.iter().cloned());
        Self::spawn(command, loopback(0), arguments)
    }

    /// Starts with a hard limit of `files` open files, `open` of which are taken already.
    pub fn start_with_files(files: u32, open: u32, arguments: &[&str]) -> Daemon {
        let script = format!(
            r#"ulimit -n {files}
               for ((file = 20; file < 20 + {open}; file++)); do eval "exec $file</dev/null"; done
               exec "$0" "$@""#
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]).arg(binary());
        Self::spawn(command, loopback(0), arguments)
    }

    /// Starts in a cgroup.
    pub fn start_in_cgroup(cgroup: &Cgroup, arguments: &[&str]) -> Daemon {
        Self::spawn(cgroup.command(binary()), loopback(0), arguments)
    }

    /// Starts with listening sockets from the outside, as a service manager hands them over.
    pub fn start_handed(sockets: &[impl AsFd], arguments: &[&str]) -> Daemon {
        Self::start_program_handed(binary(), sockets, arguments)
    }

    /// As `start_handed`, with another program that is the daemon.
    pub fn start_program_handed(
        program: &Path,
        sockets: &[impl AsFd],
        arguments: &[&str],
    ) -> Daemon {
        let (command, inherited) = command_handed(program, sockets);
        let daemon = Self::spawn(command, loopback(0), arguments);
        drop(inherited);
        daemon
    }

    /// Starts with variables of the environment.
    pub fn start_in(environment: &[(&str, PathBuf)], arguments: &[&str]) -> Daemon {
        let mut command = Command::new(binary());
        command.envs(environment.iter().cloned());
        Self::spawn(command, loopback(0), arguments)
    }

    /// Starts by a command that becomes the daemon when the daemon's arguments are put behind it.
    pub fn start_by(command: Command, arguments: &[&str]) -> Daemon {
        Self::spawn(command, loopback(0), arguments)
    }

    fn spawn(mut command: Command, address: SocketAddr, arguments: &[&str]) -> Daemon {
        let home = TempDir::new().expect("a directory for the daemon");
        prepare(&mut command, address, arguments)
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        machine::raise_open_files();
        let rings = Rings::take(shards(arguments));
        let mut daemon = rings.retry(|| Self::try_to_serve(&mut command, address));
        daemon.rings = Some(rings);
        daemon.home = Some(home);
        daemon
    }

    /// Returns what was wrong if it does not serve.
    fn try_to_serve(command: &mut Command, address: SocketAddr) -> Result<Daemon, String> {
        let child = machine::on_few_cores(|| command.spawn());
        let mut child = child.expect("the daemon starts");
        let first_line = first_line_of(child.stdout.take().expect("piped"));
        let log = Arc::default();
        let log_reader = keep(child.stderr.take().expect("piped"), &log);
        let mut daemon = Daemon {
            child,
            address,
            log,
            log_reader: Some(log_reader),
            rings: None,
            home: None,
        };
        let line = first_line.recv_timeout(patience()).unwrap_or_default();
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            [
                "listening",
                "on",
                address,
                ..,
                "with",
                _,
                "shard" | "shards",
            ] => {
                daemon.address = address.parse().expect("an address in the readiness line");
                Ok(daemon)
            }
            _ => {
                let _ = daemon.child.kill();
                let log = daemon.whole_log();
                Err(format!("no readiness line but {line:?}; the log:\n{log}"))
            }
        }
    }

    /// Runs a daemon that is to end by itself, such as one that cannot start.
    pub fn run(port: u16, arguments: &[&str]) -> Output {
        Self::run_at(Command::new(binary()), loopback(port), arguments)
    }

    /// As `run`, by a command that becomes the daemon.
    pub fn run_by(command: Command, arguments: &[&str]) -> Output {
        Self::run_at(command, loopback(0), arguments)
    }

    fn run_at(mut command: Command, address: SocketAddr, arguments: &[&str]) -> Output {
        let home = TempDir::new().expect("a directory for the daemon");
        prepare(&mut command, address, arguments).current_dir(home.path());
        let _rings = Rings::take(shards(arguments));
        let output = machine::on_few_cores(|| command.output());
        output.expect("the daemon starts")
    }

    /// As `run`, with sockets from the outside.
    pub fn run_handed(sockets: &[impl AsFd], arguments: &[&str]) -> Output {
        let (mut command, inherited) = command_handed(binary(), sockets);
        prepare(&mut command, loopback(0), arguments);
        let _rings = Rings::take(shards(arguments));
        let output = machine::on_few_cores(|| command.output());
        drop(inherited);
        output.expect("the daemon starts")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admin endpoint, which the log names.
    pub fn admin(&self) -> SocketAddr {
        let address = || {
            let log = self.log();
            let (_, behind) = log.split_once(" are at http://")?;
            behind.split_once('\n')?.0.parse().ok()
        };
        wait_until("the log names the admin endpoint", || address().is_some());
        address().expect("named")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("the daemon is there to be signalled");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Its exit status, once it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the daemon ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Ends it hard.
    pub fn kill(mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }

    /// Sends SIGTERM, checks that it ends with exit code 0, and returns its log.
    pub fn stop(mut self) -> String {
        assert!(
            self.is_running(),
            "it ended before; the log:\n{}",
            self.log()
        );
        self.signal(Signal::TERM);
        let status = self.wait();
        let log = self.whole_log();
        assert_eq!(status.code(), Some(0), "{status}; the log:\n{log}");
        log
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// All that it has logged; to be called when it has ended.
    pub fn whole_log(&mut self) -> String {
        if let Some(reader) = self.log_reader.take() {
            reader.join().expect("the log's reader");
        }
        self.log()
    }

    // ── What it uses ─────────────────────────────────────────────────────────────────────────────

    /// Of all threads: every shard has a descriptor table of its own.
    pub fn open_files(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
        // The kernel's own workers of a ring share the table of the shard that they work for.
        let ours = tasks.flatten().map(|task| task.path()).filter(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| !name.starts_with("iou-"))
        });
        let files = ours.filter_map(|task| fs::read_dir(task.join("fd")).ok());
        files.map(Iterator::count).sum()
    }

    /// Of the threads that are no shards.
    pub fn main_open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        files.expect("its files").count()
    }

    pub fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid()));
        let statm = statm.expect("the daemon's memory");
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0_u64) * rustix::param::page_size() as u64
    }

    /// The most resident memory that it ever had.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the daemon's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib.unwrap_or(0_u64) * 1024
    }

    /// Time that all its threads have run.
    pub fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid()));
        let nanoseconds = tasks.expect("the daemon's threads").flatten().map(|task| {
            let schedstat = fs::read_to_string(task.path().join("schedstat"));
            let schedstat = schedstat.unwrap_or_default();
            let running = schedstat.split(' ').next().map(str::parse);
            running.and_then(Result::ok).unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.whole_log());
        }
    }
}

/// The daemon's program, which Cargo puts next to the directory of the test binaries.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("the path of this test binary");
        let binary = test.parent().and_then(Path::parent);
        let binary = binary
            .expect("target/<profile>/deps")
            .join("storm-pacemaker");
        assert!(
            binary.exists(),
            "{} is missing: run `cargo build`",
            binary.display()
        );
        binary
    });
    &BINARY
}

/// A command that runs the daemon with copies of these sockets as descriptors 3 and up, and the copies
/// that it inherits, which are to be closed once it runs. Only the process itself knows its id, so a
/// shell sets `LISTEN_PID` and becomes the daemon.
fn command_handed(program: &Path, sockets: &[impl AsFd]) -> (Command, Vec<OwnedFd>) {
    let inherit = |socket| {
        // Out of the way of 3 and up.
        let copy = fcntl_dupfd_cloexec(socket, 100).expect("a descriptor");
        fcntl_setfd(&copy, FdFlags::empty()).expect("a flag");
        copy
    };
    let copies: Vec<_> = sockets.iter().map(inherit).collect();
    let numbers = copies.iter().map(AsRawFd::as_raw_fd);
    let moves: String = (3..)
        .zip(numbers)
        .map(|(to, from)| format!("{to}<&{from} {from}<&- "))
        .collect();
    let count = copies.len();
    let script = format!(r#"exec {moves}; LISTEN_PID=$$ LISTEN_FDS={count} exec "$0" "$@""#);
    let mut command = Command::new("bash");
    command.args(["-c", &script]).arg(program);
    (command, copies)
}

/// Each has a ring. By default there is one for each core that the daemon may use.
fn shards(arguments: &[&str]) -> usize {
    const BY_DEFAULT: usize = 2;
    let given = arguments.windows(2).rfind(|pair| pair[0] == "--shards");
    given
        .and_then(|pair| pair[1].parse().ok())
        .unwrap_or(BY_DEFAULT)
}

/// Nothing of the machine's own Storm: neither its storm.yaml nor its environment.
fn prepare<'a>(
    command: &'a mut Command,
    address: SocketAddr,
    arguments: &[&str],
) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"STORM_") {
            command.env_remove(name);
        }
    }
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let fixed: [&OsStr; 4] = ["--bind", &ip, "--port", &port].map(OsStr::new);
    // Daemons of other tests run beside it. What a test sets itself comes later, and wins.
    let admin = ["-c", "admin.address=127.0.0.1:0"];
    // Most tests read keys that are not there right after the start, and want to be told so.
    let warm_up = ["-c", "server.warm_up=0ms"];
    let command = command
        .args(fixed)
        .args(admin)
        .args(warm_up)
        .args(data_plane());
    command.args(arguments).stdin(Stdio::null())
}

/// The variable that names the data plane of all daemons that the tests start, as `server.io` does.
const TEST_IO: &str = "STORM_PACEMAKER_TEST_IO";

fn data_plane() -> Vec<String> {
    match std::env::var(TEST_IO) {
        Ok(io) => vec!["-c".to_owned(), format!("server.io={io}")],
        Err(_) => Vec::new(),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The first line, as soon as it is there; what follows is read and dropped.
fn first_line_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn keep(output: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = log.clone();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("the log");
            log.push_str(&line);
            log.push('\n');
        }
    })
}
