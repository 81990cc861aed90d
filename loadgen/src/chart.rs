//! A table of numbers as a plot, for documents: an SVG file with the looks of the reports.

use std::path::Path;

use crate::report::plot::style::COLOURS;
use crate::report::plot::{Axis, Plot, Quantity, Scale, Series, Shape};

/// What a chart looks like.
#[derive(Clone, Debug)]
pub struct Look {
    pub title: String,
    pub x: Quantity,
    pub y: Quantity,
    pub log_x: bool,
    pub log_y: bool,
}

/// Draws a table: tab-separated, names in the first line, x in the first column, a series in each of the
/// others. An empty field is a gap.
pub fn draw(file: &Path, text: &str, look: &Look) -> Result<String, String> {
    let wrong = |line: usize, why: String| format!("{}:{line}: {why}", file.display());
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let (_, heads) = lines
        .next()
        .ok_or_else(|| wrong(1, "a line with the columns' names is wanted".to_owned()))?;
    let names: Vec<&str> = heads.split('\t').skip(1).collect();
    if names.is_empty() || names.len() > COLOURS {
        let why = format!(
            "1 to {COLOURS} columns besides x are wanted, not {}",
            names.len()
        );
        return Err(wrong(1, why));
    }
    let mut series: Vec<Series> = names
        .iter()
        .map(|name| Series {
            name: (*name).to_owned(),
            shape: Shape::Line,
            points: Vec::new(),
        })
        .collect();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != names.len() + 1 {
            let why = format!("{} fields, not {}", fields.len(), names.len() + 1);
            return Err(wrong(number, why));
        }
        let value = |field: &str| match field {
            "" => Ok(None),
            field => match field.parse::<f64>() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(wrong(number, format!("\"{field}\" is not a number"))),
            },
        };
        let Some(x) = value(fields[0])? else {
            return Err(wrong(number, "x is missing".to_owned()));
        };
        for (series, field) in series.iter_mut().zip(&fields[1..]) {
            series.points.push((x, value(field)?));
        }
    }
    let xs = || series[0].points.iter().map(|(x, _)| *x);
    let (Some(low), Some(high)) = (xs().reduce(f64::min), xs().reduce(f64::max)) else {
        return Err(wrong(2, "a line with numbers is wanted".to_owned()));
    };
    let axis = |quantity, log| Axis {
        quantity,
        scale: if log { Scale::Log } else { Scale::Linear },
    };
    let x_range = match look.log_x {
        true => (low, high),
        false => (0.0, high),
    };
    let plot = Plot {
        title: look.title.clone(),
        description: format!("{}: {}", look.title, names.join(", ")),
        x: axis(look.x, look.log_x),
        y: axis(look.y, look.log_y),
        x_range,
        series,
        shaded: None,
        limits: Vec::new(),
    };
    Ok(plot.file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> Result<String, String> {
        let look = Look {
            title: "Carried".to_owned(),
            x: Quantity::Bytes,
            y: Quantity::Count,
            log_x: true,
            log_y: true,
        };
        draw(Path::new("a.tsv"), text, &look)
    }

    #[test]
    fn a_table_becomes_a_plot() {
        let svg = drawn("bytes\tours\tStorm's\n600\t20000\t4000\n4096\t18000\t\n").unwrap();
        roxmltree::Document::parse(&svg).unwrap();
        assert!(svg.contains("ours") && svg.contains("Storm&#39;s") || svg.contains("Storm's"));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, why) in [
            ("", "a.tsv:1: a line with the columns' names"),
            ("bytes\n", "a.tsv:1: 1 to"),
            ("bytes\tours\n", "a.tsv:2: a line with numbers"),
            ("bytes\tours\n1\t2\t3\n", "a.tsv:2: 3 fields, not 2"),
            (
                "bytes\tours\n1\tmany\n",
                "a.tsv:2: \"many\" is not a number",
            ),
            ("bytes\tours\n\t2\n", "a.tsv:2: x is missing"),
        ] {
            let error = drawn(text).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
