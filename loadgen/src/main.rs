//! Simulates the heartbeats of a Storm cluster: plan (pure, seeded) → drive (the server's own event loop, as a
//! client) → record → report. Exit codes: 0 success, 1 errors or a missed limit, 2 wrong usage.

#![warn(unreachable_pub)] // nothing of a program is for other crates

mod blocking_client;
mod cleanup;
mod cli;
mod compare;
mod drive;
mod expect;
mod hdr_log;
mod limit;
mod login_cost;
mod machine;
mod payload;
mod plan;
mod random;
mod record;
mod report;
mod run;
mod server_process;
mod settings;
mod storm;

use std::io::{self, Write};
use std::process::ExitCode;

use cli::Job;
use plan::Plan;
use settings::Settings;
use storm_pacemaker::units;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let job = match cli::job() {
        Ok(job) => job,
        Err(cli::Exit::Help) => return ExitCode::SUCCESS,
        Err(cli::Exit::WrongUsage(why)) => {
            if let Some(why) = why {
                eprintln!("loadgen: {why}");
            }
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let outcome = match job {
        Job::Run(settings) => run::once(*settings),
        Job::PrintPlan(settings) => print_plan(&settings),
        Job::Logins(logins) => logins.run(),
        Job::FindLimit(settings) => limit::find(*settings),
        Job::Compare { servers, rounds } => compare::compare(*servers, rounds),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(why) => {
            eprintln!("loadgen: {why}");
            ExitCode::from(FAILED)
        }
    }
}

fn print_plan(settings: &Settings) -> Result<bool, String> {
    let plan = Plan::new(&settings.cluster, settings.seed);
    let mut out = io::BufWriter::new(io::stdout().lock());
    for worker in &plan.workers {
        let line = writeln!(
            out,
            "{}\t{}\t{}",
            worker.key, worker.first_pulse_us, worker.bytes
        );
        if line.is_err() {
            return Ok(true); // standard output is closed: the reader has seen enough
        }
    }
    let _ = out.flush();
    Ok(true)
}
