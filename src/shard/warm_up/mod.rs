//! Reads that wait. For `server.warm_up` from the first request after a start or after a pause of 12 s, a GET_PULSE
//! for a key that no pulse has touched since is kept, and answered when its pulse comes, or as missing at the end. Nimbus takes a worker for dead if a
//! read finds nothing 30 s after the worker's last change: after an outage it must not read before the workers
//! have come back.
//!
//! The shard that owns the key keeps the read ([`KeptReads`]). The shard of its peer knows which reads of its
//! connections may be kept ([`OpenReads`]): a repeat of one is not asked again, and nothing stays of a peer
//! that is gone.

mod activity;
mod asked;
mod kept;
mod open;
mod pass;
mod serve;

use std::sync::Arc;

use asked::AskedKeys;
use kept::KeptReads;
use open::OpenReads;

use super::Settings;
use crate::limits::NOTE_EVERY_US;

pub use activity::Activity;
pub(super) use kept::KEPT_BYTES;
pub(super) use pass::Pass;

/// Tells the reads of a shard's peers apart, whatever message ids they choose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ticket(std::num::NonZeroU64);

/// How far the warm-up is, of one shard or of the process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WarmUpProgress {
    pub stage: WarmUpStage,
    /// Keys that reads have asked for in this warm-up, or in the last one. `limits::ASKED_KEYS` of the process are
    /// counted at most.
    pub asked_keys: u64,
    /// Those of them that had a pulse when they were read, or got one later.
    pub found_keys: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum WarmUpStage {
    #[default]
    Off,
    Over,
    /// It begins with the next request.
    Ready,
    On,
}

impl WarmUpStage {
    pub fn name(self) -> &'static str {
        match self {
            WarmUpStage::Off => "off",
            WarmUpStage::Over => "over",
            WarmUpStage::Ready => "ready",
            WarmUpStage::On => "on",
        }
    }
}

impl std::iter::Sum for WarmUpProgress {
    /// It is on as long as it is on anywhere.
    fn sum<I: Iterator<Item = WarmUpProgress>>(all: I) -> WarmUpProgress {
        all.fold(WarmUpProgress::default(), |sum, one| WarmUpProgress {
            stage: sum.stage.max(one.stage),
            asked_keys: sum.asked_keys + one.asked_keys,
            found_keys: sum.found_keys + one.found_keys,
        })
    }
}

#[derive(Debug)]
pub(super) struct WarmUp {
    shard: usize,
    /// Zero: off.
    window_us: u64,
    activity: Arc<Activity>,
    /// When this shard notes again that its clients ask.
    next_note_us: u64,
    phase: Phase,
    /// When the warm-up began, or the last one did.
    began_us: Option<u64>,
    kept: KeptReads,
    open: OpenReads,
    asked: AskedKeys,
    /// Keys asked for and found in the warm-up that is over.
    last: (u64, u64),
}

/// Where the warm-up is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It begins with the next request. A daemon that stands by for another one may wait for that for days.
    Ready,
    On,
    Over,
    /// The daemon stops in the warm-up: what would wait is dropped. An answer that nothing is stored could cost
    /// a worker.
    Stopping,
}

impl WarmUp {
    pub(super) fn new(shard: usize, settings: &Settings) -> WarmUp {
        let is_off = settings.warm_up.is_zero();
        WarmUp {
            shard,
            window_us: settings.warm_up.as_micros() as u64,
            activity: settings.common.activity.clone(),
            next_note_us: if is_off { u64::MAX } else { 0 },
            phase: if is_off { Phase::Over } else { Phase::Ready },
            began_us: None,
            kept: KeptReads::default(),
            open: OpenReads::default(),
            asked: AskedKeys::new(settings.shards),
            last: (0, 0),
        }
    }

    /// A client asks for something that it would not ask a daemon that only stands by: it sends a pulse, reads one,
    /// or lists. After a pause a warm-up begins.
    pub(super) fn note_request(&mut self, now_us: u64) {
        if now_us >= self.next_note_us {
            self.next_note_us = now_us + NOTE_EVERY_US;
            self.activity.note(self.shard, now_us);
            self.refresh(now_us);
        }
    }

    /// Notices that another shard has begun a warm-up: before requests that it forwards are served.
    pub(super) fn refresh(&mut self, now_us: u64) {
        let began_us = self.activity.began_us();
        let is_new = began_us.is_some_and(|began_us| {
            self.began_us != Some(began_us) && now_us < began_us + self.window_us
        });
        if is_new && self.phase != Phase::Stopping {
            self.phase = Phase::On;
            self.began_us = began_us;
            self.asked.clear();
        }
    }

    /// Whether reads of keys without a new pulse wait.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.phase, Phase::On | Phase::Stopping)
    }

    /// The time before which a key must have been written for its reads to wait, in milliseconds.
    fn began_ms(&self) -> u64 {
        self.began_us.unwrap_or_default() / 1000
    }

    /// To be called a few times a second.
    fn tick(&mut self, now_us: u64) {
        if self.window_us == 0 {
            return;
        }
        self.refresh(now_us);
        let end_us = self.began_us.unwrap_or_default() + self.window_us;
        match self.phase {
            Phase::On if now_us >= end_us => {
                self.phase = Phase::Over;
                self.last = self.asked.count();
                self.asked.clear();
            }
            Phase::Over if self.kept.count() == 0 && self.activity.is_quiet(now_us) => {
                self.phase = Phase::Ready;
            }
            _ => {}
        }
        self.kept.shrink();
    }

    fn stop(&mut self) {
        if self.is_on() {
            self.phase = Phase::Stopping;
        }
    }

    /// Whether reads that were kept are to be answered or dropped at the next wake.
    pub(super) fn has_work(&self) -> bool {
        match self.phase {
            Phase::On => self.kept.has_due(),
            Phase::Ready | Phase::Over | Phase::Stopping => self.kept.count() > 0,
        }
    }

    pub(super) fn kept_reads(&self) -> u64 {
        self.kept.count() as u64
    }

    /// Memory of what is on no peer's account.
    pub(super) fn asked_bytes(&self) -> u64 {
        self.asked.bytes()
    }

    pub(super) fn progress(&self) -> WarmUpProgress {
        let stage = match self.phase {
            _ if self.window_us == 0 => WarmUpStage::Off,
            Phase::Ready => WarmUpStage::Ready,
            Phase::On | Phase::Stopping => WarmUpStage::On,
            Phase::Over => WarmUpStage::Over,
        };
        let (asked_keys, found_keys) = if self.is_on() {
            self.asked.count()
        } else {
            self.last
        };
        WarmUpProgress {
            stage,
            asked_keys,
            found_keys,
        }
    }
}

#[cfg(test)]
mod tests;
