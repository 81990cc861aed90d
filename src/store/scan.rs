//! Lists, records and deletions of a path, a slice at a time: a directory may have a million keys, and
//! no other request may wait for all of them. Keys come and go between two slices; what is there from
//! beginning to end is found, once.

use bytes::Bytes;

use super::chunks::{NodeId, ROOT};
use super::nodes::CursorId;
use super::{Store, directory_of};

/// A list under way. It must be given back to [`Store::end_list`].
#[derive(Debug)]
pub struct ListScan {
    cursor: Option<CursorId>,
    /// The names behind an empty segment, which come next.
    below_empty: Option<CursorId>,
}

/// A collection of records under way. It must be given back to [`Store::end_records`].
#[derive(Debug)]
pub(crate) struct RecordScan {
    cursor: Option<CursorId>,
}

impl Store {
    /// Begins a list of the first segment that is not empty of every path below `path`. "" is above
    /// all keys, and "/" above all that begin with one; one '/' at the end makes no difference
    /// otherwise.
    pub fn begin_list(&mut self, path: &str) -> ListScan {
        let top = self.top(path);
        ListScan {
            cursor: top.map(|node| self.directory.open_children(node)),
            below_empty: None,
        }
    }

    /// Looks at up to `most` nodes, and calls `each` with their names, in no order. A name comes
    /// twice only if it is also there behind empty segments. Says whether there is more.
    pub fn continue_list(
        &mut self,
        scan: &mut ListScan,
        most: usize,
        each: &mut dyn FnMut(&str),
    ) -> bool {
        let mut left = most;
        while let Some(cursor) = scan.cursor {
            while left > 0
                && let Some(node) = self.directory.step(cursor)
            {
                left -= 1;
                let name = self.directory.name(node);
                if name.is_empty() {
                    scan.below_empty = Some(self.directory.open_children(node));
                } else {
                    each(name);
                }
            }
            if left == 0 {
                return true;
            }
            self.directory.close(cursor);
            scan.cursor = scan.below_empty.take();
        }
        false
    }

    pub fn end_list(&mut self, scan: ListScan) {
        for cursor in [scan.cursor, scan.below_empty].into_iter().flatten() {
            self.directory.close(cursor);
        }
    }

    /// Begins to collect the keys that [`Self::delete_below`] would remove; for "" all keys.
    pub(crate) fn begin_records(&mut self, path: &str) -> RecordScan {
        let top = self.top(path);
        RecordScan {
            cursor: top.map(|node| self.directory.open_subtree(node)),
        }
    }

    /// Looks at up to `most` nodes, and calls `each` with the keys among them and what they hold, in
    /// no order, for as long as it answers true. Says whether there is more.
    pub(crate) fn continue_records(
        &mut self,
        scan: &mut RecordScan,
        most: usize,
        each: &mut dyn FnMut(String, &Bytes) -> bool,
    ) -> bool {
        let Some(cursor) = scan.cursor else {
            return false;
        };
        for _ in 0..most {
            let Some(node) = self.directory.step(cursor) else {
                return false;
            };
            if let Some(pulse) = self.directory.pulse(node)
                && !each(self.directory.path(node), &pulse.details)
            {
                return true;
            }
        }
        true
    }

    pub(crate) fn end_records(&mut self, scan: RecordScan) {
        if let Some(cursor) = scan.cursor {
            self.directory.close(cursor);
        }
    }

    /// Removes up to `most` nodes of those whose key, with a '/' at its end, begins with `path` with
    /// a '/' at its end: the key `path` and all below it. That is Storm's rule to the letter; "" is
    /// the same as "/". Says whether there is more.
    pub(crate) fn delete_below(&mut self, path: &str, most: usize) -> bool {
        let Some(top) = self.directory.find_path(directory_of(path)) else {
            return false;
        };
        let accounting = &mut self.accounting;
        let finished = self
            .directory
            .remove_below(top, most, &mut |key_bytes, pulse| {
                accounting.removed(key_bytes.into(), pulse.details.len() as u64);
            });
        self.count_segments();
        self.compact_if_sparse();
        !finished
    }

    fn top(&self, path: &str) -> Option<NodeId> {
        if path.is_empty() {
            Some(ROOT)
        } else {
            self.directory.find_path(directory_of(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{hash, hasher, list, put_at};
    use super::*;
    use crate::store::StoreLimits;

    fn filled(keys: usize) -> Store {
        let limits = StoreLimits {
            keys: u64::MAX,
            bytes: u64::MAX,
        };
        let mut store = Store::new(limits, hasher());
        for key in 0..keys {
            put_at(&mut store, &format!("/w/t/k{key}"), 0);
        }
        store
    }

    /// Between two slices keys come and go, the one at which the cursor stands among them; what stays
    /// is found once.
    #[test]
    fn what_stays_is_listed_once_whatever_comes_and_goes() {
        for slice in [1, 2, 7] {
            let mut store = filled(300);
            let mut scan = store.begin_list("/w/t");
            let mut names = Vec::new();
            let mut round = 0;
            while store.continue_list(&mut scan, slice, &mut |name| names.push(name.to_owned())) {
                // Every third key goes, from both ends, and others come.
                for gone in [round * 3, 299 - (299 % 3) - round * 3] {
                    let key = format!("/w/t/k{gone}");
                    store.remove(&key, hash(&key));
                }
                put_at(&mut store, &format!("/w/t/new{round}"), 0);
                store.directory.check();
                round = (round + 1) % 50;
            }
            store.end_list(scan);
            let stayed = (0..300).filter(|key| key % 3 != 0);
            for key in stayed {
                let name = format!("k{key}");
                let count = names.iter().filter(|found| **found == name).count();
                assert_eq!(count, 1, "{name} with slices of {slice}");
            }
        }
    }

    #[test]
    fn a_scan_survives_that_nodes_move_and_the_end_of_its_directory() {
        let mut store = filled(5000);
        let mut lists = store.begin_list("/w/t");
        let mut records = store.begin_records("/w");
        let mut names = BTreeSet::new();
        store.continue_list(&mut lists, 10, &mut |name| {
            names.insert(name.to_owned());
        });
        store.continue_records(&mut records, 10, &mut |_, _| true);
        let moves = store.moves;
        for key in (0..5000).filter(|key| key % 10 != 0) {
            let key = format!("/w/t/k{key}");
            store.remove(&key, hash(&key));
        }
        let mut found = 0;
        while store.continue_list(&mut lists, 50, &mut |name| {
            names.insert(name.to_owned());
        }) {
            store.continue_compaction(100);
        }
        assert!(store.moves > moves, "nodes have moved");
        while store.continue_records(&mut records, 50, &mut |_, _| {
            found += 1;
            true
        }) {
            store.continue_compaction(100);
        }
        for key in (0..5000).step_by(10) {
            assert!(names.contains(&format!("k{key}")));
        }
        assert!((490..=500).contains(&found), "{found}");
        store.end_list(lists);
        store.end_records(records);

        let mut lists = store.begin_list("/w/t");
        assert!(store.continue_list(&mut lists, 5, &mut |_| {}));
        while store.delete_below("/w", 64) {
            store.directory.check();
        }
        assert!(!store.continue_list(&mut lists, 5, &mut |name| panic!("{name} is gone")));
        store.end_list(lists);
        assert_eq!(list(&mut store, ""), [""; 0]);
    }

    #[test]
    fn a_deletion_in_slices_leaves_no_empty_directory_behind() {
        for most in [1, 3, 1000] {
            let mut store = filled(0);
            for key in 0..200 {
                put_at(
                    &mut store,
                    &format!("/w/t{}/a/b{}/k{key}", key % 7, key % 3),
                    0,
                );
                put_at(&mut store, &format!("/x/k{key}"), 0);
            }
            while store.delete_below("/w", most) {
                store.directory.check();
            }
            store.directory.check();
            assert_eq!(store.usage().keys, 200);
            assert_eq!(list(&mut store, "/"), ["x"]);
        }
    }
}
