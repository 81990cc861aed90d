//! One shard's thread: drives the event loop, carries calls between it and the shard, and lets the
//! executor's background tasks run.

mod drain;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tracing::{debug, info, warn};

use super::housekeeping::CompactionRequests;
use super::incident_log::IncidentLog;
use super::lifecycle::{Lifecycle, ShardFailure, StartReport};
use super::listeners::SharedListeners;
use super::policy_mailbox::PolicyMailbox;
use super::publisher::{Publisher, SLICE_EVERY_US};
use crate::admin::board::Board;
use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use crate::io::{Bells, EventLoop, Handler};
use crate::shard::{Context, Shard};
use drain::ShardDrain;

/// Background tasks and timers run this often while there is work, and at every wake while there is
/// none.
#[cfg(not(target_env = "musl"))]
const YIELD_EVERY_US: u64 = 10_000;

/// The longest sleep while the shard shuts down.
const SHUTDOWN_SLEEP: Duration = Duration::from_millis(1);

/// Turns in which a stopping shard accepts connections that wait. New dials do not prolong it.
const LAST_ACCEPTS: u32 = 256;

const TICK_EVERY_US: u64 = 250_000;

/// The longest sleep while somebody watches the keys.
const SLICE_EVERY: Duration = Duration::from_micros(SLICE_EVERY_US);

pub(super) struct ShardThread {
    index: usize,
    shard: Shard,
    started: Instant,
    /// Microseconds since the start, read once per wake.
    now_us: u64,
    next_tick_us: u64,
    incidents: IncidentLog,
    accept_failures: u64,
    publisher: Publisher,
    policies: Arc<PolicyMailbox>,
    compactions: CompactionRequests,
    /// Requests for a compaction that were followed.
    compactions_begun: u64,
}

/// What all shards have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) bells: Arc<Bells>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

/// What all shards have in common, and what a second start takes over from the first.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) listeners: SharedListeners,
    pub(super) policies: Arc<PolicyMailbox>,
    pub(super) compactions: CompactionRequests,
    pub(super) board: Arc<Board>,
    /// Memory that the keys of one scan for the admin page may take.
    pub(super) scanned_bytes: usize,
    pub(super) incidents: IncidentLog,
}

impl Parts {
    pub(super) fn with(&self, bells: Bells, lifecycle: Lifecycle) -> Shared {
        Shared {
            parts: self.clone(),
            bells: Arc::new(bells),
            lifecycle: Arc::new(lifecycle),
        }
    }
}

/// A shard that serves.
pub(super) struct RunningShard {
    thread: ShardThread,
    event_loop: EventLoop,
    lifecycle: Arc<Lifecycle>,
    drain: Option<ShardDrain>,
}

impl RunningShard {
    /// Serves until the process shuts down. An error is one of the event loop itself; it ends the process.
    pub(super) fn run(mut self) -> io::Result<()> {
        let outcome = self.serve_for(u64::MAX);
        self.finish(outcome)
    }

    /// As `run`, and lets the executor run its background tasks now and then.
    #[cfg(not(target_env = "musl"))]
    pub(super) async fn run_in_executor(mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        while outcome.is_ok() && !self.lifecycle.has_begun() {
            outcome = self.serve_for(YIELD_EVERY_US);
            glommio::executor().yield_task_queue_now().await;
        }
        self.finish(outcome)
    }

    /// Serves for that long and until the next wake, or until the shutdown begins.
    fn serve_for(&mut self, microseconds: u64) -> io::Result<()> {
        let until_us = self.thread.now_us.saturating_add(microseconds);
        while self.thread.now_us < until_us && !self.lifecycle.has_begun() {
            let at_most = self.drain()?;
            self.thread.turn(&mut self.event_loop, at_most)?;
        }
        Ok(())
    }

    fn finish(mut self, outcome: io::Result<()>) -> io::Result<()> {
        let outcome = outcome.and_then(|()| {
            let event_loop = &mut self.event_loop;
            self.thread.finish(event_loop, &self.lifecycle)
        });
        if let Err(error) = &outcome {
            // A silently missing shard is worse than a restart: workers send all state again within
            // one heartbeat period.
            let shard = self.thread.index;
            tracing::error!(shard, "the event loop failed: {error}");
            std::process::abort();
        }
        outcome
    }
}

impl ShardThread {
    /// Opens the shard's event loop and reports how that went. None: the shard cannot start.
    pub(super) fn start(
        shard: Shard,
        index: usize,
        shared: Shared,
        start_report: StartReport,
    ) -> Option<RunningShard> {
        let Shared {
            parts,
            bells,
            lifecycle,
        } = shared;
        let event_loop = match open_event_loop(bells, index, &parts.listeners, &lifecycle) {
            Ok(event_loop) => event_loop,
            Err(failure) => {
                start_report.send(Err(failure));
                return None;
            }
        };
        let mut thread = ShardThread {
            index,
            shard,
            // One clock for all shards, so that the ages of keys can be compared.
            started: parts.board.epoch(),
            now_us: 0,
            next_tick_us: 0,
            publisher: Publisher::new(parts.board, index, parts.scanned_bytes),
            incidents: parts.incidents,
            accept_failures: 0,
            policies: parts.policies,
            compactions: parts.compactions,
            compactions_begun: 0,
        };
        thread.woke();
        thread.publisher.begin(thread.now_us);
        start_report.send(Ok(()));
        Some(RunningShard {
            thread,
            event_loop,
            lifecycle,
            drain: None,
        })
    }

    /// One wake: the shard's work between two sleeps, then the sleep.
    fn turn(&mut self, event_loop: &mut EventLoop, at_most: Duration) -> io::Result<()> {
        let mut commands = Commands::default();
        self.call(&mut commands, |shard, cx| shard.exchange_messages(cx));
        if self.now_us >= self.next_tick_us {
            self.next_tick_us = self.now_us + TICK_EVERY_US;
            self.tick(event_loop, &mut commands);
        }
        event_loop.apply_commands(self, &mut commands)?;
        let (bells, failures) = (event_loop.bells_rung(), self.accept_failures);
        self.publisher
            .publish(&self.shard, self.now_us, bells, failures);

        let started = self.started;
        let mut plan = self
            .shard
            .end_wake(self.now_us, || microseconds_since(started));
        plan.at_most = plan.at_most.min(at_most);
        // While completions are batched there is a wake soon in any case.
        if plan.batching.is_none() && self.publisher.has_work() {
            plan.at_most = plan.at_most.min(SLICE_EVERY);
        }
        let completions = event_loop.turn(self, plan)?;
        let batched = plan.batching.is_some();
        self.shard.woke(completions, batched, self.now_us);
        Ok(())
    }

    fn tick(&mut self, event_loop: &mut EventLoop, commands: &mut Commands) {
        self.call(commands, |shard, cx| {
            shard.tick(cx, |id| event_loop.unacknowledged_bytes(id));
        });
        if let Some(policy) = self.policies.take(self.index) {
            let old = self.shard.set_policy(policy);
            self.policies.give_back(self.index, old);
        }
        let requests = self.compactions.count();
        if std::mem::replace(&mut self.compactions_begun, requests) != requests {
            self.shard.begin_compaction();
        }
        self.publisher.tick(self.now_us);
    }

    /// Calls the shard with what it works with: the one place where a `Context` is made.
    fn call(&mut self, commands: &mut Commands, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut cx = Context {
            now_us: self.now_us,
            commands,
            incidents: &mut self.incidents,
        };
        call(&mut self.shard, &mut cx);
    }

    // ── The end ──────────────────────────────────────────────────────────────────────────────────

    fn finish(&mut self, event_loop: &mut EventLoop, lifecycle: &Lifecycle) -> io::Result<()> {
        self.shard.drop_waiting_reads();
        self.read_the_last(event_loop, lifecycle)?;
        event_loop.stop_listening()?;
        let mut commands = Commands::default();
        self.call(&mut commands, |shard, cx| shard.stop_reading(cx));
        event_loop.apply_commands(self, &mut commands)?;
        info!(
            shard = self.index,
            connections = event_loop.connections(),
            "stopped accepting; answering the requests in flight"
        );
        self.answer_the_last(event_loop, lifecycle)?;
        let counters = self.shard.counters();
        let mut commands = Commands::default();
        for id in self.shard.connections() {
            commands.push(Command::Close(id, Ending::Reset));
        }
        let reset = self.shard.connections().count();
        event_loop.apply_commands(self, &mut commands)?;
        while event_loop.connections() > 0 && !lifecycle.is_past_deadline() {
            self.turn(event_loop, SHUTDOWN_SLEEP)?;
        }
        info!(shard = self.index, "reset {reset} connections");
        debug!(shard = self.index, ?counters, "final counters");
        Ok(())
    }

    /// Reads what peers sent before the signal: bytes sent before the signal count as in flight, even if
    /// unread.
    fn read_the_last(
        &mut self,
        event_loop: &mut EventLoop,
        lifecycle: &Lifecycle,
    ) -> io::Result<()> {
        // One turn accepts connections, the next one reads from them.
        self.turn(event_loop, Duration::ZERO)?;
        let mut accepts = 0;
        while event_loop.has_unaccepted() && accepts < LAST_ACCEPTS {
            self.turn(event_loop, Duration::ZERO)?;
            accepts += 1;
        }
        self.turn(event_loop, Duration::ZERO)?;
        // A peer that waits for its list has been paused, and what it has sent lies in its socket.
        event_loop.note_unread();
        while event_loop.owes_reads() && !lifecycle.is_past_deadline() {
            self.turn(event_loop, SHUTDOWN_SLEEP)?;
        }
        Ok(())
    }

    /// Answers what is in flight, and stays for the others' messages until all shards owe nothing.
    fn answer_the_last(
        &mut self,
        event_loop: &mut EventLoop,
        lifecycle: &Lifecycle,
    ) -> io::Result<()> {
        let mut settled = false;
        while !lifecycle.all_shards_done() && !lifecycle.is_past_deadline() {
            self.turn(event_loop, SHUTDOWN_SLEEP)?;
            let owes_nothing =
                !event_loop.is_reading() && self.shard.is_settled() && event_loop.all_delivered();
            if owes_nothing && !settled {
                settled = true;
                lifecycle.report_shard_done();
            }
        }
        if !settled {
            warn!(
                shard = self.index,
                "server.shutdown_deadline passed before peers took all of their answers"
            );
        }
        Ok(())
    }
}

/// Opens an event loop that listens, and gives the thread a descriptor table of its own: the limit on open
/// files is then this shard's alone, and no other shard contends for the table. All event loops are opened
/// first, so that every table has all of them: doorbells go by descriptor.
fn open_event_loop(
    bells: Arc<Bells>,
    index: usize,
    listeners: &SharedListeners,
    lifecycle: &Lifecycle,
) -> Result<EventLoop, ShardFailure> {
    let mut event_loop = EventLoop::new(bells, index)?;
    lifecycle.wait_for_all_event_loops()?;
    listeners.take(index, &mut event_loop)?;
    Ok(event_loop)
}

fn microseconds_since(started: Instant) -> u64 {
    started.elapsed().as_micros() as u64
}

impl Handler for ShardThread {
    fn woke(&mut self) {
        self.now_us = microseconds_since(self.started);
        self.incidents.set_time(self.now_us);
    }

    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands) {
        self.call(commands, |shard, cx| shard.opened(id, peer, cx));
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        self.call(commands, |shard, cx| shard.received(id, bytes, cx));
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        self.call(commands, |shard, cx| shard.finished(id, cx));
    }

    fn sent(&mut self, id: ConnectionId, bytes: usize, held_bytes: usize, commands: &mut Commands) {
        self.call(commands, |shard, cx| shard.sent(id, bytes, held_bytes, cx));
    }

    fn blocked(&mut self, id: ConnectionId) {
        self.shard.blocked(id, self.now_us);
    }

    fn closed(
        &mut self,
        id: ConnectionId,
        why: Closed,
        held_bytes: usize,
        _commands: &mut Commands,
    ) {
        self.shard.closed(id, why, held_bytes);
    }

    fn freed(&mut self, bytes: usize) {
        self.shard.freed(bytes);
    }

    fn awaits_sent(&mut self, id: ConnectionId) -> bool {
        self.shard.awaits_sent(id)
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        self.shard.take_outbox(id)
    }

    fn has_messages(&self) -> bool {
        self.shard.has_messages()
    }

    fn accept_failed(&mut self, error: io::Error) {
        self.accept_failures += 1;
        // Ten failures a second at most; one line a second is enough.
        if self.accept_failures % 10 == 1 {
            let out_of_files = [Errno::MFILE, Errno::NFILE].map(|error| Some(error.raw_os_error()));
            let hint = if out_of_files.contains(&error.raw_os_error()) {
                " (see the open-file limit)"
            } else {
                ""
            };
            warn!(
                failures = self.accept_failures,
                "cannot accept connections: {error}; trying again in 100 ms{hint}"
            );
        }
    }
}
