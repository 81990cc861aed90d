//! A frame's body to a [`Message`], exactly as Java's generated readers take it: what they tolerate
//! is tolerated, what they refuse is an error. It must not allocate by a count that the peer claims.

use std::borrow::Cow;

use super::super::thrift::{Cursor, code};
use super::{Data, DecodeError, Message, MessageType, NO_ID, Pulse};

/// Decodes a frame's body: the frame without its length prefix.
///
/// Unknown fields, and known ones of another type, are passed over; of a repeated field the last one
/// counts; bytes after the message's end are ignored (Java's `TBinaryProtocol`, `HBMessage`,
/// `HBMessageData` and Thrift's `TUnion`). Errors are the peer's fault.
pub fn decode(body: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut cursor = Cursor::new(body);
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

/// `HBMessageData`, by the reader of Java's `TUnion`: one field, then whatever follows is taken for
/// the stop byte (see its comment "this is so that we will eat the stop byte").
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
    // If this is no stop byte, Java's readFieldBegin has taken a field's head, and its value is then
    // read as fields of the message around the union.
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

/// `HBRecords` or `HBNodes`: a struct whose field 1 is the list. Java's reader never looks at the
/// type that the list claims for its elements, so neither does this. Every element takes bytes of
/// the body, which bounds both the loop and the vector.
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
