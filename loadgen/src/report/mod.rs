//! The report of a run: numbers from its record, whether they are valid, and whether the limits were met.
//! The same structure becomes text, a page and JSON.

pub(crate) mod html;
mod provenance;
#[cfg(test)]
pub(crate) mod sample;
mod text;
mod validity;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::drive::{self, ServerUse, ThreadUse};
use crate::expect::{Measurements, Verdict};
use crate::plan::{Pace, Plan};
use crate::record::{self, ErrorKind, Reason, Record, Second, Summary, Timed};
use crate::settings::{Nimbus, Output, Settings};
use provenance::Provenance;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// All limits were met. Without limits: there was no error.
    pub passed: bool,
    /// The numbers are the server's and not the generator's own.
    pub valid: bool,
    pub invalid_because: Vec<String>,
    pub run: RunParameters,
    pub pulses: PulseCounts,
    pub bytes: ByteRates,
    pub times: Summaries,
    pub errors: ErrorCounts,
    /// Connections established, over the whole run.
    pub connections: u64,
    /// Those of them that a draining server reset while no request was under way.
    pub moved: u64,
    pub generator: Vec<ThreadSummary>,
    pub server: Option<ServerSummary>,
    pub limits: Vec<Verdict>,
    /// From the start of the plan to its end.
    pub seconds: Vec<Second>,
    #[serde(rename = "origin")]
    pub provenance: Provenance,
}

/// What was run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunParameters {
    pub targets: Vec<String>,
    /// `None` with `--saturate`.
    pub supervisors: Option<u32>,
    pub workers: u32,
    pub topologies: u32,
    /// `None` with `--saturate`.
    pub interval_us: Option<u64>,
    /// The mean size of a pulse's details.
    pub payload_bytes: u64,
    pub payload: String,
    pub nimbus: &'static str,
    /// How Nimbus's connections log in; next, the workers'.
    pub auth: &'static str,
    pub worker_auth: &'static str,
    pub ui_readers: u32,
    pub churn_per_minute: u32,
    pub seed: u64,
    pub warmup_us: u64,
    pub window_us: u64,
}

/// Pulses that were due in the window.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PulseCounts {
    pub planned: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub per_second: f64,
    /// Requests of all kinds that were repeated after a second, over the whole run.
    pub resent: u64,
    /// Additional answers to repeated requests.
    pub answered_twice: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ByteRates {
    pub sent_per_second: f64,
    pub received_per_second: f64,
}

/// Response times in microseconds. `None`: not measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summaries {
    pub pulse: Option<Summary>,
    pub get: Option<Summary>,
    pub list: Option<Summary>,
    pub pass: Option<Summary>,
    pub ui_get: Option<Summary>,
    pub page: Option<Summary>,
    pub delete: Option<Summary>,
    pub connect: Option<Summary>,
    pub login: Option<Summary>,
    pub lateness: Option<Summary>,
}

/// Errors of the whole run, including the warm-up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorCounts {
    pub total: u64,
    /// Every kind by its name.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Reasons of failed dials and logins, and of lost connections.
    pub reasons: BTreeMap<String, u64>,
}

/// A driving thread's share of its core: used, and waited for while something else had it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThreadSummary {
    pub core: usize,
    pub busy: f64,
    pub waiting: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerSummary {
    /// All CPU time in the window, including reads, divided by the acknowledged pulses.
    pub cpu_us_per_pulse: Option<f64>,
    /// In cores.
    pub busy: f64,
    pub waiting: f64,
    pub cores: u32,
    pub resident_bytes: u64,
    pub peak_resident_bytes: u64,
}

impl Report {
    pub(crate) fn new(settings: &Settings, plan: &Plan, measured: &drive::Measured) -> Report {
        let record = &measured.record;
        // Counts are those of the planned window, so rates are per its seconds.
        let seconds = settings.duration_us as f64 / 1e6;
        let mut report = Report {
            passed: false,
            valid: false,
            invalid_because: Vec::new(),
            run: RunParameters::new(settings, plan),
            pulses: PulseCounts {
                planned: record.planned,
                sent: record.sent,
                acknowledged: record.acknowledged,
                per_second: record.acknowledged as f64 / seconds,
                resent: record.resent,
                answered_twice: record.answered_twice,
            },
            bytes: ByteRates {
                sent_per_second: record.bytes_sent as f64 / seconds,
                received_per_second: record.bytes_received as f64 / seconds,
            },
            times: Summaries::new(record),
            errors: ErrorCounts::new(&record.errors),
            connections: record.connected,
            moved: record.moved,
            generator: shares(&measured.threads, measured.window_us),
            server: measured
                .server
                .map(|server| ServerSummary::new(&server, measured.window_us, record)),
            limits: Vec::new(),
            seconds: measured.seconds.clone(),
            provenance: Provenance::of_this_process(),
        };
        report.invalid_because = validity::doubts(settings, &report);
        report.valid = report.invalid_because.is_empty();
        let server = report.server.as_ref();
        let measurements = Measurements {
            record,
            valid: report.valid,
            pulses_per_second: report.pulses.per_second,
            server_cpu_us_per_pulse: server.and_then(|server| server.cpu_us_per_pulse),
            server_resident_bytes: server.map(|server| server.resident_bytes),
        };
        report.limits = settings
            .expectations
            .iter()
            .map(|limit| limit.compare(&measurements))
            .collect();
        report.passed = if report.limits.is_empty() {
            report.errors.total == 0 && report.pulses.acknowledged > 0
        } else {
            report.limits.iter().all(|limit| limit.met)
        };
        report
    }

    /// Prints it.
    pub(crate) fn write(&self, output: Output) {
        print(output, self, text::render);
    }

    /// The report as a page. The record has the histograms for its plots.
    pub(crate) fn page(&self, record: &Record) -> String {
        let times = Timed::ALL.map(|timed| (timed.label(), record.times(timed).histogram()));
        html::render(self, &times)
    }
}

/// Prints a result as text or as JSON. A closed standard output is no error.
pub(crate) fn print<T: Serialize>(output: Output, result: &T, text: impl FnOnce(&T) -> String) {
    let text = match output {
        Output::Text => text(result),
        Output::Json => {
            let json = serde_json::to_string_pretty(result).expect("a result is plain data");
            json + "\n"
        }
    };
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

impl RunParameters {
    fn new(settings: &Settings, plan: &Plan) -> RunParameters {
        let cluster = &settings.cluster;
        RunParameters {
            targets: settings
                .targets
                .iter()
                .map(|target| target.name.clone())
                .collect(),
            supervisors: match cluster.pace {
                Pace::Every { .. } => Some(settings.supervisors()),
                Pace::Saturate => None,
            },
            workers: cluster.workers,
            topologies: cluster.topologies,
            interval_us: match cluster.pace {
                Pace::Every { interval_us } => Some(interval_us),
                Pace::Saturate => None,
            },
            payload_bytes: plan.mean_bytes(),
            payload: cluster.sizes.to_string(),
            nimbus: match settings.nimbus {
                Nimbus::Off => "off",
                Nimbus::EveryTenSeconds => "every 10 s",
                Nimbus::Continuous => "continuous",
            },
            auth: settings.targets[0].logins.of_readers(),
            worker_auth: settings.targets[0].logins.of_workers(),
            ui_readers: settings.ui_readers,
            churn_per_minute: cluster.churn_per_minute,
            seed: settings.seed,
            warmup_us: settings.warmup_us,
            window_us: settings.duration_us,
        }
    }
}

impl RunParameters {
    /// The logins as part of a sentence; empty if there are none.
    fn logins(&self) -> String {
        let of = |who: &str, auth: &str| match auth {
            "none" => String::new(),
            auth => format!(", {who} with {auth}"),
        };
        let all = of("Nimbus", self.auth) + &of("workers", self.worker_auth);
        match all.strip_prefix(", ") {
            Some(all) => format!("; logged in: {all}"),
            None => all,
        }
    }
}

impl Summaries {
    fn new(record: &Record) -> Summaries {
        let of = |timed| Summary::of(record.times(timed));
        Summaries {
            pulse: of(Timed::Pulse),
            get: of(Timed::Get),
            list: of(Timed::List),
            pass: of(Timed::Pass),
            ui_get: of(Timed::UiGet),
            page: of(Timed::Page),
            delete: of(Timed::Delete),
            connect: of(Timed::Connect),
            login: of(Timed::Login),
            lateness: of(Timed::Lateness),
        }
    }

    pub(crate) fn of(&self, timed: Timed) -> Option<Summary> {
        match timed {
            Timed::Pulse => self.pulse,
            Timed::Get => self.get,
            Timed::List => self.list,
            Timed::Pass => self.pass,
            Timed::UiGet => self.ui_get,
            Timed::Page => self.page,
            Timed::Delete => self.delete,
            Timed::Connect => self.connect,
            Timed::Login => self.login,
            Timed::Lateness => self.lateness,
        }
    }
}

impl ErrorCounts {
    fn new(errors: &record::Errors) -> ErrorCounts {
        let reason = |reason: &Reason| match reason {
            Reason::Os(0) => "unknown".to_owned(),
            Reason::Os(number) => io::Error::from_raw_os_error(*number).to_string(),
            Reason::Login(why) => format!("login: {why}"),
        };
        ErrorCounts {
            total: errors.total(),
            kinds: ErrorKind::ALL
                .map(|kind| (kind.label(), errors.count(kind)))
                .into(),
            reasons: errors
                .reasons()
                .iter()
                .map(|(why, n)| (reason(why), *n))
                .collect(),
        }
    }

    pub(crate) fn count(&self, kind: ErrorKind) -> u64 {
        self.kinds[kind.label()]
    }
}

impl ServerSummary {
    fn new(server: &ServerUse, window_us: u64, record: &Record) -> ServerSummary {
        let pulses = record.acknowledged as f64;
        ServerSummary {
            cpu_us_per_pulse: (pulses > 0.0).then(|| server.time.on_cpu_ns as f64 / 1e3 / pulses),
            busy: share(server.time.on_cpu_ns, window_us),
            waiting: share(server.time.waiting_ns, window_us),
            cores: server.cores,
            resident_bytes: server.memory.resident_bytes,
            peak_resident_bytes: server.memory.peak_bytes,
        }
    }
}

fn shares(threads: &[ThreadUse], window_us: u64) -> Vec<ThreadSummary> {
    let threads = threads.iter().map(|thread| ThreadSummary {
        core: thread.core,
        busy: share(thread.time.on_cpu_ns, window_us),
        waiting: share(thread.time.waiting_ns, window_us),
    });
    threads.collect()
}

fn share(ns: u64, of_us: u64) -> f64 {
    ns as f64 / (of_us as f64 * 1e3)
}
