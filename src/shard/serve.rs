//! The way of a pulse: bytes → frame → message → request → allowed? → owner → store → answer.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::letters::{AnswerLetter, Asked, Outcome, ReplyTo, RequestLetter, Work};
use super::merge::For;
use super::peer::Peer;
use super::{Context, Incident, Shard, answer};
use crate::access::{self, RequestKind};
use crate::connection::{Command, ConnectionId};
use crate::fault::{Fault, Refusal};
use crate::limits::MAILBOX_BURST;
use crate::session::{Received, Request};
use crate::wire::frame::FrameReader;
use crate::wire::message;

/// Whose keys a request is about.
enum Owner {
    Here,
    At(usize),
    Everyone,
}

/// Bytes of a name in a list besides its text: its length.
const NAME_HEAD_BYTES: u64 = 4;

/// What an answer from elsewhere ends on its peer's account.
enum GiveBack {
    /// The pulse that was lent to another shard's mailbox.
    Lent(usize),
    /// The rest that a request to all shards imposes.
    Rest,
}

impl Shard {
    /// Serves every whole frame among the bytes that have just come and those that were kept, until
    /// the peer has no room for another answer; the rest is kept.
    pub(super) fn read(
        &mut self,
        peer: &mut Peer,
        mut bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        // The reader leaves the peer while its frames are served to the peer.
        let idle = FrameReader::new(self.settings.limits.frame_bytes);
        let mut reader = std::mem::replace(&mut peer.reader, idle);
        let outcome = loop {
            if !self.has_room(peer, 1) {
                reader.push(bytes);
                if !std::mem::replace(&mut peer.paused, true) {
                    cx.commands.push(Command::Pause(peer.id));
                }
                break Ok(());
            }
            match reader.next_from(&mut bytes) {
                None => break Ok(()),
                Some(Err(error)) => break Err(Fault::Frame(error)),
                Some(Ok(body)) => {
                    if let Err(fault) = self.frame(peer, body, cx) {
                        break Err(fault);
                    }
                }
            }
        };
        peer.reader = reader;
        outcome
    }

    /// One frame in; its answer, or its letters to other shards, out.
    pub(super) fn frame(
        &mut self,
        peer: &mut Peer,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let message = message::decode(body).map_err(Fault::Decode)?;
        if self.holds_back(peer, &message, body, cx.now_us)? {
            return Ok(());
        }
        let request = match self.receive(peer, message, cx.now_us)? {
            Received::Request(request) => request,
            Received::LoginStep => return Ok(()),
            Received::LoggedIn(who) => {
                self.logged_in(peer, who, cx);
                return Ok(());
            }
        };
        self.requests.count(request.kind);
        if request.kind.is_read() {
            self.pace.note_read(cx.now_us);
        }
        let asked = Asked {
            message_id: request.message_id,
            kind: request.kind,
            received_us: peer.received_us,
        };
        if let Err(refusal) = self.allowed(peer, &request) {
            let outcome = Outcome::Refused(refusal);
            self.answer(peer, &request.path, asked, outcome, cx);
            return Ok(());
        }
        if request.kind == RequestKind::SendPulse {
            self.no_longer_a_guest(peer);
        }
        let (owner, work) = self.route(&request);
        match owner {
            Owner::Here => {
                peer.resting = work.as_ref().is_some_and(Work::is_heavy);
                let outcome = match work {
                    Some(work) => self.execute(&request.path, work, cx.now_us),
                    None => Outcome::PathCreated,
                };
                self.answer(peer, &request.path, asked, outcome, cx);
            }
            Owner::At(owner) => {
                peer.in_flight += 1;
                // Until it is answered the pulse is in another shard's mailbox, on this peer's account.
                let lent_bytes = request.details.len();
                peer.lent_bytes += lent_bytes;
                let reply_to = ReplyTo::Request {
                    id: peer.id,
                    asked,
                    lent_bytes,
                };
                let path = Arc::from(&*request.path);
                let work = work.expect("a key's owner has work to do");
                self.post(owner, reply_to, path, work);
            }
            Owner::Everyone => {
                peer.in_flight += 1;
                peer.resting = true;
                let whom = For { id: peer.id, asked };
                self.ask_everyone(whom, &request, cx.now_us);
            }
        }
        Ok(())
    }

    fn allowed(&self, peer: &Peer, request: &Request<'_>) -> Result<(), Refusal> {
        let (login, from) = (peer.session.login(), peer.address.ip());
        access::decide(&self.policy.rules, request.kind, login, from, &request.path)
            .map_err(Refusal::Access)?;
        let limits = &self.settings.limits;
        let bytes = request.path.len();
        if bytes as u64 > limits.path_bytes {
            return Err(Refusal::PathTooLong {
                bytes,
                limit: limits.path_bytes,
            });
        }
        // Whoever reads the pulse gets a frame that is a little longer than the one it came in.
        let answer_bytes = message::pulse_body_len(bytes, Some(request.details.len()));
        if answer_bytes > u64::from(limits.frame_bytes) {
            return Err(Refusal::AnswerTooLarge {
                bytes: answer_bytes,
                limit: limits.frame_bytes.into(),
            });
        }
        let slashes = request.path.bytes().filter(|byte| *byte == b'/').count();
        if slashes as u64 > limits.path_depth {
            return Err(Refusal::PathTooDeep {
                limit: limits.path_depth,
            });
        }
        Ok(())
    }

    /// Who has to do what. CREATE_PATH is a no-op: directories come and go with their keys.
    fn route(&self, request: &Request<'_>) -> (Owner, Option<Work>) {
        let keyed = |work: fn(u64) -> Work| {
            let hash = self.settings.key_hasher.hash_one(&*request.path);
            (self.owner(hash), Some(work(hash)))
        };
        match request.kind {
            RequestKind::CreatePath => (Owner::Here, None),
            RequestKind::SendPulse => {
                let hash = self.settings.key_hasher.hash_one(&*request.path);
                // The one copy on a pulse's way, of exactly its size.
                let details = Bytes::copy_from_slice(request.details);
                (self.owner(hash), Some(Work::Put { hash, details }))
            }
            RequestKind::GetPulse => keyed(|hash| Work::Get { hash }),
            RequestKind::Exists => keyed(|hash| Work::Exists { hash }),
            RequestKind::DeletePulseId => keyed(|hash| Work::Remove { hash }),
            RequestKind::GetAllNodesForPath => (self.everyone(), Some(Work::List)),
            RequestKind::DeletePath => (self.everyone(), Some(Work::DeletePath)),
            RequestKind::GetAllPulseForPath => (self.everyone(), Some(self.records())),
        }
    }

    fn records(&self) -> Work {
        Work::Records {
            max_bytes: u64::from(self.settings.limits.frame_bytes),
        }
    }

    fn owner(&self, hash: u64) -> Owner {
        // The upper half of the hash chooses the shard; the store's table goes by the lower bits.
        let shards = self.settings.shards as u64;
        let owner = (((hash >> 32) * shards) >> 32) as usize;
        if owner == self.index {
            Owner::Here
        } else {
            Owner::At(owner)
        }
    }

    fn everyone(&self) -> Owner {
        if self.settings.shards == 1 {
            Owner::Here
        } else {
            Owner::Everyone
        }
    }

    fn ask_everyone(&mut self, whom: For, request: &Request<'_>, now_us: u64) {
        let work = |shard: &Shard| match request.kind {
            RequestKind::GetAllNodesForPath => Work::List,
            RequestKind::DeletePath => Work::DeletePath,
            RequestKind::GetAllPulseForPath => shard.records(),
            RequestKind::CreatePath
            | RequestKind::Exists
            | RequestKind::SendPulse
            | RequestKind::GetPulse
            | RequestKind::DeletePulseId => unreachable!("it concerns one key"),
        };
        let part = self.execute(&request.path, work(self), now_us);
        let slot = self.merges.begin(whom, part, self.settings.shards - 1);
        let path: Arc<str> = Arc::from(&*request.path);
        let own = self.index;
        for shard in (0..self.settings.shards).filter(|shard| *shard != own) {
            let work = work(self);
            self.post(shard, ReplyTo::Merge { slot }, path.clone(), work);
        }
    }

    fn post(&mut self, to: usize, reply_to: ReplyTo, path: Arc<str>, work: Work) {
        self.counters.letters += 1;
        let letter = RequestLetter {
            from: self.index,
            reply_to,
            path,
            work,
        };
        self.mailbox.send_request(to, letter);
    }

    /// Does what a request asks of our own keys.
    fn execute(&mut self, path: &str, work: Work, now_us: u64) -> Outcome {
        let store = &mut self.store;
        match work {
            Work::Put { hash, details } => {
                let bytes = details.len() as u64;
                match store.put(path, hash, details, now_us / 1000) {
                    Ok(_) => {
                        self.note_stored(bytes);
                        Outcome::Stored
                    }
                    Err(full) => Outcome::Refused(Refusal::Store(full)),
                }
            }
            Work::Get { hash } => {
                let details = store.get(path, hash).cloned();
                match &details {
                    Some(details) => self.counters.read_pulse_bytes += details.len() as u64,
                    None => self.counters.get_pulse_misses += 1,
                }
                Outcome::Pulse(details)
            }
            Work::Exists { hash } => Outcome::Exists(store.contains(path, hash)),
            Work::Remove { hash } => {
                store.remove(path, hash);
                Outcome::Removed
            }
            Work::List => {
                let limit = u64::from(self.settings.limits.frame_bytes);
                let (mut names, mut bytes) = (Vec::new(), 0);
                // What is too large for one shard is too large for all: it need not be built.
                store.list(path, &mut |name| {
                    names.push(name.to_owned());
                    bytes += NAME_HEAD_BYTES + name.len() as u64;
                    bytes <= limit
                });
                if bytes > limit {
                    return Outcome::Refused(Refusal::AnswerTooLarge { bytes, limit });
                }
                Outcome::Names(names)
            }
            Work::DeletePath => {
                store.delete_path(path);
                Outcome::DeletedPath
            }
            Work::Records { max_bytes } => match store.records(path, max_bytes) {
                Ok(records) => Outcome::Records(records),
                Err(_) => Outcome::Refused(Refusal::RecordsTooLarge { limit: max_bytes }),
            },
        }
    }

    fn answer(
        &mut self,
        peer: &mut Peer,
        path: &str,
        asked: Asked,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        self.times.answered(asked, cx.now_us);
        let frame_limit = u64::from(self.settings.limits.frame_bytes);
        let (outbox, message_id) = (&mut peer.outbox, asked.message_id);
        let encoded = answer::encode(outbox, path, message_id, outcome, frame_limit);
        if let Err(refusal) = encoded {
            self.counters.refusal(refusal.label());
            cx.incidents
                .report(peer.address, Incident::Refusal(refusal));
        }
    }

    // ── Mail ─────────────────────────────────────────────────────────────────────────────────────

    /// Reads letters: does what other shards ask, and hands on what they answer. Then sends what
    /// waits, and rings.
    pub fn mail(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAILBOX_BURST {
            let request = self.next_request(cx.now_us);
            let answer = self.next_answer(cx);
            // One heavy request a wake: sockets and other letters come in between.
            let heavy = request == Some(true);
            if heavy || (request.is_none() && answer.is_break()) {
                break;
            }
        }
        self.mailbox.send_waiting();
        self.mailbox
            .take_bells(|shard| cx.commands.push(Command::RingBell(shard)));
    }

    /// Does what the next letter asks. Tells whether that was heavy work; None if there is no letter.
    fn next_request(&mut self, now_us: u64) -> Option<bool> {
        let letter = self.mailbox.next_request()?;
        let heavy = letter.work.is_heavy();
        if !matches!(letter.work, Work::Put { .. }) {
            self.pace.note_read(now_us);
        }
        let outcome = self.execute(&letter.path, letter.work, now_us);
        let answer = AnswerLetter {
            reply_to: letter.reply_to,
            path: letter.path,
            outcome,
        };
        self.mailbox.send_answer(letter.from, answer);
        Some(heavy)
    }

    fn next_answer(&mut self, cx: &mut Context<'_>) -> ControlFlow<()> {
        let Some(letter) = self.mailbox.next_answer() else {
            return ControlFlow::Break(());
        };
        match letter.reply_to {
            ReplyTo::Request {
                id,
                asked,
                lent_bytes,
            } => {
                let back = GiveBack::Lent(lent_bytes);
                self.deliver(id, asked, back, &letter.path, letter.outcome, cx);
            }
            ReplyTo::Merge { slot } => {
                if let Some((whom, outcome)) = self.merges.add(slot, letter.outcome) {
                    let For { id, asked } = whom;
                    self.deliver(id, asked, GiveBack::Rest, &letter.path, outcome, cx);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn deliver(
        &mut self,
        id: ConnectionId,
        asked: Asked,
        back: GiveBack,
        path: &str,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        self.with_peer(id, cx, |shard, peer, cx| {
            peer.in_flight -= 1;
            match back {
                GiveBack::Lent(bytes) => peer.lent_bytes -= bytes,
                GiveBack::Rest => peer.resting = false,
            }
            shard.answer(peer, path, asked, outcome, cx);
            Ok(())
        });
    }
}
