//! The data plane of one thread: an io_uring that accepts, receives, sends and sleeps. It knows
//! sockets, bytes and doorbells; what the bytes mean is its handler's business.
//!
//! One call of [`EventLoop::turn`] is one wake: it submits what the last one queued, sleeps, and
//! hands each completion to the handler. Everything that the handler queued for one connection
//! during a turn leaves in one send.

mod buffers;
mod connections;
mod doorbell;
mod operation;
mod sending;
mod socket;

pub use doorbell::{Bells, Ringer};
pub use socket::{listen_at, local_address};

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use buffers::ReceiveBuffers;
use connections::{Connections, Receive};
use operation::{Operation, UserData};
use sending::Sending;

/// Entries of the submission queue; a turn that fills it submits early.
const SUBMISSIONS: u32 = 2048;

/// Entries of the completion queue. What does not fit waits in the kernel (IORING_FEAT_NODROP).
const COMPLETIONS: u32 = 16_384;

/// How long accepting rests when the process or the host has run out of what a connection takes.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The logic that an event loop serves. All calls come from its thread.
pub trait Handler {
    /// The loop has slept, and will tell what has come: the time to read the clock.
    fn woke(&mut self);
    /// A connection has come (accepted, or dialled before). Bytes are read from it unless the
    /// handler pauses or closes it.
    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands);
    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands);
    /// The peer has said that it will send no more. The handler closes the connection when it
    /// owes no more answers.
    fn finished(&mut self, id: ConnectionId, commands: &mut Commands);
    /// So many bytes of what `take_outbox` gave have gone to the kernel.
    fn sent(&mut self, id: ConnectionId, bytes: usize, commands: &mut Commands);
    /// Not all of a send could go at once: the peer does not take its bytes.
    fn blocked(&mut self, id: ConnectionId);
    /// The connection is gone; its id will not come again.
    fn closed(&mut self, id: ConnectionId, why: Closed, commands: &mut Commands);
    /// What is queued for the connection; it is the loop's from here on.
    fn take_outbox(&mut self, id: ConnectionId) -> Outbox;
    /// Whether something waits for `sent`, so that the loop must wake for it. Otherwise it is told
    /// at the next wake, whatever that is for.
    fn awaits_sent(&mut self, _id: ConnectionId) -> bool {
        false
    }
    /// Whether letters have come that no bell will tell of.
    fn has_mail(&self) -> bool;
    /// Accepting rests for a moment: no descriptors or no memory left.
    fn accept_failed(&mut self, error: io::Error);
}

/// How the next turn may sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rest {
    /// Sleep no longer than this.
    pub at_most: Duration,
    /// Let completions gather, so that one wake serves many.
    pub gather: Option<Gather>,
}

/// Sleep until `completions` have come, or until one has and `at_least` is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gather {
    pub completions: u32,
    pub at_least: Duration,
}

pub struct EventLoop {
    // Dropped in this order: the ring before the memory that the kernel writes to.
    ring: IoUring,
    buffers: ReceiveBuffers,
    connections: Connections,
    listener: Option<Listener>,
    /// Connections whose outbox is to be sent.
    dirty: Vec<ConnectionId>,
    /// The sends of the submission under way, and how those that fell short ended.
    sends: Vec<(Sending, Option<i32>)>,
    completions: Vec<(UserData, i32, u32)>,
    commands: Commands,
    bells: Arc<Bells>,
    /// Which bell is ours.
    index: usize,
    can_gather: bool,
}

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    state: Accept,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Accept {
    Armed,
    /// Try again then.
    RestingUntil(Instant),
    /// Not wanted any more; the armed accept is being cancelled.
    Stopping,
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
        let can_gather = ring.params().is_feature_min_timeout();
        Ok(EventLoop {
            ring,
            buffers,
            connections: Connections::default(),
            listener: None,
            dirty: Vec::new(),
            sends: Vec::new(),
            completions: Vec::new(),
            commands: Commands::default(),
            bells,
            index,
            can_gather,
        })
    }

    /// Whether the kernel knows the minimum wait (Linux 6.12).
    pub fn can_gather(&self) -> bool {
        self.can_gather
    }

    /// Accepts connections from a listening socket from now on.
    pub fn listen(&mut self, socket: OwnedFd) -> io::Result<()> {
        assert!(self.listener.is_none(), "one listener an event loop");
        self.listener = Some(Listener {
            socket,
            state: Accept::Armed,
        });
        self.arm_accept()
    }

    /// Accepts no more. Connections that nobody has accepted are reset with the listening socket.
    pub fn stop_listening(&mut self) -> io::Result<()> {
        let Some(listener) = &mut self.listener else {
            return Ok(());
        };
        match listener.state {
            Accept::Armed => {
                listener.state = Accept::Stopping;
                self.cancel(UserData::new(Operation::Accept, 0, 0))
            }
            Accept::RestingUntil(_) => {
                self.listener = None;
                Ok(())
            }
            Accept::Stopping => Ok(()),
        }
    }

    /// Dials out. `opened` or `closed` follows.
    pub fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<ConnectionId> {
        let connection = self.connections.insert(socket::dial(to, from)?);
        connection.connecting = true;
        let id = connection.id;
        let entry = opcode::PollAdd::new(connection.fd(), libc::POLLOUT as u32)
            .build()
            .user_data(UserData::of(Operation::Connect, id).into());
        self.push(&entry)?;
        Ok(id)
    }

    /// Connections that are not gone yet.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether the kernel may still hand over bytes of a peer.
    pub fn is_reading(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.receive != Receive::Idle)
    }

    /// Whether a peer that we read from has sent what we have not taken.
    pub fn has_unread(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.wanted && socket::unread_bytes(&connection.socket) > 0)
    }

    /// Bytes that were sent to a peer and that it has not acknowledged.
    pub fn unacknowledged_bytes(&mut self, id: ConnectionId) -> usize {
        self.connections.get(id).map_or(0, |connection| {
            socket::unacknowledged_bytes(&connection.socket)
        })
    }

    /// Whether all that was handed over for sending has reached the peers.
    pub fn all_delivered(&self) -> bool {
        self.dirty.is_empty()
            && self.connections.iter().all(|connection| {
                connection.blocked.is_none()
                    && socket::unacknowledged_bytes(&connection.socket) == 0
            })
    }

    /// Carries out commands that were not queued by a handler's call.
    pub fn carry_out(
        &mut self,
        handler: &mut impl Handler,
        commands: &mut Commands,
    ) -> io::Result<()> {
        for command in commands.drain() {
            self.obey(handler, command)?;
        }
        Ok(())
    }

    /// One wake: submits, sleeps as `rest` allows, and tells the handler what has come. Returns the
    /// number of completions.
    ///
    /// An error is one of the ring itself; it never stems from a peer.
    pub fn turn(&mut self, handler: &mut impl Handler, rest: Rest) -> io::Result<usize> {
        self.wake_accept(Instant::now())?;
        self.prepare_sends(handler)?;
        self.sleep(handler, rest)?;
        handler.woke();
        self.settle_sends(handler)?;
        let mut completions = std::mem::take(&mut self.completions);
        let count = completions.len();
        for (data, result, flags) in completions.drain(..) {
            self.complete(handler, data, result, flags)?;
        }
        self.completions = completions;
        self.buffers.publish();
        Ok(count)
    }

    // ── Sending ──────────────────────────────────────────────────────────────────────────────────

    fn prepare_sends(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            connection.dirty = false;
            if connection.blocked.is_some() || connection.ending.is_some() {
                continue;
            }
            let outbox = handler.take_outbox(id);
            if outbox.is_empty() {
                continue;
            }
            let fd = connection.fd();
            let report = handler.awaits_sent(id);
            self.send_now(fd, Sending::new(id, outbox), report)?;
        }
        self.dirty = dirty;
        Ok(())
    }

    fn send_now(&mut self, fd: Fd, mut sending: Sending, report: bool) -> io::Result<()> {
        let index = self.sends.len() as u32;
        let entry = sending.entry_now(fd, UserData::new(Operation::SendNow, index, 0), report);
        // What the entry points to stays where it is when `sending` moves: see `Sending`.
        self.sends.push((sending, None));
        self.push(&entry)
    }

    /// The submission is through: what did not fail was sent.
    fn settle_sends(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        if self.sends.is_empty() {
            return Ok(());
        }
        for (data, result, _) in &self.completions {
            if data.operation() == Operation::SendNow {
                self.sends[data.slot() as usize].1 = Some(*result);
            }
        }
        let mut sends = std::mem::take(&mut self.sends);
        for (mut sending, fell_short) in sends.drain(..) {
            let id = sending.id;
            let bytes = match fell_short {
                None => sending.asked(),
                Some(bytes) if bytes >= 0 => bytes as usize,
                Some(error) if error == -libc::EAGAIN => 0,
                Some(error) => {
                    self.lost(handler, id, -error)?;
                    continue;
                }
            };
            let done = sending.advance(bytes);
            if !done {
                self.send_later(sending)?;
                handler.blocked(id);
            }
            if bytes > 0 {
                handler.sent(id, bytes, &mut self.commands);
                self.obey_all(handler)?;
            }
        }
        if self.sends.is_empty() {
            self.sends = sends; // keep its memory
        }
        Ok(())
    }

    fn send_later(&mut self, sending: Sending) -> io::Result<()> {
        let id = sending.id;
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if connection.ending.is_some() {
            return Ok(());
        }
        debug_assert!(connection.blocked.is_none());
        let fd = connection.fd();
        let blocked = connection.blocked.insert(Box::new(sending));
        let entry = blocked.entry_later(fd, UserData::of(Operation::SendLater, id));
        self.push(&entry)
    }

    fn sent_later(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let Some(mut sending) = connection.blocked.take() else {
            unreachable!("a blocked send completed that nobody keeps");
        };
        if connection.ending.is_some() {
            return self.bury(id);
        }
        if result < 0 {
            return self.lost(handler, id, -result);
        }
        if sending.advance(result as usize) {
            self.mark_dirty(id);
        } else {
            self.send_later(*sending)?;
        }
        handler.sent(id, result as usize, &mut self.commands);
        self.obey_all(handler)
    }

    fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    // ── Sleeping ─────────────────────────────────────────────────────────────────────────────────

    fn sleep(&mut self, handler: &impl Handler, rest: Rest) -> io::Result<()> {
        self.bells.fall_asleep(self.index);
        let awake = self.dirty_again() || handler.has_mail();
        let at_most = if awake { Duration::ZERO } else { rest.at_most };
        // Less than the kernel's microsecond would be no minimum at all, and wait for the count.
        let gather = rest.gather.filter(|gather| {
            self.can_gather && !awake && gather.at_least >= Duration::from_micros(1)
        });
        let outcome = self.submit_and_sleep(at_most, gather);
        self.bells.wake_up(self.index);
        outcome
    }

    fn dirty_again(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn submit_and_sleep(&mut self, at_most: Duration, gather: Option<Gather>) -> io::Result<()> {
        let timeout = Timespec::from(at_most);
        let no_time = Timespec::new();
        let mut arguments = SubmitArgs::new().timespec(&timeout);
        let mut want = 1;
        if let Some(gather) = gather {
            arguments = arguments.min_wait_usec(gather.at_least.as_micros() as u32);
            want = gather.completions as usize;
        }
        loop {
            match self.ring.submitter().submit_with_args(want, &arguments) {
                Ok(_) => {}
                // Not errors: nothing came in time; a signal came; completions must be taken first.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                    ) => {}
                Err(error) => return Err(error),
            }
            self.collect();
            // A send may be settled only when the kernel has taken its entry and every failure has
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
            Operation::Accept => self.accepted(handler, result, cqueue::more(flags)),
            Operation::Connect => self.connected(handler, data.id(), result),
            Operation::SendLater => self.sent_later(handler, data.id(), result),
            // Settled already.
            Operation::SendNow => Ok(()),
            // What was cancelled completes by itself; what could not be found has done so already.
            Operation::Cancel => Ok(()),
            // The turn looks for mail in any case.
            Operation::Rung => Ok(()),
            Operation::Ring => {
                let owner = data.slot() as usize;
                self.bells.failed(owner);
                self.ring_bell(owner)
            }
        }
    }

    fn received(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
        flags: u32,
    ) -> io::Result<()> {
        let buffer = cqueue::buffer_select(flags);
        let Some(connection) = self.connections.get(id) else {
            unreachable!("a receive completed on a connection that was buried before");
        };
        if !cqueue::more(flags) {
            connection.receive = Receive::Idle;
        }
        let ended = connection.ending.is_some();
        if let Some(buffer) = buffer {
            if result > 0 && !ended {
                let bytes = self.buffers.filled(buffer, result as usize);
                handler.received(id, bytes, &mut self.commands);
            }
            self.buffers.give_back(buffer);
        }
        if ended {
            return self.bury(id);
        }
        if result == 0 {
            if let Some(connection) = self.connections.get(id) {
                connection.wanted = false;
            }
            handler.finished(id, &mut self.commands);
        } else if result < 0 && ![libc::ENOBUFS, libc::ECANCELED, libc::EINTR].contains(&-result) {
            return self.lost(handler, id, -result);
        }
        self.obey_all(handler)?;
        self.arm_receive(id)
    }

    fn arm_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if !connection.wanted || connection.ending.is_some() || connection.receive != Receive::Idle
        {
            return Ok(());
        }
        connection.receive = Receive::Armed;
        let entry = opcode::RecvMulti::new(connection.fd(), ReceiveBuffers::GROUP)
            .build()
            .user_data(UserData::of(Operation::Receive, id).into());
        // Buffers given back in this turn must be there when the kernel looks for one.
        self.buffers.publish();
        self.push(&entry)
    }

    fn connected(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        connection.connecting = false;
        if connection.ending.is_some() {
            return self.bury(id);
        }
        let outcome = match result {
            0.. => socket::dialled(&connection.socket)
                .and_then(|()| socket::peer_address(&connection.socket)),
            error => Err(io::Error::from_raw_os_error(-error)),
        };
        match outcome {
            Ok(peer) => {
                handler.opened(id, peer, &mut self.commands);
                self.obey_all(handler)?;
                self.arm_receive(id)
            }
            Err(error) => {
                self.connections.remove(id);
                let number = error.raw_os_error().unwrap_or(0);
                handler.closed(id, Closed::NotConnected(number), &mut self.commands);
                self.obey_all(handler)
            }
        }
    }

    // ── Accepting ────────────────────────────────────────────────────────────────────────────────

    fn arm_accept(&mut self) -> io::Result<()> {
        let Some(listener) = &mut self.listener else {
            return Ok(());
        };
        listener.state = Accept::Armed;
        let entry = opcode::AcceptMulti::new(Fd(listener.socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(UserData::new(Operation::Accept, 0, 0).into());
        self.push(&entry)
    }

    fn wake_accept(&mut self, now: Instant) -> io::Result<()> {
        match &self.listener {
            Some(Listener {
                state: Accept::RestingUntil(then),
                ..
            }) if now >= *then => self.arm_accept(),
            _ => Ok(()),
        }
    }

    #[allow(unsafe_code)] // a completion's descriptor becomes an owned one
    fn accepted(&mut self, handler: &mut impl Handler, result: i32, more: bool) -> io::Result<()> {
        if result >= 0 {
            // SAFETY: the kernel has just made this descriptor for us, and says so only once.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            let wanted =
                matches!(&self.listener, Some(listener) if listener.state == Accept::Armed);
            // A peer that has gone already has no address: nothing to serve. One that comes while we
            // stop is reset.
            if wanted && let Ok(peer) = socket::peer_address(&socket) {
                let id = self.connections.insert(socket).id;
                handler.opened(id, peer, &mut self.commands);
                self.obey_all(handler)?;
                self.arm_receive(id)?;
            }
        }
        if more {
            return Ok(());
        }
        let Some(listener) = &mut self.listener else {
            return Ok(());
        };
        if listener.state == Accept::Stopping {
            self.listener = None;
            return Ok(());
        }
        match -result {
            // The completion queue was full, or a peer went away while it was being accepted.
            ..=0 | libc::ECONNABORTED | libc::EINTR | libc::ECANCELED => self.arm_accept(),
            // No descriptors or no memory left, or worse: never spin on it.
            error => {
                listener.state = Accept::RestingUntil(Instant::now() + ACCEPT_REST);
                handler.accept_failed(io::Error::from_raw_os_error(error));
                Ok(())
            }
        }
    }

    // ── Ending ───────────────────────────────────────────────────────────────────────────────────

    /// The peer or the network ended it.
    fn lost(&mut self, handler: &mut impl Handler, id: ConnectionId, error: i32) -> io::Result<()> {
        self.end(handler, id, Ending::Reset, Closed::Error(error))
    }

    fn end(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        ending: Ending,
        why: Closed,
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if connection.ending.is_some() {
            return Ok(());
        }
        connection.ending = Some(ending);
        let (receive, blocked, connecting) = (
            connection.receive,
            connection.blocked.is_some(),
            connection.connecting,
        );
        handler.closed(id, why, &mut self.commands);
        // A request under way holds the socket open: only when all are gone does a close reset it.
        if receive == Receive::Armed {
            self.cancel_receive(id)?;
        }
        if blocked {
            self.cancel(UserData::of(Operation::SendLater, id))?;
        }
        if connecting {
            self.cancel(UserData::of(Operation::Connect, id))?;
        }
        self.bury(id)?;
        self.obey_all(handler)
    }

    /// Closes the socket and gives the slot free, once the kernel holds nothing of it.
    fn bury(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if connection.busy() {
            return Ok(());
        }
        if connection.ending == Some(Ending::Orderly) {
            socket::close_with_fin(&connection.socket);
        }
        self.connections.remove(id);
        Ok(())
    }

    fn cancel_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(connection) = self.connections.get(id) {
            connection.receive = Receive::Cancelling;
        }
        self.cancel(UserData::of(Operation::Receive, id))
    }

    fn cancel(&mut self, what: UserData) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(what.into())
            .build()
            .user_data(UserData::new(Operation::Cancel, 0, 0).into());
        self.push(&entry)
    }

    // ── Commands ─────────────────────────────────────────────────────────────────────────────────

    fn obey_all(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        if self.commands.is_empty() {
            return Ok(());
        }
        let mut commands = std::mem::take(&mut self.commands);
        self.carry_out(handler, &mut commands)?;
        if self.commands.is_empty() {
            self.commands = commands; // keep its memory
        }
        Ok(())
    }

    fn obey(&mut self, handler: &mut impl Handler, command: Command) -> io::Result<()> {
        match command {
            Command::Send(id) => self.mark_dirty(id),
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
            Some(entry) => self.push(&entry),
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
        // keeps until the kernel is done with it: `sends` until they are settled, `blocked` until
        // its completion. Both outlive the ring, which is dropped first.
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
