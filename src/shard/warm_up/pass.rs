//! When the warm-up is over early, for one connection: once a whole pass of Nimbus has found all its keys.

/// Where a connection is in a pass. Every 10 s Nimbus reads the heartbeats of all workers that it has assigned,
/// one after another, and then lists their root (`mkAssignments` and `doCleanup` of its timer). Readers for its
/// UI use the same connection, but do not list. So all reads between two lists of a root are at least one whole
/// pass: if all have found their keys, every worker is back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::shard) struct Pass {
    /// When the warm-up began that it belongs to.
    began_us: Option<u64>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Stage {
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
    /// A read has ended, in the warm-up that began then.
    pub(super) fn note_read(&mut self, was_found: bool, began_us: Option<u64>) {
        self.belong_to(began_us);
        if let Stage::Begun { found, missed } = &mut self.stage {
            *found |= was_found;
            *missed |= !was_found;
        }
    }

    /// The peer lists this path. `waits`: a read of it has no answer yet.
    pub(super) fn note_list(&mut self, path: &str, waits: bool, began_us: Option<u64>) {
        self.belong_to(began_us);
        let is_root = path.trim_end_matches('/').rfind('/') == Some(0);
        self.stage = match self.stage {
            _ if !is_root => return,
            Stage::Complete => Stage::Complete,
            Stage::Begun {
                found: true,
                missed: false,
            } if !waits => Stage::Complete,
            _ => Stage::Begun {
                found: false,
                missed: false,
            },
        };
    }

    pub(super) fn is_complete(self, began_us: Option<u64>) -> bool {
        self.stage == Stage::Complete && self.began_us == began_us
    }

    fn belong_to(&mut self, began_us: Option<u64>) {
        if self.began_us != began_us {
            *self = Pass {
                began_us,
                stage: Stage::Unknown,
            };
        }
    }
}
