//! Runs the generator and takes what it says: its exit code, its report, its words.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use daemon_tests::machine::{self, Rings};
use serde_json::Value;

use super::Stub;

/// No run of these tests may last longer: one that does hangs.
const LONGEST_RUN: Duration = Duration::from_secs(90);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// `None`: a signal has ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// The report of a run in JSON.
#[derive(Debug)]
pub struct Report(Value);

/// The generator is killed when the test is over, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of a run: one for each of two threads of workers, and one for the readers.
const RINGS: usize = 3;

/// Runs the generator with these words, separated by spaces.
pub fn loadgen(line: &str) -> Outcome {
    loadgen_in(Command::new(env!("CARGO_BIN_EXE_loadgen")), line)
}

/// The same for a command that is the generator in an environment of its own.
pub fn loadgen_in(mut command: Command, line: &str) -> Outcome {
    load(&mut command, line, &Rings::take(RINGS))
}

/// The same on a thread of its own. When this returns, nothing keeps the generator from starting.
pub fn start_loadgen(line: String) -> JoinHandle<Outcome> {
    let rings = Rings::take(RINGS);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    thread::spawn(move || load(&mut command, &line, &rings))
}

fn load(command: &mut Command, line: &str, rings: &Rings) -> Outcome {
    command
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    machine::raise_open_files();
    rings.retry(|| {
        let outcome = run(command);
        if outcome.stderr.contains("io_uring: Cannot allocate memory") {
            Err(outcome.stderr)
        } else {
            Ok(outcome)
        }
    })
}

fn run(command: &mut Command) -> Outcome {
    let started = Instant::now();
    let child = machine::on_few_cores(|| command.spawn());
    let mut running = Running(child.expect("the generator starts"));
    let (ended, end) = mpsc::channel();
    let stdout = read_all(running.0.stdout.take(), ended.clone());
    let stderr = read_all(running.0.stderr.take(), ended);
    for _ in ["stdout", "stderr"] {
        let in_time = end.recv_timeout(LONGEST_RUN).is_ok();
        assert!(in_time, "still runs after {LONGEST_RUN:?}: {command:?}");
    }
    let status = running.0.wait().expect("the generator ends");
    Outcome {
        code: status.code(),
        stdout: stdout.join().expect("the reader of its output"),
        stderr: stderr.join().expect("the reader of its errors"),
        took: started.elapsed(),
    }
}

/// Reads a pipe to its end, and tells when that has come.
fn read_all(pipe: Option<impl Read + Send + 'static>, ended: Sender<()>) -> JoinHandle<String> {
    let mut pipe = pipe.expect("the child's ends are piped");
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("text");
        // A test that has failed does not wait.
        let _ = ended.send(());
        text
    })
}

/// Runs all cases at once: most of a run is waiting. Fails when one of them does, after all are done.
pub fn side_by_side<C: Sync>(cases: &[C], name: impl Fn(&C) -> &str, run: impl Fn(&C) + Sync) {
    thread::scope(|scope| {
        let run = &run;
        let start = |case| {
            let named = thread::Builder::new().name(name(case).to_owned());
            named.spawn_scoped(scope, move || run(case))
        };
        for case in cases {
            start(case).expect("a thread");
        }
    });
}

/// Runs until the report is about the server: where the generator did not get to run in time, because
/// others have the machine, it says so. The last try counts whatever it says; most tests bear that.
pub fn until_valid<T>(run: impl Fn() -> (T, Outcome)) -> (T, Outcome) {
    const TRIES: u32 = 3;
    for _ in 1..TRIES {
        let (seen, outcome) = run();
        if outcome.report().at("/valid") == true {
            return (seen, outcome);
        }
    }
    run()
}

/// Plays the options against a new server, until the run is valid.
pub fn play(options: &str, server: impl Fn() -> Stub) -> (Stub, Outcome) {
    until_valid(|| {
        let stub = server();
        let outcome = stub.load(options);
        (stub, outcome)
    })
}

impl Stub {
    /// Plays the options against this server, for a report in JSON.
    pub fn load(&self, options: &str) -> Outcome {
        loadgen(&format!("--target {} --json {options}", self.address()))
    }
}

impl Outcome {
    /// The report, which must be all that is on standard output.
    pub fn report(&self) -> Report {
        let parsed = serde_json::from_str(&self.stdout);
        Report(parsed.unwrap_or_else(|error| panic!("no JSON: {error}\n{self:#?}")))
    }
}

impl Report {
    /// A number by its JSON pointer, `/pulses/planned`.
    pub fn count(&self, pointer: &str) -> u64 {
        self.at(pointer)
            .as_u64()
            .unwrap_or_else(|| panic!("no count at {pointer}: {:#}", self.0))
    }

    /// Errors of one kind.
    pub fn errors(&self, kind: &str) -> u64 {
        self.count(&format!("/errors/kinds/{kind}"))
    }

    pub fn all_errors(&self) -> u64 {
        self.count("/errors/total")
    }

    /// The kinds of which there were any, in the order of their names.
    pub fn kinds(&self) -> Vec<&str> {
        let kinds = self.at("/errors/kinds").as_object().expect("an object");
        let seen = kinds.iter().filter(|(_, count)| count.as_u64() != Some(0));
        seen.map(|(kind, _)| kind.as_str()).collect()
    }

    pub fn at(&self, pointer: &str) -> &Value {
        let found = self.0.pointer(pointer);
        found.unwrap_or_else(|| panic!("nothing at {pointer}: {:#}", self.0))
    }
}
