//! The daemon itself, in a process of its own: this test binary once more, so that no other one has to be
//! built before. It never outlives its test.

use std::io::{BufRead, BufReader, Read, Seek};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use daemon_tests::machine::{self, Rings};
use storm_pacemaker::config::{self, Cores, Sources};
use storm_pacemaker::server;

use super::PATIENCE;

/// Names the daemon's settings, one `KEY=VALUE` a line, to the process that is to be it.
const SETTINGS: &str = "LOADGEN_TESTS_DAEMON";

pub struct Daemon {
    child: Child,
    _rings: Rings,
    address: SocketAddr,
}

/// To be called by the test that child processes run.
pub fn be_one_if_asked() {
    let Ok(settings) = std::env::var(SETTINGS) else {
        return;
    };
    let sources = Sources {
        config: Vec::new(),
        storm_conf: None,
        storm_conf_dir: None,
        storm_home: None,
        java_opts: None,
        // Several daemons run at a time, and this is not about their admin endpoints.
        overrides: settings
            .lines()
            .chain(["admin.address=", "server.warm_up=0ms"])
            .map(str::to_owned)
            .collect(),
        definitions: Vec::new(),
        flags: Vec::new(),
        user_home: None,
        user_name: None,
        cores: Cores::of_this_process(),
        memory: None,
    };
    let loaded = config::load(&sources).expect("the settings are right");
    let signals = server::signals().expect("signals");
    server::serve(loaded, &sources, signals).expect("the daemon serves");
}

impl Daemon {
    /// With those settings, on a free port of loopback.
    pub fn start(settings: &[&str]) -> Daemon {
        let this = std::env::current_exe().expect("this program");
        Daemon::start_by(Command::new(this), settings)
    }

    /// The same with DIGEST and this JAAS file.
    pub fn with_digest(jaas: &Path, settings: &[&str]) -> Daemon {
        let jaas = format!("auth.login_config={}", jaas.display());
        let login = ["auth.method=DIGEST", &jaas];
        Daemon::start(&[&login[..], settings].concat())
    }

    /// `command` is this program, maybe in an environment of its own.
    pub fn start_by(mut command: Command, settings: &[&str]) -> Daemon {
        // Unless a test says otherwise: a shard for each of the cores that it gets.
        const SHARDS: usize = 2;
        let place = ["server.bind=127.0.0.1", "server.port=0"];
        command
            .args(["logins::daemon_process", "--exact", "--nocapture"])
            .env(SETTINGS, [&place[..], settings].concat().join("\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        machine::raise_open_files();
        let rings = Rings::take(SHARDS);
        let (child, address) = rings.retry(|| try_to_serve(&mut command));
        Daemon {
            child,
            _rings: rings,
            address,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns its log if it does not serve.
fn try_to_serve(command: &mut Command) -> Result<(Child, SocketAddr), String> {
    let mut log = tempfile::tempfile().expect("a file");
    command.stderr(log.try_clone().expect("a descriptor"));
    let mut child = machine::on_few_cores(|| command.spawn()).expect("it starts");
    if let Some(address) = address_of(child.stdout.take().expect("piped")) {
        return Ok((child, address));
    }
    let _ = child.kill();
    let _ = child.wait();
    let mut text = String::new();
    log.rewind().expect("it is a file");
    log.read_to_string(&mut text).expect("text");
    Err(format!("the daemon does not serve; its log:\n{text}"))
}

/// From the line that says that it is ready; what follows is read and dropped.
fn address_of(output: ChildStdout) -> Option<SocketAddr> {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["listening", "on", address, ..] = words[..] {
                // Nobody waits for a second one.
                let _ = sender.send(address.parse().expect("an address"));
            }
        }
    });
    address.recv_timeout(PATIENCE).ok()
}
