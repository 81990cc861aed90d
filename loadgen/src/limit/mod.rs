//! How many supervisors a server carries: raises their number step by step until what is expected fails,
//! narrows the limit down, and says what gave out first.

mod cause;
mod page;
mod search;
mod text;

use serde::Serialize;

use crate::expect::{self, Expectation};
use crate::record::Summary;
use crate::report::{self, Report};
use crate::run;
use crate::settings::Settings;
use cause::Cause;
use search::{Search, TrialResult};

/// The default of `--expect`, which is what a cluster needs: no errors, no answer over a second, and each
/// pass of Nimbus done before the next one begins.
const DEFAULT_LIMITS: &str = "errors=0,pulse.max<1s,get.max<1s,pass.max<10s";

/// The result of the search.
#[derive(Debug, Serialize)]
pub struct Found {
    pub target: String,
    pub payload: String,
    pub expected: Vec<String>,
    /// Supervisors of the largest cluster that met all limits.
    pub last_good: Option<u32>,
    pub first_bad: Option<u32>,
    pub gave_out: Cause,
    pub steps: Vec<Step>,
}

/// One size that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub supervisors: u32,
    pub workers: u32,
    pub passed: bool,
    pub valid: bool,
    pub missed: Vec<String>,
    pub pulses_per_second: f64,
    pub sent_per_second: f64,
    pub received_per_second: f64,
    pub pulse: Option<Summary>,
    pub get: Option<Summary>,
    pub pass: Option<Summary>,
    pub errors: u64,
    /// In cores. Absent, like the next two, if the server's process is not measured.
    pub server_busy: Option<f64>,
    pub server_cpu_us_per_pulse: Option<f64>,
    pub server_resident_bytes: Option<u64>,
}

/// Searches and prints. Returns whether the server carried any size.
pub fn find(mut settings: Settings) -> Result<bool, String> {
    if settings.expectations.is_empty() {
        settings.expectations =
            expect::parse(DEFAULT_LIMITS).expect("our own limits are well-formed");
    }
    let mut search = Search::from(settings.supervisors());
    let mut steps = Vec::new();
    let mut gave_out = None;
    while let Some(supervisors) = search.next() {
        let sized = match settings.with_supervisors(supervisors) {
            Ok(sized) => sized,
            Err(why) => {
                gave_out = Some(Cause::of_this_host(why));
                break;
            }
        };
        eprintln!("── {supervisors} supervisors");
        let report = match run::measure(sized) {
            Ok(run) => run.report,
            // A size that this host cannot simulate says nothing about the server.
            Err(why) if !steps.is_empty() => {
                gave_out = Some(Cause::of_this_host(why));
                break;
            }
            Err(why) => return Err(why),
        };
        let step = Step::new(supervisors, &report);
        eprintln!("{}", text::row(&step));
        search.record(match (report.passed, report.valid) {
            (true, _) => TrialResult::Good,
            (false, _) => TrialResult::Bad,
        });
        steps.push(step);
        if search.first_bad() == Some(supervisors) {
            gave_out = Some(Cause::of(&report, settings.link_bits_per_second));
        }
    }
    steps.sort_by_key(|step| step.supervisors);
    let found = Found {
        target: settings.targets[0].name.clone(),
        payload: settings.cluster.sizes.to_string(),
        expected: texts(&settings.expectations),
        last_good: search.last_good(),
        first_bad: search.first_bad(),
        gave_out: gave_out.unwrap_or_else(Cause::nothing),
        steps,
    };
    report::print(settings.output, &found, text::render);
    if let Some(path) = &settings.page {
        run::write_page(path, &page::render(&found))?;
    }
    Ok(found.last_good.is_some())
}

fn texts(expectations: &[Expectation]) -> Vec<String> {
    let texts = expectations.iter().map(|limit| limit.text.clone());
    texts.collect()
}

impl Step {
    fn new(supervisors: u32, report: &Report) -> Step {
        let missed = report.limits.iter().filter(|limit| !limit.met);
        let server = report.server.as_ref();
        Step {
            supervisors,
            workers: report.run.workers,
            passed: report.passed,
            valid: report.valid,
            missed: missed
                .map(|limit| format!("{} ({})", limit.limit, limit.shown))
                .collect(),
            pulses_per_second: report.pulses.per_second,
            sent_per_second: report.bytes.sent_per_second,
            received_per_second: report.bytes.received_per_second,
            pulse: report.times.pulse,
            get: report.times.get,
            pass: report.times.pass,
            errors: report.errors.total,
            server_busy: server.map(|server| server.busy),
            server_cpu_us_per_pulse: server.and_then(|server| server.cpu_us_per_pulse),
            server_resident_bytes: server.map(|server| server.resident_bytes),
        }
    }
}
