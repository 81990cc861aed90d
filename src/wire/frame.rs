//! Turns received bytes into whole frames. It knows lengths, not messages. It never copies a frame
//! that lies whole in one chunk, keeps no memory between frames, and allocates nothing for bytes
//! that have not arrived.
//!
//! Invariant, checked whenever the reader asks for more bytes: it holds a strict prefix of one frame
//! of legal length, or nothing and no memory at all. After an error it holds nothing, for ever.

#[cfg(test)]
mod tests;

use std::fmt;

use super::message::FRAME_PREFIX_BYTES;

/// A length prefix that no frame can follow. The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    Negative(i32),
    /// Both in bytes, of a frame's body.
    TooLarge {
        length: u32,
        max: u32,
    },
}

impl FrameError {
    /// The error's kind as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Negative(_) => "negative_length",
            Self::TooLarge { .. } => "frame_too_large",
        }
    }
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
/// To pause, stop asking, and hand what is left of the chunk to [`push`](Self::push).
pub struct FrameReader {
    /// Bytes kept from earlier chunks. Those before `taken` have been handed out already.
    kept: Vec<u8>,
    taken: usize,
    max_body_bytes: u32,
    error: Option<FrameError>,
}

const _: () = assert!(size_of::<FrameReader>() <= 48, "every connection has one");

/// Where the next whole frame lies, and how long it is, its prefix included.
enum Whole {
    InKept(usize),
    InChunk(usize),
}

impl FrameReader {
    /// `max_body_bytes` bounds the length that a frame may declare, its prefix not counted.
    pub fn new(max_body_bytes: u32) -> Self {
        Self {
            kept: Vec::new(),
            taken: 0,
            max_body_bytes,
            error: None,
        }
    }

    /// Keeps bytes for later calls of [`next`](Self::next), without a bound: a caller that pushes
    /// while it does not pull must stop receiving.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.compact();
            self.kept.extend_from_slice(bytes);
        }
    }

    /// The body of the next whole frame among the kept bytes; `None` until more bytes are pushed.
    ///
    /// # Errors
    /// The length prefix is negative or too large. The same error answers every later call.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Option<Result<&[u8], FrameError>> {
        self.next_from(&mut &[][..])
    }

    /// The body of the next whole frame among the kept bytes and `chunk`, which begins where the
    /// kept bytes end. Moves `chunk` past what it has used; on `None` that is all of it. A frame that
    /// lies whole in the chunk is not copied.
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
            Ok(Some(Whole::InKept(length))) => {
                let frame = &self.kept[self.taken..][..length];
                self.taken += length;
                Some(Ok(&frame[FRAME_PREFIX_BYTES..]))
            }
            Ok(Some(Whole::InChunk(length))) => {
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

    /// Bytes received and not handed out.
    pub fn buffered_bytes(&self) -> usize {
        self.kept.len() - self.taken
    }

    /// Finds the next whole frame. If there is none, keeps all of the chunk.
    fn find(&mut self, chunk: &mut &[u8]) -> Result<Option<Whole>, FrameError> {
        self.compact();
        if self.buffered_bytes() > 0 {
            let kept = &self.kept[self.taken..];
            return match self.frame_bytes(kept)? {
                Some(length) if length <= kept.len() => Ok(Some(Whole::InKept(length))),
                _ => self.complete(chunk),
            };
        }
        match self.frame_bytes(chunk)? {
            Some(length) if length <= chunk.len() => Ok(Some(Whole::InChunk(length))),
            _ => {
                self.kept = std::mem::take(chunk).to_vec();
                Ok(None)
            }
        }
    }

    /// Moves bytes of the chunk to the kept beginning of a frame until that frame is whole. The
    /// buffer doubles, but never past the frame: a long frame in small pieces costs no more than
    /// twice the bytes received, and a long declared length costs nothing.
    fn complete(&mut self, chunk: &mut &[u8]) -> Result<Option<Whole>, FrameError> {
        self.drop_taken();
        loop {
            let length = self.frame_bytes(&self.kept)?;
            let wanted = length.unwrap_or(FRAME_PREFIX_BYTES);
            let missing = wanted - self.kept.len();
            if missing == 0 {
                return Ok(length.map(Whole::InKept));
            }
            let (next, rest) = chunk.split_at(missing.min(chunk.len()));
            if next.is_empty() {
                return Ok(None);
            }
            let needed = self.kept.len() + next.len();
            if needed > self.kept.capacity() {
                let capacity = needed.max(2 * self.kept.capacity()).min(wanted);
                self.kept.reserve_exact(capacity - self.kept.len());
            }
            self.kept.extend_from_slice(next);
            *chunk = rest;
        }
    }

    /// Bytes of the frame that `bytes` begin with, its prefix included; `None` if the prefix is not
    /// whole.
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

    /// Frees what has been handed out once it is half of the buffer: copying the rest then costs
    /// less than handing out that half did.
    fn compact(&mut self) {
        if self.taken > 0 && self.taken >= self.buffered_bytes() {
            self.drop_taken();
        }
    }

    /// Moves what is left to memory of its own size.
    fn drop_taken(&mut self) {
        if self.taken > 0 {
            self.kept = self.kept[self.taken..].to_vec();
            self.taken = 0;
        }
    }

    /// What must hold when the reader asks for more bytes.
    fn check_prefix(&self) {
        debug_assert!({
            let longest = match self.frame_bytes(&self.kept) {
                Ok(Some(length)) => length - 1,
                Ok(None) => FRAME_PREFIX_BYTES - 1,
                Err(_) => 0,
            };
            let idle = !self.kept.is_empty() || self.kept.capacity() == 0;
            self.taken == 0 && self.kept.len() <= longest && idle
        });
    }
}

impl fmt::Debug for FrameReader {
    /// Shows no received bytes: they may be a login's.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FrameReader")
            .field("error", &self.error)
            .field("buffered_bytes", &self.buffered_bytes())
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}
