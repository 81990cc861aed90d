//! The answer to a scan, merged from the sorted runs of all parts, slice by slice.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use bytes::Bytes;

use super::part::{Part, Slice};
use super::run::{NAME_HEAD_BYTES, NameRun, RecordRun, record_memory_bytes};
use crate::connection::Outbox;
use crate::fault::Refusal;
use crate::limits::{SLICE_BYTES, SLICE_NODES};
use crate::shard::work::Outcome;
use crate::wire::message::{self, RECORD_TAIL};

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
        if !first.take_first() {
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
        if let Some((path, details)) = first.take_first() {
            *runs_bytes -= record_memory_bytes(&path, &details);
            message::encode_record_head(frame.text(), &path, details.len());
            frame.push_shared(&details);
            frame.text().extend_from_slice(RECORD_TAIL);
        }
        if first.is_empty() {
            *runs_bytes -= PeekMut::pop(first).memory_bytes();
        }
    }
    !runs.is_empty()
}
