//! Changes of the cluster during the run: topologies are killed and replaced, Nimbus moves workers,
//! supervisors are lost. Adds these events to a plan.

use super::names;
use super::{Builder, Cluster, Leaving};

/// Nimbus deletes the directory of a killed topology in its next monitoring round, within 10 s, after its
/// workers have left.
const CLEAN_UP_AFTER_US: u64 = 2_000_000;

/// From the end of a topology, or the exit of a worker that moves, to the first worker in the same slot.
const NEXT_TENANT_AFTER_US: u64 = 3_000_000;

/// Workers of one topology do not exit in the same instant.
const EXIT_WITHIN_US: u64 = 1_000_000;

/// `nimbus.task.timeout.secs`: after this time without a pulse Nimbus considers a worker dead.
const TASK_TIMEOUT_US: u64 = 30_000_000;

/// No new event for a topology for this time after one, until all its workers run again.
const REST_US: u64 = 10_000_000;

const MINUTE_US: u64 = 60_000_000;

/// The kinds of events.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// `storm kill`, then another topology is submitted.
    Replace,
    /// `storm rebalance` of two topologies, which exchange slots.
    Rebalance,
    /// A host vanishes, and another takes its place.
    LoseSupervisor,
}

/// Each event is drawn from these.
const FREQUENCIES: [Event; 10] = [
    Event::Replace,
    Event::Replace,
    Event::Replace,
    Event::Replace,
    Event::Rebalance,
    Event::Rebalance,
    Event::Rebalance,
    Event::Rebalance,
    Event::LoseSupervisor,
    Event::LoseSupervisor,
];

/// Adds all events of the plan.
pub(super) fn add(builder: &mut Builder, cluster: &Cluster) {
    let events =
        u128::from(cluster.churn_per_minute) * u128::from(cluster.end_us) / u128::from(MINUTE_US);
    let mut instants: Vec<u64> = (0..events)
        .map(|_| cluster.ramp_us + builder.random.below(cluster.end_us))
        .collect();
    instants.sort_unstable();
    let mut resting = vec![0; builder.topologies.len()];
    for at_us in instants {
        let event = FREQUENCIES[builder.random.below(FREQUENCIES.len() as u64) as usize];
        match event {
            Event::Replace => replace(builder, at_us, &mut resting),
            Event::Rebalance => rebalance(builder, at_us, &mut resting),
            Event::LoseSupervisor => lose_supervisor(builder, at_us, &mut resting),
        }
    }
}

fn replace(builder: &mut Builder, at_us: u64, resting: &mut Vec<u64>) {
    let Some(old) = pick(builder, at_us, resting) else {
        return; // all topologies are busy with earlier events
    };
    let new = builder.submit();
    resting.push(at_us + NEXT_TENANT_AFTER_US + REST_US);
    resting[old as usize] = u64::MAX;
    builder.topologies[old as usize].deleted_us = Some(at_us + CLEAN_UP_AFTER_US);
    for slot in slots_of(builder, old) {
        leave(builder, slot, at_us);
        builder.start_anew(slot, new, at_us + NEXT_TENANT_AFTER_US);
    }
}

fn rebalance(builder: &mut Builder, at_us: u64, resting: &mut [u64]) {
    let Some(one) = pick(builder, at_us, resting) else {
        return;
    };
    resting[one as usize] = at_us + NEXT_TENANT_AFTER_US + REST_US;
    let Some(other) = pick(builder, at_us, resting) else {
        return;
    };
    resting[other as usize] = at_us + NEXT_TENANT_AFTER_US + REST_US;
    let (mine, theirs) = (slots_of(builder, one), slots_of(builder, other));
    let mut tenants = [vec![one; mine.len()], vec![other; theirs.len()]].concat();
    builder.random.shuffle(&mut tenants);
    let slots = mine.into_iter().chain(theirs);
    for (slot, topology) in slots.zip(tenants) {
        if builder.tenant_of(slot).topology != topology {
            leave(builder, slot, at_us);
            builder.start_anew(slot, topology, at_us + NEXT_TENANT_AFTER_US);
        }
    }
}

fn lose_supervisor(builder: &mut Builder, at_us: u64, resting: &mut [u64]) {
    let of_one = builder.workers_per_supervisor as usize;
    let supervisors = builder.worker_slots.len().div_ceil(of_one);
    let lost = builder.random.below(supervisors as u64) as usize;
    let first = lost * of_one;
    let slots = first..(first + of_one).min(builder.worker_slots.len());
    let busy = |slot: usize| {
        let topology = builder.tenant_of(slot).topology;
        resting[topology as usize] > at_us
    };
    if slots.clone().any(busy) {
        return;
    }
    let replacement = names::supervisor_id(&mut builder.random);
    let noticed_us = at_us + TASK_TIMEOUT_US;
    for slot in slots {
        let topology = builder.tenant_of(slot).topology;
        resting[topology as usize] = noticed_us + REST_US;
        builder.leave(slot, at_us, Leaving::Killed, noticed_us);
        builder.worker_slots[slot]
            .supervisor
            .clone_from(&replacement);
        builder.start_anew(slot, topology, noticed_us);
    }
}

/// An orderly exit within a second.
fn leave(builder: &mut Builder, slot: usize, at_us: u64) {
    let exit_us = at_us + builder.random.below(EXIT_WITHIN_US);
    builder.leave(slot, exit_us, Leaving::Orderly, at_us);
}

/// Picks a topology that is not resting after an event.
fn pick(builder: &mut Builder, at_us: u64, resting: &[u64]) -> Option<u32> {
    let mut idle = (0..).zip(resting).filter(|(_, until)| **until <= at_us);
    let count = idle.clone().count() as u64;
    if count == 0 {
        return None;
    }
    let nth = builder.random.below(count) as usize;
    idle.nth(nth).map(|(topology, _)| topology)
}

fn slots_of(builder: &Builder, topology: u32) -> Vec<usize> {
    (0..builder.worker_slots.len())
        .filter(|slot| builder.tenant_of(*slot).topology == topology)
        .collect()
}
