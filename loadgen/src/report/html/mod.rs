//! The report as an HTML page: it loads nothing, needs no script, and has light and dark colours. All text
//! from outside passes through `escape`.

mod axis;
mod charts;
mod plot;
mod sections;
mod thin;
mod words;

use hdrhistogram::Histogram;

use super::Report;

pub use axis::{Axis, Quantity};
pub use plot::{Plot, Series, Shape};
pub use words::escape;

/// The page. `histograms` are the response times in microseconds, with the names of the report's table;
/// empty ones are left out.
pub fn render(report: &Report, histograms: &[(&str, &Histogram<u64>)]) -> String {
    let seconds = thin::thin(&report.seconds);
    let parts = [
        sections::headline(report),
        sections::tiles(report),
        sections::limits(report),
        sections::times(report),
        over_time(report, charts::over_time(report, &seconds)),
        figures(
            "Distribution of response times",
            &charts::spreads(histograms),
        ),
        sections::errors(report),
        sections::generator(report),
        footer(report, seconds),
    ];
    document(&sections::title(report), &parts.concat())
}

/// A page around its content.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title),
        include_str!("style.css")
    )
}

fn over_time(report: &Report, plots: Vec<Plot>) -> String {
    if report.seconds.is_empty() {
        return String::new();
    }
    let mut note = String::from("Response times count from the planned instant, on a log axis.");
    if report.run.warmup_us > 0 {
        let warmup = sections::duration(report.run.warmup_us);
        note += &format!(
            " Shaded: the warm-up of {warmup}. Of the numbers above only errors, connects and logins include it."
        );
    }
    let stretch = thin::stretch(&report.seconds);
    if stretch > 1 {
        note += &format!(
            " Each point stands for {stretch} s: p99, p99.9, max, errors and memory are the worst of \
             these seconds, all else is their mean."
        );
    }
    let figures = figures("Over the run", &plots);
    figures.replacen("</h2>", &format!("</h2>\n<p class=\"faint\">{note}</p>"), 1)
}

fn figures(heading: &str, plots: &[Plot]) -> String {
    if plots.is_empty() {
        return String::new();
    }
    let figures: String = plots.iter().map(Plot::figure).collect();
    format!("<h2>{heading}</h2>\n<div class=\"plots\">\n{figures}</div>\n")
}

/// How to repeat the run, and the report as JSON.
fn footer(report: &Report, seconds: Vec<crate::record::Second>) -> String {
    let provenance = &report.provenance;
    let thinned = if seconds.len() < report.seconds.len() {
        format!(
            ", its seconds in stretches of {}",
            thin::stretch(&report.seconds)
        )
    } else {
        String::new()
    };
    let whole = Report {
        seconds,
        ..report.clone()
    };
    let json = serde_json::to_string_pretty(&whole).expect("a report is plain data");
    // Quotes are harmless in text, and escaped they would double the page.
    let json = json
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<footer>\n<p>To repeat the run:</p>\n<pre class=\"command\">{}</pre>\n\
         <p class=\"faint\">loadgen {} on {}, {} cores, {}; made {} UTC</p>\n\
         <details>\n<summary>The report as JSON{thinned}</summary>\n<pre class=\"json\">{json}</pre>\n</details>\n</footer>\n",
        escape(&provenance.shell_command()),
        escape(provenance.version),
        escape(&provenance.cpu),
        provenance.cores,
        escape(&provenance.kernel),
        escape(&provenance.made_at),
    )
}

#[cfg(test)]
mod tests {
    use crate::report::sample;

    fn is_self_contained(page: &str) -> bool {
        let namespace = "http://www.w3.org/2000/svg";
        let page = page.replace(namespace, "");
        [
            "src=", "href=", "url(", "@import", "<script", "http://", "https://",
        ]
        .iter()
        .all(|loading| !page.contains(loading))
    }

    /// Also writes target/report-*.html, to look at.
    #[test]
    fn samples_render() {
        for (name, sample) in sample::all() {
            let page = sample.page();
            assert!(is_self_contained(&page), "{name}");
            assert!(page.len() < 1_000_000, "{name}: {} bytes", page.len());
            let plots = page.matches("<figure").count();
            assert!(plots >= sample.least_plots, "{name}: {plots} plots");
            let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
            std::fs::create_dir_all(target).unwrap();
            std::fs::write(format!("{target}/report-{name}.html"), &page).unwrap();
        }
    }

    #[test]
    fn every_colour_of_a_plot_has_one_for_dark_pages() {
        let css = include_str!("style.css");
        let (_, dark) = css.split_once("figure polyline").unwrap();
        for (name, sample) in sample::all() {
            for attribute in ["fill", "stroke"] {
                let page = sample.page();
                let (_, body) = page.split_once("</style>").unwrap();
                let start = format!(" {attribute}=\"#");
                let colours = body.split(start.as_str()).skip(1);
                for colour in colours.map(|rest| &rest[..6]) {
                    let rule = format!("[{attribute}=\"#{colour}\"]");
                    assert!(dark.contains(&rule), "{name}: {rule}");
                }
            }
        }
    }

    #[test]
    fn text_from_outside_is_never_markup() {
        let mut sample = sample::short();
        let hostile = "\"><script>alert('x')</script>&";
        sample.report.run.targets = vec![hostile.to_owned()];
        sample.report.invalid_because = vec![hostile.to_owned()];
        sample.report.valid = false;
        sample.report.errors.total = 1;
        sample.report.errors.reasons = [(hostile.to_owned(), 1)].into();
        sample.report.limits[0].limit = format!("pulse.p99{hostile}<1ms");
        sample.report.limits[0].shown = hostile.to_owned();
        sample.report.provenance.command = vec![hostile.to_owned()];
        sample.report.provenance.cpu = hostile.to_owned();
        sample.report.provenance.kernel = hostile.to_owned();
        let page = sample.page();
        assert!(!page.contains("<script"));
        assert!(page.matches("&lt;script&gt;").count() >= 8);
    }

    #[test]
    fn the_worst_second_of_a_day_is_in_the_page() {
        let page = sample::day().page();
        assert!(page.contains("\"max_us\": 7654321"));
        assert!(page.contains("Each point stands for 144 s"));
    }

    #[test]
    fn a_failure_says_what_failed() {
        let page = sample::short().page();
        assert!(page.contains("1 of 4 limits was missed: errors=0 (34)"));
        let page = sample::silent().page();
        assert!(page.contains("Connection refused") && page.contains("no answer"));
    }
}
