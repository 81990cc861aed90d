//! What belongs to a shard and to no connection: its keys, its messages to other shards, scans under
//! way, its pace and its counters.

use std::sync::Arc;

use ahash::RandomState;
use bytes::Bytes;

use super::answer;
use super::counters::{Counters, PULSE_SIZE_BOUNDS, PulseSizes, RequestCounts};
use super::histogram::Histogram;
use super::latencies::Latencies;
use super::mailbox::{
    ForwardedReply, ForwardedRequest, Mailbox, ReplyTarget, ReplyTo, RequestMeta,
};
use super::merge::Merges;
use super::pace::Pace;
use super::peer::Peer;
use super::work::{KeyWork, Outcome, Route, Scan, Work};
use super::{Context, Incident, Settings};
use crate::access::RequestKind;
use crate::fault::Refusal;
use crate::limits::{Ageing, Limits};
use crate::session::Request;
use crate::store::{Store, StoreLimits};

/// Bytes of a name in a list besides its text: its length.
const NAME_HEAD_BYTES: u64 = 4;

#[derive(Debug)]
pub(super) struct Engine {
    index: usize,
    shards: usize,
    key_hasher: RandomState,
    pub(super) limits: Arc<Limits>,
    pub(super) ageing: Ageing,
    pub(super) store: Store,
    pub(super) mailbox: Mailbox,
    pub(super) merges: Merges,
    pub(super) pace: Pace,
    pub(super) counters: Counters,
    pub(super) requests: RequestCounts,
    pub(super) latencies: Latencies,
    pub(super) pulse_sizes: PulseSizes,
}

/// What a forwarded request has cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cost {
    Key,
    Scan,
}

impl Engine {
    pub(super) fn new(
        index: usize,
        settings: Settings,
        limits: Arc<Limits>,
        mailbox: Mailbox,
    ) -> Engine {
        let shards = settings.shards as u64;
        let store_limits = StoreLimits {
            keys: limits.stored_keys.div_ceil(shards),
            bytes: limits.stored_bytes.div_ceil(shards),
        };
        Engine {
            index,
            shards: settings.shards,
            store: Store::new(store_limits, settings.key_hasher.clone()),
            key_hasher: settings.key_hasher,
            limits,
            ageing: settings.ageing,
            mailbox,
            merges: Merges::default(),
            pace: Pace::new(settings.minimum_wait),
            counters: Counters::default(),
            requests: RequestCounts::default(),
            latencies: Latencies::new(),
            pulse_sizes: Histogram::new(&PULSE_SIZE_BOUNDS),
        }
    }

    /// Who has to carry a request out, and what it is to do.
    pub(super) fn route(&self, request: &Request<'_>) -> Route {
        match request.kind {
            RequestKind::CreatePath => Route::Nothing,
            RequestKind::SendPulse => {
                // The one copy on a pulse's way, of exactly its size.
                let details = Bytes::copy_from_slice(request.details);
                self.to_owner(request, |hash| KeyWork::Put { hash, details })
            }
            RequestKind::GetPulse => self.to_owner(request, |hash| KeyWork::Get { hash }),
            RequestKind::Exists => self.to_owner(request, |hash| KeyWork::Exists { hash }),
            RequestKind::DeletePulseId => self.to_owner(request, |hash| KeyWork::Remove { hash }),
            RequestKind::GetAllNodesForPath => Route::Everywhere(Scan::List),
            RequestKind::GetAllPulseForPath => Route::Everywhere(Scan::Records),
            RequestKind::DeletePath => Route::Everywhere(Scan::DeletePath),
        }
    }

    fn to_owner(&self, request: &Request<'_>, work: impl FnOnce(u64) -> KeyWork) -> Route {
        let hash = self.key_hasher.hash_one(&*request.path);
        // The upper half of the hash chooses the shard; the store's table uses the lower bits.
        let owner = (((hash >> 32) * self.shards as u64) >> 32) as usize;
        if owner == self.index {
            Route::Here(work(hash))
        } else {
            Route::At(owner, work(hash))
        }
    }

    // ── Our own keys ─────────────────────────────────────────────────────────────────────────────

    /// Does what a request asks of one of our keys.
    pub(super) fn execute(&mut self, path: &str, work: KeyWork, now_us: u64) -> Outcome {
        let store = &mut self.store;
        match work {
            KeyWork::Put { hash, details } => {
                let bytes = details.len() as u64;
                match store.put(path, hash, details, now_us / 1000) {
                    Ok(_) => {
                        self.note_stored(bytes);
                        Outcome::Stored
                    }
                    Err(full) => Outcome::Refused(Refusal::Store(full)),
                }
            }
            KeyWork::Get { hash } => {
                let details = store.get(path, hash).cloned();
                match &details {
                    Some(details) => self.counters.read_pulse_bytes += details.len() as u64,
                    None => self.counters.get_pulse_misses += 1,
                }
                Outcome::Pulse(details)
            }
            KeyWork::Exists { hash } => Outcome::Exists(store.contains(path, hash)),
            KeyWork::Remove { hash } => {
                store.remove(path, hash);
                Outcome::Removed
            }
        }
    }

    /// Does our part of a scan.
    pub(super) fn scan(&mut self, path: &str, scan: Scan) -> Outcome {
        let limit = u64::from(self.limits.frame_bytes);
        match scan {
            Scan::List => self.list(path, limit),
            Scan::Records => match self.store.records(path, limit) {
                Ok(records) => Outcome::Records(records),
                Err(_) => Outcome::Refused(Refusal::RecordsTooLarge { limit }),
            },
            Scan::DeletePath => {
                self.store.delete_path(path);
                Outcome::DeletedPath
            }
        }
    }

    fn list(&self, path: &str, limit: u64) -> Outcome {
        let (mut names, mut bytes) = (Vec::new(), 0);
        // A list that is too large for one shard is too large for all: it is not built to its end.
        self.store.list(path, &mut |name| {
            names.push(name.to_owned());
            bytes += NAME_HEAD_BYTES + name.len() as u64;
            bytes <= limit
        });
        if bytes > limit {
            return Outcome::Refused(Refusal::AnswerTooLarge { bytes, limit });
        }
        Outcome::Names(names)
    }

    fn note_stored(&mut self, bytes: u64) {
        self.pulse_sizes.note(bytes, 1);
        let largest = &mut self.counters.largest_pulse_bytes;
        *largest = (*largest).max(bytes);
    }

    // ── Other shards ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn is_alone(&self) -> bool {
        self.shards == 1
    }

    /// Hands a request to the shard that owns its key.
    pub(super) fn forward(&mut self, to: usize, target: ReplyTarget, path: &str, work: KeyWork) {
        self.send(to, ReplyTo::Peer(target), Arc::from(path), Work::Key(work));
    }

    /// Does our part of a scan, and asks all others for theirs.
    pub(super) fn scan_everywhere(&mut self, target: ReplyTarget, path: &str, scan: Scan) {
        let part = self.scan(path, scan);
        let slot = self.merges.begin(target, part, self.shards - 1);
        let path: Arc<str> = Arc::from(path);
        for to in 0..self.shards {
            if to != self.index {
                let reply_to = ReplyTo::Merge { slot };
                self.send(to, reply_to, path.clone(), Work::Scan(scan));
            }
        }
    }

    fn send(&mut self, to: usize, reply_to: ReplyTo, path: Arc<str>, work: Work) {
        self.counters.forwarded_requests += 1;
        let request = ForwardedRequest {
            from: self.index,
            reply_to,
            path,
            work,
        };
        self.mailbox.send_request(to, request);
    }

    /// Does what the next forwarded request asks, and says what that cost; None if there is none.
    pub(super) fn serve_forwarded(&mut self, now_us: u64) -> Option<Cost> {
        let request = self.mailbox.next_request()?;
        if !matches!(request.work, Work::Key(KeyWork::Put { .. })) {
            self.pace.note_read(now_us);
        }
        let (outcome, cost) = match request.work {
            Work::Key(work) => (self.execute(&request.path, work, now_us), Cost::Key),
            Work::Scan(scan) => (self.scan(&request.path, scan), Cost::Scan),
        };
        let reply = ForwardedReply {
            reply_to: request.reply_to,
            path: request.path,
            outcome,
        };
        self.mailbox.send_reply(request.from, reply);
        Some(cost)
    }

    // ── Answers ──────────────────────────────────────────────────────────────────────────────────

    /// Puts the answer to a request into its peer's outbox.
    pub(super) fn answer(
        &mut self,
        peer: &mut Peer,
        path: &str,
        meta: RequestMeta,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        self.latencies.answered(meta, cx.now_us);
        let frame_limit = u64::from(self.limits.frame_bytes);
        let outbox = &mut peer.outbox;
        let encoded = answer::encode(outbox, path, meta.message_id, outcome, frame_limit);
        if let Err(refusal) = encoded {
            self.counters.refusal(refusal.label());
            cx.incidents
                .report(peer.address, Incident::Refusal(refusal));
        }
    }
}
