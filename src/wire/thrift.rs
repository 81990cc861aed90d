//! Reads Thrift's TBinaryProtocol by the rules of Java's readers, without copying. Must not panic, must not
//! allocate or loop by a declared count that the bytes do not back, and must not use more stack than
//! [`THRIFT_DEPTH`] levels of nesting need. Of a peer's request it reads [`REQUEST_VALUES`] values at most.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::DecodeError;
use crate::limits::{REQUEST_VALUES, THRIFT_DEPTH};

/// The type codes of TBinaryProtocol (Thrift's `TType`).
pub(crate) mod code {
    pub(crate) const STOP: u8 = 0;
    pub(crate) const BOOL: u8 = 2;
    pub(crate) const BYTE: u8 = 3;
    pub(crate) const DOUBLE: u8 = 4;
    pub(crate) const I16: u8 = 6;
    pub(crate) const I32: u8 = 8;
    pub(crate) const I64: u8 = 10;
    /// Strings and binary data.
    pub(crate) const STRING: u8 = 11;
    pub(crate) const STRUCT: u8 = 12;
    pub(crate) const MAP: u8 = 13;
    pub(crate) const SET: u8 = 14;
    pub(crate) const LIST: u8 = 15;
    /// Since Thrift 0.19: Storm 2.6.4 knows it, 2.4.0 does not.
    pub(crate) const UUID: u8 = 16;
}

/// The head of one field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// One of [`code`], or a code that Thrift does not define.
    pub(crate) kind: u8,
    pub(crate) id: i16,
}

/// Reads values one after another. Do not use a cursor after an error. Every function that returns a value
/// fails with [`DecodeError::Truncated`] where the bytes end first.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    depth: u32,
    /// How many more fields, skipped values and bytes of malformed text may follow.
    values_left: u32,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            depth: 0,
            values_left: u32::MAX, // more than any frame has bytes
        }
    }

    /// For a message that has few values: ten million empty ones would take a shard's time.
    pub(crate) fn of_request(bytes: &'a [u8]) -> Self {
        Self {
            values_left: REQUEST_VALUES,
            ..Self::new(bytes)
        }
    }

    /// Bytes not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Steps into a struct or container.
    ///
    /// # Errors
    /// It nests deeper than [`THRIFT_DEPTH`].
    pub(crate) fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= THRIFT_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.depth += 1;
        Ok(())
    }

    /// Steps out of the struct or container that [`Self::enter`] stepped into.
    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The head of the struct's next field. `None`: the stop byte.
    pub(crate) fn field(&mut self) -> Result<Option<Field>, DecodeError> {
        match self.byte()? {
            code::STOP => Ok(None),
            kind => {
                self.count(1)?;
                Ok(Some(Field {
                    kind,
                    id: self.i16()?,
                }))
            }
        }
    }

    fn count(&mut self, values: usize) -> Result<(), DecodeError> {
        let values = u32::try_from(values).unwrap_or(u32::MAX);
        let left = self.values_left.checked_sub(values);
        self.values_left = left.ok_or(DecodeError::TooManyValues)?;
        Ok(())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    /// True only for the byte 1, as in Java's `readBool`.
    pub(crate) fn bool(&mut self) -> Result<bool, DecodeError> {
        self.byte().map(|byte| byte == 1)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn double(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.array()
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let size = self.size()?;
        self.take(u64::from(size))
    }

    /// A string. Malformed UTF-8 gets the same replacement characters as in Java.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let bytes = self.binary()?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.count(bytes.len())?;
                Cow::Owned(replace_malformed(bytes))
            }
        })
    }

    /// The element type and the count of a list or set. The peer may declare any count, so allocate
    /// nothing for it, and read at least one byte for each element.
    pub(crate) fn list(&mut self) -> Result<(u8, u32), DecodeError> {
        Ok((self.byte()?, self.size()?))
    }

    /// The types of keys and values and the count of a map. As in [`list`](Self::list), do not trust the
    /// count.
    pub(crate) fn map(&mut self) -> Result<(u8, u8, u32), DecodeError> {
        Ok((self.byte()?, self.byte()?, self.size()?))
    }

    /// Skips one value of the given type.
    pub(crate) fn skip(&mut self, kind: u8) -> Result<(), DecodeError> {
        self.count(1)?;
        if let Some(bytes) = fixed_bytes(kind) {
            return self.take(bytes).map(drop);
        }
        match kind {
            code::STRING => self.binary().map(drop),
            code::STRUCT => {
                self.enter()?;
                while let Some(field) = self.field()? {
                    self.skip(field.kind)?;
                }
                self.leave();
                Ok(())
            }
            code::LIST | code::SET => {
                self.enter()?;
                let (element, count) = self.list()?;
                match fixed_bytes(element) {
                    Some(bytes) => self.take(bytes * u64::from(count)).map(drop)?,
                    None => (0..count).try_for_each(|_| self.skip(element))?,
                }
                self.leave();
                Ok(())
            }
            code::MAP => {
                self.enter()?;
                let (key, value, count) = self.map()?;
                for _ in 0..count {
                    self.skip(key)?;
                    self.skip(value)?;
                }
                self.leave();
                Ok(())
            }
            unknown => Err(DecodeError::BadFieldType(unknown)),
        }
    }

    fn size(&mut self) -> Result<u32, DecodeError> {
        let size = self.i32()?;
        u32::try_from(size).map_err(|_| DecodeError::NegativeSize(size))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// `bytes` is at most 16 * 2^31. It is a `u64` so that no declared count overflows.
    fn take(&mut self, bytes: u64) -> Result<&'a [u8], DecodeError> {
        let bytes = usize::try_from(bytes).map_err(|_| DecodeError::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn fixed_bytes(kind: u8) -> Option<u64> {
    match kind {
        code::BOOL | code::BYTE => Some(1),
        code::I16 => Some(2),
        code::I32 => Some(4),
        code::I64 | code::DOUBLE => Some(8),
        code::UUID => Some(16),
        _ => None,
    }
}

/// Java's `new String(bytes, UTF_8)`. Java and Rust replace the same malformed sequences, except an encoded
/// surrogate (ED A0..BF, whole or cut short): Java replaces it by one character, Rust by up to three. Both
/// must give the same key, or a Java client does not find in a list the key that it wrote.
fn replace_malformed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        let malformed = &rest[chunk.valid().len()..];
        let length = match malformed {
            [] => 0,
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
            [0xED, 0xA0..=0xBF, ..] => 2,
            _ => chunk.invalid().len(),
        };
        if length > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        rest = &malformed[length..];
    }
    text
}
