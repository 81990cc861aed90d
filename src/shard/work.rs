//! What a request asks of a shard's keys, and what comes of it. The hash is the path's: it chose the
//! shard, and it finds the key there.

use bytes::Bytes;

use crate::connection::Outbox;
use crate::fault::Refusal;

/// Who has to carry out a request.
#[derive(Debug)]
pub(super) enum Route {
    /// Nobody: directories come and go with their keys, so CREATE_PATH has nothing to do.
    Nothing,
    Here(KeyWork),
    /// Another shard owns the key.
    At(usize, KeyWork),
    /// Every shard has a part of the answer.
    Everywhere(Scan),
}

/// Work on one key, done by the shard that owns it.
#[derive(Debug)]
pub(super) enum KeyWork {
    Put { hash: u64, details: Bytes },
    Get { hash: u64 },
    Exists { hash: u64 },
    Remove { hash: u64 },
}

/// Work on all keys below a path, done by every shard, a slice at a time: see [`super::scans`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Scan {
    List,
    Records,
    DeletePath,
}

#[derive(Debug)]
pub(super) enum Outcome {
    PathCreated,
    Stored,
    Pulse(Option<Bytes>),
    /// Its client does not wait for it any more: there is no answer.
    Withdrawn,
    Exists(bool),
    Removed,
    DeletedPath,
    /// The whole answer to a list or to a request for records.
    Scanned(Outbox),
    Refused(Refusal),
}
