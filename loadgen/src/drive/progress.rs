//! The progress line on standard error: rewritten every second on a terminal, a new line every 10 s elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering;

use super::shared_run::SharedRun;
use crate::settings::Settings;
use crate::units::show_time;

const SECOND_US: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Display {
    terminal: bool,
    every_us: u64,
    next_us: u64,
    warmup_us: u64,
    end_us: u64,
    /// When it was last shown; next, the counts then.
    shown_us: u64,
    acknowledged: u64,
    reads: u64,
}

impl Display {
    pub(super) fn new(settings: &Settings) -> Display {
        let terminal = io::stderr().is_terminal();
        let every_us = if terminal { SECOND_US } else { 10 * SECOND_US };
        Display {
            terminal,
            every_us,
            next_us: every_us,
            warmup_us: settings.warmup_us,
            end_us: settings.end_us(),
            shown_us: 0,
            acknowledged: 0,
            reads: 0,
        }
    }

    /// Shows the progress, if it is due.
    pub(super) fn show(&mut self, now_us: u64, shared: &SharedRun) {
        if now_us < self.next_us {
            return;
        }
        self.next_us = now_us - now_us % self.every_us + self.every_us;
        let progress = &shared.progress;
        let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
        let reads = progress.reads.load(Ordering::Relaxed);
        let seconds = (now_us - self.shown_us) as f64 / 1e6;
        let line = format!(
            "{:>4} s of {} s{}: {} connections, {:.0} pulses/s, {:.0} reads/s, slowest answer {}, {} errors",
            now_us / SECOND_US,
            self.end_us / SECOND_US,
            self.phase(now_us),
            progress.connections.load(Ordering::Relaxed),
            (acknowledged - self.acknowledged) as f64 / seconds,
            (reads - self.reads) as f64 / seconds,
            show_time(progress.worst_us.swap(0, Ordering::Relaxed) as f64),
            progress.errors.load(Ordering::Relaxed),
        );
        (self.shown_us, self.acknowledged, self.reads) = (now_us, acknowledged, reads);
        self.write(&line);
    }

    /// Ends the line on a terminal.
    pub(super) fn finish(&self) {
        if self.terminal && self.shown_us > 0 {
            let _ = writeln!(io::stderr());
        }
    }

    fn phase(&self, now_us: u64) -> &'static str {
        match now_us {
            now if now < self.warmup_us => " (warm-up)",
            now if now >= self.end_us => " (waiting for the last answers)",
            _ => "",
        }
    }

    /// Errors are ignored: the run does not depend on standard error.
    fn write(&self, line: &str) {
        const CLEAR_REST: &str = "\x1b[K";
        let mut stderr = io::stderr().lock();
        let _ = if self.terminal {
            write!(stderr, "\r{line}{CLEAR_REST}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{line}")
        };
    }
}
