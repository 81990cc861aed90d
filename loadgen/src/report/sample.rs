//! Made-up reports that look like real ones: a short run with a hiccup, a day, and runs that got no
//! answer. What the page is tested with, and looked at.

use hdrhistogram::Histogram;

use super::html::render;
use crate::expect::Verdict;
use crate::random::Random;
use crate::record::ErrorKind;
use crate::record::{Second, ServerSecond, Summary};
use crate::report::provenance::Provenance;
use crate::report::{
    ByteRates, ErrorCounts, PulseCounts, Report, RunParameters, ServerSummary, Summaries,
    ThreadSummary,
};

pub(crate) struct Sample {
    pub report: Report,
    pub least_plots: usize,
    times: Vec<(&'static str, Histogram<u64>)>,
}

impl Sample {
    pub(crate) fn page(&self) -> String {
        let times: Vec<_> = self
            .times
            .iter()
            .map(|(name, times)| (*name, times))
            .collect();
        render(&self.report, &times)
    }
}

pub(crate) fn all() -> [(&'static str, Sample); 4] {
    [
        ("short", short()),
        ("day", day()),
        ("silent", silent()),
        ("empty", empty()),
    ]
}

/// 70 seconds with a stall in the 41st, a reader every 10 s, errors, and a missed limit.
pub(crate) fn short() -> Sample {
    let mut sample = made(10, 60);
    let report = &mut sample.report;
    for second in &mut report.seconds[41..43] {
        slow_down(second, 60);
        second.errors = 17;
    }
    report.errors = errors(&[
        (ErrorKind::OverOneSecond, 31),
        (ErrorKind::ConnectionLost, 3),
    ]);
    report.errors.reasons = [("Connection reset by peer (os error 104)".to_owned(), 3)].into();
    report.limits = vec![
        verdict("pulse.p99<50ms", "2.31 ms", true),
        verdict("get.p99<5ms", "1.10 ms", true),
        verdict("errors=0", "34", false),
        verdict("server.resident<200MiB", "96.2 MiB", true),
    ];
    report.passed = false;
    sample
}

/// With one bad second that must not get lost.
pub(crate) fn day() -> Sample {
    let mut sample = made(60, 86_340);
    let worst = &mut sample.report.seconds[50_001];
    worst.pulse.as_mut().unwrap().max_us = 7_654_321;
    sample
}

/// A server that is not there.
pub(crate) fn silent() -> Sample {
    let mut sample = empty();
    let report = &mut sample.report;
    report.seconds = (0..30)
        .map(|second| Second {
            second,
            errors: 400,
            ..Second::default()
        })
        .collect();
    report.errors = errors(&[(ErrorKind::ConnectFailed, 12_000)]);
    report.errors.reasons = [("Connection refused (os error 111)".to_owned(), 12_000)].into();
    report.valid = false;
    report.invalid_because = vec!["the process of --server-pid was gone before the end".to_owned()];
    sample.least_plots = 2;
    sample
}

/// Nothing at all was recorded.
pub(crate) fn empty() -> Sample {
    let mut sample = made(0, 30);
    let report = &mut sample.report;
    report.passed = false;
    report.seconds = Vec::new();
    report.times = Summaries::default();
    report.pulses.acknowledged = 0;
    report.pulses.per_second = 0.0;
    report.bytes.sent_per_second = 0.0;
    report.bytes.received_per_second = 0.0;
    report.server = None;
    report.limits = Vec::new();
    report.connections = 0;
    for (_, times) in &mut sample.times {
        times.reset();
    }
    sample.least_plots = 0;
    sample
}

fn made(warmup_s: u32, window_s: u32) -> Sample {
    let mut random = Random::new(7);
    let mut noise = move || random.next() as f64 / u64::MAX as f64;
    let seconds: Vec<Second> = (0..warmup_s + window_s)
        .map(|second| made_second(second, &mut noise))
        .collect();
    let mut spread = |count: u32, typical_us: f64| {
        let mut times = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        for _ in 0..count {
            // A body, and a tail of one in two hundred.
            let body = (noise() + noise() + noise()) / 1.5;
            let tail = if noise() < 0.005 {
                1.0 / (noise() + 1e-3)
            } else {
                1.0
            };
            times.saturating_record((typical_us * body * tail) as u64);
        }
        times
    };
    let times = vec![
        ("pulse", spread(240_000, 350.0)),
        ("get", spread(72_000, 95.0)),
        ("list", spread(6, 1100.0)),
        ("pass", spread(6, 1.4e6)),
        ("connect", spread(12_000, 40_000.0)),
        ("lateness", spread(240_000, 60.0)),
    ];
    Sample {
        report: made_report(warmup_s, window_s, seconds, &times),
        least_plots: 10,
        times,
    }
}

fn made_second(second: u32, noise: &mut impl FnMut() -> f64) -> Second {
    let reading = second % 10 < 2;
    let acknowledged = (3960.0 + 80.0 * noise()) as u64;
    let reads = if reading {
        (5800.0 + 400.0 * noise()) as u64
    } else {
        0
    };
    Second {
        second,
        pulse: Some(summary(acknowledged, 330.0 + 40.0 * noise(), 1.0 + noise())),
        get: reading.then(|| summary(reads, 80.0 + 15.0 * noise(), 0.6 + noise())),
        acknowledged,
        reads,
        bytes_sent: acknowledged * 4300 + reads * 130,
        bytes_received: acknowledged * 40 + reads * 4290,
        errors: 0,
        server: Some(ServerSecond {
            busy: 0.11 + 0.02 * noise() + if reading { 0.14 } else { 0.0 },
            resident_bytes: 96_000_000 + u64::from(second.min(60)) * 80_000,
        }),
    }
}

fn summary(count: u64, typical_us: f64, tail: f64) -> Summary {
    let us = |factor: f64| (typical_us * factor) as u64;
    Summary {
        count,
        p50_us: us(1.0),
        p90_us: us(1.8),
        p99_us: us(3.0 + tail),
        p99_9_us: us(6.0 + 4.0 * tail),
        max_us: us(10.0 + 25.0 * tail * tail),
    }
}

fn slow_down(second: &mut Second, factor: u64) {
    let pulse = second.pulse.as_mut().unwrap();
    for us in [&mut pulse.p99_us, &mut pulse.p99_9_us, &mut pulse.max_us] {
        *us *= factor;
    }
    second.acknowledged /= 3;
}

fn made_report(
    warmup_s: u32,
    window_s: u32,
    seconds: Vec<Second>,
    times: &[(&'static str, Histogram<u64>)],
) -> Report {
    let measured = |name: &str| {
        let (_, times) = times.iter().find(|(known, _)| *known == name)?;
        Some(Summary {
            count: times.len(),
            p50_us: times.value_at_quantile(0.5),
            p90_us: times.value_at_quantile(0.9),
            p99_us: times.value_at_quantile(0.99),
            p99_9_us: times.value_at_quantile(0.999),
            max_us: times.max(),
        })
    };
    let planned = u64::from(window_s) * 4000;
    let command = "loadgen --supervisors 3000 --target pacemaker-1:6699 --target pacemaker-2:6699 --server-pid 4242 \
                   --expect pulse.p99<50ms,get.p99<5ms,errors=0,server.resident<200MiB";
    Report {
        passed: true,
        valid: true,
        invalid_because: Vec::new(),
        run: RunParameters {
            targets: vec!["pacemaker-1:6699".to_owned(), "pacemaker-2:6699".to_owned()],
            supervisors: Some(3000),
            workers: 12_000,
            topologies: 100,
            interval_us: Some(3_000_000),
            payload_bytes: 4096,
            payload: "4.00 KiB".to_owned(),
            nimbus: "every 10 s",
            auth: "kerberos",
            worker_auth: "none",
            ui_readers: 0,
            churn_per_minute: 0,
            seed: 1,
            warmup_us: u64::from(warmup_s) * 1_000_000,
            window_us: u64::from(window_s) * 1_000_000,
        },
        pulses: PulseCounts {
            planned,
            sent: planned,
            acknowledged: planned - 3,
            per_second: 3999.95,
            resent: 0,
            answered_twice: 0,
        },
        bytes: ByteRates {
            sent_per_second: 17.4e6,
            received_per_second: 5.3e6,
        },
        times: Summaries {
            pulse: measured("pulse"),
            get: measured("get"),
            list: measured("list"),
            pass: measured("pass"),
            connect: measured("connect"),
            lateness: measured("lateness"),
            ..Summaries::default()
        },
        errors: errors(&[]),
        connections: 12_000,
        moved: 0,
        generator: [4, 5]
            .map(|core| ThreadSummary {
                core,
                busy: 0.312,
                waiting: 0.024,
            })
            .into(),
        server: Some(ServerSummary {
            cpu_us_per_pulse: Some(36.4),
            busy: 0.146,
            waiting: 0.01,
            cores: 2,
            resident_bytes: 100_800_000,
            peak_resident_bytes: 104_000_000,
        }),
        limits: vec![verdict("pulse.p99<50ms", "2.31 ms", true)],
        seconds,
        provenance: Provenance {
            made_at: "2026-01-31 13:05:09".to_owned(),
            command: command.split_whitespace().map(str::to_owned).collect(),
            version: "0.1.0",
            kernel: "Linux 6.8.0".to_owned(),
            cpu: "Some CPU at 2.60 GHz".to_owned(),
            cores: 8,
        },
    }
}

fn errors(counts: &[(ErrorKind, u64)]) -> ErrorCounts {
    let count = |kind: ErrorKind| {
        counts
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or(0, |(_, n)| *n)
    };
    ErrorCounts {
        total: counts.iter().map(|(_, n)| n).sum(),
        kinds: ErrorKind::ALL
            .map(|kind| (kind.label(), count(kind)))
            .into(),
        reasons: [].into(),
    }
}

fn verdict(limit: &str, shown: &str, met: bool) -> Verdict {
    Verdict {
        limit: limit.to_owned(),
        actual: Some(0.0),
        met,
        shown: shown.to_owned(),
    }
}
