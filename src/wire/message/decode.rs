//! Decodes a frame's body exactly as Java's generated readers do: accepts what they accept, and fails where
//! they fail. Must not allocate by a count that the peer declares.

use std::borrow::Cow;

use super::super::thrift::{Cursor, Field, code};
use super::{Data, DecodeError, Message, MessageType, NO_ID, Pulse};

/// Decodes a frame's body, which is the frame without its length prefix.
///
/// As in Java's `HBMessage`, `HBMessageData`, `TUnion` and `TBinaryProtocol`, unknown fields and known fields
/// of another type are skipped, the last of repeated fields counts, and bytes after the message are ignored.
///
/// # Errors
/// The body is not a message; the peer is at fault.
pub fn decode(body: &[u8]) -> Result<Message<'_>, DecodeError> {
    decode_with(Cursor::new(body), read_data)
}

/// Decodes a frame's body that a client sent: as [`decode`], but without the lists that only answers
/// carry, because 10 MiB of empty names would be 100 MB of them, and without more values than a request can
/// have.
///
/// # Errors
/// The body is not a message, carries a list, or has too many values; the peer is at fault.
pub(crate) fn decode_request(body: &[u8]) -> Result<Message<'_>, DecodeError> {
    decode_with(Cursor::of_request(body), |cursor| {
        let mut ahead = cursor.clone();
        ahead.enter()?;
        match ahead.field()? {
            Some(field) if is_list(&field) => Err(DecodeError::ListInRequest),
            _ => read_data(cursor),
        }
    })
}

/// `HBRecords` or `HBNodes` of the union.
fn is_list(field: &Field) -> bool {
    matches!((field.id, field.kind), (4 | 5, code::STRUCT))
}

fn decode_with<'a>(
    mut cursor: Cursor<'a>,
    read_data: impl Fn(&mut Cursor<'a>) -> Result<Option<Data<'a>>, DecodeError>,
) -> Result<Message<'a>, DecodeError> {
    let mut number = None;
    let mut data = None;
    let mut id = NO_ID;
    cursor.enter()?;
    while let Some(field) = cursor.field()? {
        match (field.id, field.kind) {
            (1, code::I32) => number = Some(cursor.i32()?),
            (2, code::STRUCT) => data = read_data(&mut cursor)?,
            (3, code::I32) => id = cursor.i32()?,
            (_, unknown) => cursor.skip(unknown)?,
        }
    }
    let number = number.ok_or(DecodeError::MissingType)?;
    let kind = MessageType::from_number(number).ok_or(DecodeError::UnknownType(number))?;
    Ok(Message { kind, data, id })
}

/// `HBMessageData`, as Java's `TUnion` reads it: one field, and then whatever follows counts as the stop byte
/// (its comment says: "this is so that we will eat the stop byte").
fn read_data<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Data<'a>>, DecodeError> {
    cursor.enter()?;
    let field = cursor.field()?.ok_or(DecodeError::EmptyUnion)?;
    let data = match (field.id, field.kind) {
        (1, code::STRING) => Some(Data::Path(cursor.string()?)),
        (2, code::STRUCT) => Some(Data::Pulse(read_pulse(cursor)?)),
        (3, code::BOOL) => Some(Data::Bool(cursor.bool()?)),
        (4, code::STRUCT) => Some(Data::Records(read_list(cursor, read_pulse)?)),
        (5, code::STRUCT) => Some(Data::Nodes(read_list(cursor, Cursor::string)?)),
        (7, code::STRING) => Some(Data::Blob(cursor.binary()?)),
        (_, unknown) => {
            cursor.skip(unknown)?;
            None
        }
    };
    // If this is not the stop byte, Java's readFieldBegin has read the head of a field, and the message
    // around the union goes on with that field's value.
    cursor.field()?;
    cursor.leave();
    Ok(data)
}

/// `HBPulse`.
fn read_pulse<'a>(cursor: &mut Cursor<'a>) -> Result<Pulse<'a>, DecodeError> {
    let mut id: Option<Cow<'a, str>> = None;
    let mut details = None;
    cursor.enter()?;
    while let Some(field) = cursor.field()? {
        match (field.id, field.kind) {
            (1, code::STRING) => id = Some(cursor.string()?),
            (2, code::STRING) => details = Some(cursor.binary()?),
            (_, unknown) => cursor.skip(unknown)?,
        }
    }
    cursor.leave();
    let id = id.ok_or(DecodeError::MissingPulseId)?;
    Ok(Pulse { id, details })
}

/// `HBRecords` or `HBNodes`: a struct whose field 1 is a list. Java's reader ignores the declared type of the
/// elements, and so does this one. Every element takes bytes of the body, which bounds the loop and the
/// vector.
fn read_list<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut elements = Vec::new();
    cursor.enter()?;
    while let Some(field) = cursor.field()? {
        match (field.id, field.kind) {
            (1, code::LIST) => {
                cursor.enter()?;
                let (_, count) = cursor.list()?;
                elements.clear();
                for _ in 0..count {
                    elements.push(read(cursor)?);
                }
                cursor.leave();
            }
            (_, unknown) => cursor.skip(unknown)?,
        }
    }
    cursor.leave();
    Ok(elements)
}
