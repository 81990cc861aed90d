//! What one thread of Nimbus asks, in order: the scheduler's pass over all workers, or a page of the UI. Each
//! request goes to all servers in turn, as in Storm's client pool.

use super::super::shared_run::SharedRun;
use crate::plan::{Plan, PlannedWorker};
use crate::random::{Random, mix};
use crate::record::Timed;
use crate::settings::Nimbus;
use crate::storm;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    List,
    /// The pulse of this worker.
    Get(u32),
    /// The directory of this topology.
    Delete(u32),
}

#[derive(Debug)]
pub(super) struct Agenda {
    who: Who,
    /// In order; `position` is the current one.
    tasks: Vec<Task>,
    position: usize,
    /// The server to ask next.
    target: usize,
    targets: usize,
    begun_us: u64,
    /// When the next pass or page is due.
    next_us: u64,
}

#[derive(Debug)]
enum Who {
    Scheduler {
        continuous: bool,
    },
    /// Opens pages of the UI.
    Reader(Random),
}

/// The agendas of all threads.
pub(super) fn all(shared: &SharedRun) -> Vec<Agenda> {
    let mut all = Vec::new();
    let agenda = |who, next_us| Agenda {
        who,
        tasks: Vec::new(),
        position: 0,
        target: 0,
        targets: shared.settings.targets.len(),
        begun_us: 0,
        next_us,
    };
    match shared.settings.nimbus {
        Nimbus::Off => {}
        Nimbus::EveryTenSeconds => {
            let who = Who::Scheduler { continuous: false };
            all.push(agenda(who, shared.plan.first_pass_us));
        }
        Nimbus::Continuous => all.push(agenda(Who::Scheduler { continuous: true }, 0)),
    }
    for reader in 0..u64::from(shared.settings.ui_readers) {
        let mut random = Random::new(mix(shared.settings.seed ^ mix(reader + 1)));
        let first_us = random.below(storm::UI_PAGE_EVERY_US);
        all.push(agenda(Who::Reader(random), first_us));
    }
    all
}

impl Agenda {
    pub(super) fn is_ui(&self) -> bool {
        matches!(self.who, Who::Reader(_))
    }

    /// The next task and its server, or when there will be one.
    pub(super) fn next(&mut self, shared: &SharedRun, now_us: u64) -> Result<(Task, usize), u64> {
        if self.position == self.tasks.len() {
            if now_us < self.next_us {
                return Err(self.next_us);
            }
            self.draw_up(&shared.plan, now_us);
        }
        match self.tasks.get(self.position) {
            Some(task) => Ok((*task, self.target)),
            None => {
                // The page of a topology without workers.
                self.plan_next(now_us);
                Err(self.next_us)
            }
        }
    }

    /// The request is answered or given up. After the last one of a pass or a page, returns what to time, and
    /// its start.
    pub(super) fn done(&mut self, now_us: u64) -> Option<(Timed, u64)> {
        self.target += 1;
        if self.target < self.targets {
            return None;
        }
        self.target = 0;
        self.position += 1;
        if self.position < self.tasks.len() {
            return None;
        }
        self.plan_next(now_us);
        Some((self.timed(), self.begun_us))
    }

    /// The pass or page under way, and its start.
    pub(super) fn unfinished(&self) -> Option<(Timed, u64)> {
        (self.position < self.tasks.len()).then(|| (self.timed(), self.begun_us))
    }

    fn timed(&self) -> Timed {
        match self.who {
            Who::Scheduler { .. } => Timed::Pass,
            Who::Reader(_) => Timed::Page,
        }
    }

    fn plan_next(&mut self, now_us: u64) {
        self.next_us = match &self.who {
            Who::Scheduler { continuous: true } => now_us,
            // After a pass that took longer, the next one begins at once.
            Who::Scheduler { continuous: false } => self.next_us + storm::NIMBUS_PASS_EVERY_US,
            Who::Reader(_) => now_us + storm::UI_PAGE_EVERY_US,
        };
    }

    fn draw_up(&mut self, plan: &Plan, now_us: u64) {
        self.tasks.clear();
        let since_us = self.begun_us;
        (self.position, self.target, self.begun_us) = (0, 0, now_us);
        let assigned = (0..)
            .zip(&plan.workers)
            .filter(|(_, worker)| worker.is_assigned(now_us));
        let get = |(index, _): (u32, &PlannedWorker)| Task::Get(index);
        match &mut self.who {
            Who::Scheduler { .. } => {
                self.tasks.push(Task::List);
                // Deletions due before the last pass were part of it.
                let due = |deleted_us: u64| (since_us..now_us).contains(&deleted_us);
                let topologies = (0..).zip(&plan.topologies);
                let gone = topologies.filter(|(_, topology)| topology.deleted_us.is_some_and(due));
                self.tasks
                    .extend(gone.map(|(index, _)| Task::Delete(index)));
                self.tasks.extend(assigned.map(get));
            }
            Who::Reader(random) => {
                let current = |topology: &u32| {
                    let topology = &plan.topologies[*topology as usize];
                    topology.deleted_us.is_none_or(|at_us| now_us < at_us)
                };
                let count = plan.topologies.len() as u32;
                let current: Vec<u32> = (0..count).filter(current).collect();
                let chosen = current[random.below(current.len() as u64) as usize];
                let of_it = assigned.filter(|(_, worker)| worker.topology == chosen);
                self.tasks.extend(of_it.map(get));
            }
        }
    }
}
