//! One run, from settings to report.

use std::fs;
use std::path::Path;

use crate::cleanup::clean_up;
use crate::drive;
use crate::hdr_log::HdrLog;
use crate::plan::Plan;
use crate::record::Record;
use crate::report::Report;
use crate::settings::Settings;

/// The result of a run.
pub(crate) struct Run {
    pub report: Report,
    pub record: Record,
    /// An error if the HdrHistogram log was asked for and could not be written.
    pub logged: Result<(), String>,
}

/// Plays the plan, prints the report, and returns whether the run passed.
pub(crate) fn once(settings: Settings) -> Result<bool, String> {
    let (output, page) = (settings.output, settings.page.clone());
    let run = measure(settings)?;
    run.report.write(output);
    if let Some(path) = page {
        write_page(&path, &run.report.page(&run.record))?;
    }
    run.logged?;
    Ok(run.report.passed)
}

pub(crate) fn write_page(path: &Path, page: &str) -> Result<(), String> {
    fs::write(path, page)
        .map_err(|error| format!("--report: cannot write {}: {error}", path.display()))
}

/// Plays the plan and deletes its pulses from the servers.
pub(crate) fn measure(settings: Settings) -> Result<Run, String> {
    let plan = Plan::new(&settings.cluster, settings.seed);
    let (log, sender) = match &settings.hdr_log {
        Some(path) => {
            let (log, sender) = HdrLog::create(path)?;
            (Some(log), Some(sender))
        }
        None => (None, None),
    };
    let (shared, measured) = drive::run(settings, plan, sender)?;
    // The run still has a report if its log could not be written.
    let logged = log.map_or(Ok(()), HdrLog::finish);
    if !shared.settings.keep {
        clean_up(&shared.settings, &shared.plan);
    }
    let report = Report::new(&shared.settings, &shared.plan, &measured);
    Ok(Run {
        report,
        record: measured.record,
        logged,
    })
}
