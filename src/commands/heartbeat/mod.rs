//! What a worker sends: Storm's `ClusterWorkerHeartbeat` in TBinaryProtocol, packed with gzip (1.0 to 2.8)
//! or zstd. Any guest may have written it, so both its sizes have a limit, and fields that nobody knows
//! are carried along. The daemon never looks inside; commands do.

mod fields;
mod show;
#[cfg(test)]
mod tests;
mod unpack;

use std::fmt;

use crate::limits;
use crate::wire::DecodeError;
use crate::wire::thrift::{Cursor, code};
use fields::Shape;

pub use show::{json, write_text};
pub use unpack::{Packing, Unpacked, unpack};

/// Why details cannot be shown as a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its packing is broken: the unpacker's words.
    Packed(Packing, String),
    TooLarge,
    Thrift(DecodeError),
    TooManyValues,
    /// It is a Thrift struct, and no heartbeat.
    NoTopology,
}

/// A value of Thrift's, as it stands in the bytes that were unpacked.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Struct(Vec<(Name, Value<'a>)>),
    /// A set as well.
    List(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
}

/// A field's name, or its id if it is of a Storm that we do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Known(&'static str),
    Field(i16),
}

/// Reads a heartbeat that has been unpacked. What follows it is ignored, as Java does.
pub fn decode(bytes: &[u8]) -> Result<Value<'_>, Unreadable> {
    let mut reader = Reader {
        cursor: Cursor::new(bytes),
        values: 0,
    };
    let heartbeat = reader.value(code::STRUCT, fields::HEARTBEAT)?;
    match heartbeat.text("storm_id") {
        Some(_) => Ok(heartbeat),
        None => Err(Unreadable::NoTopology),
    }
}

/// When a worker made this heartbeat, by its own clock: seconds since 1970. Reads no more than that
/// needs.
pub fn time_secs(details: &[u8]) -> Option<i64> {
    let unpacked = unpack(details).ok()?;
    let mut cursor = Cursor::new(&unpacked.bytes);
    cursor.enter().ok()?;
    while let Some(field) = cursor.field().ok()? {
        match (field.id, field.kind) {
            (fields::TIME_SECS, code::I32) => return cursor.i32().ok().map(i64::from),
            (_, kind) => cursor.skip(kind).ok()?,
        }
    }
    None
}

impl<'a> Value<'a> {
    /// The field of a struct.
    pub fn field(&self, name: &str) -> Option<&Value<'a>> {
        let Value::Struct(fields) = self else {
            return None;
        };
        let is_it = |found: &Name| matches!(found, Name::Known(known) if *known == name);
        // Of a repeated field Java keeps the last one.
        let found = fields.iter().rev().find(|(found, _)| is_it(found));
        found.map(|(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            Value::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The entries of a map that is a field.
    pub fn entries(&self, name: &str) -> &[(Value<'a>, Value<'a>)] {
        match self.field(name) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    values: usize,
}

impl<'a> Reader<'a> {
    /// One value of this type; its shape gives names to what it holds, where both agree.
    fn value(&mut self, kind: u8, shape: Shape) -> Result<Value<'a>, Unreadable> {
        // Each takes memory, which a list of a million empty structs must not multiply.
        self.values += 1;
        if self.values > limits::HEARTBEAT_VALUES {
            return Err(Unreadable::TooManyValues);
        }
        let cursor = &mut self.cursor;
        Ok(match kind {
            code::BOOL => Value::Bool(cursor.bool()?),
            code::BYTE => Value::Integer((cursor.byte()? as i8).into()),
            code::I16 => Value::Integer(cursor.i16()?.into()),
            code::I32 => Value::Integer(cursor.i32()?.into()),
            code::I64 => Value::Integer(cursor.i64()?),
            code::DOUBLE => Value::Double(cursor.double()?),
            code::STRING => {
                let bytes = cursor.binary()?;
                std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text)
            }
            code::UUID => {
                let rest = cursor.rest();
                cursor.uuid()?;
                Value::Bytes(&rest[..16])
            }
            code::STRUCT => self.fields(shape)?,
            code::LIST | code::SET => self.list()?,
            code::MAP => self.map(shape)?,
            unknown => return Err(DecodeError::BadFieldType(unknown).into()),
        })
    }

    fn fields(&mut self, shape: Shape) -> Result<Value<'a>, Unreadable> {
        let mut fields = Vec::new();
        self.cursor.enter()?;
        while let Some(field) = self.cursor.field()? {
            let (name, shape) = shape.field(field.id);
            fields.push((name, self.value(field.kind, shape)?));
        }
        self.cursor.leave();
        Ok(Value::Struct(fields))
    }

    fn list(&mut self) -> Result<Value<'a>, Unreadable> {
        let mut elements = Vec::new();
        self.cursor.enter()?;
        let (kind, count) = self.cursor.list()?;
        for _ in 0..count {
            elements.push(self.value(kind, Shape::Plain)?);
        }
        self.cursor.leave();
        Ok(Value::List(elements))
    }

    fn map(&mut self, shape: Shape) -> Result<Value<'a>, Unreadable> {
        let mut entries = Vec::new();
        let (of_key, of_value) = shape.entry();
        self.cursor.enter()?;
        let (key, value, count) = self.cursor.map()?;
        for _ in 0..count {
            let key = self.value(key, of_key)?;
            entries.push((key, self.value(value, of_value)?));
        }
        self.cursor.leave();
        Ok(Value::Map(entries))
    }
}

impl From<DecodeError> for Unreadable {
    fn from(error: DecodeError) -> Unreadable {
        Unreadable::Thrift(error)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Packed(packing, why) => {
                write!(f, "it cannot be unpacked ({packing}): {why}")
            }
            Unreadable::TooLarge => write!(
                f,
                "unpacked it has more than {}",
                crate::config::Size(limits::UNPACKED_BYTES)
            ),
            Unreadable::Thrift(error) => write!(f, "it is not Thrift's TBinaryProtocol: {error}"),
            Unreadable::TooManyValues => {
                write!(f, "it has more than {} values", limits::HEARTBEAT_VALUES)
            }
            Unreadable::NoTopology => write!(f, "it is a Thrift struct without a storm_id"),
        }
    }
}
