//! The workers of one thread: each dials, pulses at its planned instants and takes its answers. The
//! plan is kept whatever the server does; what is late or lost is counted, never skipped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::{EventLoop, Handler};
use storm_pacemaker::wire::{Flow, FrameReader, MessageType, decode};

use super::clock::{Clock, Window};
use super::link::{Owners, close_all};
use super::stage::Stage;
use super::timeline::{Due, Step, Timeline};
use super::worker::{InFlight, Worker};
use crate::plan::Pace;
use crate::record::{ErrorKind, Record};
use crate::storm;

/// Steps between two looks at the sockets: half a millisecond of sending. Lateness is known to that.
const STEPS_A_TURN: usize = 64;

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
    /// Pulses in flight of all workers.
    in_flight: usize,
    now_us: u64,
    record: Record,
    /// The plan is over: no dials, no new pulses.
    ending: bool,
    /// Pulses that the progress line does not know yet, and errors that it does.
    acknowledged_since: u64,
    errors_shown: u64,
}

impl Workers {
    /// The workers of the `index`th thread.
    pub fn new(stage: Arc<Stage>, index: usize, clock: Clock) -> Workers {
        let step = stage.settings.cores.len();
        let mut timeline = Timeline::default();
        let plans = stage.plan.workers.iter().skip(index).step_by(step);
        let workers = plans
            .enumerate()
            .map(|(worker, plan)| {
                let worker = worker as u32;
                timeline.add(Due {
                    at_us: plan.connect_us,
                    worker,
                    step: Step::Dial,
                });
                timeline.add(Due {
                    at_us: plan.first_pulse_us,
                    worker,
                    step: Step::Pulse,
                });
                Worker::default()
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
            in_flight: 0,
            now_us: 0,
            record: Record::default(),
            ending: false,
            acknowledged_since: 0,
            errors_shown: 0,
        }
    }

    /// Plays the plan, waits for the last answers, and closes all connections.
    pub fn run(mut self, ring: &mut EventLoop) -> io::Result<Record> {
        let last_us = self.window.end_us + storm::GIVE_UP_AFTER_US;
        let mut commands = Commands::default();
        loop {
            let now_us = self.clock.now_us();
            self.ending = now_us >= self.window.end_us && self.next_step_us().is_none();
            let all_answered = self.ending && self.in_flight == 0;
            if self.stage.aborted() || all_answered || now_us >= last_us {
                break;
            }
            let due_us = match self.ending {
                false => self.take_steps(ring, &mut commands),
                true => last_us,
            };
            ring.carry_out(&mut self, &mut commands)?;
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
        Ok(self.record)
    }

    /// Takes the steps that are due, and returns when the next one is.
    fn take_steps(&mut self, ring: &mut EventLoop, commands: &mut Commands) -> u64 {
        for _ in 0..STEPS_A_TURN {
            // Read for each: what the steps before it took is lateness of this one.
            self.now_us = self.clock.now_us();
            match self.timeline.take(self.now_us.min(self.window.end_us - 1)) {
                Some(due) => match due.step {
                    Step::Dial => self.dial(ring, due.worker),
                    Step::Pulse => self.pulse_due(due, commands),
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

    fn dial(&mut self, ring: &mut EventLoop, worker: u32) {
        let index = self.plan_index(worker) as usize;
        let settings = &self.stage.settings;
        let to = settings.targets[self.stage.plan.workers[index].target].address;
        let turn = index / settings.targets.len();
        let from = match settings.sources.len() {
            0 => None,
            sources => Some(settings.sources[turn % sources]),
        };
        let link = &mut self.workers[worker as usize].link;
        match link.dial(ring, to, from, self.now_us, &mut self.record) {
            Ok(id) => self.owners.set(id, worker),
            Err(wait_us) => self.dial_later(worker, wait_us),
        }
    }

    fn dial_later(&mut self, worker: u32, wait_us: u64) {
        self.timeline.add(Due {
            at_us: self.now_us + wait_us,
            worker,
            step: Step::Dial,
        });
    }

    /// Counts a pulse of the plan, and puts the worker's next one into the timeline.
    fn plan_pulse(&mut self, due: Due) {
        self.record.planned += u64::from(self.window.contains(due.at_us));
        if let Pace::Every { interval_us } = self.stage.plan.pace {
            self.timeline.add(Due {
                at_us: due.at_us + interval_us,
                ..due
            });
        }
    }

    /// A pulse's planned instant has come.
    fn pulse_due(&mut self, due: Due, commands: &mut Commands) {
        let planned_us = due.at_us;
        self.plan_pulse(due);
        self.give_up_old(due.worker);
        let worker = &mut self.workers[due.worker as usize];
        match worker.link.up() {
            Some(id) => {
                if self.window.contains(planned_us) {
                    self.record.lateness.record(self.now_us - planned_us);
                }
                self.send(due.worker, id, planned_us, commands);
            }
            None => {
                if worker.held_us.replace(planned_us).is_some() {
                    self.record.errors.add(ErrorKind::Unsent);
                }
            }
        }
    }

    fn send(&mut self, index: u32, id: ConnectionId, planned_us: u64, commands: &mut Commands) {
        let plan_index = self.plan_index(index);
        let key = &self.stage.plan.workers[plan_index as usize].key;
        let bytes = self.stage.settings.payload_bytes;
        let worker = &mut self.workers[index as usize];
        let frame_bytes = worker.pulse(key, self.stage.run, plan_index, bytes, planned_us);
        if self.window.contains(planned_us) {
            self.record.sent += 1;
            self.record.bytes_sent += frame_bytes as u64;
        }
        self.in_flight += 1;
        commands.push(Command::Send(id));
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    fn answered(&mut self, index: u32, id: ConnectionId, body: &[u8], commands: &mut Commands) {
        let worker = &mut self.workers[index as usize];
        let pulse = match decode(body) {
            Ok(answer) if answer.kind == MessageType::SendPulseResponse => worker.settle(answer.id),
            Ok(_) | Err(_) => None,
        };
        let Some(pulse) = pulse else {
            self.record.errors.add(ErrorKind::BadAnswer);
            return;
        };
        worker.link.answered();
        self.in_flight -= 1;
        self.acknowledged_since += 1;
        self.stage
            .acknowledge(self.plan_index(index), pulse.sequence);
        let response_us = self.now_us.saturating_sub(pulse.planned_us);
        self.record_response(pulse, response_us, true);
        if response_us > storm::RESEND_AFTER_US {
            self.record.errors.add(ErrorKind::OverOneSecond);
        }
        if self.stage.plan.pace == Pace::Saturate && !self.ending {
            self.record.planned += u64::from(self.window.contains(self.now_us));
            self.send(index, id, self.now_us, commands);
        }
    }

    fn record_response(&mut self, pulse: InFlight, response_us: u64, acknowledged: bool) {
        self.stage
            .progress
            .worst_us
            .fetch_max(response_us, Ordering::Relaxed);
        if self.window.contains(pulse.planned_us) {
            self.record.pulse.record(response_us);
            self.record.acknowledged += u64::from(acknowledged);
        }
    }

    /// Gives up the worker's pulses that Storm's client would have given up.
    fn give_up_old(&mut self, index: u32) {
        while let Some(pulse) = self.workers[index as usize].in_flight.front().copied() {
            let age_us = self.now_us.saturating_sub(pulse.planned_us);
            if age_us < storm::GIVE_UP_AFTER_US {
                break;
            }
            self.give_up(index, pulse, age_us);
        }
    }

    /// The run is over: what has no answer gets none, and what the generator did not get to is lost.
    fn give_up_all(&mut self) {
        self.now_us = self.clock.now_us();
        while let Some(due) = self.timeline.take(self.window.end_us - 1) {
            if due.step == Step::Pulse {
                self.plan_pulse(due);
                self.record.errors.add(ErrorKind::Unsent);
            }
        }
        for index in 0..self.workers.len() as u32 {
            while let Some(pulse) = self.workers[index as usize].in_flight.front().copied() {
                let age_us = self.now_us.saturating_sub(pulse.planned_us);
                self.give_up(index, pulse, age_us);
            }
            if self.workers[index as usize].held_us.take().is_some() {
                self.record.errors.add(ErrorKind::Unsent);
            }
        }
    }

    fn give_up(&mut self, index: u32, pulse: InFlight, age_us: u64) {
        self.workers[index as usize].in_flight.pop_front();
        self.in_flight -= 1;
        self.record.errors.add(ErrorKind::Unanswered);
        self.record_response(pulse, age_us, false);
    }

    // ── The rest ─────────────────────────────────────────────────────────────────────────────────

    fn plan_index(&self, worker: u32) -> u32 {
        self.first + worker * self.step
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
    }
}

impl Handler for Workers {
    fn woke(&mut self) {
        self.now_us = self.clock.now_us();
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, commands: &mut Commands) {
        let index = self.owners.of(id);
        let worker = &mut self.workers[index as usize];
        worker.link.opened(id, self.now_us, &mut self.record);
        self.stage
            .progress
            .connections
            .fetch_add(1, Ordering::Relaxed);
        if let Some(planned_us) = worker.held_us.take() {
            self.send(index, id, planned_us, commands);
        }
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let index = self.owners.of(id);
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        // Taken out for as long as it calls back.
        let link = &mut self.workers[index as usize].link;
        let mut frames = std::mem::replace(&mut link.frames, FrameReader::new(0));
        let outcome = frames.feed(bytes, &mut |body| {
            self.answered(index, id, body, commands);
            Flow::Continue
        });
        self.workers[index as usize].link.frames = frames;
        if outcome.is_err() {
            self.record.errors.add(ErrorKind::BadAnswer);
            commands.push(Command::Close(id, Ending::Reset));
        }
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        self.record.errors.add(ErrorKind::ConnectionLost);
        commands.push(Command::Close(id, Ending::Reset));
    }

    fn sent(&mut self, _id: ConnectionId, _bytes: usize, _commands: &mut Commands) {}

    fn blocked(&mut self, _id: ConnectionId) {}

    fn closed(&mut self, id: ConnectionId, why: Closed, _commands: &mut Commands) {
        let index = self.owners.of(id);
        let worker = &mut self.workers[index as usize];
        if worker.link.up().is_some() {
            self.stage
                .progress
                .connections
                .fetch_sub(1, Ordering::Relaxed);
        }
        for _ in worker.in_flight.drain(..) {
            self.in_flight -= 1;
            self.record.errors.add(ErrorKind::Abandoned);
            if self.stage.plan.pace == Pace::Saturate && !self.ending {
                // Its next pulse goes out with the next connection.
                self.record.planned += u64::from(self.window.contains(self.now_us));
                worker.held_us = Some(self.now_us);
            }
        }
        let wait_us = worker.link.closed(why, &mut self.record);
        if !self.ending {
            self.dial_later(index, wait_us);
        }
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        let index = self.owners.of(id);
        std::mem::take(&mut self.workers[index as usize].link.outbox)
    }

    fn has_mail(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}
