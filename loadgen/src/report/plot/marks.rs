//! A series' points as SVG paths: one path for its lines, one for what stands alone.

use std::fmt::Write;

use super::axis::Laid;
use super::{Series, Shape};

/// Points so far apart are shown as dots on their line.
const SPARSE_PX: f64 = 12.0;

/// A line so short does not show its dashes, or that it is one.
const SHORT_PX: f64 = 20.0;

/// A line of more points than this is rough enough without dashes.
const DENSE: usize = 200;

/// What `style` knows a series by, in the plot and in its legend.
pub fn class(index: usize, series: &Series) -> String {
    match series.shape {
        Shape::Bars => format!("bars s{index}"),
        Shape::Line | Shape::Area if series.points.len() > DENSE => format!("line s{index}"),
        Shape::Line | Shape::Area => format!("line dash s{index}"),
    }
}

pub fn write_series(
    out: &mut String,
    index: usize,
    series: &Series,
    x: &Laid,
    y: &Laid,
    base_px: f64,
) -> std::fmt::Result {
    match series.shape {
        Shape::Bars => {
            let bars = bars(series, x, y, base_px);
            writeln!(out, "<path class=\"bars s{index}\" d=\"{bars}\"/>")
        }
        Shape::Line | Shape::Area => {
            let segments = segments(series, x, y);
            if series.shape == Shape::Area {
                let area: String = segments.iter().map(|s| area(s, base_px)).collect();
                writeln!(out, "<path class=\"area s{index}\" d=\"{area}\"/>")?;
            }
            let lines: String = segments.iter().map(|s| line(s)).collect();
            writeln!(
                out,
                "<path class=\"{}\" d=\"{lines}\"/>",
                class(index, series)
            )?;
            let dots: String = dots(&segments);
            match dots.is_empty() {
                true => Ok(()),
                false => writeln!(out, "<path class=\"dots s{index}\" d=\"{dots}\"/>"),
            }
        }
    }
}

type Pixel = (f64, f64);

/// Runs of points without a gap between them.
fn segments(series: &Series, x: &Laid, y: &Laid) -> Vec<Vec<Pixel>> {
    let placed = series.points.iter().map(|(at, value)| {
        let value = value.filter(|value| y.takes(*value))?;
        Some((x.pixel(*at), y.pixel(value)))
    });
    let placed: Vec<Option<Pixel>> = placed.collect();
    placed
        .split(Option::is_none)
        .filter(|segment| !segment.is_empty())
        .map(|segment| segment.iter().copied().flatten().collect())
        .collect()
}

fn line(segment: &[Pixel]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in segment.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
    }
    path
}

fn area(segment: &[Pixel], base_px: f64) -> String {
    match segment {
        [] | [_] => String::new(),
        [(first, _), .., (last, _)] => {
            format!(
                "{}L{last:.1} {base_px}L{first:.1} {base_px}Z",
                line(segment)
            )
        }
    }
}

/// Where a line would not be seen, or would hide how few points it has. A dot is a stroke of no
/// length with round ends.
fn dots(segments: &[Vec<Pixel>]) -> String {
    let mut path = String::new();
    for segment in segments {
        let width = segment[segment.len() - 1].0 - segment[0].0;
        if width < SHORT_PX || width / (segment.len() - 1) as f64 >= SPARSE_PX {
            for (x, y) in segment {
                let _ = write!(path, "M{x:.1} {y:.1}h0");
            }
        }
    }
    path
}

fn bars(series: &Series, x: &Laid, y: &Laid, base_px: f64) -> String {
    let mut path = String::new();
    for pair in series.points.windows(2) {
        let [(from, value), (to, _)] = pair else {
            continue;
        };
        let Some(value) = value.filter(|value| y.takes(*value) && *value > 0.0) else {
            continue;
        };
        let (left, right) = (x.pixel(*from), x.pixel(*to));
        // A hair's breadth between bars, where they are wide enough for it.
        let right = if right - left > 3.0 {
            right - 0.7
        } else {
            right
        };
        let top = y.pixel(value);
        let _ = write!(path, "M{left:.1} {base_px}V{top:.1}H{right:.1}V{base_px}Z");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Quantity};
    use super::*;

    fn drawn(shape: Shape, points: Vec<(f64, Option<f64>)>) -> String {
        let axis = Axis::linear(Quantity::Number);
        let (x, y) = (
            axis.lay((0.0, 10.0), 0.0, 10.0),
            axis.lay((0.0, 10.0), 10.0, 0.0),
        );
        let mut out = String::new();
        let series = Series {
            name: String::new(),
            shape,
            points,
        };
        write_series(&mut out, 2, &series, &x, &y, 10.0).unwrap();
        out
    }

    #[test]
    fn gaps_part_lines_and_lone_points_are_dots() {
        let points = [Some(1.0), Some(2.0), None, Some(4.0), None, Some(f64::NAN)];
        let points = points.iter().enumerate().map(|(x, y)| (x as f64, *y));
        let out = drawn(Shape::Line, points.collect());
        assert!(
            out.contains("line dash s2\" d=\"M0.0 9.0L1.0 8.0M3.0 6.0\""),
            "{out}"
        );
        assert!(
            out.contains("dots s2\" d=\"M0.0 9.0h0M1.0 8.0h0M3.0 6.0h0\""),
            "{out}"
        );
    }

    #[test]
    fn bars_reach_to_the_next_point() {
        let out = drawn(
            Shape::Bars,
            vec![(1.0, Some(5.0)), (3.0, Some(0.0)), (4.0, None)],
        );
        assert!(out.contains("d=\"M1.0 10V5.0H3.0V10Z\""), "{out}");
    }

    #[test]
    fn areas_close_at_the_base() {
        let out = drawn(Shape::Area, vec![(1.0, Some(5.0)), (3.0, Some(6.0))]);
        assert!(
            out.contains("d=\"M1.0 5.0L3.0 4.0L3.0 10L1.0 10Z\""),
            "{out}"
        );
    }
}
