//! What shards send each other, and the lanes it travels on. Requests and replies have lanes of their
//! own, and nobody waits for room: what does not fit stays with the sender, in order, in a queue that
//! the connections' in-flight limit keeps short. So two shards that flood each other cannot deadlock.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::scans::Part;
use super::transit::{InTransit, Transit};
use super::warm_up::Ticket;
use super::work::{KeyWork, Outcome, Scan};
use crate::access::RequestKind;
use crate::connection::ConnectionId;
use crate::limits::MAILBOX_MESSAGES;

/// Work for the shard that owns a key, or for every shard.
#[derive(Debug)]
pub(super) struct ForwardedRequest {
    pub(super) from: usize,
    pub(super) path: Arc<str>,
    pub(super) work: ForwardedWork,
}

/// What is asked of another shard. Where the reply belongs travels with it and back, so that the
/// asking shard keeps no table of requests that concern one other shard.
#[derive(Debug)]
pub(super) enum ForwardedWork {
    Key {
        target: ReplyTarget,
        work: KeyWork,
    },
    /// A read that may have been kept is not waited for any more.
    Withdraw {
        hash: u64,
        ticket: Ticket,
    },
    /// A part of a scan; the asking shard merges the parts under this number.
    Scan {
        merge_id: u32,
        scan: Scan,
    },
}

#[derive(Debug)]
pub(super) enum ForwardedReply {
    Key {
        target: ReplyTarget,
        path: Arc<str>,
        outcome: Outcome,
        /// A pulse in the outcome.
        in_transit: Option<InTransit>,
    },
    Part {
        merge_id: u32,
        part: Part,
        in_transit: InTransit,
    },
}

/// Pulses up to this size are on the account of the request that reads them.
const SMALL_PULSE_BYTES: usize = 256;

/// Bytes of memory of a forwarded request besides its path and its details, or of its answer: its place in a
/// queue that grows by doubling, the path's and the details' counters of references, and a small pulse.
pub(super) const FORWARDED_BYTES: usize = {
    let (request, reply) = (size_of::<ForwardedRequest>(), size_of::<ForwardedReply>());
    let larger = if request > reply { request } else { reply };
    2 * larger + 16 + 64 + SMALL_PULSE_BYTES
};

/// What is remembered of a request until it is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestMeta {
    pub(super) message_id: i32,
    pub(super) kind: RequestKind,
    /// The wake in which the last of its bytes arrived.
    pub(super) received_us: u64,
}

/// The request of a peer that an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyTarget {
    pub(super) id: ConnectionId,
    pub(super) meta: RequestMeta,
    /// Bytes of the request in other shards' mailboxes, which are on the peer's account.
    pub(super) forwarded_bytes: usize,
    /// Of a read that may be kept.
    pub(super) ticket: Option<Ticket>,
}

/// One shard's ends of all lanes.
#[derive(Debug)]
pub struct Mailbox {
    requests: Receiver<ForwardedRequest>,
    replies: Receiver<ForwardedReply>,
    outgoing: Vec<Outgoing>,
    /// Shards that a message has gone to since `take_bells`.
    bells: Vec<usize>,
    /// Messages that wait for room in a lane.
    waiting: usize,
    /// What we have sent and others have not taken yet.
    transit: Transit,
}

#[derive(Debug)]
struct Outgoing {
    requests: Lane<ForwardedRequest>,
    replies: Lane<ForwardedReply>,
    bell: bool,
}

#[derive(Debug)]
struct Lane<T> {
    sender: Sender<T>,
    waiting: VecDeque<T>,
}

impl Mailbox {
    /// The mailboxes of a process with `count` shards.
    pub fn for_shards(count: usize) -> Vec<Mailbox> {
        Self::with_room_for(count, MAILBOX_MESSAGES)
    }

    /// The same with lanes of another length, for tests of full lanes.
    pub fn with_room_for(count: usize, messages: usize) -> Vec<Mailbox> {
        let messages = if count > 1 { messages } else { 0 };
        let requests: Vec<_> = (0..count).map(|_| bounded(messages)).collect();
        let replies: Vec<_> = (0..count).map(|_| bounded(messages)).collect();
        (0..count)
            .map(|owner| Mailbox {
                requests: requests[owner].1.clone(),
                replies: replies[owner].1.clone(),
                outgoing: requests
                    .iter()
                    .zip(&replies)
                    .map(|((requests, _), (replies, _))| Outgoing {
                        requests: Lane::new(requests.clone()),
                        replies: Lane::new(replies.clone()),
                        bell: false,
                    })
                    .collect(),
                bells: Vec::new(),
                waiting: 0,
                transit: Transit::default(),
            })
            .collect()
    }

    pub(super) fn send_request(&mut self, to: usize, message: ForwardedRequest) {
        let lane = &mut self.outgoing[to].requests;
        self.waiting += usize::from(lane.send(message));
        self.mark(to);
    }

    /// Answers a request for one of our keys.
    pub(super) fn send_outcome(
        &mut self,
        to: usize,
        target: ReplyTarget,
        path: Arc<str>,
        outcome: Outcome,
    ) {
        let pulse_bytes = match &outcome {
            Outcome::Pulse(Some(details)) => details.len(),
            _ => 0,
        };
        let in_transit =
            (pulse_bytes > SMALL_PULSE_BYTES).then(|| self.transit.charge(pulse_bytes));
        let reply = ForwardedReply::Key {
            target,
            path,
            outcome,
            in_transit,
        };
        self.send_reply(to, reply);
    }

    /// Sends our part of a scan.
    pub(super) fn send_part(&mut self, to: usize, merge_id: u32, part: Part) {
        let in_transit = self.transit.charge(part.bytes());
        let reply = ForwardedReply::Part {
            merge_id,
            part,
            in_transit,
        };
        self.send_reply(to, reply);
    }

    /// Bytes of pulses and parts that other shards have not taken yet.
    pub(super) fn bytes_in_transit(&self) -> usize {
        self.transit.bytes()
    }

    fn send_reply(&mut self, to: usize, message: ForwardedReply) {
        let lane = &mut self.outgoing[to].replies;
        self.waiting += usize::from(lane.send(message));
        self.mark(to);
    }

    pub(super) fn next_request(&mut self) -> Option<ForwardedRequest> {
        self.requests.try_recv().ok()
    }

    pub(super) fn next_reply(&mut self) -> Option<ForwardedReply> {
        self.replies.try_recv().ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.replies.is_empty()
    }

    /// Messages in our two lanes.
    pub(super) fn depth(&self) -> usize {
        self.requests.len() + self.replies.len()
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Moves what waits into lanes that have room again.
    pub(super) fn send_waiting(&mut self) {
        if self.waiting == 0 {
            return;
        }
        for to in 0..self.outgoing.len() {
            let outgoing = &mut self.outgoing[to];
            let moved = outgoing.requests.send_waiting() + outgoing.replies.send_waiting();
            if moved > 0 {
                self.waiting -= moved;
                self.mark(to);
            }
        }
    }

    /// Whose doorbells to ring: each once, however many messages went there.
    pub(super) fn take_bells(&mut self, mut ring_bell: impl FnMut(usize)) {
        for to in self.bells.drain(..) {
            self.outgoing[to].bell = false;
            ring_bell(to);
        }
    }

    fn mark(&mut self, to: usize) {
        if !std::mem::replace(&mut self.outgoing[to].bell, true) {
            self.bells.push(to);
        }
    }
}

impl<T> Lane<T> {
    fn new(sender: Sender<T>) -> Lane<T> {
        Lane {
            sender,
            waiting: VecDeque::new(),
        }
    }

    /// True if the message has to wait: the lane is full, or others wait before it.
    fn send(&mut self, message: T) -> bool {
        if !self.waiting.is_empty() {
            self.waiting.push_back(message);
            return true;
        }
        match self.sender.try_send(message) {
            Ok(()) => false,
            Err(TrySendError::Full(message)) => {
                self.waiting.push_back(message);
                true
            }
            // The shard has ended, which it does only with the process.
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    fn send_waiting(&mut self) -> usize {
        let before = self.waiting.len();
        while let Some(message) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(message)) = self.sender.try_send(message) {
                self.waiting.push_front(message);
                break;
            }
        }
        // A burst's memory goes back.
        if self.waiting.len() < self.waiting.capacity() / 4 {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        before - self.waiting.len()
    }
}
