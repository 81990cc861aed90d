//! The simulated cluster, as a pure function of its shape and a seed: topologies, workers, keys, sizes, and
//! the instants at which each worker dials, sends pulses and leaves. Knows no clock and no socket.

mod churn;
mod names;
mod sizes;

pub(crate) use sizes::{Sizes, Style};

use std::collections::HashSet;

use crate::random::Random;
use crate::storm::{FIRST_SLOT_PORT, NIMBUS_PASS_EVERY_US, WORKER_BEATS};

/// The shape of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Workers at any time, each with its own connection and key.
    pub workers: u32,
    pub workers_per_supervisor: u32,
    /// From 1 to the number of workers.
    pub topologies: u32,
    pub pace: Pace,
    pub sizes: Sizes,
    /// Time over which the dials are spread; 0 is all at once.
    pub ramp_us: u64,
    /// The number of servers that workers are spread over.
    pub targets: usize,
    /// Events: replaced topologies, rebalances, lost supervisors.
    pub churn_per_minute: u32,
    /// The end of the plan.
    pub end_us: u64,
}

/// When a worker pulses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Open loop: at planned instants with this interval, whatever the server does.
    Every { interval_us: u64 },
    /// Closed loop: the next pulse as soon as the last one is answered.
    Saturate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub topologies: Vec<PlannedTopology>,
    /// A worker that moves appears once for each place.
    pub workers: Vec<PlannedWorker>,
    pub pace: Pace,
    /// When Nimbus's first pass is due, after the start.
    pub first_pass_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedTopology {
    /// Its directory below `/workerbeats`.
    pub id: String,
    /// When Nimbus deletes that directory, if it does.
    pub deleted_us: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedWorker {
    pub key: String,
    /// Index of its topology.
    pub topology: u32,
    /// Index of the server that it dials first.
    pub target: usize,
    /// Size of the details of its first pulse; next, of all others.
    pub first_bytes: u32,
    pub bytes: u32,
    /// When it dials, after the start.
    pub connect_us: u64,
    /// When its first pulse is due, after the start. The others follow at the pace.
    pub first_pulse_us: u64,
    pub end: Option<End>,
}

/// How a worker's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub at_us: u64,
    pub how: Leaving,
    /// Nimbus stops reading its key.
    pub unassigned_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its shutdown hook deletes its key on all servers.
    Orderly,
    /// Its host is gone; the key stays.
    Killed,
}

impl Plan {
    pub(crate) fn new(cluster: &Cluster, seed: u64) -> Plan {
        let mut builder = Builder::new(cluster, seed);
        if cluster.churn_per_minute > 0 {
            churn::add(&mut builder, cluster);
        }
        let first_pass_us = builder.random.below(NIMBUS_PASS_EVERY_US);
        Plan {
            topologies: builder.topologies,
            workers: builder.workers,
            pace: cluster.pace,
            first_pass_us,
        }
    }
}

impl Plan {
    /// The mean size of a pulse's details over all workers.
    pub(crate) fn mean_bytes(&self) -> u64 {
        let sum: u64 = self
            .workers
            .iter()
            .map(|worker| u64::from(worker.bytes))
            .sum();
        sum / self.workers.len() as u64
    }
}

impl PlannedWorker {
    /// Whether Nimbus reads its key at this time.
    pub(crate) fn is_assigned(&self, now_us: u64) -> bool {
        self.connect_us <= now_us && self.end.is_none_or(|end| now_us < end.unassigned_us)
    }
}

/// Builds a plan: knows which worker runs where.
struct Builder<'a> {
    cluster: &'a Cluster,
    workers_per_supervisor: u32,
    random: Random,
    topologies: Vec<PlannedTopology>,
    workers: Vec<PlannedWorker>,
    keys: HashSet<String>,
    worker_slots: Vec<WorkerSlot>,
}

/// A port of a supervisor, where one worker runs at a time. Storm calls it a slot (`supervisor.slots.ports`).
struct WorkerSlot {
    supervisor: String,
    port: u32,
    /// Index of the worker that runs there now.
    tenant: usize,
}

impl<'a> Builder<'a> {
    /// The cluster at the start.
    fn new(cluster: &'a Cluster, seed: u64) -> Builder<'a> {
        let mut builder = Builder {
            cluster,
            workers_per_supervisor: cluster.workers_per_supervisor,
            random: Random::new(seed),
            topologies: Vec::new(),
            workers: Vec::new(),
            keys: HashSet::new(),
            worker_slots: Vec::new(),
        };
        for _ in 0..cluster.topologies {
            builder.submit();
        }
        // Storm spreads a topology over the supervisors.
        let mut placement: Vec<u32> = (0..cluster.workers)
            .map(|worker| worker % cluster.topologies)
            .collect();
        builder.random.shuffle(&mut placement);
        let mut supervisor = String::new();
        for (index, topology) in (0..).zip(placement) {
            let on_supervisor = index % cluster.workers_per_supervisor;
            if on_supervisor == 0 {
                supervisor = names::supervisor_id(&mut builder.random);
            }
            builder.worker_slots.push(WorkerSlot {
                supervisor: supervisor.clone(),
                port: FIRST_SLOT_PORT + on_supervisor,
                tenant: 0,
            });
            let connect_us = cluster.ramp_us * u64::from(index) / u64::from(cluster.workers);
            let phase_us = match cluster.pace {
                Pace::Every { interval_us } => builder.random.below(interval_us),
                Pace::Saturate => 0,
            };
            builder.start(index as usize, topology, connect_us, connect_us + phase_us);
        }
        builder
    }

    /// Adds a topology, and returns its index.
    fn submit(&mut self) -> u32 {
        let index = self.topologies.len();
        self.topologies.push(PlannedTopology {
            id: names::topology_id(index, &mut self.random),
            deleted_us: None,
        });
        index as u32
    }

    fn start(&mut self, slot: usize, topology: u32, connect_us: u64, first_pulse_us: u64) {
        let bytes = self.cluster.sizes.draw(&mut self.random);
        let slot = &mut self.worker_slots[slot];
        let id = &self.topologies[topology as usize].id;
        let key = |port: u32| format!("{WORKER_BEATS}/{id}/{}-{port}", slot.supervisor);
        let mut port = slot.port;
        // A topology's worker that comes back to a supervisor gets another port: each key belongs to one
        // planned worker, so that a reader can tell whose pulse it sees.
        while !self.keys.insert(key(port)) {
            port += self.workers_per_supervisor;
        }
        let index = self.workers.len();
        self.workers.push(PlannedWorker {
            key: key(port),
            topology,
            target: index % self.cluster.targets,
            first_bytes: self.cluster.sizes.first(bytes),
            bytes,
            connect_us,
            first_pulse_us,
            end: None,
        });
        slot.tenant = index;
    }

    /// Starts a worker within the run. Its first pulse follows at once.
    fn start_anew(&mut self, slot: usize, topology: u32, at_us: u64) {
        const START_WITHIN_US: u64 = 1_000_000;
        let connect_us = at_us + self.random.below(START_WITHIN_US);
        self.start(slot, topology, connect_us, connect_us);
    }

    fn tenant_of(&self, slot: usize) -> &PlannedWorker {
        &self.workers[self.worker_slots[slot].tenant]
    }

    fn leave(&mut self, slot: usize, at_us: u64, how: Leaving, unassigned_us: u64) {
        self.workers[self.worker_slots[slot].tenant].end = Some(End {
            at_us,
            how,
            unassigned_us,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u64 = 3_000_000;

    fn cluster() -> Cluster {
        Cluster {
            workers: 12_000,
            workers_per_supervisor: 4,
            topologies: 100,
            pace: Pace::Every {
                interval_us: INTERVAL_US,
            },
            sizes: Sizes::Fixed(4096),
            ramp_us: 0,
            targets: 2,
            churn_per_minute: 0,
            end_us: 600_000_000,
        }
    }

    fn churning() -> Plan {
        let cluster = Cluster {
            workers: 400,
            topologies: 20,
            churn_per_minute: 30,
            ..cluster()
        };
        Plan::new(&cluster, 3)
    }

    #[test]
    fn equal_seeds_make_equal_plans() {
        assert_eq!(Plan::new(&cluster(), 7), Plan::new(&cluster(), 7));
        assert_ne!(Plan::new(&cluster(), 7), Plan::new(&cluster(), 8));
    }

    #[test]
    fn phases_are_uniform() {
        let plan = Plan::new(&cluster(), 1);
        let mut tenths = [0u32; 10];
        for worker in &plan.workers {
            assert!(worker.first_pulse_us < INTERVAL_US);
            tenths[(worker.first_pulse_us * 10 / INTERVAL_US) as usize] += 1;
        }
        // 1200 each; five standard deviations are 164.
        assert!(
            tenths.iter().all(|count| count.abs_diff(1200) < 164),
            "{tenths:?}"
        );
    }

    #[test]
    fn keys_are_distinct_and_as_long_as_real_ones() {
        let plan = Plan::new(&cluster(), 1);
        let keys: HashSet<&str> = plan.workers.iter().map(|w| w.key.as_str()).collect();
        assert_eq!(keys.len(), 12_000);
        assert!(keys.iter().all(|key| (80..=110).contains(&key.len())));
        assert_eq!(plan.workers[0].key.split('/').count(), 4);
        assert!(plan.workers[3].key.ends_with("-6703"));
    }

    #[test]
    fn workers_are_spread_over_topologies_and_targets() {
        let plan = Plan::new(&cluster(), 1);
        let mut workers = vec![0; 100];
        for worker in &plan.workers {
            workers[worker.topology as usize] += 1;
            let id = &plan.topologies[worker.topology as usize].id;
            assert!(worker.key.contains(id.as_str()));
        }
        assert_eq!(workers, vec![120; 100]);
        assert_eq!(plan.workers.iter().filter(|w| w.target == 1).count(), 6000);
    }

    #[test]
    fn a_ramp_spreads_the_dials_and_moves_the_pulses() {
        let ramped = Plan::new(
            &Cluster {
                ramp_us: 12_000_000,
                ..cluster()
            },
            1,
        );
        let at_once = Plan::new(&cluster(), 1);
        assert_eq!(ramped.workers[1].connect_us, 1000);
        assert_eq!(ramped.workers[11_999].connect_us, 11_999_000);
        for (late, early) in ramped.workers.iter().zip(&at_once.workers) {
            assert_eq!(early.connect_us, 0);
            assert_eq!(late.first_pulse_us, late.connect_us + early.first_pulse_us);
        }
    }

    #[test]
    fn churn_keeps_the_cluster_full_and_its_keys_apart() {
        let plan = churning();
        assert_eq!(plan, churning());
        let ended: Vec<End> = plan.workers.iter().filter_map(|w| w.end).collect();
        assert!(ended.iter().any(|end| end.how == Leaving::Killed));
        assert!(ended.iter().any(|end| end.how == Leaving::Orderly));
        assert!(plan.topologies.iter().any(|t| t.deleted_us.is_some()));
        let keys: HashSet<&str> = plan.workers.iter().map(|w| w.key.as_str()).collect();
        assert!(keys.len() > 400);
        assert_eq!(keys.len(), plan.workers.len());
        // 400 workers run at any time, except for those that are moving.
        for at_us in (0..600_000_000).step_by(7_000_000) {
            let running = |worker: &&PlannedWorker| {
                worker.connect_us <= at_us && worker.end.is_none_or(|end| at_us < end.at_us)
            };
            let count = plan.workers.iter().filter(running).count();
            assert!((250..=400).contains(&count), "{count} at {at_us}");
        }
    }

    #[test]
    fn workers_have_left_when_their_topology_is_deleted() {
        let plan = churning();
        for worker in &plan.workers {
            let end = worker.end;
            let Some(deleted_us) = plan.topologies[worker.topology as usize].deleted_us else {
                continue;
            };
            assert!(worker.connect_us < deleted_us);
            assert!(end.is_some_and(|end| end.at_us < deleted_us), "{worker:?}");
        }
    }
}
