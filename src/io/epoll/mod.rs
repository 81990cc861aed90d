//! The data plane on epoll, for kernels without io_uring and for hosts that forbid it. It needs Linux 4.5
//! (EPOLLEXCLUSIVE), and no `unsafe`.
//!
//! Connections are edge-triggered: the kernel says once that bytes, room or an end are there, and we keep
//! in mind what we have not taken. So a connection costs one epoll_ctl(2) in its life, and a pause none,
//! as long as its peer is quiet. Listeners are level-triggered: what one turn does not accept, the next
//! is told of again.

mod connection;
mod opening;
mod receiving;
mod sending;
mod token;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::bells::Bells;
use super::plane::{LoopState, PlaneLoop};
use super::{Handler, socket};
use crate::connection::{Closed, ConnectionId, Ending, SleepPlan};
use crate::limits::EPOLL_BUFFER_BYTES;
use connection::Readiness;
use opening::Listener;
use sending::Outcome;
use token::Token;

/// Events that one turn takes from the kernel. The others wait there, in the order in which they came.
const EVENTS: usize = 512;

/// No sleep is longer; epoll_wait(2) counts milliseconds in 32 bits.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

pub(super) struct EpollLoop {
    epoll: OwnedFd,
    events: Vec<Event>,
    /// Where bytes of any connection are received; the handler takes them at once.
    buffer: Box<[u8]>,
    /// Their indexes do not change. None: it no longer listens.
    listeners: Vec<Option<Listener>>,
    /// Connections that we want to read from, and that have something to read.
    readable: Vec<ConnectionId>,
    /// The sends of this turn, until the handler hears of them.
    outcomes: Vec<Outcome>,
    state: LoopState<Readiness>,
}

impl EpollLoop {
    pub(super) fn new(bells: Arc<Bells>, index: usize) -> io::Result<EpollLoop> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = bells
            .eventfd_of(index)
            .expect("epoll's event loops get epoll's bells");
        // Edge-triggered: each ring is an event of its own, and nobody needs to read the counter.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, bell, Token::Bell.into(), flags)?;
        Ok(EpollLoop {
            epoll,
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; EPOLL_BUFFER_BYTES].into_boxed_slice(),
            listeners: Vec::new(),
            readable: Vec::new(),
            outcomes: Vec::new(),
            state: LoopState::new(bells, index),
        })
    }

    pub(super) fn is_reading(&self) -> bool {
        let mut connections = self.state.connections.iter();
        connections.any(|connection| connection.wanted)
    }

    pub(super) fn has_unaccepted(&self) -> bool {
        let mut listeners = self.listeners.iter().flatten();
        listeners.any(Listener::has_more)
    }

    pub(super) fn turn(
        &mut self,
        handler: &mut impl Handler,
        plan: SleepPlan,
    ) -> io::Result<usize> {
        let began = Instant::now();
        self.rearm_paused_listeners(handler, began);
        self.send_pending(handler);
        self.sleep(handler, plan, began)?;
        handler.woke();
        self.finish_sends(handler)?;
        let mut completions = self.take_events(handler)?;
        completions += self.read_all(handler)?;
        self.state.gathering.note_turn(began, completions);
        Ok(completions)
    }

    // ── Sleeping ─────────────────────────────────────────────────────────────────────────────────

    fn sleep(&mut self, handler: &impl Handler, plan: SleepPlan, now: Instant) -> io::Result<()> {
        self.state.bells.mark_asleep(self.state.index);
        let awake = !self.readable.is_empty()
            || !self.state.pending_send.is_empty()
            || self.outcomes.iter().any(Outcome::is_awaited)
            || handler.has_messages();
        let mut at_most = if awake {
            Duration::ZERO
        } else {
            plan.at_most.min(LONGEST_SLEEP)
        };
        if let Some(batching) = plan.batching
            && batching.at_least <= at_most
            && let Some(sleep) = self.state.gathering.sleep(batching, now)
        {
            thread::sleep(sleep);
            // Whole milliseconds take one system call.
            at_most = Duration::from_millis((at_most - sleep).as_millis() as u64);
        }
        let outcome = self.wait(at_most);
        self.state.bells.mark_awake(self.state.index);
        outcome
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        self.events.clear();
        let timeout = Timespec::try_from(at_most).expect("LONGEST_SLEEP fits");
        match self.wait_for_events(timeout) {
            Ok(()) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn wait_for_events(&mut self, mut timeout: Timespec) -> rustix::io::Result<()> {
        // epoll_wait counts milliseconds, and epoll_pwait2, which does not, needs Linux 5.11.
        if timeout.tv_nsec % 1_000_000 != 0 {
            poll(
                &mut [PollFd::new(&self.epoll, PollFlags::IN)],
                Some(&timeout),
            )?;
            timeout = Timespec::default();
        }
        epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        )
        .map(drop)
    }

    // ── Events ───────────────────────────────────────────────────────────────────────────────────

    /// Hands the events to the handler, except for bytes, and returns how many there were. Connections
    /// that have bytes are put into `readable`.
    fn take_events(&mut self, handler: &mut impl Handler) -> io::Result<usize> {
        let mut completions = 0;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            completions += match Token::from(event.data) {
                // The turn looks for messages in any case.
                Token::Bell => 1,
                Token::Listener(index) => self.accept(handler, index)?,
                Token::Connection(id) => self.connection_event(handler, id, event.flags)?,
            };
        }
        self.events = events; // keep its memory
        Ok(completions)
    }

    fn connection_event(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        flags: EventFlags,
    ) -> io::Result<usize> {
        // It may have ended while earlier events were handled.
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(0);
        };
        connection.plane.note(flags);
        if connection.connecting {
            return self.connected(handler, id);
        }
        if connection.plane.readable && !connection.wanted {
            if flags.intersects(EventFlags::ERR | EventFlags::HUP) && connection.blocked.is_none() {
                let error = socket::ended_by(&connection.socket);
                self.lost(handler, id, error)?;
                return Ok(1);
            }
            self.mute(id)?;
        }
        self.queue_read(id);
        // With an error there is room, too: the send reports the error.
        if flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
            return self.send_blocked(handler, id);
        }
        Ok(0)
    }
}

impl PlaneLoop for EpollLoop {
    type State = Readiness;

    fn state(&mut self) -> &mut LoopState<Readiness> {
        &mut self.state
    }

    fn start_reading(&mut self, id: ConnectionId) -> io::Result<()> {
        self.unmute(id)?;
        self.queue_read(id);
        Ok(())
    }

    fn stop_reading(&mut self, _id: ConnectionId) -> io::Result<()> {
        Ok(()) // `read` asks whether it is wanted
    }

    fn ring_bell(&mut self, owner: usize) -> io::Result<()> {
        if self.state.bells.must_ring(owner) {
            self.state.bells_rung += 1;
            self.state.bells.write_to_eventfd(owner);
        }
        Ok(())
    }

    /// Closes the socket, with a RST unless a FIN was asked for. Closing ends its registration, too.
    fn end(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        ending: Ending,
        why: Closed,
    ) -> io::Result<()> {
        let Some(connection) = self.state.connections.remove(id) else {
            return Ok(());
        };
        if ending == Ending::Orderly {
            socket::close_with_fin(&connection.socket);
        }
        drop(connection);
        handler.closed(id, why, 0, &mut self.state.commands);
        self.apply_queued(handler)
    }
}
