//! Storm's published clients as child processes: the Java programs of `tests/storm`, compiled against
//! one release each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a program may take at most; its own deadline is shorter and says more.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running program. Its output lines begin with one word that says what has happened.
pub struct StormProgram {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    error_reader: Option<JoinHandle<()>>,
    what: String,
}

impl StormProgram {
    /// Starts a scenario with the client of a release, for example 2.8.3.
    pub fn client(version: &str, scenario: &str, servers: &[SocketAddr], options: &[&str]) -> Self {
        Self::start("pacemaker.client.Main", version, scenario, servers, options)
    }

    /// Starts a cluster: Nimbus, supervisors and workers of Storm 2.8.3.
    pub fn cluster(servers: &[SocketAddr], options: &[&str]) -> Self {
        let main = "pacemaker.cluster.Main";
        Self::start(main, "cluster-2.8.3", "cluster", servers, options)
    }

    /// A cluster whose server goes away for a while; see `OutageScenario.java`.
    pub fn outages(server: SocketAddr) -> Self {
        let main = "pacemaker.cluster.Main";
        Self::start(
            main,
            "cluster-2.8.3",
            "outages",
            &[server],
            &["--deadline-seconds", "600"],
        )
    }

    /// A cluster whose daemons log in, with the realm's settings.
    pub fn secured_cluster(server: SocketAddr, krb5_conf: &Path, options: &[&str]) -> Self {
        let mut command = java("cluster-2.8.3", Some(krb5_conf));
        let server = format!("localhost:{}", server.port());
        command.args(["pacemaker.cluster.Main", "cluster", "--servers", &server]);
        Self::spawn(command.args(options), "a cluster that logs in".to_owned())
    }

    /// Clients of a release that log in as they are told; see `Logins.java`.
    pub fn logins(version: &str, krb5_conf: Option<&Path>) -> Self {
        let mut command = java(version, krb5_conf);
        // The scenario names servers itself.
        let servers = ["--servers", "localhost:1"];
        command
            .args(["pacemaker.client.Main", "logins"])
            .args(servers);
        Self::spawn(&mut command, format!("logins of {version}"))
    }

    /// The JDK's own SASL clients, which log in as they are told; see `pacemaker.sasl.Main`.
    pub fn sasl(krb5_conf: Option<&Path>) -> Self {
        let mut command = java("sasl", krb5_conf);
        command.arg("pacemaker.sasl.Main");
        Self::spawn(&mut command, "the JDK's SASL clients".to_owned())
    }

    fn start(
        main: &str,
        version: &str,
        scenario: &str,
        servers: &[SocketAddr],
        options: &[&str],
    ) -> Self {
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let mut command = java(version, None);
        command.args([main, scenario, "--servers", &servers.join(",")]);
        Self::spawn(command.args(options), format!("{scenario} of {version}"))
    }

    fn spawn(command: &mut Command, what: String) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("java starts; `make test` installs it");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().expect("piped");
        let errors: Arc<Mutex<String>> = Arc::default();
        let kept = errors.clone();
        let error_reader = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            *kept.lock().expect("the errors") = text;
        });
        StormProgram {
            child,
            input,
            lines,
            errors,
            error_reader: Some(error_reader),
            what,
        }
    }

    /// Waits for a line that begins with this word and returns the rest of it.
    pub fn expect(&mut self, word: &str) -> String {
        self.expect_one_of(&[word]).1
    }

    /// Waits for a line that begins with one of these words, and returns that word and the rest of the line.
    pub fn expect_one_of(&mut self, words: &[&str]) -> (String, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
                    if words.contains(&first) {
                        return (first.to_owned(), rest.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("no {words:?} in time")),
                Err(RecvTimeoutError::Disconnected) => {
                    self.fail(&format!("it ended, no {words:?}"))
                }
            }
        }
    }

    /// Tells it what to try, and waits for what came of it: a line that begins with the first word
    /// after TRY.
    pub fn attempt(&mut self, name: &str, how: &str) -> String {
        self.say(&format!("TRY {name} {how}"));
        self.expect(name)
    }

    /// Tells the program something.
    pub fn say(&mut self, word: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{word}").expect("the program listens");
    }

    /// Ends it hard: no shutdown hook runs.
    pub fn kill(mut self) {
        self.child.kill().expect("our child");
    }

    /// Waits for the end, which must be a success.
    pub fn passes(mut self) {
        self.expect("PASSED");
        let status = self.child.wait().expect("our child");
        if !status.success() {
            self.fail(&status.to_string());
        }
    }

    fn fail(&mut self, why: &str) -> ! {
        let _ = self.child.kill();
        if let Some(reader) = self.error_reader.take() {
            let _ = reader.join();
        }
        let errors = self.errors.lock().expect("the errors");
        panic!("{}: {why}; it said:\n{errors}", self.what);
    }
}

impl Drop for StormProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn java(version: &str, krb5_conf: Option<&Path>) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx768m", "-cp", &class_path(version)]);
    if let Some(file) = krb5_conf {
        command.arg(format!("-Djava.security.krb5.conf={}", file.display()));
    }
    command
}

pub fn class_path(version: &str) -> String {
    let file = home().join(format!("target/classpath/{version}.txt"));
    let path = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `make java` builds it", file.display());
    });
    path.trim().to_owned()
}

fn home() -> PathBuf {
    super::repository().join("tests/storm")
}
