//! What a request asks of a shard's keys, and what comes of it. The hash is the path's: it chose the
//! shard, and it finds the key there.

use bytes::Bytes;

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

/// Work on all keys below a path, done by every shard. It costs more than one key does: a
/// connection has one scan under way at a time, and a shard does one for others in a wake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scan {
    List,
    Records,
    DeletePath,
}

/// What a forwarded request carries.
#[derive(Debug)]
pub(super) enum Work {
    Key(KeyWork),
    Scan(Scan),
}

#[derive(Debug)]
pub(super) enum Outcome {
    PathCreated,
    Stored,
    Pulse(Option<Bytes>),
    Exists(bool),
    Removed,
    Names(Vec<String>),
    DeletedPath,
    Records(Vec<(String, Bytes)>),
    Refused(Refusal),
}
