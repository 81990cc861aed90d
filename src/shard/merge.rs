//! Answers that every shard contributes to: lists, records and deletions of a path.

use bytes::Bytes;

use super::mailbox::ReplyTarget;
use super::work::Outcome;

/// Merged answers under way. A slot becomes free when its last part has arrived, so a part can never
/// meet the slot of another answer.
#[derive(Debug, Default)]
pub(super) struct Merges {
    slots: Vec<Option<Merge>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Merge {
    target: ReplyTarget,
    missing: usize,
    so_far: Outcome,
}

impl Merges {
    /// Begins with our own part; `missing` others will follow.
    pub(super) fn begin(&mut self, target: ReplyTarget, own: Outcome, missing: usize) -> u32 {
        let merge = Some(Merge {
            target,
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

    /// Takes a part. Returns the whole answer with the last one.
    pub(super) fn add(&mut self, slot: u32, part: Outcome) -> Option<(ReplyTarget, Outcome)> {
        let merge = &mut self.slots[slot as usize];
        let Some(under_way) = merge else {
            unreachable!("a part of a merged answer that is complete already");
        };
        under_way.so_far = join(
            std::mem::replace(&mut under_way.so_far, Outcome::DeletedPath),
            part,
        );
        under_way.missing -= 1;
        if under_way.missing > 0 {
            return None;
        }
        self.free.push(slot);
        merge.take().map(|merge| (merge.target, merge.so_far))
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

/// Each name once, sorted: a directory may have keys on several shards, and the answer must not depend
/// on how many there are.
pub(super) fn names(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

/// All records, sorted by path.
pub(super) fn records(mut records: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    records.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    records
}
