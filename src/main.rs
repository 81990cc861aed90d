use std::process::ExitCode;

fn main() -> ExitCode {
    storm_pacemaker::cli::run()
}
