//! Frames recorded from Storm's Java server and clients, with their length prefix. The encoder and the
//! decoder are tested against them. Must not contain frames that this project has encoded.

use super::message::{Data, Message, MessageType, Pulse};

/// A frame's name, its bytes in hexadecimal, and its message.
pub(super) struct Golden {
    pub(super) name: &'static str,
    hex: &'static str,
    kind: MessageType,
    data: GoldenData,
    id: i32,
}

/// [`Data`] in a form that constants can have.
enum GoldenData {
    None,
    Path(&'static str),
    Pulse(&'static str, Option<&'static [u8]>),
    Bool(bool),
    Nodes(&'static [&'static str]),
    Blob(&'static [u8]),
}

impl Golden {
    pub(super) fn frame(&self) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hexadecimal digit") as u8;
        let pairs = self.hex.as_bytes().chunks_exact(2);
        pairs
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    pub(super) fn message(&self) -> Message<'static> {
        let data = match self.data {
            GoldenData::None => None,
            GoldenData::Path(path) => Some(Data::Path(path.into())),
            GoldenData::Pulse(id, details) => Some(Data::Pulse(Pulse {
                id: id.into(),
                details,
            })),
            GoldenData::Bool(value) => Some(Data::Bool(value)),
            GoldenData::Nodes(names) => {
                Some(Data::Nodes(names.iter().map(|&name| name.into()).collect()))
            }
            GoldenData::Blob(blob) => Some(Data::Blob(blob)),
        };
        Message {
            kind: self.kind,
            data,
            id: self.id,
        }
    }
}

pub(super) fn frames() -> impl Iterator<Item = Vec<u8>> {
    ALL.iter().map(Golden::frame)
}

pub(super) const ALL: &[Golden] = &[
    Golden {
        name: "SEND_PULSE",
        hex: "00000031080001000000040c00020c00020b0001000000092f772f74312f6e2d310b00020000000378797a\
              00000800030000000200",
        kind: MessageType::SendPulse,
        data: GoldenData::Pulse("/w/t1/n-1", Some(b"xyz")),
        id: 2,
    },
    Golden {
        name: "SEND_PULSE_RESPONSE",
        hex: "0000000f080001000000050800030000000200",
        kind: MessageType::SendPulseResponse,
        data: GoldenData::None,
        id: 2,
    },
    Golden {
        name: "GET_PULSE of a stored key",
        hex: "000000230800010000000a0c00020b0001000000092f772f74312f6e2d31000800030000000600",
        kind: MessageType::GetPulse,
        data: GoldenData::Path("/w/t1/n-1"),
        id: 6,
    },
    Golden {
        name: "GET_PULSE_RESPONSE with details",
        hex: "000000310800010000000b0c00020c00020b0001000000092f772f74312f6e2d310b00020000000378797a\
              00000800030000000600",
        kind: MessageType::GetPulseResponse,
        data: GoldenData::Pulse("/w/t1/n-1", Some(b"xyz")),
        id: 6,
    },
    Golden {
        name: "GET_PULSE of an unknown key",
        hex: "0000001d0800010000000a0c00020b0001000000032f7a7a000800030000000700",
        kind: MessageType::GetPulse,
        data: GoldenData::Path("/zz"),
        id: 7,
    },
    Golden {
        name: "GET_PULSE_RESPONSE without details",
        hex: "000000210800010000000b0c00020c00020b0001000000032f7a7a00000800030000000700",
        kind: MessageType::GetPulseResponse,
        data: GoldenData::Pulse("/zz", None),
        id: 7,
    },
    Golden {
        name: "GET_ALL_NODES_FOR_PATH",
        hex: "0000001c080001000000080c00020b0001000000022f77000800030000000900",
        kind: MessageType::GetAllNodesForPath,
        data: GoldenData::Path("/w"),
        id: 9,
    },
    Golden {
        name: "GET_ALL_NODES_FOR_PATH_RESPONSE with two names",
        hex: "0000002c080001000000090c00020c00050f00010b000000020000000374313100000002743100\
              000800030000000900",
        kind: MessageType::GetAllNodesForPathResponse,
        data: GoldenData::Nodes(&["t11", "t1"]),
        id: 9,
    },
    Golden {
        name: "GET_ALL_NODES_FOR_PATH_RESPONSE without names",
        hex: "0000001f080001000000090c00020c00050f00010b0000000000000800030000000c00",
        kind: MessageType::GetAllNodesForPathResponse,
        data: GoldenData::Nodes(&[]),
        id: 12,
    },
    Golden {
        name: "EXISTS_RESPONSE",
        hex: "00000017080001000000030c000202000301000800030000000400",
        kind: MessageType::ExistsResponse,
        data: GoldenData::Bool(true),
        id: 4,
    },
    Golden {
        name: "CREATE_PATH_RESPONSE",
        hex: "0000000f080001000000010800030000000100",
        kind: MessageType::CreatePathResponse,
        data: GoldenData::None,
        id: 1,
    },
    Golden {
        name: "GET_ALL_PULSE_FOR_PATH_RESPONSE",
        hex: "0000000f080001000000070800030000000800",
        kind: MessageType::GetAllPulseForPathResponse,
        data: GoldenData::None,
        id: 8,
    },
    Golden {
        name: "DELETE_PATH_RESPONSE",
        hex: "0000000f0800010000000d0800030000001100",
        kind: MessageType::DeletePathResponse,
        data: GoldenData::None,
        id: 17,
    },
    Golden {
        name: "DELETE_PULSE_ID_RESPONSE",
        hex: "0000000f0800010000000f0800030000001000",
        kind: MessageType::DeletePulseIdResponse,
        data: GoldenData::None,
        id: 16,
    },
    Golden {
        name: "CONTROL_MESSAGE -202",
        hex: "00000015080001000000100c00020b000700000002ff360000",
        kind: MessageType::ControlMessage,
        data: GoldenData::Blob(&[0xFF, 0x36]),
        id: -1,
    },
    Golden {
        name: "SASL_MESSAGE_TOKEN hi",
        hex: "0000001b080001000000110c00020b000700000008fe0c0000000268690000",
        kind: MessageType::SaslMessageToken,
        data: GoldenData::Blob(&[0xFE, 0x0C, 0, 0, 0, 2, b'h', b'i']),
        id: -1,
    },
];
