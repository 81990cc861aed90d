//! When the warm-up is over early, for one connection: once a whole pass of Nimbus has found all its keys.

/// Where a connection is in a pass. Every 10 s Nimbus reads the heartbeats of all workers that it has assigned,
/// one after another, and then lists their root (`mkAssignments` and `doCleanup` of its timer). Readers for its
/// UI use the same connection, but do not list. So all reads between two lists of a root are at least one whole
/// pass: if all have found their keys, every worker is back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::shard) enum Pass {
    /// The root was not listed: Nimbus may have come in the middle of a pass.
    #[default]
    Unknown,
    Begun {
        found: bool,
        missed: bool,
    },
    /// Everything was found: reads of this connection wait no more.
    Complete,
}

impl Pass {
    /// A read has ended.
    pub(in crate::shard) fn note_read(&mut self, was_found: bool) {
        if let Pass::Begun { found, missed } = self {
            *found |= was_found;
            *missed |= !was_found;
        }
    }

    /// The peer lists this path. `waits`: a read of it has no answer yet.
    pub(in crate::shard) fn note_list(&mut self, path: &str, waits: bool) {
        let is_root = path.trim_end_matches('/').rfind('/') == Some(0);
        *self = match *self {
            _ if !is_root => return,
            Pass::Complete => Pass::Complete,
            Pass::Begun {
                found: true,
                missed: false,
            } if !waits => Pass::Complete,
            _ => Pass::Begun {
                found: false,
                missed: false,
            },
        };
    }

    pub(in crate::shard) fn is_complete(self) -> bool {
        self == Pass::Complete
    }
}
