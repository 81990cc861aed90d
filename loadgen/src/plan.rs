//! The simulated cluster as a pure function of its shape and a seed: topologies, workers, their keys,
//! and the instants at which each dials and pulses. Knows no clock and no socket.

use crate::random::Random;
use crate::storm::{FIRST_SLOT_PORT, NIMBUS_PASS_EVERY_US, WORKER_BEATS};

/// What the cluster looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Workers; each has a connection and a key of its own.
    pub workers: u32,
    pub workers_per_supervisor: u32,
    /// From 1 to the number of workers.
    pub topologies: u32,
    pub pace: Pace,
    /// Dialling is spread over this long; 0 is all at once.
    pub ramp_us: u64,
    /// Servers that workers are spread over.
    pub targets: usize,
}

/// When a worker pulses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Open loop: at the planned instants, this far apart, whatever the server does.
    Every { interval_us: u64 },
    /// Closed loop: the next one as soon as the last one is answered.
    Saturate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Their ids: the directories below `/workerbeats`.
    pub topologies: Vec<String>,
    pub workers: Vec<Worker>,
    pub pace: Pace,
    /// When the first reading pass of Nimbus is due, after the start.
    pub first_pass_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    pub key: String,
    /// Index of its topology.
    pub topology: u32,
    /// Index of the server it dials.
    pub target: usize,
    /// When it dials, after the start.
    pub connect_us: u64,
    /// When its first pulse is due; the others follow at the pace.
    pub first_pulse_us: u64,
}

/// Long enough that keys have the 80 to 110 bytes that they have in real clusters.
const TOPOLOGY_NAMES: [&str; 8] = [
    "clickstream-sessions",
    "payment-risk-scoring",
    "sensor-aggregation",
    "ad-impression-join",
    "log-enrichment-europe",
    "order-event-fanout",
    "fraud-feature-build",
    "search-index-updates",
];

/// Topologies were started over the ten weeks before this instant (seconds since 1970).
const LATEST_START_S: u64 = 1_700_000_000;
const STARTED_WITHIN_S: u64 = 6_000_000;

impl Plan {
    pub fn new(cluster: &Cluster, seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let topologies: Vec<String> = (0..cluster.topologies)
            .map(|index| topology_id(index, &mut random))
            .collect();
        // Storm spreads a topology over the supervisors.
        let mut placement: Vec<u32> = (0..cluster.workers)
            .map(|worker| worker % cluster.topologies)
            .collect();
        random.shuffle(&mut placement);
        let mut supervisor = String::new();
        let workers = placement
            .into_iter()
            .enumerate()
            .map(|(index, topology)| {
                let slot = index as u32 % cluster.workers_per_supervisor;
                if slot == 0 {
                    supervisor = supervisor_id(&mut random);
                }
                let id = &topologies[topology as usize];
                let port = FIRST_SLOT_PORT + slot;
                let connect_us = cluster.ramp_us * index as u64 / u64::from(cluster.workers);
                let phase_us = match cluster.pace {
                    Pace::Every { interval_us } => random.below(interval_us),
                    Pace::Saturate => 0,
                };
                Worker {
                    key: format!("{WORKER_BEATS}/{id}/{supervisor}-{port}"),
                    topology,
                    target: index % cluster.targets,
                    connect_us,
                    first_pulse_us: connect_us + phase_us,
                }
            })
            .collect();
        Plan {
            topologies,
            workers,
            pace: cluster.pace,
            first_pass_us: random.below(NIMBUS_PASS_EVERY_US),
        }
    }
}

/// `<name>-<n>-<epoch seconds>`, as Nimbus names them.
fn topology_id(index: u32, random: &mut Random) -> String {
    let name = TOPOLOGY_NAMES[index as usize % TOPOLOGY_NAMES.len()];
    let started = LATEST_START_S - random.below(STARTED_WITHIN_S);
    format!("{name}-{}-{started}", index + 1)
}

/// A uuid of version 4.
fn supervisor_id(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
            ramp_us: 0,
            targets: 2,
        }
    }

    #[test]
    fn a_seed_makes_one_plan() {
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
            let id = &plan.topologies[worker.topology as usize];
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
}
