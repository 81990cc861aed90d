//! `top`: which workers report, the longest silent first, live or as plain text.

mod poll;
mod table;
mod terminal;
mod watch;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::error::CommandError;
use super::options::{self, ServerOptions};
use crate::config::Sources;
use crate::units::show_utc;
use poll::{PollOptions, Poller, SharedView};
use table::Table;
use terminal::{Terminal, UserAction};

/// Where Storm's workers write.
const WORKERBEATS: &str = "/workerbeats";

/// Watch which workers report, the longest silent first
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Top {
    /// Time from one poll to the next
    #[arg(short = 'n', long, value_name = "TIME", default_value = "2s", value_parser = options::time)]
    interval: Duration,

    /// Age from which a worker counts as stale; Nimbus waits 30 s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = options::time)]
    stale: Duration,

    /// Only topologies whose ids begin with this
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    topology: String,

    /// Bytes a second that polling may receive
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = options::size)]
    max_rate: u64,

    /// Print the table once as plain text
    #[arg(long)]
    once: bool,

    /// Print the table after each poll as plain text
    #[arg(long, conflicts_with = "once")]
    batch: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
AGE is the time since a key's bytes last changed. The protocol has no ages, so top watches for changes. \
Until a key has changed once, its age is that of the heartbeat by its worker's clock, marked with ~.
Each poll receives everything that is stored: topology by topology, or key by key from Storm's server and \
for a topology that does not fit into one message. --max-rate limits this, and makes polls take longer.

Keys: q or Ctrl-C quits; arrows, j, k, space, b and g scroll.

Exit codes: 0 done; 1 the server does not answer; 2 wrong usage or configuration.

Examples:
  storm-pacemaker top
  storm-pacemaker top --topology wordcount- --stale 10s
  storm-pacemaker top --once | head -20                # the workers silent for longest";

/// How often the screen is drawn, so that ages advance.
const DRAWN_EVERY: Duration = Duration::from_millis(500);

impl Top {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let is_live = !self.once && !self.batch;
        if is_live && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            let why = "top needs a terminal; --once or --batch print plain text";
            return Err(CommandError::Usage(why.to_owned()));
        }
        let target = self.server.target(sources)?;
        let server = target.server.to_string();
        let shared = SharedView::new();
        let options = PollOptions {
            target,
            interval: self.interval,
            max_rate: self.max_rate,
            topology: self.topology.clone(),
        };
        let poller = Poller::connect(options, shared.clone())?;
        if is_live {
            self.live(poller, &shared, &server)
        } else {
            self.print(poller, &shared, &server)
        }
    }

    fn table<'a>(&self, shared: &SharedView, view: &'a poll::View, server: &'a str) -> Table<'a> {
        Table {
            server,
            view,
            now: shared.now(),
            stale: self.stale,
            interval: self.interval,
        }
    }

    // ── Plain text ───────────────────────────────────────────────────────────────────────────────

    fn print(
        &self,
        mut poller: Poller,
        shared: &SharedView,
        server: &str,
    ) -> Result<(), CommandError> {
        let mut out = BufWriter::new(io::stdout().lock());
        loop {
            let begin = Instant::now();
            poller.poll()?;
            let view = shared.lock();
            let date = show_utc(shared.now().unix_secs).unwrap_or_default();
            write!(out, "{date}  ")?;
            for line in self.table(shared, &view, server).lines() {
                writeln!(out, "{}", line.text.trim_end())?;
            }
            drop(view);
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

    /// Polls on a thread of its own, so that a slow server does not delay the keys.
    fn live(&self, poller: Poller, shared: &SharedView, server: &str) -> Result<(), CommandError> {
        thread::spawn(move || poller.run());
        let mut terminal = Terminal::take()?;
        let mut skipped = 0;
        loop {
            let (columns, lines) = terminal.size();
            let view = shared.lock();
            let (shown, rows) = self
                .table(shared, &view, server)
                .screen(columns, lines, skipped);
            drop(view);
            skipped = skipped.min(rows.saturating_sub(1));
            terminal.show(&shown)?;
            let page = isize::try_from(lines.saturating_sub(4).max(1)).unwrap_or(1);
            let by = match terminal.wait(DRAWN_EVERY)? {
                Some(UserAction::Quit) => return Ok(()),
                Some(UserAction::Scroll(by)) => by,
                Some(UserAction::Page(pages)) => pages * page,
                Some(UserAction::Top) => isize::MIN,
                None => 0,
            };
            skipped = skipped.saturating_add_signed(by);
        }
    }
}
