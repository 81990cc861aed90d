//! Publishes a shard's state on the board: the time of its report and counters a few times a second, and the keys
//! while somebody watches them. It never waits for the admin thread: if a entry of the board is locked, the
//! publisher tries again at the next wake.

use std::sync::Arc;

use crate::admin::board::{Board, Report, ShardEntry};
use crate::limits::SCANNED_KEYS;
use crate::shard::{KeyScan, ScanLimits, ScannedKeys, Shard};

/// The time between two slices of a key scan. At this rate a scan takes a few percent of a core.
pub(super) const SLICE_EVERY_US: u64 = 2_000;

/// The time between the beginnings of two scans.
const SCAN_EVERY_US: u64 = 1_000_000;

pub(super) struct Publisher {
    board: Arc<Board>,
    shard: usize,
    scan_limits: ScanLimits,
    /// The counters are to be published.
    report_due: bool,
    scan: Option<KeyScan>,
    next_slice_us: u64,
    next_scan_us: u64,
    /// Keys that a finished scan has found and that are to be published.
    found: Option<ScannedKeys>,
}

impl Publisher {
    /// `scanned_bytes`: memory that the keys of one scan may take on all shards together.
    pub(super) fn new(board: Arc<Board>, shard: usize, scanned_bytes: usize) -> Publisher {
        Publisher {
            scan_limits: ScanLimits {
                keys: SCANNED_KEYS.div_ceil(board.entries().len()),
                bytes: scanned_bytes.div_ceil(board.entries().len()),
            },
            board,
            shard,
            report_due: false,
            scan: None,
            next_slice_us: 0,
            next_scan_us: 0,
            found: None,
        }
    }

    /// Shards of the process.
    pub(super) fn shards(&self) -> usize {
        self.board.entries().len()
    }

    fn entry(&self) -> &ShardEntry {
        self.board.entry(self.shard)
    }

    /// The shard begins to serve, on the calling thread.
    pub(super) fn begin(&self, now_us: u64) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.entry().begin(thread, now_us / 1000);
    }

    /// Call this a few times a second.
    pub(super) fn tick(&mut self, now_us: u64) {
        self.entry().set_alive(now_us / 1000);
        self.report_due = true;
        let is_idle = self.scan.is_none() && self.found.is_none();
        if is_idle && now_us >= self.next_scan_us && self.board.is_watched(now_us / 1000) {
            self.next_scan_us = now_us + SCAN_EVERY_US;
            self.scan = Some(KeyScan::default());
        }
    }

    /// Publishes what is due. Call this at each wake.
    pub(super) fn publish(
        &mut self,
        shard: &Shard,
        now_us: u64,
        doorbells: u64,
        accept_failures: u64,
    ) {
        if self.report_due {
            let report = || Report {
                shard: shard.snapshot(),
                doorbells,
                accept_failures,
            };
            self.report_due = !self.entry().try_publish(report);
        }
        if let Some(scan) = &mut self.scan
            && now_us >= self.next_slice_us
        {
            self.next_slice_us = now_us + SLICE_EVERY_US;
            self.found = shard.scan_keys(scan, self.scan_limits, now_us);
            if self.found.is_some() {
                self.scan = None;
            }
        }
        if let Some(keys) = self.found.take() {
            self.found = self.entry().try_publish_keys(keys).err();
        }
    }

    /// Whether the next wake has something to publish or to scan.
    pub(super) fn has_work(&self) -> bool {
        self.report_due || self.scan.is_some() || self.found.is_some()
    }
}
