//! Nimbus: one connection to each server, shared by its scheduler, which reads one worker's pulse after
//! another, and by the threads that answer the UI's pages. Each of them waits for its answer before it
//! asks the next question; together they pipeline. All that they read is judged.

mod agenda;
mod handler;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use storm_pacemaker::connection::{Command, Commands, Ending};
use storm_pacemaker::ring::EventLoop;
use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{Message, MessageType, decode};

use super::clock::{Clock, Window};
use super::judge::{self, Listed};
use super::link::{Link, LinkState, Owners, TOO_LONG, close_all};
use super::logins::Logins;
use super::request::{Request, Retries, Retry, Try};
use super::slices::{Slice, Slices};
use super::stage::{Known, Stage};
use crate::record::{ErrorKind, Record, Timed};
use crate::storm;
use agenda::{Agenda, Task};

pub struct Readers {
    stage: Arc<Stage>,
    clock: Clock,
    window: Window,
    /// One for each target, and when one that is down may be dialled.
    links: Vec<Link>,
    dial_us: Vec<u64>,
    owners: Owners,
    askers: Vec<Asker>,
    /// Topologies whose deletion all servers have acknowledged.
    deleted: Vec<bool>,
    retries: Retries,
    logins: Logins,
    /// Servers and requests that were written to them again: further answers may come to each.
    written_again: Vec<(usize, i32)>,
    last_id: i32,
    now_us: u64,
    record: Record,
    slices: Slices,
    ending: bool,
    errors_shown: u64,
}

/// One thread of Nimbus.
struct Asker {
    agenda: Agenda,
    asked: Option<Request<Asked>>,
    /// What the servers that were asked before had of the same worker.
    newest: Option<u32>,
    /// What was known of the worker before the first server was asked.
    known: Known,
    /// Whether all servers so far have given a proper answer.
    all_well: bool,
}

/// What was asked, and what the answer has to hold.
struct Asked {
    task: Task,
    target: usize,
    list: Listed,
}

impl Readers {
    pub fn new(stage: Arc<Stage>, clock: Clock, seconds: Sender<Slice>) -> Readers {
        let targets = stage.settings.targets.len();
        let askers = agenda::all(&stage).into_iter().map(|agenda| Asker {
            agenda,
            asked: None,
            newest: None,
            known: Known::Nothing,
            all_well: true,
        });
        Readers {
            window: Window::of(&stage.settings),
            askers: askers.collect(),
            deleted: vec![false; stage.plan.topologies.len()],
            stage,
            clock,
            links: (0..targets).map(|_| Link::default()).collect(),
            dial_us: vec![0; targets],
            owners: Owners::default(),
            retries: Retries::default(),
            logins: Logins::default(),
            written_again: Vec::new(),
            last_id: 0,
            now_us: 0,
            record: Record::default(),
            slices: Slices::new(seconds),
            ending: false,
            errors_shown: 0,
        }
    }

    /// Reads until the plan is over and the last request is answered or given up.
    pub fn run(mut self, ring: &mut EventLoop) -> io::Result<Record> {
        let mut commands = Commands::default();
        loop {
            self.now_us = self.clock.now_us();
            self.ending = self.now_us >= self.window.end_us;
            let waits = self.askers.iter().any(|asker| asker.asked.is_some());
            if self.stage.aborted() || self.ending && !waits {
                break;
            }
            self.take_late_logins(&mut commands);
            let mut due_us = self.dial_links(ring);
            self.take_retries(&mut commands);
            if !self.ending {
                due_us = due_us.min(self.ask_all(&mut commands));
            }
            for next_us in [self.retries.next_us(), self.logins.next_us()] {
                due_us = due_us.min(next_us.unwrap_or(u64::MAX));
            }
            ring.apply_commands(&mut self, &mut commands)?;
            let rest = self.clock.rest_until(due_us);
            ring.turn(&mut self, rest)?;
            self.show_progress();
        }
        self.note_unfinished();
        self.ending = true;
        let ids = self.links.iter().filter_map(Link::id).collect();
        let clock = self.clock;
        close_all(ids, ring, &mut self, clock)?;
        self.show_progress();
        let errors = self.record.errors.total();
        self.slices.finish(self.window.end_us, errors);
        Ok(self.record)
    }

    /// Dials what is down, and returns when to look again.
    fn dial_links(&mut self, ring: &mut EventLoop) -> u64 {
        let mut next_us = u64::MAX;
        for (target, link) in self.links.iter_mut().enumerate() {
            if self.ending || link.state != LinkState::Down {
                continue;
            }
            if self.dial_us[target] <= self.now_us {
                let to = self.stage.settings.targets[target].address;
                let from = self.stage.settings.sources.first().copied();
                match link.dial(ring, to, from, self.now_us, &mut self.record) {
                    Ok(id) => {
                        self.owners.set(id, target as u32);
                        continue;
                    }
                    Err(wait_us) => self.dial_us[target] = self.now_us + wait_us,
                }
            }
            next_us = next_us.min(self.dial_us[target]);
        }
        next_us
    }

    // ── Questions ────────────────────────────────────────────────────────────────────────────────

    /// Lets everyone ask who has something to ask and waits for nothing, and returns when the next
    /// one will.
    fn ask_all(&mut self, commands: &mut Commands) -> u64 {
        let mut next_us = self.window.end_us;
        for index in 0..self.askers.len() {
            let asker = &mut self.askers[index];
            if asker.asked.is_some() {
                continue;
            }
            match asker.agenda.next(&self.stage, self.now_us) {
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
        let mut list = Listed::default();
        match task {
            Task::List => list = judge::expected_list(&self.stage, target, &self.deleted),
            Task::Get(worker) if target == 0 => {
                asker.newest = None;
                asker.known = self.stage.known(worker);
            }
            Task::Get(_) | Task::Delete(_) => {}
        }
        let asked = Asked { task, target, list };
        let now_us = self.clock.now_us();
        asker.asked = Some(Request::new(self.last_id, asked, now_us));
        self.retries.add(now_us, index as u32, self.last_id);
        self.attempt(index, commands);
    }

    /// Writes what the asker has asked, if its connection stands.
    fn attempt(&mut self, index: usize, commands: &mut Commands) {
        let Some(request) = &mut self.askers[index].asked else {
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
                self.record.resent += 1;
                self.written_again.push((request.what.target, request.id));
            }
        }
        let text = link.outbox.text();
        let before = text.len();
        let plan = &self.stage.plan;
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
        self.slices.now.bytes_sent += (text.len() - before) as u64;
        commands.push(Command::Send(id));
    }

    /// Requests without an answer for a second are written again, or given up: then the client throws
    /// its connection away.
    fn take_retries(&mut self, commands: &mut Commands) {
        while let Some(Retry { owner, id, .. }) = self.retries.take(self.now_us) {
            let index = owner as usize;
            let asked = &mut self.askers[index].asked;
            let Some(request) = asked.as_mut().filter(|request| request.id == id) else {
                continue; // answered
            };
            if request.try_again() {
                self.retries.add(self.now_us, owner, id);
                self.attempt(index, commands);
                continue;
            }
            let Some(request) = asked.take() else {
                continue;
            };
            if !request.was_written() {
                self.record.errors.add(ErrorKind::Unsent);
            } else if !request.is_lost() {
                self.record.errors.add(ErrorKind::Unanswered);
            }
            let target = request.what.target;
            if self.links[target].is_logging_in() {
                // The request has waited for it from its start.
                self.links[target].fail_login(TOO_LONG.to_owned(), &mut self.record, commands);
            }
            if let Some(connection) = self.links[target].abandon() {
                self.lose(connection);
                commands.push(Command::Close(connection, Ending::Reset));
            }
            self.dial_us[target] = self.now_us;
            self.askers[index].all_well = false;
            self.conclude(index, &request);
        }
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    fn answered(&mut self, target: usize, body: &[u8]) {
        let Ok(answer) = decode(body) else {
            self.record.errors.add(ErrorKind::BadAnswer);
            return;
        };
        self.links[target].answered();
        let fits = |request: &mut Request<Asked>| {
            request.id == answer.id && request.what.target == target && request.was_written()
        };
        let mut askers = self.askers.iter_mut().enumerate();
        let found = askers.find_map(|(index, asker)| Some((index, asker.asked.take_if(fits)?)));
        let Some((index, request)) = found else {
            let mut again = self.written_again.iter();
            let again = again.position(|again| *again == (target, answer.id));
            match again {
                Some(position) => {
                    self.written_again.swap_remove(position);
                    self.record.answered_twice += 1;
                }
                None => self.record.errors.add(judge::unexpected(&answer)),
            }
            return;
        };
        if let Err(kind) = self.judge(index, &request.what, &answer) {
            self.record.errors.add(kind);
            self.askers[index].all_well = false;
        }
        let took_us = self.now_us.saturating_sub(request.planned_us);
        if took_us > storm::RESEND_AFTER_US {
            self.record.errors.add(ErrorKind::OverOneSecond);
        }
        self.record_time(index, &request, took_us);
        self.stage.progress.reads.fetch_add(1, Ordering::Relaxed);
        self.slices.now.reads += 1;
        self.conclude(index, &request);
    }

    fn judge(
        &mut self,
        index: usize,
        asked: &Asked,
        answer: &Message<'_>,
    ) -> Result<(), ErrorKind> {
        match asked.task {
            Task::List => {
                let now = judge::expected_list(&self.stage, asked.target, &self.deleted);
                let expected = asked.list.clone().still(&now);
                judge::list(&self.stage, &expected, answer)
            }
            Task::Delete(_) => match answer.kind {
                MessageType::DeletePathResponse => Ok(()),
                _ => Err(judge::unexpected(answer)),
            },
            Task::Get(worker) => {
                let sequence = judge::pulse(&self.stage, worker, answer)?;
                let asker = &mut self.askers[index];
                asker.newest = asker.newest.max(sequence);
                // A server that has not answered may have had what the others lack.
                match asker.all_well && asked.target + 1 == self.links.len() {
                    true => judge::newest(asker.newest, asker.known, self.stage.known(worker)),
                    false => Ok(()),
                }
            }
        }
    }

    /// The asker goes on to its next task; a list of tasks that is done is timed as a whole.
    fn conclude(&mut self, index: usize, request: &Request<Asked>) {
        let asked = &request.what;
        if let Task::Delete(topology) = asked.task {
            let is_last = asked.target + 1 == self.links.len();
            // With a server that has not done so nothing is certain.
            self.deleted[topology as usize] =
                is_last && self.askers[index].all_well && self.all_have_left(topology);
        }
        if let Some((timed, begun_us)) = self.askers[index].agenda.done(self.now_us)
            && self.window.contains(begun_us)
        {
            self.record.time(timed, self.now_us - begun_us);
        }
    }

    /// The plan is over: a pass that has missed its time already has taken that long at the least.
    fn note_unfinished(&mut self) {
        for asker in &self.askers {
            if let Some((timed, begun_us)) = asker.agenda.unfinished()
                && self.window.contains(begun_us)
                && self.window.end_us - begun_us >= storm::NIMBUS_PASS_EVERY_US
            {
                self.record.time(timed, self.window.end_us - begun_us);
            }
        }
    }

    /// Whether nobody can write below a topology any more.
    fn all_have_left(&self, topology: u32) -> bool {
        let mut workers = (0..).zip(&self.stage.plan.workers);
        workers.all(|(index, worker)| {
            let left = matches!(self.stage.known(index), Known::Left | Known::Deleted);
            worker.topology != topology || left
        })
    }

    fn record_time(&mut self, index: usize, request: &Request<Asked>, us: u64) {
        let timed = match (request.what.task, self.askers[index].agenda.is_ui()) {
            (Task::List, _) => Timed::List,
            (Task::Delete(_), _) => Timed::Delete,
            (Task::Get(_), true) => Timed::UiGet,
            (Task::Get(_), false) => Timed::Get,
        };
        if timed == Timed::Get {
            self.slices.now.get.record(us);
        }
        if self.window.contains(request.planned_us) {
            self.record.time(timed, us);
        }
    }

    fn show_progress(&mut self) {
        let errors = self.record.errors.total();
        if errors > self.errors_shown {
            let more = errors - self.errors_shown;
            self.stage
                .progress
                .errors
                .fetch_add(more, Ordering::Relaxed);
            self.errors_shown = errors;
        }
        self.slices
            .roll(self.now_us.min(self.window.end_us), errors);
    }
}
