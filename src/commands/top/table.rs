//! What `top` shows: a line of totals and a line for each worker, for a screen of some size or, whole,
//! for a pipe.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::text::{shown, span};
use super::poll::Inner;
use super::watch::{Now, Row, Totals};

pub struct Look<'a> {
    pub server: &'a str,
    pub inner: &'a Inner,
    pub now: Now,
    pub stale: Duration,
    pub interval: Duration,
}

/// A line, and how to light it.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub light: Light,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    Plain,
    Heading,
    Alarm,
}

impl Look<'_> {
    /// All lines, each as long as it needs to be.
    pub fn lines(&self) -> Vec<Line> {
        let rows = self.inner.watch.rows(self.now);
        let mut lines = self.head();
        lines.extend(self.table(&rows, Widths::of(&rows)));
        lines
    }

    /// Lines for a screen, with this many rows left out at the top of the list; and how many rows
    /// that list has.
    pub fn screen(&self, columns: usize, lines: usize, skipped: usize) -> (Vec<Line>, usize) {
        let rows = self.inner.watch.rows(self.now);
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
        } = self.inner.watch.totals(self.now, stale_ms);
        let mut text = format!(
            "{}: {workers} workers{}, {topologies} {}, {stale} stale (> {}), {} stored",
            self.server,
            if is_full { " (there are more)" } else { "" },
            if topologies == 1 {
                "topology"
            } else {
                "topologies"
            },
            span(self.stale.as_secs()),
            size(bytes),
        );
        if self.inner.last_round.is_none() {
            text.push_str("; the first look goes on");
        }
        if let Some(round) = self.inner.last_round {
            let took = round.took.as_secs_f64();
            let every = took.max(self.interval.as_secs_f64()).max(0.001);
            let rate = size((round.bytes as f64 / every) as u64);
            write!(text, "; a look takes {took:.1}s, {rate}/s").expect("a string");
        }
        let light = Light::Plain;
        let mut head = vec![Line { text, light }];
        if let Some(trouble) = &self.inner.trouble {
            head.push(Line {
                text: format!("! {}", shown(trouble)),
                light: Light::Alarm,
            });
        }
        head.push(Line {
            text: String::new(),
            light,
        });
        head
    }

    fn table<'r>(&'r self, rows: &'r [Row<'r>], widths: Widths) -> impl Iterator<Item = Line> + 'r {
        let Widths { topology, worker } = widths;
        let heading = Line {
            text: format!(
                "{:>9}  {:topology$}  {:worker$}  {:>9}  {:>9}",
                "AGE", "TOPOLOGY", "WORKER", "BYTES", "CHANGES/S"
            ),
            light: Light::Heading,
        };
        let stale_ms = milliseconds(self.stale);
        let line = move |row: &Row<'_>| {
            let age = span(row.age_ms / 1000);
            let claimed = if row.is_claimed { "~" } else { "" };
            let changes = row.changes_a_second;
            let changes = changes.map_or("-".to_owned(), |rate| format!("{rate:.2}"));
            let text = format!(
                "{:>9}  {:topology$}  {:worker$}  {:>9}  {changes:>9}",
                format!("{claimed}{age}"),
                cut(&shown(row.topology), topology),
                cut_front(&shown(row.worker), worker),
                row.bytes,
            );
            let light = match row.age_ms > stale_ms {
                true => Light::Alarm,
                false => Light::Plain,
            };
            Line { text, light }
        };
        std::iter::once(heading).chain(rows.iter().map(line))
    }
}

/// The same lines, of which none is longer than the screen is wide; broken at spaces.
fn wrapped(lines: Vec<Line>, columns: usize) -> Vec<Line> {
    let mut out = Vec::new();
    for Line { text, light } in lines {
        let mut current = String::new();
        for word in text.split(' ') {
            let longer = current.chars().count() + 1 + word.chars().count();
            if longer > columns && !current.is_empty() {
                let text = std::mem::take(&mut current);
                out.push(Line { text, light });
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        let text = current;
        out.push(Line { text, light });
    }
    out
}

/// Of the two columns that are as wide as names are.
#[derive(Clone, Copy, Debug)]
struct Widths {
    topology: usize,
    worker: usize,
}

impl Widths {
    fn of(rows: &[Row<'_>]) -> Widths {
        let widest = |name: fn(&Row<'_>) -> usize| rows.iter().map(name).max().unwrap_or(0);
        Widths {
            topology: widest(|row| width(row.topology)).max("TOPOLOGY".len()),
            worker: widest(|row| width(row.worker)).max("WORKER".len()),
        }
    }

    /// Narrower if the screen is.
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

/// The text, or as much of its beginning as fits.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        false => text.to_owned(),
        true => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// The text, or as much of its end as fits: a worker's port is there.
fn cut_front(text: &str, width: usize) -> String {
    let count = text.chars().count();
    match count > width {
        false => text.to_owned(),
        true => {
            let left_out = count - width.saturating_sub(1);
            ['…']
                .into_iter()
                .chain(text.chars().skip(left_out))
                .collect()
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes with the unit that leaves few digits.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..1024.0 => format!("{bytes} B"),
        1024.0..1_048_576.0 => format!("{:.1} KiB", bytes / 1024.0),
        _ => format!("{:.1} MiB", bytes / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::Watch;
    use super::*;

    fn at(secs: i64) -> Now {
        Now {
            ms: secs * 1000,
            unix_secs: secs,
        }
    }

    fn look(inner: &Inner) -> Look<'_> {
        Look {
            server: "pm:6699",
            inner,
            now: at(40),
            stale: Duration::from_secs(30),
            interval: Duration::from_secs(2),
        }
    }

    fn watched(workers: usize) -> Inner {
        let mut watch = Watch::default();
        for worker in 0..workers {
            let key =
                format!("/workerbeats/words-1-17/4c1b0a6e-11ec-b909-0242ac120002-{worker:04}");
            watch.see(&key, b"x", at(worker as i64));
        }
        Inner {
            watch,
            ..Inner::default()
        }
    }

    #[test]
    fn a_screen_is_never_overfull() {
        let mut inner = watched(30);
        inner.trouble =
            Some("words that do not fit into the width of any screen at all".to_owned());
        for columns in [1, 8, 40, 80, 200] {
            for lines in [1, 2, 5, 24, 60] {
                for skipped in [0, 7, 1000] {
                    let (shown, rows) = look(&inner).screen(columns, lines, skipped);
                    assert!(shown.len() <= lines && rows == 30);
                    let longest = shown.iter().map(|line| line.text.chars().count()).max();
                    assert!(longest.unwrap() <= columns.max(1), "{columns}x{lines}");
                }
            }
        }
    }

    #[test]
    fn the_oldest_come_first_and_ports_are_seen() {
        let inner = watched(30);
        let (shown, _) = look(&inner).screen(80, 24, 0);
        let text: Vec<_> = shown.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            text[..4],
            [
                "pm:6699: 30 workers, 1 topology, 10 stale (> 30s), 30 B stored; the first look",
                "goes on",
                "",
                "      AGE  TOPOLOGY    WORKER                                   BYTES  CHANGES/S",
            ]
        );
        assert_eq!(
            text[4],
            "      40s  words-1-17  …1b0a6e-11ec-b909-0242ac120002-0000          1       0.00"
        );
        let lights: Vec<_> = shown.iter().map(|line| line.light).collect();
        assert_eq!(
            lights[3..15].iter().filter(|l| **l == Light::Alarm).count(),
            10
        );
    }

    #[test]
    fn scrolling_ends_with_the_last_row() {
        let inner = watched(30);
        let (shown, _) = look(&inner).screen(120, 13, 1000);
        assert_eq!(shown.len(), 13);
        assert!(shown[12].text.contains("-0029"), "{}", shown[12].text);
    }
}
