//! Runs the same plan against two servers in turn, several times. A ratio compares runs of the same round,
//! so that other load on the machine affects both sides.

use std::fmt::Write;

use serde::Serialize;

use crate::record::Timed;
use crate::report::{self, Report};
use crate::run;
use crate::settings::Settings;
use crate::units::{show_bytes, show_time};

#[derive(Debug, Serialize)]
pub struct Comparison {
    pub a: String,
    pub b: String,
    pub rounds: u32,
    /// Whether all runs passed and were valid.
    pub passed: bool,
    pub valid: bool,
    pub rows: Vec<Row>,
    /// All of A, then all of B.
    pub reports: Vec<Report>,
}

/// One quantity: medians of all rounds, and the ratio of A to B in each round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub a: Option<f64>,
    pub b: Option<f64>,
    pub ratio: Option<Ratio>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Microseconds,
    Bytes,
    PerSecond,
    Cores,
    Count,
}

/// Measures and prints. Returns whether all runs passed.
pub fn compare(servers: [Settings; 2], rounds: u32) -> Result<bool, String> {
    let output = servers[0].output;
    let names = [0, 1].map(|index: usize| servers[index].targets[0].name.clone());
    let mut reports = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // The first run warms up the machine for the second, so the order changes with each round.
        let first = round as usize % 2;
        for index in [first, 1 - first] {
            eprintln!("── round {} of {rounds}: {}", round + 1, names[index]);
            let run = run::measure(servers[index].clone())?;
            reports[index].push(run.report);
        }
    }
    let [a, b] = names;
    let all = || reports.iter().flatten();
    let comparison = Comparison {
        a,
        b,
        rounds,
        passed: all().all(|report| report.passed),
        valid: all().all(|report| report.valid),
        rows: rows(&reports[0], &reports[1]),
        reports: all().cloned().collect(),
    };
    report::print(output, &comparison, render);
    Ok(comparison.passed)
}

type Measure<'a> = Box<dyn Fn(&Report) -> Option<f64> + 'a>;

fn rows(a: &[Report], b: &[Report]) -> Vec<Row> {
    let mut quantities: Vec<(String, Unit, Measure<'_>)> = vec![
        (
            "CPU for each pulse".to_owned(),
            Unit::Microseconds,
            Box::new(|report| report.server.as_ref()?.cpu_us_per_pulse),
        ),
        (
            "CPU".to_owned(),
            Unit::Cores,
            Box::new(|report| Some(report.server.as_ref()?.busy)),
        ),
        (
            "resident memory".to_owned(),
            Unit::Bytes,
            Box::new(|report| Some(report.server.as_ref()?.resident_bytes as f64)),
        ),
        (
            "pulses acknowledged".to_owned(),
            Unit::PerSecond,
            Box::new(|report| Some(report.pulses.per_second)),
        ),
        (
            "errors".to_owned(),
            Unit::Count,
            Box::new(|report| Some(report.errors.total as f64)),
        ),
    ];
    for timed in Timed::ALL
        .into_iter()
        .filter(|timed| *timed != Timed::Lateness)
    {
        quantities.push((
            format!("{} p50", timed.label()),
            Unit::Microseconds,
            Box::new(move |report| Some(report.times.of(timed)?.p50_us as f64)),
        ));
        quantities.push((
            format!("{} p99", timed.label()),
            Unit::Microseconds,
            Box::new(move |report| Some(report.times.of(timed)?.p99_us as f64)),
        ));
        quantities.push((
            format!("{} max", timed.label()),
            Unit::Microseconds,
            Box::new(move |report| Some(report.times.of(timed)?.max_us as f64)),
        ));
    }
    let row = |(name, unit, value): (String, Unit, Measure<'_>)| {
        let [of_a, of_b] = [a, b].map(|reports| reports.iter().map(&value).collect::<Vec<_>>());
        Row {
            name,
            unit,
            a: median(of_a.iter().flatten().copied()),
            b: median(of_b.iter().flatten().copied()),
            ratio: ratio(&of_a, &of_b),
        }
    };
    let rows = quantities.into_iter().map(row);
    rows.filter(|row| row.a.is_some() || row.b.is_some())
        .collect()
}

fn ratio(a: &[Option<f64>], b: &[Option<f64>]) -> Option<Ratio> {
    let pairs = a.iter().zip(b);
    let ratios: Vec<f64> = pairs
        .filter_map(|(a, b)| match ((*a)?, (*b)?) {
            (_, 0.0) => None,
            (a, b) => Some(a / b),
        })
        .collect();
    Some(Ratio {
        median: median(ratios.iter().copied())?,
        least: ratios.iter().copied().reduce(f64::min)?,
        most: ratios.iter().copied().reduce(f64::max)?,
    })
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

fn render(comparison: &Comparison) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(comparison, &mut out);
    out
}

fn write(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let Comparison { a, b, rounds, .. } = comparison;
    writeln!(out)?;
    writeln!(
        out,
        "A {a}, B {b}: medians of {rounds} rounds, and the ratios of each round"
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "{:<20} {:>10} {:>10} {:>8}  least to most",
        "", "A", "B", "A / B"
    )?;
    for row in &comparison.rows {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| row.unit.show(value));
        let (median, spread) = row.ratio.map_or(("-".to_owned(), String::new()), |ratio| {
            let spread = format!("{:.2} to {:.2}", ratio.least, ratio.most);
            (format!("{:.2}", ratio.median), spread)
        });
        writeln!(
            out,
            "{:<20} {:>10} {:>10} {median:>8}  {spread}",
            row.name,
            shown(row.a),
            shown(row.b)
        )?;
    }
    if !comparison.valid {
        writeln!(
            out,
            "\nINVALID: in some run the generator was the bottleneck"
        )?;
    }
    Ok(())
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds => show_time(value),
            Unit::Bytes => show_bytes(value),
            Unit::PerSecond => format!("{value:.0}/s"),
            Unit::Cores => format!("{value:.3}"),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn ratios_are_those_of_each_round() {
        let with = |cpu: f64| {
            let mut report = sample::short().report;
            report.server.as_mut().unwrap().cpu_us_per_pulse = Some(cpu);
            report
        };
        let a = [with(10.0), with(20.0), with(12.0)];
        let b = [with(40.0), with(100.0), with(30.0)];
        let rows = rows(&a, &b);
        let cpu = &rows[0];
        assert_eq!((cpu.a, cpu.b), (Some(12.0), Some(40.0)));
        let ratio = cpu.ratio.unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (0.25, 0.2, 0.4));
    }

    #[test]
    fn without_a_value_there_is_no_ratio() {
        assert_eq!(ratio(&[Some(1.0)], &[None]), None);
        assert_eq!(ratio(&[Some(1.0)], &[Some(0.0)]), None);
        assert_eq!(median([2.0, 1.0].into_iter()), Some(1.5));
    }
}
