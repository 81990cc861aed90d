//! Commands for a person at a terminal: they speak the protocol to a server, ours or Storm's, over one
//! blocking connection. Nothing in here runs in the daemon, and nothing of the daemon runs in here.
//!
//! Exit codes: 0 done; 1 it could not be done, or the answer is no; 2 wrong usage or configuration.

mod client;
mod documents;
mod get;
mod healthcheck;
mod heartbeat;
mod ls;
mod options;
mod requests;
mod server;
mod text;
mod top;
mod trouble;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Sources;
use trouble::Failure;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Ls(ls::Ls),
    Get(get::Get),
    Top(top::Top),
    Healthcheck(healthcheck::Healthcheck),
    Completions(documents::Completions),
    Man(documents::Man),
}

/// Runs a command, and says on standard error why it failed. `definition` is of the whole command line.
pub fn run(command: Command, sources: Sources, definition: fn() -> clap::Command) -> ExitCode {
    let done = match command {
        Command::Ls(command) => command.run(sources),
        Command::Get(command) => command.run(sources),
        Command::Top(command) => command.run(sources),
        Command::Healthcheck(command) => command.run(sources),
        Command::Completions(command) => command.run(definition()),
        Command::Man(command) => command.run(definition()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` that has seen enough is no failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // Whoever cannot be told has the exit code.
            let _ = writeln!(io::stderr(), "storm-pacemaker: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
