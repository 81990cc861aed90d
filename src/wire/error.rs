//! Why a frame's body is not a message. Always the peer's fault, and worth at most its connection.
//! Must not carry the peer's bytes: an error is logged, and a body may hold a login.

use std::fmt;

/// What was wrong with a message, or with the blob of a control or SASL message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes ended inside a value, or before the message's stop byte.
    Truncated,
    /// An unknown field nests deeper than [`crate::limits::THRIFT_DEPTH`].
    TooDeep,
    /// A value to be skipped has a type code that Thrift does not have, so its size is unknown.
    BadFieldType(u8),
    /// A string, list, set or map declares a size below zero.
    NegativeSize(i32),
    /// The message has no `type`.
    MissingType,
    /// The message's `type` is none of `HBServerMessageType`.
    UnknownType(i32),
    /// A pulse without its required `id`.
    MissingPulseId,
    /// `HBMessageData` holds no field at all.
    EmptyUnion,
    /// A control message's code is none of Storm's `ControlMessage`.
    UnknownControlCode(i16),
    /// A SASL message's blob does not start with the code of Storm's `SaslMessageToken`.
    NotAToken(i16),
}

impl DecodeError {
    /// The error's kind as a metric label: one word of lower-case letters and underscores.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TooDeep => "too_deep",
            Self::BadFieldType(_) => "bad_field_type",
            Self::NegativeSize(_) => "negative_size",
            Self::MissingType => "missing_type",
            Self::UnknownType(_) => "unknown_type",
            Self::MissingPulseId => "missing_pulse_id",
            Self::EmptyUnion => "empty_union",
            Self::UnknownControlCode(_) => "unknown_control_code",
            Self::NotAToken(_) => "not_a_token",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(out, "expected more bytes, the message ends early"),
            Self::TooDeep => write!(
                out,
                "expected at most {} nested structs and containers",
                crate::limits::THRIFT_DEPTH
            ),
            Self::BadFieldType(code) => write!(out, "expected a Thrift type, found code {code}"),
            Self::NegativeSize(size) => write!(out, "expected a size of 0 or more, found {size}"),
            Self::MissingType => write!(out, "expected a message type, found none"),
            Self::UnknownType(kind) => {
                write!(out, "expected a message type from 0 to 18, found {kind}")
            }
            Self::MissingPulseId => write!(out, "expected a pulse with an id, found none"),
            Self::EmptyUnion => write!(out, "expected one field in the message data, found none"),
            Self::UnknownControlCode(code) => {
                write!(out, "expected a control code of Storm's, found {code}")
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
