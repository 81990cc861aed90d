//! Nimbus: one connection to each server, shared by its scheduler, which reads the workers' pulses one after
//! another, and by the threads that build pages of the UI. Each waits for an answer before its next request,
//! so requests of different threads are pipelined. Every answer is verified.

mod agenda;
mod clients;

use std::sync::atomic::Ordering;

use storm_pacemaker::connection::{Command, Commands, ConnectionId, Ending};
use storm_pacemaker::io::EventLoop;
use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{Message, MessageType, decode};

use super::context::Context;
use super::judge::{self, ExpectedList};
use super::link::{Link, LinkState, TOO_LONG};
use super::request::{Request, Retry, Try};
use super::shared_run::Known;
use crate::record::{ErrorKind, Timed};
use crate::storm;
use agenda::{Agenda, Task};

pub(super) struct Readers {
    context: Context,
    /// One for each server; next, when it may be dialled if it is down.
    links: Vec<Link>,
    dial_us: Vec<u64>,
    askers: Vec<Asker>,
    /// Topologies whose deletion all servers have acknowledged.
    deleted: Vec<bool>,
    /// Servers and ids of the requests repeated to them: additional answers may come.
    repeated: Vec<(usize, i32)>,
    last_id: i32,
}

/// One thread of Nimbus.
struct Asker {
    agenda: Agenda,
    question: Option<Request<Question>>,
    /// The newest pulse of the worker that the servers asked so far have returned.
    newest: Option<u32>,
    /// What was known about the worker before the first server was asked.
    known: Known,
    /// Whether all servers so far have answered correctly.
    all_well: bool,
}

/// A request, and what its answer must have.
struct Question {
    task: Task,
    target: usize,
    list: ExpectedList,
}

impl Readers {
    pub(super) fn new(context: Context) -> Readers {
        let targets = context.shared.settings.targets.len();
        let askers = agenda::all(&context.shared)
            .into_iter()
            .map(|agenda| Asker {
                agenda,
                question: None,
                newest: None,
                known: Known::Nothing,
                all_well: true,
            });
        Readers {
            askers: askers.collect(),
            deleted: vec![false; context.shared.plan.topologies.len()],
            context,
            links: (0..targets).map(|_| Link::default()).collect(),
            dial_us: vec![0; targets],
            repeated: Vec::new(),
            last_id: 0,
        }
    }

    /// Dials the links that are down, and returns when to try again.
    fn dial_links(&mut self, event_loop: &mut EventLoop) -> u64 {
        let mut next_us = u64::MAX;
        for (target, link) in self.links.iter_mut().enumerate() {
            if self.context.ending || link.state != LinkState::Down {
                continue;
            }
            if self.dial_us[target] <= self.context.now_us {
                let to = self.context.shared.settings.targets[target].address;
                let from = self.context.shared.settings.sources.first().copied();
                match link.dial(
                    event_loop,
                    to,
                    from,
                    self.context.now_us,
                    &mut self.context.record,
                ) {
                    Ok(id) => {
                        self.context.owners.set(id, target as u32);
                        continue;
                    }
                    Err(wait_us) => self.dial_us[target] = self.context.now_us + wait_us,
                }
            }
            next_us = next_us.min(self.dial_us[target]);
        }
        next_us
    }

    // ── Questions ────────────────────────────────────────────────────────────────────────────────

    /// Lets all askers without a request under way ask, and returns when the next one will.
    fn ask_all(&mut self, commands: &mut Commands) -> u64 {
        let mut next_us = self.context.window.end_us;
        for index in 0..self.askers.len() {
            let asker = &mut self.askers[index];
            if asker.question.is_some() {
                continue;
            }
            match asker.agenda.next(&self.context.shared, self.context.now_us) {
                Ok((task, target)) => self.ask(index, task, target, commands),
                Err(due_us) => next_us = next_us.min(due_us),
            }
        }
        next_us
    }

    fn ask(&mut self, index: usize, task: Task, target: usize, commands: &mut Commands) {
        self.last_id = self.last_id.checked_add(1).unwrap_or(0);
        let asker = &mut self.askers[index];
        if target == 0 {
            asker.all_well = true;
        }
        let mut list = ExpectedList::default();
        match task {
            Task::List => list = judge::expected_list(&self.context.shared, target, &self.deleted),
            Task::Get(worker) if target == 0 => {
                asker.newest = None;
                asker.known = self.context.shared.known(worker);
            }
            Task::Get(_) | Task::Delete(_) => {}
        }
        let asked = Question { task, target, list };
        let now_us = self.context.clock.now_us();
        asker.question = Some(Request::new(self.last_id, asked, now_us));
        self.context.retries.add(now_us, index as u32, self.last_id);
        self.attempt(index, commands);
    }

    /// Writes the asker's request, if there is a connection.
    fn attempt(&mut self, index: usize, commands: &mut Commands) {
        let Some(request) = &mut self.askers[index].question else {
            return;
        };
        let link = &mut self.links[request.what.target];
        let Some(id) = link.up() else {
            return;
        };
        match request.attempt(Some(id)) {
            Try::Nowhere => return,
            Try::First => {}
            Try::Again => {
                self.context.record.resent += 1;
                self.repeated.push((request.what.target, request.id));
            }
        }
        let text = link.outbox.text();
        let before = text.len();
        let plan = &self.context.shared.plan;
        match request.what.task {
            Task::List => {
                let kind = MessageType::GetAllNodesForPath;
                encode_path(text, kind, storm::WORKER_BEATS, request.id);
            }
            Task::Get(worker) => {
                let key = &plan.workers[worker as usize].key;
                encode_path(text, MessageType::GetPulse, key, request.id);
            }
            Task::Delete(topology) => {
                let id = &plan.topologies[topology as usize].id;
                let path = format!("{}/{id}", storm::WORKER_BEATS);
                encode_path(text, MessageType::DeletePath, &path, request.id);
            }
        }
        self.context.slices.now.bytes_sent += (text.len() - before) as u64;
        commands.push(Command::Send(id));
    }

    /// Repeats or gives up requests without an answer for a second. Giving up drops the connection.
    fn take_retries(&mut self, commands: &mut Commands) {
        while let Some(Retry { owner, id, .. }) = self.context.retries.take(self.context.now_us) {
            let index = owner as usize;
            let asked = &mut self.askers[index].question;
            let Some(request) = asked.as_mut().filter(|request| request.id == id) else {
                continue; // answered
            };
            if request.try_again() {
                self.context.retries.add(self.context.now_us, owner, id);
                self.attempt(index, commands);
                continue;
            }
            let Some(request) = asked.take() else {
                continue;
            };
            if !request.was_written() {
                self.context.record.errors.add(ErrorKind::Unsent);
            } else {
                // A request lost with its connection has been counted.
                if !request.is_lost() {
                    self.context.record.errors.add(ErrorKind::Unanswered);
                }
                // A server that answers slow reads never must not look fast.
                let age_us = self.context.now_us.saturating_sub(request.planned_us);
                self.record_time(index, &request, age_us);
            }
            let target = request.what.target;
            if self.links[target].is_logging_in() {
                // The request has waited for the login from its start.
                self.links[target].fail_login(
                    TOO_LONG.to_owned(),
                    &mut self.context.record,
                    commands,
                );
            }
            if let Some(connection) = self.links[target].abandon() {
                self.lose(connection);
                commands.push(Command::Close(connection, Ending::Reset));
            }
            self.dial_us[target] = self.context.now_us;
            self.askers[index].all_well = false;
            self.conclude(index, &request);
        }
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    fn take_answer(&mut self, target: usize, body: &[u8]) {
        let Ok(answer) = decode(body) else {
            self.context.record.errors.add(ErrorKind::BadAnswer);
            return;
        };
        self.links[target].answered();
        let fits = |request: &mut Request<Question>| {
            request.id == answer.id && request.what.target == target && request.was_written()
        };
        let mut askers = self.askers.iter_mut().enumerate();
        let found = askers.find_map(|(index, asker)| Some((index, asker.question.take_if(fits)?)));
        let Some((index, request)) = found else {
            let mut again = self.repeated.iter();
            let again = again.position(|again| *again == (target, answer.id));
            match again {
                Some(position) => {
                    self.repeated.swap_remove(position);
                    self.context.record.answered_twice += 1;
                }
                None => self.context.record.errors.add(judge::unexpected(&answer)),
            }
            return;
        };
        if let Err(kind) = self.judge(index, &request.what, &answer) {
            self.context.record.errors.add(kind);
            self.askers[index].all_well = false;
        }
        let took_us = self.context.now_us.saturating_sub(request.planned_us);
        // A server that has just started may wait for the first pulse of the worker.
        let is_of_nothing =
            matches!(request.what.task, Task::Get(_)) && self.askers[index].known == Known::Nothing;
        if took_us > storm::RESEND_AFTER_US && !is_of_nothing {
            self.context.record.errors.add(ErrorKind::OverOneSecond);
        }
        self.record_time(index, &request, took_us);
        self.context
            .shared
            .progress
            .reads
            .fetch_add(1, Ordering::Relaxed);
        self.context.slices.now.reads += 1;
        self.conclude(index, &request);
    }

    fn judge(
        &mut self,
        index: usize,
        asked: &Question,
        answer: &Message<'_>,
    ) -> Result<(), ErrorKind> {
        match asked.task {
            Task::List => {
                let now = judge::expected_list(&self.context.shared, asked.target, &self.deleted);
                let expected = asked.list.clone().still(&now);
                judge::list(&self.context.shared, &expected, answer)
            }
            Task::Delete(_) => match answer.kind {
                MessageType::DeletePathResponse => Ok(()),
                _ => Err(judge::unexpected(answer)),
            },
            Task::Get(worker) => {
                let sequence = judge::pulse(&self.context.shared, worker, answer)?;
                let asker = &mut self.askers[index];
                asker.newest = asker.newest.max(sequence);
                // A server without an answer may have what the others lack.
                if asker.all_well && asked.target + 1 == self.links.len() {
                    judge::newest(asker.newest, asker.known, self.context.shared.known(worker))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The asker goes on to its next task. A finished pass or page is timed as a whole.
    fn conclude(&mut self, index: usize, request: &Request<Question>) {
        let asked = &request.what;
        if let Task::Delete(topology) = asked.task {
            let is_last = asked.target + 1 == self.links.len();
            // If any server has not deleted it, nothing is certain.
            self.deleted[topology as usize] =
                is_last && self.askers[index].all_well && self.all_have_left(topology);
        }
        if let Some((timed, begun_us)) = self.askers[index].agenda.done(self.context.now_us)
            && self.context.window.contains(begun_us)
        {
            self.context
                .record
                .time(timed, self.context.now_us - begun_us);
        }
    }

    /// Whether all workers of a topology have left, so that none writes to it.
    fn all_have_left(&self, topology: u32) -> bool {
        let mut workers = (0..).zip(&self.context.shared.plan.workers);
        workers.all(|(index, worker)| {
            let left = matches!(
                self.context.shared.known(index),
                Known::Left | Known::Deleted
            );
            worker.topology != topology || left
        })
    }

    fn record_time(&mut self, index: usize, request: &Request<Question>, us: u64) {
        let timed = match (request.what.task, self.askers[index].agenda.is_ui()) {
            (Task::List, _) => Timed::List,
            (Task::Delete(_), _) => Timed::Delete,
            (Task::Get(_), true) => Timed::UiGet,
            (Task::Get(_), false) => Timed::Get,
        };
        if timed == Timed::Get {
            self.context.slices.now.get.record(us);
        }
        if self.context.window.contains(request.planned_us) {
            self.context.record.time(timed, us);
        }
    }

    /// Whether a request was under way on it.
    fn lose(&mut self, connection: ConnectionId) -> bool {
        let mut is_lost = false;
        for asker in &mut self.askers {
            if let Some(request) = &mut asker.question
                && request.lose(connection)
            {
                self.context.record.errors.add(ErrorKind::Abandoned);
                is_lost = true;
            }
        }
        is_lost
    }
}
