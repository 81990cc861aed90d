//! SIGUSR2: an upgrade in place, as nginx does it. The process starts the program that is installed now, hands its
//! listening sockets over, and goes on serving until the new process serves. Then it is drained, and ends. If the new
//! process does not come to serve, nothing changes, and the log says why.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rustix::process::{Pid, Signal, getpid, kill_process};
use tracing::{error, info, warn};

use super::handover::{Channel, Handover};
use super::systemd;
use crate::announcement::{FailedUpgrades, REPLACES};

/// How long the new process may take until it serves. A start takes less than 0.1 s; a slow disk or a name service
/// that does not answer may prolong it.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How long a process that has said goodbye may take to end.
const END_DEADLINE: Duration = Duration::from_secs(1);

/// Lines of the new process that the old one's log repeats when it fails, and bytes of each.
const LAST_LINES: usize = 5;
const LINE_BYTES: usize = 400;

/// What starts an upgrade, and knows how far it is.
#[derive(Debug)]
pub(super) struct Upgrader {
    program: io::Result<PathBuf>,
    handover: Arc<Handover>,
    attempt: Arc<Mutex<Attempt>>,
}

#[derive(Debug, Default)]
struct Attempt {
    stage: Stage,
    failures: u32,
    /// For the command that waits for the outcome.
    announcement: Option<FailedUpgrades>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    None,
    /// The new process, once it runs.
    Starting(Option<Pid>),
    /// The new process serves.
    Done,
    /// This process stops for another reason.
    GivenUp,
}

impl Upgrader {
    pub(super) fn new(program: io::Result<PathBuf>, handover: Handover) -> Upgrader {
        Upgrader {
            program,
            handover: Arc::new(handover),
            attempt: Arc::default(),
        }
    }

    /// Begins an upgrade. Returns true at the call that follows when the new process serves: a thread sends this
    /// process SIGUSR2 for that.
    pub(super) fn request(&self) -> bool {
        let mut attempt = lock(&self.attempt);
        let refusal = match (&attempt.stage, &self.program) {
            (Stage::Done, _) => return true,
            (Stage::GivenUp, _) => return false,
            (Stage::Starting(_), _) => {
                warn!("SIGUSR2: an upgrade is under way already");
                return false;
            }
            (Stage::None, Err(error)) => Some(format!("the path of this program is unknown: {error}")),
            // Its end would be the container's.
            (Stage::None, Ok(_)) if getpid().is_init() => Some(
                "process 1 of a container cannot be replaced. Start another container, and move the clients to it: \
                 server.drain_on_stop"
                    .to_owned(),
            ),
            (Stage::None, Ok(_)) => None,
        };
        let begun = match (refusal, &self.program) {
            (None, Ok(program)) => self
                .start(program.clone())
                .map_err(|error| error.to_string()),
            (refusal, _) => Err(refusal.unwrap_or_default()),
        };
        match begun {
            Ok(()) => attempt.stage = Stage::Starting(None),
            Err(why) => attempt.fail(&why),
        }
        false
    }

    fn start(&self, program: PathBuf) -> io::Result<()> {
        info!("upgrade: starting {}", program.display());
        let job = Job {
            program,
            handover: self.handover.clone(),
            attempt: self.attempt.clone(),
        };
        thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(move || job.work())?;
        Ok(())
    }

    /// Gives up an upgrade under way, and the sockets with it.
    pub(super) fn end(self) {
        let mut attempt = lock(&self.attempt);
        match attempt.stage {
            Stage::Done => return,
            Stage::Starting(Some(process)) => drop(kill_process(process, Signal::TERM)),
            Stage::None | Stage::Starting(None) | Stage::GivenUp => {}
        }
        attempt.stage = Stage::GivenUp;
    }
}

impl Attempt {
    fn fail(&mut self, why: &str) {
        if matches!(self.stage, Stage::GivenUp) {
            info!("upgrade given up: {why}");
            return;
        }
        error!("upgrade failed; this process goes on serving: {why}");
        self.stage = Stage::None;
        self.failures += 1;
        // First the name that tells of the failure, then the old one goes.
        self.announcement = FailedUpgrades::announce(self.failures).ok();
    }
}

fn lock(attempt: &Mutex<Attempt>) -> MutexGuard<'_, Attempt> {
    attempt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One attempt, on a thread of its own: signals are acted on meanwhile.
struct Job {
    program: PathBuf,
    handover: Arc<Handover>,
    attempt: Arc<Mutex<Attempt>>,
}

impl Job {
    fn work(self) {
        match self.run() {
            Ok((process, status)) => {
                info!("upgrade: process {process} serves; this one moves its clients and ends");
                systemd::hand_over(process, &status);
                let mut attempt = lock(&self.attempt);
                if matches!(attempt.stage, Stage::GivenUp) {
                    return;
                }
                attempt.stage = Stage::Done;
                // The main thread waits for signals.
                let _ = kill_process(getpid(), Signal::USR2);
            }
            Err(why) => lock(&self.attempt).fail(&why),
        }
    }

    /// The number of the new process, which serves, and its status.
    fn run(&self) -> Result<(u32, String), String> {
        let deadline = Instant::now() + START_DEADLINE;
        let name = self.program.display();
        let (channel, theirs) =
            Channel::pair().map_err(|error| format!("making a socket: {error}"))?;
        let mut child = self
            .spawn(theirs)
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        if !self.is_wanted(&child) {
            let _ = child.kill();
            return Err("this process stops".to_owned());
        }
        let words = LastWords::of(child.stderr.take());
        let rest = || deadline.saturating_duration_since(Instant::now());
        let served = channel
            .set_patience(rest())
            .and_then(|()| channel.hand_over(&self.handover))
            .and_then(|()| channel.set_patience(rest()))
            .and_then(|()| channel.wait_until_serving());
        if let Ok(Some(status)) = served {
            return Ok((child.id(), status));
        }
        let is_late = Instant::now() >= deadline;
        let patience = if is_late {
            Duration::ZERO
        } else {
            END_DEADLINE
        };
        let end = end_of(&mut child, patience);
        let what = if is_late {
            format!(
                "did not serve within {} s and was ended",
                START_DEADLINE.as_secs()
            )
        } else {
            end
        };
        Err(format!(
            "{name} (process {}) {what}{}",
            child.id(),
            words.take()
        ))
    }

    /// Notes the new process, unless a stop has come between.
    fn is_wanted(&self, child: &Child) -> bool {
        let mut attempt = lock(&self.attempt);
        let is_wanted = matches!(attempt.stage, Stage::Starting(_));
        if is_wanted {
            attempt.stage = Stage::Starting(Some(Pid::from_child(child)));
        }
        is_wanted
    }

    /// Same arguments, environment and working directory. The child's log comes to us until it serves, so that we can
    /// repeat why it failed. No `pre_exec`: std then starts it without a copy of this process's page tables.
    fn spawn(&self, channel: std::os::fd::OwnedFd) -> io::Result<Child> {
        Command::new(&self.program)
            .args(std::env::args_os().skip(1))
            .env(REPLACES, std::process::id().to_string())
            .stdin(Stdio::from(channel))
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// How the process has ended; it is made to, if it has not within that time.
fn end_of(child: &mut Child, within: Duration) -> String {
    let deadline = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return match status.signal() {
                    Some(signal) => format!("was ended by signal {signal}"),
                    None => format!("ended with exit code {}", status.code().unwrap_or(-1)),
                };
            }
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return "did not take the sockets and was ended".to_owned();
            }
            Err(error) => return format!("is lost: {error}"),
        }
    }
}

/// Passes the log of the new process on, and keeps its last lines.
struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: Receiver<()>,
}

impl LastWords {
    fn of(log: Option<ChildStderr>) -> LastWords {
        let lines: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let (end, ended) = bounded(0);
        let kept = lines.clone();
        // If it cannot be started, the new process's log is lost, and nothing else.
        let _ = thread::Builder::new()
            .name("upgrade-log".to_owned())
            .spawn(move || {
                let _until_it_ends = end;
                let Some(log) = log else { return };
                let mut log = BufReader::new(log);
                let mut line = Vec::new();
                while log
                    .read_until(b'\n', &mut line)
                    .is_ok_and(|bytes| bytes > 0)
                {
                    let _ = io::stderr().write_all(&line);
                    let words = String::from_utf8_lossy(&line);
                    let words = words.trim().chars().take(LINE_BYTES).collect::<String>();
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if !words.is_empty() {
                        kept.push_back(words);
                    }
                    while kept.len() > LAST_LINES {
                        kept.pop_front();
                    }
                    line.clear();
                }
            });
        LastWords { lines, ended }
    }

    /// The last lines of a process that has ended.
    fn take(&self) -> String {
        // A process that it has started may still hold its end.
        let _ = self.ended.recv_timeout(END_DEADLINE);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return " without a word".to_owned();
        }
        let lines = lines.iter().map(String::as_str).collect::<Vec<_>>();
        format!("; its last words: {}", lines.join(" | "))
    }
}
