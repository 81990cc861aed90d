//! The signals that the daemon acts on, and what each asks for.

use std::fmt;
use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Signals, SignalsInfo};

/// Catches the signals that the daemon acts on; those that arrive before [`serve`](super::serve) wait for it. Call
/// this before anything that takes time. It starts no thread.
///
/// # Errors
/// The operating system refuses to install a signal handler.
pub fn signals() -> io::Result<SignalsInfo> {
    Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Reload,
    /// A line with the status. A JVM prints its threads on SIGQUIT and goes on; scripts rely on that.
    Status,
    Drain,
    /// The program that is installed now takes over.
    Upgrade,
    /// The end, by the signal of this name.
    Stop(&'static str),
}

pub(super) fn asked(signal: i32) -> Asked {
    match signal {
        SIGHUP => Asked::Reload,
        SIGQUIT => Asked::Status,
        SIGUSR1 => Asked::Drain,
        SIGUSR2 => Asked::Upgrade,
        SIGTERM => Asked::Stop("SIGTERM"),
        SIGINT => Asked::Stop("SIGINT"),
        _ => Asked::Stop("a signal"),
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Asked::Reload => "a reload",
            Asked::Status => "a status line",
            Asked::Drain => "another drain",
            Asked::Upgrade => "an upgrade",
            Asked::Stop(signal) => signal,
        })
    }
}
