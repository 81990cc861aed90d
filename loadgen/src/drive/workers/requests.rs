//! A worker's requests: begun, written, repeated, given up, answered; and what follows.

use std::sync::atomic::Ordering;

use storm_pacemaker::connection::{Command, Commands, Ending};
use storm_pacemaker::wire::decode;

use super::super::driver::Clients;
use super::super::judge;
use super::super::link::TOO_LONG;
use super::super::request::{Request, Retry, Try};
use super::super::worker::{Life, Match, RequestKind};
use super::Workers;
use crate::plan::Pace;
use crate::record::{ErrorKind, Timed};
use crate::storm;

impl Workers {
    // ── Requests ─────────────────────────────────────────────────────────────────────────────────

    pub(super) fn begin(
        &mut self,
        index: u32,
        what: RequestKind,
        planned_us: u64,
        commands: &mut Commands,
    ) {
        let id = self.workers[index as usize].begin(what, planned_us);
        self.in_flight += 1;
        self.context.retries.add(self.context.now_us, index, id);
        self.attempt(index, commands);
    }

    /// Writes the request under way, if there is a connection.
    pub(super) fn attempt(&mut self, index: u32, commands: &mut Commands) {
        let plan_index = self.plan_index(index);
        let worker = &mut self.workers[index as usize];
        let up = worker.link.up();
        let (Some(request), Some(id)) = (&mut worker.request, up) else {
            return;
        };
        let attempt = request.attempt(up);
        if attempt == Try::Nowhere {
            return;
        }
        let (what, planned_us) = (request.what, request.planned_us);
        let plan = &self.context.shared.plan.workers[plan_index as usize];
        let bytes = if worker.is_new() {
            plan.first_bytes
        } else {
            plan.bytes
        };
        let frame_bytes = worker.write(
            &plan.key,
            self.context.shared.run_id,
            plan_index,
            bytes as usize,
        );
        commands.push(Command::Send(id));
        self.context.slices.now.bytes_sent += frame_bytes as u64;
        if self.context.window.contains(self.context.now_us) {
            self.context.record.bytes_sent += frame_bytes as u64;
        }
        match attempt {
            Try::First => {
                let counts = what == RequestKind::Pulse && self.context.window.contains(planned_us);
                self.context.record.sent += u64::from(counts);
            }
            Try::Again | Try::Nowhere => {
                worker.owe();
                self.context.record.resent += 1;
            }
        }
    }

    /// Repeats or gives up requests without an answer for a second.
    pub(super) fn take_retries(&mut self, commands: &mut Commands) {
        self.context.now_us = self.context.clock.now_us();
        while let Some(Retry { owner, id, .. }) = self.context.retries.take(self.context.now_us) {
            let worker = &mut self.workers[owner as usize];
            let Some(request) = worker.request.as_mut().filter(|request| request.id == id) else {
                continue; // answered
            };
            if request.try_again() {
                self.context.retries.add(self.context.now_us, owner, id);
                self.attempt(owner, commands);
            } else if let Some(request) = worker.request.take() {
                self.fail(owner, &request);
                self.rotate(owner, commands);
                self.proceed(owner, &request, false, commands);
            }
        }
    }

    /// Counts a failed request.
    pub(super) fn fail(&mut self, index: u32, request: &Request<RequestKind>) {
        self.in_flight -= 1;
        if request.was_written() {
            // A request lost with its connection has been counted.
            if !request.is_lost() {
                self.context.record.errors.add(ErrorKind::Unanswered);
            }
            let age_us = self.context.now_us.saturating_sub(request.planned_us);
            self.record_response(request, age_us, false);
        } else {
            self.context.record.errors.add(ErrorKind::Unsent);
        }
        debug_assert!(self.workers[index as usize].request.is_none());
    }

    /// After a failed request the client turns to the next server, with a new connection.
    fn rotate(&mut self, index: u32, commands: &mut Commands) {
        let link = &mut self.workers[index as usize].link;
        if link.is_logging_in() {
            // The request has waited for the login from its start.
            link.fail_login(TOO_LONG.to_owned(), &mut self.context.record, commands);
        }
        self.take_down(index, Ending::Reset, commands);
        let targets = self.context.shared.settings.targets.len();
        self.workers[index as usize].rotate(targets);
        if !self.context.ending {
            self.dial_at(index, self.context.now_us);
        }
    }

    pub(super) fn take_down(&mut self, index: u32, ending: Ending, commands: &mut Commands) {
        let link = &mut self.workers[index as usize].link;
        if link.up().is_some() {
            self.down(index);
        }
        if let Some(id) = self.workers[index as usize].link.abandon() {
            commands.push(Command::Close(id, ending));
        }
    }

    /// A request is over. Begins what follows.
    fn proceed(
        &mut self,
        index: u32,
        done: &Request<RequestKind>,
        succeeded: bool,
        commands: &mut Commands,
    ) {
        let plan_index = self.plan_index(index);
        let worker = &mut self.workers[index as usize];
        match worker.life {
            Life::Running => {
                if let Some(planned_us) = worker.waiting_us.take() {
                    self.begin(index, RequestKind::Pulse, planned_us, commands);
                } else if self.context.shared.plan.pace == Pace::Saturate && !self.context.ending {
                    self.context.record.planned +=
                        u64::from(self.context.window.contains(self.context.now_us));
                    self.begin(index, RequestKind::Pulse, self.context.now_us, commands);
                }
            }
            Life::Exiting {
                servers,
                all_deleted,
            } => {
                let mut left = servers;
                if done.what == RequestKind::Delete {
                    left -= 1;
                    let all_deleted = all_deleted && succeeded;
                    worker.life = Life::Exiting {
                        servers: left,
                        all_deleted,
                    };
                    if left == 0 {
                        self.context.shared.leave(plan_index, all_deleted);
                        self.vanish(index, commands);
                        return;
                    }
                    if self.context.now_us >= self.context.window.end_us {
                        // No dials after the plan: the other servers keep the key.
                        self.context.shared.leave(plan_index, false);
                        self.vanish(index, commands);
                        return;
                    }
                    // After a failure, the client has turned to the next server already.
                    if succeeded {
                        self.rotate(index, commands);
                    }
                }
                self.begin(index, RequestKind::Delete, self.context.now_us, commands);
            }
            Life::Gone => {}
        }
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn take_answer(&mut self, index: u32, body: &[u8], commands: &mut Commands) {
        let answer = match decode(body) {
            Ok(answer) => answer,
            Err(_) => {
                self.context.record.errors.add(ErrorKind::BadAnswer);
                return;
            }
        };
        let worker = &mut self.workers[index as usize];
        let request = match worker.match_answer(answer.kind, answer.id) {
            Match::Answered(request) => request,
            Match::Refused(request) => {
                self.context.record.errors.add(ErrorKind::Refused);
                self.in_flight -= 1;
                if request.what == RequestKind::Delete {
                    self.rotate(index, commands);
                }
                self.proceed(index, &request, false, commands);
                return;
            }
            Match::Duplicate => {
                self.context.record.answered_twice += 1;
                return;
            }
            Match::Unasked => {
                self.context.record.errors.add(judge::unexpected(&answer));
                return;
            }
        };
        worker.link.answered();
        self.in_flight -= 1;
        let response_us = self.context.now_us.saturating_sub(request.planned_us);
        if response_us > storm::RESEND_AFTER_US {
            self.context.record.errors.add(ErrorKind::OverOneSecond);
        }
        if request.what == RequestKind::Pulse {
            self.acknowledged_since += 1;
            self.context.slices.now.acknowledged += 1;
            if self.workers[index as usize].life == Life::Running {
                self.context
                    .shared
                    .acknowledge(self.plan_index(index), request.id as u32);
            }
        }
        self.record_response(&request, response_us, true);
        self.proceed(index, &request, true, commands);
    }

    fn record_response(&mut self, request: &Request<RequestKind>, us: u64, acknowledged: bool) {
        let in_window = self.context.window.contains(request.planned_us);
        if request.what == RequestKind::Delete {
            if in_window {
                self.context.record.time(Timed::Delete, us);
            }
            return;
        }
        self.context
            .shared
            .progress
            .worst_us
            .fetch_max(us, Ordering::Relaxed);
        self.context.slices.now.pulse.record(us);
        if in_window {
            self.context.record.time(Timed::Pulse, us);
            self.context.record.acknowledged += u64::from(acknowledged);
        }
    }
}
