//! Decodes what a worker sends: Storm's `ClusterWorkerHeartbeat` in TBinaryProtocol, packed with gzip (1.0
//! to 2.8) or zstd. Any client may have written it, so both its sizes have a limit. Unknown fields are
//! kept. Only the commands decode heartbeats; the daemon never does.

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

pub(super) use show::{json, write_text};
pub(super) use unpack::{Packing, Unpacked, unpack};

/// Why details cannot be shown as a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeartbeatError {
    /// It cannot be unpacked: the unpacker's message.
    Packed(Packing, String),
    TooLarge,
    Thrift(DecodeError),
    TooManyValues,
    /// It is a Thrift struct, but has no topology.
    NoTopology,
}

/// A Thrift value, borrowed from the unpacked bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ThriftValue<'a> {
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Struct(Vec<(FieldName, ThriftValue<'a>)>),
    /// A set as well.
    List(Vec<ThriftValue<'a>>),
    Map(Vec<(ThriftValue<'a>, ThriftValue<'a>)>),
}

/// A field's name, or its id if no known release of Storm has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldName {
    Known(&'static str),
    Field(i16),
}

/// Decodes an unpacked heartbeat. Bytes after it are ignored, as in Java.
pub(super) fn decode(bytes: &[u8]) -> Result<ThriftValue<'_>, HeartbeatError> {
    let mut reader = ValueReader {
        cursor: Cursor::new(bytes),
        values: 0,
    };
    let heartbeat = reader.value(code::STRUCT, fields::HEARTBEAT)?;
    match heartbeat.text("storm_id") {
        Some(_) => Ok(heartbeat),
        None => Err(HeartbeatError::NoTopology),
    }
}

/// When a worker made this heartbeat, in seconds since 1970 by the worker's clock. Decodes no more than
/// it needs to.
pub(super) fn time_secs(details: &[u8]) -> Option<i64> {
    let unpacked = unpack(details).ok()?;
    let mut cursor = Cursor::new(&unpacked.bytes);
    cursor.enter().ok()?;
    while let Some(field) = cursor.field().ok()? {
        match (field.id, field.kind) {
            (fields::TIME_SECS, code::I32) => return cursor.i32().ok().map(i64::from),
            // Since Storm 3.
            (fields::TIME_SECS, code::I64) => return cursor.i64().ok(),
            (_, kind) => cursor.skip(kind).ok()?,
        }
    }
    None
}

impl<'a> ThriftValue<'a> {
    /// The field of a struct.
    pub(super) fn field(&self, name: &str) -> Option<&ThriftValue<'a>> {
        let ThriftValue::Struct(fields) = self else {
            return None;
        };
        let is_it = |found: &FieldName| matches!(found, FieldName::Known(known) if *known == name);
        // If a field is repeated, Java keeps the last one.
        let found = fields.iter().rev().find(|(found, _)| is_it(found));
        found.map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            ThriftValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            ThriftValue::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The entries of a field that is a map; none if there is no such field.
    pub(super) fn entries(&self, name: &str) -> &[(ThriftValue<'a>, ThriftValue<'a>)] {
        match self.field(name) {
            Some(ThriftValue::Map(entries)) => entries,
            _ => &[],
        }
    }
}

struct ValueReader<'a> {
    cursor: Cursor<'a>,
    values: usize,
}

impl<'a> ValueReader<'a> {
    /// One value of this type. The shape names its fields, where the two agree.
    fn value(&mut self, kind: u8, shape: Shape) -> Result<ThriftValue<'a>, HeartbeatError> {
        // Each value takes memory: a list of a million empty structs would take too much.
        self.values += 1;
        if self.values > limits::HEARTBEAT_VALUES {
            return Err(HeartbeatError::TooManyValues);
        }
        let cursor = &mut self.cursor;
        Ok(match kind {
            code::BOOL => ThriftValue::Bool(cursor.bool()?),
            code::BYTE => ThriftValue::Integer((cursor.byte()? as i8).into()),
            code::I16 => ThriftValue::Integer(cursor.i16()?.into()),
            code::I32 => ThriftValue::Integer(cursor.i32()?.into()),
            code::I64 => ThriftValue::Integer(cursor.i64()?),
            code::DOUBLE => ThriftValue::Double(cursor.double()?),
            code::STRING => {
                let bytes = cursor.binary()?;
                std::str::from_utf8(bytes).map_or(ThriftValue::Bytes(bytes), ThriftValue::Text)
            }
            code::UUID => {
                let rest = cursor.rest();
                cursor.uuid()?;
                ThriftValue::Bytes(&rest[..16])
            }
            code::STRUCT => self.fields(shape)?,
            code::LIST | code::SET => self.list()?,
            code::MAP => self.map(shape)?,
            unknown => return Err(DecodeError::BadFieldType(unknown).into()),
        })
    }

    fn fields(&mut self, shape: Shape) -> Result<ThriftValue<'a>, HeartbeatError> {
        let mut fields = Vec::new();
        self.cursor.enter()?;
        while let Some(field) = self.cursor.field()? {
            let (name, shape) = shape.field(field.id);
            fields.push((name, self.value(field.kind, shape)?));
        }
        self.cursor.leave();
        Ok(ThriftValue::Struct(fields))
    }

    fn list(&mut self) -> Result<ThriftValue<'a>, HeartbeatError> {
        let mut elements = Vec::new();
        self.cursor.enter()?;
        let (kind, count) = self.cursor.list()?;
        for _ in 0..count {
            elements.push(self.value(kind, Shape::Plain)?);
        }
        self.cursor.leave();
        Ok(ThriftValue::List(elements))
    }

    fn map(&mut self, shape: Shape) -> Result<ThriftValue<'a>, HeartbeatError> {
        let mut entries = Vec::new();
        let (of_key, of_value) = shape.entry();
        self.cursor.enter()?;
        let (key, value, count) = self.cursor.map()?;
        for _ in 0..count {
            let key = self.value(key, of_key)?;
            entries.push((key, self.value(value, of_value)?));
        }
        self.cursor.leave();
        Ok(ThriftValue::Map(entries))
    }
}

impl From<DecodeError> for HeartbeatError {
    fn from(error: DecodeError) -> HeartbeatError {
        HeartbeatError::Thrift(error)
    }
}

impl fmt::Display for HeartbeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeartbeatError::Packed(packing, why) => {
                write!(f, "it cannot be unpacked ({packing}): {why}")
            }
            HeartbeatError::TooLarge => write!(
                f,
                "it has more than {} unpacked",
                crate::units::Size(limits::UNPACKED_BYTES)
            ),
            HeartbeatError::Thrift(error) => {
                write!(f, "it is not Thrift's TBinaryProtocol: {error}")
            }
            HeartbeatError::TooManyValues => {
                write!(f, "it has more than {} values", limits::HEARTBEAT_VALUES)
            }
            HeartbeatError::NoTopology => write!(f, "it is a Thrift struct without a storm_id"),
        }
    }
}
