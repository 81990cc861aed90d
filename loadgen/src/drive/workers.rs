//! The workers of one thread. Each dials, sends pulses at its planned instants, takes the answers, and leaves
//! when the plan says so. The plan does not depend on the server: late and lost pulses are counted, never
//! skipped. When something fails, a worker behaves like Storm's 2.x client.

mod requests;

use std::sync::atomic::Ordering;

use storm_pacemaker::client_login::ClientMethod;
use storm_pacemaker::connection::{Commands, ConnectionId, Ending, SleepPlan};
use storm_pacemaker::io::EventLoop;

use super::context::Context;
use super::driver::{Clients, end_late_logins};
use super::link::{Link, LinkState};
use super::shared_run::SharedRun;
use super::timeline::{Action, Due, Timeline};
use super::worker::{Life, RequestKind, Worker};
use crate::plan::{Leaving, Pace, PlannedWorker};
use crate::record::{ErrorKind, Timed};
use crate::storm;

/// Actions before the next look at the sockets: half a millisecond of sending.
const ACTIONS_A_TURN: usize = 64;

/// How long requests under way may still be answered after the end of the plan: all their tries. A pulse
/// that waits behind one of them gets fewer.
const LAST_ANSWERS_US: u64 = storm::GIVE_UP_AFTER_US + storm::RESEND_AFTER_US;

pub(super) struct Workers {
    context: Context,
    /// Worker `n` plays worker `first + n * stride` of the plan.
    workers: Vec<Worker>,
    first: u32,
    stride: u32,
    timeline: Timeline,
    /// Requests under way of all workers.
    in_flight: usize,
    /// Acknowledged pulses that the progress line does not count yet.
    acknowledged_since: u64,
}

impl Workers {
    /// The workers of the thread with this index.
    pub(super) fn new(context: Context, index: usize) -> Workers {
        let stride = context.shared.settings.cores.len();
        let mut timeline = Timeline::default();
        let plans = context.shared.plan.workers.iter();
        let workers = (0..).zip(plans.skip(index).step_by(stride));
        let workers = workers
            .map(|(worker, plan)| {
                let mut add = |at_us, action| {
                    timeline.add(Due {
                        at_us,
                        worker,
                        action,
                    });
                };
                add(plan.connect_us, Action::Dial);
                add(plan.first_pulse_us, Action::Pulse);
                if let Some(end) = plan.end {
                    add(end.at_us, Action::Leave);
                }
                Worker::new(plan.target)
            })
            .collect();
        Workers {
            context,
            workers,
            first: index as u32,
            stride: stride as u32,
            timeline,
            in_flight: 0,
            acknowledged_since: 0,
        }
    }

    // ── The plan ─────────────────────────────────────────────────────────────────────────────────

    /// Does the actions that are due, and returns when the next one is.
    fn take_actions(&mut self, event_loop: &mut EventLoop, commands: &mut Commands) -> u64 {
        for _ in 0..ACTIONS_A_TURN {
            // Read before each action: the time that the others took is its lateness.
            self.context.now_us = self.context.clock.now_us();
            match self
                .timeline
                .take(self.context.now_us.min(self.context.window.end_us - 1))
            {
                Some(due) => match due.action {
                    Action::Dial => self.dial(event_loop, due.worker),
                    Action::Pulse => self.pulse_due(due, commands),
                    Action::Leave => self.leave(due.worker, commands),
                },
                None => break,
            }
        }
        self.next_action_us().unwrap_or(self.context.window.end_us)
    }

    /// When the next action is due, if that is within the plan.
    fn next_action_us(&self) -> Option<u64> {
        let next_us = self.timeline.next_us();
        next_us.filter(|next_us| *next_us < self.context.window.end_us)
    }

    fn dial(&mut self, event_loop: &mut EventLoop, index: u32) {
        let plan_index = self.plan_index(index) as usize;
        let settings = &self.context.shared.settings;
        let worker = &mut self.workers[index as usize];
        if worker.life == Life::Gone || worker.link.state != LinkState::Down {
            return;
        }
        let to = settings.targets[worker.target].address;
        let turn = plan_index / settings.targets.len();
        let from = match settings.sources.len() {
            0 => None,
            sources => Some(settings.sources[turn % sources]),
        };
        match worker.link.dial(
            event_loop,
            to,
            from,
            self.context.now_us,
            &mut self.context.record,
        ) {
            Ok(id) => self.context.owners.set(id, index),
            Err(wait_us) => self.dial_at(index, self.context.now_us + wait_us),
        }
    }

    /// Counts a planned pulse, and schedules the next one.
    fn plan_pulse(&mut self, due: Due) {
        if self.context.window.contains(due.at_us) {
            self.context.record.planned += 1;
            // Lateness is the generator's own: it does not depend on the connection.
            self.context.record.time(
                Timed::Lateness,
                self.context.now_us.saturating_sub(due.at_us),
            );
        }
        if let Pace::Every { interval_us } = self.context.shared.plan.pace {
            self.timeline.add(Due {
                at_us: due.at_us + interval_us,
                ..due
            });
        }
    }

    /// A pulse is due.
    fn pulse_due(&mut self, due: Due, commands: &mut Commands) {
        let worker = &mut self.workers[due.worker as usize];
        if worker.life != Life::Running {
            return; // its plan is over
        }
        let planned_us = due.at_us;
        let is_free = worker.request.is_none();
        if is_free {
            self.begin(due.worker, RequestKind::Pulse, planned_us, commands);
        } else if worker.waiting_us.replace(planned_us).is_some() {
            self.context.record.errors.add(ErrorKind::Unsent);
        }
        self.plan_pulse(due);
    }

    /// The worker exits, or is killed.
    fn leave(&mut self, index: u32, commands: &mut Commands) {
        let plan_index = self.plan_index(index);
        let worker = &mut self.workers[index as usize];
        worker.waiting_us = None;
        match self.plan_of(index).end.map(|end| end.how) {
            Some(Leaving::Orderly) => {
                self.context.shared.begin_leaving(plan_index);
                let servers = self.context.shared.settings.targets.len();
                let worker = &mut self.workers[index as usize];
                worker.life = Life::Exiting {
                    servers,
                    all_deleted: true,
                };
                if worker.request.is_none() {
                    self.begin(index, RequestKind::Delete, self.context.now_us, commands);
                }
            }
            Some(Leaving::Killed) | None => {
                let worker = &mut self.workers[index as usize];
                self.in_flight -= usize::from(worker.request.take().is_some());
                self.context.shared.leave(plan_index, false);
                self.vanish(index, commands);
            }
        }
    }

    /// The worker's process ends: the kernel closes its connection with a FIN.
    fn vanish(&mut self, index: u32, commands: &mut Commands) {
        let worker = &mut self.workers[index as usize];
        worker.life = Life::Gone;
        self.take_down(index, Ending::Orderly, commands);
    }

    // ── The rest ─────────────────────────────────────────────────────────────────────────────────

    fn plan_index(&self, worker: u32) -> u32 {
        self.first + worker * self.stride
    }

    fn plan_of(&self, worker: u32) -> &PlannedWorker {
        &self.context.shared.plan.workers[self.plan_index(worker) as usize]
    }
}

impl Clients for Workers {
    fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    fn link(&mut self, owner: u32) -> (&mut Link, &mut Context) {
        let link = &mut self.workers[owner as usize].link;
        (link, &mut self.context)
    }

    fn login_method<'a>(&self, shared: &'a SharedRun, owner: u32) -> Option<&'a ClientMethod> {
        let target = self.workers[owner as usize].target;
        shared.settings.targets[target].logins.workers.as_ref()
    }

    fn step(&mut self, event_loop: &mut EventLoop, commands: &mut Commands) -> Option<u64> {
        let now_us = self.context.clock.now_us();
        let end_us = self.context.window.end_us;
        let last_us = end_us + LAST_ANSWERS_US;
        self.context.ending = now_us >= end_us && self.next_action_us().is_none();
        let all_answered = self.context.ending && self.in_flight == 0;
        if self.context.shared.aborted() || all_answered || now_us >= last_us {
            return None;
        }
        self.take_retries(commands);
        end_late_logins(self, commands);
        let due_us = if self.context.ending {
            last_us
        } else {
            self.take_actions(event_loop, commands)
        };
        Some(self.context.next_wake_us(due_us))
    }

    fn sleep_until(&mut self, due_us: u64) -> SleepPlan {
        self.context.clock.batch_until(due_us)
    }

    fn show_progress(&mut self) {
        let acknowledged = std::mem::take(&mut self.acknowledged_since);
        if acknowledged > 0 {
            let shown = &self.context.shared.progress.acknowledged;
            shown.fetch_add(acknowledged, Ordering::Relaxed);
        }
        self.context.show_progress();
    }

    /// Also counts pulses that the generator did not get to.
    fn give_up(&mut self) -> Vec<ConnectionId> {
        self.context.now_us = self.context.clock.now_us();
        while let Some(due) = self.timeline.take(self.context.window.end_us - 1) {
            let is_running = self.workers[due.worker as usize].life == Life::Running;
            if due.action == Action::Pulse && is_running {
                self.plan_pulse(due);
                self.context.record.errors.add(ErrorKind::Unsent);
            }
        }
        for index in 0..self.workers.len() as u32 {
            if let Some(request) = self.workers[index as usize].request.take() {
                self.fail(index, &request);
            }
            if self.workers[index as usize].waiting_us.take().is_some() {
                self.context.record.errors.add(ErrorKind::Unsent);
            }
        }
        let links = self.workers.iter().map(|worker| &worker.link);
        links.filter_map(Link::id).collect()
    }

    fn connected(&mut self, owner: u32) {
        self.workers[owner as usize].forget_owed();
    }

    fn up(&mut self, owner: u32, commands: &mut Commands) {
        let connections = &self.context.shared.progress.connections;
        connections.fetch_add(1, Ordering::Relaxed);
        self.attempt(owner, commands);
    }

    fn down(&mut self, _owner: u32) {
        let connections = &self.context.shared.progress.connections;
        connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn answered(&mut self, owner: u32, body: &[u8], commands: &mut Commands) {
        self.take_answer(owner, body, commands);
    }

    fn lost(&mut self, owner: u32, connection: ConnectionId) -> bool {
        let request = &mut self.workers[owner as usize].request;
        let is_lost = request
            .as_mut()
            .is_some_and(|request| request.lose(connection));
        if is_lost {
            self.context.record.errors.add(ErrorKind::Abandoned);
        }
        is_lost
    }

    fn dial_at(&mut self, owner: u32, at_us: u64) {
        self.timeline.add(Due {
            at_us,
            worker: owner,
            action: Action::Dial,
        });
    }
}

impl From<Workers> for Context {
    fn from(workers: Workers) -> Context {
        workers.context
    }
}
