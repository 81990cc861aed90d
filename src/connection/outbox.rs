//! Bytes that wait to be sent to one peer: encoded text, with stored pulses spliced in where they
//! belong. A pulse is never copied here, only counted as a reference. No buffer while idle.

use bytes::Bytes;

/// A pulse up to this size is cheaper to copy into the text than to send as a slice of its own.
const COPIED_BYTES: usize = 256;

#[derive(Debug, Default)]
pub struct Outbox {
    text: Vec<u8>,
    shared: Vec<Shared>,
    shared_bytes: usize,
}

#[derive(Debug)]
struct Shared {
    /// How much of the text goes out before it.
    after: usize,
    bytes: Bytes,
}

impl Outbox {
    /// Where answers are encoded; only ever to be appended to.
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Appends a stored pulse as it lies.
    pub(crate) fn push_shared(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPIED_BYTES {
            self.text.extend_from_slice(bytes);
            return;
        }
        self.shared_bytes += bytes.len();
        self.shared.push(Shared {
            after: self.text.len(),
            bytes: bytes.clone(),
        });
    }

    /// Appends all of another outbox.
    pub fn append(&mut self, other: Outbox) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let before = self.text.len();
        self.text.extend_from_slice(&other.text);
        self.shared_bytes += other.shared_bytes;
        let moved = other.shared.into_iter().map(|mut shared| {
            shared.after += before;
            shared
        });
        self.shared.extend(moved);
    }

    pub fn len(&self) -> usize {
        self.text.len() + self.shared_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it in one piece, where nothing is spliced in.
    pub fn as_single_slice(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.text)
    }

    /// The slices to send, in order and none of them empty, without the first `skip` bytes.
    pub fn slices(&self, skip: usize) -> impl Iterator<Item = &[u8]> {
        let mut text_from = 0;
        let mut skip = skip;
        self.shared
            .iter()
            .flat_map(move |shared| {
                let text = &self.text[text_from..shared.after];
                text_from = shared.after;
                [text, &shared.bytes[..]]
            })
            .chain([&self.text[self.shared.last().map_or(0, |last| last.after)..]])
            .filter_map(move |slice| {
                let skipped = skip.min(slice.len());
                skip -= skipped;
                let rest = &slice[skipped..];
                (!rest.is_empty()).then_some(rest)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (Outbox, Vec<u8>) {
        let big = Bytes::from(vec![b'x'; 1000]);
        let mut outbox = Outbox::default();
        outbox.push_shared(&big);
        outbox.text().extend_from_slice(b"head");
        outbox.push_shared(&big);
        outbox.push_shared(&big);
        outbox.text().extend_from_slice(b"tail");
        outbox.push_shared(&Bytes::from_static(b"small"));
        let mut flat = vec![b'x'; 1000];
        flat.extend_from_slice(b"head");
        flat.extend_from_slice(&[b'x'; 2000]);
        flat.extend_from_slice(b"tailsmall");
        (outbox, flat)
    }

    #[test]
    fn slices_are_the_bytes_from_any_offset() {
        let (outbox, flat) = filled();
        assert_eq!(outbox.len(), flat.len());
        for skip in 0..=flat.len() {
            let sent: Vec<u8> = outbox.slices(skip).flatten().copied().collect();
            assert_eq!(sent, flat[skip..], "skip {skip}");
            assert!(outbox.slices(skip).all(|slice| !slice.is_empty()));
        }
    }

    #[test]
    fn appended_outboxes_are_one() {
        let (first, mut flat) = filled();
        let (second, more) = filled();
        let mut outbox = Outbox::default();
        outbox.append(first);
        outbox.append(second);
        flat.extend_from_slice(&more);
        assert_eq!(outbox.len(), flat.len());
        let sent: Vec<u8> = outbox.slices(0).flatten().copied().collect();
        assert_eq!(sent, flat);
    }

    #[test]
    fn text_alone_is_a_single_slice() {
        let mut outbox = Outbox::default();
        assert!(outbox.is_empty());
        outbox.text().extend_from_slice(b"ack");
        assert_eq!(outbox.as_single_slice(), Some(&b"ack"[..]));
        assert_eq!(filled().0.as_single_slice(), None);
    }
}
