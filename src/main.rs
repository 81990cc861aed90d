//! The daemon's process: the command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    storm_pacemaker::cli::run()
}
