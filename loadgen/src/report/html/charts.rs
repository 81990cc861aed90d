//! The plots of a report: over the seconds of the run, and of the distribution of response times.

use hdrhistogram::Histogram;

use super::axis::{Axis, Quantity};
use super::plot::{Plot, SERIES_COLOURS, Series, Shape};
use super::thin::stretch;
use crate::record::Second;
use crate::record::Summary;
use crate::report::Report;
use crate::units::{parse_time_us, show_time};

/// Fewer answers make no useful bars.
const MIN_FOR_BARS: u64 = 50;

type Points = Vec<(f64, Option<f64>)>;
type Statistic = fn(Summary) -> u64;

/// The plots over the run. `seconds` are the report's, thinned.
pub fn over_time(report: &Report, seconds: &[Second]) -> Vec<Plot> {
    let run = Timeline::new(report, seconds);
    let mut plots = Vec::new();
    plots.extend(run.times("Pulse response time", "pulse", |second| second.pulse));
    plots.extend(run.times("GET response time", "get", |second| second.get));
    plots.push(run.rates());
    plots.push(run.bytes());
    plots.extend(run.server());
    plots.extend(run.errors());
    plots
}

/// The seconds of the run, and what all plots over them share.
struct Timeline<'a> {
    report: &'a Report,
    seconds: &'a [Second],
    /// The seconds that each point stands for.
    stretch: f64,
}

impl Timeline<'_> {
    fn new<'a>(report: &'a Report, seconds: &'a [Second]) -> Timeline<'a> {
        Timeline {
            report,
            seconds,
            stretch: stretch(&report.seconds) as f64,
        }
    }

    fn plot(&self, title: &str, y: Axis, series: Vec<Series>) -> Plot {
        let run = &self.report.run;
        let warmup = run.warmup_us as f64 / 1e6;
        let planned = (run.warmup_us + run.window_us) as f64 / 1e6;
        let last = self.seconds.last();
        let end = last.map_or(0.0, |last| f64::from(last.second) + self.stretch);
        let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
        Plot {
            title: title.to_owned(),
            description: format!("{} over the time of the run", names.join(", ")),
            x: Axis::linear(Quantity::Elapsed),
            y,
            // The last point may reach past the end, and so may the last answers.
            x_range: (
                0.0,
                if end - planned < self.stretch {
                    planned
                } else {
                    end
                },
            ),
            series,
            warmup: (warmup > 0.0).then_some((0.0, warmup)),
            limits: Vec::new(),
        }
    }

    /// A point lies in the middle of its seconds.
    fn series(&self, name: &str, shape: Shape, value: impl Fn(&Second) -> Option<f64>) -> Series {
        let middle = self.stretch / 2.0;
        let point = |second: &Second| (f64::from(second.second) + middle, value(second));
        Series {
            name: name.to_owned(),
            shape,
            points: self.seconds.iter().map(point).collect(),
        }
    }

    fn times(
        &self,
        title: &str,
        name: &str,
        times: fn(&Second) -> Option<Summary>,
    ) -> Option<Plot> {
        self.seconds.iter().find_map(times)?;
        let statistics: [(&str, Statistic); 4] = [
            ("p50", |summary| summary.p50_us),
            ("p99", |summary| summary.p99_us),
            ("p99.9", |summary| summary.p99_9_us),
            ("max", |summary| summary.max_us),
        ];
        let series = statistics.map(|(statistic, us)| {
            // A log axis cannot show times below a microsecond.
            let value = |second: &Second| times(second).map(|summary| us(summary).max(1) as f64);
            self.series(statistic, Shape::Line, value)
        });
        let mut plot = self.plot(title, Axis::log(Quantity::Time), series.into());
        plot.limits = self.time_limits(name);
        Some(plot)
    }

    /// The limits for these times.
    fn time_limits(&self, name: &str) -> Vec<(f64, String)> {
        let limits = self.report.limits.iter().filter_map(|verdict| {
            let rest = verdict.limit.strip_prefix(name)?.strip_prefix('.')?;
            let (_, value) = rest.split_once('<')?;
            let us = parse_time_us(value.trim_start_matches('=').trim()).ok()?;
            (us > 0).then(|| (us as f64, verdict.limit.clone()))
        });
        limits.collect()
    }

    fn rates(&self) -> Plot {
        let pulses = |second: &Second| Some(second.acknowledged as f64);
        let reads = |second: &Second| Some(second.reads as f64);
        let mut series = vec![self.series("pulses", Shape::Area, pulses)];
        let with_reads = self.seconds.iter().any(|second| second.reads > 0);
        if with_reads {
            series.push(self.series("reads", Shape::Line, reads));
        }
        let title = if with_reads {
            "Pulses and reads per second"
        } else {
            "Pulses per second"
        };
        self.plot(title, Axis::linear(Quantity::Count), series)
    }

    fn bytes(&self) -> Plot {
        let series = vec![
            self.series("to servers", Shape::Line, |s| Some(s.bytes_sent as f64)),
            self.series("from servers", Shape::Line, |s| {
                Some(s.bytes_received as f64)
            }),
        ];
        self.plot(
            "Bytes per second",
            Axis::linear(Quantity::BytesPerSecond),
            series,
        )
    }

    fn server(&self) -> Vec<Plot> {
        if self.seconds.iter().all(|second| second.server.is_none()) {
            return Vec::new();
        }
        let busy = self.series("CPU", Shape::Area, |s| Some(s.server?.busy));
        let resident = |second: &Second| Some(second.server?.resident_bytes as f64);
        let resident = self.series("resident memory", Shape::Area, resident);
        let mut cpu = self.plot(
            "Server CPU, in cores",
            Axis::linear(Quantity::Number),
            vec![busy],
        );
        if let Some(server) = &self.report.server {
            let cores = match server.cores {
                1 => "its only core".to_owned(),
                cores => format!("all of its {cores} cores"),
            };
            cpu.limits.push((f64::from(server.cores), cores));
        }
        let memory = self.plot(
            "Server's resident memory",
            Axis::linear(Quantity::Bytes),
            vec![resident],
        );
        vec![cpu, memory]
    }

    fn errors(&self) -> Option<Plot> {
        self.seconds.iter().find(|second| second.errors > 0)?;
        let start = |second: &Second| (f64::from(second.second), Some(second.errors as f64));
        let mut points: Points = self.seconds.iter().map(start).collect();
        let last = self.seconds.last()?;
        points.push((f64::from(last.second) + self.stretch, None));
        let series = Series {
            name: "errors".to_owned(),
            shape: Shape::Bars,
            points,
        };
        let title = if self.stretch > 1.0 {
            "Errors per second (worst second)"
        } else {
            "Errors per second"
        };
        Some(self.plot(title, Axis::linear(Quantity::Count), vec![series]))
    }
}

/// The distribution of response times: all by percentile, then counts for each.
pub fn spreads(histograms: &[(&str, &Histogram<u64>)]) -> Vec<Plot> {
    let measured = histograms.iter().filter(|(_, times)| !times.is_empty());
    let measured: Vec<_> = measured.take(SERIES_COLOURS).copied().collect();
    if measured.is_empty() {
        return Vec::new();
    }
    let many = measured
        .iter()
        .filter(|(_, times)| times.len() >= MIN_FOR_BARS);
    let counts = many.map(|(name, times)| how_often(name, times));
    let counts: Vec<Plot> = counts.collect();
    [by_percentile(&measured)]
        .into_iter()
        .chain(counts)
        .collect()
}

fn by_percentile(measured: &[(&str, &Histogram<u64>)]) -> Plot {
    const POINTS_A_NINE: f64 = 24.0;
    let longest = measured.iter().map(|(_, times)| times.len()).max();
    let end = (longest.unwrap_or(1) as f64).max(10.0);
    let series = measured.iter().map(|(name, times)| {
        // More nines than there are answers would mean nothing.
        let last = (times.len() as f64).log10();
        let steps = (last * POINTS_A_NINE) as u32;
        let exponents = (0..=steps).map(|step| f64::from(step) / POINTS_A_NINE);
        let point = |exponent: f64| {
            let x = 10f64.powf(exponent);
            let us = times.value_at_quantile(1.0 - 1.0 / x).min(times.max());
            (x, Some(us.max(1) as f64))
        };
        let mut points: Points = exponents.map(point).collect();
        points.push((times.len() as f64, Some(times.max().max(1) as f64)));
        Series {
            name: (*name).to_owned(),
            shape: Shape::Line,
            points,
        }
    });
    Plot {
        title: "Times by percentile".to_owned(),
        description: "Each line ends at the longest time measured".to_owned(),
        x: Axis::log(Quantity::Quantile),
        y: Axis::log(Quantity::Time),
        x_range: (1.0, end),
        series: series.collect(),
        warmup: None,
        limits: Vec::new(),
    }
}

fn how_often(name: &str, times: &Histogram<u64>) -> Plot {
    const BARS: f64 = 50.0;
    // Bars of equal width on the log axis: 1/5 to 1/40 of a decade.
    let (low, high) = (times.min().max(1) as f64, times.max().max(1) as f64);
    let per_decade = (BARS / (high / low).log10().max(0.1))
        .clamp(5.0, 40.0)
        .floor();
    let bar = |us: u64| ((us.max(1) as f64).log10() * per_decade + 1e-9).floor() as i64;
    let first = bar(times.min());
    // One more bar than needed, without a count: it ends the last one.
    let mut counts = vec![0u64; (bar(times.max()) - first + 2) as usize];
    for recorded in times.iter_recorded() {
        let us = recorded.value_iterated_to().min(times.max());
        counts[(bar(us) - first) as usize] += recorded.count_at_value();
    }
    let edge = |index: usize| 10f64.powf((first + index as i64) as f64 / per_decade);
    let point =
        |(index, count): (usize, &u64)| (edge(index), (*count > 0).then_some(*count as f64));
    let points: Points = counts.iter().enumerate().map(point).collect();
    Plot {
        title: format!("Counts by time: {name}"),
        description: format!(
            "{} answers of {} to {}; counts on a log axis",
            times.len(),
            show_time(times.min() as f64),
            show_time(times.max() as f64)
        ),
        x: Axis::log(Quantity::Time),
        y: Axis::log(Quantity::Count),
        x_range: (edge(0), edge(counts.len() - 1)),
        series: vec![Series {
            name: name.to_owned(),
            shape: Shape::Bars,
            points,
        }],
        warmup: None,
        limits: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(times: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        times
            .into_iter()
            .for_each(|us| histogram.saturating_record(us));
        histogram
    }

    #[test]
    fn every_answer_is_in_a_bar() {
        for times in [
            histogram([0]),
            histogram([1, 1, 2]),
            histogram([250_000_000; 7]),
            histogram((0..5000u64).map(|n| n * n)),
        ] {
            let plot = how_often("pulse", &times);
            let counts = plot.series[0].points.iter().filter_map(|(_, count)| *count);
            assert_eq!(counts.sum::<f64>(), times.len() as f64);
            assert!(plot.x_range.0 < plot.x_range.1);
            assert!(plot.figure().contains("<svg"));
        }
    }

    #[test]
    fn percentiles_rise_to_the_longest_time() {
        let times = histogram(1..=100_000);
        let plot = by_percentile(&[("get", &times)]);
        let points = &plot.series[0].points;
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert_eq!(points.last(), Some(&(100_000.0, Some(times.max() as f64))));
    }

    #[test]
    fn without_times_there_is_no_spread() {
        let none = histogram([]);
        assert!(spreads(&[("pulse", &none)]).is_empty());
        let (few, many) = (histogram([5]), histogram(1..=MIN_FOR_BARS));
        assert_eq!(spreads(&[("list", &few), ("get", &none)]).len(), 1);
        assert_eq!(spreads(&[("list", &few), ("get", &many)]).len(), 2);
    }
}
