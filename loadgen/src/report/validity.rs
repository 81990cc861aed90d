//! Whether the numbers of a run are the server's or the generator's own. The report shows the rules that
//! failed, with their limits.

use super::Report;
use crate::plan::Pace;
use crate::settings::Settings;

/// If the generator sends pulses later than this, at the 99th percentile, it measures itself.
const LATENESS_P99_US: u64 = 50_000;

/// A thread that uses its core, or waits for it, for more than this share of the window has no reserve.
const BUSY: f64 = 0.95;

/// Why the numbers may not be the server's. Empty: the run is valid.
pub fn doubts(settings: &Settings, report: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    if let (Pace::Every { .. }, Some(lateness)) = (settings.cluster.pace, report.times.lateness)
        && lateness.p99_us > LATENESS_P99_US
    {
        doubts.push(format!(
            "the generator was late: {} ms at the 99th percentile (limit {} ms)",
            lateness.p99_us / 1000,
            LATENESS_P99_US / 1000
        ));
    }
    // A closed loop pushes until one side is full; the run is valid if that is the server.
    let server_is_the_limit = settings.cluster.pace == Pace::Saturate
        && report
            .server
            .as_ref()
            .is_some_and(|s| s.busy >= BUSY * f64::from(s.cores));
    for thread in &report.generator {
        let wanted = thread.busy + thread.waiting;
        if wanted > BUSY && !server_is_the_limit {
            doubts.push(format!(
                "the generator's thread on core {} was {:.0}% busy or waiting for its core (limit {:.0}%)",
                thread.core,
                wanted * 100.0,
                BUSY * 100.0
            ));
        }
    }
    if settings.server_pid.is_some() && report.server.is_none() {
        doubts.push("the process of --server-pid ended before the run did".to_owned());
    }
    doubts
}
