//! Cuts received bytes into frames: a length of four bytes, big-endian, and a body of that length. Knows
//! nothing of messages. Does not copy a frame that lies whole in one chunk, holds no memory between frames,
//! and allocates nothing for bytes that have not arrived.
//!
//! Invariant, checked whenever the reader needs more bytes: it holds the beginning of one frame of legal
//! length, or nothing and no memory. After an error it holds nothing.

#[cfg(test)]
mod tests;

use std::fmt;

use super::message::FRAME_PREFIX_BYTES;

/// A length prefix that is not legal. Where the next frame begins is unknown, so the connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Storm's length is a signed `int`.
    Negative(i32),
    /// Bytes of the frame's body.
    TooLarge { length: u32, max: u32 },
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(length) => {
                write!(out, "expected a frame length of 0 or more, found {length}")
            }
            Self::TooLarge { length, max } => {
                write!(
                    out,
                    "expected a frame of at most {max} bytes, found {length}"
                )
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts one connection's bytes into frames. The caller pulls them:
///
/// ```
/// # use storm_pacemaker::wire::FrameReader;
/// let mut reader = FrameReader::new(1024);
/// let mut chunk: &[u8] = &[0, 0, 0, 2, b'h', b'i', 0, 0];
/// assert_eq!(reader.next_from(&mut chunk), Some(Ok(&b"hi"[..])));
/// assert_eq!(reader.next_from(&mut chunk), None); // two bytes of the next prefix are kept
/// ```
///
/// To pause, stop asking and [`push`](Self::push) the rest of the chunk.
pub struct FrameReader {
    /// Bytes of earlier chunks. Those before `taken` have been returned.
    kept: Vec<u8>,
    taken: usize,
    max_body_bytes: u32,
    error: Option<FrameError>,
}

const _: () = assert!(size_of::<FrameReader>() <= 48, "every connection has one");

/// Where the next whole frame lies, with its length in bytes including the prefix.
enum WholeFrame {
    InKept(usize),
    InChunk(usize),
}

impl FrameReader {
    /// `max_body_bytes` limits the bytes of a frame's body (`limits.frame_size`).
    pub fn new(max_body_bytes: u32) -> Self {
        Self {
            kept: Vec::new(),
            taken: 0,
            max_body_bytes,
            error: None,
        }
    }

    /// Limits the body of later frames to this many bytes, instead of what `new` was told.
    pub(crate) fn set_max_body_bytes(&mut self, max_body_bytes: u32) {
        self.max_body_bytes = max_body_bytes;
    }

    /// Keeps bytes for later calls of [`next`](Self::next). There is no limit: a caller that pushes
    /// without pulling must stop receiving.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.compact();
            if self.taken == 0
                && let Ok(Some(wanted)) = self.frame_bytes(&self.kept)
                && self.kept.len() + bytes.len() <= wanted
            {
                self.grow_for(bytes.len(), wanted);
            }
            self.kept.extend_from_slice(bytes);
        }
    }

    /// The body of the next frame in the kept bytes. `None`: no frame is whole.
    ///
    /// # Errors
    /// The length prefix is negative or too large. Every later call returns the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "the body borrows from the reader, which an iterator cannot express"
    )]
    pub fn next(&mut self) -> Option<Result<&[u8], FrameError>> {
        self.next_from(&mut &[][..])
    }

    /// The body of the next frame in the kept bytes followed by `chunk`. Moves the start of `chunk` past
    /// the bytes that it has used. `None`: no frame is whole, and all of the chunk has been kept.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_from<'a, 'c: 'a>(
        &'a mut self,
        chunk: &mut &'c [u8],
    ) -> Option<Result<&'a [u8], FrameError>> {
        if let Some(error) = self.error {
            return Some(Err(error));
        }
        match self.find(chunk) {
            Ok(None) => {
                self.check_prefix();
                None
            }
            Ok(Some(WholeFrame::InKept(length))) => {
                let frame = &self.kept[self.taken..][..length];
                self.taken += length;
                Some(Ok(&frame[FRAME_PREFIX_BYTES..]))
            }
            Ok(Some(WholeFrame::InChunk(length))) => {
                let (frame, rest) = chunk.split_at(length);
                *chunk = rest;
                Some(Ok(&frame[FRAME_PREFIX_BYTES..]))
            }
            Err(error) => {
                self.kept = Vec::new();
                self.taken = 0;
                self.error = Some(error);
                Some(Err(error))
            }
        }
    }

    /// Bytes received and not yet returned in a frame, with their length prefixes.
    pub fn buffered_bytes(&self) -> usize {
        self.kept.len() - self.taken
    }

    /// Bytes of memory of what is kept.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// Finds the next whole frame. If no frame is whole, keeps all of the chunk.
    fn find(&mut self, chunk: &mut &[u8]) -> Result<Option<WholeFrame>, FrameError> {
        self.compact();
        if self.buffered_bytes() > 0 {
            let kept = &self.kept[self.taken..];
            return match self.frame_bytes(kept)? {
                Some(length) if length <= kept.len() => Ok(Some(WholeFrame::InKept(length))),
                _ => self.complete(chunk),
            };
        }
        match self.frame_bytes(chunk)? {
            Some(length) if length <= chunk.len() => Ok(Some(WholeFrame::InChunk(length))),
            _ => {
                self.kept = std::mem::take(chunk).to_vec();
                Ok(None)
            }
        }
    }

    /// Appends bytes of the chunk to the kept beginning of a frame until that frame is whole. The buffer
    /// doubles, up to the size of the frame: it takes at most twice the bytes received, whatever length
    /// the frame declares.
    fn complete(&mut self, chunk: &mut &[u8]) -> Result<Option<WholeFrame>, FrameError> {
        self.drop_taken();
        loop {
            let length = self.frame_bytes(&self.kept)?;
            let wanted = length.unwrap_or(FRAME_PREFIX_BYTES);
            let missing = wanted - self.kept.len();
            if missing == 0 {
                return Ok(length.map(WholeFrame::InKept));
            }
            let (next, rest) = chunk.split_at(missing.min(chunk.len()));
            if next.is_empty() {
                return Ok(None);
            }
            self.grow_for(next.len(), wanted);
            self.kept.extend_from_slice(next);
            *chunk = rest;
        }
    }

    /// Makes room for `more` bytes of a frame that has `wanted` in all.
    fn grow_for(&mut self, more: usize, wanted: usize) {
        let needed = self.kept.len() + more;
        if needed > self.kept.capacity() {
            let capacity = needed.max(2 * self.kept.capacity()).min(wanted);
            self.kept.reserve_exact(capacity - self.kept.len());
        }
    }

    /// Bytes of the frame at the start of `bytes`, with its prefix. `None`: the prefix is not whole.
    fn frame_bytes(&self, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = bytes.first_chunk() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*prefix);
        let max = self.max_body_bytes;
        match u32::try_from(length) {
            Err(_) => Err(FrameError::Negative(length)),
            Ok(length) if length > max => Err(FrameError::TooLarge { length, max }),
            Ok(length) => Ok(Some(FRAME_PREFIX_BYTES + length as usize)),
        }
    }

    /// Drops returned bytes once they are half of the buffer, so that each byte is copied at most once
    /// on average.
    fn compact(&mut self) {
        if self.taken > 0 && self.taken >= self.buffered_bytes() {
            self.drop_taken();
        }
    }

    /// Drops the returned bytes and fits the memory to the rest.
    fn drop_taken(&mut self) {
        if self.taken > 0 {
            self.kept = self.kept[self.taken..].to_vec();
            self.taken = 0;
        }
    }

    /// Checks the invariant that holds when the reader needs more bytes.
    fn check_prefix(&self) {
        debug_assert!({
            let longest = match self.frame_bytes(&self.kept) {
                Ok(Some(length)) => length - 1,
                Ok(None) => FRAME_PREFIX_BYTES - 1,
                Err(_) => 0,
            };
            let frees_memory = !self.kept.is_empty() || self.kept.capacity() == 0;
            self.taken == 0 && self.kept.len() <= longest && frees_memory
        });
    }
}

impl fmt::Debug for FrameReader {
    /// Shows no received bytes, because they may belong to a login.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FrameReader")
            .field("error", &self.error)
            .field("buffered_bytes", &self.buffered_bytes())
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}
