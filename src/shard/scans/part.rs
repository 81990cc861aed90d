//! One shard's part of a scan, made slice by slice as sorted runs; and the answer that is merged from
//! the runs of all parts, slice by slice as well.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use bytes::Bytes;

use crate::connection::Outbox;
use crate::fault::Refusal;
use crate::limits::{Limits, SLICE_BYTES, SLICE_NODES, SMALL_SLICE_BYTES};
use crate::shard::work::{Outcome, Scan};
use crate::store::{ListScan, RecordScan, Store};
use crate::wire::message::{self, RECORD_TAIL};

/// Bytes of a name in a list besides its text: its length.
const NAME_HEAD_BYTES: usize = 4;

/// Bytes of memory of a record besides its place in a run, its path's text and its details: the details'
/// counter of references (in `Bytes`).
const RECORD_MEMORY_BYTES: usize = 32;

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
    runs: Vec<RecordRun>,
    count: usize,
    paths_bytes: u64,
    details_bytes: u64,
    memory_bytes: usize,
}

/// Sorted names as they are on the wire: each with its length before it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shard) struct NameRun {
    encoded: Vec<u8>,
    /// Where the first name begins that is not taken yet.
    at: usize,
}

/// Sorted records, the last one first.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shard) struct RecordRun(Vec<(Box<str>, Bytes)>);

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
    fn body_bytes(&self) -> u64 {
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
        bytes += run.encoded.len() as u64;
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
        run.sort_unstable_by(|left, right| right.0.cmp(&left.0));
        run.shrink_to_fit();
        let run = RecordRun(run);
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

/// An answer that is being merged from sorted runs.
#[derive(Debug)]
pub(in crate::shard) enum Assembly {
    Names {
        runs: BinaryHeap<NameRun>,
        /// Bytes of memory of the runs.
        runs_bytes: usize,
        /// The merged names, as they are on the wire.
        encoded: Vec<u8>,
        /// Where the last name begins, its length included.
        last: Option<usize>,
        count: usize,
    },
    Records {
        runs: BinaryHeap<RecordRun>,
        /// Bytes of memory of the runs.
        runs_bytes: usize,
        /// The answer's frame, as far as it is made.
        frame: Outbox,
        message_id: i32,
    },
}

impl Assembly {
    /// Begins to make the answer of all parts; the answer itself where there is nothing to merge. `limit`
    /// is the size of the largest answer's body in bytes.
    pub(in crate::shard) fn begin(
        whole: Part,
        message_id: i32,
        limit: u64,
    ) -> Result<Assembly, Outcome> {
        let runs_bytes = whole.bytes();
        match whole {
            Part::Names(runs) => {
                let encoded_bytes = runs.iter().map(NameRun::memory_bytes).sum::<usize>();
                Ok(Assembly::Names {
                    runs: runs.into(),
                    runs_bytes,
                    encoded: Vec::with_capacity(
                        encoded_bytes.min(limit as usize + 2 * SLICE_BYTES),
                    ),
                    last: None,
                    count: 0,
                })
            }
            Part::Records(records) => {
                let mut frame = Outbox::default();
                let body_bytes = records.body_bytes();
                message::encode_records_head(frame.text(), body_bytes, records.count);
                Ok(Assembly::Records {
                    runs: records.runs.into(),
                    runs_bytes,
                    frame,
                    message_id,
                })
            }
            Part::Deleted => Err(Outcome::DeletedPath),
            Part::Refused(why) => Err(Outcome::Refused(why)),
        }
    }

    /// Goes on for one slice.
    pub(in crate::shard) fn slice(
        mut self,
        message_id: i32,
        limit: u64,
    ) -> Slice<Assembly, Outcome> {
        match &mut self {
            Assembly::Names {
                runs,
                runs_bytes,
                encoded,
                last,
                count,
            } => {
                let more = merge_names(runs, runs_bytes, encoded, last, count);
                let names_bytes = encoded.len() - NAME_HEAD_BYTES * *count;
                let bytes = message::nodes_body_len(*count, names_bytes as u64);
                if bytes > limit {
                    let why = Refusal::AnswerTooLarge { bytes, limit };
                    return Slice::Finished(Outcome::Refused(why));
                }
                if more {
                    return Slice::More(self);
                }
                let mut frame = Outbox::default();
                message::encode_nodes_head(frame.text(), *count, names_bytes as u64);
                let mut names = std::mem::take(encoded);
                names.shrink_to_fit(); // less than expected: several shards had the same names
                frame.push_shared(&Bytes::from(names));
                message::encode_nodes_tail(frame.text(), message_id);
                Slice::Finished(Outcome::Scanned(frame))
            }
            Assembly::Records {
                runs,
                runs_bytes,
                frame,
                message_id,
            } => {
                if merge_records(runs, runs_bytes, frame) {
                    return Slice::More(self);
                }
                message::encode_records_tail(frame.text(), *message_id);
                Slice::Finished(Outcome::Scanned(std::mem::take(frame)))
            }
        }
    }

    /// Bytes of memory: of the answer so far, and of the runs that are left.
    pub(in crate::shard) fn bytes(&self) -> usize {
        match self {
            Assembly::Names {
                runs_bytes,
                encoded,
                ..
            } => encoded.capacity() + runs_bytes,
            Assembly::Records {
                runs_bytes, frame, ..
            } => frame.memory_bytes() + runs_bytes,
        }
    }
}

/// Moves a slice of names out of the runs, each once. Says whether there are more.
fn merge_names(
    runs: &mut BinaryHeap<NameRun>,
    runs_bytes: &mut usize,
    encoded: &mut Vec<u8>,
    last: &mut Option<usize>,
    count: &mut usize,
) -> bool {
    let begin = encoded.len();
    for _ in 0..SLICE_NODES {
        let Some(mut first) = runs.peek_mut() else {
            return false;
        };
        let name = first.first_encoded();
        let is_new = last.is_none_or(|last| encoded[last..] != *name);
        if is_new {
            *last = Some(encoded.len());
            *count += 1;
            encoded.extend_from_slice(name);
        }
        first.at += first.first_encoded().len();
        if first.at == first.encoded.len() {
            *runs_bytes -= PeekMut::pop(first).memory_bytes();
        }
        if encoded.len() - begin >= SLICE_BYTES {
            break;
        }
    }
    !runs.is_empty()
}

/// Moves a slice of records out of the runs. Says whether there are more.
fn merge_records(
    runs: &mut BinaryHeap<RecordRun>,
    runs_bytes: &mut usize,
    frame: &mut Outbox,
) -> bool {
    for _ in 0..SLICE_NODES {
        let Some(mut first) = runs.peek_mut() else {
            return false;
        };
        if let Some((path, details)) = first.0.pop() {
            *runs_bytes -= record_memory_bytes(&path, &details);
            message::encode_record_head(frame.text(), &path, details.len());
            frame.push_shared(&details);
            frame.text().extend_from_slice(RECORD_TAIL);
        }
        if first.0.is_empty() {
            *runs_bytes -= PeekMut::pop(first).memory_bytes();
        }
    }
    !runs.is_empty()
}

impl NameRun {
    /// Of names that lie one behind the other in a text.
    fn sorted(text: &str, ends: &[usize]) -> NameRun {
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let mut names: Vec<&str> = begins
            .zip(ends)
            .map(|(begin, end)| &text[begin..*end])
            .collect();
        names.sort_unstable();
        names.dedup();
        let names_bytes = names.iter().map(|name| NAME_HEAD_BYTES + name.len()).sum();
        let mut encoded = Vec::with_capacity(names_bytes);
        for name in names {
            encoded.extend_from_slice(&(name.len() as u32).to_be_bytes());
            encoded.extend_from_slice(name.as_bytes());
        }
        NameRun { encoded, at: 0 }
    }

    fn memory_bytes(&self) -> usize {
        self.encoded.capacity()
    }

    /// The first name that is not taken yet, with its length before it.
    fn first_encoded(&self) -> &[u8] {
        let rest = &self.encoded[self.at..];
        let length = rest
            .first_chunk()
            .map_or(0, |length| u32::from_be_bytes(*length));
        &rest[..NAME_HEAD_BYTES + length as usize]
    }

    fn first_name(&self) -> &[u8] {
        &self.first_encoded()[NAME_HEAD_BYTES..]
    }
}

/// A heap gives its greatest element first: the run with the smallest name.
impl Ord for NameRun {
    fn cmp(&self, other: &NameRun) -> Ordering {
        other.first_name().cmp(self.first_name())
    }
}

impl PartialOrd for NameRun {
    fn partial_cmp(&self, other: &NameRun) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Bytes of memory of a record besides its place in a run.
fn record_memory_bytes(path: &str, details: &Bytes) -> usize {
    RECORD_MEMORY_BYTES + path.len() + details.len()
}

impl RecordRun {
    fn memory_bytes(&self) -> usize {
        let records = self.0.iter();
        let records = records.map(|(path, details)| record_memory_bytes(path, details));
        self.0.capacity() * size_of::<(Box<str>, Bytes)>() + records.sum::<usize>()
    }

    fn first_path(&self) -> Option<&str> {
        self.0.last().map(|(path, _)| &**path)
    }
}

impl Ord for RecordRun {
    fn cmp(&self, other: &RecordRun) -> Ordering {
        other.first_path().cmp(&self.first_path())
    }
}

impl PartialOrd for RecordRun {
    fn partial_cmp(&self, other: &RecordRun) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
