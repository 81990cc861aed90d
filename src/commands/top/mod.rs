//! `top`: which workers report, the longest silent first; live, or as plain text.

mod poll;
mod table;
mod terminal;
mod watch;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::options::{self, ServerOptions};
use super::text::utc;
use super::trouble::Failure;
use crate::config::Sources;
use poll::{Board, Plan, Poller};
use table::Look;
use terminal::{Terminal, Wish};

/// Where Storm's workers write.
const WORKERBEATS: &str = "/workerbeats";

/// Watch which workers report, the longest silent first
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct Top {
    /// Time between two looks
    #[arg(short = 'n', long, value_name = "TIME", default_value = "2s", value_parser = options::time)]
    interval: Duration,

    /// Age from which a worker counts as stale; Nimbus gives one 30 s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = options::time)]
    stale: Duration,

    /// Only topologies whose ids begin so
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    topology: String,

    /// Bytes a second that looking may cause
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = options::size)]
    max_rate: u64,

    /// Print one look as plain text, and end
    #[arg(long)]
    once: bool,

    /// Print one look after another as plain text
    #[arg(long, conflicts_with = "once")]
    batch: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
AGE is the time since a key's bytes last changed. The protocol tells no ages, so they are watched; until a \
key has changed once, ~ marks an age that is taken from the heartbeat itself, by its worker's clock.
Each look gets everything that is stored: by topology, or key by key from Storm's server and where a \
topology is larger than a message may be. --max-rate bounds what that costs, and makes looks take longer.

Keys: q or Ctrl-C ends; arrows, j, k, space, b and g scroll.

Exit codes: 0 done; 1 the server cannot be asked; 2 wrong usage.

Examples:
  storm-pacemaker top
  storm-pacemaker top --topology wordcount- --stale 10s
  storm-pacemaker top --once | head -20                # the longest silent workers";

/// How often the screen is drawn, so that ages pass.
const DRAWN_EVERY: Duration = Duration::from_millis(500);

impl Top {
    pub fn run(self, sources: Sources) -> Result<(), Failure> {
        let is_live = !self.once && !self.batch;
        if is_live && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            let why = "top needs a terminal; --once or --batch print plain text";
            return Err(Failure::Usage(why.to_owned()));
        }
        let target = self.server.target(sources)?;
        let server = target.server.to_string();
        let board = Board::new();
        let plan = Plan {
            target,
            interval: self.interval,
            max_rate: self.max_rate,
            topology: self.topology.clone(),
        };
        let poller = Poller::connect(plan, board.clone())?;
        match is_live {
            true => self.live(poller, &board, &server),
            false => self.print(poller, &board, &server),
        }
    }

    fn look<'a>(&self, board: &Board, inner: &'a poll::Inner, server: &'a str) -> Look<'a> {
        Look {
            server,
            inner,
            now: board.now(),
            stale: self.stale,
            interval: self.interval,
        }
    }

    // ── Plain text ───────────────────────────────────────────────────────────────────────────────

    fn print(&self, mut poller: Poller, board: &Board, server: &str) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        loop {
            let begin = Instant::now();
            poller.round()?;
            let inner = board.lock();
            write!(out, "{}  ", utc(board.now().unix_secs))?;
            for line in self.look(board, &inner, server).lines() {
                writeln!(out, "{}", line.text.trim_end())?;
            }
            drop(inner);
            if self.batch {
                writeln!(out)?;
            }
            out.flush()?;
            if self.once {
                return Ok(());
            }
            thread::sleep(self.interval.saturating_sub(begin.elapsed()));
        }
    }

    // ── Live ─────────────────────────────────────────────────────────────────────────────────────

    /// The looking goes on beside the screen, so that a slow server does not hold up a key.
    fn live(&self, poller: Poller, board: &Board, server: &str) -> Result<(), Failure> {
        thread::spawn(move || poller.run());
        let mut terminal = Terminal::take()?;
        let mut skipped = 0;
        loop {
            let (columns, lines) = terminal.size();
            let inner = board.lock();
            let (shown, rows) = self
                .look(board, &inner, server)
                .screen(columns, lines, skipped);
            drop(inner);
            skipped = skipped.min(rows.saturating_sub(1));
            terminal.show(&shown)?;
            let page = isize::try_from(lines.saturating_sub(4).max(1)).unwrap_or(1);
            let by = match terminal.wait(DRAWN_EVERY)? {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Scroll(by)) => by,
                Some(Wish::Page(pages)) => pages * page,
                Some(Wish::Top) => isize::MIN,
                None => 0,
            };
            skipped = skipped.saturating_add_signed(by);
        }
    }
}
