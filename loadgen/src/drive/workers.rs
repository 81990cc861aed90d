//! The workers of one thread: each dials, pulses at its planned instants, takes its answers, and leaves
//! when its time has come. The plan is kept whatever the server does; what is late or lost is counted,
//! never skipped. How a worker behaves when things go wrong is what Storm's 2.x client does.

mod handler;
mod requests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use storm_pacemaker::connection::{Commands, Ending};
use storm_pacemaker::ring::EventLoop;

use super::clock::{Clock, Window};
use super::link::{LinkState, Owners, close_all};
use super::logins::Logins;
use super::request::Retries;
use super::slices::{Slice, Slices};
use super::stage::Stage;
use super::timeline::{Due, Step, Timeline};
use super::worker::{Life, What, Worker};
use crate::plan::{self, Leaving, Pace};
use crate::record::{ErrorKind, Record, Timed};
use crate::storm;

/// Steps between two looks at the sockets: half a millisecond of sending. Lateness is known to that.
const STEPS_A_TURN: usize = 64;

/// After the end of the plan the requests under way are answered, or given up after their eleven tries.
/// A pulse that waits behind one of them does not get all of its own.
const LAST_ANSWERS_US: u64 = storm::GIVE_UP_AFTER_US + storm::RESEND_AFTER_US;

pub struct Workers {
    stage: Arc<Stage>,
    clock: Clock,
    window: Window,
    /// Of the workers with plan index `first + n * step` this is the `n`th.
    workers: Vec<Worker>,
    first: u32,
    step: u32,
    owners: Owners,
    timeline: Timeline,
    retries: Retries,
    logins: Logins,
    /// Requests under way of all workers.
    in_flight: usize,
    now_us: u64,
    record: Record,
    slices: Slices,
    /// The plan is over: no dials, no new pulses.
    ending: bool,
    /// Pulses that the progress line does not know yet, and errors that it does.
    acknowledged_since: u64,
    errors_shown: u64,
}

impl Workers {
    /// The workers of the `index`th of so many threads.
    pub fn new(stage: Arc<Stage>, index: usize, clock: Clock, seconds: Sender<Slice>) -> Workers {
        let step = stage.settings.cores.len();
        let mut timeline = Timeline::default();
        let plans = stage.plan.workers.iter().skip(index).step_by(step);
        let workers = plans
            .enumerate()
            .map(|(worker, plan)| {
                let worker = worker as u32;
                let mut add = |at_us, step| {
                    timeline.add(Due {
                        at_us,
                        worker,
                        step,
                    });
                };
                add(plan.connect_us, Step::Dial);
                add(plan.first_pulse_us, Step::Pulse);
                if let Some(end) = plan.end {
                    add(end.at_us, Step::Leave);
                }
                Worker::new(plan.target)
            })
            .collect();
        Workers {
            window: Window::of(&stage.settings),
            stage,
            clock,
            workers,
            first: index as u32,
            step: step as u32,
            owners: Owners::default(),
            timeline,
            retries: Retries::default(),
            logins: Logins::default(),
            in_flight: 0,
            now_us: 0,
            record: Record::default(),
            slices: Slices::new(seconds),
            ending: false,
            acknowledged_since: 0,
            errors_shown: 0,
        }
    }

    /// Plays the plan, waits for the last answers, and closes all connections.
    pub fn run(mut self, ring: &mut EventLoop) -> io::Result<Record> {
        let last_us = self.window.end_us + LAST_ANSWERS_US;
        let mut commands = Commands::default();
        loop {
            let now_us = self.clock.now_us();
            self.ending = now_us >= self.window.end_us && self.next_step_us().is_none();
            let all_answered = self.ending && self.in_flight == 0;
            if self.stage.aborted() || all_answered || now_us >= last_us {
                break;
            }
            self.take_retries(&mut commands);
            self.take_late_logins(&mut commands);
            let mut due_us = match self.ending {
                false => self.take_steps(ring, &mut commands),
                true => last_us,
            };
            for next_us in [self.retries.next_us(), self.logins.next_us()] {
                due_us = due_us.min(next_us.unwrap_or(u64::MAX));
            }
            ring.apply_commands(&mut self, &mut commands)?;
            let rest = self.clock.gather_until(due_us);
            ring.turn(&mut self, rest)?;
            self.show_progress();
        }
        self.give_up_all();
        self.ending = true;
        let ids = self
            .workers
            .iter()
            .filter_map(|worker| worker.link.id())
            .collect();
        let clock = self.clock;
        close_all(ids, ring, &mut self, clock)?;
        self.show_progress();
        let errors = self.record.errors.total();
        self.slices.finish(self.window.end_us, errors);
        Ok(self.record)
    }

    // ── The plan ─────────────────────────────────────────────────────────────────────────────────

    /// Takes the steps that are due, and returns when the next one is.
    fn take_steps(&mut self, ring: &mut EventLoop, commands: &mut Commands) -> u64 {
        for _ in 0..STEPS_A_TURN {
            // Read for each: what the steps before it took is lateness of this one.
            self.now_us = self.clock.now_us();
            match self.timeline.take(self.now_us.min(self.window.end_us - 1)) {
                Some(due) => match due.step {
                    Step::Dial => self.dial(ring, due.worker),
                    Step::Pulse => self.pulse_due(due, commands),
                    Step::Leave => self.leave(due.worker, commands),
                },
                None => break,
            }
        }
        self.next_step_us().unwrap_or(self.window.end_us)
    }

    /// The next step within the plan.
    fn next_step_us(&self) -> Option<u64> {
        let next_us = self.timeline.next_us();
        next_us.filter(|next_us| *next_us < self.window.end_us)
    }

    fn dial(&mut self, ring: &mut EventLoop, index: u32) {
        let plan_index = self.plan_index(index) as usize;
        let settings = &self.stage.settings;
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
        match worker
            .link
            .dial(ring, to, from, self.now_us, &mut self.record)
        {
            Ok(id) => self.owners.set(id, index),
            Err(wait_us) => self.dial_at(index, self.now_us + wait_us),
        }
    }

    fn dial_at(&mut self, worker: u32, at_us: u64) {
        self.timeline.add(Due {
            at_us,
            worker,
            step: Step::Dial,
        });
    }

    /// Counts a pulse of the plan, and puts the worker's next one into the timeline.
    fn plan_pulse(&mut self, due: Due) {
        if self.window.contains(due.at_us) {
            self.record.planned += 1;
            // Nothing of the server's keeps us from getting to it, whatever its connection does.
            self.record
                .time(Timed::Lateness, self.now_us.saturating_sub(due.at_us));
        }
        if let Pace::Every { interval_us } = self.stage.plan.pace {
            self.timeline.add(Due {
                at_us: due.at_us + interval_us,
                ..due
            });
        }
    }

    /// A pulse's planned instant has come.
    fn pulse_due(&mut self, due: Due, commands: &mut Commands) {
        let worker = &mut self.workers[due.worker as usize];
        if worker.life != Life::Running {
            return; // its plan is over
        }
        let planned_us = due.at_us;
        let is_free = worker.request.is_none();
        if is_free {
            self.begin(due.worker, What::Pulse, planned_us, commands);
        } else if worker.held_us.replace(planned_us).is_some() {
            self.record.errors.add(ErrorKind::Unsent);
        }
        self.plan_pulse(due);
    }

    /// The end of a worker's life, or of its way there.
    fn leave(&mut self, index: u32, commands: &mut Commands) {
        let plan_index = self.plan_index(index);
        let worker = &mut self.workers[index as usize];
        worker.held_us = None;
        match self.plan_of(index).end.map(|end| end.how) {
            Some(Leaving::Orderly) => {
                self.stage.begin_leaving(plan_index);
                let servers = self.stage.settings.targets.len();
                let worker = &mut self.workers[index as usize];
                worker.life = Life::Exiting {
                    servers,
                    all_deleted: true,
                };
                if worker.request.is_none() {
                    self.begin(index, What::Delete, self.now_us, commands);
                }
            }
            Some(Leaving::Killed) | None => {
                let worker = &mut self.workers[index as usize];
                self.in_flight -= usize::from(worker.request.take().is_some());
                self.stage.leave(plan_index, false);
                self.vanish(index, commands);
            }
        }
    }

    /// Its process is gone: the kernel closes its connection with a FIN.
    fn vanish(&mut self, index: u32, commands: &mut Commands) {
        let worker = &mut self.workers[index as usize];
        worker.life = Life::Gone;
        self.take_down(index, Ending::Orderly, commands);
    }

    // ── The end ──────────────────────────────────────────────────────────────────────────────────

    /// The run is over: what has no answer gets none, and what the generator did not get to is lost.
    fn give_up_all(&mut self) {
        self.now_us = self.clock.now_us();
        while let Some(due) = self.timeline.take(self.window.end_us - 1) {
            let is_running = self.workers[due.worker as usize].life == Life::Running;
            if due.step == Step::Pulse && is_running {
                self.plan_pulse(due);
                self.record.errors.add(ErrorKind::Unsent);
            }
        }
        for index in 0..self.workers.len() as u32 {
            if let Some(request) = self.workers[index as usize].request.take() {
                self.fail(index, &request);
            }
            if self.workers[index as usize].held_us.take().is_some() {
                self.record.errors.add(ErrorKind::Unsent);
            }
        }
    }

    // ── The rest ─────────────────────────────────────────────────────────────────────────────────

    fn plan_index(&self, worker: u32) -> u32 {
        self.first + worker * self.step
    }

    fn plan_of(&self, worker: u32) -> &plan::Worker {
        &self.stage.plan.workers[self.plan_index(worker) as usize]
    }

    fn count_connection(&self, more: bool) {
        let connections = &self.stage.progress.connections;
        match more {
            true => connections.fetch_add(1, Ordering::Relaxed),
            false => connections.fetch_sub(1, Ordering::Relaxed),
        };
    }

    fn show_progress(&mut self) {
        let progress = &self.stage.progress;
        let acknowledged = std::mem::take(&mut self.acknowledged_since);
        if acknowledged > 0 {
            progress
                .acknowledged
                .fetch_add(acknowledged, Ordering::Relaxed);
        }
        let errors = self.record.errors.total();
        if errors > self.errors_shown {
            progress
                .errors
                .fetch_add(errors - self.errors_shown, Ordering::Relaxed);
            self.errors_shown = errors;
        }
        self.slices
            .roll(self.now_us.min(self.window.end_us), errors);
    }
}
