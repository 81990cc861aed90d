//! Shows all keys of a store in slices, so that no request waits for the whole scan. A scan changes
//! nothing.

use super::Store;

/// How far a scan of all keys has come. The default is the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScanPosition {
    next_slot: usize,
    /// `Store::moves` when the scan began.
    moves: u64,
}

/// What one call of [`Store::scan_keys`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanProgress {
    /// There are more slots.
    Ongoing,
    /// The scan has shown, once, every key that was stored from its beginning to its end. The next call
    /// begins another scan.
    Finished,
    /// The store has moved its keys since the last call. The next call begins again and shows all keys,
    /// so the caller must drop those that it has.
    Restarted,
}

/// A key and facts about its pulse, without the details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySummary {
    pub(crate) path: String,
    pub(crate) details_bytes: u64,
    /// Time of the last write, by the clock of [`Store::put`]'s caller.
    pub(crate) written_ms: u64,
    /// How often the key was written, modulo 65536.
    pub(crate) writes: u16,
}

impl Store {
    /// Continues a scan: goes through at most `max_slots` slots, about one for each key, and shows the
    /// keys in them, in no order.
    pub(crate) fn scan_keys(
        &self,
        position: &mut ScanPosition,
        max_slots: usize,
        show: &mut dyn FnMut(KeySummary),
    ) -> ScanProgress {
        if position.next_slot > 0 && position.moves != self.moves {
            *position = ScanPosition::default();
            return ScanProgress::Restarted;
        }
        position.moves = self.moves;
        let slots = self.directory.slot_count();
        let end = position.next_slot.saturating_add(max_slots).min(slots);
        for slot in position.next_slot..end {
            let Some(node) = self.directory.node_at(slot) else {
                continue;
            };
            if let Some(pulse) = self.directory.pulse(node) {
                show(KeySummary {
                    path: self.directory.path(node),
                    details_bytes: pulse.details.len() as u64,
                    written_ms: pulse.written.ms(),
                    writes: pulse.written.writes(),
                });
            }
        }
        position.next_slot = end;
        if end < slots {
            return ScanProgress::Ongoing;
        }
        *position = ScanPosition::default();
        ScanProgress::Finished
    }
}
