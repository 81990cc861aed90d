//! What belongs to a shard and to no connection: its keys, its messages to other shards, scans under
//! way, its pace and its counters.

use std::sync::Arc;

use ahash::RandomState;
use bytes::Bytes;

use super::ageing::AgeingClock;
use super::answer;
use super::counters::{Counters, PULSE_SIZE_BOUNDS, PulseSizes, RequestCounts};
use super::histogram::Histogram;
use super::latencies::Latencies;
use super::mailbox::{ForwardedRequest, ForwardedWork, Mailbox, ReplyTarget, RequestMeta};
use super::pace::Pace;
use super::peer::Peer;
use super::scans::{Begun, Part, PartScan, Scans, Slice, Task, WaitingScan};
use super::wake::WakeWork;
use super::warm_up::WarmUp;
use super::work::{KeyWork, Outcome, Route, Scan};
use super::{Context, Incident, Settings};
use crate::access::RequestKind;
use crate::connection::ConnectionId;
use crate::fault::Refusal;
use crate::limits::{Ageing, Limits};
use crate::session::Request;
use crate::store::Store;

#[derive(Debug)]
pub(super) struct Engine {
    index: usize,
    shards: usize,
    key_hasher: RandomState,
    pub(super) limits: Arc<Limits>,
    pub(super) ageing: Ageing,
    pub(super) ageing_clock: AgeingClock,
    pub(super) store: Store,
    pub(super) mailbox: Mailbox,
    pub(super) scans: Scans,
    pub(super) wake: WakeWork,
    pub(super) warm_up: WarmUp,
    /// Bytes that our parts of scans, and what is on its way to other shards, may take together before
    /// they are on a peer's account.
    part_limit_bytes: usize,
    pub(super) pace: Pace,
    pub(super) counters: Counters,
    pub(super) requests: RequestCounts,
    pub(super) latencies: Latencies,
    pub(super) pulse_sizes: PulseSizes,
}

impl Engine {
    pub(super) fn new(
        index: usize,
        settings: Settings,
        limits: Arc<Limits>,
        mailbox: Mailbox,
    ) -> Engine {
        let part_limit_bytes = limits.parts_bytes(settings.shards) as usize;
        let warm_up = WarmUp::new(index, &settings);
        Engine {
            index,
            shards: settings.shards,
            store: Store::within(&settings.common.stored, settings.key_hasher.clone()),
            key_hasher: settings.key_hasher,
            limits,
            ageing: settings.ageing,
            ageing_clock: AgeingClock::default(),
            mailbox,
            scans: Scans::default(),
            wake: WakeWork::default(),
            warm_up,
            part_limit_bytes,
            pace: Pace::new(settings.minimum_wait),
            counters: Counters::default(),
            requests: RequestCounts::default(),
            latencies: Latencies::new(),
            pulse_sizes: Histogram::new(&PULSE_SIZE_BOUNDS),
        }
    }

    pub(super) fn index(&self) -> usize {
        self.index
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
        let hash = self.hash(&request.path);
        // The upper half of the hash chooses the shard; the store's table uses the lower bits.
        let owner = (((hash >> 32) * self.shards as u64) >> 32) as usize;
        if owner == self.index {
            Route::Here(work(hash))
        } else {
            Route::At(owner, work(hash))
        }
    }

    /// The hash of a key.
    pub(super) fn hash(&self, path: &str) -> u64 {
        self.key_hasher.hash_one(path)
    }

    /// Whether requests, scans, reads that waited or the store's compaction go on at the next wake.
    pub(super) fn has_slices(&self) -> bool {
        self.wake.has_waiting()
            || self.scans.has_work()
            || self.warm_up.has_work()
            || self.store.is_compacting()
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
                        self.note_pulse(hash);
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
                self.note_deletion(path);
                Outcome::Removed
            }
        }
    }

    fn note_stored(&mut self, bytes: u64) {
        self.pulse_sizes.note(bytes, 1);
        let largest = &mut self.counters.largest_pulse_bytes;
        *largest = (*largest).max(bytes);
    }

    // ── Other shards ─────────────────────────────────────────────────────────────────────────────

    /// Hands a request to the shard that owns its key.
    pub(super) fn forward(
        &mut self,
        to: usize,
        target: ReplyTarget,
        path: Arc<str>,
        work: KeyWork,
    ) {
        self.send(to, path, ForwardedWork::Key { target, work });
    }

    /// Begins the waiting scans that may: asks all shards for their parts.
    pub(super) fn begin_scans(
        &mut self,
        mut take: impl FnMut(ConnectionId) -> Option<Box<WaitingScan>>,
    ) {
        while let Some(Begun {
            merge_id,
            scan,
            path,
        }) = self.scans.begin_next(self.shards, &mut take)
        {
            for to in 0..self.shards {
                if to == self.index {
                    self.note_scan(scan, &path);
                    let store = &mut self.store;
                    self.scans.begin_part(store, to, merge_id, scan, &path);
                } else {
                    self.send(to, path.clone(), ForwardedWork::Scan { merge_id, scan });
                }
            }
        }
    }

    pub(super) fn send(&mut self, to: usize, path: Arc<str>, work: ForwardedWork) {
        self.counters.forwarded_requests += 1;
        let request = ForwardedRequest {
            from: self.index,
            path,
            work,
        };
        self.mailbox.send_request(to, request);
    }

    /// Does what the next forwarded request asks, or begins it. False if there is none.
    pub(super) fn serve_forwarded(&mut self, now_us: u64) -> bool {
        let Some(request) = self.mailbox.next_request() else {
            return false;
        };
        let ForwardedRequest { from, path, work } = request;
        match work {
            ForwardedWork::Key { target, work } => {
                if !matches!(work, KeyWork::Put { .. }) {
                    self.pace.note_read(now_us);
                }
                if let KeyWork::Get { hash } = work
                    && target.ticket.is_some()
                    && self.must_wait(&path, hash)
                {
                    self.keep_read(from, path, hash, target);
                    return true;
                }
                let outcome = self.execute(&path, work, now_us);
                self.mailbox.send_outcome(from, target, path, outcome);
            }
            ForwardedWork::Withdraw { hash, ticket } => {
                if let Some(target) = self.forget_kept(from, hash, ticket) {
                    self.mailbox
                        .send_outcome(from, target, path, Outcome::Withdrawn);
                }
            }
            ForwardedWork::Scan { merge_id, scan } => {
                self.pace.note_read(now_us);
                self.note_scan(scan, &path);
                self.scans
                    .begin_part(&mut self.store, from, merge_id, scan, &path);
            }
        }
        true
    }

    fn note_scan(&mut self, scan: Scan, path: &str) {
        if let Scan::DeletePath = scan {
            self.note_deletion(path);
        }
    }

    /// Goes on with our part of a scan for one slice. The part, when it is finished. If parts take too much, the
    /// largest one is refused, and the others wait.
    pub(super) fn continue_part(
        &mut self,
        scan: PartScan,
        from: usize,
        merge_id: u32,
    ) -> Option<Part> {
        let abandoned = from == self.index && self.scans.target(merge_id).is_none();
        let is_full = self.part_bytes() > self.part_limit_bytes;
        if abandoned || is_full && self.scans.is_largest_part(&scan) {
            let limit = self.part_limit_bytes as u64;
            scan.end(&mut self.store);
            return Some(Part::Refused(Refusal::ScansFull { limit }));
        }
        if is_full && scan.takes_memory() {
            self.scans.put_back(Task::Part {
                from,
                merge_id,
                scan,
            });
            return None;
        }
        match scan.slice(&mut self.store, &self.limits) {
            Slice::More(scan) => {
                self.scans.put_back(Task::Part {
                    from,
                    merge_id,
                    scan,
                });
                None
            }
            Slice::Finished(part) => Some(part),
        }
    }

    /// Bytes of our parts of scans under way, and of what is on its way to other shards.
    pub(super) fn part_bytes(&self) -> usize {
        self.scans.part_bytes() + self.mailbox.bytes_in_transit()
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
        let encoded = answer::encode(&mut peer.outbox, path, meta.message_id, outcome);
        if let Err(refusal) = encoded {
            self.counters.refusal(refusal.label());
            cx.incidents
                .report(peer.address, Incident::Refusal(refusal));
        }
    }
}
