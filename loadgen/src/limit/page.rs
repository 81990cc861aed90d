//! The result of the search as a page: times and costs over the size of the cluster.

use super::{Found, Step, text};
use crate::record::Summary;
use crate::report::html::{Axis, Plot, Quantity, Series, Shape, document, escape};

pub fn render(found: &Found) -> String {
    let title = format!("Supervisors that {} carries", found.target);
    let answer = match (found.last_good, found.first_bad) {
        (Some(good), Some(bad)) => format!("{good} supervisors. With {bad} it fails"),
        (Some(good), None) => format!("More than {good} supervisors"),
        (None, _) => "It failed with every size".to_owned(),
    };
    let body = format!(
        "<h1>{}</h1>\n<p><strong>{}</strong>: {}.</p>\n<p class=\"faint\">Pulses of {}; limits: {}.</p>\n\
         <div class=\"plots\">\n{}</div>\n<h2>All sizes tried</h2>\n<pre>{}</pre>\n",
        escape(&title),
        escape(&answer),
        escape(&found.gave_out.because),
        escape(&found.payload),
        escape(&found.expected.join(", ")),
        figures(&found.steps),
        escape(&text::render(found)),
    );
    document(&title, &body)
}

fn figures(steps: &[Step]) -> String {
    let plots = [
        times(steps),
        plot(
            "Nimbus's pass",
            Axis::linear(Quantity::Time),
            vec![line("longest pass", steps, |step| {
                Some(step.pass?.max_us as f64)
            })],
        ),
        plot(
            "Pulses per second",
            Axis::linear(Quantity::Count),
            vec![line("pulses", steps, |step| Some(step.pulses_per_second))],
        ),
        plot(
            "Server CPU, in cores",
            Axis::linear(Quantity::Number),
            vec![line("CPU", steps, |step| step.server_busy)],
        ),
        plot(
            "Server's resident memory",
            Axis::linear(Quantity::Bytes),
            vec![line("memory", steps, |step| {
                step.server_resident_bytes.map(|bytes| bytes as f64)
            })],
        ),
    ];
    plots.iter().map(Plot::figure).collect()
}

fn times(steps: &[Step]) -> Plot {
    let of = |summary: Option<Summary>, us: fn(Summary) -> u64| Some(us(summary?).max(1) as f64);
    plot(
        "Response times",
        Axis::log(Quantity::Time),
        vec![
            line("pulse p99", steps, |step| of(step.pulse, |s| s.p99_us)),
            line("pulse max", steps, |step| of(step.pulse, |s| s.max_us)),
            line("get p99", steps, |step| of(step.get, |s| s.p99_us)),
        ],
    )
}

fn plot(title: &str, y: Axis, series: Vec<Series>) -> Plot {
    let x = |step: Option<&(f64, Option<f64>)>| step.map_or(1.0, |(x, _)| *x);
    let points = &series[0].points;
    Plot {
        title: format!("{title}, by supervisors"),
        description: format!("{title} over the number of supervisors"),
        x: Axis::linear(Quantity::Count),
        y,
        x_range: (0.0, x(points.last()).max(1.0)),
        series,
        warmup: None,
        limits: Vec::new(),
    }
}

fn line(name: &str, steps: &[Step], value: impl Fn(&Step) -> Option<f64>) -> Series {
    let points = steps.iter();
    Series {
        name: name.to_owned(),
        shape: Shape::Line,
        points: points
            .map(|step| (f64::from(step.supervisors), value(step)))
            .collect(),
    }
}
