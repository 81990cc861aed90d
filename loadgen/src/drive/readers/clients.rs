//! The readers as clients of the driver. An owner is the index of a server.

use storm_pacemaker::client_login::ClientMethod;
use storm_pacemaker::connection::{Commands, ConnectionId, SleepPlan};
use storm_pacemaker::io::EventLoop;

use super::super::context::Context;
use super::super::driver::{Clients, end_late_logins};
use super::super::link::Link;
use super::super::request::Request;
use super::super::shared_run::SharedRun;
use super::Readers;
use crate::storm;

impl Clients for Readers {
    fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    fn link(&mut self, owner: u32) -> (&mut Link, &mut Context) {
        (&mut self.links[owner as usize], &mut self.context)
    }

    fn login_method<'a>(&self, shared: &'a SharedRun, owner: u32) -> Option<&'a ClientMethod> {
        let target = &shared.settings.targets[owner as usize];
        target.logins.readers.as_ref()
    }

    fn step(&mut self, event_loop: &mut EventLoop, commands: &mut Commands) -> Option<u64> {
        self.context.now_us = self.context.clock.now_us();
        self.context.ending = self.context.now_us >= self.context.window.end_us;
        let waits = self.askers.iter().any(|asker| asker.question.is_some());
        if self.context.shared.aborted() || self.context.ending && !waits {
            return None;
        }
        end_late_logins(self, commands);
        let mut due_us = self.dial_links(event_loop);
        self.take_retries(commands);
        if !self.context.ending {
            due_us = due_us.min(self.ask_all(commands));
        }
        Some(self.context.next_wake_us(due_us))
    }

    fn sleep_until(&mut self, due_us: u64) -> SleepPlan {
        self.context.clock.sleep_until(due_us)
    }

    fn show_progress(&mut self) {
        self.context.show_progress();
    }

    /// Times a pass that has already missed its ten seconds, and reads that no answer came to.
    fn give_up(&mut self) -> Vec<ConnectionId> {
        let window = self.context.window;
        for asker in &self.askers {
            if let Some((timed, begun_us)) = asker.agenda.unfinished()
                && window.contains(begun_us)
                && window.end_us - begun_us >= storm::NIMBUS_PASS_EVERY_US
            {
                self.context.record.time(timed, window.end_us - begun_us);
            }
        }
        for index in 0..self.askers.len() {
            let unanswered = self.askers[index].question.take();
            if let Some(request) = unanswered.filter(Request::was_written) {
                let age_us = self.context.now_us.saturating_sub(request.planned_us);
                self.record_time(index, &request, age_us);
            }
        }
        self.links.iter().filter_map(Link::id).collect()
    }

    fn connected(&mut self, owner: u32) {
        let owner = owner as usize;
        self.repeated.retain(|(target, _)| *target != owner);
    }

    fn up(&mut self, _owner: u32, commands: &mut Commands) {
        for index in 0..self.askers.len() {
            self.attempt(index, commands);
        }
    }

    /// The progress line counts the workers' connections alone.
    fn down(&mut self, _owner: u32) {}

    fn answered(&mut self, owner: u32, body: &[u8], _commands: &mut Commands) {
        self.take_answer(owner as usize, body);
    }

    fn lost(&mut self, _owner: u32, connection: ConnectionId) -> bool {
        self.lose(connection)
    }

    fn dial_at(&mut self, owner: u32, at_us: u64) {
        self.dial_us[owner as usize] = at_us;
    }
}

impl From<Readers> for Context {
    fn from(readers: Readers) -> Context {
        readers.context
    }
}
