//! Storm's `HBMessage`: decoded from a frame's body without copying, and encoded as whole frames. The rules
//! are those of the Java readers and writers that Thrift generates. The session decides which message may
//! follow which, and which data belongs to which type.

mod decode;
mod encode;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use decode::decode;
pub(crate) use decode::decode_request;
pub use encode::{
    FRAME_PREFIX_BYTES, RECORD_TAIL, encode_blob, encode_bool, encode_nodes, encode_path,
    encode_plain, encode_pulse, encode_pulse_head, encode_pulse_tail, encode_record_head,
    encode_records_head, encode_records_tail, records_body_len,
};
pub(crate) use encode::{encode_nodes_head, encode_nodes_tail, nodes_body_len, pulse_body_len};

pub use super::DecodeError;
pub(super) use encode::encode_blob_parts;

/// The id of a message without one: the default of `HBMessage.message_id`.
pub const NO_ID: i32 = -1;

/// Storm's `HBServerMessageType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum MessageType {
    CreatePath = 0,
    CreatePathResponse = 1,
    Exists = 2,
    ExistsResponse = 3,
    SendPulse = 4,
    SendPulseResponse = 5,
    GetAllPulseForPath = 6,
    GetAllPulseForPathResponse = 7,
    GetAllNodesForPath = 8,
    GetAllNodesForPathResponse = 9,
    GetPulse = 10,
    GetPulseResponse = 11,
    DeletePath = 12,
    DeletePathResponse = 13,
    DeletePulseId = 14,
    DeletePulseIdResponse = 15,
    ControlMessage = 16,
    SaslMessageToken = 17,
    NotAuthorized = 18,
}

impl MessageType {
    /// Every type, indexed by its number.
    pub const ALL: [Self; 19] = [
        Self::CreatePath,
        Self::CreatePathResponse,
        Self::Exists,
        Self::ExistsResponse,
        Self::SendPulse,
        Self::SendPulseResponse,
        Self::GetAllPulseForPath,
        Self::GetAllPulseForPathResponse,
        Self::GetAllNodesForPath,
        Self::GetAllNodesForPathResponse,
        Self::GetPulse,
        Self::GetPulseResponse,
        Self::DeletePath,
        Self::DeletePathResponse,
        Self::DeletePulseId,
        Self::DeletePulseIdResponse,
        Self::ControlMessage,
        Self::SaslMessageToken,
        Self::NotAuthorized,
    ];

    /// The type with this number. `None`: Storm has no such type.
    pub fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }

    /// Storm's name of the type in lower-case letters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CreatePath => "create_path",
            Self::CreatePathResponse => "create_path_response",
            Self::Exists => "exists",
            Self::ExistsResponse => "exists_response",
            Self::SendPulse => "send_pulse",
            Self::SendPulseResponse => "send_pulse_response",
            Self::GetAllPulseForPath => "get_all_pulse_for_path",
            Self::GetAllPulseForPathResponse => "get_all_pulse_for_path_response",
            Self::GetAllNodesForPath => "get_all_nodes_for_path",
            Self::GetAllNodesForPathResponse => "get_all_nodes_for_path_response",
            Self::GetPulse => "get_pulse",
            Self::GetPulseResponse => "get_pulse_response",
            Self::DeletePath => "delete_path",
            Self::DeletePathResponse => "delete_path_response",
            Self::DeletePulseId => "delete_pulse_id",
            Self::DeletePulseIdResponse => "delete_pulse_id_response",
            Self::ControlMessage => "control_message",
            Self::SaslMessageToken => "sasl_message_token",
            Self::NotAuthorized => "not_authorized",
        }
    }
}

/// One `HBMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: MessageType,
    /// `None`: the message has no data, or data of a kind that Storm does not define.
    pub data: Option<Data<'a>>,
    /// [`NO_ID`]: the message has no id.
    pub id: i32,
}

/// The field of the union `HBMessageData`. `Debug` does not show the bytes of a blob, because they may belong
/// to a login.
#[derive(Clone, PartialEq, Eq)]
pub enum Data<'a> {
    Path(Cow<'a, str>),
    Pulse(Pulse<'a>),
    Bool(bool),
    Records(Vec<Pulse<'a>>),
    Nodes(Vec<Cow<'a, str>>),
    Blob(&'a [u8]),
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => out.debug_tuple("Path").field(path).finish(),
            Self::Pulse(pulse) => out.debug_tuple("Pulse").field(pulse).finish(),
            Self::Bool(value) => out.debug_tuple("Bool").field(value).finish(),
            Self::Records(pulses) => out.debug_tuple("Records").field(pulses).finish(),
            Self::Nodes(names) => out.debug_tuple("Nodes").field(names).finish(),
            Self::Blob(blob) => write!(out, "Blob({} bytes)", blob.len()),
        }
    }
}

/// One `HBPulse`: a key and its details. `Debug` shows only the length of the details.
#[derive(Clone, PartialEq, Eq)]
pub struct Pulse<'a> {
    pub id: Cow<'a, str>,
    /// `None` in an answer: nothing is stored. Empty details are legal and are stored.
    pub details: Option<&'a [u8]>,
}

impl fmt::Debug for Pulse<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pulse")
            .field("id", &self.id)
            .field("details_bytes", &self.details.map(<[u8]>::len))
            .finish()
    }
}
