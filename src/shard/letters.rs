//! What shards write to each other, and the lanes it travels on. Requests and answers have lanes of
//! their own, and nobody ever waits for room: what does not fit stays with the sender, in order, in
//! a queue that the connections' in-flight bound keeps short. So two shards that flood each other
//! cannot deadlock.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::access::RequestKind;
use crate::connection::ConnectionId;
use crate::fault::Refusal;
use crate::limits::MAILBOX_SLOTS;

/// Work for the shard that owns a key, or for every shard.
#[derive(Debug)]
pub(super) struct RequestLetter {
    pub(super) from: usize,
    pub(super) reply_to: ReplyTo,
    pub(super) path: Arc<str>,
    pub(super) work: Work,
}

#[derive(Debug)]
pub(super) struct AnswerLetter {
    pub(super) reply_to: ReplyTo,
    pub(super) path: Arc<str>,
    pub(super) outcome: Outcome,
}

/// The request that an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) message_id: i32,
    pub(super) kind: RequestKind,
    /// The wake in which the last of its bytes came.
    pub(super) received_us: u64,
}

/// Whom an answer is for. It travels with the request and back, so that the asking shard keeps no
/// table of requests that concern one other shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReplyTo {
    Request {
        id: ConnectionId,
        asked: Asked,
        /// Of the pulse that the letter carries.
        lent_bytes: usize,
    },
    /// A part of an answer that every shard contributes to.
    Merge { slot: u32 },
}

/// What a shard does with its own keys. The hash is the path's; it routed the request, and finds
/// the key.
#[derive(Debug)]
pub(super) enum Work {
    Put {
        hash: u64,
        details: Bytes,
    },
    Get {
        hash: u64,
    },
    Exists {
        hash: u64,
    },
    Remove {
        hash: u64,
    },
    List,
    DeletePath,
    /// Pulses at the path and below it, of so many bytes in all.
    Records {
        max_bytes: u64,
    },
}

impl Work {
    /// Whether it costs more than one key does. A connection has one such request under way at a
    /// time, and a shard does one for others at a time.
    pub(super) fn is_heavy(&self) -> bool {
        match self {
            Work::Put { .. } | Work::Get { .. } | Work::Exists { .. } | Work::Remove { .. } => {
                false
            }
            Work::List | Work::DeletePath | Work::Records { .. } => true,
        }
    }
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

/// One shard's ends of all lanes.
#[derive(Debug)]
pub struct Mailbox {
    requests: Receiver<RequestLetter>,
    answers: Receiver<AnswerLetter>,
    outgoing: Vec<Outgoing>,
    /// Shards that a letter has gone to since `take_bells`.
    bells: Vec<usize>,
    /// Letters that wait for room in a lane.
    waiting: usize,
}

#[derive(Debug)]
struct Outgoing {
    requests: Lane<RequestLetter>,
    answers: Lane<AnswerLetter>,
    bell: bool,
}

#[derive(Debug)]
struct Lane<T> {
    sender: Sender<T>,
    waiting: VecDeque<T>,
}

impl Mailbox {
    /// The mailboxes of a process of so many shards.
    pub fn for_shards(count: usize) -> Vec<Mailbox> {
        Self::with_slots(count, MAILBOX_SLOTS)
    }

    /// The same with lanes of another length, for tests of what does not fit.
    pub fn with_slots(count: usize, slots: usize) -> Vec<Mailbox> {
        let slots = if count > 1 { slots } else { 0 };
        let requests: Vec<_> = (0..count).map(|_| bounded(slots)).collect();
        let answers: Vec<_> = (0..count).map(|_| bounded(slots)).collect();
        (0..count)
            .map(|owner| Mailbox {
                requests: requests[owner].1.clone(),
                answers: answers[owner].1.clone(),
                outgoing: requests
                    .iter()
                    .zip(&answers)
                    .map(|((requests, _), (answers, _))| Outgoing {
                        requests: Lane::new(requests.clone()),
                        answers: Lane::new(answers.clone()),
                        bell: false,
                    })
                    .collect(),
                bells: Vec::new(),
                waiting: 0,
            })
            .collect()
    }

    pub(super) fn send_request(&mut self, to: usize, letter: RequestLetter) {
        let lane = &mut self.outgoing[to].requests;
        self.waiting += usize::from(lane.send(letter));
        self.mark(to);
    }

    pub(super) fn send_answer(&mut self, to: usize, letter: AnswerLetter) {
        let lane = &mut self.outgoing[to].answers;
        self.waiting += usize::from(lane.send(letter));
        self.mark(to);
    }

    pub(super) fn next_request(&mut self) -> Option<RequestLetter> {
        self.requests.try_recv().ok()
    }

    pub(super) fn next_answer(&mut self) -> Option<AnswerLetter> {
        self.answers.try_recv().ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.answers.is_empty()
    }

    /// Letters in our two lanes.
    pub(super) fn depth(&self) -> usize {
        self.requests.len() + self.answers.len()
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Moves what waited into lanes that have room again.
    pub(super) fn send_waiting(&mut self) {
        if self.waiting == 0 {
            return;
        }
        for to in 0..self.outgoing.len() {
            let outgoing = &mut self.outgoing[to];
            let moved = outgoing.requests.send_waiting() + outgoing.answers.send_waiting();
            if moved > 0 {
                self.waiting -= moved;
                self.mark(to);
            }
        }
    }

    /// Whose bells to ring; each once, however many letters.
    pub(super) fn take_bells(&mut self, mut ring: impl FnMut(usize)) {
        for to in self.bells.drain(..) {
            self.outgoing[to].bell = false;
            ring(to);
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

    /// True if the letter has to wait: the lane is full, or others wait before it.
    fn send(&mut self, letter: T) -> bool {
        if !self.waiting.is_empty() {
            self.waiting.push_back(letter);
            return true;
        }
        match self.sender.try_send(letter) {
            Ok(()) => false,
            Err(TrySendError::Full(letter)) => {
                self.waiting.push_back(letter);
                true
            }
            // The shard has ended, which it does only with the process.
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    fn send_waiting(&mut self) -> usize {
        let before = self.waiting.len();
        while let Some(letter) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(letter)) = self.sender.try_send(letter) {
                self.waiting.push_front(letter);
                break;
            }
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new(); // a burst's memory goes back
        }
        before - self.waiting.len()
    }
}
