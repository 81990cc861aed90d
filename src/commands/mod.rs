//! The commands for people: `ls`, `get`, `rm`, `top`, `healthcheck`. They ask a running server, ours or Storm's,
//! over one blocking connection; `drain` and `upgrade` signal the daemon. The daemon uses nothing in here, and nothing
//! in here uses the daemon.
//!
//! Exit codes: 0 done; 1 not done, or the answer is no; 2 wrong usage or configuration.

mod client;
mod drain;
mod error;
mod get;
mod healthcheck;
mod heartbeat;
mod ls;
mod man_and_completions;
mod options;
mod requests;
mod rm;
mod server;
mod text;
mod top;
mod upgrade;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Sources;
use error::CommandError;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    Ls(ls::Ls),
    Get(get::Get),
    Rm(rm::Rm),
    Top(top::Top),
    Healthcheck(healthcheck::Healthcheck),
    Drain(drain::Drain),
    Upgrade(upgrade::Upgrade),
    Completions(man_and_completions::Completions),
    Man(man_and_completions::Man),
}

/// Runs a command and writes to standard error why it failed. `definition` is that of the whole command
/// line.
pub(crate) fn run(
    command: Command,
    sources: Sources,
    definition: fn() -> clap::Command,
) -> ExitCode {
    let done = match command {
        Command::Ls(command) => command.run(sources),
        Command::Get(command) => command.run(sources),
        Command::Rm(command) => command.run(sources),
        Command::Top(command) => command.run(sources),
        Command::Healthcheck(command) => command.run(sources),
        Command::Drain(command) => command.run(sources),
        Command::Upgrade(command) => command.run(),
        Command::Completions(command) => command.run(definition()),
        Command::Man(command) => command.run(definition()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` has seen enough: not a failure.
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // If standard error is closed, the exit code still tells.
            let _ = writeln!(io::stderr(), "storm-pacemaker: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
