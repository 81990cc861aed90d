//! `drain`: has the daemon on this host move its clients to another server, and waits for its end. It asks by
//! SIGUSR1, so it needs the right to signal the daemon, and no other.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use super::error::CommandError;
use crate::announcement::{self, Announced};
use crate::config::{self, Sources};

/// Move the clients of the daemon on this host to its successor, one at a time, and wait until it has ended
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Drain {
    /// The daemon's process, if several run here
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

const HELP: &str = "\
Sends SIGUSR1, so run it as the daemon's user or as root. /readyz of the daemon says 503 from then on. Each worker is \
reset after one of its pulses was answered, and Nimbus in the pause after a pass; both come back in a tenth of a second \
and lose nothing, if another server has the daemon's address by then. The daemon then ends, at server.drain_deadline in \
any case. The figures come from its admin endpoint, and are missing if that is off or elsewhere than configured.

Exit codes: 0 the daemon has ended; 1 there is none, or it may not be signalled; 2 wrong usage.

Examples:
  storm-pacemaker drain
  sudo -u storm-pacemaker storm-pacemaker drain --pid 4711";

/// The time between two looks at the figures, and between two looks at the process.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// How long the admin endpoint may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Bytes of an answer that are read. The figures stand near its beginning.
const MOST_BYTES: u64 = 1024 * 1024;

impl Drain {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let daemon = running_daemon(self.pid)?;
        let process = daemon.process;
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| unreachable_process(&daemon, Errno::SRCH))?;
        test_kill_process(pid).map_err(|error| unreachable_process(&daemon, error))?;
        if !catches(process, Signal::USR1) {
            return Err(CommandError::No(format!(
                "the daemon of process {process} is older than this command and cannot be drained: SIGUSR1 would kill \
                 it. Stop it with SIGTERM"
            )));
        }
        kill_process(pid, Signal::USR1).map_err(|error| unreachable_process(&daemon, error))?;
        let begun = Instant::now();
        let mut out = io::stdout();
        writeln!(
            out,
            "draining the daemon at {} (process {process})",
            daemon.address
        )?;
        let admin = config::load_admin_address(&sources);
        let mut shown = None;
        let mut next_look = begun + LOOK_EVERY;
        while !has_ended(process) {
            thread::sleep(CHECK_EVERY);
            if Instant::now() < next_look {
                continue;
            }
            next_look += LOOK_EVERY;
            let left = admin.and_then(|address| clients_left(address, process));
            if left.is_some() && (left != shown || out.is_terminal()) {
                shown = left;
                let (writers, readers) = left.unwrap_or_default();
                let seconds = begun.elapsed().as_secs();
                writeln!(
                    out,
                    "{seconds} s: {writers} writers and {readers} readers are left"
                )?;
            }
        }
        let took = begun.elapsed().as_secs_f64();
        writeln!(
            out,
            "the daemon has ended after {took:.1} s; its log says whether all clients were moved"
        )?;
        Ok(())
    }
}

/// The daemon of this process or, without one, the daemon that runs here.
pub(super) fn running_daemon(pid: Option<u32>) -> Result<Announced, CommandError> {
    let mut daemons = announcement::daemons();
    // A name that somebody else made does not count twice.
    daemons.sort_by_key(|daemon| daemon.process);
    daemons.dedup_by_key(|daemon| daemon.process);
    if let Some(pid) = pid {
        let found = daemons.into_iter().find(|daemon| daemon.process == pid);
        return found.ok_or_else(|| {
            CommandError::No(format!(
                "process {pid} is not a storm-pacemaker that serves on this host: look for it with \
                 pgrep storm-pacemaker"
            ))
        });
    }
    let own = rustix::process::geteuid();
    let mine = |daemon: &Announced| {
        daemon.user == own.as_raw() || (own.is_root() && is_daemon(daemon.process))
    };
    let (mine, others): (Vec<_>, Vec<_>) = daemons.into_iter().partition(mine);
    match (&mine[..], &others[..]) {
        ([daemon], _) => Ok(*daemon),
        ([], []) => Err(CommandError::No(
            "no daemon runs on this host (or it runs in another network namespace, such as a container: run this \
             command there)"
                .to_owned(),
        )),
        ([], [other, ..]) => Err(unreachable_process(other, Errno::PERM)),
        (several, _) => Err(CommandError::No(format!(
            "several daemons run on this host; name one with --pid: {}",
            listed(several)
        ))),
    }
}

fn listed(daemons: &[Announced]) -> String {
    let daemons = daemons.iter().map(|daemon| {
        let Announced {
            process, address, ..
        } = daemon;
        format!("{process} at {address}")
    });
    daemons.collect::<Vec<_>>().join(", ")
}

pub(super) fn unreachable_process(daemon: &Announced, error: Errno) -> CommandError {
    let Announced {
        process,
        address,
        user,
    } = daemon;
    CommandError::No(match error {
        Errno::PERM => format!(
            "the daemon at {address} (process {process}) belongs to user {user}: run this command as that user or as \
             root"
        ),
        Errno::SRCH => format!("the daemon at {address} (process {process}) has just ended"),
        error => format!("cannot signal the daemon at {address} (process {process}): {error}"),
    })
}

/// Whether the process has ended; its parent may not know yet.
pub(super) fn has_ended(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
        return true;
    };
    // proc(5): the state follows the name, which is in parentheses and may contain anything.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// Whether the program is the daemon's, by the name that only the process itself can change. Root must not signal
/// any process just because somebody announces its number.
fn is_daemon(process: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.is_ok_and(|name| name.trim_end() == "storm-pacemaker")
}

/// Whether the process has a handler for the signal. Without one the signal ends it.
pub(super) fn catches(process: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal.as_raw() - 1)) != 0)
}

/// The writers and readers that the daemon of this process still has, if its admin endpoint tells.
fn clients_left(admin: SocketAddr, process: u32) -> Option<(u64, u64)> {
    let mut stream = TcpStream::connect_timeout(&admin, ANSWER_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    stream
        .write_all(b"GET /status HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let status: Value = serde_json::from_str(body).ok()?;
    if status["process"].as_u64()? != u64::from(process) {
        return None; // another daemon's
    }
    let left = &status["clients_left"];
    Some((left["writers"].as_u64()?, left["readers"].as_u64()?))
}
