//! A Storm cluster's heartbeats in one command: plan (pure, seeded) → drive (the server's own ring,
//! as a client) → record → report. Exit codes: 0 all well, 1 errors or a missed limit, 2 usage.

mod cli;
mod drive;
mod expect;
mod machine;
mod payload;
mod plan;
mod progress;
mod random;
mod record;
mod report;
mod series;
mod server_process;
mod settings;
mod storm;
mod units;

use std::process::ExitCode;

use plan::Plan;
use report::Report;
use settings::Settings;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let settings = match cli::settings() {
        Ok(settings) => settings,
        Err(cli::Exit::Help) => return ExitCode::SUCCESS,
        Err(cli::Exit::WrongUsage(why)) => {
            if let Some(why) = why {
                eprintln!("loadgen: {why}");
            }
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match run(settings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(why) => {
            eprintln!("loadgen: {why}");
            ExitCode::from(FAILED)
        }
    }
}

/// Drives the plan and reports; whether all that was expected came true.
fn run(settings: Settings) -> Result<bool, String> {
    machine::raise_open_files(settings.open_files())?;
    let plan = Plan::new(&settings.cluster, settings.seed);
    let (stage, measured) = drive::run(settings, plan)?;
    let report = Report::new(&stage.settings, &measured);
    report.write(stage.settings.output);
    Ok(report.passed)
}
