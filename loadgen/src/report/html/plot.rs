//! A plot as a figure of the page: plotters draws axes, lines, areas and bars as SVG; the title and the
//! legend are HTML. Every colour has a counterpart for dark pages in `style.css`.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, TickUnit};
use super::escape;

/// A plot takes at most this many series. After Okabe and Ito: each holds a contrast of 3:1 on its ground
/// and differs from the others for colour-blind readers; `style.css` adds dashes.
pub const SERIES_COLOURS: usize = 6;
const COLOURS: [RGBColor; SERIES_COLOURS] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x00, 0x89, 0x6a),
    RGBColor(0xc4, 0x77, 0x00),
    RGBColor(0xb0, 0x30, 0x7a),
    RGBColor(0x5c, 0x67, 0x73),
    RGBColor(0x6b, 0x5b, 0xc4),
];
const INK: RGBColor = RGBColor(0x5b, 0x65, 0x70);
const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
const SHADE: RGBColor = RGBColor(0xe8, 0xec, 0xf1);
const LIMIT: RGBColor = RGBColor(0xb3, 0x26, 0x1e);

/// plotters places everything on whole pixels: drawn large and shown at half the size, lines are smooth.
const SIZE_PX: (u32, u32) = (1160, 448);
const FONT_PX: i32 = 28;
const LINE_PX: u32 = 3;

/// A line over the run with fewer points than this shows them as dots, too.
const SPARSE: usize = 40;
/// Points between two gaps that are not seen without dots.
const SHORT: usize = 3;
/// Lines of more points than this have no dashes.
const DENSE: usize = 200;

/// A limit may stretch a log axis by this factor, a linear one by less: a limit further off would
/// flatten the values.
const STRETCH_LOG: f64 = 10.0;
const STRETCH_LINEAR: f64 = 1.5;

#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    /// For readers who cannot see it.
    pub description: String,
    pub x: Axis,
    pub y: Axis,
    /// The whole extent of x, whether or not there are points everywhere.
    pub x_range: (f64, f64),
    /// At most [`SERIES_COLOURS`].
    pub series: Vec<Series>,
    /// The part of x that is the warm-up.
    pub warmup: Option<(f64, f64)>,
    /// Values of y to compare with, and their names.
    pub limits: Vec<(f64, String)>,
}

#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub shape: Shape,
    /// By rising x; `None` is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Line,
    /// A line with a tint below it.
    Area,
    /// Each from its point's x to the next point's.
    Bars,
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;
type Drawn = Result<(), Box<dyn Error>>;

impl Plot {
    /// The plot with its title and legend, as HTML.
    pub fn figure(&self) -> String {
        let dense = self.series.iter().any(|series| series.points.len() > DENSE);
        let class = if dense { " class=\"dense\"" } else { "" };
        let plot = match self.values() {
            Some(values) => self.svg(values),
            None => "<p class=\"faint\">no data</p>".to_owned(),
        };
        format!(
            "<figure{class}>\n<figcaption><b>{}</b>{}</figcaption>\n\
             <div role=\"img\" aria-label=\"{}\">{plot}</div>\n</figure>\n",
            escape(&self.title),
            self.legend(),
            escape(&self.description)
        )
    }

    /// A single series needs no name besides the title.
    fn legend(&self) -> String {
        let mut keys = Vec::new();
        if self.series.len() > 1 {
            for (series, colour) in self.series.iter().zip(COLOURS) {
                keys.push((hex(colour), 3, series.name.as_str()));
            }
        }
        if self.warmup.is_some() {
            keys.push((hex(SHADE), 10, "warm-up"));
        }
        let key = |(colour, width, name): (String, u32, &str)| {
            format!(
                " <span><svg class=\"key\" viewBox=\"0 0 36 10\"><path stroke=\"{colour}\" \
                 stroke-width=\"{width}\" d=\"M0 5H36\"/></svg>{}</span>",
                escape(name)
            )
        };
        keys.into_iter().map(key).collect()
    }

    /// The least and the greatest y that the axis can show.
    fn values(&self) -> Option<(f64, f64)> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let values = points.filter_map(|(_, y)| *y).filter(|y| self.y.shows(*y));
        values.fold(None, |range, y| {
            let (low, high) = range.unwrap_or((y, y));
            Some((low.min(y), high.max(y)))
        })
    }

    fn svg(&self, (low, high): (f64, f64)) -> String {
        let is_near = |limit: f64| {
            if self.y.log {
                limit >= low && limit <= high * STRETCH_LOG
            } else {
                limit <= high * STRETCH_LINEAR
            }
        };
        let limits: Vec<_> = self.limits.iter().filter(|(at, _)| is_near(*at)).collect();
        let top = limits.iter().map(|(at, _)| *at).fold(high, f64::max);
        // On a log axis no line runs along an edge, and a bar of one has a height.
        let (low, top) = if self.y.log {
            (low / 1.25, top * 1.25)
        } else {
            (low, top)
        };
        let layout = Layout {
            x: self.x.unit(self.x_range.1),
            y: self.y.unit(top),
            x_range: self.x.range(self.x_range),
            y_range: self.y.range((low, top)),
            limits,
        };
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE_PX).into_drawing_area();
        self.draw(&area, &layout)
            .expect("drawing into a string does not fail");
        drop(area);
        svg
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, layout: &Layout<'_>) -> Drawn {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_top(20)
            .margin_right(48)
            .set_label_area_size(LabelAreaPosition::Left, 136)
            .set_label_area_size(LabelAreaPosition::Bottom, 54);
        let (x, y) = (layout.scaled_x(), layout.scaled_y());
        let log_x = || x.clone().log_scale().with_key_points(self.x.ticks(&x));
        let log_y = || y.clone().log_scale().with_key_points(self.y.ticks(&y));
        match (self.x.log, self.y.log) {
            (false, false) => self.draw_on(builder.build_cartesian_2d(x, y)?, layout),
            (false, true) => self.draw_on(builder.build_cartesian_2d(x, log_y())?, layout),
            (true, false) => self.draw_on(builder.build_cartesian_2d(log_x(), y)?, layout),
            (true, true) => self.draw_on(builder.build_cartesian_2d(log_x(), log_y())?, layout),
        }
    }

    fn draw_on<X, Y>(&self, mut chart: Chart<'_, '_, X, Y>, layout: &Layout<'_>) -> Drawn
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let base = layout.scaled_y().start;
        let end = layout.scaled_y().end;
        if let Some((from, to)) = self.warmup {
            let corners = [(layout.x.scale(from), base), (layout.x.scale(to), end)];
            chart.draw_series([Rectangle::new(corners, SHADE.filled())])?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(8)
            .y_labels(6)
            .bold_line_style(GRID.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(INK.stroke_width(2))
            .label_style(("sans-serif", FONT_PX).into_font().color(&INK))
            .x_label_formatter(&|x| self.x.label(*x, &layout.x))
            .y_label_formatter(&|y| self.y.label(*y, &layout.y))
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS) {
            if series.shape == Shape::Bars {
                draw_bars(&mut chart, series, layout, colour)?;
            } else {
                self.draw_line(&mut chart, series, layout, colour)?;
            }
        }
        let right = layout.scaled_x().end;
        let above = Pos::new(HPos::Right, VPos::Bottom);
        for (at, name) in &layout.limits {
            let at = layout.y.scale(*at);
            let ends = [(layout.scaled_x().start, at), (right, at)];
            chart.draw_series([PathElement::new(ends, LIMIT.stroke_width(2))])?;
            let style = ("sans-serif", FONT_PX).into_font().color(&LIMIT);
            chart.draw_series([Text::new(visible(name), (right, at), style.pos(above))])?;
        }
        Ok(())
    }

    fn draw_line<X, Y>(
        &self,
        chart: &mut Chart<'_, '_, X, Y>,
        series: &Series,
        layout: &Layout<'_>,
        colour: RGBColor,
    ) -> Drawn
    where
        X: Ranged<ValueType = f64>,
        Y: Ranged<ValueType = f64>,
    {
        let shown = |(x, y): &(f64, Option<f64>)| {
            let y = y.filter(|y| self.y.shows(*y))?;
            Some((layout.x.scale(*x), layout.y.scale(y)))
        };
        let points: Vec<Option<(f64, f64)>> = series.points.iter().map(shown).collect();
        for run in points.split(Option::is_none).filter(|run| !run.is_empty()) {
            let run = || run.iter().copied().flatten();
            if series.shape == Shape::Area {
                let base = layout.scaled_y().start;
                chart.draw_series(AreaSeries::new(run(), base, colour.mix(0.14)))?;
            }
            chart.draw_series(LineSeries::new(run(), colour.stroke_width(LINE_PX)))?;
            let is_sparse = points.len() < SPARSE && !self.x.log;
            if is_sparse || run().count() <= SHORT {
                let dot = |at| Circle::new(at, 4, colour.filled());
                chart.draw_series(run().map(dot))?;
            }
        }
        Ok(())
    }
}

fn draw_bars<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    series: &Series,
    layout: &Layout<'_>,
    colour: RGBColor,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let base = layout.scaled_y().start;
    let bar = |pair: &[(f64, Option<f64>)]| {
        let [(from, y), (to, _)] = pair else {
            return None;
        };
        let top = layout.y.scale(y.filter(|y| *y > 0.0)?);
        let corners = [(layout.x.scale(*from), base), (layout.x.scale(*to), top)];
        let mut bar = Rectangle::new(corners, colour.mix(0.75).filled());
        bar.set_margin(0, 0, 0, 1);
        Some(bar)
    };
    chart.draw_series(series.points.windows(2).filter_map(bar))?;
    Ok(())
}

/// The ranges of both axes, the units that their ticks are round in, and the limits that are near enough
/// to be shown.
struct Layout<'a> {
    x: TickUnit,
    y: TickUnit,
    x_range: (f64, f64),
    y_range: (f64, f64),
    limits: Vec<&'a (f64, String)>,
}

impl Layout<'_> {
    fn scaled_x(&self) -> std::ops::Range<f64> {
        self.x.scale(self.x_range.0)..self.x.scale(self.x_range.1)
    }

    fn scaled_y(&self) -> std::ops::Range<f64> {
        self.y.scale(self.y_range.0)..self.y.scale(self.y_range.1)
    }
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// plotters escapes markup, but lets through characters that XML cannot have.
fn visible(text: &str) -> String {
    let replaced = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(replaced).collect()
}
