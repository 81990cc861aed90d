//! Received bytes to whole frames. Knows lengths, not messages; must not copy a frame that lies in
//! one chunk, nor keep memory between frames, nor allocate for bytes that have not come.
//!
//! Invariant, checked after every call: unless paused, the reader holds a strict prefix of one frame
//! whose length is legal, or nothing and no memory at all; after an error it holds nothing, for ever.

#[cfg(test)]
mod tests;

use std::fmt;

use super::message::FRAME_PREFIX_BYTES;

/// What the taker of frames says after each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    Continue,
    /// Hand over no more until [`FrameReader::resume`].
    Pause,
}

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

/// Cuts one connection's bytes into frames.
pub struct FrameReader {
    /// Bytes kept from earlier chunks. Before `start` they have been handed over already, which
    /// happens while paused only.
    buffer: Vec<u8>,
    start: usize,
    max_body_bytes: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Paused,
    Dead(FrameError),
}

const _: () = assert!(size_of::<FrameReader>() <= 48, "every connection has one");

impl FrameReader {
    /// `max_body_bytes` bounds the length that a frame may declare, its prefix not counted.
    pub fn new(max_body_bytes: u32) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            max_body_bytes,
            state: State::Reading,
        }
    }

    /// Takes received bytes, and calls `each` once for the body of every frame that they complete, in
    /// order. When it answers [`Flow::Pause`], the rest is kept, whole frames included; while paused,
    /// fed bytes are kept too, without bound: stop receiving.
    ///
    /// Fails at a length prefix that is negative or too large, after the frames before it; then the
    /// same error is the answer to every call.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(&[u8]) -> Flow,
    ) -> Result<Flow, FrameError> {
        let flow = match self.state {
            State::Dead(error) => Err(error),
            State::Paused => {
                self.buffer.extend_from_slice(chunk);
                Ok(Flow::Pause)
            }
            State::Reading => self.read(chunk, each),
        };
        self.settle(flow)
    }

    /// Ends a pause: hands over what was kept, as [`Self::feed`] does, and may be paused again. Does
    /// nothing if there is no pause.
    pub fn resume(&mut self, each: &mut impl FnMut(&[u8]) -> Flow) -> Result<Flow, FrameError> {
        let flow = match self.state {
            State::Dead(error) => Err(error),
            State::Reading => Ok(Flow::Continue),
            State::Paused => {
                self.state = State::Reading;
                let kept = std::mem::take(&mut self.buffer);
                let start = std::mem::take(&mut self.start);
                self.cut(&kept[start..], each).map(|(taken, flow)| {
                    self.keep(kept, start + taken);
                    flow
                })
            }
        };
        self.settle(flow)
    }

    /// Whether `each` has asked for a pause that no [`Self::resume`] has ended.
    pub fn is_paused(&self) -> bool {
        self.state == State::Paused
    }

    /// Bytes received and not handed over.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Completes the frame whose beginning is kept, then cuts the rest out of the chunk itself.
    fn read(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(&[u8]) -> Flow,
    ) -> Result<Flow, FrameError> {
        let mut rest = chunk;
        if !self.buffer.is_empty() {
            if !self.fill(&mut rest)? {
                return Ok(Flow::Continue);
            }
            let frame = std::mem::take(&mut self.buffer);
            if each(&frame[FRAME_PREFIX_BYTES..]) == Flow::Pause {
                self.state = State::Paused;
                self.buffer = rest.to_vec();
                return Ok(Flow::Pause);
            }
        }
        let (taken, flow) = self.cut(rest, each)?;
        self.buffer = rest[taken..].to_vec();
        Ok(flow)
    }

    /// Moves bytes to the kept beginning of a frame until that frame is whole, and says whether it
    /// is. The buffer doubles, but never past the frame, so that neither a long frame in small pieces
    /// nor a long declared length costs more than the bytes received.
    fn fill(&mut self, rest: &mut &[u8]) -> Result<bool, FrameError> {
        loop {
            let frame = self.frame_bytes(&self.buffer)?;
            let wanted = frame.unwrap_or(FRAME_PREFIX_BYTES);
            let missing = wanted - self.buffer.len();
            if missing == 0 {
                return Ok(true);
            }
            let (taken, later) = rest.split_at(missing.min(rest.len()));
            if taken.is_empty() {
                return Ok(false);
            }
            let needed = self.buffer.len() + taken.len();
            if needed > self.buffer.capacity() {
                let capacity = needed.max(2 * self.buffer.capacity()).min(wanted);
                self.buffer.reserve_exact(capacity - self.buffer.len());
            }
            self.buffer.extend_from_slice(taken);
            *rest = later;
        }
    }

    /// Hands over the whole frames at the beginning of `bytes`, and answers how many bytes they took.
    fn cut(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> Flow,
    ) -> Result<(usize, Flow), FrameError> {
        let mut taken = 0;
        while let Some(length) = self.frame_bytes(&bytes[taken..])? {
            let Some(frame) = bytes[taken..].get(..length) else {
                break;
            };
            taken += length;
            if each(&frame[FRAME_PREFIX_BYTES..]) == Flow::Pause {
                self.state = State::Paused;
                return Ok((taken, Flow::Pause));
            }
        }
        Ok((taken, Flow::Continue))
    }

    /// Bytes of the frame that `bytes` begin with, its prefix counted; `None` if the prefix is not
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

    /// Keeps what was not handed over. Past the half the rest moves to memory of its own size, which
    /// costs less than handing over that half did; what is appended later finds little waste.
    fn keep(&mut self, buffer: Vec<u8>, start: usize) {
        let rest = &buffer[start..];
        if self.state == State::Paused && start < rest.len() {
            self.start = start;
            self.buffer = buffer;
        } else {
            self.buffer = rest.to_vec();
        }
    }

    /// Ends the reader if there was an error, and checks the invariant.
    fn settle(&mut self, flow: Result<Flow, FrameError>) -> Result<Flow, FrameError> {
        if let Err(error) = flow {
            self.buffer = Vec::new();
            self.start = 0;
            self.state = State::Dead(error);
        }
        debug_assert!(match self.state {
            State::Paused => self.start <= self.buffer.len(),
            State::Dead(_) => self.buffer.capacity() == 0,
            State::Reading => {
                let frame = self.frame_bytes(&self.buffer);
                let longest = match frame {
                    Ok(Some(frame)) => frame - 1,
                    Ok(None) => FRAME_PREFIX_BYTES - 1,
                    Err(_) => 0,
                };
                let idle = !self.buffer.is_empty() || self.buffer.capacity() == 0;
                self.start == 0 && self.buffer.len() <= longest && idle
            }
        });
        flow
    }
}

impl fmt::Debug for FrameReader {
    /// Shows no received bytes: they may be a login's.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FrameReader")
            .field("state", &self.state)
            .field("buffered_bytes", &self.buffered_bytes())
            .field("max_body_bytes", &self.max_body_bytes)
            .finish()
    }
}
