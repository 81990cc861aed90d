//! Whether an answer that Nimbus got can be true, given what had been acknowledged when it asked.

use std::collections::HashSet;

use storm_pacemaker::wire::{Data, Message, MessageType};

use super::stage::Stage;
use crate::payload::{self, Expected};
use crate::record::ErrorKind;

/// What was asked, with what was known at that time.
#[derive(Clone, Debug)]
pub enum Request {
    /// Indexes of the topologies that must be named.
    List(Vec<u32>),
    Get {
        worker: u32,
        /// The worker's last acknowledged sequence number; 0 is none.
        acknowledged: u32,
    },
}

/// The topologies with an acknowledged pulse on a target.
pub fn must_be_listed(stage: &Stage, target: usize) -> Vec<u32> {
    let mut listed = vec![false; stage.plan.topologies.len()];
    for (index, worker) in stage.plan.workers.iter().enumerate() {
        if worker.target == target && stage.acknowledged(index as u32) > 0 {
            listed[worker.topology as usize] = true;
        }
    }
    let indexes = (0..).zip(listed).filter(|(_, listed)| *listed);
    indexes.map(|(index, _)| index).collect()
}

pub fn answer(stage: &Stage, asked: &Request, answer: &Message<'_>) -> Result<(), ErrorKind> {
    match (asked, answer.kind, &answer.data) {
        (
            Request::List(expected),
            MessageType::GetAllNodesForPathResponse,
            Some(Data::Nodes(nodes)),
        ) => {
            // It may hold more, of other clusters or of earlier runs.
            let nodes: HashSet<&str> = nodes.iter().map(AsRef::as_ref).collect();
            let id = |index: &u32| stage.plan.topologies[*index as usize].as_str();
            match expected.iter().map(id).all(|id| nodes.contains(id)) {
                true => Ok(()),
                false => Err(ErrorKind::ListIncomplete),
            }
        }
        (
            Request::Get {
                worker,
                acknowledged,
            },
            MessageType::GetPulseResponse,
            Some(Data::Pulse(pulse)),
        ) if pulse.id == stage.plan.workers[*worker as usize].key => payload::judge(
            pulse.details,
            Expected {
                run: stage.run,
                worker: *worker,
                acknowledged: *acknowledged,
            },
        ),
        _ => Err(ErrorKind::BadAnswer),
    }
}
