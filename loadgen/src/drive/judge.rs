//! Checks the answers to a reader: can they be true, given what was known when the reader asked?

use std::collections::HashSet;

use storm_pacemaker::wire::{Data, Message, MessageType};

use super::shared_run::{Known, SharedRun};
use crate::payload;
use crate::record::ErrorKind;

/// The topologies that a list must have, and those that it must not have, as indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExpectedList {
    present: Vec<u32>,
    absent: Vec<u32>,
}

/// The expected list of one target: it must have the topologies of workers with an acknowledged pulse that
/// have stayed with their first server, and none that was deleted.
pub(super) fn expected_list(shared: &SharedRun, target: usize, deleted: &[bool]) -> ExpectedList {
    let mut present = vec![false; shared.plan.topologies.len()];
    // With several servers, a worker may have turned to another one.
    let certain = shared.settings.targets.len() == 1;
    for (index, worker) in shared.plan.workers.iter().enumerate() {
        let acknowledged = matches!(shared.known(index as u32), Known::Acknowledged(_));
        if certain && worker.target == target && acknowledged {
            present[worker.topology as usize] = true;
        }
    }
    let indexes = |of: &[bool]| {
        let marked = (0..).zip(of).filter(|(_, marked)| **marked);
        marked.map(|(index, _)| index).collect()
    };
    ExpectedList {
        present: indexes(&present),
        absent: indexes(deleted),
    }
}

impl ExpectedList {
    /// Keeps what is still expected when the list has come: the last worker of a topology may have left
    /// meanwhile.
    pub(super) fn still(mut self, now: &ExpectedList) -> ExpectedList {
        self.present.retain(|index| now.present.contains(index));
        self
    }
}

/// Checks a list.
pub(super) fn list(
    shared: &SharedRun,
    expected: &ExpectedList,
    answer: &Message<'_>,
) -> Result<(), ErrorKind> {
    let (MessageType::GetAllNodesForPathResponse, Some(Data::Nodes(nodes))) =
        (answer.kind, &answer.data)
    else {
        return Err(unexpected(answer));
    };
    // It may have more, of other clusters or earlier runs.
    let nodes: HashSet<&str> = nodes.iter().map(AsRef::as_ref).collect();
    let is_named =
        |index: &u32| nodes.contains(shared.plan.topologies[*index as usize].id.as_str());
    if expected.absent.iter().any(is_named) {
        return Err(ErrorKind::ListStale);
    }
    if expected.present.iter().all(is_named) {
        Ok(())
    } else {
        Err(ErrorKind::ListIncomplete)
    }
}

/// The sequence number in the answer to a GET of a worker's key, if it has a pulse.
pub(super) fn pulse(
    shared: &SharedRun,
    worker: u32,
    answer: &Message<'_>,
) -> Result<Option<u32>, ErrorKind> {
    match (answer.kind, &answer.data) {
        (MessageType::GetPulseResponse, Some(Data::Pulse(pulse)))
            if pulse.id == shared.plan.workers[worker as usize].key =>
        {
            payload::sequence_of(pulse.details, shared.run_id, worker)
        }
        _ => Err(unexpected(answer)),
    }
}

/// Checks the newest pulse of a worker that any of the servers returned. `before` was known before the first
/// server was asked, `after` is known now.
pub(super) fn newest(sequence: Option<u32>, before: Known, after: Known) -> Result<(), ErrorKind> {
    match (before, sequence) {
        // The worker may have left since the reader asked, and its key may be gone.
        _ if before != after && !matches!(after, Known::Nothing | Known::Acknowledged(_)) => Ok(()),
        (Known::Deleted, Some(_)) => Err(ErrorKind::Undead),
        (Known::Acknowledged(_), None) => Err(ErrorKind::Missing),
        (Known::Acknowledged(least), Some(sequence)) if sequence < least => Err(ErrorKind::Stale),
        _ => Ok(()),
    }
}

/// The kind of error for an answer that does not fit the request.
pub(super) fn unexpected(answer: &Message<'_>) -> ErrorKind {
    match answer.kind {
        MessageType::NotAuthorized => ErrorKind::Refused,
        _ => ErrorKind::BadAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_than_acknowledged_is_stale() {
        let known = Known::Acknowledged(5);
        let judged = |sequence| newest(sequence, known, known);
        assert_eq!(judged(Some(5)), Ok(()));
        assert_eq!(judged(Some(6)), Ok(())); // its acknowledgement is on its way
        assert_eq!(judged(Some(4)), Err(ErrorKind::Stale));
        assert_eq!(judged(None), Err(ErrorKind::Missing));
    }

    #[test]
    fn before_the_first_acknowledgement_there_may_be_nothing() {
        assert_eq!(newest(None, Known::Nothing, Known::Nothing), Ok(()));
        let after = Known::Acknowledged(1);
        assert_eq!(newest(None, Known::Nothing, after), Ok(()));
    }

    #[test]
    fn what_was_deleted_stays_deleted() {
        let deleted = Known::Deleted;
        assert_eq!(newest(None, deleted, deleted), Ok(()));
        assert_eq!(newest(Some(3), deleted, deleted), Err(ErrorKind::Undead));
        // It was deleted while the reader waited.
        assert_eq!(newest(None, Known::Acknowledged(3), deleted), Ok(()));
        assert_eq!(newest(Some(3), Known::Acknowledged(3), deleted), Ok(()));
        assert_eq!(newest(None, Known::Acknowledged(3), Known::Leaving), Ok(()));
        // A worker that was killed leaves its key.
        assert_eq!(newest(Some(3), Known::Left, Known::Left), Ok(()));
    }
}
