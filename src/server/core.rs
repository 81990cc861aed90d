//! One shard's thread: drives the event loop, carries calls between it and the shard, and lets the
//! executor's background tasks run.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::incident_log::IncidentLog;
use super::listeners::Shares;
use super::publisher::{Publisher, SLICE_EVERY_US};
use super::reload::Publication;
use super::shutdown::{Shutdown, Starting};
use crate::admin::board::Board;
use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use crate::ring::{Bells, EventLoop, Gather, Handler, Rest};
use crate::shard::pace::ENOUGH;
use crate::shard::{Context, Shard};

/// Background tasks and timers get their turn this often while there is work, and at every wake
/// while there is none.
const YIELD_EVERY_US: u64 = 10_000;

/// The longest sleep. It is also the most that a lost doorbell could cost.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// A nap while letters wait for room in another shard's mailbox, or while shutting down.
const NAP: Duration = Duration::from_millis(1);

/// How long a shard that stops goes on reading while peers go on sending.
const LAST_READS: Duration = Duration::from_millis(250);
const LAST_TURNS: u32 = 256;

const TICK_EVERY_US: u64 = 250_000;

/// The longest sleep while somebody looks at the keys.
const SLICE_EVERY: Duration = Duration::from_micros(SLICE_EVERY_US);

pub(super) struct Core {
    shard: Shard,
    started: Instant,
    /// Microseconds since the start, read once a wake.
    now_us: u64,
    next_tick_us: u64,
    incidents: IncidentLog,
    accept_failures: u64,
    publisher: Publisher,
    publication: Arc<Publication>,
    index: usize,
}

/// What all shards have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) listeners: Shares,
    pub(super) bells: Arc<Bells>,
    pub(super) publication: Arc<Publication>,
    pub(super) board: Arc<Board>,
    pub(super) incidents: IncidentLog,
    pub(super) shutdown: Arc<Shutdown>,
}

impl Core {
    /// Serves until the process shuts down. An error is the ring's own, and so the process's.
    pub(super) async fn run(
        shard: Shard,
        index: usize,
        shared: Shared,
        starting: Starting,
    ) -> io::Result<()> {
        let Shared {
            listeners,
            bells,
            publication,
            board,
            incidents,
            shutdown,
        } = shared;
        let mut core = Core {
            shard,
            // One clock for all shards, so that ages of keys can be compared.
            started: board.epoch(),
            now_us: 0,
            next_tick_us: 0,
            publisher: Publisher::new(board, index),
            incidents,
            accept_failures: 0,
            publication,
            index,
        };
        let ready = ready(bells, index, &listeners, &shutdown);
        let mut ring = match ready {
            Ok(ring) => {
                core.woke();
                core.publisher.begin(core.now_us);
                starting.report(Ok(()));
                ring
            }
            Err(error) => {
                starting.report(Err(error));
                return Ok(());
            }
        };
        let outcome = core.serve(&mut ring, &shutdown).await;
        let outcome = match outcome {
            Ok(()) => core.finish(&mut ring, index, &shutdown),
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            // A shard that is silently missing is worse than a process that starts again: state
            // refills within one heartbeat period.
            tracing::error!(shard = index, "the event loop failed: {error}");
            std::process::abort();
        }
        outcome
    }

    async fn serve(&mut self, ring: &mut EventLoop, shutdown: &Shutdown) -> io::Result<()> {
        let mut next_yield_us = 0;
        while !shutdown.stopping() {
            self.turn(ring, LONGEST_SLEEP)?;
            if self.now_us >= next_yield_us {
                next_yield_us = self.now_us + YIELD_EVERY_US;
                glommio::executor().yield_task_queue_now().await;
            }
        }
        Ok(())
    }

    /// One wake and what follows from it.
    fn turn(&mut self, ring: &mut EventLoop, at_most: Duration) -> io::Result<()> {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut self.incidents,
        };
        self.shard.mail(&mut cx);
        if self.now_us >= self.next_tick_us {
            self.next_tick_us = self.now_us + TICK_EVERY_US;
            self.shard.tick(&mut cx, |id| ring.unacknowledged_bytes(id));
            if let Some(policy) = self.publication.take(self.index) {
                let old = self.shard.set_policy(policy);
                self.publication.give_back(self.index, old);
            }
            self.publisher.tick(self.now_us);
        }
        ring.carry_out(self, &mut commands)?;
        let (bells, failures) = (ring.bells_rung(), self.accept_failures);
        self.publisher
            .turn(&self.shard, self.now_us, bells, failures);

        let gather = self.shard.gather(self.now_us).map(|at_least| Gather {
            completions: ENOUGH,
            at_least,
        });
        let waiting = self.shard.has_waiting_letters();
        let rest = Rest {
            at_most: match waiting {
                true => NAP,
                // Where completions gather there is a wake soon in any case.
                false if gather.is_none() && self.publisher.has_work() => at_most.min(SLICE_EVERY),
                false => at_most,
            },
            gather: gather.filter(|_| !waiting),
        };
        if self.shard.has_answered() {
            // The only further look at the clock, and one for all answers of a wake.
            self.shard.handed_over(self.now_us, self.elapsed_us());
        }
        let completions = ring.turn(self, rest)?;
        let gathered = rest.gather.is_some() && ring.can_gather();
        self.shard.woke(completions, gathered, self.now_us);
        Ok(())
    }

    fn elapsed_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    // ── The end ──────────────────────────────────────────────────────────────────────────────────

    fn finish(
        &mut self,
        ring: &mut EventLoop,
        index: usize,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        // What peers have sent before the signal is in flight, whether we have read it or not. The
        // first turn accepts who has dialled, the second reads from them.
        let last_reads = Instant::now() + LAST_READS;
        for _ in 0..2 {
            self.turn(ring, Duration::ZERO)?;
        }
        // A shard that others keep off its core loses time, and not its turns.
        let mut turns = 0;
        while ring.has_unread() && (turns < LAST_TURNS || Instant::now() < last_reads) {
            self.turn(ring, Duration::ZERO)?;
            turns += 1;
        }
        ring.stop_listening()?;
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut self.incidents,
        };
        self.shard.stop_reading(&mut cx);
        ring.carry_out(self, &mut commands)?;
        info!(
            shard = index,
            connections = ring.connections(),
            "stopped accepting; answering what is in flight"
        );
        let mut settled = false;
        while !shutdown.all_settled() && !shutdown.past_deadline() {
            self.turn(ring, NAP)?;
            let owes_nothing =
                !ring.is_reading() && self.shard.is_settled() && ring.all_delivered();
            if owes_nothing && !settled {
                settled = true;
                shutdown.report_settled();
            }
        }
        if !settled {
            warn!(
                shard = index,
                "the deadline came before every answer was taken (server.shutdown_deadline)"
            );
        }
        let counters = self.shard.counters();
        let mut commands = Commands::default();
        let reset = self.shard.connections().count();
        for id in self.shard.connections() {
            commands.push(Command::Close(id, Ending::Reset));
        }
        ring.carry_out(self, &mut commands)?;
        while ring.connections() > 0 && !shutdown.past_deadline() {
            self.turn(ring, NAP)?;
        }
        info!(shard = index, "reset {reset} connections");
        debug!(shard = index, ?counters, "counted");
        Ok(())
    }
}

/// A ring that listens, with a descriptor table of its own behind it: the limit on open files is then
/// this shard's alone, and no other shard's accepting and closing contends for the table. Rings are
/// made before, so that every table has all of them: doorbells go by descriptor.
fn ready(
    bells: Arc<Bells>,
    index: usize,
    listeners: &Shares,
    shutdown: &Shutdown,
) -> Result<EventLoop, String> {
    let mut ring = EventLoop::new(bells, index).map_err(|error| error.to_string())?;
    shutdown.wait_for_rings()?;
    listeners
        .take(index, &mut ring)
        .map_err(|error| error.to_string())?;
    Ok(ring)
}

impl Handler for Core {
    fn woke(&mut self) {
        self.now_us = self.elapsed_us();
        self.incidents.set_time(self.now_us);
    }

    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands) {
        let mut cx = Context {
            now_us: self.now_us,
            commands,
            incidents: &mut self.incidents,
        };
        self.shard.opened(id, peer, &mut cx);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let mut cx = Context {
            now_us: self.now_us,
            commands,
            incidents: &mut self.incidents,
        };
        self.shard.received(id, bytes, &mut cx);
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        let mut cx = Context {
            now_us: self.now_us,
            commands,
            incidents: &mut self.incidents,
        };
        self.shard.finished(id, &mut cx);
    }

    fn sent(&mut self, id: ConnectionId, bytes: usize, commands: &mut Commands) {
        let mut cx = Context {
            now_us: self.now_us,
            commands,
            incidents: &mut self.incidents,
        };
        self.shard.sent(id, bytes, &mut cx);
    }

    fn blocked(&mut self, id: ConnectionId) {
        self.shard.blocked(id, self.now_us);
    }

    fn closed(&mut self, id: ConnectionId, why: Closed, _commands: &mut Commands) {
        self.shard.closed(id, why);
    }

    fn awaits_sent(&mut self, id: ConnectionId) -> bool {
        self.shard.awaits_sent(id)
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        self.shard.take_outbox(id)
    }

    fn has_mail(&self) -> bool {
        self.shard.has_mail()
    }

    fn accept_failed(&mut self, error: io::Error) {
        self.accept_failures += 1;
        // Ten times a second at most; a line a second is enough.
        if self.accept_failures % 10 == 1 {
            warn!(
                failures = self.accept_failures,
                "accepting no connection for a moment: {error} (see the open-file limit)"
            );
        }
    }
}
