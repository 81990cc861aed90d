//! `upgrade`: has the daemon on this host replaced by the program that is installed now, and waits for it. It asks by
//! SIGUSR2, so it needs the right to signal the daemon, and no other.

use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::drain::{catches, has_ended, running_daemon, unreachable_process};
use super::error::CommandError;
use crate::announcement::{self, Announced, FailedUpgrades};

/// Replace the daemon on this host by the program that is installed now, without clients noticing
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Upgrade {
    /// The daemon's process, if several run here
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

const HELP: &str = "\
Sends SIGUSR2, so run it as the daemon's user or as root. The daemon starts the program that is at its path now, with \
its own arguments and environment, and hands over its listening sockets. When the new process serves, the old one moves \
its clients, one at a time, and ends. If the new process does not serve within 20 s, or refuses its configuration, the \
old one goes on serving, and its log says why. The address does not change, nor do limits and other settings of the \
systemd unit: they need a restart.

Exit codes: 0 a new process serves and the old one has ended; 1 not; 2 wrong usage.

Examples:
  storm-pacemaker upgrade
  sudo -u storm-pacemaker storm-pacemaker upgrade --pid 4711";

const CHECK_EVERY: Duration = Duration::from_millis(20);

/// Longer than the daemon gives its successor.
const START_DEADLINE: Duration = Duration::from_secs(30);

impl Upgrade {
    pub(crate) fn run(self) -> Result<(), CommandError> {
        let old = running_daemon(self.pid)?;
        let process = old.process;
        if process == 1 {
            return Err(CommandError::No(
                "process 1 of a container cannot be replaced. Start another container, and move the clients to it: \
                 server.drain_on_stop"
                    .to_owned(),
            ));
        }
        if !catches(process, Signal::USR2) {
            return Err(CommandError::No(format!(
                "the daemon of process {process} is older than this command and cannot be replaced in place: SIGUSR2 \
                 would kill it. Restart it"
            )));
        }
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let failures = FailedUpgrades::of(process);
        pid.map_or(Err(rustix::io::Errno::SRCH), |pid| {
            kill_process(pid, Signal::USR2)
        })
        .map_err(|error| unreachable_process(&old, error))?;
        let begun = Instant::now();
        let new = loop {
            if let Some(new) = successor_of(&old) {
                break new;
            }
            let why = if FailedUpgrades::of(process) != failures {
                "its log says why"
            } else if begun.elapsed() > START_DEADLINE {
                "nothing has come of it"
            } else if has_ended(process) {
                return Err(CommandError::No(format!("process {process} has ended")));
            } else {
                thread::sleep(CHECK_EVERY);
                continue;
            };
            return Err(CommandError::No(format!(
                "the upgrade failed, and process {process} goes on serving: {why}"
            )));
        };
        let mut out = io::stdout();
        writeln!(
            out,
            "process {new} serves at {}; process {process} moves its clients",
            old.address
        )?;
        while !has_ended(process) {
            thread::sleep(CHECK_EVERY);
        }
        let took = begun.elapsed().as_secs_f64();
        writeln!(out, "process {process} has ended after {took:.1} s")?;
        Ok(())
    }
}

/// The daemon that has replaced another, and serves. Anybody may announce one, so its user counts.
fn successor_of(old: &Announced) -> Option<u32> {
    let mut daemons = announcement::daemons().into_iter();
    let is_it = |new: &Announced| new.user == old.user && replaces(new.process, old.process);
    daemons.find(is_it).map(|new| new.process)
}

/// Whether the environment of a process names the other one. Its parent would do, but may have ended already.
fn replaces(process: u32, other: u32) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let variable = format!("{}={other}", announcement::REPLACES);
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == variable.as_bytes())
}
