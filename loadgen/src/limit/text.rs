//! The result of the search as text.

use std::fmt::Write;

use super::{Found, Step};
use crate::record::Summary;
use crate::units::{show_bytes, show_time};

pub fn render(found: &Found) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(found, &mut out);
    out
}

fn write(found: &Found, out: &mut String) -> std::fmt::Result {
    writeln!(out)?;
    writeln!(
        out,
        "{}: supervisors that it carries with pulses of {}, with {}",
        found.target,
        found.payload,
        found.expected.join(", ")
    )?;
    writeln!(out)?;
    writeln!(out, "{}", heads())?;
    for step in &found.steps {
        writeln!(out, "{}", row(step))?;
    }
    writeln!(out)?;
    match (found.last_good, found.first_bad) {
        (Some(good), Some(bad)) => {
            writeln!(out, "limit      {good} supervisors; {bad} are too many")?
        }
        (Some(good), None) => writeln!(out, "limit      above {good} supervisors")?,
        (None, _) => writeln!(out, "limit      none: it failed with every size")?,
    }
    let what = serde_json::to_value(found.gave_out.what).unwrap_or_default();
    let what = what.as_str().unwrap_or_default().replace('_', " ");
    writeln!(out, "gave out   {what}: {}", found.gave_out.because)
}

fn heads() -> String {
    format!(
        "{:>11} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "supervisors", "pulses/s", "pulse p99", "max", "get p99", "pass", "CPU", "memory", "errors"
    )
}

pub fn row(step: &Step) -> String {
    let time = |summary: Option<Summary>, us: fn(Summary) -> u64| {
        summary.map_or("-".to_owned(), |summary| show_time(us(summary) as f64))
    };
    let cpu = step
        .server_busy
        .map_or("-".to_owned(), |busy| format!("{:.0}%", busy * 100.0));
    let memory = step
        .server_resident_bytes
        .map_or("-".to_owned(), |bytes| show_bytes(bytes as f64));
    let verdict = match (step.passed, step.valid) {
        (true, _) => "",
        (false, true) => "  too many",
        (false, false) => "  the generator was the limit",
    };
    format!(
        "{:>11} {:>10.0} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}{verdict}",
        step.supervisors,
        step.pulses_per_second,
        time(step.pulse, |summary| summary.p99_us),
        time(step.pulse, |summary| summary.max_us),
        time(step.get, |summary| summary.p99_us),
        time(step.pass, |summary| summary.max_us),
        cpu,
        memory,
        step.errors,
    )
}
