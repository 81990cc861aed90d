//! The data plane of one thread: an io_uring that accepts, receives, sends and sleeps. It knows
//! sockets, bytes and doorbells. What the bytes mean is the handler's business.
//!
//! One call of [`EventLoop::turn`] is one wake: it submits what the last one queued, sleeps, and
//! hands each completion to the handler. Everything that the handler queues for one connection
//! during a turn leaves in one send.

mod buffers;
mod connections;
mod doorbell;
mod ending;
mod opening;
mod operation;
mod receiving;
mod sending;
mod socket;

pub use doorbell::Bells;
pub(crate) use doorbell::Ringer;
pub(crate) use socket::adopt_listener;
pub use socket::{listen_at, local_address, own_descriptors};

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue};

use crate::connection::{Batching, Closed, Command, Commands, ConnectionId, Outbox, SleepPlan};
use buffers::ReceiveBuffers;
use connections::{Connections, Receive};
use opening::Listener;
use operation::{Operation, UserData};
use sending::Sending;

/// Entries of the submission queue; a turn that fills it submits early.
const SUBMISSIONS: u32 = 2048;

/// Entries of the completion queue. What does not fit waits in the kernel (IORING_FEAT_NODROP).
const COMPLETIONS: u32 = 16_384;

/// The logic that an event loop drives. The loop calls it on its own thread.
pub trait Handler {
    /// The loop has woken up; the completions follow. Read the clock here.
    fn woke(&mut self);
    /// A connection is open: accepted, or dialled before. Bytes are read from it unless the
    /// handler pauses or closes it.
    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands);
    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands);
    /// The peer has sent its FIN. The handler closes the connection when it owes no more answers.
    fn finished(&mut self, id: ConnectionId, commands: &mut Commands);
    /// The kernel has taken `bytes` of what `take_outbox` gave.
    fn sent(&mut self, id: ConnectionId, bytes: usize, commands: &mut Commands);
    /// The kernel did not take all of a send: the peer does not read as fast.
    fn blocked(&mut self, id: ConnectionId);
    /// The connection is gone. Its id is never used again.
    fn closed(&mut self, id: ConnectionId, why: Closed, commands: &mut Commands);
    /// What is queued for the connection. It belongs to the loop from here on.
    fn take_outbox(&mut self, id: ConnectionId) -> Outbox;
    /// Whether something waits for `sent`, so that the loop must wake for it. If not, `sent` is
    /// called at the next wake, whatever that is for.
    fn awaits_sent(&mut self, _id: ConnectionId) -> bool {
        false
    }
    /// Whether other threads have left messages that no doorbell will tell of.
    fn has_messages(&self) -> bool;
    /// The loop stops accepting for a moment: no descriptors or no memory are left.
    fn accept_failed(&mut self, error: io::Error);
}

pub struct EventLoop {
    // Dropped in this order: the ring before the memory that the kernel writes to.
    ring: IoUring,
    buffers: ReceiveBuffers,
    connections: Connections,
    /// Their indexes do not change. None: it no longer listens.
    listeners: Vec<Option<Listener>>,
    /// Connections whose outbox is to be sent.
    pending_send: Vec<ConnectionId>,
    /// The sends of the current submission, and the results of those that fell short.
    sends: Vec<(Sending, Option<i32>)>,
    completions: Vec<(UserData, i32, u32)>,
    commands: Commands,
    bells: Arc<Bells>,
    /// Which bell is ours.
    index: usize,
    can_batch: bool,
    bells_rung: u64,
}

impl EventLoop {
    /// A ring for the calling thread, which must be the one that calls `turn`.
    ///
    /// Fails where the kernel is older than 6.1 or io_uring is forbidden; `server::preflight` says
    /// which.
    pub fn new(bells: Arc<Bells>, index: usize) -> io::Result<EventLoop> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = ReceiveBuffers::register(&ring)?;
        bells.hang(index, ring.as_raw_fd());
        let can_batch = ring.params().is_feature_min_timeout();
        Ok(EventLoop {
            ring,
            buffers,
            connections: Connections::default(),
            listeners: Vec::new(),
            pending_send: Vec::new(),
            sends: Vec::new(),
            completions: Vec::new(),
            commands: Commands::default(),
            bells,
            index,
            can_batch,
            bells_rung: 0,
        })
    }

    /// Whether the kernel has the minimum wait (Linux 6.12).
    pub(crate) fn can_batch(&self) -> bool {
        self.can_batch
    }

    /// Bells rung so far, at loops that slept.
    pub(crate) fn bells_rung(&self) -> u64 {
        self.bells_rung
    }

    /// Connections that are not gone yet.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether the kernel may still hand over bytes of a peer.
    pub(crate) fn is_reading(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.receive != Receive::Idle)
    }

    /// Whether a peer that we read from has sent what we have not taken.
    pub(crate) fn has_unread(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.wanted && socket::unread_bytes(&connection.socket) > 0)
    }

    /// Bytes that were sent to a peer and that it has not acknowledged.
    pub(crate) fn unacknowledged_bytes(&mut self, id: ConnectionId) -> usize {
        self.connections.get(id).map_or(0, |connection| {
            socket::unacknowledged_bytes(&connection.socket)
        })
    }

    /// Whether all that was handed over for sending has reached the peers.
    pub(crate) fn all_delivered(&self) -> bool {
        self.pending_send.is_empty()
            && self.connections.iter().all(|connection| {
                connection.blocked.is_none()
                    && socket::unacknowledged_bytes(&connection.socket) == 0
            })
    }

    /// Applies commands that were queued outside of a handler's call.
    pub fn apply_commands(
        &mut self,
        handler: &mut impl Handler,
        commands: &mut Commands,
    ) -> io::Result<()> {
        for command in commands.drain() {
            self.apply(handler, command)?;
        }
        Ok(())
    }

    /// One wake: submits, sleeps as `plan` allows, and hands the completions to the handler. Returns their
    /// number.
    ///
    /// An error is one of the ring itself; it never stems from a peer.
    pub fn turn(&mut self, handler: &mut impl Handler, plan: SleepPlan) -> io::Result<usize> {
        self.rearm_paused_accepts(Instant::now())?;
        self.prepare_sends(handler)?;
        self.sleep(handler, plan)?;
        handler.woke();
        self.finish_sends(handler)?;
        let mut completions = std::mem::take(&mut self.completions);
        let count = completions.len();
        for (data, result, flags) in completions.drain(..) {
            self.complete(handler, data, result, flags)?;
        }
        self.completions = completions;
        self.buffers.publish();
        Ok(count)
    }

    // ── Sleeping ─────────────────────────────────────────────────────────────────────────────────

    fn sleep(&mut self, handler: &impl Handler, plan: SleepPlan) -> io::Result<()> {
        self.bells.mark_asleep(self.index);
        let awake = !self.pending_send.is_empty() || handler.has_messages();
        let at_most = if awake { Duration::ZERO } else { plan.at_most };
        // Below the kernel's microsecond there is no minimum, and it would wait for the count. It
        // would also wait for a minimum that is longer than the longest sleep.
        let batching = plan.batching.filter(|batching| {
            let sound = (Duration::from_micros(1)..=at_most).contains(&batching.at_least);
            self.can_batch && !awake && sound
        });
        let outcome = self.submit_and_sleep(at_most, batching);
        self.bells.mark_awake(self.index);
        outcome
    }

    fn submit_and_sleep(
        &mut self,
        at_most: Duration,
        batching: Option<Batching>,
    ) -> io::Result<()> {
        let timeout = Timespec::from(at_most);
        let no_time = Timespec::new();
        let mut arguments = SubmitArgs::new().timespec(&timeout);
        let mut want = 1;
        if let Some(batching) = batching {
            arguments = arguments.min_wait_usec(batching.at_least.as_micros() as u32);
            want = batching.completions as usize;
        }
        loop {
            match self.ring.submitter().submit_with_args(want, &arguments) {
                Ok(_) => {}
                // Not errors: a timeout, a signal, or completions that must be taken first.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                    ) => {}
                Err(error) => return Err(error),
            }
            self.collect();
            // A send counts as sent only when the kernel has taken its entry and every failure has
            // been seen.
            let queue = self.ring.submission();
            if queue.is_empty() && !queue.cq_overflow() {
                return Ok(());
            }
            want = 1;
            arguments = SubmitArgs::new().timespec(&no_time);
        }
    }

    fn collect(&mut self) {
        self.completions.extend(
            self.ring
                .completion()
                .map(|entry| (entry.user_data().into(), entry.result(), entry.flags())),
        );
    }

    // ── Completions ──────────────────────────────────────────────────────────────────────────────

    fn complete(
        &mut self,
        handler: &mut impl Handler,
        data: UserData,
        result: i32,
        flags: u32,
    ) -> io::Result<()> {
        match data.operation() {
            Operation::Receive => self.received(handler, data.id(), result, flags),
            Operation::Accept => {
                self.accepted(handler, data.slot() as usize, result, cqueue::more(flags))
            }
            Operation::Connect => self.connected(handler, data.id(), result),
            Operation::SendLater => self.sent_later(handler, data.id(), result),
            // `finish_sends` has dealt with it.
            Operation::SendNow => Ok(()),
            // What was cancelled completes by itself, or has done so already.
            Operation::Cancel => Ok(()),
            // The turn looks for messages in any case.
            Operation::Rung => Ok(()),
            Operation::Ring => {
                let owner = data.slot() as usize;
                self.bells.ring_failed(owner);
                self.ring_bell(owner)
            }
        }
    }

    // ── Commands ─────────────────────────────────────────────────────────────────────────────────

    fn apply_queued(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        if self.commands.is_empty() {
            return Ok(());
        }
        let mut commands = std::mem::take(&mut self.commands);
        self.apply_commands(handler, &mut commands)?;
        if self.commands.is_empty() {
            self.commands = commands; // keep its memory
        }
        Ok(())
    }

    fn apply(&mut self, handler: &mut impl Handler, command: Command) -> io::Result<()> {
        match command {
            Command::Send(id) => self.queue_send(id),
            Command::Pause(id) => {
                if let Some(connection) = self.connections.get(id) {
                    connection.wanted = false;
                    if connection.receive == Receive::Armed {
                        self.cancel_receive(id)?;
                    }
                }
            }
            Command::Resume(id) => {
                if let Some(connection) = self.connections.get(id) {
                    connection.wanted = true;
                }
                self.arm_receive(id)?;
            }
            Command::Close(id, ending) => self.end(handler, id, ending, Closed::ByUs)?,
            Command::RingBell(owner) => self.ring_bell(owner)?,
        }
        Ok(())
    }

    fn ring_bell(&mut self, owner: usize) -> io::Result<()> {
        match self.bells.entry_if_asleep(owner) {
            Some(entry) => {
                self.bells_rung += 1;
                self.push(&entry)
            }
            None => Ok(()),
        }
    }

    fn push(&mut self, entry: &Entry) -> io::Result<()> {
        push_entry(&mut self.ring, entry)
    }
}

/// Queues an entry; submits first where the queue is full.
#[allow(unsafe_code)] // the kernel will act on the entry's addresses
fn push_entry(ring: &mut IoUring, entry: &Entry) -> io::Result<()> {
    loop {
        // SAFETY: an entry points at nothing (accept, cancel, doorbell, poll, a receive from the
        // buffer ring, which lives as long as the ring) or into a `Sending`, which the event loop
        // keeps until the kernel is done with it: `sends` until they are finished, `blocked` until
        // its completion. They outlive the ring, and its requests: see `drop`.
        if unsafe { ring.submission().push(entry) }.is_ok() {
            return Ok(());
        }
        match ring.submit() {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.bells.take_down(self.index);
        // The kernel ends a ring's requests some time after the ring is closed. What they point to
        // must then outlive us; this happens at the end of the process only.
        if self.connections.len() > 0 || self.listeners.iter().any(Option::is_some) {
            self.buffers.leak();
            std::mem::forget(std::mem::take(&mut self.connections));
            std::mem::forget(std::mem::take(&mut self.sends));
        }
    }
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop")
            .field("index", &self.index)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}
