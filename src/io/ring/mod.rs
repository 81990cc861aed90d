//! The data plane on io_uring: one ring for each thread accepts, receives, sends, rings and sleeps.
//! A turn submits what the last one queued and sleeps in one system call.

mod buffers;
mod connection;
mod doorbell;
mod opening;
mod operation;
mod receiving;
mod sending;
mod trial;

pub(super) use doorbell::ring_all;
pub(super) use trial::try_ring;

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use super::bells::Bells;
use super::plane::{LoopState, PlaneLoop, PlaneState};
use super::{Handler, socket};
use crate::connection::{Batching, Closed, ConnectionId, Ending, SleepPlan};
use buffers::ReceiveBuffers;
use connection::{Receive, Requests};
use opening::Listener;
use operation::{Operation, UserData};
use sending::Sending;

/// Entries of the submission queue; a turn that fills it submits early.
const SUBMISSIONS: u32 = 2048;

/// Entries of the completion queue. What does not fit waits in the kernel (IORING_FEAT_NODROP).
const COMPLETIONS: u32 = 16_384;

/// Takes what is there, and does not wait.
static NO_TIME: Timespec = Timespec::new();

pub(super) struct RingLoop {
    // Dropped in this order: the ring before the memory that the kernel writes to.
    ring: IoUring,
    buffers: ReceiveBuffers,
    state: LoopState<Requests>,
    /// Their indexes do not change. None: it no longer listens.
    listeners: Vec<Option<Listener>>,
    /// The sends of the current submission, and the results of those that fell short.
    sends: Vec<(Sending, Option<i32>)>,
    completions: Vec<(UserData, i32, u32)>,
    /// Whether the kernel has the minimum wait (Linux 6.12). If not, we emulate it.
    has_minimum_wait: bool,
}

impl RingLoop {
    pub(super) fn new(bells: Arc<Bells>, index: usize) -> io::Result<RingLoop> {
        let ring = make_ring()?;
        let buffers = ReceiveBuffers::register(&ring)?;
        bells.hang_ring(index, ring.as_raw_fd());
        let has_minimum_wait = ring.params().is_feature_min_timeout();
        Ok(RingLoop {
            ring,
            buffers,
            state: LoopState::new(bells, index),
            listeners: Vec::new(),
            sends: Vec::new(),
            completions: Vec::new(),
            has_minimum_wait,
        })
    }

    /// As on a kernel that has no minimum wait.
    #[cfg(test)]
    pub(super) fn emulate_minimum_wait(&mut self) {
        self.has_minimum_wait = false;
    }

    pub(super) fn is_reading(&self) -> bool {
        let mut connections = self.state.connections.iter();
        connections.any(|connection| connection.plane.receive != Receive::Idle)
    }

    pub(super) fn has_unaccepted(&self) -> bool {
        false // a turn accepts all that wait
    }

    pub(super) fn turn(
        &mut self,
        handler: &mut impl Handler,
        plan: SleepPlan,
    ) -> io::Result<usize> {
        let began = Instant::now();
        self.rearm_paused_accepts(began)?;
        self.prepare_sends(handler)?;
        self.sleep(handler, plan, began)?;
        handler.woke();
        self.finish_sends(handler)?;
        let mut completions = std::mem::take(&mut self.completions);
        let count = completions.len();
        for (data, result, flags) in completions.drain(..) {
            self.complete(handler, data, result, flags)?;
        }
        self.completions = completions;
        self.buffers.publish();
        self.state.gathering.note_turn(began, count);
        Ok(count)
    }

    // ── Sleeping ─────────────────────────────────────────────────────────────────────────────────

    fn sleep(&mut self, handler: &impl Handler, plan: SleepPlan, now: Instant) -> io::Result<()> {
        self.state.bells.mark_asleep(self.state.index);
        let awake = !self.state.pending_send.is_empty() || handler.has_messages();
        let mut at_most = if awake { Duration::ZERO } else { plan.at_most };
        // Below the kernel's microsecond there is no minimum, and it would wait for the count. It
        // would also wait for a minimum that is longer than the longest sleep.
        let mut batching = plan.batching.filter(|batching| {
            !awake && (Duration::from_micros(1)..=at_most).contains(&batching.at_least)
        });
        if !self.has_minimum_wait
            && let Some(batching) = batching.take()
            && let Some(sleep) = self.state.gathering.sleep(batching, now)
        {
            // What is queued leaves before the sleep. While we are not in the kernel for it, no completion
            // wakes us (DEFER_TASKRUN).
            submit(&mut self.ring)?;
            thread::sleep(sleep);
            // Newer kernels bring at most 20 completions to light, unless more are asked for.
            let at_once = SubmitArgs::new().timespec(&NO_TIME);
            self.submit_and_collect(COMPLETIONS as usize, at_once)?;
            at_most = if self.completions.is_empty() {
                at_most - sleep
            } else {
                Duration::ZERO
            };
        }
        let outcome = self.submit_and_sleep(at_most, batching);
        self.state.bells.mark_awake(self.state.index);
        outcome
    }

    fn submit_and_sleep(
        &mut self,
        at_most: Duration,
        batching: Option<Batching>,
    ) -> io::Result<()> {
        let timeout = Timespec::from(at_most);
        let mut arguments = SubmitArgs::new().timespec(&timeout);
        let mut want = 1;
        if let Some(batching) = batching {
            arguments = arguments.min_wait_usec(batching.at_least.as_micros() as u32);
            want = batching.completions as usize;
        }
        self.submit_and_collect(want, arguments)
    }

    fn submit_and_collect(
        &mut self,
        mut want: usize,
        mut arguments: SubmitArgs<'_, '_>,
    ) -> io::Result<()> {
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
            arguments = SubmitArgs::new().timespec(&NO_TIME);
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
            Operation::Watch => self.watched(handler, data.id(), result),
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
                self.state.bells.ring_failed(owner);
                self.ring_bell(owner)
            }
        }
    }

    fn push(&mut self, entry: &Entry) -> io::Result<()> {
        push_entry(&mut self.ring, entry)
    }

    fn cancel(&mut self, what: UserData) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(what.into())
            .build()
            .user_data(UserData::new(Operation::Cancel, 0, 0).into());
        self.push(&entry)
    }

    /// Closes the socket, with a RST unless a FIN was asked for, and frees the slot, once the kernel holds no
    /// request for the connection: only then does closing the socket end it.
    fn release(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        if connection.busy() {
            return Ok(());
        }
        if connection.plane.ending == Some(Ending::Orderly) {
            socket::close_with_fin(&connection.socket);
        }
        self.state.connections.remove(id);
        Ok(())
    }
}

impl PlaneLoop for RingLoop {
    type State = Requests;

    fn state(&mut self) -> &mut LoopState<Requests> {
        &mut self.state
    }

    fn start_reading(&mut self, id: ConnectionId) -> io::Result<()> {
        self.arm_receive(id)
    }

    fn stop_reading(&mut self, id: ConnectionId) -> io::Result<()> {
        self.cancel_receive(id)?;
        self.watch(id)
    }

    fn ring_bell(&mut self, owner: usize) -> io::Result<()> {
        if self.state.bells.must_ring(owner)
            && let Some(entry) = doorbell::entry(&self.state.bells, owner)
        {
            self.state.bells_rung += 1;
            self.push(&entry)?;
        }
        Ok(())
    }

    /// Requests in the ring hold the socket open, so they are cancelled first; `release` closes it.
    fn end(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        ending: Ending,
        why: Closed,
    ) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        if connection.plane.is_ending() {
            return Ok(());
        }
        connection.plane.ending = Some(ending);
        let (blocked, connecting) = (connection.blocked.is_some(), connection.connecting);
        let is_watched = connection.plane.is_watched;
        let held_bytes = connection.held_bytes();
        handler.closed(id, why, held_bytes, &mut self.state.commands);
        self.cancel_receive(id)?;
        if is_watched {
            self.cancel(UserData::of(Operation::Watch, id))?;
        }
        if blocked {
            self.cancel(UserData::of(Operation::SendLater, id))?;
        }
        if connecting {
            self.cancel(UserData::of(Operation::Connect, id))?;
        }
        self.release(id)?;
        self.apply_queued(handler)
    }
}

fn make_ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)
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
        submit(ring)?;
    }
}

fn submit(ring: &mut IoUring) -> io::Result<()> {
    match ring.submit() {
        Ok(_) => Ok(()),
        // Not errors: a signal, or completions that must be taken first.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

impl Drop for RingLoop {
    fn drop(&mut self) {
        self.state.bells.take_down_ring(self.state.index);
        // The kernel ends a ring's requests some time after the ring is closed. What they point to
        // must then outlive us; this happens at the end of the process only.
        if self.state.connections.len() > 0 || self.listeners.iter().any(Option::is_some) {
            self.buffers.leak();
            std::mem::forget(std::mem::take(&mut self.state.connections));
            std::mem::forget(std::mem::take(&mut self.sends));
        }
    }
}
