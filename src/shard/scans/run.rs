//! Sorted runs: what one slice of a shard's part of a scan has found. They are merged into the answer.

use std::cmp::Ordering;

use bytes::Bytes;

/// Bytes of a name in a list besides its text: its length.
pub(super) const NAME_HEAD_BYTES: usize = 4;

/// Bytes of memory of a record besides its place in a run, its path's text and its details: the details'
/// counter of references (in `Bytes`).
const RECORD_MEMORY_BYTES: usize = 32;

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

impl NameRun {
    /// Of names that lie one behind the other in a text.
    pub(super) fn sorted(text: &str, ends: &[usize]) -> NameRun {
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

    pub(super) fn memory_bytes(&self) -> usize {
        self.encoded.capacity()
    }

    /// Bytes of all names on the wire, of those that are taken, too.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }

    /// Takes the first name. Says whether there are more.
    pub(super) fn take_first(&mut self) -> bool {
        self.at += self.first_encoded().len();
        self.at < self.encoded.len()
    }

    /// The first name that is not taken yet, with its length before it.
    pub(super) fn first_encoded(&self) -> &[u8] {
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
pub(super) fn record_memory_bytes(path: &str, details: &Bytes) -> usize {
    RECORD_MEMORY_BYTES + path.len() + details.len()
}

impl RecordRun {
    pub(super) fn sorted(mut records: Vec<(Box<str>, Bytes)>) -> RecordRun {
        records.sort_unstable_by(|left, right| right.0.cmp(&left.0));
        records.shrink_to_fit();
        RecordRun(records)
    }

    /// Takes the first record.
    pub(super) fn take_first(&mut self) -> Option<(Box<str>, Bytes)> {
        self.0.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn memory_bytes(&self) -> usize {
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
