//! One shard's thread: drives the event loop, carries calls between it and the shard, and lets the
//! executor's background tasks run.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::incident_log::IncidentLog;
use super::reload::Publication;
use super::shutdown::{Shutdown, Starting};
use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use crate::ring::{Bells, EventLoop, Gather, Handler, Rest, own_descriptors};
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

const TICK_EVERY_US: u64 = 250_000;

pub(super) struct Core {
    shard: Shard,
    started: Instant,
    /// Microseconds since the start, read once a wake.
    now_us: u64,
    next_tick_us: u64,
    incidents: IncidentLog,
    accept_failures: u64,
    publication: Arc<Publication>,
    /// Of the publication that is in force here.
    adopted: u64,
}

/// What all shards have in common.
#[derive(Clone)]
pub(super) struct Shared {
    /// Those of all shards.
    pub(super) listeners: Arc<[RawFd]>,
    pub(super) bells: Arc<Bells>,
    pub(super) publication: Arc<Publication>,
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
            incidents,
            shutdown,
        } = shared;
        let mut core = Core {
            shard,
            started: Instant::now(),
            now_us: 0,
            next_tick_us: TICK_EVERY_US,
            incidents,
            accept_failures: 0,
            adopted: publication.number(),
            publication,
        };
        // The policy comes last: whatever its libraries open belongs to this thread's table.
        let ready = ready(bells, index, &listeners, &shutdown).and_then(|ring| {
            core.shard.set_policy(core.publication.policy()?);
            Ok(ring)
        });
        let mut ring = match ready {
            Ok(ring) => {
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
            self.adopt();
        }
        ring.carry_out(self, &mut commands)?;

        let gather = self.shard.gather(self.now_us).map(|at_least| Gather {
            completions: ENOUGH,
            at_least,
        });
        let waiting = self.shard.has_waiting_letters();
        let rest = Rest {
            at_most: if waiting { NAP } else { at_most },
            gather: gather.filter(|_| !waiting),
        };
        let completions = ring.turn(self, rest)?;
        let gathered = rest.gather.is_some() && ring.can_gather();
        self.shard.woke(completions, gathered, self.now_us);
        Ok(())
    }

    /// Puts in force what a reload has published.
    fn adopt(&mut self) {
        let number = self.publication.number();
        if number == self.adopted {
            return;
        }
        self.adopted = number;
        let outcome = self.publication.policy();
        self.publication
            .answer(outcome.map(|policy| self.shard.set_policy(policy)));
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
        while ring.has_unread() && Instant::now() < last_reads {
            self.turn(ring, Duration::ZERO)?;
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
        info!(shard = index, ?counters, "reset {reset} connections");
        Ok(())
    }
}

/// A ring that listens, with a descriptor table of its own behind it: the limit on open files is then
/// this shard's alone, and no other shard's accepting and closing contends for the table. Rings are
/// made before, so that every table has all of them: doorbells go by descriptor.
fn ready(
    bells: Arc<Bells>,
    index: usize,
    listeners: &[RawFd],
    shutdown: &Shutdown,
) -> Result<EventLoop, String> {
    let mut ring = EventLoop::new(bells, index).map_err(|error| error.to_string())?;
    shutdown.wait_for_rings()?;
    let mut copies = own_descriptors(listeners).map_err(|error| error.to_string())?;
    ring.listen(copies.swap_remove(index))
        .map_err(|error| error.to_string())?;
    Ok(ring)
}

impl Handler for Core {
    fn woke(&mut self) {
        self.now_us = self.started.elapsed().as_micros() as u64;
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
