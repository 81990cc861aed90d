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

/// Bytes of memory for each pulse that is spliced in: its entry, its counter of references (in `Bytes`),
/// and the two slices by which a send names it and the text before it, in a list that grows by doubling.
const SHARED_MEMORY_BYTES: usize = size_of::<Shared>() + 32 + 2 * 2 * size_of::<[usize; 2]>();

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

    /// Bytes of memory. A stored pulse counts in full: the store may drop it first.
    pub fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.shared.capacity() * SHARED_MEMORY_BYTES + self.shared_bytes
    }

    /// Frees memory of the first `sent` bytes, once they are half of all: so a byte moves no more than
    /// once on average. A pulse stays until all of it is sent. Returns how many bytes are gone.
    pub fn drop_sent(&mut self, sent: usize) -> usize {
        if sent < self.len() / 2 {
            return 0;
        }
        let (mut whole, mut begin, mut text_begin) = (0, 0, 0);
        for shared in &self.shared {
            let end = begin + (shared.after - text_begin) + shared.bytes.len();
            if end > sent {
                break;
            }
            (whole, begin, text_begin) = (whole + 1, end, shared.after);
        }
        let next_pulse = self.shared.get(whole);
        let text_end = next_pulse.map_or(self.text.len(), |shared| shared.after);
        let text_sent = text_end.min(text_begin + sent - begin);
        if whole == 0 && text_sent == 0 {
            return 0;
        }
        let before = self.len();
        self.text.drain(..text_sent);
        self.text.shrink_to_fit();
        self.shared.drain(..whole);
        self.shared.shrink_to_fit();
        self.shared_bytes = 0;
        for shared in &mut self.shared {
            shared.after -= text_sent;
            self.shared_bytes += shared.bytes.len();
        }
        before - self.len()
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
    fn what_is_sent_is_dropped_from_half_on() {
        let (_, flat) = filled();
        for sent in 0..flat.len() {
            let (mut outbox, _) = filled();
            let dropped = outbox.drop_sent(sent);
            assert!(dropped <= sent);
            let rest: Vec<u8> = outbox.slices(sent - dropped).flatten().copied().collect();
            assert_eq!(rest, flat[sent..], "after {sent}");
            assert_eq!(outbox.len(), flat.len() - dropped);
            // The pulse that is being sent is kept.
            let kept = outbox.len() - (flat.len() - sent);
            assert!(kept < 1000 || sent < flat.len() / 2, "{kept} after {sent}");
            let most = outbox.len() + 3 * SHARED_MEMORY_BYTES;
            assert!(outbox.memory_bytes() <= most || dropped == 0);
        }
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
