//! A scan over all keys of a shard, for the admin page. It runs one slice at a time, so that no
//! request waits for it. It must not know how the page presents the keys.

use super::Shard;
use crate::store::{ScanPosition, ScanProgress, Store};

/// Slots of the store that one slice visits, about one for each key. A slice takes some tens of
/// microseconds.
const SLICE_SLOTS: usize = 256;

/// A scan in progress.
#[derive(Debug, Default)]
pub(crate) struct KeyScan {
    position: ScanPosition,
    slices: Vec<KeySlice>,
    keys: usize,
    /// Memory of the keys that were found, and of the one that no longer fitted.
    bytes: usize,
}

/// When a scan stops before it has seen every key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanLimits {
    /// Checked once for each slice, so a scan may exceed it by a slice.
    pub(crate) keys: usize,
    /// Bytes of memory: the text of the paths, and what is kept beside each.
    pub(crate) bytes: usize,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(crate) struct ScannedKeys {
    pub(crate) slices: Vec<KeySlice>,
    /// False if the limits stopped the scan.
    pub(crate) complete: bool,
}

/// The keys of one slice. All paths share one string, so that a slice is two allocations.
#[derive(Debug)]
pub(crate) struct KeySlice {
    scanned_ms: u64,
    paths: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    path_end: usize,
    details_bytes: u64,
    written_ms: u64,
    writes: u16,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow<'a> {
    pub(crate) path: &'a str,
    pub(crate) details_bytes: u64,
    /// The age of the pulse at the time of the scan.
    pub(crate) age_ms: u64,
    /// How often the key was written, modulo 65536.
    pub(crate) writes: u16,
}

impl KeyScan {
    /// Scans one slice. Returns the keys once the scan has seen all of them or reached its limits.
    pub(crate) fn advance(
        &mut self,
        store: &Store,
        limits: ScanLimits,
        now_us: u64,
    ) -> Option<ScannedKeys> {
        let mut slice = KeySlice::new(now_us / 1000);
        let bytes = &mut self.bytes;
        let progress = store.scan_keys(&mut self.position, SLICE_SLOTS, &mut |key| {
            *bytes += size_of::<Row>() + key.path.len();
            if *bytes <= limits.bytes {
                slice.push(&key.path, key.details_bytes, key.written_ms, key.writes);
            }
        });
        self.keys += slice.rows.len();
        if !slice.rows.is_empty() {
            self.slices.push(slice);
        }
        let fits = self.bytes <= limits.bytes;
        match progress {
            ScanProgress::Restarted => {
                *self = KeyScan::default();
                None
            }
            ScanProgress::Ongoing if self.keys < limits.keys && fits => None,
            ScanProgress::Ongoing | ScanProgress::Finished => Some(ScannedKeys {
                slices: std::mem::take(self).slices,
                complete: progress == ScanProgress::Finished && fits,
            }),
        }
    }
}

impl KeySlice {
    pub(crate) fn new(scanned_ms: u64) -> KeySlice {
        KeySlice {
            scanned_ms,
            paths: String::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = KeyRow<'_>> {
        let mut begin = 0;
        self.rows.iter().map(move |row| KeyRow {
            path: &self.paths[std::mem::replace(&mut begin, row.path_end)..row.path_end],
            details_bytes: row.details_bytes,
            age_ms: self.scanned_ms.saturating_sub(row.written_ms),
            writes: row.writes,
        })
    }

    pub(crate) fn push(&mut self, path: &str, details_bytes: u64, written_ms: u64, writes: u16) {
        self.paths.push_str(path);
        self.rows.push(Row {
            path_end: self.paths.len(),
            details_bytes,
            written_ms,
            writes,
        });
    }
}

impl Shard {
    /// Scans one slice of this shard's keys; see [`KeyScan::advance`].
    pub(crate) fn scan_keys(
        &self,
        scan: &mut KeyScan,
        limits: ScanLimits,
        now_us: u64,
    ) -> Option<ScannedKeys> {
        scan.advance(&self.engine.store, limits, now_us)
    }
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;
    use bytes::Bytes;

    use super::*;
    use crate::store::StoreLimits;

    const PATH_BYTES: usize = "/w/0000".len();

    fn store_of(keys: u64) -> Store {
        let limits = StoreLimits {
            keys: u64::MAX,
            bytes: u64::MAX,
        };
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let mut store = Store::new(limits, hasher.clone());
        for number in 0..keys {
            let key = format!("/w/{number:04}");
            let hash = hasher.hash_one(&key);
            let put = store.put(&key, hash, Bytes::from_static(b"abc"), number);
            assert!(put.is_ok());
        }
        store
    }

    /// Scans to the end; the paths that were found and whether they are all.
    fn scan(store: &Store, limits: ScanLimits) -> (Vec<String>, bool) {
        let mut scan = KeyScan::default();
        for _ in 0..100 {
            if let Some(found) = scan.advance(store, limits, 5_000_000) {
                let keys = found.slices.iter().flat_map(KeySlice::keys);
                return (
                    keys.map(|key| key.path.to_owned()).collect(),
                    found.complete,
                );
            }
        }
        panic!("the scan does not end");
    }

    #[test]
    fn a_scan_finds_every_key() {
        let limits = ScanLimits {
            keys: usize::MAX,
            bytes: usize::MAX,
        };
        let (mut paths, complete) = scan(&store_of(1000), limits);
        paths.sort();
        let expected: Vec<_> = (0..1000).map(|number| format!("/w/{number:04}")).collect();
        assert_eq!((paths, complete), (expected, true));
        assert_eq!(scan(&store_of(0), limits), (vec![], true));
    }

    #[test]
    fn a_row_says_how_old_and_how_large_a_pulse_was() {
        let mut slice = KeySlice::new(1_000);
        slice.push("/a", 3, 400, 1);
        slice.push("/bc", 5, 1_001, 2);
        let row = |path, details_bytes, age_ms, writes| KeyRow {
            path,
            details_bytes,
            age_ms,
            writes,
        };
        let rows: Vec<_> = slice.keys().collect();
        assert_eq!(rows, [row("/a", 3, 600, 1), row("/bc", 5, 0, 2)]);
    }

    #[test]
    fn limits_end_a_scan() {
        let store = store_of(1000);
        let by_count = ScanLimits {
            keys: 300,
            bytes: usize::MAX,
        };
        let (paths, complete) = scan(&store, by_count);
        assert!((300..300 + SLICE_SLOTS).contains(&paths.len()));
        assert!(!complete);
        let by_bytes = ScanLimits {
            keys: usize::MAX,
            bytes: 100 * (size_of::<Row>() + PATH_BYTES),
        };
        let (paths, complete) = scan(&store, by_bytes);
        assert_eq!((paths.len(), complete), (100, false));
    }
}
