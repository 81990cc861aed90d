//! Shows the keys of a store, a slice at a time, to whoever wants to see them all: it changes nothing
//! and never takes long.

use super::Store;

/// Where a walk over all keys is. Begins at the first one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walk {
    slot: usize,
    packs: u64,
}

/// What one call of [`Store::walk`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanProgress {
    /// There is more.
    Ongoing,
    /// Every key that was there all the time has been shown once.
    Finished,
    /// The keys have moved since the last call. The walk begins anew with the next one, and what it
    /// has shown so far will be shown again.
    Restarted,
}

/// A key, without what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    pub path: String,
    pub details_bytes: u64,
    /// When it was last written, on the caller's clock.
    pub written_ms: u64,
    /// How often it was written, modulo 65536.
    pub writes: u16,
}

impl Store {
    /// Goes on with a walk: looks at `most_slots` places in memory, about one for each key, and shows
    /// the keys among them.
    pub fn walk(
        &self,
        walk: &mut Walk,
        most_slots: usize,
        show: &mut dyn FnMut(KeyState),
    ) -> ScanProgress {
        if walk.slot > 0 && walk.packs != self.packs {
            *walk = Walk::default();
            return ScanProgress::Restarted;
        }
        walk.packs = self.packs;
        let end = self.directory.slots();
        let until = walk.slot.saturating_add(most_slots).min(end);
        for slot in walk.slot..until {
            let Some(node) = self.directory.at(slot) else {
                continue;
            };
            if let Some(pulse) = self.directory.pulse(node) {
                show(KeyState {
                    path: self.directory.path(node),
                    details_bytes: pulse.details.len() as u64,
                    written_ms: pulse.written.ms(),
                    writes: pulse.written.writes(),
                });
            }
        }
        walk.slot = until;
        if until < end {
            return ScanProgress::Ongoing;
        }
        *walk = Walk::default();
        ScanProgress::Finished
    }
}
