//! Nimbus as a reader: on one connection to each server it lists the topologies and then gets one
//! worker's pulse after another, the next one when the last answer is there. All it reads is judged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::{EventLoop, Handler};
use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{Flow, FrameReader, MessageType, decode};

use super::clock::{Clock, Window};
use super::judge::{self, Request};
use super::link::{Link, LinkState, Owners, close_all};
use super::stage::Stage;
use crate::record::{ErrorKind, Record};
use crate::settings::Nimbus;
use crate::storm;

pub struct Reader {
    stage: Arc<Stage>,
    clock: Clock,
    window: Window,
    /// One for each target.
    links: Vec<Link>,
    /// When a link that is down may be dialled.
    dial_us: Vec<u64>,
    owners: Owners,
    pass: Pass,
    asked: Option<Asked>,
    /// Since when the next request has had no connection.
    held_since_us: Option<u64>,
    last_id: i32,
    now_us: u64,
    record: Record,
    ending: bool,
    errors_shown: u64,
}

/// Where the reader is.
struct Pass {
    begun_us: u64,
    /// First the lists, one of each target, then the workers; `None` between two passes.
    position: Option<usize>,
    next_us: u64,
}

/// The one request under way.
struct Asked {
    id: i32,
    target: usize,
    what: Request,
    sent_us: u64,
}

impl Reader {
    pub fn new(stage: Arc<Stage>, clock: Clock) -> Reader {
        let targets = stage.settings.targets.len();
        let first_us = match stage.settings.nimbus {
            Nimbus::Continuous | Nimbus::Off => 0,
            Nimbus::EveryTenSeconds => stage.plan.first_pass_us,
        };
        Reader {
            window: Window::of(&stage.settings),
            stage,
            clock,
            links: (0..targets).map(|_| Link::default()).collect(),
            dial_us: vec![0; targets],
            owners: Owners::default(),
            pass: Pass {
                begun_us: 0,
                position: None,
                next_us: first_us,
            },
            asked: None,
            held_since_us: None,
            last_id: 0,
            now_us: 0,
            record: Record::default(),
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
            if self.stage.aborted() || self.ending && self.asked.is_none() {
                break;
            }
            let dial_us = self.dial_links(ring);
            let due_us = match &self.asked {
                Some(asked) => self.await_answer(asked.sent_us, &mut commands),
                None => self.ask_next(&mut commands),
            };
            ring.carry_out(&mut self, &mut commands)?;
            let rest = self.clock.rest_until(due_us.min(dial_us));
            ring.turn(&mut self, rest)?;
            self.show_errors();
        }
        self.ending = true;
        let ids = self.links.iter().filter_map(Link::id).collect();
        let clock = self.clock;
        close_all(ids, ring, &mut self, clock)?;
        self.show_errors();
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

    /// Sends the next request if it is due, and returns when to come back.
    fn ask_next(&mut self, commands: &mut Commands) -> u64 {
        let position = match self.pass.position {
            Some(position) => position,
            None if self.now_us < self.pass.next_us => {
                return self.pass.next_us.min(self.window.end_us);
            }
            None => {
                self.pass.begun_us = self.now_us;
                self.pass.position = Some(0);
                0
            }
        };
        let targets = self.links.len();
        let (target, worker) = match position.checked_sub(targets) {
            None => (position, None),
            Some(worker) => (self.stage.plan.workers[worker].target, Some(worker as u32)),
        };
        let Some(id) = self.links[target].up() else {
            return self.hold();
        };
        self.held_since_us = None;
        self.last_id = self.last_id.checked_add(1).unwrap_or(0);
        let text = self.links[target].outbox.text();
        let what = match worker {
            None => {
                let kind = MessageType::GetAllNodesForPath;
                encode_path(text, kind, storm::WORKER_BEATS, self.last_id);
                Request::List(judge::must_be_listed(&self.stage, target))
            }
            Some(worker) => {
                let key = &self.stage.plan.workers[worker as usize].key;
                encode_path(text, MessageType::GetPulse, key, self.last_id);
                Request::Get {
                    worker,
                    acknowledged: self.stage.acknowledged(worker),
                }
            }
        };
        commands.push(Command::Send(id));
        self.asked = Some(Asked {
            id: self.last_id,
            target,
            what,
            sent_us: self.clock.now_us(),
        });
        self.now_us + storm::GIVE_UP_AFTER_US
    }

    /// There is no connection for the next request: waits as long as Storm's client would.
    fn hold(&mut self) -> u64 {
        let since_us = *self.held_since_us.get_or_insert(self.now_us);
        let until_us = since_us + storm::GIVE_UP_AFTER_US;
        if self.now_us >= until_us {
            self.held_since_us = None;
            self.record.errors.add(ErrorKind::Unanswered);
            self.step();
        }
        until_us
    }

    /// Gives the request up when it is time to, and returns when that is.
    fn await_answer(&mut self, sent_us: u64, commands: &mut Commands) -> u64 {
        let until_us = sent_us + storm::GIVE_UP_AFTER_US;
        if self.now_us >= until_us
            && let Some(asked) = self.asked.take()
        {
            self.record.errors.add(ErrorKind::Unanswered);
            self.record_time(&asked);
            self.step();
            // An answer that came now would be taken for one to the next request.
            if let Some(id) = self.links[asked.target].id() {
                commands.push(Command::Close(id, Ending::Reset));
            }
        }
        until_us
    }

    /// On to the next request, or to the next pass.
    fn step(&mut self) {
        let Some(position) = &mut self.pass.position else {
            return;
        };
        *position += 1;
        if *position < self.links.len() + self.stage.plan.workers.len() {
            return;
        }
        self.pass.position = None;
        if self.window.contains(self.pass.begun_us) {
            self.record.pass.record(self.now_us - self.pass.begun_us);
        }
        self.pass.next_us = match self.stage.settings.nimbus {
            Nimbus::Continuous | Nimbus::Off => self.now_us,
            // A pass that took longer is followed by the next one at once.
            Nimbus::EveryTenSeconds => self.pass.next_us + storm::NIMBUS_PASS_EVERY_US,
        };
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    fn answered(&mut self, target: usize, body: &[u8]) {
        let Some(asked) = self.asked.take_if(|asked| asked.target == target) else {
            self.record.errors.add(ErrorKind::BadAnswer);
            return;
        };
        let verdict = match decode(body) {
            Ok(answer) if answer.id == asked.id => judge::answer(&self.stage, &asked.what, &answer),
            Ok(_) | Err(_) => Err(ErrorKind::BadAnswer),
        };
        if let Err(kind) = verdict {
            self.record.errors.add(kind);
        }
        if self.now_us.saturating_sub(asked.sent_us) > storm::RESEND_AFTER_US {
            self.record.errors.add(ErrorKind::OverOneSecond);
        }
        self.links[target].answered();
        self.record_time(&asked);
        self.stage.progress.reads.fetch_add(1, Ordering::Relaxed);
        self.step();
    }

    fn record_time(&mut self, asked: &Asked) {
        let took_us = self.now_us.saturating_sub(asked.sent_us);
        if self.window.contains(asked.sent_us) {
            match asked.what {
                Request::List(_) => self.record.list.record(took_us),
                Request::Get { .. } => self.record.get.record(took_us),
            }
        }
    }

    // ── The rest ─────────────────────────────────────────────────────────────────────────────────

    fn show_errors(&mut self) {
        let errors = self.record.errors.total();
        if errors > self.errors_shown {
            let more = errors - self.errors_shown;
            self.stage
                .progress
                .errors
                .fetch_add(more, Ordering::Relaxed);
            self.errors_shown = errors;
        }
    }
}

impl Handler for Reader {
    fn woke(&mut self) {
        self.now_us = self.clock.now_us();
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, _commands: &mut Commands) {
        let target = self.owners.of(id) as usize;
        self.links[target].opened(id, self.now_us, &mut self.record);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let target = self.owners.of(id) as usize;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        // Taken out for as long as it calls back.
        let mut frames = std::mem::replace(&mut self.links[target].frames, FrameReader::new(0));
        let outcome = frames.feed(bytes, &mut |body| {
            self.answered(target, body);
            Flow::Continue
        });
        self.links[target].frames = frames;
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
        let target = self.owners.of(id) as usize;
        let wait_us = self.links[target].closed(why, &mut self.record);
        self.dial_us[target] = self.now_us + wait_us;
        if self.asked.take_if(|asked| asked.target == target).is_some() {
            self.record.errors.add(ErrorKind::Abandoned);
            self.step();
        }
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        let target = self.owners.of(id) as usize;
        std::mem::take(&mut self.links[target].outbox)
    }

    fn has_mail(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}
