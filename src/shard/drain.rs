//! Moves a shard's clients to another server, one at a time and at a moment at which a RST costs them nothing.
//! Like ageing it is a walk: a pulse pays for it with the one byte that says what its peer asked last.

use std::time::Duration;

use super::peer::Slot;
use super::{Context, Shard};
use crate::access::RequestKind;
use crate::connection::{Command, ConnectionId, Ending};

/// How often to call [`Shard::continue_drain`].
pub const DRAIN_STEP: Duration = Duration::from_millis(50);

/// Connections that one step looks at, less than a millisecond's work. A walk over 100 000 takes 1.25 s, so that it
/// meets every writer while that may go.
const SLOTS_A_STEP: usize = 4096;

/// Resets in a second, of all shards together. 12 000 workers pulse 4 000 times a second and go at that rate;
/// 100 000 take ten seconds, and their dials do not keep the successor from answering pulses.
const RESETS_A_SECOND: usize = 10_000;

/// How long after its request a client has read the answer. Its kernel has acknowledged the answer by then. What
/// Linux has acknowledged is read even after a RST, but other systems throw it away.
const SETTLED_US: u64 = 100_000;

/// How long after a pulse the next one is not due yet: workers pulse every 3 s, from the last answer or later. A
/// later RST might meet it.
const NEXT_PULSE_US: u64 = 2_000_000;

/// A connection without a request for this long may go at any moment: a heartbeat period of 3 s and a reserve. Its
/// workers pulse every 60 s (Storm 2.0.0 to 2.2.2), so the RST hardly ever meets a pulse, or it is of no worker.
const SILENT_US: u64 = 4_000_000;

/// The pause by which the end of Nimbus's pass is known. It reads again 10 s later; a round trip or a garbage
/// collection between two requests of a pass is shorter.
const READER_PAUSE_US: u64 = 500_000;

/// Clients of a daemon or a shard that is drained.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Clients {
    /// Those whose last request was a pulse, and those that have made none.
    pub writers: u64,
    pub readers: u64,
    /// Those of the readers that are in a pass, and not in the pause after it.
    pub reading: u64,
}

/// Which clients may go now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MayGo {
    pub writers: bool,
    pub readers: bool,
}

/// How far a shard's drain has come.
#[derive(Debug)]
pub struct Drain {
    began_us: u64,
    resets_a_step: usize,
    /// Where the walk goes on.
    next_slot: usize,
    /// Clients that the walk under way has met and left.
    met: Clients,
    left: Option<Clients>,
    moved: u64,
}

impl Drain {
    /// `shards`: how many of them drain beside each other.
    pub fn new(shards: usize, now_us: u64) -> Drain {
        let steps_a_second = (1_000 / DRAIN_STEP.as_millis()) as usize;
        Drain {
            began_us: now_us,
            resets_a_step: (RESETS_A_SECOND / steps_a_second / shards).max(1),
            next_slot: 0,
            met: Clients::default(),
            left: None,
            moved: 0,
        }
    }

    /// Clients that have not been moved, as of the last whole walk. None: the first one is under way.
    pub fn left(&self) -> Option<Clients> {
        self.left
    }

    /// Clients that were moved so far.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether now is the moment to move a client.
    fn may_move(&self, slot: &Slot, role: Role, may_go: MayGo, now_us: u64) -> bool {
        if !is_idle(slot) {
            return false;
        }
        let peer = &slot.peer;
        let quiet_us = now_us.saturating_sub(peer.received_us);
        let silent_us = now_us.saturating_sub(peer.received_us.max(self.began_us));
        match role {
            Role::Writer => {
                let is_between_pulses = (SETTLED_US..=NEXT_PULSE_US).contains(&quiet_us);
                may_go.writers && (is_between_pulses || silent_us >= SILENT_US)
            }
            Role::Silent => may_go.writers && silent_us >= SILENT_US,
            Role::Reader => may_go.readers && quiet_us >= READER_PAUSE_US,
        }
    }
}

/// Whether the connection has no request and no login under way, as far as we have received them.
fn is_idle(slot: &Slot) -> bool {
    let Slot { reader, peer } = slot;
    peer.is_settled() && reader.buffered_bytes() == 0 && peer.login_deadline_us.is_none()
}

/// What a client is, by its last request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// A worker.
    Writer,
    /// Nimbus, a UI or a command.
    Reader,
    /// It has asked for nothing yet.
    Silent,
}

impl Role {
    fn of(last_request: Option<RequestKind>) -> Role {
        match last_request {
            None => Role::Silent,
            Some(RequestKind::SendPulse) => Role::Writer,
            Some(
                RequestKind::CreatePath
                | RequestKind::Exists
                | RequestKind::GetAllPulseForPath
                | RequestKind::GetAllNodesForPath
                | RequestKind::GetPulse
                | RequestKind::DeletePath
                | RequestKind::DeletePulseId,
            ) => Role::Reader,
        }
    }
}

impl Shard {
    /// One step of a drain: resets clients that may go. `is_quiet` tells whether nothing that was
    /// sent to a connection is unacknowledged, and nothing of it unread.
    pub fn continue_drain(
        &mut self,
        drain: &mut Drain,
        may_go: MayGo,
        cx: &mut Context<'_>,
        mut is_quiet: impl FnMut(ConnectionId) -> bool,
    ) {
        let end = drain.next_slot + SLOTS_A_STEP;
        let mut resets = 0;
        for slot in self.peers.slots.between(drain.next_slot, end) {
            let (id, role) = (slot.peer.id, Role::of(slot.peer.last_request));
            if resets < drain.resets_a_step
                && drain.may_move(slot, role, may_go, cx.now_us)
                && is_quiet(id)
            {
                cx.commands.push(Command::Close(id, Ending::Reset));
                resets += 1;
                continue;
            }
            match role {
                Role::Writer | Role::Silent => drain.met.writers += 1,
                Role::Reader => {
                    let quiet_us = cx.now_us.saturating_sub(slot.peer.received_us);
                    let is_reading = !is_idle(slot) || quiet_us < READER_PAUSE_US;
                    drain.met.readers += 1;
                    drain.met.reading += u64::from(is_reading);
                }
            }
        }
        drain.moved += resets as u64;
        drain.next_slot = end;
        if end >= self.peers.slots.end() {
            drain.next_slot = 0;
            drain.left = Some(std::mem::take(&mut drain.met));
        }
    }
}
