//! A Storm cluster's heartbeats in one command: plan (pure, seeded) → drive (the server's own ring,
//! as a client) → record → report. Exit codes: 0 all well, 1 errors or a missed limit, 2 usage.

mod blocking_client;
mod chart;
mod cleanup;
mod cli;
mod compare;
mod drive;
mod expect;
mod hdr_log;
mod limit;
mod logins;
mod machine;
mod payload;
mod plan;
mod progress;
mod random;
mod record;
mod report;
mod run;
mod series;
mod server_process;
mod settings;
mod storm;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use chart::Look;
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
        Job::Chart { file, look } => draw(&file, &look),
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

fn draw(file: &Path, look: &Look) -> Result<bool, String> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let svg = chart::draw(file, &text, look)?;
    // Whoever has seen enough of it is no failure.
    let _ = io::stdout().write_all(svg.as_bytes());
    Ok(true)
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
            return Ok(true); // whoever reads it has seen enough
        }
    }
    let _ = out.flush();
    Ok(true)
}
