//! Answers that every shard contributes to: lists, records and deletions of a path.

use bytes::Bytes;

use super::letters::{Asked, Outcome};
use crate::connection::ConnectionId;

/// Whom a merged answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct For {
    pub(super) id: ConnectionId,
    pub(super) asked: Asked,
}

/// Merged answers under way. A slot is free again when its last part has come, so a part can never
/// meet another's slot.
#[derive(Debug, Default)]
pub(super) struct Merges {
    slots: Vec<Option<Merge>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Merge {
    whom: For,
    missing: usize,
    so_far: Outcome,
}

impl Merges {
    /// Begins with our own part; so many are missing.
    pub(super) fn begin(&mut self, whom: For, own: Outcome, missing: usize) -> u32 {
        let merge = Some(Merge {
            whom,
            missing,
            so_far: own,
        });
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = merge;
                slot
            }
            None => {
                self.slots.push(merge);
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Takes a part; the whole when it was the last one.
    pub(super) fn add(&mut self, slot: u32, part: Outcome) -> Option<(For, Outcome)> {
        let place = &mut self.slots[slot as usize];
        let Some(merge) = place else {
            unreachable!("a part of a merged answer that is complete already");
        };
        merge.so_far = join(
            std::mem::replace(&mut merge.so_far, Outcome::DeletedPath),
            part,
        );
        merge.missing -= 1;
        if merge.missing > 0 {
            return None;
        }
        self.free.push(slot);
        place.take().map(|merge| (merge.whom, merge.so_far))
    }
}

fn join(left: Outcome, right: Outcome) -> Outcome {
    match (left, right) {
        (Outcome::Refused(why), _) | (_, Outcome::Refused(why)) => Outcome::Refused(why),
        (Outcome::Names(left), Outcome::Names(right)) => Outcome::Names(append(left, right)),
        (Outcome::Records(left), Outcome::Records(right)) => Outcome::Records(append(left, right)),
        (Outcome::DeletedPath, Outcome::DeletedPath) => Outcome::DeletedPath,
        (left, right) => unreachable!("{left:?} and {right:?} are not parts of one answer"),
    }
}

fn append<T>(mut left: Vec<T>, mut right: Vec<T>) -> Vec<T> {
    if left.len() < right.len() {
        std::mem::swap(&mut left, &mut right);
    }
    left.append(&mut right);
    left
}

/// A directory lives on as many shards as its keys do: each of its names once, sorted, so that the
/// answer does not tell how many shards there are.
pub(super) fn names(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

/// All records by path.
pub(super) fn records(mut records: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    records.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    records
}
