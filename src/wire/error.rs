//! Why the body of a frame is not a message. Errors must not carry the peer's bytes: errors are logged, and
//! a body may hold a login.

use std::fmt;

/// What is wrong with a message, or with the blob of a control or SASL message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside a value or before the message's stop byte.
    Truncated,
    /// Structs and containers nest deeper than [`crate::limits::THRIFT_DEPTH`].
    TooDeep,
    /// A request has more than [`crate::limits::REQUEST_VALUES`] fields, values in unknown fields, and bytes of
    /// text that is no UTF-8.
    TooManyValues,
    /// An unknown field has a type code that Thrift does not define, so it cannot be skipped.
    BadFieldType(u8),
    /// A string, list, set or map declares a negative size.
    NegativeSize(i32),
    /// The message has no field `type`.
    MissingType,
    /// Storm's `HBServerMessageType` has no such number.
    UnknownType(i32),
    /// A pulse has no `id`, which is a required field.
    MissingPulseId,
    /// `HBMessageData`, a union, has no field.
    EmptyUnion,
    /// A request carries `HBRecords` or `HBNodes`, which belong into answers.
    ListInRequest,
    /// Storm's `ControlMessage` has no such code.
    UnknownControlCode(i16),
    /// The blob of a SASL message begins with this code instead of `SaslMessageToken.IDENTIFIER`.
    NotAToken(i16),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(out, "expected more bytes; the message ends early"),
            Self::TooDeep => write!(
                out,
                "expected at most {} nested structs and containers",
                crate::limits::THRIFT_DEPTH
            ),
            Self::TooManyValues => write!(
                out,
                "expected at most {} fields, values in unknown fields and bytes of malformed text",
                crate::limits::REQUEST_VALUES
            ),
            Self::BadFieldType(code) => write!(out, "expected a Thrift type, found code {code}"),
            Self::NegativeSize(size) => write!(out, "expected a size of 0 or more, found {size}"),
            Self::MissingType => write!(out, "expected a message type, found none"),
            Self::UnknownType(kind) => {
                write!(out, "expected a message type from 0 to 18, found {kind}")
            }
            Self::MissingPulseId => write!(out, "expected a pulse with an id, found none"),
            Self::EmptyUnion => write!(out, "expected one field in the message data, found none"),
            Self::ListInRequest => write!(
                out,
                "expected the data of a request, found a list of records or names"
            ),
            Self::UnknownControlCode(code) => {
                write!(out, "expected one of Storm's control codes, found {code}")
            }
            Self::NotAToken(code) => write!(
                out,
                "expected a SASL token (code {}), found code {code}",
                super::control::TOKEN_CODE
            ),
        }
    }
}

impl std::error::Error for DecodeError {}
