//! The report as text.

use std::fmt::Write;

use super::Report;
use crate::record::{Summary, Timed};
use crate::units::{show_bytes, show_time};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    write_run(report, out)?;
    write_counts(report, out)?;
    write_times(report, out)?;
    write_errors(report, out)?;
    write_sides(report, out)?;
    write_verdict(report, out)
}

fn write_run(report: &Report, out: &mut String) -> std::fmt::Result {
    let run = &report.run;
    let pace = match run.interval_us {
        Some(interval_us) => format!("every {}", show_time(interval_us as f64)),
        None => "after each answer".to_owned(),
    };
    writeln!(out)?;
    let mut also = String::new();
    if run.ui_readers > 0 {
        write!(also, "; {} readers of the UI", run.ui_readers)?;
    }
    if run.churn_per_minute > 0 {
        write!(also, "; {} changes a minute", run.churn_per_minute)?;
    }
    writeln!(
        out,
        "{}, {} topologies on {}: pulses of {} {pace}; Nimbus {}{}{also}; seed {}",
        match run.supervisors {
            Some(supervisors) => format!("{supervisors} supervisors, {} workers", run.workers),
            None => format!("{} connections", run.workers),
        },
        run.topologies,
        run.targets.join(", "),
        run.payload,
        run.nimbus,
        run.logins(),
        run.seed
    )?;
    writeln!(
        out,
        "measured for {} after {} of warm-up (errors, connects and logins: of the whole run)",
        show_time(run.window_us as f64),
        show_time(run.warmup_us as f64)
    )?;
    writeln!(out)
}

fn write_counts(report: &Report, out: &mut String) -> std::fmt::Result {
    let (pulses, bytes) = (&report.pulses, &report.bytes);
    writeln!(
        out,
        "pulses     {} planned, {} sent, {} acknowledged: {:.1}/s",
        pulses.planned, pulses.sent, pulses.acknowledged, pulses.per_second
    )?;
    if pulses.resent > 0 {
        writeln!(
            out,
            "           {} requests repeated after 1 s without an answer",
            pulses.resent
        )?;
    }
    writeln!(
        out,
        "bytes      {}/s sent, {}/s received",
        show_bytes(bytes.sent_per_second),
        show_bytes(bytes.received_per_second)
    )
}

fn write_times(report: &Report, out: &mut String) -> std::fmt::Result {
    let times = &report.times;
    writeln!(out)?;
    let heads = ["p50", "p90", "p99", "p99.9", "max", "count"];
    writeln!(
        out,
        "           {}",
        heads.map(|head| format!("{head:>9}")).join(" ")
    )?;
    for timed in Timed::ALL {
        if let Some(summary) = times.of(timed) {
            writeln!(out, "{:<10} {}", timed.label(), row(&summary))?;
        }
    }
    writeln!(out)
}

fn row(summary: &Summary) -> String {
    let times = summary
        .columns()
        .map(|us| format!("{:>9}", show_time(us as f64)))
        .join(" ");
    format!("{times} {:>9}", summary.count)
}

fn write_errors(report: &Report, out: &mut String) -> std::fmt::Result {
    let errors = &report.errors;
    let moved = match report.moved {
        0 => String::new(),
        moved => format!("; {moved} were reset by a draining server, with no request under way"),
    };
    if errors.total == 0 {
        return writeln!(
            out,
            "errors     none; {} connections{moved}",
            report.connections
        );
    }
    let kinds = errors.kinds.iter().filter(|(_, count)| **count > 0);
    let kinds: Vec<String> = kinds
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    writeln!(out, "errors     {}: {}", errors.total, kinds.join(", "))?;
    for (reason, count) in &errors.reasons {
        writeln!(out, "           {count} x {reason}")?;
    }
    writeln!(out, "           {} connections{moved}", report.connections)
}

fn write_sides(report: &Report, out: &mut String) -> std::fmt::Result {
    if let Some(server) = &report.server {
        let per_pulse = server
            .cpu_us_per_pulse
            .map_or("no pulses".to_owned(), |us| {
                format!("{us:.1} µs CPU per pulse")
            });
        writeln!(
            out,
            "server     {per_pulse}, {:.1}% of a core (waited for it {:.1}%), {} resident (peak {})",
            server.busy * 100.0,
            server.waiting * 100.0,
            show_bytes(server.resident_bytes as f64),
            show_bytes(server.peak_resident_bytes as f64)
        )?;
    }
    for thread in &report.generator {
        writeln!(
            out,
            "generator  thread on core {}: {:.1}% busy (waited for it {:.1}%)",
            thread.core,
            thread.busy * 100.0,
            thread.waiting * 100.0
        )?;
    }
    Ok(())
}

fn write_verdict(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.valid {
        writeln!(out, "validity   valid: the generator kept up")?
    } else {
        writeln!(
            out,
            "validity   INVALID: {}",
            report.invalid_because.join("; ")
        )?
    }
    for limit in &report.limits {
        let verdict = if limit.met { "met" } else { "MISSED" };
        writeln!(
            out,
            "limit      {} {verdict} ({})",
            limit.limit, limit.shown
        )?;
    }
    Ok(())
}
