//! One shard's part of a scan, made slice by slice as sorted runs.

use std::sync::Arc;

use super::run::{NameRun, RecordRun};
use crate::fault::Refusal;
use crate::limits::{Limits, SLICE_BYTES, SLICE_NODES, SMALL_SLICE_BYTES};
use crate::shard::work::Scan;
use crate::store::{ListScan, RecordScan, Store};
use crate::wire::message;

/// What a shard has found.
#[derive(Debug)]
pub(in crate::shard) enum Part {
    Names(Vec<NameRun>),
    Records(Records),
    Deleted,
    Refused(Refusal),
}

/// Records, and what they are on the wire.
#[derive(Debug, Default)]
pub(in crate::shard) struct Records {
    pub(super) runs: Vec<RecordRun>,
    pub(super) count: usize,
    paths_bytes: u64,
    details_bytes: u64,
    memory_bytes: usize,
}

/// A part under way.
#[derive(Debug)]
pub(in crate::shard) enum PartScan {
    List {
        scan: ListScan,
        runs: Vec<NameRun>,
        bytes: u64,
    },
    Records {
        scan: RecordScan,
        found: Records,
    },
    Delete {
        path: Arc<str>,
    },
}

/// What follows a slice.
#[derive(Debug)]
pub(in crate::shard) enum Slice<T, U> {
    More(T),
    Finished(U),
}

impl Part {
    /// The part of a scan of which nothing has been found yet.
    pub(super) fn empty(scan: Scan) -> Part {
        match scan {
            Scan::List => Part::Names(Vec::new()),
            Scan::Records => Part::Records(Records::default()),
            Scan::DeletePath => Part::Deleted,
        }
    }

    /// Bytes of memory.
    pub(in crate::shard) fn bytes(&self) -> usize {
        match self {
            Part::Names(runs) => {
                let names: usize = runs.iter().map(NameRun::memory_bytes).sum();
                names + runs.capacity() * size_of::<NameRun>()
            }
            Part::Records(records) => records.memory_bytes(),
            Part::Deleted | Part::Refused(_) => 0,
        }
    }

    /// Whether it took far less than a slice's time.
    pub(in crate::shard) fn is_small(&self) -> bool {
        match self {
            Part::Names(_) | Part::Records(_) => self.bytes() <= SMALL_SLICE_BYTES,
            Part::Deleted | Part::Refused(_) => false,
        }
    }

    /// Adds another shard's part.
    pub(super) fn join(&mut self, other: Part, limit: u64) {
        match (&mut *self, other) {
            (Part::Refused(_), _) => {}
            (_, Part::Refused(why)) => *self = Part::Refused(why),
            (Part::Names(ours), Part::Names(others)) => ours.extend(others),
            (Part::Records(ours), Part::Records(others)) => {
                ours.runs.extend(others.runs);
                ours.count += others.count;
                ours.paths_bytes += others.paths_bytes;
                ours.details_bytes += others.details_bytes;
                ours.memory_bytes += others.memory_bytes;
                if ours.body_bytes() > limit {
                    *self = Part::Refused(Refusal::RecordsTooLarge { limit });
                }
            }
            (Part::Deleted, Part::Deleted) => {}
            (ours, others) => unreachable!("{ours:?} and {others:?} are parts of one scan"),
        }
    }
}

impl Records {
    fn memory_bytes(&self) -> usize {
        self.memory_bytes + self.runs.capacity() * size_of::<RecordRun>()
    }

    /// Bytes of the answer's body.
    pub(super) fn body_bytes(&self) -> u64 {
        message::records_body_len(self.count, self.paths_bytes, self.details_bytes)
    }
}

impl PartScan {
    pub(super) fn begin(store: &mut Store, scan: Scan, path: &Arc<str>) -> PartScan {
        match scan {
            Scan::List => PartScan::List {
                scan: store.begin_list(path),
                runs: Vec::new(),
                bytes: 0,
            },
            Scan::Records => PartScan::Records {
                scan: store.begin_records(path),
                found: Records::default(),
            },
            Scan::DeletePath => PartScan::Delete { path: path.clone() },
        }
    }

    /// Goes on for one slice.
    pub(in crate::shard) fn slice(
        self,
        store: &mut Store,
        limits: &Limits,
    ) -> Slice<PartScan, Part> {
        match self {
            PartScan::List { scan, runs, bytes } => {
                list(store, scan, runs, bytes, limits.frame_bytes.into())
            }
            PartScan::Records { scan, found } => records(store, scan, found, limits),
            PartScan::Delete { path } => {
                if store.delete_below(&path, SLICE_NODES) {
                    Slice::More(PartScan::Delete { path })
                } else {
                    Slice::Finished(Part::Deleted)
                }
            }
        }
    }

    /// Bytes of memory.
    pub(in crate::shard) fn bytes(&self) -> usize {
        match self {
            PartScan::List { runs, bytes, .. } => {
                *bytes as usize + runs.capacity() * size_of::<NameRun>()
            }
            PartScan::Records { found, .. } => found.memory_bytes(),
            PartScan::Delete { .. } => 0,
        }
    }

    /// Whether its slices take memory: a deletion goes on however little is left.
    pub(in crate::shard) fn takes_memory(&self) -> bool {
        !matches!(self, PartScan::Delete { .. })
    }

    /// Gives the scan up.
    pub(in crate::shard) fn end(self, store: &mut Store) {
        match self {
            PartScan::List { scan, .. } => store.end_list(scan),
            PartScan::Records { scan, .. } => store.end_records(scan),
            PartScan::Delete { .. } => {}
        }
    }
}

fn list(
    store: &mut Store,
    mut scan: ListScan,
    mut runs: Vec<NameRun>,
    mut bytes: u64,
    limit: u64,
) -> Slice<PartScan, Part> {
    // Names that are long fill a slice sooner.
    let mut more = true;
    let mut text = String::new();
    let mut ends = Vec::new();
    while more && ends.len() < SLICE_NODES && text.len() < SLICE_BYTES {
        more = store.continue_list(&mut scan, SLICE_NODES / 16, &mut |name| {
            text.push_str(name);
            ends.push(text.len());
        });
        if ends.is_empty() {
            break;
        }
    }
    if !ends.is_empty() {
        let run = NameRun::sorted(&text, &ends);
        bytes += run.encoded_bytes() as u64;
        runs.push(run);
    }
    // A list that is too large for one shard is too large for all.
    if bytes > limit {
        store.end_list(scan);
        return Slice::Finished(Part::Refused(Refusal::AnswerTooLarge { bytes, limit }));
    }
    if more {
        return Slice::More(PartScan::List { scan, runs, bytes });
    }
    store.end_list(scan);
    Slice::Finished(Part::Names(runs))
}

fn records(
    store: &mut Store,
    mut scan: RecordScan,
    mut found: Records,
    limits: &Limits,
) -> Slice<PartScan, Part> {
    let mut run = Vec::new();
    let mut paths_bytes = 0;
    let more = store.continue_records(&mut scan, SLICE_NODES, &mut |path, details| {
        paths_bytes += path.len();
        found.details_bytes += details.len() as u64;
        run.push((path.into_boxed_str(), details.clone()));
        paths_bytes < SLICE_BYTES
    });
    found.paths_bytes += paths_bytes as u64;
    found.count += run.len();
    if !run.is_empty() {
        let run = RecordRun::sorted(run);
        found.memory_bytes += run.memory_bytes();
        found.runs.push(run);
    }
    let limit = limits.frame_bytes.into();
    if found.body_bytes() > limit || found.memory_bytes() as u64 > limits.records_bytes() {
        store.end_records(scan);
        return Slice::Finished(Part::Refused(Refusal::RecordsTooLarge { limit }));
    }
    if more {
        return Slice::More(PartScan::Records { scan, found });
    }
    store.end_records(scan);
    Slice::Finished(Part::Records(found))
}
