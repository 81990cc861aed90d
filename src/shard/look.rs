//! A look at all keys of a shard, for people: a slice at a time, so that no request waits for it.

use super::Shard;
use crate::store::{Walk, Walked};

/// Places in memory of one slice, about one for each key: some tens of microseconds.
const SLICE_SLOTS: usize = 256;

/// Bytes of a key as JSON, besides its text.
const ROW_BYTES: usize = 48;

/// A look under way.
#[derive(Debug, Default)]
pub struct Look {
    walk: Walk,
    slices: Vec<KeySlice>,
    keys: usize,
    /// What they will be as JSON, at most.
    bytes: usize,
}

/// How much a look may find.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub keys: usize,
    /// Of the keys as JSON.
    pub bytes: usize,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Keys {
    pub slices: Vec<KeySlice>,
    /// False if the shard has more keys than were asked for.
    pub complete: bool,
}

/// Some keys: their paths one behind the other, so that a slice is two pieces of memory.
#[derive(Debug, Default)]
pub struct KeySlice {
    seen_ms: u64,
    text: String,
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
pub struct KeyRow<'a> {
    pub path: &'a str,
    pub details_bytes: u64,
    /// How old its pulse was when it was looked at.
    pub age_ms: u64,
    /// Modulo 65536.
    pub writes: u16,
}

impl KeySlice {
    pub fn keys(&self) -> impl Iterator<Item = KeyRow<'_>> {
        let mut begin = 0;
        self.rows.iter().map(move |row| KeyRow {
            path: &self.text[std::mem::replace(&mut begin, row.path_end)..row.path_end],
            details_bytes: row.details_bytes,
            age_ms: self.seen_ms.saturating_sub(row.written_ms),
            writes: row.writes,
        })
    }
}

impl Shard {
    /// Goes on with a look by one slice. The keys, when it has seen all of them or as many as it may.
    pub fn look(&self, look: &mut Look, most: Most, now_us: u64) -> Option<Keys> {
        let mut slice = KeySlice {
            seen_ms: now_us / 1000,
            ..KeySlice::default()
        };
        let bytes = &mut look.bytes;
        let walked = self
            .engine
            .store
            .walk(&mut look.walk, SLICE_SLOTS, &mut |key| {
                *bytes += ROW_BYTES + json_bytes(&key.path);
                if *bytes > most.bytes {
                    return;
                }
                slice.text.push_str(&key.path);
                slice.rows.push(Row {
                    path_end: slice.text.len(),
                    details_bytes: key.details_bytes,
                    written_ms: key.written_ms,
                    writes: key.writes,
                });
            });
        look.keys += slice.rows.len();
        if !slice.rows.is_empty() {
            look.slices.push(slice);
        }
        match walked {
            Walked::Anew => {
                *look = Look::default();
                None
            }
            Walked::On if look.keys < most.keys && look.bytes <= most.bytes => None,
            Walked::On | Walked::ToTheEnd => {
                let look = std::mem::take(look);
                Some(Keys {
                    slices: look.slices,
                    complete: walked == Walked::ToTheEnd && look.bytes <= most.bytes,
                })
            }
        }
    }
}

/// What a text takes as JSON at most: a control character is written with six.
fn json_bytes(text: &str) -> usize {
    let escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    text.len() + 5 * text.bytes().filter(|byte| escaped(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_never_longer_than_it_is_taken_for() {
        for text in ["", "/w/t/1-6700", "\u{1}\u{1f}\"\\\n", "ö\u{2028}\u{7f}"] {
            let written = serde_json::to_string(text).unwrap().len() - 2;
            assert!(written <= json_bytes(text), "{text:?}");
        }
    }
}
