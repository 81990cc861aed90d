//! Drives the links of one thread: dialled, logged in, read from, lost. Workers and readers differ in what
//! they ask and when; what happens on their connections is the same, and is here.

use std::io;
use std::net::SocketAddr;

use storm_pacemaker::client_login::ClientMethod;
use storm_pacemaker::connection::{
    Closed, Command, Commands, ConnectionId, Ending, Outbox, SleepPlan,
};
use storm_pacemaker::io::{EventLoop, Handler};
use storm_pacemaker::wire::FrameReader;

use super::context::Context;
use super::link::{ENDED, Link, NO_FRAME, Opening, TOO_LONG};
use super::shared_run::SharedRun;
use crate::record::{ErrorKind, Record};
use crate::storm;

/// How long closing all connections may take.
const CLOSE_WITHIN_US: u64 = 2_000_000;

/// The clients of one thread. An `owner` is the index of the client, or of the server, that a link is for.
pub(super) trait Clients {
    fn context(&mut self) -> &mut Context;

    /// An owner's link, and the context beside it.
    fn link(&mut self, owner: u32) -> (&mut Link, &mut Context);

    /// How an owner's link logs in, if it does.
    fn login_method<'a>(&self, shared: &'a SharedRun, owner: u32) -> Option<&'a ClientMethod>;

    /// Does what is due, and returns when it wants to go on. `None`: there is nothing left to do.
    fn step(&mut self, event_loop: &mut EventLoop, commands: &mut Commands) -> Option<u64>;

    fn sleep_until(&mut self, due_us: u64) -> SleepPlan;

    fn show_progress(&mut self);

    /// The run is over: what is still under way gets no answer. Returns the connections to close.
    fn give_up(&mut self) -> Vec<ConnectionId>;

    /// A new connection: answers that an earlier one still owed will not come.
    fn connected(&mut self, owner: u32);

    /// Requests may be written to the link.
    fn up(&mut self, owner: u32, commands: &mut Commands);

    /// Requests can no longer be written to a link that was up.
    fn down(&mut self, owner: u32);

    /// A frame that is not part of a login.
    fn answered(&mut self, owner: u32, body: &[u8], commands: &mut Commands);

    /// A connection is gone, and with it the requests that were written to it. Returns whether one was under way.
    fn lost(&mut self, owner: u32, connection: ConnectionId) -> bool;

    fn dial_at(&mut self, owner: u32, at_us: u64);
}

/// Clients and the readers of their connections, by the event loop's slots.
pub(super) struct Driver<C> {
    clients: C,
    frames: Vec<FrameReader>,
}

impl<C: Clients> Driver<C> {
    pub(super) fn new(clients: C) -> Driver<C> {
        Driver {
            clients,
            frames: Vec::new(),
        }
    }

    /// Plays the clients until they have nothing left to do, and closes their connections.
    pub(super) fn run(mut self, event_loop: &mut EventLoop) -> io::Result<Record>
    where
        C: Into<Context>,
    {
        let mut commands = Commands::default();
        while let Some(due_us) = self.clients.step(event_loop, &mut commands) {
            event_loop.apply_commands(&mut self, &mut commands)?;
            let plan = self.clients.sleep_until(due_us);
            event_loop.turn(&mut self, plan)?;
            self.clients.show_progress();
        }
        let connections = self.clients.give_up();
        self.clients.context().ending = true;
        self.close_all(connections, event_loop)?;
        self.clients.show_progress();
        let context: Context = self.clients.into();
        Ok(context.finish())
    }

    /// Resets connections, so that no port of ours stays in TIME_WAIT, and waits until they are gone.
    fn close_all(
        &mut self,
        connections: Vec<ConnectionId>,
        event_loop: &mut EventLoop,
    ) -> io::Result<()> {
        let mut commands = Commands::default();
        for id in connections {
            commands.push(Command::Close(id, Ending::Reset));
        }
        let clock = self.clients.context().clock;
        let deadline_us = clock.now_us() + CLOSE_WITHIN_US;
        event_loop.apply_commands(self, &mut commands)?;
        while event_loop.connections() > 0 && clock.now_us() < deadline_us {
            event_loop.turn(self, clock.sleep_until(deadline_us))?;
        }
        Ok(())
    }

    /// The owner of a connection; `None` if the owner has given it up.
    fn owner_of(&mut self, id: ConnectionId) -> Option<u32> {
        let owner = self.clients.context().owners.of(id);
        let (link, _) = self.clients.link(owner);
        (link.id() == Some(id)).then_some(owner)
    }
}

/// Ends logins that have taken too long.
pub(super) fn end_late_logins(clients: &mut impl Clients, commands: &mut Commands) {
    loop {
        let context = clients.context();
        let Some(login) = context.logins.take(context.now_us) else {
            return;
        };
        let (link, _) = clients.link(login.owner);
        if link.is_logging_in() && link.id() == Some(login.id) {
            fail_login(clients, login.owner, TOO_LONG, commands);
        }
    }
}

fn fail_login(clients: &mut impl Clients, owner: u32, why: &str, commands: &mut Commands) {
    let (link, context) = clients.link(owner);
    let opening = link.fail_login(why.to_owned(), &mut context.record, commands);
    proceed_from(clients, opening, owner, commands);
}

/// A link is one step closer to its first request.
fn proceed_from(clients: &mut impl Clients, opening: Opening, owner: u32, commands: &mut Commands) {
    match opening {
        Opening::Up => clients.up(owner, commands),
        Opening::LoggingIn => {}
        Opening::Failed { wait_us } => dial_after(clients, owner, wait_us),
    }
}

fn dial_after(clients: &mut impl Clients, owner: u32, wait_us: u64) {
    let context = clients.context();
    if !context.ending {
        let at_us = context.now_us + wait_us;
        clients.dial_at(owner, at_us);
    }
}

fn take_frame(clients: &mut impl Clients, owner: u32, body: &[u8], commands: &mut Commands) {
    let (link, context) = clients.link(owner);
    if link.is_logging_in() {
        let opening = link.log_in(body, context.now_us, &mut context.record, commands);
        proceed_from(clients, opening, owner, commands);
    } else if !link.skip_second_end_of_login(body) {
        clients.answered(owner, body, commands);
    }
}

impl<C: Clients> Handler for Driver<C> {
    fn woke(&mut self) {
        let context = self.clients.context();
        context.now_us = context.clock.now_us();
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, commands: &mut Commands) {
        let Some(owner) = self.owner_of(id) else {
            return;
        };
        let slot = id.slot as usize;
        if self.frames.len() <= slot {
            let empty = || FrameReader::new(storm::FRAME_BYTES);
            self.frames.resize_with(slot + 1, empty);
        }
        self.frames[slot] = FrameReader::new(storm::FRAME_BYTES);
        self.clients.connected(owner);
        let shared = self.clients.context().shared.clone();
        let method = self.clients.login_method(&shared, owner);
        let (link, context) = self.clients.link(owner);
        let (now_us, record) = (context.now_us, &mut context.record);
        let opening = link.opened(id, method, now_us, record, commands);
        if opening == Opening::LoggingIn {
            context.logins.add(now_us, id, owner);
        }
        proceed_from(&mut self.clients, opening, owner, commands);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        self.clients.context().count_received(bytes.len());
        let mut chunk = bytes;
        // A frame may be the last one that its owner takes from this connection.
        while let Some(owner) = self.owner_of(id) {
            match self.frames[id.slot as usize].next_from(&mut chunk) {
                Some(Ok(body)) => take_frame(&mut self.clients, owner, body, commands),
                Some(Err(_)) => {
                    let (link, context) = self.clients.link(owner);
                    if link.is_logging_in() {
                        fail_login(&mut self.clients, owner, NO_FRAME, commands);
                    } else {
                        context.record.errors.add(ErrorKind::BadAnswer);
                        commands.push(Command::Close(id, Ending::Reset));
                    }
                    return;
                }
                None => return,
            }
        }
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        if let Some(owner) = self.owner_of(id) {
            let (link, context) = self.clients.link(owner);
            if link.is_logging_in() {
                fail_login(&mut self.clients, owner, ENDED, commands);
                return;
            }
            link.finished(&mut context.record);
            self.clients.lost(owner, id);
            self.clients.down(owner);
        }
        commands.push(Command::Close(id, Ending::Orderly));
    }

    fn sent(&mut self, _: ConnectionId, _bytes: usize, _held: usize, _: &mut Commands) {}

    fn blocked(&mut self, _id: ConnectionId) {}

    fn closed(&mut self, id: ConnectionId, why: Closed, _held: usize, _: &mut Commands) {
        let Some(owner) = self.owner_of(id) else {
            return;
        };
        let has_lost_request = self.clients.lost(owner, id);
        let (link, context) = self.clients.link(owner);
        let was_up = link.up().is_some();
        let is_move = context.shared.settings.drains && was_up && !has_lost_request;
        let wait_us = link.closed(why, is_move, &mut context.record);
        if was_up {
            self.clients.down(owner);
        }
        if let Some(wait_us) = wait_us {
            dial_after(&mut self.clients, owner, wait_us);
        }
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        match self.owner_of(id) {
            Some(owner) => std::mem::take(&mut self.clients.link(owner).0.outbox),
            None => Outbox::default(),
        }
    }

    fn has_messages(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}
