//! Scans: lists, records and deletions of a path. Every shard has a part of them, and a path may have
//! a million keys, so none is done at once:
//!
//! - A connection has one scan at a time. It waits until the shard may begin it: few are under way
//!   at once, and fewer of one address, so that nobody's lists fill the memory. Addresses take turns.
//! - Each shard produces its part slice by slice, one slice a wake, in turn with other scans.
//! - The parts go to the shard that was asked, which assembles the answer, again in slices.
//!
//! What a scan holds is on its peer's account. A scan whose peer is gone is dropped at its next slice.

mod assembly;
mod part;
mod run;
mod turns;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

pub(super) use assembly::Assembly;
pub(super) use part::{Part, PartScan, Slice};

use super::mailbox::RequestMeta;
use super::work::Scan;
use crate::connection::ConnectionId;
use crate::limits::{ADDRESSES_WITH_SCANS, SCANS_OF_ADDRESS, SCANS_UNDER_WAY};
use crate::store::Store;
use turns::Turns;

/// Where a peer's scan is. A peer that has one sends no other request.
#[derive(Debug)]
pub(super) enum ScanStage {
    None,
    Waiting(Box<WaitingScan>),
    /// Shards work on it. Bytes of the parts that have arrived and of the answer made of them.
    UnderWay {
        bytes: usize,
    },
}

/// A scan that has not begun.
#[derive(Debug)]
pub(super) struct WaitingScan {
    pub(super) meta: RequestMeta,
    pub(super) scan: Scan,
    pub(super) path: Arc<str>,
}

impl ScanStage {
    pub(super) fn bytes(&self) -> usize {
        match self {
            ScanStage::None => 0,
            ScanStage::Waiting(waiting) => waiting.path.len() + size_of::<WaitingScan>(),
            ScanStage::UnderWay { bytes } => *bytes,
        }
    }
}

/// The shard's scans: those of its own peers, and its parts of all others'.
#[derive(Debug, Default)]
pub(super) struct Scans {
    /// Peers whose scans have not begun. Some may be gone.
    waiting: Turns,
    /// How many of them are gone.
    gone: usize,
    /// A waiting scan may perhaps begin.
    may_begin: bool,
    merges: Vec<Option<Merge>>,
    tasks: VecDeque<Task>,
}

/// A scan of one of our peers.
#[derive(Debug)]
struct Merge {
    target: ScanTarget,
    address: IpAddr,
    /// Parts that have not arrived.
    missing: usize,
    state: MergeState,
}

#[derive(Debug)]
enum MergeState {
    Collecting(Part),
    /// All parts are in the task that makes the answer.
    Assembling,
    /// The peer is gone: parts are dropped as they arrive.
    Abandoned,
}

/// Something that takes several slices.
#[derive(Debug)]
pub(super) enum Task {
    /// Our part of a scan, for the shard `from`, which merges the parts.
    Part {
        from: usize,
        merge_id: u32,
        scan: PartScan,
    },
    /// The answer to a scan, whose parts are all here.
    Assembly { merge_id: u32, assembly: Assembly },
}

/// A scan that begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) merge_id: u32,
    pub(super) scan: Scan,
    pub(super) path: Arc<str>,
}

/// Who a scan is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanTarget {
    pub(super) id: ConnectionId,
    pub(super) meta: RequestMeta,
}

impl Scans {
    /// A peer's scan waits for its turn. `address` is the one that its limits count by.
    pub(super) fn enqueue(&mut self, id: ConnectionId, address: IpAddr) {
        self.waiting.push(id, address);
        self.may_begin = true;
    }

    /// Gives memory back that many waiting scans needed.
    pub(super) fn shrink(&mut self) {
        self.waiting.shrink();
    }

    /// Whether there is something to do at the next wake.
    pub(super) fn has_work(&self) -> bool {
        self.may_begin || !self.tasks.is_empty()
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.tasks.is_empty() && self.under_way() == 0
    }

    fn under_way(&self) -> usize {
        self.merges.iter().flatten().count()
    }

    /// Lets the first waiting scan begin that may. `take` gives a peer's waiting scan, if the peer is
    /// still there. `parts` is the number of shards.
    pub(super) fn begin_next(
        &mut self,
        parts: usize,
        mut take: impl FnMut(ConnectionId) -> Option<Box<WaitingScan>>,
    ) -> Option<Begun> {
        while self.under_way() < ADDRESSES_WITH_SCANS {
            let merges = &self.merges;
            let Some((id, address)) = self.waiting.take(|address| may_begin(merges, address))
            else {
                break;
            };
            let Some(waiting) = take(id) else {
                self.gone = self.gone.saturating_sub(1);
                continue;
            };
            let merge_id = self.free_merge();
            self.merges[merge_id] = Some(Merge {
                target: ScanTarget {
                    id,
                    meta: waiting.meta,
                },
                address,
                missing: parts,
                state: MergeState::Collecting(Part::empty(waiting.scan)),
            });
            return Some(Begun {
                merge_id: merge_id as u32,
                scan: waiting.scan,
                path: waiting.path,
            });
        }
        self.may_begin = false;
        None
    }

    fn free_merge(&mut self) -> usize {
        let free = self.merges.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.merges.push(None);
            self.merges.len() - 1
        })
    }

    /// Begins our part of a scan.
    pub(super) fn begin_part(
        &mut self,
        store: &mut Store,
        from: usize,
        merge_id: u32,
        scan: Scan,
        path: &Arc<str>,
    ) {
        let scan = PartScan::begin(store, scan, path);
        self.tasks.push_back(Task::Part {
            from,
            merge_id,
            scan,
        });
    }

    /// The next task to be given a slice, if there is one.
    pub(super) fn next_task(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    /// A task that needs further slices: after all others have had one.
    pub(super) fn put_back(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// The peer that a merge is for; None if it is gone.
    pub(super) fn target(&self, merge_id: u32) -> Option<ScanTarget> {
        let merge = self.merges[merge_id as usize].as_ref()?;
        let wanted = !matches!(merge.state, MergeState::Abandoned);
        wanted.then_some(merge.target)
    }

    /// Takes a part of a scan. Returns all of them with the last one, unless the peer is gone.
    pub(super) fn add_part(&mut self, merge_id: u32, part: Part, limit: u64) -> Option<Part> {
        let entry = &mut self.merges[merge_id as usize];
        let merge = entry.as_mut().expect("a scan is there until its last part");
        merge.missing -= 1;
        if let MergeState::Collecting(so_far) = &mut merge.state {
            so_far.join(part, limit);
        }
        if merge.missing > 0 {
            return None;
        }
        match std::mem::replace(&mut merge.state, MergeState::Assembling) {
            MergeState::Collecting(whole) => Some(whole),
            MergeState::Assembling | MergeState::Abandoned => {
                self.end(merge_id);
                None
            }
        }
    }

    /// Bytes of the parts of a scan that have arrived.
    pub(super) fn bytes(&self, merge_id: u32) -> usize {
        match &self.merges[merge_id as usize] {
            Some(Merge {
                state: MergeState::Collecting(part),
                ..
            }) => part.bytes(),
            _ => 0,
        }
    }

    pub(super) fn assemble(&mut self, merge_id: u32, assembly: Assembly) {
        self.tasks.push_back(Task::Assembly { merge_id, assembly });
    }

    /// Drops what is held for a peer that is gone. `exists` tells which peers are still there.
    pub(super) fn forget(
        &mut self,
        id: ConnectionId,
        stage: &ScanStage,
        exists: impl Fn(ConnectionId) -> bool,
    ) {
        match stage {
            ScanStage::None => {}
            ScanStage::Waiting(_) => {
                self.gone += 1;
                if self.gone > self.waiting.len() / 2 {
                    self.waiting.retain(exists);
                    self.gone = 0;
                }
            }
            ScanStage::UnderWay { .. } => self.abandon(id),
        }
    }

    fn abandon(&mut self, id: ConnectionId) {
        let of_peer =
            |merge: &Option<Merge>| merge.as_ref().is_some_and(|merge| merge.target.id == id);
        let Some(index) = self.merges.iter().position(of_peer) else {
            return;
        };
        let Some(merge) = &mut self.merges[index] else {
            return;
        };
        if merge.missing > 0 {
            merge.state = MergeState::Abandoned;
            return;
        }
        let index = index as u32;
        self.tasks
            .retain(|task| !matches!(task, Task::Assembly { merge_id, .. } if *merge_id == index));
        self.end(index);
    }

    /// The scan is answered or dropped: another one may begin.
    pub(super) fn end(&mut self, merge_id: u32) {
        self.merges[merge_id as usize] = None;
        self.may_begin = !self.waiting.is_empty();
    }

    /// Whether our part of a scan, which is not among the tasks now, takes memory and no other takes more.
    pub(super) fn is_largest_part(&self, part: &PartScan) -> bool {
        let bytes = part.bytes();
        bytes > 0 && self.tasks.iter().all(|task| task.part_bytes() <= bytes)
    }

    /// Bytes of our parts of all scans under way, which are on nobody's account until they arrive.
    pub(super) fn part_bytes(&self) -> usize {
        self.tasks.iter().map(Task::part_bytes).sum()
    }
}

impl Task {
    fn part_bytes(&self) -> usize {
        match self {
            Task::Part { scan, .. } => scan.bytes(),
            Task::Assembly { .. } => 0,
        }
    }
}

/// Whether an address may begin a scan beside those under way.
fn may_begin(merges: &[Option<Merge>], address: &IpAddr) -> bool {
    let under_way = merges.iter().flatten();
    let of_address = under_way.clone().filter(|merge| merge.address == *address);
    match of_address.count() {
        // Another address's large scans are no reason to wait.
        0 => true,
        count => count < SCANS_OF_ADDRESS && under_way.count() < SCANS_UNDER_WAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::RequestKind;

    const NIMBUS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 9, 9));

    fn id(slot: u32) -> ConnectionId {
        ConnectionId {
            slot,
            generation: 0,
        }
    }

    /// The slots of the peers whose scans begin now.
    fn begin_all(scans: &mut Scans) -> Vec<u32> {
        let mut begun = Vec::new();
        let mut take = |id: ConnectionId| {
            begun.push(id.slot);
            Some(Box::new(WaitingScan {
                meta: RequestMeta {
                    message_id: 1,
                    kind: RequestKind::GetAllNodesForPath,
                    received_us: 0,
                },
                scan: Scan::List,
                path: Arc::from("/workerbeats"),
            }))
        };
        while scans.begin_next(1, &mut take).is_some() {}
        begun
    }

    /// Others have asked for as many lists as they like before.
    #[test]
    fn the_scan_of_an_address_that_asks_for_few_begins_at_once() {
        let mut scans = Scans::default();
        for slot in 0..100 {
            scans.enqueue(id(slot), IpAddr::from([10, 0, 0, (slot % 5) as u8]));
        }
        let begun = begin_all(&mut scans);
        assert_eq!(begun, [0, 1, 2, 3, 4], "one of each address");
        scans.enqueue(id(100), NIMBUS);
        assert_eq!(begin_all(&mut scans), [100]);
        // It has one under way, and no more than its turn.
        scans.enqueue(id(101), NIMBUS);
        assert_eq!(begin_all(&mut scans), [0; 0]);
    }

    #[test]
    fn few_scans_are_under_way() {
        let mut scans = Scans::default();
        for slot in 0..100 {
            scans.enqueue(id(slot), NIMBUS);
        }
        assert_eq!(begin_all(&mut scans).len(), SCANS_OF_ADDRESS);
        for slot in 100..200 {
            scans.enqueue(id(slot), IpAddr::from([10, 0, 0, slot as u8]));
        }
        begin_all(&mut scans);
        assert_eq!(scans.under_way(), ADDRESSES_WITH_SCANS);
        // One that ends lets another address in.
        scans.end(0);
        assert_eq!(begin_all(&mut scans).len(), 1);
    }
}
