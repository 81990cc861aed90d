//! What `top` shows: a line of totals and a line for each worker, cut to a screen or whole.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::text::shown;
use super::poll::View;
use super::watch::{Now, Totals, WorkerRow};
use crate::units::{show_bytes, show_seconds};

pub(super) struct Table<'a> {
    pub server: &'a str,
    pub(crate) view: &'a View,
    pub now: Now,
    pub stale: Duration,
    pub interval: Duration,
}

/// A line and its style.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Heading,
    Alarm,
}

impl Table<'_> {
    /// All lines, at full length.
    pub(super) fn lines(&self) -> Vec<Line> {
        let rows = self.view.watch.rows(self.now);
        let mut lines = self.head();
        lines.extend(self.table(&rows, Widths::of(&rows)));
        lines
    }

    /// The lines that fit on a screen when this many rows are scrolled past, and the number of rows
    /// that there are.
    pub(super) fn screen(
        &self,
        columns: usize,
        lines: usize,
        skipped: usize,
    ) -> (Vec<Line>, usize) {
        let rows = self.view.watch.rows(self.now);
        let mut shown = wrapped(self.head(), columns);
        let room = lines.saturating_sub(shown.len() + 1);
        let first = skipped.min(rows.len().saturating_sub(room));
        let visible = &rows[first..rows.len().min(first + room)];
        let widths = Widths::of(visible).within(columns);
        shown.extend(self.table(visible, widths));
        for line in &mut shown {
            line.text = cut(&line.text, columns);
        }
        shown.truncate(lines);
        (shown, rows.len())
    }

    fn head(&self) -> Vec<Line> {
        let stale_ms = milliseconds(self.stale);
        let Totals {
            workers,
            topologies,
            stale,
            bytes,
            is_full,
        } = self.view.watch.totals(self.now, stale_ms);
        let mut text = format!(
            "{}: {workers} workers{}, {topologies} {}, {stale} stale (> {}), {} stored",
            self.server,
            if is_full { " (there are more)" } else { "" },
            if topologies == 1 {
                "topology"
            } else {
                "topologies"
            },
            show_seconds(self.stale.as_secs()),
            show_bytes(bytes as f64),
        );
        if self.view.last_poll.is_none() {
            text.push_str("; the first poll is under way");
        }
        if let Some(poll) = self.view.last_poll {
            let took = poll.took.as_secs_f64();
            let every = took.max(self.interval.as_secs_f64()).max(0.001);
            let rate = show_bytes((poll.bytes as f64 / every).trunc());
            write!(text, "; a poll takes {took:.1}s, {rate}/s").expect("a string");
        }
        let style = Style::Plain;
        let mut head = vec![Line { text, style }];
        if let Some(error) = &self.view.error {
            head.push(Line {
                text: format!("! {}", shown(error)),
                style: Style::Alarm,
            });
        }
        head.push(Line {
            text: String::new(),
            style,
        });
        head
    }

    fn table<'r>(
        &'r self,
        rows: &'r [WorkerRow<'r>],
        widths: Widths,
    ) -> impl Iterator<Item = Line> + 'r {
        let Widths { topology, worker } = widths;
        let heading = Line {
            text: format!(
                "{:>9}  {:topology$}  {:worker$}  {:>9}  {:>9}",
                "AGE", "TOPOLOGY", "WORKER", "BYTES", "CHANGES/S"
            ),
            style: Style::Heading,
        };
        let stale_ms = milliseconds(self.stale);
        let line = move |row: &WorkerRow<'_>| {
            let age = show_seconds(row.age_ms / 1000);
            let claimed = if row.is_by_worker_clock { "~" } else { "" };
            let changes = row.changes_a_second;
            let changes = changes.map_or("-".to_owned(), |rate| format!("{rate:.2}"));
            let text = format!(
                "{:>9}  {:topology$}  {:worker$}  {:>9}  {changes:>9}",
                format!("{claimed}{age}"),
                cut(&shown(row.topology), topology),
                cut_front(&shown(row.worker), worker),
                row.bytes,
            );
            let style = if row.age_ms > stale_ms {
                Style::Alarm
            } else {
                Style::Plain
            };
            Line { text, style }
        };
        std::iter::once(heading).chain(rows.iter().map(line))
    }
}

/// The same lines, broken at spaces where they are wider than the screen.
fn wrapped(lines: Vec<Line>, columns: usize) -> Vec<Line> {
    let mut out = Vec::new();
    for Line { text, style } in lines {
        let mut current = String::new();
        for word in text.split(' ') {
            let longer = current.chars().count() + 1 + word.chars().count();
            if longer > columns && !current.is_empty() {
                let text = std::mem::take(&mut current);
                out.push(Line { text, style });
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        let text = current;
        out.push(Line { text, style });
    }
    out
}

/// Widths of the two columns that depend on names.
#[derive(Clone, Copy, Debug)]
struct Widths {
    topology: usize,
    worker: usize,
}

impl Widths {
    fn of(rows: &[WorkerRow<'_>]) -> Widths {
        let widest = |name: fn(&WorkerRow<'_>) -> usize| rows.iter().map(name).max().unwrap_or(0);
        Widths {
            topology: widest(|row| width(row.topology)).max("TOPOLOGY".len()),
            worker: widest(|row| width(row.worker)).max("WORKER".len()),
        }
    }

    /// The same widths, or narrower ones that fit on the screen.
    fn within(self, columns: usize) -> Widths {
        const OTHERS: usize = 9 + 2 + 2 + 2 + 9 + 2 + 9;
        let room = columns.saturating_sub(OTHERS);
        if self.topology + self.worker <= room {
            return self;
        }
        let topology = self.topology.min((room / 3).max("TOPOLOGY".len()));
        let worker = room.saturating_sub(topology).max("WORKER".len());
        Widths { topology, worker }
    }
}

fn width(name: &str) -> usize {
    shown(name).chars().count()
}

/// The text, or the part of its start that fits.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// The text, or the part of its end that fits: the end has the worker's port.
fn cut_front(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let left_out = count - width.saturating_sub(1);
    let end = text.chars().skip(left_out);
    ['…'].into_iter().chain(end).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use support::says::assert_says;

    use super::super::watch::Watch;
    use super::*;

    fn at(secs: i64) -> Now {
        Now {
            ms: secs * 1000,
            unix_secs: secs,
        }
    }

    fn table(view: &View) -> Table<'_> {
        Table {
            server: "pm:6699",
            view,
            now: at(40),
            stale: Duration::from_secs(30),
            interval: Duration::from_secs(2),
        }
    }

    fn watched(workers: usize) -> View {
        let mut watch = Watch::default();
        for worker in 0..workers {
            let key =
                format!("/workerbeats/words-1-17/4c1b0a6e-11ec-b909-0242ac120002-{worker:04}");
            watch.see(&key, b"x", at(worker as i64));
        }
        View {
            watch,
            ..View::default()
        }
    }

    #[test]
    fn a_screen_is_never_overfull() {
        let mut view = watched(30);
        view.error = Some("words that do not fit into the width of any screen at all".to_owned());
        for columns in [1, 8, 40, 80, 200] {
            for lines in [1, 2, 5, 24, 60] {
                for skipped in [0, 7, 1000] {
                    let (shown, rows) = table(&view).screen(columns, lines, skipped);
                    assert!(shown.len() <= lines && rows == 30);
                    let longest = shown.iter().map(|line| line.text.chars().count()).max();
                    assert!(longest.unwrap() <= columns.max(1), "{columns}x{lines}");
                }
            }
        }
    }

    #[test]
    fn the_oldest_come_first_and_ports_are_seen() {
        let view = watched(30);
        let (shown, _) = table(&view).screen(80, 24, 0);
        let text: Vec<_> = shown.iter().map(|line| line.text.as_str()).collect();
        let totals = [
            "30 workers",
            "1 topology",
            "10 stale",
            "30s",
            "30 B",
            "first poll",
        ];
        assert_says(&text[..2].join(" "), "pm:6699", &totals);
        let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
        let columns = |index: usize| text[index].split_whitespace().collect::<Vec<_>>();
        assert_eq!(columns(3), words("AGE TOPOLOGY WORKER BYTES CHANGES/S"));
        let first = "40s words-1-17 …1b0a6e-11ec-b909-0242ac120002-0000 1 0.00";
        assert_eq!(columns(4), words(first));
        // Each column begins or ends under its heading.
        let ends = |index: usize| text[index].chars().count();
        assert_eq!(
            (ends(3), text[3].find("TOPOLOGY")),
            (ends(4), text[4].find("words"))
        );
        let styles: Vec<_> = shown.iter().map(|line| line.style).collect();
        assert_eq!(
            styles[3..15].iter().filter(|l| **l == Style::Alarm).count(),
            10
        );
    }

    #[test]
    fn scrolling_ends_with_the_last_row() {
        let view = watched(30);
        let (shown, _) = table(&view).screen(120, 13, 1000);
        assert_eq!(shown.len(), 13);
        assert!(shown[12].text.contains("-0029"), "{}", shown[12].text);
    }
}
