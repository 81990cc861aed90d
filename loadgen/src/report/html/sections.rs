//! The text and tables of the page, from the headline down.

use super::words::{escape, group, trim};
use crate::record::Summary;
use crate::record::Timed;
use crate::report::{Report, RunParameters};
use crate::units::{show_bytes, show_time};

pub fn title(report: &Report) -> String {
    format!("Heartbeat load on {}", report.run.targets.join(", "))
}

/// What was run, and the verdict.
pub fn headline(report: &Report) -> String {
    let badge = |good: bool, yes: &str, no: &str| {
        let (class, word) = if good { ("good", yes) } else { ("bad", no) };
        format!("<span class=\"badge {class}\">{word}</span>")
    };
    let mut out = format!(
        "<div class=\"badges\">{}{}</div>\n<h1>{}</h1>\n<p>{}</p>\n<p class=\"faint\">{}</p>\n",
        badge(report.passed, "passed", "FAILED"),
        badge(report.valid, "valid", "INVALID"),
        escape(&title(report)),
        what_was_run(&report.run),
        when(report),
    );
    if !report.passed {
        out += &format!(
            "<div class=\"note bad\">Failed: {}.</div>\n",
            why_failed(report)
        );
    }
    if !report.valid {
        let reasons: String = report
            .invalid_because
            .iter()
            .map(|reason| format!("<li>{}</li>", escape(reason)))
            .collect();
        out += &format!(
            "<div class=\"note bad\">Invalid: these may not be the server's numbers.<ul>{reasons}</ul></div>\n"
        );
    }
    out
}

fn what_was_run(run: &RunParameters) -> String {
    let cluster = match run.supervisors {
        Some(supervisors) => format!(
            "{} with {}",
            counted(u64::from(supervisors), "supervisor"),
            counted(u64::from(run.workers), "worker")
        ),
        None => counted(u64::from(run.workers), "connection"),
    };
    let pace = match run.interval_us {
        Some(interval_us) => format!("every {}", duration(interval_us)),
        None => "as soon as the last one is answered".to_owned(),
    };
    let mut also = String::new();
    if run.ui_readers > 0 {
        also += &format!(
            "; {} of the UI",
            counted(u64::from(run.ui_readers), "reader")
        );
    }
    if run.churn_per_minute > 0 {
        let changes = counted(u64::from(run.churn_per_minute), "change");
        also += &format!("; {changes} a minute");
    }
    format!(
        "{cluster} of {}, each sending a pulse of {} {pace}; Nimbus's reader: {}{}{also}.",
        match run.topologies {
            1 => "1 topology".to_owned(),
            topologies => format!("{} topologies", group(u64::from(topologies))),
        },
        escape(&run.payload),
        escape(run.nimbus),
        run.logins(),
    )
}

fn when(report: &Report) -> String {
    let run = &report.run;
    let warmup = match run.warmup_us {
        0 => "without a warm-up".to_owned(),
        warmup_us => format!("after {} of warm-up", duration(warmup_us)),
    };
    format!(
        "Measured for {} {warmup}; seed {}; ended {} UTC.",
        duration(run.window_us),
        run.seed,
        escape(&report.provenance.made_at),
    )
}

/// A round duration: `500 ms`, `90 s`, `23 h 59 min`.
pub fn duration(us: u64) -> String {
    const MINUTE: u64 = 60_000_000;
    if us < 2 * MINUTE || !us.is_multiple_of(1_000_000) {
        return trim(&show_time(us as f64));
    }
    let seconds = us / 1_000_000;
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    parts.join(" ")
}

fn why_failed(report: &Report) -> String {
    let missed = report.limits.iter().filter(|limit| !limit.met);
    let missed: Vec<String> = missed
        .map(|limit| format!("{} ({})", escape(&limit.limit), escape(&limit.shown)))
        .collect();
    let of = counted(report.limits.len() as u64, "limit");
    match missed.len() {
        0 if report.errors.total > 0 => counted(report.errors.total, "error"),
        0 => "no pulse was acknowledged".to_owned(),
        1 => format!("1 of {of} was missed: {}", missed[0]),
        many => format!("{many} of {of} were missed: {}", missed.join(", ")),
    }
}

pub fn limits(report: &Report) -> String {
    if report.limits.is_empty() {
        return "<h2>Limits</h2>\n<p>There were no limits: a run passes if it has no errors.</p>\n"
            .to_owned();
    }
    let row = |limit: &crate::expect::Verdict| {
        let (class, verdict) = if limit.met {
            ("good", "✓ met")
        } else {
            ("bad", "✗ MISSED")
        };
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"left {class}\">{verdict}</td></tr>\n",
            escape(&limit.limit),
            escape(&limit.shown)
        )
    };
    let rows: String = report.limits.iter().map(row).collect();
    let heads = "<th>limit</th><th>measured</th><th class=\"left\">verdict</th>";
    format!("<h2>Limits</h2>\n{}", table("narrow", heads, &rows))
}

/// The most important numbers.
pub fn tiles(report: &Report) -> String {
    let (pulses, times) = (&report.pulses, &report.times);
    let p99 = |summary: Option<Summary>| match summary {
        Some(summary) => (
            show_time(summary.p99_us as f64),
            format!(
                "p50 {}, max {}",
                show_time(summary.p50_us as f64),
                show_time(summary.max_us as f64)
            ),
        ),
        None => absent("no answer"),
    };
    // A percentage would hide three lost pulses of a million.
    let acknowledged = if pulses.acknowledged == pulses.planned {
        format!("all {} acknowledged", group(pulses.planned))
    } else {
        format!(
            "{} of {} acknowledged",
            group(pulses.acknowledged),
            group(pulses.planned)
        )
    };
    let pass = match times.pass {
        Some(pass) => (
            show_time(pass.max_us as f64),
            format!("of {}", counted_passes(pass.count)),
        ),
        None => absent("no reader, or no complete pass"),
    };
    let connections = counted(report.connections, "connection");
    let (cpu, memory) = match &report.server {
        Some(server) => (
            (
                server
                    .cpu_us_per_pulse
                    .map_or("–".to_owned(), |us| format!("{us:.1} µs")),
                format!("{:.1} % of a core", server.busy * 100.0),
            ),
            (
                show_bytes(server.resident_bytes as f64),
                format!("peak {}", show_bytes(server.peak_resident_bytes as f64)),
            ),
        ),
        None => (
            absent("server process not measured"),
            absent("server process not measured"),
        ),
    };
    let tile = |name: &str, (value, more): (String, String), class: &str| {
        format!(
            "<dl class=\"tile\" style=\"margin:0\"><dt>{name}</dt><dd class=\"{class}\">{value}</dd><dd class=\"more\">{more}</dd></dl>\n"
        )
    };
    let errors = if report.errors.total > 0 { "bad" } else { "" };
    let tiles = [
        tile(
            "Pulses per second",
            (rate(pulses.per_second), acknowledged),
            "",
        ),
        tile("Pulse, p99", p99(times.pulse), ""),
        tile("GET, p99", p99(times.get), ""),
        tile("Longest reading pass", pass, ""),
        tile("Errors", (group(report.errors.total), connections), errors),
        tile("Server CPU per pulse", cpu, ""),
        tile("Server memory", memory, ""),
        tile("Bytes to servers", bytes(report), ""),
    ];
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

fn bytes(report: &Report) -> (String, String) {
    let bytes = &report.bytes;
    (
        format!("{}/s", show_bytes(bytes.sent_per_second)),
        format!("{}/s from them", show_bytes(bytes.received_per_second)),
    )
}

pub fn times(report: &Report) -> String {
    let times = &report.times;
    let row = |timed: Timed| {
        let summary = times.of(timed)?;
        let name = timed.label();
        let times = summary
            .columns()
            .map(|us| format!("<td>{}</td>", show_time(us as f64)))
            .concat();
        let count = group(summary.count);
        Some(format!("<tr><td>{name}</td>{times}<td>{count}</td></tr>\n"))
    };
    let rows: String = Timed::ALL.into_iter().filter_map(row).collect();
    if rows.is_empty() {
        return "<h2>Times</h2>\n<p>Nothing was measured: there was no answer.</p>\n".to_owned();
    }
    let heads = ["", "p50", "p90", "p99", "p99.9", "max", "count"];
    let heads = heads.map(|head| format!("<th>{head}</th>")).concat();
    format!(
        "<h2>Times</h2>\n{}<p class=\"faint\">pulse: from the planned instant to the answer. pass: \
         Nimbus reads all workers. lateness: the delay of the generator itself. connect, login: of \
         the whole run.</p>\n",
        table("", &heads, &rows)
    )
}

pub fn errors(report: &Report) -> String {
    let errors = &report.errors;
    let mut out = "<h2>Errors</h2>\n".to_owned();
    if errors.total == 0 {
        return out + "<p>None in the whole run.</p>\n";
    }
    let kinds = errors.kinds.iter().filter(|(_, count)| **count > 0);
    let kinds: String = kinds.map(|(kind, count)| count_row(kind, *count)).collect();
    out += &table(
        "narrow",
        "<th>kind, in the whole run</th><th>count</th>",
        &kinds,
    );
    if !errors.reasons.is_empty() {
        let reasons = errors.reasons.iter();
        let reasons: String = reasons
            .map(|(reason, count)| count_row(reason, *count))
            .collect();
        out += "\n<p class=\"faint\">Why dials failed and connections were lost, as the system reports it:</p>\n";
        out += &table("narrow", "<th>reason</th><th>count</th>", &reasons);
    }
    out
}

fn count_row(name: &str, count: u64) -> String {
    let (name, count) = (escape(name), group(count));
    format!("<tr><td class=\"words\">{name}</td><td>{count}</td></tr>\n")
}

/// The load on the generator itself.
pub fn generator(report: &Report) -> String {
    let percent = |share: f64| format!("<td>{:.1} %</td>", share * 100.0);
    let rows: String = report
        .generator
        .iter()
        .map(|thread| {
            let (busy, waiting) = (percent(thread.busy), percent(thread.waiting));
            format!("<tr><td>core {}</td>{busy}{waiting}</tr>\n", thread.core)
        })
        .collect();
    let lateness = match report.times.lateness {
        Some(late) => format!(
            "Pulses were sent {} late at the 99th percentile, {} at most.",
            show_time(late.p99_us as f64),
            show_time(late.max_us as f64)
        ),
        None => "No pulse was due, so its lateness is unknown.".to_owned(),
    };
    let heads = "<th>driving thread</th><th>busy</th><th>waited for its core</th>";
    format!(
        "<h2>The generator itself</h2>\n<p>{lateness}</p>\n{}",
        table("narrow", heads, &rows)
    )
}

fn table(class: &str, heads: &str, rows: &str) -> String {
    format!(
        "<div class=\"scroll {class}\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn absent(why: &str) -> (String, String) {
    ("–".to_owned(), why.to_owned())
}

fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        few if few < 100.0 => format!("{few:.1}"),
        many => group(many.round() as u64),
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", group(count))
}

fn counted_passes(count: u64) -> String {
    match count {
        1 => "1 pass".to_owned(),
        count => format!("{} passes", group(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let shown = [
            500_000,
            90_000_000,
            86_340_000_000,
            120_000_000,
            3_601_000_000,
        ]
        .map(duration);
        assert_eq!(shown, ["500 ms", "90 s", "23 h 59 min", "2 min", "1 h 1 s"]);
    }
}
