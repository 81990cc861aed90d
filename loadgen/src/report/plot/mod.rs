//! Plots as SVG text: lines, areas, bars and dots over linear or log axes. Pure; knows nothing of
//! runs. Inline in a page it follows the page's colours, as a file of its own it brings its own.

mod axis;
mod marks;
pub mod style;

use std::fmt::Write;

pub use axis::{Axis, Quantity, Scale, group, trim};
use axis::{Laid, Tick};
use marks::write_series;

#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    /// For those who cannot see it.
    pub description: String,
    pub x: Axis,
    pub y: Axis,
    /// The whole extent of x, whether or not there are points everywhere.
    pub x_range: (f64, f64),
    /// `style::COLOURS` at most.
    pub series: Vec<Series>,
    /// A part of x that is set apart, and its name.
    pub shaded: Option<(f64, f64, String)>,
    /// Values of y that others are held against, and their names.
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
    /// A line, and what is below it tinted.
    Area,
    /// Each from its point's x to the next point's.
    Bars,
}

const WIDTH: f64 = 580.0;
const HEIGHT: f64 = 262.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 568.0;
const TITLE_Y: f64 = 18.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 234.0;

/// What fonts take at most, about: nobody measures them here.
const CHARACTER: f64 = 6.6;
const TITLE_CHARACTER: f64 = 7.8;

/// A limit may stretch a log axis by so much, a linear one by less: further off it only says that
/// there is nothing to see, and flattens what there is.
const STRETCH_LOG: f64 = 10.0;
const STRETCH_LINEAR: f64 = 1.5;

impl Plot {
    /// For a page that has `style::for_page`.
    pub fn inline(&self) -> String {
        self.render("")
    }

    /// A file of its own, for a document that shows it as an image.
    pub fn file(&self) -> String {
        let css = style::for_file();
        self.render(&format!(
            "<style>{css}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
        ))
    }

    fn render(&self, prelude: &str) -> String {
        debug_assert!(self.series.len() <= style::COLOURS);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(prelude, &mut out);
        out
    }

    fn write(&self, prelude: &str, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">\n\
             <title>{}</title>\n<desc>{}</desc>",
            escape(&self.title),
            escape(&self.description)
        )?;
        out.push_str(prelude);
        let below_legend = self.write_head(out)?;
        match self.values() {
            Some(values) => self.write_plot(values, below_legend, out)?,
            None => write_text(
                out,
                "faint",
                (LEFT + RIGHT) / 2.0,
                130.0,
                "middle",
                "no data",
            )?,
        }
        writeln!(out, "</svg>")
    }

    /// Title and legend; where the plot may begin.
    fn write_head(&self, out: &mut String) -> Result<f64, std::fmt::Error> {
        write_text(out, "title", 8.0, TITLE_Y, "start", &self.title)?;
        let entries = self.legend();
        let width = |name: &str| 39.0 + CHARACTER * name.chars().count() as f64;
        let total: f64 = entries.iter().map(|(_, name)| width(name)).sum();
        let title_end = 8.0 + TITLE_CHARACTER * self.title.chars().count() as f64;
        let beside = title_end + total < RIGHT;
        let y = if beside { TITLE_Y } else { TITLE_Y + 19.0 };
        let mut x = if beside { RIGHT - total } else { LEFT };
        for (class, name) in entries {
            let (from, to) = (x + 2.0, x + 22.0);
            let (upper, middle) = (y - 9.0, y - 4.0);
            match class.starts_with("line") {
                true => writeln!(out, "<path class=\"{class}\" d=\"M{from} {middle}H{to}\"/>")?,
                false => writeln!(
                    out,
                    "<path class=\"{class}\" d=\"M{from} {y}V{upper}H{to}V{y}Z\"/>"
                )?,
            }
            write_text(out, "", x + 27.0, y, "start", name)?;
            x += width(name);
        }
        Ok(if beside { TOP } else { TOP + 16.0 })
    }

    /// Classes and names. What is the only one needs no name besides the title.
    fn legend(&self) -> Vec<(String, &str)> {
        let mut entries = Vec::new();
        if self.series.len() > 1 {
            for (index, series) in self.series.iter().enumerate() {
                entries.push((marks::class(index, series), series.name.as_str()));
            }
        }
        if let Some((_, _, name)) = &self.shaded {
            entries.push(("shade".to_owned(), name));
        }
        entries
    }

    /// The least and the greatest y that have a place.
    fn values(&self) -> Option<(f64, f64)> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let values = points.filter_map(|(_, y)| *y).filter(|y| self.y.takes(*y));
        values.fold(None, |range, y| {
            let (low, high) = range.unwrap_or((y, y));
            Some((low.min(y), high.max(y)))
        })
    }

    fn write_plot(&self, values: (f64, f64), top: f64, out: &mut String) -> std::fmt::Result {
        let x = self.x.lay(self.x_range, LEFT, RIGHT);
        let y = self.y.lay(self.y_range(values), BOTTOM, top);
        if let Some((from, to, _)) = &self.shaded {
            let (from, to) = (x.pixel(*from), x.pixel(*to));
            // Of a long run it is a sliver, but there.
            let width = (to - from).max(2.0);
            let height = BOTTOM - top;
            writeln!(
                out,
                "<rect class=\"shade\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"/>"
            )?;
        }
        write_y_ticks(out, &y)?;
        write_x_ticks(out, &x)?;
        for (index, series) in self.series.iter().enumerate() {
            write_series(out, index, series, &x, &y, BOTTOM)?;
        }
        for (value, name) in self
            .limits
            .iter()
            .filter(|(value, _)| self.reaches(*value, values))
        {
            let at = y.pixel(*value);
            writeln!(out, "<path class=\"limit\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>")?;
            let text_y = if at - top < 16.0 { at + 14.0 } else { at - 5.0 };
            write_text(out, "halo alarm", RIGHT - 4.0, text_y, "end", name)?;
        }
        Ok(())
    }

    fn y_range(&self, (low, high): (f64, f64)) -> (f64, f64) {
        let limits = self.limits.iter().map(|(value, _)| *value);
        let shown = limits.filter(|value| self.reaches(*value, (low, high)));
        let high = shown.fold(high, f64::max);
        let (low, high) = self.y.round_range(low, high);
        let bars = self.series.iter().any(|series| series.shape == Shape::Bars);
        // A bar of one must have a height.
        match bars && self.y.scale == Scale::Log {
            true => (low / 2.0, high),
            false => (low, high),
        }
    }

    fn reaches(&self, limit: f64, (low, high): (f64, f64)) -> bool {
        match self.y.scale {
            Scale::Log => limit >= low && limit <= high * STRETCH_LOG,
            Scale::Linear => limit <= high * STRETCH_LINEAR,
        }
    }
}

fn write_y_ticks(out: &mut String, y: &Laid) -> std::fmt::Result {
    let ticks = y.ticks(match y.scale() {
        Scale::Linear => 5,
        Scale::Log => 8,
    });
    write_grid(out, &ticks, |tick| {
        format!("M{LEFT} {:.1}H{RIGHT}", y.pixel(tick.value))
    })?;
    for Tick { value, label } in &ticks {
        if let Some(label) = label {
            write_text(
                out,
                "faint",
                LEFT - 7.0,
                y.pixel(*value) + 4.0,
                "end",
                label,
            )?;
        }
    }
    writeln!(
        out,
        "<path class=\"grid base\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>"
    )
}

fn write_x_ticks(out: &mut String, x: &Laid) -> std::fmt::Result {
    let mut free_from = 0.0;
    for Tick { value, label } in x.ticks(7) {
        let at = x.pixel(value);
        let length = if label.is_some() { 5.0 } else { 3.0 };
        writeln!(
            out,
            "<path class=\"grid base\" d=\"M{at:.1} {BOTTOM}v{length}\"/>"
        )?;
        let Some(label) = label else { continue };
        let half = CHARACTER * label.chars().count() as f64 / 2.0;
        // At the edge it moves inwards; on another label there is none.
        let middle = at.min(WIDTH - half - 2.0);
        if middle - half >= free_from {
            write_text(out, "faint", middle, BOTTOM + 18.0, "middle", &label)?;
            free_from = middle + half + 6.0;
        }
    }
    Ok(())
}

fn write_grid(
    out: &mut String,
    ticks: &[Tick],
    line: impl Fn(&Tick) -> String,
) -> std::fmt::Result {
    let labelled = ticks.iter().filter(|tick| tick.label.is_some());
    let lines: String = labelled.map(line).collect();
    writeln!(out, "<path class=\"grid\" d=\"{lines}\"/>")
}

fn write_text(
    out: &mut String,
    class: &str,
    x: f64,
    y: f64,
    anchor: &str,
    text: &str,
) -> std::fmt::Result {
    let text = escape(text);
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    )
}

/// Text for XML and HTML. Characters that XML cannot have become the one for "unreadable".
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            character if character.is_control() => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, Option<f64>)>) -> Plot {
        Plot {
            title: "a <b> & \"c\"".to_owned(),
            description: "it's\u{1b}[31m".to_owned(),
            x: Axis::linear(Quantity::Elapsed),
            y: Axis::log(Quantity::Time),
            x_range: (0.0, 10.0),
            series: vec![
                Series {
                    name: "<p99>".to_owned(),
                    shape: Shape::Line,
                    points: points.clone(),
                },
                Series {
                    name: "bars".to_owned(),
                    shape: Shape::Bars,
                    points,
                },
            ],
            shaded: Some((0.0, 3.0, "warm-up".to_owned())),
            limits: vec![(3000.0, "p99<3ms".to_owned()), (1e9, "far off".to_owned())],
        }
    }

    fn texts(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document
            .descendants()
            .filter(|node| node.has_tag_name("text"));
        texts.map(|node| node.text().unwrap().to_owned()).collect()
    }

    #[test]
    fn is_well_formed_and_escaped() {
        let points = vec![(0.0, Some(120.0)), (1.0, None), (2.0, Some(2500.0))];
        for svg in [plot(points.clone()).inline(), plot(points).file()] {
            let texts = texts(&svg);
            assert!(texts.contains(&"a <b> & \"c\"".to_owned()), "{texts:?}");
            assert!(texts.contains(&"<p99>".to_owned()));
            assert!(texts.contains(&"p99<3ms".to_owned()));
            assert!(!texts.contains(&"far off".to_owned()));
            assert!(svg.contains("<desc>it&#39;s\u{fffd}[31m</desc>"));
        }
    }

    #[test]
    fn without_values_it_says_so() {
        for points in [
            vec![],
            vec![(1.0, None)],
            vec![(1.0, Some(0.0)), (2.0, Some(f64::NAN))],
        ] {
            let svg = plot(points).inline();
            assert!(texts(&svg).contains(&"no data".to_owned()));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn a_file_brings_its_style_and_ground() {
        let points = (0..20).map(|n| (f64::from(n) / 2.0, Some(200.0 + f64::from(n * n * n))));
        let svg = plot(points.collect()).file();
        assert!(svg.contains("<style>") && svg.contains("class=\"ground\""));
        assert!(!svg.contains("@media"), "it is shown on white everywhere");
        // Also the file to look at.
        let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
        std::fs::create_dir_all(target).unwrap();
        std::fs::write(format!("{target}/plot.svg"), svg).unwrap();
    }

    #[test]
    fn labels_do_not_lie_on_each_other() {
        let mut plot = plot(vec![(1.0, Some(5.0)), (5e5, Some(7.0))]);
        plot.x = Axis::log(Quantity::Quantile);
        plot.x_range = (1.0, 1e7);
        let svg = plot.inline();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let attribute =
            |node: roxmltree::Node, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let mut free_from = 0.0;
        for node in document
            .descendants()
            .filter(|node| node.attribute("y") == Some("252.0"))
        {
            let half = CHARACTER * node.text().unwrap().chars().count() as f64 / 2.0;
            let at = attribute(node, "x");
            assert!(at - half >= free_from && at + half <= WIDTH);
            free_from = at + half;
        }
        assert!(free_from > 400.0);
    }
}
