//! How many requests one wake serves. A peer can send hundreds in one piece, and hundreds of peers may do so
//! at once. What is beyond a wake's work waits for the next one, so that answers leave in between. A peer that
//! asks for little does not wait behind those that ask for much.

use std::collections::VecDeque;

use super::peers::is_mostly_empty;
use crate::connection::ConnectionId;
use crate::limits::{FEW_REQUESTS, HEAD_WORK, LOGIN_WORK_BYTES, WAKE_WORK_BYTES};

#[derive(Debug)]
pub(super) struct WakeWork {
    /// What this wake may still do, in bytes of details. Less than nothing: the last request was large.
    left: i64,
    /// Peers whose requests wait for the next wake. Some may be gone.
    waiting: VecDeque<ConnectionId>,
}

impl Default for WakeWork {
    fn default() -> Self {
        WakeWork {
            left: WAKE_WORK_BYTES as i64,
            waiting: VecDeque::new(),
        }
    }
}

impl WakeWork {
    pub(super) fn begin(&mut self) {
        self.left = WAKE_WORK_BYTES as i64;
    }

    /// The body of a frame is about to be decoded. Until it is, all of it counts as costly.
    pub(super) fn note_frame(&mut self, bytes: usize) {
        self.left -= (bytes * HEAD_WORK) as i64;
    }

    /// `bytes` of it were details, which are only copied.
    pub(super) fn note_details(&mut self, bytes: usize) {
        self.left += (bytes * (HEAD_WORK - 1)) as i64;
    }

    pub(super) fn note_login(&mut self) {
        self.left -= LOGIN_WORK_BYTES as i64;
    }

    /// Whether the next request of a peer has to wait for the next wake. `served` is how many of its requests this
    /// piece of its bytes has had already; few are served beyond the wake's work, as much again in all.
    pub(super) fn is_done_for(&self, served: usize) -> bool {
        let beyond = if served < FEW_REQUESTS {
            WAKE_WORK_BYTES as i64
        } else {
            0
        };
        self.left <= -beyond
    }

    pub(super) fn wait(&mut self, id: ConnectionId) {
        self.waiting.push_back(id);
    }

    /// The next peer that has waited, unless this wake has no time for it.
    pub(super) fn next_waiting(&mut self) -> Option<ConnectionId> {
        if self.left <= 0 {
            return None;
        }
        self.waiting.pop_front()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives memory back that a flood needed.
    pub(super) fn shrink(&mut self) {
        if is_mostly_empty(self.waiting.len(), self.waiting.capacity()) {
            self.waiting.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::connection::{Closed, Commands};
    use crate::limits::{KIB, Limits};
    use crate::shard::{Context, Incident, Incidents, Mailbox, Settings, Shard};
    use crate::wire::message::{FRAME_PREFIX_BYTES, MessageType, encode_path};

    struct Quiet;

    impl Incidents for Quiet {
        fn report(&mut self, peer: SocketAddr, incident: Incident) {
            panic!("{peer}: {incident:?}");
        }
    }

    fn shard() -> Shard {
        let settings = Settings::for_tests(1, Limits::wide());
        let mailbox = Mailbox::for_shards(1).pop().expect("one");
        Shard::new(0, settings, mailbox)
    }

    fn call(shard: &mut Shard, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: 1,
            commands: &mut commands,
            incidents: &mut Quiet,
        };
        call(shard, &mut cx);
        commands.drain();
    }

    fn id(slot: u32) -> ConnectionId {
        ConnectionId {
            slot,
            generation: 0,
        }
    }

    /// Takes what is queued for a peer. Returns its bytes.
    fn take_answers(shard: &mut Shard, id: ConnectionId) -> usize {
        let bytes = shard.take_outbox(id).len();
        call(shard, |shard, cx| shard.sent(id, bytes, 0, cx));
        bytes
    }

    #[test]
    fn what_many_peers_ask_at_once_is_served_in_several_wakes() {
        const PEERS: u32 = 200;
        const LONE: u32 = PEERS;
        let mut request = Vec::new();
        encode_path(&mut request, MessageType::Exists, "/a-short-path", 1);
        let in_piece = 8 * KIB as usize / request.len();
        let piece = request.repeat(in_piece);
        let mut shard = shard();
        // The last peer asks for little, behind all others, and has its answer first.
        for slot in 0..=PEERS {
            let bytes = if slot == LONE { &request } else { &piece };
            call(&mut shard, |shard, cx| {
                shard.opened(id(slot), ([127, 0, 0, 1], 1).into(), cx);
                shard.received(id(slot), bytes, cx);
            });
        }
        let mut answered = vec![0; PEERS as usize + 1];
        let mut in_wakes = Vec::new();
        loop {
            let taken: Vec<usize> = (0..=PEERS)
                .map(|slot| take_answers(&mut shard, id(slot)))
                .collect();
            assert!(taken[LONE as usize] > 0 || !in_wakes.is_empty());
            in_wakes.push(taken.iter().sum::<usize>());
            for (all, taken) in answered.iter_mut().zip(taken) {
                *all += taken;
            }
            if !shard.has_messages() {
                break;
            }
            call(&mut shard, |shard, cx| shard.exchange_messages(cx));
        }
        let answer_bytes = answered[LONE as usize];
        assert!(answer_bytes > 0);
        let all_are_answered = answered[..PEERS as usize]
            .iter()
            .all(|bytes| *bytes == in_piece * answer_bytes);
        assert!(all_are_answered, "{answered:?}");
        // As much again may be for those that ask for little.
        let most = 2 * WAKE_WORK_BYTES / HEAD_WORK / (request.len() - FRAME_PREFIX_BYTES) + 1;
        let within = in_wakes.iter().all(|bytes| *bytes <= most * answer_bytes);
        assert!(within && in_wakes.len() > 2, "{in_wakes:?}");
        assert!(shard.is_settled());
    }

    #[test]
    fn a_peer_that_is_gone_does_not_keep_those_behind_it_waiting() {
        let mut shard = shard();
        let mut request = Vec::new();
        encode_path(&mut request, MessageType::Exists, "/a-short-path", 1);
        let piece = request.repeat(WAKE_WORK_BYTES / HEAD_WORK / 16);
        let few = request.repeat(2 * FEW_REQUESTS);
        for slot in 0..3 {
            call(&mut shard, |shard, cx| {
                shard.opened(id(slot), ([127, 0, 0, 1], 1).into(), cx);
                let bytes = if slot == 0 { &piece } else { &few };
                shard.received(id(slot), bytes, cx);
            });
        }
        for slot in 0..2 {
            shard.closed(id(slot), Closed::Error(104), 0);
        }
        let at_once = take_answers(&mut shard, id(2));
        assert!(at_once > 0);
        call(&mut shard, |shard, cx| shard.exchange_messages(cx));
        assert_eq!(take_answers(&mut shard, id(2)), at_once);
        assert!(!shard.has_messages() && shard.is_settled());
    }
}
